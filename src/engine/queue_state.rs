//! The state of the queue: the runs of each task queue, and who holds which lock. No threads, no waiting.

use std::collections::{BTreeSet, HashMap, HashSet, VecDeque};
use std::sync::Arc;

use chrono::{DateTime, Utc};

use super::advance::AdvanceResult;
use super::ready::Ready;
use crate::actions::Control;
use crate::store::QueuedRun;

/// The runs of one task queue.
pub(super) struct TaskQueue {
    pub(super) ready: Ready,
    /// Maximum number of its runs that are with a worker at once.
    pub(super) limit: usize,
    pub(super) taken: usize,
    /// Number of backfilled runs that are with a worker.
    pub(super) backfilled: usize,
}

impl TaskQueue {
    pub(super) fn new(limit: usize) -> Self {
        Self {
            ready: Ready::default(),
            limit,
            taken: 0,
            backfilled: 0,
        }
    }

    /// Maximum number of workers that perform backfilled runs at once; the others are kept free for runs that come due.
    pub(super) fn max_backfilled(&self) -> usize {
        (self.limit * 3 / 4).max(1)
    }

    /// Takes the next run, if one may be taken; a backfilled one only if it is not quiet.
    pub(super) fn pop(&mut self, quiet: bool) -> Option<QueuedRun> {
        if self.taken >= self.limit {
            return None;
        }
        self.ready.pop(!quiet && self.backfilled < self.max_backfilled())
    }

    /// The number of runs that can be taken.
    pub(super) fn takeable(&self, quiet: bool) -> usize {
        let backfilled = if quiet { 0 } else { self.max_backfilled() };
        let ready = self.ready.takeable(backfilled.saturating_sub(self.backfilled));
        ready.min(self.limit.saturating_sub(self.taken))
    }
}

/// A run that a worker has taken.
pub(super) struct Taken {
    pub(super) run: i64,
    pub(super) control: Arc<Control>,
    /// What to do first, if the run has begun in the transaction that started it.
    pub(super) begun: Option<Box<AdvanceResult>>,
}

/// The state of the queue.
pub(super) struct QueueState {
    /// The default task queue, and the others that have a limit of their own.
    pub(super) queues: Vec<TaskQueue>,
    pub(super) by_name: HashMap<Arc<str>, usize>,
    /// The queue that is asked first for the next run.
    pub(super) turn: usize,
    pub(super) later: BTreeSet<(DateTime<Utc>, i64)>,
    pub(super) known: HashMap<i64, QueuedRun>,
    /// Runs that were reopened before their worker released them.
    pub(super) reopened: HashSet<i64>,
    /// Runs that are with a worker, or reserved for one.
    pub(super) taken: HashMap<i64, Arc<Control>>,
    /// Runs for which an idle worker is reserved until their transaction ends.
    pub(super) reserved: HashSet<i64>,
    /// Runs that have begun, for the workers that were reserved for them.
    pub(super) begun: VecDeque<(i64, Box<AdvanceResult>)>,
    /// The run that holds each lock, from its first step until it closes.
    pub(super) locks: HashMap<Arc<str>, i64>,
    /// Runs that wait for a lock, in the order in which they get it.
    pub(super) blocked: HashMap<Arc<str>, VecDeque<i64>>,
    /// Whether backfilled runs are held back for the moment.
    pub(super) quiet: bool,
    pub(super) workers: usize,
    pub(super) idle: usize,
    pub(super) draining: bool,
}

impl QueueState {
    /// Takes the next run; task queues take turns. `all` ignores the limits.
    pub(super) fn take(&mut self, all: bool) -> Option<Taken> {
        for offset in 0..self.queues.len() {
            let index = (self.turn + offset) % self.queues.len();
            loop {
                let queue = &mut self.queues[index];
                let next = if all { queue.ready.pop(true) } else { queue.pop(self.quiet) };
                let Some(run) = next else { break };
                if let Some(lock) = &run.lock
                    && *self.locks.entry(Arc::clone(lock)).or_insert(run.key) != run.key
                {
                    self.blocked.entry(Arc::clone(lock)).or_default().push_back(run.key);
                    continue;
                }
                queue.taken += 1;
                queue.backfilled += usize::from(run.backfilled);
                self.turn = (index + 1) % self.queues.len();
                let control = Arc::new(Control::default());
                self.taken.insert(run.key, Arc::clone(&control));
                return Some(Taken {
                    run: run.key,
                    control,
                    begun: None,
                });
            }
        }
        None
    }

    /// Takes the next run that has begun.
    pub(super) fn take_begun(&mut self) -> Option<Taken> {
        let (run, begun) = self.begun.pop_front()?;
        Some(Taken {
            run,
            control: Arc::clone(self.taken.get(&run)?),
            begun: Some(begun),
        })
    }

    /// Reserves an idle worker for a run that is not in the queue yet, unless the run must wait, or others wait for a worker.
    pub(super) fn reserve(&mut self, run: &QueuedRun) -> bool {
        // A worker that has yet to be started may not start.
        if self.idle <= self.reserved.len() + self.begun.len() {
            return false;
        }
        let others_wait = self.queues.iter().any(|queue| queue.ready.takeable(0) > 0);
        let is_known = self.known.contains_key(&run.key);
        let queue = self.queue_of(run);
        if others_wait || is_known || run.backfilled || run.lock.is_some() || queue.taken >= queue.limit {
            return false;
        }
        queue.taken += 1;
        self.known.insert(run.key, run.clone());
        self.taken.insert(run.key, Arc::default());
        self.reserved.insert(run.key);
        true
    }

    pub(super) fn queue_of(&mut self, run: &QueuedRun) -> &mut TaskQueue {
        let index = run.task_queue.as_ref().and_then(|name| self.by_name.get(name)).copied();
        &mut self.queues[index.unwrap_or(0)]
    }

    /// Releases a run from its worker.
    pub(super) fn release(&mut self, run: i64) -> Option<Arc<Control>> {
        let control = self.taken.remove(&run)?;
        if let Some(known) = self.known.get(&run).cloned() {
            let queue = self.queue_of(&known);
            queue.taken -= 1;
            queue.backfilled -= usize::from(known.backfilled);
        }
        Some(control)
    }

    pub(super) fn push(&mut self, run: i64) {
        if let Some(run) = self.known.get(&run).cloned() {
            self.queue_of(&run).ready.push(run);
        }
    }

    /// Gives the lock of a run that has closed to the next that waits for it.
    fn unlock(&mut self, lock: &Arc<str>, run: i64) {
        if self.locks.get(lock) != Some(&run) {
            if let Some(waiting) = self.blocked.get_mut(lock) {
                waiting.retain(|key| *key != run);
            }
            return;
        }
        self.locks.remove(lock);
        let next = self.blocked.get_mut(lock).and_then(VecDeque::pop_front);
        match next {
            Some(next) => self.push(next),
            None => drop(self.blocked.remove(lock)),
        }
    }

    /// Removes a run that has closed.
    pub(super) fn remove(&mut self, run: i64) {
        let Some(known) = self.known.remove(&run) else {
            // Given its lock, but closed before it was added.
            let held = self.locks.iter().find(|(_, holder)| **holder == run);
            if let Some(lock) = held.map(|(lock, _)| Arc::clone(lock)) {
                self.unlock(&lock, run);
            }
            return;
        };
        if let Some(lock) = &known.lock {
            self.unlock(lock, run);
        }
        self.queue_of(&known).ready.remove(&known);
    }
}
