//! Advances one run: applies and records an event, starts the next attempt and, when the run closes, decides its schedule. Works in the
//! caller's transaction.

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};

use super::decide::{Effects, Terms, decide};
use super::events::{Event, RunRef, StepRef};
use crate::error::Error;
use crate::run::outcome::{AttemptResult, Ending, ErrorType, Failure, Status};
use crate::run::step::{Work, Workflow};
use crate::run::{self, Change, Phase, RunClosed, StepClosed};
use crate::schedule::Alerts;
use crate::schedule::after::After;
use crate::schedule::not_started::{Outcome, Reason};
use crate::schedule::pause::failure_note;
use crate::spec::describe::human_duration;
use crate::store::{Counted, IncidentTerms, NewRequest, OpenRun, Write};

/// What to do next with a run.
#[derive(Debug)]
pub(crate) enum Next {
    /// Perform this attempt, which is recorded as started.
    Perform(Box<Attempt>),
    /// Check again at this time.
    Wait(DateTime<Utc>),
    /// Check again at this time, or when a beat arrives.
    AwaitBeat(DateTime<Utc>),
    /// Run the condition of this run, which must succeed before it begins; see [`advance_checked`].
    Check(Box<Attempt>),
    /// Nothing: the run has closed, or no attempt may start now.
    Nothing,
}

/// An attempt that is recorded as started.
#[derive(Debug)]
pub(crate) struct Attempt {
    pub(crate) run: OpenRun,
    pub(crate) workflow: Arc<Workflow>,
    pub(crate) deadline: Option<DateTime<Utc>>,
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

/// Advances a run whose condition has been run: it begins, or is skipped for the reason that the condition failed.
pub(crate) fn advance_checked(
    write: &Write<'_>,
    terms: Terms<'_>,
    key: i64,
    (condition, may_start): (&Result<(), String>, MayStart),
    now: DateTime<Utc>,
) -> Result<AdvanceResult, Error> {
    with_transition(write, terms, key, may_start, now, |transition| {
        transition.condition_met = condition.is_ok();
        if let Err(reason) = condition
            && transition.needs_condition()
        {
            return transition.skip(reason);
        }
        transition.proceed(may_start)
    })
}

fn with_transition(
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
    let workflow = terms.catalog.workflow(write, run.row.workflow)?;
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

struct Transition<'a> {
    write: &'a Write<'a>,
    terms: Terms<'a>,
    run: OpenRun,
    workflow: Arc<Workflow>,
    now: DateTime<Utc>,
    open: bool,
    /// Whether the progress differs from the recorded one.
    changed: bool,
    may_start: MayStart,
    /// Whether the condition of the run has just succeeded.
    condition_met: bool,
    effects: Effects,
}

impl Transition<'_> {
    fn proceed(&mut self, may_start: MayStart) -> Result<Next, Error> {
        if !self.open {
            return Ok(Next::Nothing);
        }
        let wait_until = match self.run.progress.phase {
            // An attempt is being performed.
            Phase::Running { .. } => return Ok(Next::Nothing),
            Phase::Ready => None,
            Phase::Waiting { until } => Some(until).filter(|until| *until > self.now),
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
                deadline,
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
            self.emit(Event::Resumed { run, step });
        }
        let step = &self.workflow.steps[self.run.progress.position];
        let deadline = self.run.progress.deadline(step, deadline, self.now);
        Ok(Next::Perform(Box::new(Attempt {
            run: self.run.clone(),
            workflow: Arc::clone(&self.workflow),
            deadline,
        })))
    }

    /// Whether the run has not begun, and has a condition.
    fn needs_condition(&self) -> bool {
        let progress = &self.run.progress;
        self.workflow.condition.is_some() && progress.position == 0 && progress.attempts == 0 && progress.phase == Phase::Ready
    }

    /// Closes a run whose condition was not met.
    fn skip(&mut self, reason: &str) -> Result<Next, Error> {
        self.open = false;
        self.closed(&run::skipped(reason))?;
        if let Some(schedule) = self.run.row.schedule {
            self.write.count_as_skipped(schedule)?;
        }
        Ok(Next::Nothing)
    }

