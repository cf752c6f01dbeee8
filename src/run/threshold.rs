//! How many failures, or how long a time of failing, open an incident. Pure.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Kind};
use crate::spec::text;

/// A threshold as users write it: a number of failures, or a duration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(untagged, expecting = "expected a number of failures, or a duration such as \"5m\"")]
pub enum ThresholdText {
    /// A number of failures in a row.
    Number(u32),
    /// A number of failures in a row, or a duration.
    Text(String),
}

/// When the failures of a step open an incident.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Threshold {
    /// After this many failures in a row; at least 1.
    Failures(u32),
    /// Once the step has failed for this long without a success.
    Span(Duration),
}

impl ThresholdText {
    /// Parses a number, or any other text as a duration.
    #[must_use]
    pub fn of(written: &str) -> Self {
        written
            .trim()
            .parse()
            .map_or_else(|_| Self::Text(written.trim().to_owned()), Self::Number)
    }

    /// Checks the threshold.
    ///
    /// # Errors
    /// `Usage` if it is neither a number above 0 nor a duration.
    pub fn check(&self) -> Result<Threshold, Error> {
        let zero = || Error::new(Kind::Usage, "must be greater than zero").of_setting("open_after");
        match self {
            Self::Number(0) => Err(zero()),
            Self::Number(n) => Ok(Threshold::Failures(*n)),
            Self::Text(written) => match Self::of(written) {
                Self::Number(n) => Self::Number(n).check(),
                Self::Text(written) => {
                    let span = text::duration(&written).map_err(|_| {
                        let neither = format_args!("`{}` is neither a number of failures nor a duration", written.escape_debug());
                        Error::new(Kind::Usage, neither)
                            .of_setting("open_after")
                            .hint("Write a number of failures such as `3`, or a duration such as `5m`.")
                    })?;
                    if span.is_zero() {
                        Err(zero())
                    } else {
                        Ok(Threshold::Span(span))
                    }
                }
            },
        }
    }
}

impl Threshold {
    /// Whether `failures` in a row, the first of them `span` ago, reach the threshold.
    #[must_use]
    pub fn is_reached(self, failures: u64, span: Duration) -> bool {
        match self {
            Self::Failures(count) => failures >= u64::from(count),
            Self::Span(limit) => span >= limit,
        }
    }
}

/// Checks `resolve_after`: how many successes in a row resolve an incident.
///
/// # Errors
/// `Usage` if it is 0.
pub fn check_resolve_after(successes: Option<u32>) -> Result<Option<u32>, Error> {
    match successes {
        Some(0) => Err(Error::new(Kind::Usage, "must be at least 1").of_setting("resolve_after")),
        other => Ok(other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_threshold_is_a_number_of_failures_or_a_duration() {
        for (written, threshold) in [("3", Threshold::Failures(3)), ("5m", Threshold::Span(Duration::from_mins(5)))] {
            assert_eq!(ThresholdText::of(written).check().unwrap(), threshold);
            assert_eq!(ThresholdText::Text(written.to_owned()).check().unwrap(), threshold);
        }
        for invalid in ["0", "0s", "many", "-1"] {
            assert!(ThresholdText::of(invalid).check().is_err(), "{invalid}");
        }
        assert!(Threshold::Failures(2).is_reached(2, Duration::ZERO) && !Threshold::Failures(2).is_reached(1, Duration::MAX));
        assert!(Threshold::Span(Duration::from_secs(9)).is_reached(1, Duration::from_secs(9)));
    }
}
