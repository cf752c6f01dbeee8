//! The state machine of a run: its progress, and the change that each event makes.

use chrono::{DateTime, TimeDelta, Utc};

use super::change::{Change, Event, RunClosed, StepClosed, Stop};
use super::outcome::{AttemptResult, Ending, ErrorType, Failure, Status, failed_result};
use super::probe::Probe;
use super::step::{Step, Work, Workflow};
use super::step_text::{OnFailure, OnLost};
use crate::error::{Error, Kind};
use crate::spec::describe::human_duration;

/// Number of attempts lost in a row, with nothing recorded between them, at which the step fails.
pub const MAX_LOST_IN_A_ROW: u32 = 3;

/// The state of an open run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Progress {
    /// Index of the current step.
    pub position: usize,
    /// Number of attempts of that step so far, including lost ones.
    pub attempts: u32,
    /// Number of attempts lost.
    pub lost: u32,
    /// Number of attempts lost in a row, up to and including the last.
    pub lost_in_a_row: u32,
    /// Start of the first attempt of that step.
    pub step_started: Option<DateTime<Utc>>,
    /// The current phase.
    pub phase: Phase,
}

/// The phase of an open run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Phase {
    /// The next attempt may start.
    Ready,
    /// The next attempt may start at `until`.
    Waiting {
        /// End of the wait.
        until: DateTime<Utc>,
    },
    /// An attempt is recorded as started.
    Running {
        /// Start of the attempt.
        since: DateTime<Utc>,
    },
}

fn progress_only(progress: Progress) -> Change {
    Change {
        progress,
        step: None,
        run: None,
    }
}

impl Default for Progress {
    fn default() -> Self {
        Self {
            position: 0,
            attempts: 0,
            lost: 0,
            lost_in_a_row: 0,
            step_started: None,
            phase: Phase::Ready,
        }
    }
}

impl Progress {
    /// Applies an event.
    ///
    /// # Errors
    /// `System` when the event is impossible in the current phase; the message names both.
    pub fn on(
        &self,
        event: &Event,
        workflow: &Workflow,
        run_started: DateTime<Utc>,
        now: DateTime<Utc>,
    ) -> Result<Change, Error> {
        let step = workflow.steps.get(self.position).ok_or_else(|| {
            Error::new(
                Kind::System,
                format_args!("the run is at step {} of {}", self.position + 1, workflow.steps.len()),
            )
        })?;
        match (&self.phase, event) {
            (Phase::Ready | Phase::Waiting { .. }, Event::AttemptStarted) => Ok(progress_only(Self {
                attempts: self.attempts + 1,
                step_started: self.step_started.or(Some(now)),
                phase: Phase::Running { since: now },
                ..self.clone()
            })),
            (Phase::Running { .. }, Event::AttemptEnded(result)) => {
                Ok(self.attempt_ended(result, workflow, step, run_started, now))
            }
            (Phase::Running { .. }, Event::WorkerLost) => Ok(self.attempt_lost(workflow, step)),
            (Phase::Running { since }, Event::NotPerformed) => Ok(progress_only(Self {
                attempts: self.attempts.saturating_sub(1),
                step_started: self.step_started.filter(|started| started != since),
                phase: Phase::Ready,
                ..self.clone()
            })),
            (Phase::Ready | Phase::Waiting { .. }, Event::Stopped(how)) => Ok(self.stopped(*how)),
            (Phase::Ready | Phase::Waiting { .. }, Event::StepTimedOut) => {
                let limit = step.schedule_to_close.map_or(0, |d| d.as_millis());
                let message = format!("did not finish within {}, including retries", human_duration(limit));
                Ok(self.failed(
                    workflow,
                    step,
                    &Failure {
                        error_type: ErrorType::Timeout,
                        message,
                    },
                ))
            }
            (Phase::Ready | Phase::Waiting { .. }, Event::TimedOut) => Ok(self.timed_out(workflow)),
            (Phase::Ready | Phase::Waiting { .. }, Event::AttemptEnded(_) | Event::WorkerLost | Event::NotPerformed)
            | (Phase::Running { .. }, Event::AttemptStarted | Event::Stopped(_) | Event::StepTimedOut | Event::TimedOut) => {
                Err(Error::new(
                    Kind::System,
                    format_args!("event {event:?} is impossible in phase {:?}", self.phase),
                ))
            }
        }
    }

    /// Whether the schedule-to-close timeout of the step has passed.
    #[must_use]
    pub fn is_out_of_time(&self, step: &Step, now: DateTime<Utc>) -> bool {
        let limit = step.schedule_to_close.and_then(|d| TimeDelta::from_std(d).ok());
        self.step_started
            .zip(limit)
            .is_some_and(|(started, limit)| now - started >= limit)
    }

    /// The deadline of an attempt that starts now, if any; `run_deadline` is that of the run.
    #[must_use]
    pub fn deadline(&self, step: &Step, run_deadline: Option<DateTime<Utc>>, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let add =
            |from: DateTime<Utc>, d: std::time::Duration| TimeDelta::from_std(d).ok().and_then(|d| from.checked_add_signed(d));
        let attempt = step.start_to_close.and_then(|d| add(now, d));
        let all_attempts = step.schedule_to_close.and_then(|d| add(self.step_started.unwrap_or(now), d));
        attempt.into_iter().chain(all_attempts).chain(run_deadline).min()
    }

