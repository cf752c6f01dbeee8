//! Reads one `[[schedule]]` table: each key is checked where it stands.

use chrono::{DateTime, Utc};

use super::document::Source;
use super::node::Node;
use super::schedule_text::{RemainingText, ScheduleText};
use crate::error::{Error, Kind};
use crate::names::{ScheduleId, WorkflowId};
use crate::run::step::Step;
use crate::run::step_text::{Action, StepText};
use crate::schedule::after::{self, AfterOutcome};
use crate::schedule::alerts::Severity;
use crate::schedule::{Alerts, Declared, Definition, OverlapPolicy, Policies};
use crate::spec::calendar_text::CalendarText;
use crate::spec::exclusion::Exclusion;
use crate::spec::interval::Interval;
use crate::spec::spec_text::SpecText;
use crate::spec::zone::{Gap, Repeat, Zone, Zones};
use crate::spec::{Spec, cron, instant, quartz, text};
use crate::zoneinfo::ZoneInfo;

/// A schedule as a file defines it.
#[derive(Debug, Clone)]
pub(crate) struct FileSchedule {
    pub(crate) id: ScheduleId,
    /// Place of its table, as compilers write it: `jobs.toml:7`.
    pub(crate) place: String,
    /// Line of its table, counted from 1.
    pub(crate) line: usize,
    pub(crate) definition: Definition,
    /// The compiled spec of the definition, which has been checked.
    pub(crate) spec: Spec,
    pub(crate) declared: Declared,
    /// Warnings to show when it is applied.
    pub(crate) warnings: Vec<String>,
}

/// Reads one `[[schedule]]` table.
pub(super) struct TableReader<'a> {
    pub(super) source: &'a Source<'a>,
    pub(super) node: &'a Node,
    pub(super) zones: &'a dyn Zones,
}

