//! Calendars as bit sets, and the search for the next civil time. Integers only: no zone, no clock.
//!
//! Civil time here is a count of seconds since 1970-01-01T00:00:00 on a wall clock without transitions.

use super::field::{self, Range};
use serde::{Deserialize, Serialize};

pub(super) const DAY: i64 = 86_400;
const FIRST_YEAR: i64 = 2000;
const LAST_YEAR: i64 = 2100;
/// The first civil seconds of [`FIRST_YEAR`] and of the year after [`LAST_YEAR`].
const BEGIN: i64 = 946_684_800;
const END: i64 = 4_133_980_800;

/// A calendar in normal form: the matching ranges of each field. An empty list matches nothing, except for `year`, where it matches every year.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Fields {
    /// 0-59.
    pub second: Vec<Range>,
    /// 0-59.
    pub minute: Vec<Range>,
    /// 0-23.
    pub hour: Vec<Range>,
    /// 1-31.
    pub day_of_month: Vec<Range>,
    /// 1-12.
    pub month: Vec<Range>,
    /// 2000-2100; every year if empty.
    pub year: Vec<Range>,
    /// 0-6; Sunday is 0.
    pub day_of_week: Vec<Range>,
    /// The user's comment.
    pub comment: String,
}

/// A calendar as bit sets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Calendar {
    seconds: u64,
    minutes: u64,
    hours: u32,
    days: u32,
    months: u16,
    weekdays: u8,
    years: u128,
}

impl From<&Fields> for Calendar {
    fn from(f: &Fields) -> Self {
        let bits = |ranges: &[Range], base: u16| {
            ranges
                .iter()
                .flat_map(|r| r.values())
                .fold(0_u128, |set, v| set | (1 << (v - base)))
        };
        let every_year = [field::YEAR.all()];
        let year = if f.year.is_empty() { &every_year[..] } else { &f.year };
        #[expect(clippy::cast_possible_truncation, reason = "the ranges of each field fit its set")]
        Self {
            seconds: bits(&f.second, 0) as u64,
            minutes: bits(&f.minute, 0) as u64,
            hours: bits(&f.hour, 0) as u32,
            days: bits(&f.day_of_month, 0) as u32,
            months: bits(&f.month, 0) as u16,
            weekdays: bits(&f.day_of_week, 0) as u8,
            years: bits(year, 2000),
        }
    }
}

impl Calendar {
    /// Matches every second.
    pub(super) const ALWAYS: Self = Self {
        seconds: (1 << 60) - 1,
        minutes: (1 << 60) - 1,
        hours: (1 << 24) - 1,
        days: u32::MAX - 1,
        months: (1 << 13) - 2,
        weekdays: (1 << 7) - 1,
        years: (1 << 101) - 1,
    };

    /// The first matching civil second after `civil`, if there is one before the year 2101.
    #[must_use]
    pub fn next_after(&self, civil: i64) -> Option<i64> {
        if self.seconds == 0 || self.minutes == 0 || self.hours == 0 {
            return None;
        }
        let from = civil.saturating_add(1).max(BEGIN);
        if from >= END {
            return None;
        }
        let (day, second_of_day) = (from.div_euclid(DAY), from.rem_euclid(DAY));
        let (year, month, day_of_month) = date_of(day);
        if self.has_month(year, month) {
            let first = day + 1 - day_of_month;
            let days = u64::from(self.days_in(first, month_length(year, month)));
            if days >> day_of_month & 1 == 1
                && let Some(at) = self.time_from(second_of_day)
            {
                return Some(day * DAY + at);
            }
            if let Some(d) = bit_from(days, day_of_month + 1) {
                return Some((first + d - 1) * DAY + self.first_time());
            }
        }
        let found = |(first, days): (i64, u32)| Some(first + bit_from(u64::from(days), 1)? - 1);
        let found = self.months_from(year, month + 1).find_map(found)?;
        Some(found * DAY + self.first_time())
    }

    /// Whether the civil second `civil` matches.
    #[must_use]
    pub fn matches(&self, civil: i64) -> bool {
        (BEGIN..END).contains(&civil) && self.matches_time(civil.rem_euclid(DAY)) && self.matches_day(civil.div_euclid(DAY))
    }

    fn matches_day(&self, day: i64) -> bool {
        let (year, month, day_of_month) = date_of(day);
        self.has_month(year, month) && self.days >> day_of_month & 1 == 1 && self.weekdays >> weekday_of(day) & 1 == 1
    }

    fn has_month(&self, year: i64, month: i64) -> bool {
        (FIRST_YEAR..=LAST_YEAR).contains(&year) && self.years >> (year - FIRST_YEAR) & 1 == 1 && self.months >> month & 1 == 1
    }

