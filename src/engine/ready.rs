//! Ready runs, in the order in which workers take them: schedules take turns, the oldest run of each first; backfilled runs come after all others.

use std::collections::{HashMap, VecDeque};

use crate::store::QueuedRun;

/// The ready runs.
#[derive(Default)]
pub(super) struct Ready {
    ordinary: Turns,
    backfilled: Turns,
}

impl Ready {
    /// Adds a run behind the others of its schedule.
    pub(super) fn push(&mut self, run: QueuedRun) {
        self.turns(run.backfilled).push(run);
    }

    /// Takes the next run; a backfilled one only if `may_backfill` is set and no other run is ready.
    pub(super) fn pop(&mut self, may_backfill: bool) -> Option<QueuedRun> {
        let ordinary = self.ordinary.pop();
        ordinary.or_else(|| may_backfill.then(|| self.backfilled.pop()).flatten())
    }

    /// Whether any backfilled run is ready.
    pub(super) fn has_backfilled(&self) -> bool {
        self.backfilled.len > 0
    }

    /// Removes a run.
    pub(super) fn remove(&mut self, run: &QueuedRun) {
        self.turns(run.backfilled).remove(run);
    }

    /// The number of runs that can be taken, counting at most `backfilled` backfilled ones.
    pub(super) fn takeable(&self, backfilled: usize) -> usize {
        self.ordinary.len + self.backfilled.len.min(backfilled)
    }

    fn turns(&mut self, backfilled: bool) -> &mut Turns {
        if backfilled {
            &mut self.backfilled
        } else {
            &mut self.ordinary
        }
    }
}

/// Schedules that take turns; all runs without a schedule count as one schedule.
#[derive(Default)]
struct Turns {
    by_schedule: HashMap<Option<i64>, VecDeque<QueuedRun>>,
    order: VecDeque<Option<i64>>,
    len: usize,
}

impl Turns {
    fn push(&mut self, run: QueuedRun) {
        let runs = self.by_schedule.entry(run.schedule).or_default();
        if runs.is_empty() {
            self.order.push_back(run.schedule);
        }
        runs.push_back(run);
        self.len += 1;
    }

    fn pop(&mut self) -> Option<QueuedRun> {
        let schedule = self.order.pop_front()?;
        let runs = self.by_schedule.get_mut(&schedule)?;
        let run = runs.pop_front()?;
        self.len -= 1;
        if runs.is_empty() {
            self.by_schedule.remove(&schedule);
        } else {
            self.order.push_back(schedule);
        }
        Some(run)
    }

    fn remove(&mut self, run: &QueuedRun) {
        let Some(runs) = self.by_schedule.get_mut(&run.schedule) else {
            return;
        };
        let before = runs.len();
        runs.retain(|r| r.key != run.key);
        self.len -= before - runs.len();
        if runs.is_empty() {
            self.by_schedule.remove(&run.schedule);
            self.order.retain(|schedule| *schedule != run.schedule);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(key: i64, schedule: i64, backfilled: bool) -> QueuedRun {
        QueuedRun {
            key,
            schedule: Some(schedule),
            backfilled,
            task_queue: None,
            lock: None,
            begun: false,
        }
    }

    #[test]
    fn schedules_take_turns_and_backfilled_runs_come_last() {
        let mut ready = Ready::default();
        for (key, schedule, backfilled) in [
            (1, 7, true),
            (2, 7, true),
            (3, 7, false),
            (4, 7, false),
            (5, 8, false),
            (6, 9, true),
        ] {
            ready.push(run(key, schedule, backfilled));
        }
        ready.remove(&run(2, 7, true));
        assert_eq!((ready.takeable(0), ready.takeable(9)), (3, 5));
        let mut taken = Vec::new();
        while let Some(next) = ready.pop(true) {
            taken.push(next.key);
        }
        assert_eq!(taken, [3, 5, 4, 1, 6]);
    }

    #[test]
    fn leaves_backfilled_runs_unless_they_are_allowed() {
        let mut ready = Ready::default();
        ready.push(run(1, 7, true));
        assert_eq!(ready.pop(false), None);
        assert_eq!(ready.pop(true).map(|r| r.key), Some(1));
    }
}
