//! Runs that begin in the transaction which starts them, if a worker is free: their first attempt needs no transaction of its own.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::advance::{AdvanceResult, MayStart, advance};
use super::decide::Effects;
use super::shared::Shared;
use crate::error::Error;
use crate::store::{QueuedRun, Write};

/// A run that has begun.
#[derive(Debug)]
pub(super) struct Begun {
    reservation: Reservation,
    advanced: Box<AdvanceResult>,
}

/// A worker that is reserved for a run; released when this is dropped, as when the transaction fails.
struct Reservation {
    shared: Arc<Shared>,
    run: i64,
    is_used: bool,
}

impl Begun {
    /// Reserves an idle worker for the run, if there is one, and advances the run.
    fn advance(shared: &Arc<Shared>, write: &Write<'_>, run: &QueuedRun) -> Result<Option<Self>, Error> {
        if !shared.queue.reserve(run) {
            return Ok(None);
        }
        let reservation = Reservation {
            shared: Arc::clone(shared),
            run: run.key,
            is_used: false,
        };
        let advanced = advance(write, shared.terms(), run.key, None, MayStart::Yes, shared.clock.now())?;
        Ok(Some(Self {
            reservation,
            advanced: Box::new(advanced),
        }))
    }

    /// Passes the run on to its worker.
    pub(super) fn perform(self) {
        let Self {
            mut reservation,
            advanced,
        } = self;
        reservation.is_used = true;
        if reservation.shared.queue.hand_over(reservation.run, advanced) {
            reservation.shared.start_worker();
        }
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        if !self.is_used {
            self.shared.queue.forget(self.run);
        }
    }
}

impl std::fmt::Debug for Reservation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Reservation").field("run", &self.run).finish_non_exhaustive()
    }
}

/// Lets those runs of a decision begin that have a free worker, and takes them out of its effects.
pub(super) fn begin(shared: &Arc<Shared>, write: &Write<'_>, effects: &mut Effects) -> Result<Vec<Begun>, Error> {
    let mut begun = Vec::new();
    if shared.draining.load(Ordering::SeqCst) {
        return Ok(begun);
    }
    for run in std::mem::take(&mut effects.started) {
        match Begun::advance(shared, write, &run)? {
            Some(one) => begun.push(one),
            None => effects.started.push(run),
        }
    }
    Ok(begun)
}
