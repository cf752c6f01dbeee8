//! Advances one run: applies and records an event, starts the next attempt and, when the run closes, decides its schedule. Works in the
//! caller's transaction.

use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};

use super::decide::{Effects, Terms};
use super::events::{Event, RunRef, StepRef};
use crate::error::Error;
use crate::run::outcome::{Ending, Status};
use crate::run::outputs::Outputs;
use crate::run::step::{Work, Workflow};
use crate::run::{self, Change, Phase};
use crate::store::{OpenRun, Write};

/// What to do next with a run.
#[derive(Debug)]
pub(crate) enum Next {
    /// Perform this attempt, which is recorded as started.
    Perform(Box<Attempt>),
    /// Check again at this time.
    Wait(DateTime<Utc>),
    /// Check again at this time, or when a beat arrives.
    AwaitBeat(DateTime<Utc>),
    /// Run the condition of this run, which must succeed before it begins; see `conditions.rs`.
    Check(Box<Attempt>),
    /// Nothing: the run has closed, or no attempt may start now.
    Nothing,
}

/// An attempt that is recorded as started.
#[derive(Debug)]
pub(crate) struct Attempt {
    pub(crate) run: OpenRun,
    pub(crate) workflow: Arc<Workflow>,
    /// The deadline of the run. That of the attempt counts from when it really begins: recording its start may take time.
    pub(crate) run_deadline: Option<DateTime<Utc>>,
    /// The outputs of earlier steps, by position, if the step has placeholders.
    pub(crate) outputs: BTreeMap<usize, Outputs>,
}

/// The result of advancing a run.
#[derive(Debug)]
pub(crate) struct AdvanceResult {
    pub(crate) next: Next,
    /// The events to report and, if the run closed, the effects of deciding its schedule.
    pub(crate) effects: Effects,
}

/// Whether a new attempt may start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum MayStart {
    Yes,
    /// The caller cannot perform it.
    No,
    /// The server is draining: nothing starts, and the schedule of a run that closes is left to the next server.
    Draining,
}

/// Applies `event` to a run, and advances it until an attempt must be performed, it must wait, or it closes.
pub(crate) fn advance(
    write: &Write<'_>,
    terms: Terms<'_>,
    key: i64,
    event: Option<&run::Event>,
    may_start: MayStart,
    now: DateTime<Utc>,
) -> Result<AdvanceResult, Error> {
    with_transition(write, terms, key, may_start, now, |transition| {
        if let Some(event) = event {
            transition.apply(event)?;
        }
        transition.proceed(may_start)
    })
}

pub(super) fn with_transition(
    write: &Write<'_>,
    terms: Terms<'_>,
    key: i64,
    may_start: MayStart,
    now: DateTime<Utc>,
    change: impl FnOnce(&mut Transition<'_>) -> Result<Next, Error>,
) -> Result<AdvanceResult, Error> {
    let Some(run) = write.open_run(key)? else {
        return Ok(AdvanceResult {
            next: Next::Nothing,
            effects: Effects::default(),
        });
    };
    let workflow = terms.catalog.workflow_of(write, &run)?;
    let mut transition = Transition {
        write,
        terms,
        run,
        workflow,
        now,
        open: true,
        changed: false,
        may_start,
        condition_met: false,
        effects: Effects::default(),
    };
    let next = change(&mut transition)?;
    if transition.open && transition.changed {
        // Written once, however many events were applied: the end of a step and the start of the next are one change of the row.
        write.put_progress(key, &transition.run.progress)?;
    }
    Ok(AdvanceResult {
        next,
        effects: transition.effects,
    })
}

/// A run that is being advanced, in a transaction.
pub(super) struct Transition<'a> {
    pub(super) write: &'a Write<'a>,
    pub(super) terms: Terms<'a>,
    pub(super) run: OpenRun,
    pub(super) workflow: Arc<Workflow>,
    pub(super) now: DateTime<Utc>,
    pub(super) open: bool,
    /// Whether the progress differs from the recorded one.
    pub(super) changed: bool,
    pub(super) may_start: MayStart,
    /// Whether the condition of the run has just succeeded.
    pub(super) condition_met: bool,
    pub(super) effects: Effects,
}

