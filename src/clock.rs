//! The only place that asks the time or waits. Everything else is handed an instant or a [`Clock`].

use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

/// The longest single sleep: wall-clock steps and suspend do not wake a sleeper on the monotonic clock (facts.md).
const LONGEST_SLEEP: Duration = Duration::from_secs(1);

/// A flag that wakes whoever waits on it. Raising it is remembered until the next wait has seen it.
#[derive(Debug, Default)]
pub struct Wakeup {
    raised: Mutex<bool>,
    changed: Condvar,
}

impl Wakeup {
    /// Wakes the waiter, now or as soon as it waits.
    pub fn raise(&self) {
        *self.raised.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.changed.notify_all();
    }

    fn wait_for(&self, at_most: Duration) -> bool {
        let guard = self.raised.lock().unwrap_or_else(PoisonError::into_inner);
        let (mut guard, _) = self
            .changed
            .wait_timeout_while(guard, at_most, |raised| !*raised)
            .unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut *guard)
    }
}

/// Tells the time and waits.
pub trait Clock: Send + Sync {
    /// The time now, cut to whole milliseconds: what the file can hold.
    fn now(&self) -> DateTime<Utc>;

    /// Waits until `until`, or until `signal` is raised, or for a while: the caller looks again in any case.
    fn wait(&self, signal: &Wakeup, until: DateTime<Utc>);
}

/// The machine's clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> DateTime<Utc> {
        #[expect(clippy::disallowed_methods, reason = "the one place that asks the time")]
        let now = Utc::now();
        whole_milliseconds(now)
    }

    fn wait(&self, signal: &Wakeup, until: DateTime<Utc>) {
        // Rounded up: a waiter woken a fraction early would find nothing due and spin.
        let left = (until - self.now()).to_std().unwrap_or_default() + Duration::from_micros(500);
        signal.wait_for(left.min(LONGEST_SLEEP));
    }
}

/// A clock that stands still until it is moved. For simulated histories.
#[derive(Debug)]
pub struct SimClock(Mutex<DateTime<Utc>>);

impl SimClock {
    /// A clock that shows `start`.
    #[must_use]
    pub fn at(start: DateTime<Utc>) -> Self {
        Self(Mutex::new(start))
    }

    /// Moves the clock, forwards or backwards.
    pub fn set(&self, to: DateTime<Utc>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = to;
    }

    /// Moves the clock forwards by `by`.
    pub fn advance(&self, by: TimeDelta) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) += by;
    }
}

impl Clock for SimClock {
    fn now(&self) -> DateTime<Utc> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait(&self, _signal: &Wakeup, until: DateTime<Utc>) {
        if until > self.now() {
            self.set(until);
        }
    }
}

/// Measures how long something takes, on the monotonic clock.
#[derive(Debug, Clone, Copy)]
pub struct Stopwatch(std::time::Instant);

impl Stopwatch {
    /// Starts one.
    #[must_use]
    pub fn start() -> Self {
        #[expect(clippy::disallowed_methods, reason = "the one place that asks the monotonic clock")]
        Self(std::time::Instant::now())
    }

    /// How long ago it was started.
    #[must_use]
    pub fn elapsed(&self) -> Duration {
        self.0.elapsed()
    }

    /// The same in milliseconds.
    #[must_use]
    pub fn elapsed_ms(&self) -> i64 {
        i64::try_from(self.elapsed().as_millis()).unwrap_or(i64::MAX)
    }
}

/// Pauses this thread for a moment: for a lock that another process holds.
pub fn pause(a_moment: Duration) {
    #[expect(clippy::disallowed_methods, reason = "the one place that waits")]
    std::thread::sleep(a_moment);
}

/// The latest instant in whole milliseconds that is not after `at`.
#[must_use]
pub fn whole_milliseconds(at: DateTime<Utc>) -> DateTime<Utc> {
    DateTime::from_timestamp_millis(at.timestamp_millis()).unwrap_or(at)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_raised_signal_is_remembered_until_it_is_waited_for() {
        let signal = Wakeup::default();
        signal.raise();
        assert!(signal.wait_for(Duration::from_mins(1)));
        assert!(!signal.wait_for(Duration::ZERO));
    }
}
