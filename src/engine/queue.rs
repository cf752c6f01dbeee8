//! Runs that want a worker, now or later, and the workers that are there for them.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use chrono::{DateTime, Utc};

use super::ready::Ready;
use crate::actions::{Control, StopKind};
use crate::store::QueuedRun;

/// The queue; every open run that this server knows of is in it exactly once: ready, later, or with a worker.
pub(crate) struct Queue {
    inner: Mutex<Inner>,
    changed: Condvar,
    /// How many workers there may be.
    workers: usize,
}

#[derive(Default)]
struct Inner {
    ready: Ready,
    later: BTreeSet<(DateTime<Utc>, i64)>,
    known: HashMap<i64, QueuedRun>,
    /// Runs that were opened again before their worker had let go.
    again: HashSet<i64>,
    taken: HashMap<i64, Arc<Control>>,
    /// Whether no backfilled run is taken for the moment.
    quiet: bool,
    /// How many of the runs with a worker are backfilled.
    backfilled: usize,
    workers: usize,
    idle: usize,
    draining: bool,
}

impl Inner {
    fn take(&mut self, most_backfilled: usize) -> Option<(i64, Arc<Control>)> {
        let run = self.ready.pop(!self.quiet && self.backfilled < most_backfilled)?;
        self.backfilled += usize::from(run.backfilled);
        let control = Arc::new(Control::default());
        self.taken.insert(run.key, Arc::clone(&control));
        Some((run.key, control))
    }

    /// A worker lets go of a run.
    fn release(&mut self, run: i64) -> Option<Arc<Control>> {
        let control = self.taken.remove(&run)?;
        self.backfilled -= usize::from(self.known.get(&run).is_some_and(|run| run.backfilled));
        Some(control)
    }

    fn push(&mut self, run: i64) {
        if let Some(run) = self.known.get(&run) {
            self.ready.push(*run);
        }
    }
}

impl Queue {
    /// An empty queue for at most so many workers.
    pub(crate) fn new(workers: usize) -> Self {
        Self {
            inner: Mutex::default(),
            changed: Condvar::new(),
            workers,
        }
    }

