//! Days that plain calendars cannot express: `L` `L-2` `15W` `LW` of a month, `FRI#2` `FRIL` of a week, lowered to unions of plain calendars. Pure.

use super::calendar::{self, Fields};
use super::field::{self, DAY_OF_MONTH, DAY_OF_WEEK, Range};
use super::text::Fault;

const MON_TO_FRI: u8 = 0b011_1110;
const MONDAY: u8 = 1 << 1;
const FRIDAY: u8 = 1 << 5;
const ANY_DAY: u32 = 0xffff_fffe;
const ANY_WEEKDAY: u8 = 0x7f;

/// One item of a day-of-month field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum MonthDay {
    /// Plain values.
    Plain(Vec<Range>),
    /// `L`, `L-n`: n days before the last.
    BeforeLast(u16),
    /// `nW`: the weekday nearest to day n, within the month.
    NearestWeekday(u16),
    /// `LW`: the last weekday of the month.
    LastWeekday,
}

/// One item of a day-of-week field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum WeekDay {
    /// Plain values.
    Plain(Vec<Range>),
    /// `FRI#2`: the second Friday.
    Nth(u16, u16),
    /// `FRIL`: the last Friday.
    Last(u16),
}

/// A calendar as written, before its days are lowered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ParsedCalendar {
    /// Everything except the days.
    pub(super) base: Fields,
    pub(super) month_days: Vec<MonthDay>,
    pub(super) week_days: Vec<WeekDay>,
}

impl ParsedCalendar {
    /// Lowers it to plain calendars: one, or a union of several.
    pub(super) fn lower(&self) -> Vec<Fields> {
        lower(&self.base, &self.month_days, &self.week_days)
    }

    /// The days of month and the weekdays, if all of them are plain.
    pub(super) fn plain(&self) -> Option<(Vec<Range>, Vec<Range>)> {
        plain_days(&self.month_days).zip(plain_weekdays(&self.week_days))
    }
}

fn list<T>(text: &str, at: usize, read: impl Fn(&str) -> Result<T, String>) -> Result<Vec<T>, Vec<Fault>> {
    let (mut found, mut faults) = (Vec::new(), Vec::new());
    for (span, item) in field::items(text, at) {
        match read(item) {
            Ok(item) => found.push(item),
            Err(message) => faults.push(Fault { span, message }),
        }
    }
    if faults.is_empty() { Ok(found) } else { Err(faults) }
}

impl MonthDay {
    pub(super) fn list(text: &str, at: usize) -> Result<Vec<Self>, Vec<Fault>> {
        list(text, at, Self::item)
    }

    fn item(item: &str) -> Result<Self, String> {
        let upper = item.to_ascii_uppercase();
        if upper == "L" {
            return Ok(Self::BeforeLast(0));
        }
        if upper == "LW" || upper == "WL" {
            return Ok(Self::LastWeekday);
        }
        if let Some(n) = upper.strip_prefix("L-") {
            let n = n.parse::<u16>().ok().filter(|n| (1..=30).contains(n));
            return n
                .map(Self::BeforeLast)
                .ok_or_else(|| format!("day of month `{item}` is not `L-1` to `L-30`"));
        }
        if let Some(n) = upper.strip_suffix('W') {
            let day = n.parse::<u16>().ok().filter(|d| (1..=31).contains(d));
            return day
                .map(Self::NearestWeekday)
                .ok_or_else(|| format!("day of month `{item}` is not `1W` to `31W`"));
        }
        DAY_OF_MONTH.item(item).map(Self::Plain)
    }

    /// The (days, weekdays) pairs that this item matches in months of `length` days.
    fn pairs(&self, length: u16) -> Vec<(u32, u8)> {
        match self {
            Self::Plain(ranges) => vec![(day_set(ranges), ANY_WEEKDAY)],
            Self::BeforeLast(n) if *n < length => vec![(1 << (length - n), ANY_WEEKDAY)],
            Self::BeforeLast(_) => Vec::new(),
            Self::NearestWeekday(day) => nearest_weekday(*day, length),
            Self::LastWeekday => nearest_weekday(length, length),
        }
    }
}

fn nearest_weekday(day: u16, length: u16) -> Vec<(u32, u8)> {
    if day > length {
        return Vec::new();
    }
    let on_saturday = if day > 1 { (1 << (day - 1), FRIDAY) } else { (1 << 3, MONDAY) };
    let on_sunday = if day < length {
        (1 << (day + 1), MONDAY)
    } else {
        (1 << (day - 2), FRIDAY)
    };
    vec![(1 << day, MON_TO_FRI), on_saturday, on_sunday]
}

impl WeekDay {
    pub(super) fn list(text: &str, at: usize) -> Result<Vec<Self>, Vec<Fault>> {
        list(text, at, Self::item)
    }

