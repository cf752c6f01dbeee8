//! The output of a check: a line for each step as it ends, a summary, the run as JSON, and annotations for GitHub.

use std::time::Duration;

use chrono::{DateTime, Utc};

use super::super::Context;
use super::suite::Suite;
use crate::engine::{Event, RunRef};
use crate::error::Error;
use crate::machine;
use crate::output::instant::Instant;
use crate::output::run_views::{Results, RunView, StepView};
use crate::output::ui::{Ui, sanitize};
use crate::output::{Style, counted};
use crate::present;
use crate::spec::describe::human_elapsed;
use crate::spec::text;
use crate::store::Store;

/// How many of the last output lines of a failed command are shown.
const SHOWN_LINES: usize = 20;

/// Reports the progress and the result of a check.
pub(super) struct Report<'a> {
    context: &'a Context,
    store: Store,
    suites: Vec<Suite>,
    /// The keys of the runs of each suite that has started.
    runs: Vec<Vec<i64>>,
    started: DateTime<Utc>,
}

/// The outcome of a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum StepOutcome {
    Ok,
    Failed,
    NotReached,
}

/// Returns the outcome of a step.
pub(super) fn outcome_of(step: &StepView) -> StepOutcome {
    match step.status {
        "Completed" => StepOutcome::Ok,
        "Pending" if step.attempts.is_empty() => StepOutcome::NotReached,
        _ => StepOutcome::Failed,
    }
}

/// Counts all steps, those that failed, and those that were not reached.
pub(super) fn counts(view: &RunView) -> (usize, usize, usize) {
    let all: Vec<StepOutcome> = view.steps.iter().flatten().map(outcome_of).collect();
    let count = |outcome| all.iter().filter(|o| **o == outcome).count();
    (all.len(), count(StepOutcome::Failed), count(StepOutcome::NotReached))
}

impl<'a> Report<'a> {
    pub(super) fn new(context: &'a Context, store: Store, suites: Vec<Suite>) -> Self {
        Self {
            context,
            store,
            suites,
            runs: Vec::new(),
            started: context.now(),
        }
    }

    pub(super) fn suites(&self) -> &[Suite] {
        &self.suites
    }

    /// The index of the first suite that has not started.
    pub(super) fn next_suite(&self) -> usize {
        self.runs.len()
    }

    /// Records that the next suite has started, with these runs.
    pub(super) fn record_started(&mut self, runs: Vec<i64>) {
        self.runs.push(runs);
    }

    /// Prints an event, if a step has ended or is retried, or if there is an error.
    pub(super) fn on_event(&mut self, event: &Event) -> Result<(), Error> {
        match event {
            Event::StepClosed { run, step, .. } | Event::Incident { run, step, .. } | Event::Failing { run, step, .. } => {
                self.step_ended(run, step.number - 1)
            }
            Event::Retry {
                step, attempt, failure, ..
            } => {
                self.context.ui.say(&format!(
                    "retry {}: attempt {attempt} failed: {}",
                    step.name,
                    sanitize(&failure.message)
                ));
                Ok(())
            }
            Event::Error(e) => {
                self.context.ui.error(e);
                Ok(())
            }
            Event::Serving { .. }
            | Event::ZoneChanged { .. }
            | Event::Tick { .. }
            | Event::Buffered { .. }
            | Event::NotStarted { .. }
            | Event::Started { .. }
            | Event::Lost { .. }
            | Event::Delayed { .. }
            | Event::Page { .. }
            | Event::NoPage { .. }
            | Event::Applied { .. }
            | Event::FewerWorkers { .. }
            | Event::Displaced { .. }
            | Event::LockRestored { .. }
            | Event::Saved { .. }
            | Event::Surviving { .. }
            | Event::State { .. }
            | Event::BackedUp { .. }
            | Event::Refused { .. }
            | Event::Resumed { .. }
            | Event::Resolved { .. }
            | Event::StopRequested { .. }
            | Event::Reopened { .. }
            | Event::Closed { .. }
            | Event::Paused { .. }
            | Event::NoSuccess { .. }
            | Event::SucceededAgain { .. }
            | Event::Reminded { .. }
            | Event::NotDelivered { .. }
            | Event::Draining { .. }
            | Event::Interrupted { .. }
            | Event::Stopped { .. } => Ok(()),
        }
    }