    /// How many workers may perform backfilled runs at once: the others are there for what comes due.
    fn most_backfilled(&self) -> usize {
        (self.workers * 3 / 4).max(1)
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a run that is not known yet. Whether one more worker is wanted; it then counts as there.
    pub(crate) fn add(&self, run: QueuedRun) -> bool {
        let mut inner = self.lock();
        if inner.known.contains_key(&run.key) {
            return false;
        }
        inner.known.insert(run.key, run);
        inner.push(run.key);
        self.wanted(inner)
    }

    /// Adds a run that has been opened again: also where the worker that closed it has not let go of it yet.
    pub(crate) fn add_again(&self, run: QueuedRun) -> bool {
        let mut inner = self.lock();
        if inner.taken.contains_key(&run.key) {
            inner.again.insert(run.key);
            return false;
        }
        drop(inner);
        self.add(run)
    }

    /// Whether there are ready runs, and fewer workers than are wanted for them; that one more then counts as there. Else an idle one is woken.
    pub(crate) fn wants_worker(&self) -> bool {
        self.wanted(self.lock())
    }

    fn wanted(&self, mut inner: MutexGuard<'_, Inner>) -> bool {
        let backfilled = if inner.quiet { 0 } else { self.most_backfilled() };
        let takeable = inner.ready.takeable(backfilled.saturating_sub(inner.backfilled));
        if inner.idle < takeable && inner.workers < self.workers && !inner.draining {
            inner.workers += 1;
            return true;
        }
        if takeable > 0 {
            self.changed.notify_one();
        }
        false
    }

    /// Whether a backfilled run is ready or with a worker.
    pub(crate) fn has_backfilled(&self) -> bool {
        let inner = self.lock();
        inner.backfilled > 0 || inner.ready.has_backfilled()
    }

    /// From now on no backfilled run is taken, or they are again.
    pub(crate) fn keep_quiet(&self, quiet: bool) {
        let mut inner = self.lock();
        if inner.quiet && !quiet {
            self.changed.notify_all();
        }
        inner.quiet = quiet;
    }

    /// Takes a run, waiting for one; none when the server drains.
    pub(crate) fn take(&self) -> Option<(i64, Arc<Control>)> {
        let mut inner = self.lock();
        loop {
            if inner.draining {
                return None;
            }
            if let Some(taken) = inner.take(self.most_backfilled()) {
                return Some(taken);
            }
            inner.idle += 1;
            inner = self.changed.wait(inner).unwrap_or_else(PoisonError::into_inner);
            inner.idle -= 1;
        }
    }

    /// Takes a run if one is ready; for histories that are stepped.
    #[cfg(test)]
    pub(crate) fn take_now(&self) -> Option<(i64, Arc<Control>)> {
        self.lock().take(usize::MAX)
    }

    /// A worker lets go of a run that waits until then. Whether that is sooner than anything else that waits.
    pub(crate) fn put_off(&self, run: i64, until: DateTime<Utc>) -> bool {
        let mut inner = self.lock();
        if inner.release(run).is_some_and(|control| control.asked().is_some()) {
            // Asked to stop on the way here: the worker that lets go takes it up again at once.
            inner.push(run);
            return false;
        }
        inner.later.insert((until, run));
        inner.later.first().is_some_and(|(_, first)| *first == run)
    }

    /// A worker lets go of a run that is over, or is left for the next server.
    pub(crate) fn forget(&self, run: i64) {
        let mut inner = self.lock();
        inner.release(run);
        if inner.again.remove(&run) {
            // The worker that lets go takes it up again at once.
            inner.push(run);
        } else {
            inner.known.remove(&run);
        }
    }

    /// Makes ready what has waited until `now`. How many more workers are wanted, and when the next wait is over.
    pub(crate) fn wake(&self, now: DateTime<Utc>) -> (usize, Option<DateTime<Utc>>) {
        let mut more = 0;
        loop {
            let mut inner = self.lock();
            match inner.later.first().copied() {
                Some((until, run)) if until <= now => {
                    inner.later.pop_first();
                    inner.push(run);
                    more += usize::from(self.wanted(inner));
                }
                next => return (more, next.map(|(until, _)| until)),
            }
        }
    }

    /// Tells the worker that has a run to stop. Whether a worker has it; a run that waits is for the caller to close.
    pub(crate) fn stop(&self, run: i64, kind: StopKind) -> bool {
        let control = self.lock().taken.get(&run).cloned();
        control.inspect(|control| control.stop(kind)).is_some()
    }

    /// A run that waited has been closed: nothing waits for it any more.
    pub(crate) fn closed_waiting(&self, run: i64) {
        let mut inner = self.lock();
        if inner.taken.contains_key(&run) {
            return;
        }
        if let Some(known) = inner.known.remove(&run) {
            inner.ready.remove(known);
        }
        inner.later.retain(|(_, r)| *r != run);
    }

    /// Lets workers go once they have done what they are at.
    pub(crate) fn drain(&self) -> usize {
        let mut inner = self.lock();
        inner.draining = true;
        self.changed.notify_all();
        inner.taken.len()
    }

    /// Gives up every attempt that is being made; how many.
    pub(crate) fn give_up(&self) -> usize {
        let taken: Vec<_> = self.lock().taken.values().cloned().collect();
        for control in &taken {
            control.stop(StopKind::GiveUp);
        }
        taken.len()
    }

    /// A worker has gone.
    pub(crate) fn worker_left(&self) {
        self.lock().workers -= 1;
    }

    /// Whether no worker is left.
    pub(crate) fn is_deserted(&self) -> bool {
        self.lock().workers == 0
    }

    /// Whether no run is known: ready, later, or with a worker.
    pub(crate) fn is_empty(&self) -> bool {
        self.lock().known.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(key: i64, backfilled: bool) -> QueuedRun {
        QueuedRun {
            key,
            schedule: Some(1),
            backfilled,
        }
    }

    #[test]
    fn a_run_opened_again_before_its_worker_has_let_go_is_taken_again() {
        let queue = Queue::new(0);
        queue.add(run(1, false));
        assert!(queue.take_now().is_some());
        // Merely seen again, it is known.
        queue.add(run(1, false));
        queue.forget(1);
        assert!(queue.take_now().is_none() && queue.is_empty());
        queue.add(run(1, false));
        assert!(queue.take_now().is_some());
        queue.add_again(run(1, false));
        queue.forget(1);
        assert_eq!(queue.take_now().map(|(run, _)| run), Some(1));
    }

    #[test]
    fn backfilled_runs_leave_workers_to_what_comes_due() {
        let queue = Queue::new(4);
        for key in 1..=6 {
            queue.add(run(key, true));
        }
        let taken: Vec<_> = (0..3).map(|_| queue.take().unwrap().0).collect();
        assert_eq!(taken, [1, 2, 3]);
        queue.add(run(7, false));
        assert_eq!(queue.take().unwrap().0, 7, "not the fourth of the backfill");
        queue.forget(1);
        assert_eq!(queue.take().unwrap().0, 4);
    }
}
