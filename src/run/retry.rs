//! Whether and when a failed attempt is tried again. Pure.

use std::time::Duration;

use super::outcome::ErrorType;

/// A retry policy: attempt n+1 waits `initial_interval` × `backoff_coefficient`^(n−1), at most `maximum_interval`.
#[derive(Debug, Clone, PartialEq)]
pub struct RetryPolicy {
    /// The wait after the first attempt.
    pub initial_interval: Duration,
    /// How much longer each wait is than the one before; at least 1.
    pub backoff_coefficient: f64,
    /// The longest wait.
    pub maximum_interval: Duration,
    /// How many attempts there are; 0 is no limit.
    pub maximum_attempts: u32,
    /// Error types that end it at once.
    pub non_retryable: Vec<ErrorType>,
}

impl RetryPolicy {
    /// What probes have unless told otherwise.
    #[must_use]
    pub fn of_probes() -> Self {
        Self {
            initial_interval: Duration::from_secs(1),
            backoff_coefficient: 2.0,
            maximum_interval: Duration::from_secs(10),
            maximum_attempts: 3,
            non_retryable: vec![ErrorType::UnexpectedStatus],
        }
    }

    /// What commands have unless told otherwise: one attempt.
    #[must_use]
    pub fn of_commands() -> Self {
        Self {
            maximum_attempts: 1,
            non_retryable: Vec::new(),
            ..Self::of_probes()
        }
    }

    /// How long to wait after `attempts` attempts that count, the last of which failed with `error`; `None` when it was the last.
    #[must_use]
    pub fn wait_after(&self, attempts: u32, error: ErrorType) -> Option<Duration> {
        if self.non_retryable.contains(&error) || (self.maximum_attempts > 0 && attempts >= self.maximum_attempts) {
            return None;
        }
        let growth = self
            .backoff_coefficient
            .powi(i32::try_from(attempts.saturating_sub(1)).unwrap_or(i32::MAX));
        let seconds = (self.initial_interval.as_secs_f64() * growth).min(self.maximum_interval.as_secs_f64());
        // Whole milliseconds: what the file can hold.
        Some(Duration::from_secs_f64((seconds * 1000.0).round() / 1000.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_up_to_the_longest_and_end() {
        let policy = RetryPolicy {
            maximum_attempts: 7,
            ..RetryPolicy::of_probes()
        };
        let waits: Vec<_> = (1..=7)
            .map(|n| policy.wait_after(n, ErrorType::Timeout).map(|d| d.as_secs()))
            .collect();
        assert_eq!(waits, [Some(1), Some(2), Some(4), Some(8), Some(10), Some(10), None]);
        assert_eq!(policy.wait_after(1, ErrorType::UnexpectedStatus), None);
        let forever = RetryPolicy {
            maximum_attempts: 0,
            ..policy
        };
        assert_eq!(
            forever.wait_after(u32::MAX, ErrorType::Timeout),
            Some(Duration::from_secs(10))
        );
    }
}