    fn step_ended(&self, run: &RunRef, position: usize) -> Result<(), Error> {
        let (key, view) = self.store.read(|r| {
            let row = r.run_named(&run.run_id)?;
            Ok((row.key, present::run_in_full(r, &row)?))
        })?;
        let suite = self.runs.iter().position(|keys| keys.contains(&key)).unwrap_or_default();
        let Some(step) = view.steps.into_iter().flatten().nth(position) else {
            return Ok(());
        };
        let step = self.named(suite, step);
        if outcome_of(&step) == StepOutcome::Failed {
            Self::annotate(&self.suites[suite], &step);
        }
        if self.context.ui.is_text() {
            self.line(&step)?;
        }
        Ok(())
    }

    /// Returns the step under a name that is unique among all suites.
    fn named(&self, suite: usize, step: StepView) -> StepView {
        let suite = &self.suites[suite];
        match suite.id.as_ref().map(ToString::to_string).or_else(|| suite.file.clone()) {
            Some(name) if self.suites.len() > 1 => StepView {
                name: format!("{name}/{}", step.name),
                ..step
            },
            Some(_) | None => step,
        }
    }

    fn line(&self, step: &StepView) -> Result<(), Error> {
        let ui = &self.context.ui;
        let result = step.result.as_deref().unwrap_or_default();
        let (mark, style, text) = match outcome_of(step) {
            StepOutcome::Ok => ("ok   ", Style::Good, result.strip_prefix("ok ").unwrap_or(result)),
            StepOutcome::Failed if result.is_empty() => ("FAIL ", Style::Bad, "interrupted"),
            StepOutcome::Failed => ("FAIL ", Style::Bad, result.strip_prefix("incident: ").unwrap_or(result)),
            StepOutcome::NotReached => ("skip ", Style::Dim, "not reached"),
        };
        let attempts = if step.attempts.len() > 1 {
            format!(", {}", counted(step.attempts.len() as u64, "attempt"))
        } else {
            String::new()
        };
        let took = if step.attempts.is_empty() {
            String::new()
        } else {
            let took = human_elapsed(elapsed_ms(step));
            match outcome_of(step) {
                // An error may end in a duration itself.
                StepOutcome::Failed => format!(" ({took})"),
                StepOutcome::Ok | StepOutcome::NotReached => format!(" in {took}"),
            }
        };
        ui.marked("", (style, mark), &format!(" {}: {text}{attempts}{took}", step.name))?;
        if outcome_of(step) == StepOutcome::Failed {
            for line in last_lines(step) {
                ui.data(&format!("      | {}", sanitize(line)))?;
            }
        }
        Ok(())
    }

    /// Prints an annotation that GitHub shows beside the line of the definition.
    fn annotate(suite: &Suite, step: &StepView) {
        if machine::variable("GITHUB_ACTIONS").is_none_or(|v| v.is_empty() || v == "false") {
            return;
        }
        let text = |t: &str| t.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A");
        let property = |t: &str| text(t).replace(':', "%3A").replace(',', "%2C");
        let place = suite
            .place
            .as_deref()
            .and_then(|p| p.rsplit_once(':'))
            .map_or_else(String::new, |(file, line)| format!("file={},line={line},", property(file)));
        let title = property(&format!("tempo check: {}", step.name));
        let result = step.result.as_deref().unwrap_or_default();
        Ui::tell(&format!(
            "::error {place}title={title}::{}",
            text(result.strip_prefix("incident: ").unwrap_or(result))
        ));
    }

