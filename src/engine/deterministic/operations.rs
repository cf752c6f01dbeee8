//! What happens to the stepped engine in a history: time passes, and commands change the schedule.

use super::*;

pub(super) fn step(number: i32) -> StepText {
    StepText {
        name: format!("x{number}"),
        shell: Some("x".to_owned()),
        ..StepText::default()
    }
}

pub(super) fn patch(spec: &SpecText, policies: Policies, workflow_id: &str) -> Patch {
    Patch {
        spec: spec.clone(),
        overlap: Some(policies.overlap),
        catchup_window_ms: Some(policies.catchup_window_ms),
        pause_on_failure: Some(policies.pause_on_failure),
        max_running: policies.max_running,
        pause_after: policies.pause_after,
        clear: vec![Clearable::MaxRunning, Clearable::PauseAfter],
        workflow_id: Some(workflow_id.to_owned()),
        ..Patch::default()
    }
}

impl World for Engine<'_> {
    fn advance(&mut self, until: DateTime<Utc>) {
        while self.server.is_some() {
            let close = self.active.iter().map(|g| g.life.ends_at).min();
            let due = self.read(|r| r.next_attention());
            let Some(next) = close.into_iter().chain(due).min().filter(|at| *at <= until) else {
                break;
            };
            self.clock.set(next);
            while self.close_next(next) {}
            self.tick(next);
        }
        self.clock.set(until);
    }

    fn operation(&mut self, operation: &Operation, now: DateTime<Utc>) {
        self.clock.set(now);
        let id = self.id.clone();
        let zones = self.zone_info();
        match operation.clone() {
            Operation::Pause(note) => self.write(move |w| ops::pause(w, &zones, &id, Some(&note), now)),
            Operation::Unpause(note) => self.write(move |w| ops::unpause(w, &zones, &id, Some(&note), now).map(|_| ())),
            Operation::Trigger(overlap) => self.write(move |w| ops::trigger(w, &id, overlap, now).map(|_| ())),
            Operation::Backfill(start, end, overlap) => {
                self.write(move |w| {
                    ops::backfill(
                        w,
                        &zones,
                        &id,
                        ops::Backfill {
                            range: (start, end),
                            overlap,
                            at_most: None,
                        },
                        now,
                    )
                    .map(|_| ())
                });
            }
            Operation::Update(spec, policies, workflow_id) => {
                let mut patch = patch(&spec, policies, &workflow_id);
                patch.clear.extend([
                    ops::Clearable::Interval,
                    ops::Clearable::Cron,
                    ops::Clearable::Calendar,
                    ops::Clearable::ExcludeCalendar,
                    ops::Clearable::Jitter,
                    ops::Clearable::TimeZone,
                    ops::Clearable::StartTime,
                    ops::Clearable::EndTime,
                ]);
                self.write(move |w| ops::update(w, &zones, &id, &patch, Never::Allow, now));
            }
            Operation::Refresh => {}
            Operation::Down => {
                self.server = None;
                self.active.clear();
            }
            Operation::Up => self.start(),
        }
        if self.server.is_some() {
            self.tick(now);
        }
    }

    fn observe(&mut self, now: DateTime<Utc>) -> Observed {
        let row = self.read(|r| ops::find(r, &self.id));
        let running = self.read(|r| r.running_of(row.key));
        let spec = row.compiled(&self.zone_info()).unwrap();
        Observed {
            counters: row.counters,
            waiting: row.waiting,
            running: running.into_iter().map(|g| g.workflow_id).collect(),
            upcoming: ops::next_times(&row, &spec, 10, now).len(),
            state: row.state,
        }
    }

    fn happened(&self) -> Vec<HistoryEvent> {
        self.happened.clone()
    }
}