    pub(super) fn matches_time(&self, second_of_day: i64) -> bool {
        let (hour, minute, second) = (second_of_day / 3600, second_of_day / 60 % 60, second_of_day % 60);
        self.hours >> hour & 1 == 1 && self.minutes >> minute & 1 == 1 && self.seconds >> second & 1 == 1
    }

    /// Whether every hour of the day matches.
    pub(super) fn fires_every_hour(&self) -> bool {
        self.hours == Self::ALWAYS.hours
    }

    /// Whether every time of day of `other` matches this calendar too.
    pub(super) fn has_times_of(&self, other: &Self) -> bool {
        let (hours, minutes, seconds) = (
            other.hours & !self.hours,
            other.minutes & !self.minutes,
            other.seconds & !self.seconds,
        );
        (hours, minutes, seconds) == (0, 0, 0)
    }

    /// For a matching second of the day: the first later second that may not match, found by skipping runs of hours, minutes or seconds.
    pub(super) fn time_may_end_at(&self, second_of_day: i64) -> i64 {
        const SIXTY: u64 = (1 << 60) - 1;
        let run = |set: u64, from: i64| i64::from((!(set >> from)).trailing_zeros());
        let (step, at, set) = match (self.seconds == SIXTY, self.minutes == SIXTY) {
            (true, true) => (3600, second_of_day / 3600, u64::from(self.hours)),
            (true, false) => (60, second_of_day / 60 % 60, self.minutes),
            (false, _) => (1, second_of_day % 60, self.seconds),
        };
        second_of_day - second_of_day % step + run(set, at) * step
    }

    fn first_time(&self) -> i64 {
        i64::from(self.hours.trailing_zeros()) * 3600
            + i64::from(self.minutes.trailing_zeros()) * 60
            + i64::from(self.seconds.trailing_zeros())
    }

    /// The first matching second of a day at or after `second_of_day`.
    pub(super) fn time_from(&self, second_of_day: i64) -> Option<i64> {
        let (hour, minute, second) = (second_of_day / 3600, second_of_day / 60 % 60, second_of_day % 60);
        let first_second = i64::from(self.seconds.trailing_zeros());
        let first_minute = i64::from(self.minutes.trailing_zeros());
        if self.hours >> hour & 1 == 1 {
            if self.minutes >> minute & 1 == 1
                && let Some(s) = bit_from(self.seconds, second)
            {
                return Some(hour * 3600 + minute * 60 + s);
            }
            if let Some(m) = bit_from(self.minutes, minute + 1) {
                return Some(hour * 3600 + m * 60 + first_second);
            }
        }
        bit_from(u64::from(self.hours), hour + 1).map(|h| h * 3600 + first_minute * 60 + first_second)
    }

    /// The matching months from the given one on: the epoch day of the first of each month, and its matching days as a bit set (day 1 is bit 1).
    pub(super) fn months_from(&self, year: i64, month: i64) -> impl Iterator<Item = (i64, u32)> + '_ {
        let begin = if year < FIRST_YEAR { (FIRST_YEAR, 1) } else { (year, month) };
        let first = self.month_from(begin.0, begin.1);
        let months = std::iter::successors(first, |(year, month)| self.month_from(*year, month + 1));
        months.map(|(year, month)| {
            let first = days_of(year, month, 1);
            (first, self.days_in(first, month_length(year, month)))
        })
    }

    /// The first matching month at or after the given one.
    fn month_from(&self, year: i64, month: i64) -> Option<(i64, i64)> {
        let month_of = |from| bit_from(u64::from(self.months), from);
        if (FIRST_YEAR..=LAST_YEAR).contains(&year)
            && self.years >> (year - FIRST_YEAR) & 1 == 1
            && let Some(month) = month_of(month)
        {
            return Some((year, month));
        }
        let later = u32::try_from(year + 1 - FIRST_YEAR).ok()?;
        let years = self.years.checked_shr(later).filter(|left| *left != 0)?;
        Some((year + 1 + i64::from(years.trailing_zeros()), month_of(1)?))
    }

    /// The matching days of the month that begins on epoch day `first`: day-of-month AND day-of-week.
    fn days_in(&self, first: i64, length: i64) -> u32 {
        let week = u64::from(self.weekdays);
        let rotated = (week | week << 7) >> weekday_of(first) & 0x7f;
        let month = rotated | rotated << 7 | rotated << 14 | rotated << 21 | rotated << 28;
        #[expect(clippy::cast_possible_truncation, reason = "the length of the month limits it to 32 bits")]
        let days = (month << 1 & ((1 << (length + 1)) - 1)) as u32;
        days & self.days
    }

    /// The matching days of the month that begins on epoch day `first`; none if the month or year does not match.
    pub(super) fn days_of_month(&self, first: i64) -> u32 {
        let (year, month, _) = date_of(first);
        if self.has_month(year, month) {
            self.days_in(first, month_length(year, month))
        } else {
            0
        }
    }
}

