//! One run moved on: an event applied and recorded, the next attempt begun, a closed run's schedule decided; in the transaction it is handed.

use std::sync::Arc;

use chrono::{DateTime, Utc};

use super::decide::{Effects, Terms, decide};
use super::events::{Event, RunRef, StepRef};
use crate::error::Error;
use crate::run::outcome::{AttemptResult, Ending, Status};
use crate::run::step::{Work, Workflow};
use crate::run::{self, Change, Phase, StepClosed};
use crate::schedule::pause::failure_note;
use crate::store::{OpenRun, Write};

/// What to do with the run next.
#[derive(Debug)]
pub(crate) enum Next {
    /// Make this attempt: it is on file as started.
    Perform(Box<Attempt>),
    /// Look again then.
    Wait(DateTime<Utc>),
    /// Nothing: it has closed, or no attempt may start now.
    Nothing,
}

/// An attempt that is on file as started.
#[derive(Debug)]
pub(crate) struct Attempt {
    pub(crate) run: OpenRun,
    pub(crate) workflow: Arc<Workflow>,
    pub(crate) deadline: Option<DateTime<Utc>>,
}

/// What moving a run on leads to.
#[derive(Debug)]
pub(crate) struct AdvanceResult {
    pub(crate) next: Next,
    /// Where the run closed, what became of its schedule; and all there is to tell.
    pub(crate) effects: Effects,
}

/// Whether a new attempt may start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum MayStart {
    Yes,
    /// Nobody is here to make it.
    No,
    /// The server drains: nothing begins at all, and the schedule of a run that closes is left to the next server.
    Draining,
}

/// Moves a run on by `event`, and as far as it goes without an effect.
pub(crate) fn advance(
    write: &Write<'_>,
    terms: Terms<'_>,
    key: i64,
    event: Option<&run::Event>,
    may_start: MayStart,
    now: DateTime<Utc>,
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
        moved: false,
        draining: may_start == MayStart::Draining,
        effects: Effects::default(),
    };
    if let Some(event) = event {
        transition.apply(event)?;
    }
    let next = transition.go_on(may_start)?;
    if transition.open && transition.moved {
        // Once, however many events it was moved by: a step's end and the next one's start are one change of its row.
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
    /// Whether it has moved on from where the file says it stands.
    moved: bool,
    draining: bool,
    effects: Effects,
}