    /// Closes a step that waits for a beat, if one has arrived or the grace time is over.
    fn await_beat(&mut self, grace: TimeDelta, deadline: Option<DateTime<Utc>>, may_start: MayStart) -> Result<Next, Error> {
        let is_first = self.run.progress.position == 0;
        let until = match self.run.progress.phase {
            Phase::Waiting { until } => until,
            // The grace time of a schedule's time begins at that time, however late the server takes it up.
            Phase::Ready | Phase::Running { .. } => {
                let begin = if is_first { self.run.row.due } else { self.now };
                begin.checked_add_signed(grace).unwrap_or(DateTime::<Utc>::MAX_UTC)
            }
        };
        let since = if is_first { self.run.row.nominal } else { until - grace };
        let beat = match self.run.row.schedule {
            Some(schedule) => self.write.beat_between(schedule, (since, until))?,
            None => None,
        };
        let result = match beat {
            Some(beat) => beat.result(),
            None if self.now >= until => {
                let message = format!(
                    "no beat within {}",
                    human_duration(grace.num_milliseconds().max(0).unsigned_abs().into())
                );
                let failure = Failure {
                    error_type: ErrorType::Timeout,
                    message,
                };
                AttemptResult::new(Ending::Failed(failure), 0)
            }
            None => {
                if self.run.progress.phase != (Phase::Waiting { until }) {
                    self.run.progress.phase = Phase::Waiting { until };
                    self.changed = true;
                }
                return Ok(Next::AwaitBeat(deadline.map_or(until, |d| d.min(until))));
            }
        };
        self.apply(&run::Event::AttemptStarted)?;
        self.apply(&run::Event::AttemptEnded(result))?;
        if self.open {
            self.proceed(may_start)
        } else {
            Ok(Next::Nothing)
        }
    }