/// The weekday of an epoch day; Sunday is 0.
fn weekday_of(day: i64) -> i64 {
    // 1970-01-01 was a Thursday.
    (day + 4).rem_euclid(7)
}

/// The lowest set bit at or above `from`.
pub(super) fn bit_from(set: u64, from: i64) -> Option<i64> {
    if from >= 64 {
        return None;
    }
    let left = set >> from << from;
    (left != 0).then(|| i64::from(left.trailing_zeros()))
}

/// Days from the epoch to a date of the proleptic Gregorian calendar (Hinnant, "chrono-compatible low-level date algorithms").
#[must_use]
pub fn days_of(year: i64, month: i64, day: i64) -> i64 {
    let y = if month <= 2 { year - 1 } else { year };
    let period = y.div_euclid(400);
    let year_of_era = y.rem_euclid(400);
    let day_of_year = (153 * (month + if month > 2 { -3 } else { 9 }) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    period * 146_097 + day_of_era - 719_468
}

/// The inverse of [`days_of`]: year, month, day (Neri and Schneider, "Euclidean affine functions and their application to calendar
/// algorithms", 2023). Valid for the years -32800 to 2900000.
#[must_use]
pub fn date_of(days: i64) -> (i64, i64, i64) {
    // Counted from a 1 March so early that no valid day is negative; a year then ends with its leap day.
    const ERAS: u32 = 82;
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "within the documented range"
    )]
    let n = (days + 719_468 + 146_097 * i64::from(ERAS)) as u32;
    let quarters = 4 * n + 3;
    let (century, day_of_century) = (quarters / 146_097, quarters % 146_097 / 4);
    let scaled = 2_939_745 * u64::from(4 * day_of_century + 3);
    #[expect(clippy::cast_possible_truncation, reason = "the upper and lower halves")]
    let (year_of_century, rest) = ((scaled >> 32) as u32, scaled as u32);
    let day_of_year = rest / 2_939_745 / 4;
    let months = 2141 * day_of_year + 197_913;
    let (month, day) = (months >> 16, (months & 0xffff) / 2141 + 1);
    let after_december = day_of_year >= 306;
    let year = i64::from(100 * century + year_of_century) - i64::from(400 * ERAS) + i64::from(after_december);
    let month = if after_december { month - 12 } else { month };
    (year, i64::from(month), i64::from(day))
}

pub(super) fn is_leap(year: i64) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

fn month_length(year: i64, month: i64) -> i64 {
    match month {
        2 if is_leap(year) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_round_trip() {
        for day in (-200_000..200_000).step_by(37) {
            let (y, m, d) = date_of(day);
            assert_eq!(days_of(y, m, d), day, "{y}-{m}-{d}");
        }
        assert_eq!(date_of(0), (1970, 1, 1));
    }

    #[test]
    fn leap_years_follow_the_gregorian_calendar() {
        for (year, leap) in [(2000, true), (2001, false), (2004, true), (2096, true), (2100, false)] {
            assert_eq!(is_leap(year), leap, "{year}");
            assert_eq!(month_length(year, 2), if leap { 29 } else { 28 }, "{year}");
        }
    }

    #[test]
    fn nothing_matches_before_the_first_year_or_after_the_last() {
        assert_eq!(
            (BEGIN, END),
            (days_of(FIRST_YEAR, 1, 1) * DAY, days_of(LAST_YEAR + 1, 1, 1) * DAY)
        );
        for civil in [i64::MIN, -62_135_596_800, BEGIN - 2, BEGIN - 1] {
            assert_eq!(Calendar::ALWAYS.next_after(civil), Some(BEGIN), "{civil}");
            assert!(!Calendar::ALWAYS.matches(civil), "{civil}");
        }
        for civil in [END - 1, END, i64::MAX] {
            assert_eq!(Calendar::ALWAYS.next_after(civil), None, "{civil}");
        }
        assert_eq!(Calendar::ALWAYS.next_after(END - 2), Some(END - 1));
    }

    #[test]
    fn a_date_that_does_not_exist_has_no_next_time() {
        let all = |f: field::Field| vec![f.all()];
        let fields = Fields {
            second: vec![Range::single(0)],
            minute: vec![Range::single(0)],
            hour: vec![Range::single(0)],
            day_of_month: vec![Range::single(30)],
            month: vec![Range::single(2)],
            day_of_week: all(field::DAY_OF_WEEK),
            ..Fields::default()
        };
        assert_eq!(Calendar::from(&fields).next_after(0), None);
    }
}
