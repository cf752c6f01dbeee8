//! Schedules written as a crontab, as far as a crontab can say them; what it cannot say is named.

use super::times::LineTimes;
use crate::names::ScheduleId;
use crate::run::step_text::StepText;
use crate::schedule::{Definition, Policies, State};
use crate::spec::calendar_text::CalendarText;
use crate::spec::interval::Interval;
use crate::spec::spec_text::SpecText;
use crate::spec::zone::{Gap, Repeat};

/// A crontab, and what is lost in it: of which schedule, and what.
#[derive(Debug, Default)]
pub(crate) struct Exported {
    pub(crate) text: String,
    pub(crate) lost: Vec<(ScheduleId, String)>,
}

const HEAD: &str = "# Written by `tempo export --crontab`. Debian's cron ignores CRON_TZ: there, times are the machine's.\n";

/// Writes schedules as a crontab of somebody with that home, where cron runs commands.
pub(crate) fn crontab(schedules: &[(ScheduleId, Definition, State)], home: Option<&str>) -> Exported {
    let mut exported = Exported {
        text: HEAD.to_owned(),
        ..Exported::default()
    };
    let mut zone = String::new();
    for (id, definition, state) in schedules {
        let note = if state.note.is_empty() {
            id.to_string()
        } else {
            state.note.replace('\n', " ")
        };
        exported.text.push_str(&format!("\n# {note}\n"));
        let lines = times(&definition.spec).and_then(|times| Ok((times, command(definition, home)?)));
        let (times, command) = match lines {
            Ok(lines) => lines,
            Err(why) => {
                exported.text.push_str(&format!("# cannot be said in a crontab: {why}\n"));
                exported.lost.push((id.clone(), format!("left out, since {why}")));
                continue;
            }
        };
        for (own_zone, time) in times {
            if own_zone != zone {
                exported.text.push_str(&format!("CRON_TZ={own_zone}\n"));
                zone = own_zone;
            }
            let off = if state.paused { "# paused: " } else { "" };
            exported.text.push_str(&format!("{off}{time} {command}\n"));
        }
        for what in lost(definition, state) {
            exported.lost.push((id.clone(), what));
        }
    }
    exported
}

/// The times, each with its zone.
fn times(spec: &SpecText) -> Result<Vec<(String, String)>, String> {
    let reasons = [
        (!spec.exclude_calendar.is_empty(), "it excludes times"),
        (spec.start_time.is_some(), "it has a start time"),
        (spec.end_time.is_some(), "it has an end time"),
        (!spec.quartz.is_empty(), "it has a Quartz expression"),
        (spec.is_empty(), "it names no time"),
    ];
    if let Some((_, why)) = reasons.iter().find(|(is_so, _)| *is_so) {
        return Err((*why).to_owned());
    }
    let zone = spec.zone_name();
    let mut lines: Vec<(String, String)> = Vec::new();
    let strings: Vec<String> = spec.cron.iter().map(|c| without_zone(c).to_owned()).collect();
    let calendars = spec.calendar.iter().map(of_calendar).collect::<Result<Vec<_>, _>>()?;
    for line in either_day(strings).into_iter().chain(calendars) {
        check(&line.text, line.either_day)?;
        lines.push((zone.clone(), line.text));
    }
    for interval in &spec.interval {
        lines.push(("UTC".to_owned(), of_interval(interval)?));
    }
    if spec.at_boot {
        lines.push((zone, "@reboot".to_owned()));
    }
    Ok(lines)
}

/// Five fields, and whether cron may read its two day fields as "either".
struct Line {
    text: String,
    either_day: bool,
}

fn without_zone(cron: &str) -> &str {
    let start = cron.trim();
    let zoned = start.starts_with("CRON_TZ=") || start.starts_with("TZ=");
    if zoned {
        start.split_once(char::is_whitespace).map_or(start, |(_, rest)| rest.trim())
    } else {
        start
    }
}

/// `M H D MON *` and `M H * MON W` are one line where cron means either.
fn either_day(strings: Vec<String>) -> Vec<Line> {
    let words: Vec<Vec<&str>> = strings.iter().map(|s| s.split_whitespace().collect()).collect();
    if let [a, b] = words.as_slice()
        && let ([m, h, day, month, "*"], [m2, h2, "*", month2, weekday]) = (a.as_slice(), b.as_slice())
        && (m, h, month) == (m2, h2, month2)
        && LineTimes::fields([m, h, day, month, weekday]).is_ok_and(|times| times.either_day())
    {
        return vec![Line {
            text: format!("{m} {h} {day} {month} {weekday}"),
            either_day: true,
        }];
    }
    strings.into_iter().map(|text| Line { text, either_day: false }).collect()
}

fn of_calendar(calendar: &CalendarText) -> Result<Line, String> {
    let plain = calendar.second.as_deref().is_none_or(|s| s == "0") && calendar.year.as_deref().is_none_or(|y| y == "*");
    if !plain {
        return Err("it names seconds or years".to_owned());
    }
    let or = |field: &Option<String>, default: &str| field.clone().unwrap_or_else(|| default.to_owned());
    let fields = [
        or(&calendar.minute, "0"),
        or(&calendar.hour, "0"),
        or(&calendar.day_of_month, "*"),
        or(&calendar.month, "*"),
        or(&calendar.day_of_week, "*"),
    ];
    Ok(Line {
        text: fields.join(" "),
        either_day: false,
    })
}

