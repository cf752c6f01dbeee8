//! Runs that need a worker, now or later, and the workers for them.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use chrono::{DateTime, Utc};

use super::ready::Ready;
use crate::actions::{Control, StopKind};
use crate::store::QueuedRun;

/// The queue. Every open run that this server knows of is in it exactly once: ready, waiting for a time, or with a worker.
pub(crate) struct Queue {
    inner: Mutex<Inner>,
    changed: Condvar,
    /// Maximum number of workers.
    workers: usize,
}

#[derive(Default)]
struct Inner {
    ready: Ready,
    later: BTreeSet<(DateTime<Utc>, i64)>,
    known: HashMap<i64, QueuedRun>,
    /// Runs that were reopened before their worker released them.
    reopened: HashSet<i64>,
    taken: HashMap<i64, Arc<Control>>,
    /// Whether backfilled runs are held back for the moment.
    quiet: bool,
    /// Number of backfilled runs that are with a worker.
    backfilled: usize,
    workers: usize,
    idle: usize,
    draining: bool,
}

impl Inner {
    fn take(&mut self, max_backfilled: usize) -> Option<(i64, Arc<Control>)> {
        let run = self.ready.pop(!self.quiet && self.backfilled < max_backfilled)?;
        self.backfilled += usize::from(run.backfilled);
        let control = Arc::new(Control::default());
        self.taken.insert(run.key, Arc::clone(&control));
        Some((run.key, control))
    }

    /// Releases a run from its worker.
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
    /// Returns an empty queue for at most `workers` workers.
    pub(crate) fn new(workers: usize) -> Self {
        Self {
            inner: Mutex::default(),
            changed: Condvar::new(),
            workers,
        }
    }