impl TableReader<'_> {
    /// Adds the place to an error: that of the `index`th value of a key, or of the table if the key is absent.
    fn at<T, E: Into<Error>>(&self, key: &str, index: usize, result: Result<T, E>) -> Result<T, Error> {
        result.map_err(|e| {
            let value = self.node.field(key);
            let at = value.map_or(self.node, |v| v.items().get(index).unwrap_or(v)).at;
            e.into().within(self.source.place_text(at))
        })
    }

    fn each<T, U, E: Into<Error>>(&self, key: &str, list: &[T], check: impl Fn(&T) -> Result<U, E>) -> Result<(), Error> {
        let mut items = list.iter().enumerate();
        items.try_for_each(|(i, one)| self.at(key, i, check(one)).map(|_| ()))
    }

    /// The schedule that the table defines; `line` is the line of the table.
    pub(super) fn schedule(&self, mut text: ScheduleText, line: usize) -> Result<FileSchedule, Error> {
        let id = if text.id.is_empty() {
            Err(Error::new(Kind::Usage, "the schedule has no `id`"))
        } else {
            ScheduleId::parse(&text.id)
        };
        let id = self.at("id", 0, id)?;
        let place = format!("{}:{line}", self.source.name);
        let spec = self.spec(&text)?;
        self.at(
            "workflow_id",
            0,
            text.workflow_id.as_deref().map(WorkflowId::parse).transpose(),
        )?;
        if let Some(grace) = text
            .grace
            .take()
            .or_else(|| text.expect_within.clone().filter(|_| text.step.is_empty()))
        {
            if !text.step.is_empty() {
                let both = Error::new(
                    Kind::Usage,
                    "`grace` and `step` cannot be used together: a schedule with `grace` expects heartbeats",
                );
                return self.at("grace", 0, Err(both));
            }
            text.step = vec![StepText::waiting_for_beat(grace)];
        }
        self.each("step", &text.step, Step::check)?;
        text.step.shrink_to_fit();
        let action = Action {
            workflow_id: text.workflow_id,
            run_timeout: text.run_timeout,
            task_queue: text.task_queue,
            lock: text.lock,
            condition: text.condition,
            steps: text.step,
        };
        let catchup = text.catchup_window.as_deref().map(Policies::parse_catchup_window).transpose();
        let overlap = text.overlap_policy.as_deref().map(OverlapPolicy::parse).transpose();
        let defaults = Policies::default();
        let policies = Policies {
            overlap: self.at("overlap_policy", 0, overlap)?.unwrap_or(defaults.overlap),
            catchup_window_ms: self.at("catchup_window", 0, catchup)?.unwrap_or(defaults.catchup_window_ms),
            pause_on_failure: text.pause_on_failure,
            pause_after: self.at("pause_after", 0, Policies::check_pause_after(text.pause_after))?,
            max_running: self.at("max_running", 0, Policies::check_max_running(text.max_running))?,
        };
        self.at("pause_after", 0, policies.check_pauses())?;
        self.each("after", &text.after, |after| AfterOutcome::parse(after))?;
        let alerts = Alerts {
            labels: text.labels,
            severity: self.at("severity", 0, text.severity.as_deref().map(Severity::parse).transpose())?,
            open_after: text.open_after,
            resolve_after: text.resolve_after,
            remind: text.remind,
            expect_within: text.expect_within,
        };
        let remaining = text.remaining_actions.as_ref().map(RemainingText::read).transpose();
        let declared = Declared {
            note: text.note,
            paused: text.paused,
            remaining_actions: self.at("remaining_actions", 0, remaining)?,
        };
        let warnings = action.steps.iter().filter_map(relative_directory).collect();
        let definition = Definition {
            spec,
            action,
            policies,
            alerts,
            after: after::normalized(&text.after)?,
        };
        let checked = definition.check(&id, self.zones);
        Ok(FileSchedule {
            spec: checked.map_err(|e| self.source.within_table(self.node, e))?,
            id,
            place,
            line,
            definition,
            declared,
            warnings,
        })
    }

    fn spec(&self, text: &ScheduleText) -> Result<SpecText, Error> {
        self.each("interval", &text.interval, |i| Interval::parse(i))?;
        self.each("cron", &text.cron, |c| cron::parse(c))?;
        self.each("calendar", &text.calendar, CalendarText::normal_form)?;
        self.each("quartz", &text.quartz, |q| quartz::parse(q))?;
        self.each("exclude_calendar", &text.exclude_calendar, Exclusion::normal_form)?;
        let dst_gap = text.dst_gap.as_deref().map_or(Ok(Gap::default()), Gap::parse);
        let dst_repeat = text.dst_repeat.as_deref().map_or(Ok(Repeat::default()), Repeat::parse);
        let mut spec = SpecText {
            interval: text.interval.clone(),
            cron: text.cron.clone(),
            calendar: text.calendar.clone(),
            quartz: text.quartz.clone(),
            exclude_calendar: text.exclude_calendar.clone(),
            at_boot: text.at_boot,
            dst_gap: self.at("dst_gap", 0, dst_gap)?,
            dst_repeat: self.at("dst_repeat", 0, dst_repeat)?,
            time_zone: match text.time_zone.as_deref() {
                Some(local) if local.eq_ignore_ascii_case("local") => Some(ZoneInfo::local_name()?),
                other => other.map(str::to_owned),
            },
            jitter: text.jitter.clone(),
            ..SpecText::default()
        };
        for (index, when) in text.when.iter().enumerate() {
            self.at("when", index, spec.add_english(when))?;
        }
        let jitter = spec.jitter.as_deref().map(text::duration).transpose();
        let jitter = self.at("jitter", 0, jitter)?.filter(|j| !j.is_zero());
        spec.jitter = jitter.map(text::duration_text);
        let zone = spec.time_zone.as_deref();
        let zone = zone.map_or_else(|| Ok(Zone::utc()), |name| self.zones.zone(name));
        let zone = self.at("time_zone", 0, zone)?;
        let instant = |key, written: Option<&str>| self.at(key, 0, written.map(|t| fixed_instant(t, &zone)).transpose());
        for (index, at) in text.at.iter().enumerate() {
            let instant = fixed(at).and_then(|()| instant::parse_existing(at, &zone));
            let at = instant.and_then(|instant| spec.add_instant(instant, &zone));
            self.at("at", index, at)?;
        }
        spec.start_time = instant("start_time", text.start_time.as_deref())?;
        spec.end_time = instant("end_time", text.end_time.as_deref())?;
        Ok(spec)
    }
}

/// Parses an absolute instant.
fn fixed_instant(value: &str, zone: &Zone) -> Result<DateTime<Utc>, Error> {
    fixed(value).and_then(|()| instant::parse(value, zone, DateTime::UNIX_EPOCH))
}

/// Rejects a time that is relative to now.
fn fixed(value: &str) -> Result<(), Error> {
    let is_relative = value.trim().starts_with(['+', '-']) || value.trim().eq_ignore_ascii_case("now");
    if is_relative {
        return Err(
            Error::new(Kind::Usage, format_args!("`{value}` is relative to the current time"))
                .hint("Write an absolute time: `2026-05-05T09:00:00Z`, or `2026-05-05 09:00` in the schedule's time zone."),
        );
    }
    Ok(())
}

/// Returns a warning for a step whose working directory depends on where the server is started.
fn relative_directory(step: &StepText) -> Option<String> {
    let cwd = step.cwd.as_deref().filter(|cwd| !cwd.starts_with('/'))?;
    Some(format!(
        "step `{}`: the working directory `{cwd}` is relative to the directory where `tempo run` is started",
        step.name
    ))
}

#[cfg(test)]
mod tests {
    use super::super::definition;
    use super::*;

