//! History is pruned in small batches, beside everything else, so that no tick waits for it.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

use super::events::Event;
use super::shared::Shared;
use crate::error::Error;
use crate::store::{Keep, Missing, Store};

/// How often history is gone through.
const EVERY: TimeDelta = TimeDelta::minutes(10);
/// How many runs go in one transaction.
const BATCH: usize = 50;
/// How long the file is left to others after each.
const BETWEEN_BATCHES: TimeDelta = TimeDelta::milliseconds(5);
/// How many batches a server goes through that exits when it has done what is due.
const MOST_BATCHES_AT_ONCE: usize = 20;

/// What is kept of history: what is younger, and of each schedule its last runs and its last failures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Retention {
    /// How long everything is kept.
    pub(crate) keep_for: Duration,
    /// How many runs and how many failures are kept of each schedule, however old.
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

/// What the pruning thread does until the server drains.
pub(super) fn keep_pruning(shared: &Arc<Shared>) {
    while !shared.draining.load(Ordering::SeqCst) {
        let now = shared.clock.now();
        prune_or_tell(shared, usize::MAX, now);
        wait(shared, now + EVERY);
    }
}

/// Prunes a little, for a server that is about to end.
pub(super) fn prune_a_little(shared: &Arc<Shared>) {
    prune_or_tell(shared, MOST_BATCHES_AT_ONCE, shared.clock.now());
}

/// Its connection is there only as long as it is used: it would hold memory for nothing the rest of the time.
fn prune_or_tell(shared: &Arc<Shared>, most_batches: usize, now: DateTime<Utc>) {
    let pruned =
        Store::open(Path::new(&shared.database), Missing::Refuse).and_then(|reader| prune(shared, &reader, most_batches, now));
    if let Err(e) = pruned {
        shared.tell(Event::Trouble(e));
    }
}

/// Goes through history once, in at most so many batches.
pub(super) fn prune(shared: &Arc<Shared>, reader: &Store, mut most_batches: usize, now: DateTime<Utc>) -> Result<(), Error> {
    let keep = shared.settings.retention.at(now);
    let is_over = |batches: usize| batches == 0 || (!is_last(shared) && shared.draining.load(Ordering::SeqCst));
    let mut after = Some(0);
    while let Some(from) = after.filter(|_| !is_over(most_batches)) {
        let found = reader.read(|r| r.prunable_runs(from, keep))?;
        for batch in found.runs.chunks(BATCH) {
            let batch = batch.to_vec();
            shared
                .writer
                .write(move |w| batch.iter().try_for_each(|run| w.prune_run(*run, keep.since)))?;
            most_batches -= 1;
            pause(shared);
            if is_over(most_batches) {
                return Ok(());
            }
        }
        after = found.after;
    }
    while !is_over(most_batches) && shared.writer.write(move |w| w.prune_the_rest(keep.since, BATCH as u64))? > 0 {
        most_batches -= 1;
        pause(shared);
    }
    Ok(())
}

/// Whether it prunes at the end of a server that drains, which is its last act.
fn is_last(shared: &Shared) -> bool {
    shared.settings.until == super::Until::Done
}

/// Leaves the file to others for a moment.
fn pause(shared: &Shared) {
    if !is_last(shared) {
        wait(shared, shared.clock.now() + BETWEEN_BATCHES);
    }
}

fn wait(shared: &Shared, until: DateTime<Utc>) {
    while !shared.draining.load(Ordering::SeqCst) && shared.clock.now() < until {
        shared.clock.wait(&shared.pruning, until);
    }
}
