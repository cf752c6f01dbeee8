//! Events of an engine, in the form of the simulation's history.

use super::*;

impl Engine<'_> {
    /// Collects what happened, and passes stops on to the active runs.
    pub(super) fn collect_events(&mut self, now: DateTime<Utc>) {
        for event in self.up().events.try_iter().collect::<Vec<_>>() {
            let (nominal, workflow_id, what) = match event {
                Event::Error(e) => done(Err(e)),
                Event::Tick { run, nominal, .. } => (nominal, run.workflow_id, What::Start),
                Event::Buffered { nominal, .. } => (nominal, self.id_of(nominal), What::Buffered),
                Event::NotStarted { not_started, .. } => {
                    let NotStarted {
                        from,
                        to,
                        count,
                        outcome,
                        reason,
                        ..
                    } = not_started;
                    let what = What::NotStarted {
                        to,
                        count,
                        outcome,
                        reason,
                    };
                    (from, self.id_of(from), what)
                }
                Event::Closed { run, status, .. } => {
                    let row = self.read(|r| r.run_named(&run.run_id));
                    (row.nominal, run.workflow_id, What::Close(status))
                }
                Event::StopRequested { run, stop } => {
                    self.stop(&run.run_id, stop, now);
                    let row = self.read(|r| r.run_named(&run.run_id));
                    (row.nominal, run.workflow_id, What::Stop(stop))
                }
                Event::Serving { .. }
                | Event::ZoneChanged { .. }
                | Event::Started { .. }
                | Event::Lost { .. }
                | Event::Delayed { .. }
                | Event::FewerWorkers { .. }
                | Event::Displaced { .. }
                | Event::LockRestored { .. }
                | Event::Saved { .. }
                | Event::Surviving { .. }
                | Event::State { .. }
                | Event::BackedUp { .. }
                | Event::Refused { .. }
                | Event::Resumed { .. }
                | Event::Retry { .. }
                | Event::StepClosed { .. }
                | Event::Incident { .. }
                | Event::Failing { .. }
                | Event::NoSuccess { .. }
                | Event::SucceededAgain { .. }
                | Event::Reminded { .. }
                | Event::Resolved { .. }
                | Event::Reopened { .. }
                | Event::Paused { .. }
                | Event::NotDelivered { .. }
                | Event::Draining { .. }
                | Event::Interrupted { .. }
                | Event::Page { .. }
                | Event::NoPage { .. }
                | Event::Applied { .. }
                | Event::Stopped { .. } => continue,
            };
            self.happened.push(HistoryEvent {
                at: now,
                nominal,
                workflow_id,
                what,
            });
        }
    }
}
