//! Writes schedules as a crontab, and lists what a crontab cannot express.

use super::mail;
use super::times::LineTimes;
use crate::files::shell_words::quoted;
use crate::names::ScheduleId;
use crate::run::step_text::StepText;
use crate::schedule::{Alerts, Definition, OverlapPolicy, Policies, State};
use crate::spec::calendar_text::CalendarText;
use crate::spec::interval::Interval;
use crate::spec::spec_text::SpecText;
use crate::spec::zone::{Gap, Repeat};

/// A crontab, and the properties that it could not express, by schedule.
#[derive(Debug, Default)]
pub(crate) struct Exported {
    pub(crate) text: String,
    pub(crate) lost: Vec<(ScheduleId, String)>,
}

const HEAD: &str =
    "# Written by `tempo export --crontab`. Debian's cron ignores CRON_TZ: there, times are in the machine's zone.\n";

/// Writes schedules as the crontab of a user with this home directory, in which cron runs commands.
pub(crate) fn crontab(schedules: &[(ScheduleId, Definition, State)], home: Option<&str>) -> Exported {
    let mut exported = Exported {
        text: HEAD.to_owned(),
        ..Exported::default()
    };
    let mut zone = String::new();
    // Without a `MAILTO`, cron mails the owner.
    let mails = schedules
        .iter()
        .any(|(_, definition, _)| mail::of_labels(&definition.alerts.labels).is_some());
    let mut mail_to = (!mails).then_some("");
    for (id, definition, state) in schedules {
        let note = if state.note.is_empty() {
            id.to_string()
        } else {
            state.note.replace('\n', " ")
        };
        let lines = times(&definition.spec).and_then(|times| Ok((times, command(definition, home)?)));
        let (times, command) = match lines {
            Ok(lines) => lines,
            Err(why) => {
                exported.text.push_str(&format!("\n# {id}: not exported: {why}\n"));
                exported.lost.push((id.clone(), format!("not exported: {why}")));
                continue;
            }
        };
        let mail = mail::of_labels(&definition.alerts.labels).unwrap_or_default();
        exported.text.push('\n');
        if mail_to != Some(mail) {
            exported.text.push_str(&format!("MAILTO={}\n", quoted_value(mail)));
            mail_to = Some(mail);
        }
        for (index, (line_zone, time)) in times.into_iter().enumerate() {
            if line_zone != zone {
                exported.text.push_str(&format!("CRON_TZ={line_zone}\n"));
                zone = line_zone;
            }
            // Directly above the line: `import crontab` takes no other comment as its note.
            if index == 0 {
                exported.text.push_str(&format!("# {note}\n"));
            }
            let prefix = if state.paused { "# paused: " } else { "" };
            exported.text.push_str(&format!("{prefix}{time} {command}\n"));
        }
        for what in lost(definition, state) {
            exported
                .lost
                .push((id.clone(), format!("cannot be expressed in a crontab: {what}")));
        }
    }
    exported
}

