//! Runs that want a worker, now or later, and the workers that are there for them.

use std::collections::{BTreeSet, HashMap, HashSet, VecDeque};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use chrono::{DateTime, Utc};

use crate::actions::{Control, StopKind};

/// The queue; every open run that this server knows of is in it exactly once: ready, later, or with a worker.
#[derive(Default)]
pub(crate) struct Queue {
    inner: Mutex<Inner>,
    changed: Condvar,
}

#[derive(Default)]
struct Inner {
    ready: VecDeque<i64>,
    later: BTreeSet<(DateTime<Utc>, i64)>,
    known: HashSet<i64>,
    /// Runs that were opened again before their worker had let go.
    again: HashSet<i64>,
    taken: HashMap<i64, Arc<Control>>,
    workers: usize,
    idle: usize,
    draining: bool,
}

impl Queue {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a run that is not known yet. Whether one more worker is wanted, of at most `max`; it then counts as there.
    pub(crate) fn add(&self, run: i64, max: usize) -> bool {
        let mut inner = self.lock();
        if !inner.known.insert(run) {
            return false;
        }
        inner.ready.push_back(run);
        self.wanted(inner, max)
    }

    /// Adds a run that has been opened again: also where the worker that closed it has not let go of it yet.
    pub(crate) fn add_again(&self, run: i64, max: usize) -> bool {
        let mut inner = self.lock();
        if inner.taken.contains_key(&run) {
            inner.again.insert(run);
            return false;
        }
        drop(inner);
        self.add(run, max)
    }

    fn wanted(&self, mut inner: MutexGuard<'_, Inner>, max: usize) -> bool {
        if inner.idle < inner.ready.len() && inner.workers < max && !inner.draining {
            inner.workers += 1;
            return true;
        }
        self.changed.notify_one();
        false
    }

    /// Takes a run, waiting for one; none when the server drains.
    pub(crate) fn take(&self) -> Option<(i64, Arc<Control>)> {
        let mut inner = self.lock();
        loop {
            if inner.draining {
                return None;
            }
            if let Some(run) = inner.ready.pop_front() {
                let control = Arc::new(Control::default());
                inner.taken.insert(run, Arc::clone(&control));
                return Some((run, control));
            }
            inner.idle += 1;
            inner = self.changed.wait(inner).unwrap_or_else(PoisonError::into_inner);
            inner.idle -= 1;
        }
    }

    /// Takes a run if one is ready; for histories that are stepped.
    #[cfg(test)]
    pub(crate) fn take_now(&self) -> Option<(i64, Arc<Control>)> {
        let mut inner = self.lock();
        let run = inner.ready.pop_front()?;
        let control = Arc::new(Control::default());
        inner.taken.insert(run, Arc::clone(&control));
        Some((run, control))
    }

    /// A worker lets go of a run that waits until then. Whether that is sooner than anything else that waits.
    pub(crate) fn put_off(&self, run: i64, until: DateTime<Utc>) -> bool {
        let mut inner = self.lock();
        if inner.taken.remove(&run).is_some_and(|control| control.asked().is_some()) {
            // Asked to stop on the way here: the worker that lets go takes it up again at once.
            inner.ready.push_back(run);
            return false;
        }
        inner.later.insert((until, run));
        inner.later.first().is_some_and(|(_, first)| *first == run)
    }

    /// A worker lets go of a run that is over, or is left for the next server.
    pub(crate) fn forget(&self, run: i64) {
        let mut inner = self.lock();
        inner.taken.remove(&run);
        if inner.again.remove(&run) {
            // The worker that lets go takes it up again at once.
            inner.ready.push_back(run);
        } else {
            inner.known.remove(&run);
        }
    }

    /// Makes ready what has waited until `now`. How many more workers are wanted, and when the next wait is over.
    pub(crate) fn wake(&self, now: DateTime<Utc>, max: usize) -> (usize, Option<DateTime<Utc>>) {
        let mut more = 0;
        loop {
            let mut inner = self.lock();
            match inner.later.first().copied() {
                Some((until, run)) if until <= now => {
                    inner.later.pop_first();
                    inner.ready.push_back(run);
                    more += usize::from(self.wanted(inner, max));
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
        inner.known.remove(&run);
        inner.ready.retain(|r| *r != run);
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

    #[test]
    fn a_run_opened_again_before_its_worker_has_let_go_is_taken_again() {
        let queue = Queue::default();
        queue.add(1, 0);
        assert!(queue.take_now().is_some());
        // Merely seen again, it is known.
        queue.add(1, 0);
        queue.forget(1);
        assert!(queue.take_now().is_none() && queue.is_empty());
        queue.add(1, 0);
        assert!(queue.take_now().is_some());
        queue.add_again(1, 0);
        queue.forget(1);
        assert_eq!(queue.take_now().map(|(run, _)| run), Some(1));
    }
}
