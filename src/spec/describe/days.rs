//! The days of a calendar in words: `every weekday`, `on the 1st and 15th`, `on the last Friday of the month`.

use super::super::days::{MonthDay, WeekDay};
use super::super::field::{self, Range};
use super::{covers, list, values};

pub(super) fn days(month_days: &[Range], week_days: &[Range]) -> Option<String> {
    let all_weekdays = covers(week_days, field::DAY_OF_WEEK.all());
    let all_days = covers(month_days, field::DAY_OF_MONTH.all());
    let on = values(week_days);
    let named = match on.as_slice() {
        [1, 2, 3, 4, 5] => "weekday".to_owned(),
        other => list(&other.iter().map(|d| weekday_name(*d)).collect::<Vec<_>>()),
    };
    // A day cannot be two weekdays at once.
    let any_of_them = named.replace(" and ", " or ");
    match (all_days, all_weekdays) {
        (true, true) => Some("every day".to_owned()),
        (true, false) if on.is_empty() => None,
        (true, false) => Some(format!("every {named}")),
        (false, weekdays_too) => {
            let days = ordinals(month_days)?;
            Some(if weekdays_too {
                format!("on the {days}")
            } else {
                format!("on the {days} if a {any_of_them}")
            })
        }
    }
}

fn ordinals(ranges: &[Range]) -> Option<String> {
    let days = values(ranges);
    (!days.is_empty() && days.len() <= 6).then(|| list(&days.into_iter().map(ordinal).collect::<Vec<_>>()))
}

/// Days relative to the month or the week (`L`, `W`, `#`). A combination with days of the other field is not described.
pub(super) fn special_days(month_days: &[MonthDay], week_days: &[WeekDay]) -> Option<String> {
    let any_day = matches!(month_days, [MonthDay::Plain(r)] if covers(r, field::DAY_OF_MONTH.all()));
    let any_weekday = matches!(week_days, [WeekDay::Plain(r)] if covers(r, field::DAY_OF_WEEK.all()));
    let items: Option<Vec<String>> = match (any_day, any_weekday) {
        (false, true) => month_days.iter().map(month_day).collect(),
        (true, false) => week_days.iter().map(week_day).collect(),
        _ => None,
    };
    Some(format!("on {} of the month", list(&items?)))
}

fn month_day(day: &MonthDay) -> Option<String> {
    match day {
        MonthDay::Plain(ranges) => ordinals(ranges).map(|days| format!("the {days}")),
        MonthDay::BeforeLast(0) => Some("the last day".to_owned()),
        MonthDay::BeforeLast(1) => Some("the day before the last".to_owned()),
        MonthDay::BeforeLast(n) => Some(format!("the day {n} days before the last")),
        // At either end of a month, the nearest weekday may be in another month, which does not count: no sentence describes that.
        MonthDay::NearestWeekday(1 | 28..) => None,
        MonthDay::NearestWeekday(n) => Some(format!("the weekday nearest the {}", ordinal(*n))),
        MonthDay::LastWeekday => Some("the last weekday".to_owned()),
    }
}

fn week_day(day: &WeekDay) -> Option<String> {
    match day {
        WeekDay::Plain(_) => None,
        WeekDay::Nth(day, n) => Some(format!("the {} {}", ordinal(*n), weekday_name(*day))),
        WeekDay::Last(day) => Some(format!("the last {}", weekday_name(*day))),
    }
}

fn ordinal(n: u16) -> String {
    let ending = match (n % 10, n % 100) {
        (1, 1 | 21 | 31) => "st",
        (2, 2 | 22) => "nd",
        (3, 3 | 23) => "rd",
        _ => "th",
    };
    format!("{n}{ending}")
}

fn weekday_name(day: u16) -> String {
    ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"][usize::from(day % 7)].to_owned()
}
