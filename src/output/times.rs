//! Times for people: local time in a zone, and relative to now.

use chrono::{DateTime, Datelike as _, NaiveTime, TimeDelta, Timelike as _, Utc};

use crate::spec::describe::human_duration;
use crate::spec::zone::Zone;

/// Formats times in one time zone.
#[derive(Debug, Clone)]
pub(crate) struct Times {
    zone: Zone,
    now: DateTime<Utc>,
}

impl Times {
    /// A formatter for `zone`, relative to `now`.
    pub(crate) fn new(zone: Zone, now: DateTime<Utc>) -> Self {
        Self { zone, now }
    }

    /// The zone.
    pub(crate) fn time_zone(&self) -> Zone {
        self.zone.clone()
    }

    /// The name of the zone.
    pub(crate) fn zone(&self) -> &str {
        // The name in containers, which people do not use.
        if self.zone.name() == "Etc/UTC" {
            "UTC"
        } else {
            self.zone.name()
        }
    }

    fn civil(&self, at: DateTime<Utc>) -> chrono::NaiveDateTime {
        (at + TimeDelta::seconds(i64::from(self.zone.offset_at(at.timestamp())))).naive_utc()
    }

    /// `2026-05-05 14:02:07`.
    pub(crate) fn full(&self, at: DateTime<Utc>) -> String {
        let then = self.civil(at);
        format!("{} {}", then.date(), clock(then.time()))
    }

    /// `14:02:07`, with the day unless it is today: `Tue 14:02:07`, `2026-05-05 14:02:07`.
    pub(crate) fn short(&self, at: DateTime<Utc>) -> String {
        let (then, today) = (self.civil(at), self.civil(self.now));
        match (then.date() - today.date()).num_days() {
            0 => clock(then.time()),
            -6..=6 => format!("{} {}", then.weekday(), clock(then.time())),
            _ => self.full(at),
        }
    }

    /// `14:00`, the time of day to the minute.
    pub(crate) fn hour(&self, at: DateTime<Utc>) -> String {
        clock(self.civil(at).time())[..5].to_owned()
    }

    /// `in 2 min`, `3 h ago`, in the two largest units.
    pub(crate) fn relative(&self, at: DateTime<Utc>) -> String {
        let away = at - self.now;
        let ms = away.num_milliseconds().unsigned_abs();
        // Beyond an hour, seconds are left out; beyond a day, minutes; beyond a month, hours.
        let grain = if ms >= 30 * 86_400_000 {
            86_400_000
        } else if ms >= 86_400_000 {
            3_600_000
        } else if ms >= 3_600_000 {
            60_000
        } else {
            1000
        };
        let distance = human_duration(u128::from(ms / grain * grain));
        match (ms < 1000, away > TimeDelta::zero()) {
            (true, _) => "now".to_owned(),
            (false, true) => format!("in {distance}"),
            (false, false) => format!("{distance} ago"),
        }
    }
}

/// `14:02:07`; without chrono's patterns, which are parsed again for every time of a long list.
fn clock(time: NaiveTime) -> String {
    format!("{:02}:{:02}:{:02}", time.hour(), time.minute(), time.second())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_shown_relative_to_today() {
        let now = "2026-05-05T12:00:00Z".parse().unwrap();
        let times = Times::new(Zone::utc(), now);
        for (at, short, relative) in [
            ("2026-05-05T12:02:07Z", "12:02:07", "in 2 min 7 s"),
            ("2026-05-06T12:00:00Z", "Wed 12:00:00", "in 1 d"),
            ("2025-05-05T12:00:30Z", "2025-05-05 12:00:30", "364 d ago"),
            ("2026-05-05T12:00:00.400Z", "12:00:00", "now"),
        ] {
            let at = at.parse().unwrap();
            assert_eq!((times.short(at).as_str(), times.relative(at).as_str()), (short, relative));
        }
    }
}