    fn attempt_ended(
        &self,
        result: &AttemptResult,
        workflow: &Workflow,
        step: &Step,
        run_started: DateTime<Utc>,
        now: DateTime<Utc>,
    ) -> Change {
        match &result.ending {
            Ending::Ok => self.step_closed(workflow, Status::Completed, ok_result(&step.work, result), None),
            Ending::Canceled => self.stopped(Stop::Cancel),
            Ending::Terminated => self.stopped(Stop::Terminate),
            Ending::Lost => self.attempt_lost(workflow, step),
            Ending::Failed(failure) => {
                if run_deadline(workflow, run_started).is_some_and(|d| now >= d) {
                    return self.timed_out(workflow);
                }
                let counted = self.attempts - self.lost;
                let wait = step
                    .retry
                    .wait_after(counted, failure.error_type, result.exit_code)
                    .and_then(|w| TimeDelta::from_std(w).ok());
                let until = wait.map(|w| now + w);
                let step_deadline = step
                    .schedule_to_close
                    .and_then(|d| Some(self.step_started? + TimeDelta::from_std(d).ok()?));
                match until {
                    Some(until) if step_deadline.is_none_or(|deadline| until < deadline) => progress_only(Self {
                        lost_in_a_row: 0,
                        phase: Phase::Waiting { until },
                        ..self.clone()
                    }),
                    _ => self.failed(workflow, step, failure),
                }
            }
        }
    }

    fn attempt_lost(&self, workflow: &Workflow, step: &Step) -> Change {
        let (lost, in_a_row) = (self.lost + 1, self.lost_in_a_row + 1);
        let progress = Self {
            lost,
            lost_in_a_row: in_a_row,
            phase: Phase::Ready,
            ..self.clone()
        };
        let failure = |message: &str| Failure {
            error_type: ErrorType::WorkerLost,
            message: message.to_owned(),
        };
        if step.on_lost == OnLost::Fail {
            return progress.failed(
                workflow,
                step,
                &failure("tempo exited during this step, which must not run twice"),
            );
        }
        if in_a_row >= MAX_LOST_IN_A_ROW {
            return progress.failed(workflow, step, &failure("tempo exited during this step three times in a row"));
        }
        progress_only(progress)
    }

    fn failed(&self, workflow: &Workflow, step: &Step, failure: &Failure) -> Change {
        let result = failed_result(&failure.message);
        let mut change = self.step_closed(workflow, Status::Failed, result, Some(failure.clone()));
        if step.on_failure == OnFailure::Fail {
            let reason = format!("step `{}` failed: {}", step.name, failure.message);
            change.progress = self.clone();
            change.run = Some(RunClosed {
                status: Status::Failed,
                reason: Some(reason),
            });
        }
        change
    }

    fn step_closed(&self, workflow: &Workflow, status: Status, result: String, incident: Option<Failure>) -> Change {
        let last = self.position + 1 >= workflow.steps.len();
        Change {
            progress: if last {
                self.clone()
            } else {
                Self {
                    position: self.position + 1,
                    ..Self::default()
                }
            },
            step: Some(StepClosed {
                position: self.position,
                status,
                result,
                incident,
            }),
            run: last.then_some(RunClosed {
                status: Status::Completed,
                reason: None,
            }),
        }
    }

    fn stopped(&self, stop: Stop) -> Change {
        let (status, word) = match stop {
            Stop::Cancel => (Status::Canceled, "canceled"),
            Stop::Terminate => (Status::Terminated, "terminated"),
        };
        Change {
            progress: self.clone(),
            step: Some(StepClosed {
                position: self.position,
                status,
                result: word.to_owned(),
                incident: None,
            }),
            run: Some(RunClosed {
                status,
                reason: Some(word.to_owned()),
            }),
        }
    }

    fn timed_out(&self, workflow: &Workflow) -> Change {
        let limit = workflow.run_timeout.map_or(0, |d| d.as_millis());
        let reason = format!("the run timed out after {}", human_duration(limit));
        let failure = Failure {
            error_type: ErrorType::Timeout,
            message: reason.clone(),
        };
        Change {
            progress: self.clone(),
            step: Some(StepClosed {
                position: self.position,
                status: Status::TimedOut,
                result: failed_result(&reason),
                incident: Some(failure),
            }),
            run: Some(RunClosed {
                status: Status::TimedOut,
                reason: Some(reason),
            }),
        }
    }
}

/// The deadline of a run that started at `run_started`, if it has a timeout.
#[must_use]
pub fn run_deadline(workflow: &Workflow, run_started: DateTime<Utc>) -> Option<DateTime<Utc>> {
    workflow
        .run_timeout
        .and_then(|d| TimeDelta::from_std(d).ok())
        .and_then(|d| run_started.checked_add_signed(d))
}

/// The result of a step whose last attempt succeeded, as text.
#[must_use]
pub fn ok_result(work: &Work, result: &AttemptResult) -> String {
    match work {
        Work::Probe(probe) => match probe {
            Probe::Http(_) => format!("ok status={}", result.status_code.unwrap_or_default()),
            Probe::Tcp { .. } => "ok connected".to_owned(),
            Probe::Dns(_) => "ok resolved".to_owned(),
        },
        Work::Command(_) => format!("ok exit={}", result.exit_code.unwrap_or_default()),
        Work::Beat(_) => match result.exit_code {
            Some(code) => format!("ok exit={code}"),
            None => "ok heartbeat".to_owned(),
        },
    }
}