    /// Maximum number of workers that perform backfilled runs at once; the others are kept free for runs that come due.
    fn max_backfilled(&self) -> usize {
        (self.workers * 3 / 4).max(1)
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a run unless it is already known. Returns whether one more worker is needed, which then counts as started.
    pub(crate) fn add(&self, run: QueuedRun) -> bool {
        let mut inner = self.lock();
        if inner.known.contains_key(&run.key) {
            return false;
        }
        inner.known.insert(run.key, run);
        inner.push(run.key);
        self.needs_worker(inner)
    }

    /// Adds a run that was reopened, even if the worker that closed it has not released it yet. Returns the same as [`Self::add`].
    pub(crate) fn add_again(&self, run: QueuedRun) -> bool {
        let mut inner = self.lock();
        if inner.taken.contains_key(&run.key) {
            inner.reopened.insert(run.key);
            return false;
        }
        drop(inner);
        self.add(run)
    }

    /// Returns whether the ready runs need one more worker, which then counts as started; otherwise wakes an idle one.
    pub(crate) fn wants_worker(&self) -> bool {
        self.needs_worker(self.lock())
    }

    fn needs_worker(&self, mut inner: MutexGuard<'_, Inner>) -> bool {
        let backfilled = if inner.quiet { 0 } else { self.max_backfilled() };
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

    /// Whether any backfilled run is ready or with a worker.
    pub(crate) fn has_backfilled(&self) -> bool {
        let inner = self.lock();
        inner.backfilled > 0 || inner.ready.has_backfilled()
    }

    /// Holds backfilled runs back, or lets them be taken again.
    pub(crate) fn keep_quiet(&self, quiet: bool) {
        let mut inner = self.lock();
        if inner.quiet && !quiet {
            self.changed.notify_all();
        }
        inner.quiet = quiet;
    }

    /// Takes a run, waiting until one is ready. Returns `None` when the server drains.
    pub(crate) fn take(&self) -> Option<(i64, Arc<Control>)> {
        let mut inner = self.lock();
        loop {
            if inner.draining {
                return None;
            }
            if let Some(taken) = inner.take(self.max_backfilled()) {
                return Some(taken);
            }
            inner.idle += 1;
            inner = self.changed.wait(inner).unwrap_or_else(PoisonError::into_inner);
            inner.idle -= 1;
        }
    }

    /// Takes a run if one is ready; for tests that step the engine.
    #[cfg(test)]
    pub(crate) fn take_now(&self) -> Option<(i64, Arc<Control>)> {
        self.lock().take(usize::MAX)
    }

    /// Releases a run that waits until a time. Returns whether it is the first of all waiting runs.
    pub(crate) fn release_until(&self, run: i64, until: DateTime<Utc>) -> bool {
        let mut inner = self.lock();
        if inner.release(run).is_some_and(|control| control.requested().is_some()) {
            // Asked to stop in the meantime: the worker that releases it takes it again at once.
            inner.push(run);
            return false;
        }
        inner.later.insert((until, run));
        inner.later.first().is_some_and(|(_, first)| *first == run)
    }

    /// Releases a run that has closed or is left to the next server.
    pub(crate) fn forget(&self, run: i64) {
        let mut inner = self.lock();
        inner.release(run);
        if inner.reopened.remove(&run) {
            // The worker that releases it takes it again at once.
            inner.push(run);
        } else {
            inner.known.remove(&run);
        }
    }

    /// Makes the runs ready that waited until `now`. Returns how many more workers are needed, and when the next wait ends.
    pub(crate) fn wake(&self, now: DateTime<Utc>) -> (usize, Option<DateTime<Utc>>) {
        let mut more = 0;
        loop {
            let mut inner = self.lock();
            match inner.later.first().copied() {
                Some((until, run)) if until <= now => {
                    inner.later.pop_first();
                    inner.push(run);
                    more += usize::from(self.needs_worker(inner));
                }
                next => return (more, next.map(|(until, _)| until)),
            }
        }
    }

    /// Makes a run ready that waits for a time. Returns whether one more worker is needed, which then counts as started.
    pub(crate) fn wake_run(&self, run: i64) -> bool {
        let mut inner = self.lock();
        let before = inner.later.len();
        inner.later.retain(|(_, waiting)| *waiting != run);
        if inner.later.len() == before {
            return false;
        }
        inner.push(run);
        self.needs_worker(inner)
    }

    /// Asks the worker that has a run to stop it. Returns whether a worker has it; if none has, the caller closes the run.
    pub(crate) fn stop(&self, run: i64, kind: StopKind) -> bool {
        let control = self.lock().taken.get(&run).cloned();
        control.inspect(|control| control.stop(kind)).is_some()
    }

    /// Removes a run that was closed while no worker had it.
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

    /// Lets workers end after their current run. Returns how many runs are with a worker.
    pub(crate) fn drain(&self) -> usize {
        let mut inner = self.lock();
        inner.draining = true;
        self.changed.notify_all();
        inner.taken.len()
    }

    /// Interrupts all attempts. Returns how many.
    pub(crate) fn interrupt_all(&self) -> usize {
        let taken: Vec<_> = self.lock().taken.values().cloned().collect();
        for control in &taken {
            control.stop(StopKind::Abandon);
        }
        taken.len()
    }

    /// Counts a worker as ended.
    pub(crate) fn worker_left(&self) {
        self.lock().workers -= 1;
    }

    /// Whether all workers have ended.
    pub(crate) fn has_no_workers(&self) -> bool {
        self.lock().workers == 0
    }

    /// Whether no run is ready, waiting or with a worker.
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
    fn takes_a_run_again_that_was_reopened_before_its_worker_released_it() {
        let queue = Queue::new(0);
        queue.add(run(1, false));
        assert!(queue.take_now().is_some());
        // Seen again but not reopened.
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
    fn backfilled_runs_leave_workers_free_for_due_runs() {
        let queue = Queue::new(4);
        for key in 1..=6 {
            queue.add(run(key, true));
        }
        let taken: Vec<_> = (0..3).map(|_| queue.take().unwrap().0).collect();
        assert_eq!(taken, [1, 2, 3]);
        queue.add(run(7, false));
        assert_eq!(queue.take().unwrap().0, 7, "the due run before the fourth backfilled one");
        queue.forget(1);
        assert_eq!(queue.take().unwrap().0, 4);
    }
}