    fn apply(&mut self, event: &run::Event) -> Result<(), Error> {
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
            run::Event::AttemptStarted | run::Event::Stopped(_) | run::Event::StepTimedOut | run::Event::TimedOut => {
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

    fn step_closed(&mut self, closed: &StepClosed, event: &run::Event) -> Result<(), Error> {
        let (run, name) = (self.run_ref(), self.step_name(closed.position));
        let step = &self.workflow.steps[closed.position];
        if let Some(failure) = &closed.incident {
            let measured = match event {
                run::Event::AttemptEnded(AttemptResult {
                    status_code, elapsed_ms, ..
                }) => (*status_code, *elapsed_ms),
                run::Event::WorkerLost => match self.run.progress.phase {
                    Phase::Running { since } => (None, (self.now - since).num_milliseconds().max(0)),
                    Phase::Ready | Phase::Waiting { .. } => (None, 0),
                },
                run::Event::AttemptStarted | run::Event::Stopped(_) | run::Event::StepTimedOut | run::Event::TimedOut => {
                    (None, 0)
                }
            };
            let target_url = step.target();
            let target = (step.name.as_str(), target_url.as_str());
            let terms = self.incident_terms(closed.position)?;
            let place = (closed.position, target);
            let counted = self
                .write
                .count_failure(&self.run.row, place, failure, measured, &terms, self.now)?;
            self.run.row.incidents += 1;
            self.emit(match counted {
                Counted::InIncident { id, count } => Event::Incident {
                    run,
                    step: name,
                    id,
                    count,
                    target_url,
                    failure: failure.clone(),
                },
                Counted::Early { failures } => Event::Failing {
                    run,
                    step: name,
                    failures,
                    failure: failure.clone(),
                },
            });
            return Ok(());
        }
        if closed.status == Status::Completed
            && let Some(id) = self.write.incident_of_success(&self.run.row, step.name.as_str())?
            && self.count_success(closed.position, id)?
        {
            self.emit(Event::Resolved {
                run: run.clone(),
                step: name.clone(),
                id,
            });
        }
        self.emit(Event::StepClosed {
            run,
            step: name,
            result: closed.result.clone(),
        });
        Ok(())
    }

    /// The alert settings of the schedule; the defaults for a run without one.
    fn alerts(&self) -> Result<Alerts, Error> {
        let schedule = self.run.row.schedule;
        schedule.map_or_else(|| Ok(Alerts::default()), |schedule| self.write.alerts(schedule))
    }

    /// When a failure of a step opens an incident.
    fn incident_terms(&self, position: usize) -> Result<IncidentTerms, Error> {
        let alerts = self.alerts()?;
        let of_schedule = || alerts.open_after.as_ref().and_then(|threshold| threshold.check().ok());
        let remind_every = alerts.remind_every().and_then(|every| TimeDelta::from_std(every).ok());
        Ok(IncidentTerms {
            open_after: self.workflow.steps[position].open_after.or_else(of_schedule),
            remind_every,
        })
    }

    /// Counts a success of a step against its open incident. Returns whether that resolves it.
    fn count_success(&self, position: usize, id: i64) -> Result<bool, Error> {
        let enough = match self.workflow.steps[position].resolve_after {
            Some(enough) => enough,
            None => self.alerts()?.resolve_after.unwrap_or(1),
        };
        self.write.count_success(&self.run.row, id, enough, self.now)
    }

    fn closed(&mut self, closed: &RunClosed) -> Result<(), Error> {
        self.write.close_run(&self.run, &self.run.progress, closed, self.now)?;
        self.emit(Event::Closed {
            run: self.run_ref(),
            status: closed.status,
            incidents: self.run.row.incidents,
            elapsed_ms: (self.now - self.run.since).num_milliseconds(),
            reason: closed.reason.clone(),
        });
        let Some(schedule) = self.run.row.schedule else {
            return Ok(());
        };
        if closed.status == Status::Completed
            && self.run.row.incidents == 0
            && let Some(id) = self.write.expectation_met(schedule, self.now)?
        {
            let schedule_id = self.run.row.schedule_id.clone().unwrap_or_default();
            self.emit(Event::SucceededAgain { schedule_id, id });
        }
        self.start_followers(closed.status)?;
        if let Some(note) = failure_note(&self.run.row.workflow_id, closed.status) {
            self.pause_on_failure(schedule, &note)?;
        }
        if self.may_start == MayStart::Draining {
            return self.write.attend_by(schedule, self.now);
        }
        if !self.write.needs_decision(schedule, self.now)? {
            return Ok(());
        }
        let effects = decide(self.write, self.terms, schedule, self.now)?;
        self.effects.begun.extend(effects.begun);
        self.effects.stopped.extend(effects.stopped);
        self.effects.events.extend(effects.events);
        Ok(())
    }

    /// Requests a start of each schedule that starts after this run.
    fn start_followers(&self, status: Status) -> Result<(), Error> {
        let (Some(outcome), Some(id)) = (After::of(status), &self.run.row.schedule_id) else {
            return Ok(());
        };
        for follower in self.write.followers(id, outcome)? {
            let cause = format!("after {} {}", self.run.row.workflow_id, outcome.name());
            let refused = match (follower.paused, follower.exhausted) {
                (true, _) => Some((Outcome::Paused, Reason::SchedulePaused)),
                (false, true) => Some((Outcome::Exhausted, Reason::NoActionsLeft)),
                (false, false) => None,
            };
            if let Some((outcome, reason)) = refused {
                let reason = format!("{cause}: {}", reason.text());
                self.write.refuse_start(follower.schedule, outcome, &reason, self.now)?;
                continue;
            }
            let request = NewRequest::Trigger {
                schedule: follower.schedule,
                overlap: None,
                cause: Some(cause),
            };
            self.write.place(&request, self.now)?;
        }
        Ok(())
    }

    fn pause_on_failure(&mut self, schedule: i64, note: &str) -> Result<(), Error> {
        let Some(plan_input) = self.write.plan_input(schedule, self.now)? else {
            return Ok(());
        };
        if !plan_input.current.policies.pause_on_failure || plan_input.current.paused {
            return Ok(());
        }
        // Times due until now are decided by the schedule as it was before the pause.
        self.write.keep_epoch(schedule, self.now)?;
        if self.write.pause_for_failure((schedule, &plan_input.id), note, self.now)? {
            self.emit(Event::Paused {
                schedule_id: plan_input.id,
                note: note.to_owned(),
            });
        }
        Ok(())
    }

    fn emit(&mut self, event: Event) {
        self.effects.events.push(event);
    }

    fn run_ref(&self) -> RunRef {
        run_ref(&self.run)
    }

    fn step_name(&self, position: usize) -> StepRef {
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
