//! The only module that reads the time or waits. Everything else is given an instant or a [`Clock`].

use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

/// Maximum length of one sleep: clock adjustments and suspend do not wake a thread that sleeps on the monotonic clock.
const LONGEST_SLEEP: Duration = Duration::from_secs(1);

/// A flag that wakes the thread waiting on it. Once raised, it stays raised until a wait has seen it.
#[derive(Debug, Default)]
pub struct Wakeup {
    raised: Mutex<bool>,
    changed: Condvar,
}

impl Wakeup {
    /// Wakes the waiting thread, or makes the next wait return at once.
    pub fn raise(&self) {
        *self.raised.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.changed.notify_all();
    }

    fn wait_for(&self, timeout: Duration) -> bool {
        let guard = self.raised.lock().unwrap_or_else(PoisonError::into_inner);
        let (mut guard, _) = self
            .changed
            .wait_timeout_while(guard, timeout, |raised| !*raised)
            .unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut *guard)
    }
}

/// Reads the time and waits.
pub trait Clock: Send + Sync {
    /// Returns the current time, truncated to whole milliseconds: the precision of the database.
    fn now(&self) -> DateTime<Utc>;

    /// Waits until `until` or until `signal` is raised. May return earlier; the caller checks again in any case.
    fn wait(&self, signal: &Wakeup, until: DateTime<Utc>);
}

/// The machine's clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> DateTime<Utc> {
        whole_milliseconds(exact_now())
    }

    fn wait(&self, signal: &Wakeup, until: DateTime<Utc>) {
        // To the microsecond: a rounded wait would make every start late.
        let left = (until - exact_now()).to_std().unwrap_or_default();
        signal.wait_for(left.min(LONGEST_SLEEP));
    }
}

#[expect(clippy::disallowed_methods, reason = "the one place that reads the wall clock")]
fn exact_now() -> DateTime<Utc> {
    Utc::now()
}

/// A clock that changes only when it is set. For simulated histories.
#[derive(Debug)]
pub struct SimClock(Mutex<DateTime<Utc>>);

impl SimClock {
    /// Creates a clock set to `start`.
    #[must_use]
    pub fn at(start: DateTime<Utc>) -> Self {
        Self(Mutex::new(start))
    }

    /// Sets the clock, forward or backward.
    pub fn set(&self, to: DateTime<Utc>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = to;
    }

    /// Advances the clock by `by`.
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

/// The time since the machine booted, including the time for which it was suspended: the clock, unless it is set.
#[must_use]
pub fn since_boot() -> Duration {
    let at = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
    Duration::new(at.tv_sec.try_into().unwrap_or(0), at.tv_nsec.try_into().unwrap_or(0))
}

/// Measures elapsed time on the monotonic clock.
#[derive(Debug, Clone, Copy)]
pub struct Stopwatch(std::time::Instant);

impl Stopwatch {
    /// Starts a stopwatch.
    #[must_use]
    pub fn start() -> Self {
        #[expect(clippy::disallowed_methods, reason = "the one place that reads the monotonic clock")]
        Self(std::time::Instant::now())
    }

    /// Returns the time since the start.
    #[must_use]
    pub fn elapsed(&self) -> Duration {
        self.0.elapsed()
    }

    /// Returns the time since the start in milliseconds.
    #[must_use]
    pub fn elapsed_ms(&self) -> i64 {
        i64::try_from(self.elapsed().as_millis()).unwrap_or(i64::MAX)
    }
}

/// Sleeps for `duration`, for example while another process holds a lock.
pub fn pause(duration: Duration) {
    #[expect(clippy::disallowed_methods, reason = "the one place that waits")]
    std::thread::sleep(duration);
}

/// Truncates `at` to whole milliseconds.
#[must_use]
pub fn whole_milliseconds(at: DateTime<Utc>) -> DateTime<Utc> {
    DateTime::from_timestamp_millis(at.timestamp_millis()).unwrap_or(at)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_raised_signal_lasts_until_the_next_wait() {
        let signal = Wakeup::default();
        signal.raise();
        assert!(signal.wait_for(Duration::from_mins(1)));
        assert!(!signal.wait_for(Duration::ZERO));
    }
}
