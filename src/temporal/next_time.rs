//! The search for the next time as Temporal's server does it, with its own handling of daylight saving: `service/worker/scheduler/calendar.go` and
//! `spec.go` of `go.temporal.io/server` 1.32. Pure.

use chrono::{DateTime, Utc};

use crate::spec::Parts;
use crate::spec::calendar::{Fields, date_of, days_of};
use crate::spec::field::Range;
use crate::spec::zone::Zone;

const HOUR: i64 = 3600;
const DAY: i64 = 24 * HOUR;
const LAST_YEAR: i64 = 2100;

/// The first time after `after` at which a cluster starts a schedule with this spec, without jitter.
pub(super) fn next_after(parts: &Parts, after: DateTime<Utc>) -> Option<DateTime<Utc>> {
    // Their sub-second parts are cut off, as all times there.
    let start = parts.start.map_or(i64::MIN, |start| start.timestamp() - 1);
    let mut after = after.timestamp().max(start);
    loop {
        let calendars = parts.calendars.iter();
        let of_calendars = calendars.filter_map(|calendar| next_of(calendar, &parts.zone, after));
        let of_intervals = parts.intervals.iter().map(|interval| interval.next_after(after));
        let at = of_calendars.chain(of_intervals).min()?;
        let instant = DateTime::from_timestamp(at, 0)?;
        if parts.end.is_some_and(|end| instant > end) || civil(&parts.zone, at).year > LAST_YEAR {
            return None;
        }
        if !parts.exclusions.iter().any(|exclusion| matches(exclusion, &parts.zone, at)) {
            return Some(instant);
        }
        after = at;
    }
}

/// A date and a time of day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Civil {
    year: i64,
    month: i64,
    day: i64,
    hour: i64,
    minute: i64,
    second: i64,
}

impl Civil {
    /// Seconds since 1970-01-01T00:00:00, without a zone; fields may be out of range.
    fn seconds(self) -> i64 {
        days_of(self.year, self.month, 1) * DAY + (self.day - 1) * DAY + self.hour * HOUR + self.minute * 60 + self.second
    }

    fn of_seconds(seconds: i64) -> Self {
        let (year, month, day) = date_of(seconds.div_euclid(DAY));
        let of_day = seconds.rem_euclid(DAY);
        Self {
            year,
            month,
            day,
            hour: of_day / HOUR,
            minute: of_day / 60 % 60,
            second: of_day % 60,
        }
    }

    /// Moves to the beginning of the next day, month or year.
    fn next_day(self) -> Self {
        Self {
            day: self.day + 1,
            hour: 0,
            minute: 0,
            second: 0,
            ..self
        }
    }

    fn next_month(self) -> Self {
        Self {
            month: self.month + 1,
            day: 0,
            ..self
        }
        .next_day()
    }

    fn next_year(self) -> Self {
        Self {
            year: self.year + 1,
            month: 0,
            ..self
        }
        .next_month()
    }

    fn next_hour(self) -> Self {
        Self {
            hour: self.hour + 1,
            minute: 0,
            second: 0,
            ..self
        }
    }
}

/// The time that a zone shows at a Unix second.
fn civil(zone: &Zone, at: i64) -> Civil {
    Civil::of_seconds(at + i64::from(zone.offset_at(at)))
}

/// The Unix second of a time, as Go's `time.Date` chooses it where clocks change.
fn unix(zone: &Zone, time: Civil) -> i64 {
    let seconds = time.seconds();
    let offset = i64::from(zone.offset_at(seconds));
    seconds - i64::from(zone.offset_at(seconds - offset))
}

fn days_in_month(year: i64, month: i64) -> i64 {
    days_of(year + month / 12, month % 12 + 1, 1) - days_of(year, month, 1)
}

/// The weekday of a date; Sunday is 0.
fn weekday(time: Civil) -> i64 {
    // 1970-01-01 was a Thursday.
    (time.seconds().div_euclid(DAY) + 4).rem_euclid(7)
}

