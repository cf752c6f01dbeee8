//! Handles the close of a step: its failure or success is counted in an incident.

use super::advance::Transition;
use super::events::Event;
use crate::error::Error;
use crate::run::outcome::{AttemptResult, Status, early_failed_result};
use crate::run::{self, Phase, StepClosed};
use crate::schedule::Alerts;
use crate::store::{Counted, IncidentPolicy, NewFailure, Subject};

impl Transition<'_> {
    pub(super) fn step_closed(&mut self, closed: &StepClosed, event: &run::Event) -> Result<(), Error> {
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
                run::Event::AttemptStarted
                | run::Event::NotPerformed
                | run::Event::Stopped(_)
                | run::Event::StepTimedOut
                | run::Event::TimedOut => (None, 0),
            };
            let target_url = step.target();
            let terms = self.incident_terms(closed.position)?;
            let new = NewFailure {
                subject: self.subject(closed.position),
                target_url: &target_url,
                status_code: measured.0,
                failure,
                elapsed_ms: measured.1,
            };
            let counted = self.write.count_failure(&new, &terms, self.now)?;
            if let Counted::Early { .. } = counted {
                let result = early_failed_result(failure);
                self.write.set_step_result(self.run.row.key, closed.position, &result)?;
            }
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
            && let Some(id) = self.write.incident_of_success(self.subject(closed.position))?
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

    fn subject(&self, position: usize) -> Subject<'_> {
        Subject::Step {
            run: &self.run.row,
            position,
            name: self.workflow.steps[position].name.as_str(),
        }
    }

    /// The alert settings of the schedule; the defaults for a run without one.
    fn alerts(&self) -> Result<Alerts, Error> {
        let schedule = self.run.row.schedule;
        schedule.map_or_else(|| Ok(Alerts::default()), |schedule| self.write.alerts(schedule))
    }

    /// When a failure of a step opens an incident.
    fn incident_terms(&self, position: usize) -> Result<IncidentPolicy, Error> {
        Ok(IncidentPolicy::of(&self.alerts()?, self.workflow.steps[position].open_after))
    }

    /// Counts a success of a step against its open incident. Returns whether that resolves it.
    fn count_success(&self, position: usize, id: i64) -> Result<bool, Error> {
        let enough = match self.workflow.steps[position].resolve_after {
            Some(enough) => enough,
            None => self.alerts()?.resolve_after.unwrap_or(1),
        };
        self.write.count_success(self.subject(position), id, enough, self.now)
    }
}