    fn item(item: &str) -> Result<Self, String> {
        if let Some((day, nth)) = item.split_once('#') {
            let day = DAY_OF_WEEK.value(day)? % 7;
            let nth = nth.parse::<u16>().ok().filter(|n| (1..=5).contains(n));
            return nth
                .map(|n| Self::Nth(day, n))
                .ok_or_else(|| format!("day of week `{item}`: the number after `#` is not 1 to 5"));
        }
        if let Some(day) = item.strip_suffix(['L', 'l'])
            && let Ok(day) = DAY_OF_WEEK.value(day)
        {
            return Ok(Self::Last(day % 7));
        }
        DAY_OF_WEEK.item(item).map(Self::Plain)
    }

    fn pairs(&self, length: u16) -> Vec<(u32, u8)> {
        let days = |from: u16, to: u16| (from..=to.min(31)).fold(0_u32, |set, d| set | 1 << d);
        match self {
            Self::Plain(ranges) => {
                let set = ranges.iter().flat_map(|r| r.values()).fold(0_u8, |set, d| set | 1 << d);
                vec![(ANY_DAY, set)]
            }
            Self::Nth(day, n) => vec![(days(7 * n - 6, 7 * n), 1 << day)],
            Self::Last(day) => vec![(days(length - 6, length), 1 << day)],
        }
    }
}

fn day_set(ranges: &[Range]) -> u32 {
    ranges.iter().flat_map(|r| r.values()).fold(0, |set, d| set | 1 << d)
}

/// Adds the days that match both fields to `base`: one calendar if all items are plain, else a union.
fn lower(base: &Fields, month_days: &[MonthDay], week_days: &[WeekDay]) -> Vec<Fields> {
    if let (Some(days), Some(weekdays)) = (plain_days(month_days), plain_weekdays(week_days)) {
        return vec![Fields {
            day_of_month: days,
            day_of_week: weekdays,
            ..base.clone()
        }];
    }
    let by_length: Vec<_> = [31, 30, 29, 28].map(|length| pairs(month_days, week_days, length)).into();
    if by_length.iter().all(|p| *p == by_length[0]) {
        return by_length[0].iter().map(|pair| with_days(base, *pair)).collect();
    }
    let leap = |is: bool| {
        (2000..=2100)
            .filter(|y| calendar::is_leap(i64::from(*y)) == is)
            .collect::<Vec<u16>>()
    };
    let classes: [(&[u16], Option<Vec<u16>>); 4] = [
        (&[1, 3, 5, 7, 8, 10, 12], None),
        (&[4, 6, 9, 11], None),
        (&[2], Some(leap(true))),
        (&[2], Some(leap(false))),
    ];
    let mut union = Vec::new();
    for ((months, years), pairs) in classes.into_iter().zip(by_length) {
        let named: Vec<u16> = base.month.iter().flat_map(|r| r.values()).collect();
        let month = runs(months.iter().copied().filter(|m| named.contains(m)));
        let year = match years {
            None => base.year.clone(),
            Some(class) if base.year.is_empty() => runs(class.into_iter()),
            Some(class) => {
                let named: Vec<u16> = base.year.iter().flat_map(|r| r.values()).collect();
                runs(class.into_iter().filter(|y| named.contains(y)))
            }
        };
        if month.is_empty() || (year.is_empty() && !base.year.is_empty()) {
            continue;
        }
        let base = Fields {
            month,
            year,
            ..base.clone()
        };
        union.extend(pairs.into_iter().map(|pair| with_days(&base, pair)));
    }
    union
}

fn plain_days(items: &[MonthDay]) -> Option<Vec<Range>> {
    let mut ranges = Vec::new();
    for item in items {
        let MonthDay::Plain(r) = item else { return None };
        ranges.extend(r);
    }
    Some(ranges)
}

fn plain_weekdays(items: &[WeekDay]) -> Option<Vec<Range>> {
    let mut ranges = Vec::new();
    for item in items {
        let WeekDay::Plain(r) = item else { return None };
        ranges.extend(r);
    }
    Some(ranges)
}

/// The combinations of an item of each field that can match together.
fn pairs(month_days: &[MonthDay], week_days: &[WeekDay], length: u16) -> Vec<(u32, u8)> {
    let mut pairs: Vec<(u32, u8)> = Vec::new();
    for (days, weekdays) in month_days.iter().flat_map(|m| m.pairs(length)) {
        for (days2, weekdays2) in week_days.iter().flat_map(|w| w.pairs(length)) {
            let pair = (days & days2, weekdays & weekdays2);
            if pair.0 != 0 && pair.1 != 0 && !pairs.contains(&pair) {
                pairs.push(pair);
            }
        }
    }
    pairs
}

fn with_days(base: &Fields, (days, weekdays): (u32, u8)) -> Fields {
    Fields {
        day_of_month: runs((1..=31).filter(|d| days >> d & 1 == 1)),
        day_of_week: runs((0..=6).filter(|d| weekdays >> d & 1 == 1)),
        ..base.clone()
    }
}

/// Groups ascending values into ranges of consecutive values.
fn runs(values: impl Iterator<Item = u16>) -> Vec<Range> {
    let mut ranges: Vec<Range> = Vec::new();
    for v in values {
        match ranges.last_mut() {
            Some(last) if last.end + 1 == v => last.end = v,
            _ => ranges.push(Range::single(v)),
        }
    }
    ranges
}
