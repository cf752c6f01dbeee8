//! When a message is sent: after a short wait for further events, within the limit of its receiver, outside of quiet hours. Pure.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

use crate::error::{Error, Kind};
use crate::spec::Spec;
use crate::spec::spec_text::SpecText;
use crate::spec::text;
use crate::spec::zone::Zones;

/// How long a message waits for further events unless its receiver says otherwise.
pub const GROUP_WAIT: Duration = Duration::from_secs(2);

/// The wait after the first failed attempt; it doubles with each further one.
const FIRST_RETRY: TimeDelta = TimeDelta::seconds(2);
/// The longest wait between two attempts.
const LONGEST_RETRY: TimeDelta = TimeDelta::minutes(10);
/// How long a message is retried.
const GIVE_UP_AFTER: TimeDelta = TimeDelta::hours(24);

/// When messages to a receiver are sent.
#[derive(Debug, Clone)]
pub struct Timing {
    /// How long a message waits for further events.
    pub group_wait: Duration,
    /// Maximum number of messages in a period.
    pub limit: Option<(u32, Duration)>,
    /// When nothing is sent.
    pub quiet: Option<QuietHours>,
}

/// A part of each day in which nothing is sent.
#[derive(Debug, Clone)]
pub struct QuietHours {
    begin: Spec,
    end: Spec,
}

impl QuietHours {
    /// Parses `22:00-07:00`, in a time zone.
    ///
    /// # Errors
    /// `Usage` when it is not two different times of day, or the zone is unknown.
    pub fn parse(written: &str, time_zone: Option<&str>, zones: &dyn Zones) -> Result<Self, Error> {
        let invalid = || {
            Error::new(Kind::Usage, format_args!("invalid quiet hours `{}`", written.escape_debug()))
                .hint("Write two different times of day: `22:00-07:00`.")
        };
        let (begin, end) = written.split_once('-').ok_or_else(invalid)?;
        let daily = |time: &str| {
            let (hour, minute) = time.trim().split_once(':').ok_or_else(invalid)?;
            let hour: u8 = hour.parse().map_err(|_| invalid())?;
            let minute: u8 = minute.parse().map_err(|_| invalid())?;
            if hour > 23 || minute > 59 {
                return Err(invalid());
            }
            let spec = SpecText {
                cron: vec![format!("{minute} {hour} * * *")],
                time_zone: time_zone.map(str::to_owned),
                dst_gap: crate::spec::zone::Gap::Shift,
                ..SpecText::default()
            };
            Spec::compile(&spec, "", zones)
        };
        if begin.trim() == end.trim() {
            return Err(invalid());
        }
        Ok(Self {
            begin: daily(begin)?,
            end: daily(end)?,
        })
    }

    /// The end of the quiet hours that `now` is in, if it is in any.
    #[must_use]
    pub fn until(&self, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let end = self.end.next_after(now)?;
        self.begin.next_after(now).is_none_or(|begin| end < begin).then_some(end)
    }
}

impl Timing {
    /// Parses a limit: `10/1h`, a number of messages and a period.
    ///
    /// # Errors
    /// `Usage` when it is not.
    pub fn parse_limit(written: &str) -> Result<(u32, Duration), Error> {
        let invalid = || {
            Error::new(Kind::Usage, format_args!("invalid rate limit `{}`", written.escape_debug()))
                .hint("Write a number of messages and a period: `10/1h`.")
        };
        let (number, period) = written.split_once('/').ok_or_else(invalid)?;
        let number = number.trim().parse().ok().filter(|n| *n > 0).ok_or_else(invalid)?;
        let period = text::duration(period.trim()).map_err(|_| invalid())?;
        if period.is_zero() {
            return Err(invalid());
        }
        Ok((number, period))
    }

    /// When a message that begins now is sent.
    #[must_use]
    pub fn due(&self, now: DateTime<Utc>) -> DateTime<Utc> {
        let at = now + TimeDelta::from_std(self.group_wait).unwrap_or_default();
        self.quiet_until(at).unwrap_or(at)
    }

    /// The end of the quiet hours that `now` is in, if it is in any.
    #[must_use]
    pub fn quiet_until(&self, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        self.quiet.as_ref().and_then(|quiet| quiet.until(now))
    }
}

/// When a message is retried after `attempts` attempts; `None` if tempo gives up.
#[must_use]
pub fn retry_at(created: DateTime<Utc>, attempts: u32, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
    let doubled = FIRST_RETRY * 2_i32.pow(attempts.saturating_sub(1).min(10));
    let at = now + doubled.min(LONGEST_RETRY);
    (at - created < GIVE_UP_AFTER).then_some(at)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::zoneinfo::ZoneInfo;

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    #[test]
    fn messages_wait_until_the_end_of_quiet_hours() {
        let quiet = QuietHours::parse("22:00-07:00", Some("Europe/Berlin"), &ZoneInfo::compiled_in()).unwrap();
        // Berlin is two hours ahead of UTC in May.
        for (now, until) in [
            ("2026-05-05T19:59:59Z", None),
            ("2026-05-05T20:00:00Z", Some("2026-05-06T05:00:00Z")),
            ("2026-05-06T04:59:59Z", Some("2026-05-06T05:00:00Z")),
            ("2026-05-06T05:00:00Z", None),
        ] {
            assert_eq!(quiet.until(at(now)), until.map(at), "{now}");
        }
        for invalid in ["22:00", "22-7", "25:00-07:00", "07:00-07:00"] {
            assert!(
                QuietHours::parse(invalid, None, &ZoneInfo::compiled_in()).is_err(),
                "{invalid}"
            );
        }
    }

    #[test]
    fn retries_back_off_and_end_after_a_day() {
        let now = at("2026-05-05T00:00:00Z");
        let waits: Vec<_> = (1..=4)
            .map(|n| (retry_at(now, n, now).unwrap() - now).num_seconds())
            .collect();
        assert_eq!(waits, [2, 4, 8, 16]);
        assert_eq!((retry_at(now, 40, now).unwrap() - now).num_seconds(), 600);
        assert_eq!(retry_at(now, 40, now + TimeDelta::hours(24)), None);
    }
}