    /// Merges all runs into one.
    pub(super) fn view(&self, late: bool, deadline: Option<Duration>) -> Result<RunView, Error> {
        let mut merged: Option<RunView> = None;
        for (suite, keys) in self.runs.iter().enumerate() {
            for key in keys {
                let view = self.store.read(|r| {
                    let row = r.run(*key)?;
                    row.map(|row| present::run_in_full(r, &row)).transpose()
                })?;
                let Some(view) = view else { continue };
                let steps: Vec<StepView> = view.steps.into_iter().flatten().map(|s| self.named(suite, s)).collect();
                let view = RunView {
                    steps: Some(steps),
                    ..view
                };
                merged = Some(match merged {
                    None => view,
                    Some(before) => merge(before, view),
                });
            }
        }
        let mut merged = merged.expect("a check has at least one step");
        let only = (self.suites.len() == 1).then(|| &self.suites[0]);
        merged.workflow_id = only.map_or_else(|| "check".to_owned(), |s| s.named_action().workflow_id.unwrap_or_default());
        merged.schedule_id = only.and_then(|s| s.id.as_ref()).map(ToString::to_string);
        merged.closed_at.get_or_insert(Instant(self.context.now()));
        if late {
            merged.status = "TimedOut";
            let limit = deadline.map(text::duration_text).unwrap_or_default();
            merged.reason = Some(format!("did not finish within {limit}"));
        } else if merged.status == "Running" {
            merged.status = "Canceled";
        }
        let results = merged
            .steps
            .iter()
            .flatten()
            .filter_map(|s| Some((s.name.clone(), s.result.clone()?)));
        merged.result = Results(results.collect());
        Ok(merged)
    }

    /// Prints the steps that did not finish and a summary, or the whole run as JSON.
    pub(super) fn conclude(&self, view: &RunView) -> Result<(), Error> {
        let ui = &self.context.ui;
        if !ui.is_text() {
            return ui.json(view);
        }
        for step in view.steps.iter().flatten() {
            let already_printed = step.result.is_some();
            if !already_printed {
                self.line(step)?;
            }
        }
        let (total, failed, not_reached) = counts(view);
        let took = (self.context.now() - self.started).num_milliseconds();
        let parts: Vec<String> = [
            (total - failed - not_reached, "ok"),
            (failed, "failed"),
            (not_reached, "not reached"),
        ]
        .into_iter()
        .filter(|(n, _)| *n > 0)
        .map(|(n, outcome)| format!("{n} {outcome}"))
        .collect();
        ui.data(&format!(
            "{}: {} in {}",
            counted(total as u64, "step"),
            parts.join(", "),
            human_elapsed(took)
        ))
    }
}

/// Merges two runs.
fn merge(a: RunView, b: RunView) -> RunView {
    let worse = |x: &'static str, y: &'static str| if x == "Completed" { y } else { x };
    let steps = a.steps.into_iter().flatten().chain(b.steps.into_iter().flatten()).collect();
    RunView {
        started_at: a.started_at.min(b.started_at),
        closed_at: a.closed_at.zip(b.closed_at).map(|(x, y)| x.max(y)),
        status: worse(a.status, b.status),
        reason: a.reason.or(b.reason),
        steps: Some(steps),
        ..a
    }
}

/// The last lines of a step's output.
fn last_lines(step: &StepView) -> impl Iterator<Item = &str> {
    let last = step.attempts.last();
    let output = last
        .and_then(|a| a.stderr.as_deref().or(a.output.as_deref()))
        .unwrap_or_default();
    let count = output.lines().count();
    output.lines().skip(count.saturating_sub(SHOWN_LINES))
}

/// The time a step took in milliseconds, from the start of its first attempt to the end of its last, including waits.
pub(super) fn elapsed_ms(step: &StepView) -> i64 {
    let (Some(first), Some(last)) = (step.attempts.first(), step.attempts.last()) else {
        return 0;
    };
    let span = (last.started_at.0 - first.started_at.0).num_milliseconds() + last.elapsed_ms.unwrap_or_default();
    span.max(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::run_views::AttemptView;

    #[test]
    fn elapsed_time_includes_the_waits_between_attempts() {
        let attempt = |number, started_ms, elapsed_ms| AttemptView {
            number,
            started_at: Instant(DateTime::from_timestamp_millis(started_ms).unwrap()),
            elapsed_ms,
            outcome: None,
            error_type: None,
            error: None,
            status_code: None,
            exit_code: None,
            output: None,
            stderr: None,
        };
        let step = |attempts| StepView {
            name: "a".to_owned(),
            kind: "probe",
            status: "Failed",
            result: None,
            outputs: std::collections::BTreeMap::new(),
            steps: Vec::new(),
            attempts,
        };
        assert_eq!(
            elapsed_ms(&step(vec![attempt(1, 1_000, Some(5)), attempt(2, 2_005, Some(7))])),
            1012
        );
        assert_eq!(elapsed_ms(&step(vec![attempt(1, 1_000, None)])), 0);
        assert_eq!(elapsed_ms(&step(Vec::new())), 0);
    }
}
