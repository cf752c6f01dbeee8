//! Intervals: aligned to the epoch, in whole seconds, independent of zone and creation time. Pure.

use serde::{Deserialize, Serialize};

use super::text::{self, TextError};

/// Every `every_s` seconds of Unix time, `offset_s` seconds after each multiple.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Interval {
    /// The interval in seconds, at least 1.
    pub every_s: i64,
    /// The offset in seconds, 0 to `every_s` - 1.
    pub offset_s: i64,
}

impl Interval {
    /// Creates an interval from milliseconds.
    ///
    /// # Errors
    /// A fragment that names the broken rule.
    pub fn checked(every_ms: i64, offset_ms: i64) -> Result<Self, String> {
        if every_ms < 1000 {
            return Err("expected at least 1s".to_owned());
        }
        if every_ms % 1000 != 0 || offset_ms % 1000 != 0 {
            return Err("expected whole seconds".to_owned());
        }
        if offset_ms < 0 {
            return Err("expected an offset that is not negative".to_owned());
        }
        if offset_ms >= every_ms {
            return Err("the offset is too long".to_owned());
        }
        Ok(Self {
            every_s: every_ms / 1000,
            offset_s: offset_ms / 1000,
        })
    }

    /// Parses `EVERY[/OFFSET]`: `2m`, `1h/15m`.
    ///
    /// # Errors
    /// When either part is not a duration, or breaks a rule of [`Interval::checked`].
    pub fn parse(source: &str) -> Result<Self, TextError> {
        text::check_length("interval", source)?;
        let (every, offset) = source.split_once('/').map_or((source, None), |(e, o)| (e, Some(o)));
        let part = |part: &str, at: usize| {
            let parsed = text::duration(part).map_err(|e| TextError {
                what: "interval",
                text: source.to_owned(),
                faults: e
                    .faults
                    .into_iter()
                    .map(|f| text::Fault {
                        span: f.span.start + at..f.span.end + at,
                        ..f
                    })
                    .collect(),
                hints: vec!["Write an interval like `90s`, `2m`, `7d` or `1h/15m` (every hour at minute 15); the units are ms, s, m, h and d.".to_owned()],
            })?;
            Ok::<i64, TextError>(i64::try_from(parsed.as_millis()).unwrap_or(i64::MAX))
        };
        let every_ms = part(every, 0)?;
        let offset_ms = offset.map_or(Ok(0), |o| part(o, every.len() + 1))?;
        Self::checked(every_ms, offset_ms).map_err(|rule| {
            let error = TextError::whole("interval", source, rule);
            if offset_ms >= every_ms && offset.is_some() {
                return error.hint("The offset must be shorter than the interval, as in `1h/15m`.");
            }
            error
        })
    }

    /// The interval in milliseconds.
    #[must_use]
    pub fn every_ms(&self) -> u64 {
        self.every_s.unsigned_abs() * 1000
    }

    /// The minimum distance between its times of day, over all days, in seconds: the greatest common divisor of the interval and a day.
    pub(super) fn seconds_of_day_apart(&self) -> i64 {
        let (mut a, mut b) = (86_400, self.every_s);
        while b != 0 {
            (a, b) = (b, a % b);
        }
        a
    }

    /// The first time after the Unix second `after`.
    #[must_use]
    pub fn next_after(&self, after: i64) -> i64 {
        let passed = (after - self.offset_s).div_euclid(self.every_s);
        (passed + 1) * self.every_s + self.offset_s
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interval_is_aligned_to_the_epoch() {
        let i = Interval::parse("1h/15m").unwrap();
        assert_eq!(
            i,
            Interval {
                every_s: 3600,
                offset_s: 900
            }
        );
        assert_eq!((i.next_after(-1), i.next_after(899), i.next_after(900)), (900, 900, 4500));
    }

    #[test]
    fn rejects_invalid_intervals() {
        for bad in ["", "500ms", "0s", "1.5s", "10s/10s", "1m/-1s", "1m/500ms", "5", "1m/2s/3s"] {
            assert!(Interval::parse(bad).is_err(), "{bad}");
        }
    }
}