/// Whether cron reads a line as tempo does.
fn check(line: &str, either_day: bool) -> Result<(), String> {
    let words: Vec<&str> = line.split_whitespace().collect();
    let read = match words.as_slice() {
        [name] => LineTimes::named(name),
        [minute, hour, day, month, weekday] => {
            LineTimes::fields([minute, hour, day, month, weekday]).map_err(|(_, (_, why))| why)
        }
        _ => return Err(format!("`{line}` has more than five fields")),
    };
    let times = read?;
    if times.either_day() && !either_day {
        return Err(format!("of `{line}` cron would take either day field, and both must match"));
    }
    Ok(())
}

/// An interval that begins anew with each hour or each day, in UTC.
fn of_interval(written: &str) -> Result<String, String> {
    let interval = Interval::parse(written).map_err(|e| crate::error::Error::from(e).to_string())?;
    let refuse = || Err(format!("cron cannot say every `{written}`"));
    if interval.every_s % 60 != 0 || interval.offset_s % 60 != 0 {
        return refuse();
    }
    let (every, phase) = (interval.every_s / 60, interval.offset_s / 60);
    let from = |start: i64, last: i64, step: i64| match (start, step) {
        (0, 1) => "*".to_owned(),
        (0, step) => format!("*/{step}"),
        (start, step) => format!("{start}-{last}/{step}"),
    };
    if 60 % every == 0 && every < 60 {
        return Ok(format!("{} * * * *", from(phase, 59, every)));
    }
    if every % 60 == 0 && 24 % (every / 60) == 0 {
        let hours = if every == 24 * 60 {
            (phase / 60).to_string()
        } else {
            from(phase / 60, 23, every / 60)
        };
        return Ok(format!("{} {hours} * * *", phase % 60));
    }
    refuse()
}

/// The command with all that goes with it, in one line.
fn command(definition: &Definition, home: Option<&str>) -> Result<String, String> {
    let [step] = definition.action.steps.as_slice() else {
        return Err(format!("it has {} steps", definition.action.steps.len()));
    };
    let line = match (&step.shell, &step.command) {
        (Some(line), _) => line.clone(),
        (None, Some(argv)) => argv.iter().map(|a| quoted(a)).collect::<Vec<_>>().join(" "),
        (None, None) => return Err("its step is a probe".to_owned()),
    };
    let folder = step
        .cwd
        .as_ref()
        .filter(|cwd| home != Some(cwd.as_str()))
        .map_or_else(String::new, |cwd| format!("cd {} || exit; ", quoted(cwd)));
    let variables: Vec<String> = step
        .env
        .iter()
        .map(|(key, value)| format!("export {key}={}; ", quoted(value)))
        .collect();
    if step.env.values().any(|v| v.starts_with("env:")) {
        return Err("a variable of it is read from the environment of tempo".to_owned());
    }
    let whole = format!("{}{folder}{line}", variables.concat());
    let is_name = |key: &String| {
        key.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') && !key.starts_with(|c: char| c.is_ascii_digit())
    };
    if !step.env.keys().all(is_name) {
        return Err("a variable of it has a name that a shell does not take".to_owned());
    }
    if whole.contains("\\%") || step.stdin.as_ref().is_some_and(|text| text.contains('\\')) {
        return Err("it has a backslash where a crontab reads it otherwise".to_owned());
    }
    if whole.contains('\n') {
        return Err("its command has more than one line".to_owned());
    }
    let escaped = |text: &str| text.replace('%', "\\%");
    let stdin = step.stdin.as_ref().map_or_else(String::new, |text| {
        format!("%{}", escaped(text.strip_suffix('\n').unwrap_or(text)).replace('\n', "%"))
    });
    Ok(format!("{}{stdin}", escaped(&whole)))
}

/// A word as a shell reads it.
fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_@%+=:,./-".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', "'\\''"))
    }
}

/// What is said of a schedule that a crontab has no word for.
fn lost(definition: &Definition, state: &State) -> Vec<String> {
    let unsaid = Policies::default();
    let Definition { spec, action, policies } = definition;
    let fixed = |cron: &String| {
        let mut words = without_zone(cron).split_whitespace();
        let mut next = || words.next().is_some_and(|w| !w.starts_with('*'));
        next() && next()
    };
    let literal = spec.cron.iter().any(fixed) && (spec.dst_gap, spec.dst_repeat) != (Gap::Shift, Repeat::First);
    let of_steps = |has: &dyn Fn(&StepText) -> bool| action.steps.iter().any(has);
    let named = [
        (
            policies.overlap != unsaid.overlap,
            format!("overlap policy `{}`", policies.overlap.name()),
        ),
        (
            policies.catchup_window_ms != unsaid.catchup_window_ms,
            "the catch-up window".to_owned(),
        ),
        (policies.pause_on_failure, "pausing on failure".to_owned()),
        (spec.jitter.is_some(), "jitter".to_owned()),
        (
            literal && spec.zone_name() != "UTC",
            "times that daylight saving skips or repeats, as tempo reads them".to_owned(),
        ),
        (
            state.remaining_actions.is_some(),
            "the number of remaining actions".to_owned(),
        ),
        (action.run_timeout.is_some(), "the run timeout".to_owned()),
        (action.workflow_id.is_some(), "the workflow id".to_owned()),
        (of_steps(&|s| s.retry.is_some()), "retries".to_owned()),
        (
            of_steps(&|s| s.start_to_close_timeout.is_some() || s.schedule_to_close_timeout.is_some()),
            "timeouts".to_owned(),
        ),
        (
            of_steps(&|s| s.ok_exit_codes.is_some()),
            "exit codes that are a success".to_owned(),
        ),
        (of_steps(&|s| s.user.is_some()), "the user".to_owned()),
    ];
    named
        .into_iter()
        .filter(|(is_lost, _)| *is_lost)
        .map(|(_, what)| what)
        .collect()
}
