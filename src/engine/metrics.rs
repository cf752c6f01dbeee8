//! What a server has done since its start, counted by its threads; shown as metrics.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use chrono::{DateTime, TimeDelta, Utc};

use super::Event;
use crate::schedule::start::Origin;

/// Upper bounds of the buckets of a histogram, in milliseconds; a last bucket has no bound.
pub(crate) const BOUNDS_MS: [u64; 11] = [1, 5, 10, 25, 50, 100, 250, 1_000, 5_000, 30_000, 300_000];

/// How often each duration occurred.
#[derive(Debug, Default)]
pub(crate) struct Histogram {
    buckets: [AtomicU64; BOUNDS_MS.len() + 1],
    sum_ms: AtomicU64,
}

impl Histogram {
    fn add(&self, ms: u64) {
        let bucket = BOUNDS_MS.iter().position(|bound| ms <= *bound).unwrap_or(BOUNDS_MS.len());
        self.buckets[bucket].fetch_add(1, Ordering::Relaxed);
        self.sum_ms.fetch_add(ms, Ordering::Relaxed);
    }

    fn add_time(&self, duration: TimeDelta) {
        self.add(duration.num_milliseconds().max(0).unsigned_abs());
    }

    /// The number of durations in each bucket, and their sum in milliseconds.
    pub(crate) fn counts(&self) -> (Vec<u64>, u64) {
        let counts = self.buckets.iter().map(|bucket| bucket.load(Ordering::Relaxed)).collect();
        (counts, self.sum_ms.load(Ordering::Relaxed))
    }
}

/// Counters by a label.
#[derive(Debug, Default)]
pub(crate) struct Counters(Mutex<BTreeMap<&'static str, u64>>);

impl Counters {
    fn add(&self, label: &'static str, count: u64) {
        *self
            .0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .entry(label)
            .or_default() += count;
    }

    /// The value of each counter that is not 0.
    pub(crate) fn counts(&self) -> BTreeMap<&'static str, u64> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// The counters of a server.
#[derive(Debug, Default)]
pub(crate) struct Metrics {
    /// When the ticker last began its loop, in milliseconds since the epoch.
    looked_at: AtomicI64,
    pub(crate) ticks: AtomicU64,
    /// How late scheduled starts were decided.
    pub(crate) tick_lateness: Histogram,
    /// How late the first attempts of scheduled runs began.
    pub(crate) run_lateness: Histogram,
    /// Decided times by outcome: `started`, `buffered`, or why they did not start.
    pub(crate) times: Counters,
    /// Closed runs by status.
    pub(crate) runs: Counters,
    /// Ended attempts by outcome.
    pub(crate) attempts: Counters,
    /// How long attempts took.
    pub(crate) attempt_durations: Histogram,
    /// Failures recorded in incidents.
    pub(crate) incidents: AtomicU64,
}

impl Metrics {
    /// Notes that the ticker is alive at `now`.
    pub(super) fn look(&self, now: DateTime<Utc>) {
        self.looked_at.store(now.timestamp_millis(), Ordering::Relaxed);
    }

    /// How long ago the ticker was last known to be alive.
    pub(crate) fn silence(&self, now: DateTime<Utc>) -> TimeDelta {
        TimeDelta::milliseconds(now.timestamp_millis().saturating_sub(self.looked_at.load(Ordering::Relaxed)))
    }

    pub(super) fn tick(&self) {
        self.ticks.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts the end of an attempt.
    pub(super) fn attempt(&self, outcome: &'static str, elapsed_ms: i64) {
        self.attempts.add(outcome, 1);
        self.attempt_durations.add(elapsed_ms.unsigned_abs());
    }

    /// Counts a scheduled run whose first attempt began this long after its due time.
    pub(super) fn lateness(&self, late: TimeDelta) {
        self.run_lateness.add_time(late);
    }

    /// Counts what an event reports.
    #[expect(clippy::wildcard_enum_match_arm, reason = "only these events are counted")]
    pub(super) fn count(&self, event: &Event, now: DateTime<Utc>) {
        match event {
            Event::Tick { due, origin, .. } => {
                self.times.add("started", 1);
                if *origin == Origin::Scheduled {
                    self.tick_lateness.add_time(now - *due);
                }
            }
            Event::Buffered { .. } => self.times.add("buffered", 1),
            Event::NotStarted { not_started, .. } => self.times.add(not_started.outcome.name(), not_started.count),
            Event::Closed { status, .. } => self.runs.add(status.name(), 1),
            Event::Incident { .. } | Event::NoSuccess { .. } => {
                self.incidents.fetch_add(1, Ordering::Relaxed);
            }
            _ => {}
        }
    }
}