impl Transition<'_> {
    /// The end of a wait, and records an earlier one if it is longer than the wait for this retry: it was recorded before the clock was set back.
    fn no_longer_than_a_retry(&mut self, until: DateTime<Utc>) -> DateTime<Utc> {
        let step = &self.workflow.steps[self.run.progress.position];
        let counted = self.run.progress.attempts.saturating_sub(self.run.progress.lost);
        let longest = TimeDelta::from_std(step.retry.interval_after(counted)).unwrap_or(TimeDelta::MAX);
        let latest = self.now.checked_add_signed(longest).unwrap_or(DateTime::<Utc>::MAX_UTC);
        if matches!(step.work, Work::Beat(_)) || until <= latest {
            return until;
        }
        self.run.progress.phase = Phase::Waiting { until: latest };
        self.changed = true;
        latest
    }

    pub(super) fn proceed(&mut self, may_start: MayStart) -> Result<Next, Error> {
        if !self.open {
            return Ok(Next::Nothing);
        }
        let wait_until = match self.run.progress.phase {
            // An attempt is being performed.
            Phase::Running { .. } => return Ok(Next::Nothing),
            Phase::Ready => None,
            Phase::Waiting { until } => Some(self.no_longer_than_a_retry(until)).filter(|until| *until > self.now),
        };
        let deadline = run::run_deadline(&self.workflow, self.run.since);
        if let Some(stop) = self.run.stop {
            self.apply(&run::Event::Stopped(stop))?;
            return Ok(Next::Nothing);
        }
        if deadline.is_some_and(|d| self.now >= d) {
            self.apply(&run::Event::TimedOut)?;
            return Ok(Next::Nothing);
        }
        if self
            .run
            .progress
            .is_out_of_time(&self.workflow.steps[self.run.progress.position], self.now)
        {
            self.apply(&run::Event::StepTimedOut)?;
            return if self.open {
                self.proceed(may_start)
            } else {
                Ok(Next::Nothing)
            };
        }
        if may_start == MayStart::Yes && self.needs_condition() && !self.condition_met {
            return Ok(Next::Check(Box::new(Attempt {
                run: self.run.clone(),
                workflow: Arc::clone(&self.workflow),
                run_deadline: deadline,
                outputs: BTreeMap::new(),
            })));
        }
        if let Work::Beat(grace) = self.workflow.steps[self.run.progress.position].work {
            return self.await_beat(TimeDelta::from_std(grace).unwrap_or(TimeDelta::MAX), deadline, may_start);
        }
        if let Some(until) = wait_until {
            return Ok(Next::Wait(deadline.map_or(until, |d| d.min(until))));
        }
        if may_start != MayStart::Yes {
            return Ok(Next::Nothing);
        }
        let first = self.run.progress.position == 0 && self.run.progress.attempts == 0;
        let after_loss = self.run.progress.lost_in_a_row > 0;
        let progress = &self.run.progress;
        let retried = self.run.since > self.run.row.started && progress.step_started.is_none() && progress.attempts > 0;
        self.apply(&run::Event::AttemptStarted)?;
        let (run, step) = (self.run_ref(), self.step_name(self.run.progress.position));
        if first {
            self.emit(Event::Started { run, step });
        } else if after_loss || retried {
            self.write.record_resumption(&self.run, self.now)?;
            self.emit(Event::Resumed { run, step });
        }
        let outputs = if self.workflow.steps[self.run.progress.position].reads_outputs {
            self.write.step_outputs(self.run.row.key)?
        } else {
            BTreeMap::new()
        };
        Ok(Next::Perform(Box::new(Attempt {
            run: self.run.clone(),
            workflow: Arc::clone(&self.workflow),
            run_deadline: deadline,
            outputs,
        })))
    }

    pub(super) fn apply(&mut self, event: &run::Event) -> Result<(), Error> {
        let mut change = self.run.progress.on(event, &self.workflow, self.run.since, self.now)?;
        self.add_stop_reason(&mut change);
        self.write.record(&self.run, event, &change, self.now)?;
        self.end_script_attempts(event)?;
        if let Some(step) = &change.step {
            self.step_closed(step, event)?;
        }
        if let (run::Event::AttemptEnded(result), Phase::Waiting { until }) = (event, &change.progress.phase)
            && let Ending::Failed(failure) = &result.ending
        {
            let (run, step) = (self.run_ref(), self.step_name(self.run.progress.position));
            let attempt = self.run.progress.attempts;
            self.emit(Event::Retry {
                run,
                step,
                attempt,
                failure: failure.clone(),
                until: *until,
            });
        }
        self.changed = true;
        self.run.progress = change.progress.clone();
        if let Some(closed) = &change.run {
            self.open = false;
            self.closed(closed)?;
        }
        Ok(())
    }

    /// Ends the script steps that a command left running when its attempt ended.
    fn end_script_attempts(&self, event: &run::Event) -> Result<(), Error> {
        let ending = match event {
            run::Event::AttemptEnded(result) => &result.ending,
            run::Event::WorkerLost => &Ending::Lost,
            run::Event::AttemptStarted
            | run::Event::NotPerformed
            | run::Event::Stopped(_)
            | run::Event::StepTimedOut
            | run::Event::TimedOut => {
                return Ok(());
            }
        };
        match &self.workflow.steps[self.run.progress.position].work {
            Work::Command(_) => self.write.end_script_attempts(&self.run, ending, self.now),
            Work::Probe(_) | Work::Beat(_) => Ok(()),
        }
    }

    /// Appends the reason given with a stop request, if any, to the reason of the closed run.
    fn add_stop_reason(&self, change: &mut Change) {
        if let (Some(closed), Some(why)) = (&mut change.run, &self.run.stop_reason)
            && matches!(closed.status, Status::Canceled | Status::Terminated)
        {
            closed.reason = closed.reason.take().map(|reason| format!("{reason}: {why}"));
        }
    }

    pub(super) fn emit(&mut self, event: Event) {
        self.effects.events.push(event);
    }

    pub(super) fn run_ref(&self) -> RunRef {
        run_ref(&self.run)
    }

    pub(super) fn step_name(&self, position: usize) -> StepRef {
        step_name(&self.workflow, position)
    }
}

/// Returns the ids of a run, for events.
pub(crate) fn run_ref(run: &OpenRun) -> RunRef {
    RunRef {
        run_id: run.row.run_id.clone(),
        workflow_id: run.row.workflow_id.clone(),
        schedule_id: run.row.schedule_id.clone(),
    }
}

/// Returns the name and number of a step, for events.
pub(crate) fn step_name(workflow: &Workflow, position: usize) -> StepRef {
    StepRef {
        name: workflow.steps[position].name.to_string(),
        number: position + 1,
        of: workflow.steps.len(),
    }
}