fn contains(ranges: &[Range], value: i64) -> bool {
    let inside = |range: &Range| {
        let (start, end, step) = (i64::from(range.start), i64::from(range.end), i64::from(range.step));
        (start..=end).contains(&value) && (value - start) % step == 0
    };
    ranges.iter().any(inside)
}

fn matches_year(calendar: &Fields, year: i64) -> bool {
    calendar.year.is_empty() || contains(&calendar.year, year)
}

fn matches(calendar: &Fields, zone: &Zone, at: i64) -> bool {
    let time = civil(zone, at);
    matches_year(calendar, time.year)
        && contains(&calendar.month, time.month)
        && contains(&calendar.day_of_month, time.day)
        && contains(&calendar.day_of_week, weekday(time))
        && contains(&calendar.hour, time.hour)
        && contains(&calendar.minute, time.minute)
        && contains(&calendar.second, time.second)
}

/// The first Unix second after `after` that matches a calendar. The names and the order of the steps are those of `compiledCalendar.next`.
fn next_of(calendar: &Fields, zone: &Zone, after: i64) -> Option<i64> {
    let mut time = civil(zone, after);
    // In the second pass of an hour that is shown twice.
    let mut dst_offset = if civil(zone, after - HOUR).hour == time.hour {
        HOUR
    } else {
        0
    };
    time.second += 1;
    loop {
        if time.second >= 60 {
            (time.minute, time.second) = (time.minute + 1, 0);
        }
        if time.minute >= 60 {
            let at_hour = |time: Civil| {
                unix(
                    zone,
                    Civil {
                        minute: 0,
                        second: 0,
                        ..time
                    },
                )
            };
            let before = at_hour(time);
            (time.hour, time.minute) = (time.hour + 1, 0);
            // The next hour begins two hours later: one that is shown twice has been passed.
            if dst_offset == 0 && at_hour(time) - before > HOUR {
                (time.hour, dst_offset) = (time.hour - 1, HOUR);
            } else {
                dst_offset = 0;
            }
        }
        if time.hour >= 24 {
            (time.day, time.hour) = (time.day + 1, 0);
        }
        if time.day > days_in_month(time.year, time.month) {
            (time.month, time.day) = (time.month + 1, 1);
        }
        if time.month > 12 {
            (time.year, time.month) = (time.year + 1, 1);
        }
        if time.year > LAST_YEAR {
            return None;
        }
        if !matches_year(calendar, time.year) {
            (time, dst_offset) = (time.next_year(), 0);
            continue;
        }
        while time.month <= 12 && !contains(&calendar.month, time.month) {
            (time, dst_offset) = (time.next_month(), 0);
        }
        if time.month > 12 {
            continue;
        }
        let days = days_in_month(time.year, time.month);
        let is_day = |time: Civil| {
            contains(&calendar.day_of_month, time.day) && contains(&calendar.day_of_week, weekday(civil(zone, unix(zone, time))))
        };
        while time.day <= days && !is_day(time) {
            (time, dst_offset) = (time.next_day(), 0);
        }
        if time.day > days {
            continue;
        }
        while time.hour < 24 && !contains(&calendar.hour, time.hour) {
            (time, dst_offset) = (time.next_hour(), 0);
        }
        if time.hour >= 24 {
            continue;
        }
        while time.minute < 60 && !contains(&calendar.minute, time.minute) {
            (time.minute, time.second) = (time.minute + 1, 0);
        }
        if time.minute >= 60 {
            continue;
        }
        while time.second < 60 && !contains(&calendar.second, time.second) {
            time.second += 1;
        }
        if time.second >= 60 {
            continue;
        }
        let at = unix(zone, time);
        // A time that the clocks skip.
        if civil(zone, at).hour != time.hour {
            time = time.next_hour();
            continue;
        }
        return Some(at + dst_offset);
    }
}
