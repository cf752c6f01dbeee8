//! Runs that need a worker, now or later, and the workers for them: the part that threads share.

use std::collections::{BTreeSet, HashMap, HashSet, VecDeque};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use chrono::{DateTime, Utc};

use super::advance::AdvanceResult;
use super::queue_state::{QueueState, Taken, TaskQueue};
use crate::actions::StopKind;
use crate::store::QueuedRun;

/// The queue. Every open run that this server knows of is in it exactly once: ready, waiting for a time or for a lock, or with a worker.
pub(crate) struct Queue {
    inner: Mutex<QueueState>,
    changed: Condvar,
    /// Maximum number of workers.
    workers: usize,
}

impl Queue {
    /// Returns an empty queue: `workers` is the limit of the default task queue, `others` those of task queues with a limit of their own.
    pub(crate) fn new(workers: usize, others: &[(String, usize)]) -> Self {
        let mut queues = vec![TaskQueue::new(workers)];
        let mut by_name = HashMap::new();
        for (name, limit) in others {
            by_name.insert(Arc::from(name.as_str()), queues.len());
            queues.push(TaskQueue::new(*limit));
        }
        Self {
            workers: queues.iter().map(|queue| queue.limit).sum(),
            inner: Mutex::new(QueueState {
                queues,
                by_name,
                turn: 0,
                later: BTreeSet::new(),
                known: HashMap::new(),
                reopened: HashSet::new(),
                taken: HashMap::new(),
                reserved: HashSet::new(),
                begun: VecDeque::new(),
                locks: HashMap::new(),
                blocked: HashMap::new(),
                quiet: false,
                workers: 0,
                idle: 0,
                draining: false,
            }),
            changed: Condvar::new(),
        }
    }

    /// Returns an empty queue without worker threads, for tests that step the engine. At most `reserved` runs that are with a worker begin in the
    /// transaction that starts them; the others are taken from the queue, without a limit.
    #[cfg(test)]
    pub(super) fn stepped(reserved: usize) -> Self {
        let queue = Self {
            workers: 0,
            ..Self::new(reserved, &[])
        };
        queue.lock().idle = reserved;
        queue
    }

    fn lock(&self) -> MutexGuard<'_, QueueState> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gives a run the lock that it needs, unless another has it: a worker of an earlier server had started on it.
    pub(crate) fn hold_lock(&self, run: &QueuedRun) {
        if let Some(lock) = &run.lock {
            self.lock().locks.entry(Arc::clone(lock)).or_insert(run.key);
        }
    }

    /// Adds a run unless it is already known. Returns whether one more worker is needed, which then counts as started.
    pub(crate) fn add(&self, run: QueuedRun) -> bool {
        let mut inner = self.lock();
        if inner.known.contains_key(&run.key) {
            return false;
        }
        let key = run.key;
        inner.known.insert(key, run);
        inner.push(key);
        self.needs_worker(inner)
    }

    /// Reserves an idle worker for a run that is about to start, if there is one and the run need not wait; otherwise it must be added.
    pub(super) fn reserve(&self, run: &QueuedRun) -> bool {
        self.lock().reserve(run)
    }

    /// Passes a run on to the worker that was reserved for it. Returns the same as [`Self::add`].
    pub(super) fn hand_over(&self, run: i64, begun: Box<AdvanceResult>) -> bool {
        let mut inner = self.lock();
        inner.reserved.remove(&run);
        inner.begun.push_back((run, begun));
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

    /// Wakes an idle worker for the ready runs. Returns whether they need one more, which then counts as started.
    pub(crate) fn wants_worker(&self) -> bool {
        self.needs_worker(self.lock())
    }

    fn needs_worker(&self, mut inner: MutexGuard<'_, QueueState>) -> bool {
        let quiet = inner.quiet;
        let ready: usize = inner.queues.iter().map(|queue| queue.takeable(quiet)).sum();
        let takeable = ready + inner.begun.len() + inner.reserved.len();
        // An idle one in any case: the other worker may not start.
        if takeable > 0 {
            self.changed.notify_one();
        }
        let wants_more = inner.idle < takeable && inner.workers < self.workers && !inner.draining;
        inner.workers += usize::from(wants_more);
        wants_more
    }

    /// Whether any backfilled run is ready or with a worker.
    pub(crate) fn has_backfilled(&self) -> bool {
        let inner = self.lock();
        inner
            .queues
            .iter()
            .any(|queue| queue.backfilled > 0 || queue.ready.has_backfilled())
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
    pub(super) fn take(&self) -> Option<Taken> {
        let mut inner = self.lock();
        loop {
            if let Some(begun) = inner.take_begun() {
                return Some(begun);
            }
            if inner.draining {
                return None;
            }
            // A worker that is reserved waits for its run.
            if inner.idle >= inner.reserved.len()
                && let Some(taken) = inner.take(false)
            {
                return Some(taken);
            }
            inner.idle += 1;
            inner = self.changed.wait(inner).unwrap_or_else(PoisonError::into_inner);
            inner.idle -= 1;
        }
    }

    /// Takes a run if one may be taken now.
    #[cfg(test)]
    pub(super) fn take_ready(&self) -> Option<Taken> {
        self.lock().take(false)
    }

    /// Takes a run if one is ready, whatever the limits; for tests that step the engine.
    #[cfg(test)]
    pub(super) fn take_now(&self) -> Option<Taken> {
        let mut inner = self.lock();
        inner.take_begun().or_else(|| inner.take(true))
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
        if inner.reserved.remove(&run) {
            self.changed.notify_one();
        }
        inner.release(run);
        if inner.reopened.remove(&run) {
            // The worker that releases it takes it again at once.
            inner.push(run);
        } else {
            inner.remove(run);
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

    /// Makes all runs ready that wait for a time, so that their waits are measured again: the clock was set back.
    pub(crate) fn wake_all(&self) -> usize {
        self.wake(DateTime::<Utc>::MAX_UTC).0
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
        inner.remove(run);
        inner.later.retain(|(_, r)| *r != run);
        drop(inner);
        // The next run that waits for its lock, if any.
        self.changed.notify_one();
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
