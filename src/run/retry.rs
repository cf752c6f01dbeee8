//! Retry policies: whether and when a failed attempt is retried. Pure.

use std::time::Duration;

use super::outcome::ErrorType;

/// A retry policy: attempt n+1 waits `initial_interval` × `backoff_coefficient`^(n−1), at most `maximum_interval`.
#[derive(Debug, Clone, PartialEq)]
pub struct RetryPolicy {
    /// Wait after the first attempt.
    pub initial_interval: Duration,
    /// Factor by which each wait is multiplied to give the next, 1-100.
    pub backoff_coefficient: f64,
    /// Maximum wait.
    pub maximum_interval: Duration,
    /// Maximum number of attempts; 0 means no limit.
    pub maximum_attempts: u32,
    /// Error types that are not retried.
    pub non_retryable: Vec<ErrorType>,
    /// Exit codes of a command that are retried; `None` means all that are failures.
    pub exit_codes: Option<Vec<i32>>,
}

impl RetryPolicy {
    /// The default policy of probes.
    #[must_use]
    pub fn of_probes() -> Self {
        Self {
            initial_interval: Duration::from_secs(1),
            backoff_coefficient: 2.0,
            maximum_interval: Duration::from_secs(10),
            maximum_attempts: 3,
            non_retryable: vec![ErrorType::UnexpectedStatus],
            exit_codes: None,
        }
    }

    /// The default policy of commands: one attempt.
    #[must_use]
    pub fn of_commands() -> Self {
        Self {
            maximum_attempts: 1,
            non_retryable: Vec::new(),
            ..Self::of_probes()
        }
    }

    /// The wait after `attempts` counted attempts, the last of which failed with `error` and, if it is a command that exited, `exit_code`; `None` if
    /// there are no more retries.
    #[must_use]
    pub fn wait_after(&self, attempts: u32, error: ErrorType, exit_code: Option<i32>) -> Option<Duration> {
        let is_final = match (&self.exit_codes, exit_code) {
            (Some(retried), Some(code)) if error == ErrorType::NonZeroExit => !retried.contains(&code),
            _ => self.non_retryable.contains(&error),
        };
        if is_final || (self.maximum_attempts > 0 && attempts >= self.maximum_attempts) {
            return None;
        }
        Some(self.interval_after(attempts))
    }

    /// The wait after `attempts` counted attempts, if there is a retry.
    #[must_use]
    pub fn interval_after(&self, attempts: u32) -> Duration {
        let growth = self
            .backoff_coefficient
            .powi(i32::try_from(attempts.saturating_sub(1)).unwrap_or(i32::MAX));
        let seconds = (self.initial_interval.as_secs_f64() * growth).min(self.maximum_interval.as_secs_f64());
        // The database stores whole milliseconds.
        Duration::from_secs_f64((seconds * 1000.0).round() / 1000.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_up_to_the_maximum_interval() {
        let policy = RetryPolicy {
            maximum_attempts: 7,
            ..RetryPolicy::of_probes()
        };
        let waits: Vec<_> = (1..=7)
            .map(|n| policy.wait_after(n, ErrorType::Timeout, None).map(|d| d.as_secs()))
            .collect();
        assert_eq!(waits, [Some(1), Some(2), Some(4), Some(8), Some(10), Some(10), None]);
        assert_eq!(policy.wait_after(1, ErrorType::UnexpectedStatus, None), None);
        let unlimited = RetryPolicy {
            maximum_attempts: 0,
            ..policy
        };
        assert_eq!(
            unlimited.wait_after(u32::MAX, ErrorType::Timeout, None),
            Some(Duration::from_secs(10))
        );
    }

    #[test]
    fn retries_only_the_exit_codes_that_are_named() {
        let policy = RetryPolicy {
            maximum_attempts: 3,
            exit_codes: Some(vec![75, 111]),
            ..RetryPolicy::of_commands()
        };
        for (error, exit_code, retried) in [
            (ErrorType::NonZeroExit, Some(75), true),
            (ErrorType::NonZeroExit, Some(111), true),
            (ErrorType::NonZeroExit, Some(1), false),
            (ErrorType::Signal, None, true),
            (ErrorType::Timeout, None, true),
        ] {
            let wait = policy.wait_after(1, error, exit_code);
            assert_eq!(wait.is_some(), retried, "{error:?} {exit_code:?}");
        }
        assert_eq!(policy.wait_after(3, ErrorType::NonZeroExit, Some(75)), None);
    }
}
