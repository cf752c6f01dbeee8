//! Views of events: the message of each, from the event and the rows that it refers to.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use serde_json::Value;

use crate::error::Error;
use crate::files::difference::FieldChange;
use crate::output::instant::Instant;
use crate::output::views::EventView;
use crate::output::{counted, finished, with_counts};
use crate::run::outcome::Status;
use crate::spec::describe::human_duration;
use crate::store::{EventKind, EventRow, EventRun, Read};

/// Maximum length of a changed value in a message, in characters.
const MAX_VALUE: usize = 60;
/// Number of lines shown of the output of a failed attempt.
const OUTPUT_LINES: usize = 5;
/// Maximum length of such a line, in characters.
const MAX_LINE: usize = 200;

/// The last lines of the output of an attempt, without empty ones.
pub(super) fn last_lines(output: &[u8]) -> Vec<String> {
    let text = String::from_utf8_lossy(output);
    let lines = text.lines().rev().filter(|line| !line.trim().is_empty());
    let mut lines: Vec<String> = lines.take(OUTPUT_LINES).map(|line| shortened(line, MAX_LINE)).collect();
    lines.reverse();
    lines
}

/// Converts events to views.
pub(crate) struct EventViews<'a> {
    read: &'a Read<'a>,
    /// Formats the times in messages.
    time: &'a dyn Fn(DateTime<Utc>) -> String,
    /// The names of steps, by the key of their action.
    names: HashMap<i64, Vec<String>>,
}

impl<'a> EventViews<'a> {
    /// Views whose messages show times as formatted by `time`.
    pub(crate) fn new(read: &'a Read<'a>, time: &'a dyn Fn(DateTime<Utc>) -> String) -> Self {
        Self {
            read,
            time,
            names: HashMap::new(),
        }
    }

    /// Returns the view of an event.
    pub(crate) fn view(&mut self, row: &EventRow) -> Result<EventView, Error> {
        let (mut step, mut output) = (None, Vec::new());
        if let (Some(run), Some(position)) = (&row.run, row.position) {
            step = self.names_of(run)?.get(position).cloned();
        }
        let mut position = row.position.filter(|_| row.kind == EventKind::Retry);
        let mut failure = None;
        if row.kind == EventKind::Incident {
            let (name, error) = self.failure(row)?.unzip();
            if let (Some(run), Some(name)) = (&row.run, &name) {
                position = self.names_of(run)?.iter().position(|n| n == name);
            }
            (step, failure) = (step.or(name), error);
        }
        let run = row.run.as_ref();
        if let (Some(run), Some(position)) = (run, position) {
            output = self.output_of(run, position, row.at)?;
        }
        let message = with_detail(&self.message(row)?, failure.as_deref());
        Ok(EventView {
            at: Instant(row.at),
            event: row.kind.name(),
            schedule_id: row.schedule_id.clone(),
            workflow_id: run.map(|run| run.workflow_id.clone()),
            run_id: run.map(|run| run.run_id.clone()),
            step,
            message,
            output: (!output.is_empty()).then_some(output),
        })
    }

    fn names_of(&mut self, run: &EventRun) -> Result<&[String], Error> {
        if !self.names.contains_key(&run.workflow) {
            let steps = self.read.action(run.workflow)?.steps;
            self.names
                .insert(run.workflow, steps.into_iter().map(|step| step.name).collect());
        }
        Ok(self.names.get(&run.workflow).map_or(&[], Vec::as_slice))
    }

    /// The step and the error of the failure that an incident event reports.
    fn failure(&self, row: &EventRow) -> Result<Option<(String, String)>, Error> {
        let (Some(incident), Some(number)) = (row.value, row.number) else {
            return Ok(None);
        };
        let found = self.read.occurrence(incident, number)?;
        Ok(found.map(|failure| (failure.target_name, failure.error)))
    }

    /// The last lines of the output of the attempt that ended at `at`.
    fn output_of(&self, run: &EventRun, position: usize, at: DateTime<Utc>) -> Result<Vec<String>, Error> {
        let end = self.read.attempt_end(run.key, position, at)?;
        Ok(last_lines(&end.and_then(|end| end.output).unwrap_or_default()))
    }

