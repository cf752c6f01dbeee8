//! Sums statistics and prunes history in small batches alongside other work, so that no tick waits for it.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

use super::events::Event;
use super::shared::Shared;
use crate::error::Error;
use crate::store::{Keep, Missing, Store};

/// How often history is pruned.
const EVERY: TimeDelta = TimeDelta::minutes(10);
/// How often statistics are summed: what is not summed yet is read event by event.
const SUM_EVERY: TimeDelta = TimeDelta::minutes(1);
/// Maximum number of events summed in one transaction.
const EVENTS: u64 = 2000;
/// How long statistics are kept: they are small.
const KEEP_STATISTICS: TimeDelta = TimeDelta::days(400);
/// Maximum number of runs deleted in one transaction.
const BATCH: usize = 50;
/// The pause after each batch, which leaves the database to others.
const BETWEEN_BATCHES: TimeDelta = TimeDelta::milliseconds(5);
/// Maximum number of batches pruned by a server that exits once everything due is done.
const MAX_BATCHES_AT_EXIT: usize = 20;

/// How much history is kept: everything up to an age, and the last runs and last failures of each schedule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Retention {
    /// How long everything is kept.
    pub(crate) keep_for: Duration,
    /// Number of runs, and number of failures, kept of each schedule regardless of age.
    pub(crate) keep_runs: u64,
}

impl Retention {
    fn at(self, now: DateTime<Utc>) -> Keep {
        let age = TimeDelta::from_std(self.keep_for).unwrap_or(TimeDelta::MAX);
        Keep {
            since: now.checked_sub_signed(age).unwrap_or(DateTime::<Utc>::MIN_UTC),
            runs: self.keep_runs,
        }
    }
}

/// The body of the pruning thread: sums statistics and prunes at intervals until the server drains.
pub(super) fn keep_pruning(shared: &Arc<Shared>) {
    let mut next_pruning = shared.started;
    while !shared.draining.load(Ordering::SeqCst) {
        let now = shared.clock.now();
        let max_batches = if now >= next_pruning { usize::MAX } else { 0 };
        open_and_prune(shared, max_batches, now);
        if max_batches > 0 {
            next_pruning = now + EVERY;
        }
        wait(shared, now + SUM_EVERY);
    }
}

/// Prunes a limited number of batches, for a server that is about to exit.
pub(super) fn prune_at_exit(shared: &Arc<Shared>) {
    open_and_prune(shared, MAX_BATCHES_AT_EXIT, shared.clock.now());
}

/// Sums statistics and prunes, and reports an error as an event. Opens a connection just for this, because an idle one would hold memory.
fn open_and_prune(shared: &Arc<Shared>, max_batches: usize, now: DateTime<Utc>) {
    let pruned = Store::open(Path::new(&shared.database), Missing::Refuse).and_then(|reader| {
        sum(shared, &reader)?;
        prune(shared, &reader, max_batches, now)
    });
    if let Err(e) = pruned {
        shared.emit(Event::Error(e));
    }
}

/// Sums the statistics of the steps that have closed, before their events are pruned.
fn sum(shared: &Arc<Shared>, reader: &Store) -> Result<(), Error> {
    while prunes_at_exit(shared) || !shared.draining.load(Ordering::SeqCst) {
        let Some(rollup) = reader.read(|r| r.roll_up(EVENTS))? else {
            break;
        };
        shared.writer.write(move |w| w.add_rollup(&rollup))?;
        pause(shared);
    }
    Ok(())
}

/// Prunes the whole history once, in at most `max_batches` batches.
pub(super) fn prune(shared: &Arc<Shared>, reader: &Store, mut max_batches: usize, now: DateTime<Utc>) -> Result<(), Error> {
    let keep = shared.settings.retention.at(now);
    let must_stop = |batches: usize| batches == 0 || (!prunes_at_exit(shared) && shared.draining.load(Ordering::SeqCst));
    let mut after = Some(0);
    while let Some(from) = after.filter(|_| !must_stop(max_batches)) {
        let found = reader.read(|r| r.prunable_runs(from, keep))?;
        for batch in found.runs.chunks(BATCH) {
            let batch = batch.to_vec();
            shared
                .writer
                .write(move |w| batch.iter().try_for_each(|run| w.prune_run(*run, keep.since)))?;
            max_batches -= 1;
            pause(shared);
            if must_stop(max_batches) {
                return Ok(());
            }
        }
        after = found.after;
    }
    while !must_stop(max_batches)
        && shared
            .writer
            .write(move |w| w.prune_other_history(keep.since, BATCH as u64))?
            > 0
    {
        max_batches -= 1;
        pause(shared);
    }
    let mut after = Some(0);
    while let Some(from) = after.filter(|_| !must_stop(max_batches)) {
        after = shared.writer.write(move |w| w.prune_events(from, keep.since))?;
        max_batches -= 1;
        pause(shared);
    }
    if must_stop(max_batches) {
        return Ok(());
    }
    shared.writer.write(move |w| w.prune_rollups(now - KEEP_STATISTICS))
}

/// Whether this server prunes only when it exits, so that the drain must not stop it.
fn prunes_at_exit(shared: &Shared) -> bool {
    shared.settings.until == super::Until::Done
}

/// Leaves the database to others for a moment.
fn pause(shared: &Shared) {
    if !prunes_at_exit(shared) {
        wait(shared, shared.clock.now() + BETWEEN_BATCHES);
    }
}

fn wait(shared: &Shared, until: DateTime<Utc>) {
    while !shared.draining.load(Ordering::SeqCst) && shared.clock.now() < until {
        shared.clock.wait(&shared.pruning, until);
    }
}