    fn schedules_of(text: &str) -> Result<Vec<FileSchedule>, Error> {
        definition::parse(&Source { name: "jobs.toml", text }, &ZoneInfo::compiled_in()).map(|defined| defined.schedules)
    }

    #[test]
    fn errors_show_line_column_and_a_suggestion() {
        for (text, message, hint) in [
            (
                "[[schedule]]\nid = 'a'\njiter = '1s'",
                "jobs.toml:3:1: unknown key `jiter`",
                "Did you mean `jitter`?",
            ),
            (
                "[[schedule]]\nid = 'a'\ncron = ['0 9 * * *', '0 25 * * *']",
                "jobs.toml:3:22: hour `25` is out of range 0-23",
                "",
            ),
            (
                "[[schedule]]\nid = 'a b'",
                "jobs.toml:2:6: the schedule id `a b` may not contain a space",
                "",
            ),
            (
                "[[schedule]]\nid = 'a'\ninterval = 5",
                "jobs.toml:3:12: expected a string, a table, or a list of them, found `5`",
                "",
            ),
            (
                "[[schedule]]\nid = 'a'\nstart_time = '-5m'",
                "jobs.toml:3:14: `-5m` is relative to the current time",
                "",
            ),
            (
                "[[schedule]]\nid = 'a'\ntime_zone = 'Europe/Berlyn'",
                "jobs.toml:3:13: ",
                "Did you mean `Europe/Berlin`?",
            ),
            (
                "[[schedule]]\nid = 'a'\ninterval = '1h'\n[[schedule.step]]\nname = 's'\nprobe = { url = 'http://x/', timout = '5s' }",
                "jobs.toml:6:30: unknown key `timout`",
                "Did you mean `timeout`?",
            ),
            (
                "[[schedule]]\nid = 'a'\n[[schedules]]",
                "jobs.toml:3:3: unknown key `schedules`",
                "Did you mean `schedule`?",
            ),
            ("[[schedule]]\nid = 'a", "jobs.toml:2:8: ", ""),
            (
                "[[schedule]]\nid = 'a'\n[[step]]\nname = 's'",
                "jobs.toml:3:3: unknown key `step`",
                "A step belongs to a schedule: write `[[schedule.step]]` below `[[schedule]]`. A file of steps only is for `--steps` or `tempo check -f`.",
            ),
            ("[[schedule]]\nid = 'a'\nid = 'b'", "jobs.toml:3:1: duplicate key `id`", ""),
            (
                "[schedule]\nid = 'a'",
                "jobs.toml:1:1: expected a list, found a table",
                "Write `[[schedule]]`: each table of the list begins with double brackets.",
            ),
            (
                "[[schedule]]\nid = 'a'\ninterval = '1h'\nopen_after = '5'\nstep = [{ name = 's', shell = 'true' }]\nremind = '4x'",
                "jobs.toml:6:10: `remind`: unknown unit `x` in duration `4x`",
                "Write a duration like `250ms`, `10s`, `2m`, `1h30m` or `7d`; the units are ms, s, m, h and d.",
            ),
            (
                "[[schedule]]\nid = 'a'\nstep = [{ name = 's', shell = 'true', timeout = '5s' }]",
                "jobs.toml:3:39: unknown key `timeout`",
                "Did you mean `start_to_close_timeout` or `schedule_to_close_timeout`?",
            ),
            (
                "{\"schedule\": [\n {\"id\": \"a\", \"cron\": \"0 9 * *\"}]}",
                "jobs.toml:2:22: expected 5 to 7 fields, found 4",
                "",
            ),
            (
                "{\"schedule\": [\n {\"id\": \"a\", \"crom\": \"0 9 * *\"}]}",
                "jobs.toml:2:15: unknown key `crom`",
                "Did you mean `cron`?",
            ),
            ("{\"schedule\": [\n {\"id\": }]}", "jobs.toml:2:9: expected value", ""),
            ("{\"schedule\": [", "jobs.toml:1:14: unexpected end of the text", ""),
            (
                "[[schedule]]\nid = 'a'\n[[schedule.step]]\nname = 's'\nshell = 'x'\non_failure = 'fale'",
                "jobs.toml:6:14: `fale` is not a valid value",
                "Did you mean `fail`?",
            ),
        ] {
            let e = schedules_of(text).unwrap_err();
            assert!(e.to_string().starts_with(message), "{text}: {e}");
            assert!(
                hint.is_empty() || e.hints().iter().any(|h| h == hint),
                "{text}: {:?}",
                e.hints()
            );
        }
        let twice = "[[schedule]]\nid = 'a'\ninterval = '1h'\n[[schedule.step]]\nname = 's'\nshell = 'x'\n".repeat(2);
        let e = schedules_of(&twice).unwrap_err();
        assert_eq!(e.to_string(), "jobs.toml:7: schedule `a` is already defined on line 1");
    }
}