    fn message(&self, row: &EventRow) -> Result<String, Error> {
        let detail = row.detail.as_deref();
        let time = |ms: Option<i64>| {
            ms.and_then(DateTime::from_timestamp_millis)
                .map_or_else(String::new, self.time)
        };
        Ok(match row.kind {
            EventKind::Serving => format!("server started, pid {}", row.number.unwrap_or_default()),
            EventKind::Stopped => detail.unwrap_or("server stopped").to_owned(),
            EventKind::Crash => format!(
                "the server with pid {} did not stop cleanly; the last event before was at {}",
                row.number.unwrap_or_default(),
                time(row.value)
            ),
            EventKind::NotifyAdd => format!("receiver {} added", detail.unwrap_or_default()),
            EventKind::NotifyUpdate => match detail.unwrap_or_default().split_once(": ") {
                Some((name, fields)) => format!("receiver {name} changed: {fields}"),
                None => "receiver changed".to_owned(),
            },
            EventKind::NotifyRemove => format!("receiver {} removed", detail.unwrap_or_default()),
            EventKind::Create => with_detail("created", detail),
            EventKind::Update => changes(detail.unwrap_or_default()),
            // The note of a pause by failed runs is a sentence.
            EventKind::Pause if row.number.is_some() => detail.unwrap_or("paused").to_owned(),
            EventKind::Pause => with_detail("paused", detail),
            EventKind::Unpause => with_detail("unpaused", detail),
            EventKind::Delete => {
                let count = |column: Option<i64>| column.unwrap_or_default().unsigned_abs();
                let left = [
                    (count(row.number), "run", "still running"),
                    (count(row.value), "start", "dropped"),
                ];
                with_counts("deleted", &left)
            }
            EventKind::Beat => {
                let took = row
                    .value
                    .map(|ms| format!(" after {}", human_duration(ms.max(0).unsigned_abs().into())));
                let took = took.unwrap_or_default();
                match detail {
                    Some(error) => format!("failed{took}: {error}"),
                    None => format!("succeeded{took}"),
                }
            }
            EventKind::Trigger => with_detail("trigger requested", detail),
            EventKind::Backfill => format!("backfill requested from {} to {}", time(row.number), time(row.value)),
            EventKind::CancelBackfill => "backfill canceled".to_owned(),
            EventKind::Buffer => format!("{} buffered", time(row.value)),
            EventKind::Skip
            | EventKind::Miss
            | EventKind::Drop
            | EventKind::Superseded
            | EventKind::Paused
            | EventKind::Exhausted => self.not_started(row)?,
            EventKind::Start => row.run.as_ref().map_or_else(String::new, |run| self.started(run, row.at)),
            EventKind::Resume => format!("resumed with attempt {}", row.number.unwrap_or_default()),
            EventKind::Retry => self.retry(row)?,
            EventKind::Lost => format!("the server stopped during attempt {}", row.number.unwrap_or_default()),
            EventKind::Step => match (detail, &row.run, row.position) {
                (Some(result), ..) => result.to_owned(),
                (None, Some(run), Some(position)) => self.read.step_result(run.key, position)?.unwrap_or_default(),
                _ => String::new(),
            },
            EventKind::Script => self.script(row)?,
            EventKind::Failing => match row.number.unwrap_or_default().unsigned_abs() {
                1 => with_detail("failed; no incident yet", detail),
                failures => with_detail(&format!("failed {failures} times in a row; no incident yet"), detail),
            },
            EventKind::Incident => match (row.value.unwrap_or_default(), row.number.unwrap_or_default()) {
                (id, 1) => format!("incident {id} opened"),
                (id, number) if detail == Some("opened") => format!("incident {id} opened after {number} failures"),
                (id, number) => format!("incident {id}, failure {number}"),
            },
            EventKind::Remind => format!("incident {} is still open", row.value.unwrap_or_default()),
            EventKind::Ack => with_detail(&format!("incident {} acknowledged", row.value.unwrap_or_default()), detail),
            EventKind::Resolved => with_detail(&format!("incident {} resolved", row.value.unwrap_or_default()), detail),
            EventKind::Cancel => with_detail("cancellation requested", detail),
            EventKind::Terminate => with_detail("termination requested", detail),
            EventKind::Reopen => "retry requested".to_owned(),
            EventKind::Finish => run_finished(row),
        })
    }