/// Returns the times of a spec, each with its zone; an error is the reason why cron cannot express them.
fn times(spec: &SpecText) -> Result<Vec<(String, String)>, String> {
    let reasons = [
        (!spec.exclude_calendar.is_empty(), "it excludes times"),
        (spec.start_time.is_some(), "it has a start time"),
        (spec.end_time.is_some(), "it has an end time"),
        (!spec.quartz.is_empty(), "it has a Quartz expression"),
        (spec.is_empty(), "it has no times"),
    ];
    if let Some((_, why)) = reasons.iter().find(|(applies, _)| *applies) {
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

/// Five fields, and whether cron may fire when either of the two day fields matches.
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

/// Merges `M H D MON *` and `M H * MON W` into one line if cron fires it when either day field matches.
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
        return Err("it uses seconds or years".to_owned());
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

/// Checks that cron interprets a line as tempo does.
fn check(line: &str, either_day: bool) -> Result<(), String> {
    let words: Vec<&str> = line.split_whitespace().collect();
    let times = match words.as_slice() {
        [name] => LineTimes::named(name),
        [minute, hour, day, month, weekday] => {
            LineTimes::fields([minute, hour, day, month, weekday]).map_err(|(_, (_, why))| why)
        }
        _ => return Err(format!("`{line}` has more than five fields")),
    };
    let times = times?;
    if times.either_day() && !either_day {
        return Err(format!(
            "cron would fire `{line}` when either day field matches, but both must"
        ));
    }
    Ok(())
}

/// Converts an interval that divides an hour or a day, in UTC.
fn of_interval(text: &str) -> Result<String, String> {
    let interval = Interval::parse(text).map_err(|e| crate::error::Error::from(e).to_string())?;
    let not_possible = || Err(format!("cron cannot express the interval `{text}`"));
    if interval.every_s % 60 != 0 || interval.offset_s % 60 != 0 {
        return not_possible();
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
    not_possible()
}

/// Returns the command with its directory, variables and stdin, in one line.
fn command(definition: &Definition, home: Option<&str>) -> Result<String, String> {
    let [step] = definition.action.steps.as_slice() else {
        return Err(format!("it has {} steps", definition.action.steps.len()));
    };
    let line = match (&step.shell, &step.command) {
        (Some(line), _) => line.clone(),
        (None, Some(argv)) => argv.iter().map(|a| quoted(a)).collect::<Vec<_>>().join(" "),
        (None, None) if step.beat.is_some() => return Err("it expects heartbeats".to_owned()),
        (None, None) => return Err("its step is a probe".to_owned()),
    };
    let directory = step
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
        return Err("one of its variables is read from tempo's environment".to_owned());
    }
    let whole = format!("{}{directory}{line}", variables.concat());
    let is_name = |key: &String| {
        key.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') && !key.starts_with(|c: char| c.is_ascii_digit())
    };
    if !step.env.keys().all(is_name) {
        return Err("one of its variables has a name that shells do not accept".to_owned());
    }
    if whole.contains("\\%") || step.stdin.as_ref().is_some_and(|text| text.contains('\\')) {
        return Err("it has a backslash that cron would interpret differently".to_owned());
    }
    if whole.contains('\n') {
        return Err("its command has more than one line".to_owned());
    }
    let escaped = |text: &str| text.replace('%', "\\%");
    let stdin = step.stdin.as_ref().map_or_else(String::new, |text| {
        // cron adds a newline to the last line only if it is missing.
        let last = text
            .strip_suffix('\n')
            .filter(|rest| !rest.is_empty() && !rest.ends_with('\n'));
        format!("%{}", escaped(last.unwrap_or(text)).replace('\n', "%"))
    });
    Ok(format!("{}{stdin}", escaped(&whole)))
}

/// The value of a variable; quoted where cron would read nothing.
fn quoted_value(value: &str) -> &str {
    if value.is_empty() { "\"\"" } else { value }
}

/// Lists the properties of a schedule that a crontab cannot express.
fn lost(definition: &Definition, state: &State) -> Vec<String> {
    let defaults = Policies::default();
    let Definition {
        spec,
        action,
        policies,
        alerts,
        ..
    } = definition;
    let mut own_alerts = alerts.clone();
    // The label for `MAILTO` is expressed.
    let of_mail = |label: &String| mail::of_label(label).is_some();
    if let Some(expressed) = own_alerts.labels.iter().position(of_mail) {
        own_alerts.labels.remove(expressed);
    }
    let fixed = |cron: &String| {
        let mut words = without_zone(cron).split_whitespace();
        let mut next = || words.next().is_some_and(|w| !w.starts_with('*'));
        next() && next()
    };
    let literal = spec.cron.iter().any(fixed) && (spec.dst_gap, spec.dst_repeat) != (Gap::Shift, Repeat::First);
    let of_steps = |has: &dyn Fn(&StepText) -> bool| action.steps.iter().any(has);
    let named = [
        (
            // cron starts a job whether or not it is still running.
            policies.overlap != defaults.overlap && policies.overlap != OverlapPolicy::AllowAll,
            format!("overlap policy `{}`", policies.overlap.name()),
        ),
        (
            policies.catchup_window_ms != defaults.catchup_window_ms,
            "the catch-up window".to_owned(),
        ),
        (policies.failures_to_pause().is_some(), "pausing on failure".to_owned()),
        (spec.jitter.is_some(), "jitter".to_owned()),
        (
            literal && spec.zone_name() != "UTC",
            "the handling of times that daylight saving skips or repeats".to_owned(),
        ),
        (
            state.remaining_actions.is_some(),
            "the number of remaining actions".to_owned(),
        ),
        (action.run_timeout.is_some(), "the run timeout".to_owned()),
        (action.workflow_id.is_some(), "the workflow id".to_owned()),
        (
            of_steps(&|s| s.stdin.as_ref().is_some_and(|text| !text.is_empty() && !text.ends_with('\n'))),
            "stdin without a newline at its end, which cron adds".to_owned(),
        ),
        (of_steps(&|s| s.retry.is_some()), "retries".to_owned()),
        (
            of_steps(&|s| s.start_to_close_timeout.is_some() || s.schedule_to_close_timeout.is_some()),
            "timeouts".to_owned(),
        ),
        (of_steps(&|s| s.ok_exit_codes.is_some()), "the accepted exit codes".to_owned()),
        (of_steps(&|s| s.user.is_some()), "the user".to_owned()),
        (
            of_steps(&|s| s.memory.is_some() || s.cpu_time.is_some() || s.nice.is_some()),
            "the limits of processes".to_owned(),
        ),
        (policies.max_running.is_some(), "the limit of open runs".to_owned()),
        (action.task_queue.is_some(), "the task queue".to_owned()),
        (action.lock.is_some(), "the lock".to_owned()),
        (action.condition.is_some(), "the condition".to_owned()),
        (!definition.after.is_empty(), "starts after other runs".to_owned()),
        (own_alerts != Alerts::default(), "alerts and labels".to_owned()),
    ];
    named
        .into_iter()
        .filter(|(is_lost, _)| *is_lost)
        .map(|(_, what)| what)
        .collect()
}