impl Transition<'_> {
    fn go_on(&mut self, may_start: MayStart) -> Result<Next, Error> {
        if !self.open {
            return Ok(Next::Nothing);
        }
        let wait_until = match self.run.progress.phase {
            // Somebody makes an attempt of it.
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
            return if self.open { self.go_on(may_start) } else { Ok(Next::Nothing) };
        }
        if let Some(until) = wait_until {
            return Ok(Next::Wait(deadline.map_or(until, |d| d.min(until))));
        }
        if may_start != MayStart::Yes {
            return Ok(Next::Nothing);
        }
        let first = self.run.progress.position == 0 && self.run.progress.attempts == 0;
        let after_a_loss = self.run.progress.lost_in_a_row > 0;
        let progress = &self.run.progress;
        let retried = self.run.since > self.run.row.started && progress.step_started.is_none() && progress.attempts > 0;
        self.apply(&run::Event::AttemptStarted)?;
        let (run, step) = (self.name(), self.step_name(self.run.progress.position));
        if first {
            self.tell(Event::Started { run, step });
        } else if after_a_loss || retried {
            self.tell(Event::Resumed { run, step });
        }
        let step = &self.workflow.steps[self.run.progress.position];
        let deadline = self.run.progress.deadline(step, deadline, self.now);
        Ok(Next::Perform(Box::new(Attempt {
            run: self.run.clone(),
            workflow: Arc::clone(&self.workflow),
            deadline,
        })))
    }

    fn apply(&mut self, event: &run::Event) -> Result<(), Error> {
        let mut change = self.run.progress.on(event, &self.workflow, self.run.since, self.now)?;
        self.say_why_stopped(&mut change);
        self.write.record(&self.run, event, &change, self.now)?;
        self.end_its_script(event)?;
        if let Some(step) = &change.step {
            self.step_closed(step, event)?;
        }
        if let (run::Event::AttemptEnded(result), Phase::Waiting { until }) = (event, &change.progress.phase)
            && let Ending::Failed(failure) = &result.ending
        {
            let (run, step) = (self.name(), self.step_name(self.run.progress.position));
            let attempt = self.run.progress.attempts;
            self.tell(Event::Retry {
                run,
                step,
                attempt,
                failure: failure.clone(),
                until: *until,
            });
        }
        let closed = change.run.is_some();
        self.moved = true;
        self.run.progress = change.progress.clone();
        if closed {
            self.open = false;
            self.closed(&change)?;
        }
        Ok(())
    }

    /// With the attempt of a command go the steps that its script has called and not ended.
    fn end_its_script(&self, event: &run::Event) -> Result<(), Error> {
        let ending = match event {
            run::Event::AttemptEnded(result) => &result.ending,
            run::Event::WorkerLost => &Ending::Lost,
            run::Event::AttemptStarted | run::Event::Stopped(_) | run::Event::StepTimedOut | run::Event::TimedOut => {
                return Ok(());
            }
        };
        match &self.workflow.steps[self.run.progress.position].work {
            Work::Command(_) => self.write.end_script_attempts(&self.run, ending, self.now),
            Work::Probe(_) => Ok(()),
        }
    }

    /// A run that was asked to stop says who asked for what reason, where one was given.
    fn say_why_stopped(&self, change: &mut Change) {
        if let (Some(closed), Some(why)) = (&mut change.run, &self.run.stop_reason)
            && matches!(closed.status, Status::Canceled | Status::Terminated)
        {
            closed.reason = closed.reason.take().map(|word| format!("{word}: {why}"));
        }
    }

    fn step_closed(&mut self, closed: &StepClosed, event: &run::Event) -> Result<(), Error> {
        let (run, name) = (self.name(), self.step_name(closed.position));
        let step = &self.workflow.steps[closed.position];
        if let Some(failure) = &closed.incident {
            let measured = match event {
                run::Event::AttemptEnded(AttemptResult {
                    status_code, elapsed_ms, ..
                }) => (*status_code, *elapsed_ms),
                run::Event::AttemptStarted
                | run::Event::WorkerLost
                | run::Event::Stopped(_)
                | run::Event::StepTimedOut
                | run::Event::TimedOut => (None, 0),
            };
            let target_url = step.target();
            let target = (step.name.as_str(), target_url.as_str());
            let (id, count) = self
                .write
                .count_incident(&self.run.row, target, failure, measured, self.now)?;
            self.run.row.incidents += 1;
            self.tell(Event::Incident {
                run,
                step: name,
                id,
                count,
                target_url,
                failure: failure.clone(),
            });
            return Ok(());
        }
        if closed.status == Status::Completed
            && let Some(id) = self.write.resolve_incident(&self.run.row, step.name.as_str(), self.now)?
        {
            self.tell(Event::Resolved {
                run: run.clone(),
                step: name.clone(),
                id,
            });
        }
        self.tell(Event::StepClosed {
            run,
            step: name,
            result: closed.result.clone(),
        });
        Ok(())
    }

    fn closed(&mut self, change: &Change) -> Result<(), Error> {
        let Some(closed) = &change.run else { return Ok(()) };
        self.tell(Event::Closed {
            run: self.name(),
            status: closed.status,
            incidents: self.run.row.incidents,
            elapsed_ms: (self.now - self.run.since).num_milliseconds(),
            reason: closed.reason.clone(),
        });
        let Some(schedule) = self.run.row.schedule else {
            return Ok(());
        };
        if let Some(note) = failure_note(&self.run.row.workflow_id, closed.status) {
            self.pause_on_failure(schedule, &note)?;
        }
        if self.draining {
            return self.write.attend_again(schedule, self.now);
        }
        if !self.write.frees_something(schedule, self.now)? {
            return Ok(());
        }
        let effects = decide(self.write, self.terms, schedule, self.now)?;
        self.effects.begun.extend(effects.begun);
        self.effects.stopped.extend(effects.stopped);
        self.effects.events.extend(effects.events);
        Ok(())
    }

    fn pause_on_failure(&mut self, schedule: i64, note: &str) -> Result<(), Error> {
        let Some(plan_input) = self.write.plan_input(schedule, self.now)? else {
            return Ok(());
        };
        if !plan_input.current.policies.pause_on_failure || plan_input.current.paused {
            return Ok(());
        }
        // What was due until now belongs to the schedule as it was, not to the paused one.
        self.write.keep_epoch(schedule, self.now)?;
        if self.write.pause_for_failure(schedule, note, self.now)? {
            self.tell(Event::Paused {
                schedule_id: plan_input.id,
                note: note.to_owned(),
            });
        }
        Ok(())
    }

    fn tell(&mut self, event: Event) {
        self.effects.events.push(event);
    }

    fn name(&self) -> RunRef {
        run_ref(&self.run)
    }

    fn step_name(&self, position: usize) -> StepRef {
        step_name(&self.workflow, position)
    }
}

/// The names of a run, for events.
pub(crate) fn run_ref(run: &OpenRun) -> RunRef {
    RunRef {
        run_id: run.row.run_id.clone(),
        workflow_id: run.row.workflow_id.clone(),
        schedule_id: run.row.schedule_id.clone(),
    }
}

/// The name and place of a step, for events.
pub(crate) fn step_name(workflow: &Workflow, position: usize) -> StepRef {
    StepRef {
        name: workflow.steps[position].name.to_string(),
        number: position + 1,
        of: workflow.steps.len(),
    }
}