    fn not_started(&self, row: &EventRow) -> Result<String, Error> {
        let range = row.value.map_or(Ok(None), |key| self.read.refused_range(key, row.number))?;
        let times = match range {
            // Deleted with the schedule.
            None => match row.number.and_then(DateTime::from_timestamp_millis) {
                Some(from) => format!("from {}", (self.time)(from)),
                None => return Ok(row.detail.clone().unwrap_or_default()),
            },
            Some(range) if range.count == 1 => (self.time)(range.from),
            Some(range) => format!(
                "{} from {} to {}",
                counted(range.count, "time"),
                (self.time)(range.from),
                (self.time)(range.to)
            ),
        };
        Ok(with_detail(&times, row.detail.as_deref()))
    }

    fn started(&self, run: &EventRun, at: DateTime<Utc>) -> String {
        let late = (at - run.due).num_seconds().max(0).unsigned_abs();
        match run.origin.as_str() {
            "scheduled" if late > 0 => format!(
                "due {}, {} late",
                (self.time)(run.due),
                human_duration(u128::from(late * 1000))
            ),
            "scheduled" => format!("due {}", (self.time)(run.due)),
            "trigger" => "triggered".to_owned(),
            "backfill" => format!("backfill of {}", (self.time)(run.nominal)),
            _ => "started with `tempo workflow start`".to_owned(),
        }
    }

    fn retry(&self, row: &EventRow) -> Result<String, Error> {
        let (Some(run), Some(position)) = (&row.run, row.position) else {
            return Ok(String::new());
        };
        let end = self.read.attempt_end(run.key, position, row.at)?;
        let failed = format!("attempt {} failed", row.number.unwrap_or_default());
        let failed = with_detail(&failed, end.and_then(|end| end.error).as_deref());
        let until = row.value.and_then(DateTime::from_timestamp_millis).unwrap_or(row.at);
        let wait = (until - row.at).num_milliseconds().max(0).unsigned_abs();
        Ok(format!("{failed}; retrying in {}", human_duration(u128::from(wait))))
    }

    fn script(&self, row: &EventRow) -> Result<String, Error> {
        let key = row.value.unwrap_or_default();
        let Some((name, work)) = self.read.script_step_name(key)? else {
            return Ok(String::new());
        };
        let Some(number) = row.number else {
            return Ok(format!("script step `{name}`: slept {work}"));
        };
        Ok(match &row.detail {
            Some(error) => format!("script step `{name}`: attempt {number} failed: {error}"),
            None => format!("script step `{name}`: ok"),
        })
    }
}

fn with_detail(text: &str, detail: Option<&str>) -> String {
    detail.map_or_else(|| text.to_owned(), |detail| format!("{text}: {detail}"))
}

/// How a run ended, as [`finished`] puts it.
fn run_finished(row: &EventRow) -> String {
    let detail = row.detail.as_deref().unwrap_or(Status::Completed.name());
    let (status, reason) = detail
        .split_once(": ")
        .map_or((detail, None), |(status, reason)| (status, Some(reason)));
    let failed_steps = row.number.unwrap_or_default().unsigned_abs();
    finished(status, failed_steps, row.value.unwrap_or_default(), reason)
}

/// `interval: 2m → 5m; note: added …`.
fn changes(json: &str) -> String {
    let Ok(fields) = serde_json::from_str::<Vec<FieldChange>>(json) else {
        return "updated".to_owned();
    };
    let shown = |value: &Value| shortened(&plain(value), MAX_VALUE);
    let fields: Vec<String> = fields
        .iter()
        .map(|field| format!("{}: {} → {}", field.name, shown(&field.old), shown(&field.new)))
        .collect();
    fields.join("; ")
}

/// A JSON value as a person would write it: without quotation marks, and a list without brackets.
fn plain(value: &Value) -> String {
    match value {
        Value::Null => "none".to_owned(),
        Value::String(text) => text.clone(),
        Value::Array(values) => values.iter().map(plain).collect::<Vec<_>>().join(", "),
        Value::Bool(_) | Value::Number(_) | Value::Object(_) => value.to_string(),
    }
}

/// Returns at most `max` characters of a text.
fn shortened(text: &str, max: usize) -> String {
    match text.char_indices().nth(max) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}
