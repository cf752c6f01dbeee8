//! Handles the close of a run: schedules that start after it, a pause on failure, and the next decision of its schedule.

use super::advance::{MayStart, Transition};
use super::decide::decide;
use super::events::Event;
use crate::error::Error;
use crate::run::RunClosed;
use crate::run::outcome::Status;
use crate::schedule::after::AfterOutcome;
use crate::schedule::not_started::{Outcome, Reason};
use crate::schedule::pause::{failures_in_a_row, has_failed, note_of_pause};
use crate::store::NewRequest;

impl Transition<'_> {
    pub(super) fn closed(&mut self, closed: &RunClosed) -> Result<(), Error> {
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
        let depends = self.write.depends_on_run(schedule, self.run.row.schedule_id.as_deref())?;
        if closed.status == Status::Completed
            && self.run.row.incidents == 0
            && depends.expects_success
            && let Some(id) = self.write.expectation_met(schedule, self.now)?
        {
            let schedule_id = self.run.row.schedule_id.clone().unwrap_or_default();
            self.emit(Event::SucceededAgain { schedule_id, id });
        }
        if depends.has_followers {
            self.start_followers(closed.status)?;
        }
        // A run that fails again after `workflow retry` has been counted.
        let is_counted = self.run.since > self.run.row.started && has_failed(closed.status);
        let failures = if is_counted {
            depends.failed_runs
        } else {
            failures_in_a_row(depends.failed_runs, closed.status)
        };
        if failures != depends.failed_runs {
            self.write.set_failed_runs(schedule, failures)?;
        }
        if has_failed(closed.status) {
            self.pause_on_failure(schedule, closed.status, failures)?;
        }
        if self.may_start == MayStart::Draining {
            return self.write.attend_by(schedule, self.now);
        }
        if !self.write.needs_decision(schedule, self.now)? {
            return Ok(());
        }
        let effects = decide(self.write, self.terms, schedule, self.now)?;
        self.effects.started.extend(effects.started);
        self.effects.stopped.extend(effects.stopped);
        self.effects.events.extend(effects.events);
        Ok(())
    }

    /// Requests a start of each schedule that starts after this run.
    fn start_followers(&self, status: Status) -> Result<(), Error> {
        let (Some(outcome), Some(id)) = (AfterOutcome::of(status), &self.run.row.schedule_id) else {
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

    fn pause_on_failure(&mut self, schedule: i64, status: Status, failures: u32) -> Result<(), Error> {
        let Some(plan_input) = self.write.plan_input(schedule, self.now)? else {
            return Ok(());
        };
        let note = note_of_pause(&plan_input.current.policies, &self.run.row.workflow_id, status, failures);
        let Some(note) = note.filter(|_| !plan_input.current.paused) else {
            return Ok(());
        };
        // Times due until now are decided by the schedule as it was before the pause.
        self.write.keep_epoch(schedule, self.now)?;
        if self.write.pause_for_failure((schedule, &plan_input.id), &note, self.now)? {
            self.emit(Event::Paused {
                schedule_id: plan_input.id,
                note,
            });
        }
        Ok(())
    }
}
