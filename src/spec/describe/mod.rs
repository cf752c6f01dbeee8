//! A spec in plain English. If no sentence describes it exactly, the text as written is shown instead. Pure.

mod days;

use self::days::{days, special_days};
use super::calendar::Fields;
use super::cron::{self, Read};
use super::days::ParsedCalendar;
use super::exclusion::Exclusion;
use super::field::{self, Range};
use super::interval::Interval;
use super::spec_text::SpecText;
use super::text;

/// Maximum number of exclusions that are named.
const MAX_NAMED_EXCLUSIONS: usize = 4;

/// A number with thousands separators, from five digits on: `2000`, `31,536,000`.
#[must_use]
pub fn grouped(n: u64) -> String {
    let digits = n.to_string();
    let mut number = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) && digits.len() > 4 {
            number.push(',');
        }
        number.push(digit);
    }
    number
}

/// The description of a spec without times.
pub const NO_TIMES: &str = "only when triggered";

/// Describes a whole spec: `every 2 min, up to 10 s later`, `every weekday at 09:00 (America/New_York)`. [`when::parse`](super::when::parse) reads the
/// description back as a spec with the same times, unless it only counts the exclusions.
#[must_use]
pub fn spec(source: &SpecText) -> String {
    let mut parts = Vec::new();
    let clock = Clock {
        is_utc: ["UTC", "Etc/UTC"].contains(&source.zone_name().as_str()),
    };
    for interval in &source.interval {
        parts.push(Interval::parse(interval).map_or_else(|_| interval.clone(), |i| clock.interval(&i)));
    }
    let mut zone = source.time_zone.clone();
    // An exclusion is a date in the time zone, whatever it excludes.
    let mut wall_clock = !source.exclude_calendar.is_empty();
    for string in &source.cron {
        match cron::read(string) {
            Ok((_, Read::Interval(i))) => parts.push(clock.interval(&i)),
            Ok((time_zone, Read::Calendar(c))) => {
                wall_clock = true;
                if !time_zone.is_empty() {
                    zone = Some(time_zone);
                }
                parts.push(clock.calendar(&c).unwrap_or_else(|| format!("cron `{string}`")));
            }
            Err(_) => parts.push(format!("cron `{string}`")),
        }
    }
    for text in &source.calendar {
        wall_clock = true;
        let sentence = text.read().ok().and_then(|c| clock.calendar(&c));
        parts.push(sentence.unwrap_or_else(|| format!("calendar `{}`", serde_json::to_string(text).unwrap_or_default())));
    }
    for expression in &source.quartz {
        wall_clock = true;
        let sentence = super::quartz::parse(expression).ok().and_then(|f| {
            let (month, week) = (f.day_of_month.clone(), f.day_of_week.clone());
            clock.fields(&f, &days(&month, &week)?)
        });
        parts.push(sentence.unwrap_or_else(|| format!("quartz `{expression}`")));
    }
    if source.at_boot {
        parts.push("at boot".to_owned());
    }
    if parts.is_empty() {
        parts.push(NO_TIMES.to_owned());
    }
    let mut description = parts.join("; and ");
    if wall_clock {
        description += &format!(" ({})", zone.as_deref().filter(|z| !z.is_empty()).unwrap_or("UTC"));
    }
    let exclusions: Vec<String> = source.exclude_calendar.iter().map(exclusion).collect();
    match exclusions.len() {
        0 => {}
        1..=MAX_NAMED_EXCLUSIONS => description += &format!(", except {}", list(&exclusions)),
        n => description += &format!(", with {n} exclusions"),
    }
    if let Some(jitter) = source
        .jitter
        .as_deref()
        .and_then(|j| text::duration(j).ok())
        .filter(|j| !j.is_zero())
    {
        description += &format!(", up to {} later", human_duration(jitter.as_millis()));
    }
    description
}

/// A duration in words: `2 min`, `1 h 30 min`, `10 s`.
#[must_use]
pub fn human_duration(ms: u128) -> String {
    let mut left = ms;
    let mut words = Vec::new();
    for (unit, size) in [("d", 86_400_000), ("h", 3_600_000), ("min", 60_000), ("s", 1000), ("ms", 1)] {
        if left >= size {
            words.push(format!("{} {unit}", left / size));
            left %= size;
        }
    }
    if words.is_empty() { "0 s".to_owned() } else { words.join(" ") }
}

/// An elapsed time in milliseconds in words; one that is negative, because the clock was set back, is not known.
#[must_use]
pub fn human_elapsed(ms: i64) -> String {
    match u128::try_from(ms) {
        Ok(0) => "under 1 ms".to_owned(),
        Ok(ms) => human_duration(ms),
        Err(_) => "an unknown time".to_owned(),
    }
}

fn exclusion(exclusion: &Exclusion) -> String {
    match exclusion {
        Exclusion::Date(date) => date.clone(),
        Exclusion::Calendar(calendar) => format!("calendar `{}`", serde_json::to_string(calendar).unwrap_or_default()),
    }
}

/// The clock by which the times of a spec are described.
#[derive(Clone, Copy)]
struct Clock {
    /// Whether intervals and times on the clock coincide: an hour of Unix time begins at minute 0 in UTC, at minute 30 in Kolkata.
    is_utc: bool,
}

impl Clock {
    fn interval(self, i: &Interval) -> String {
        let every = u128::from(i.every_s.unsigned_abs()) * 1000;
        let mut text = match (i.every_s, i.offset_s) {
            (1, 0) => "every second".to_owned(),
            (60, 0) => "every minute".to_owned(),
            (3600, 0) if self.is_utc => "every hour".to_owned(),
            (60, _) => "every 60 s".to_owned(),
            (3600, _) => "every 60 min".to_owned(),
            (86_400, _) => "every 24 h".to_owned(),
            _ => format!("every {}", human_duration(every)),
        };
        if i.offset_s > 0 {
            text += &format!(", {} past", human_duration(u128::from(i.offset_s.unsigned_abs()) * 1000));
        }
        text
    }

    /// Describes one calendar as written.
    fn calendar(self, c: &ParsedCalendar) -> Option<String> {
        let days = match c.plain() {
            Some((month, week)) => days(&month, &week)?,
            None => special_days(&c.month_days, &c.week_days)?,
        };
        self.fields(&c.base, &days)
    }

    /// Describes the time of day, months and years of `fields`, on the given days.
    fn fields(self, fields: &Fields, days: &str) -> Option<String> {
        describe_fields(&self.time_of_day(fields)?, fields, days)
    }

    fn time_of_day(self, f: &Fields) -> Option<String> {
        let every_hour = covers(&f.hour, field::HOUR.all());
        match step_of(&f.minute, 60).filter(|_| every_hour && values(&f.second) == [0]) {
            // Every offset is a multiple of 15 minutes.
            Some(n) if !self.is_utc && n > 1 && 15 % n != 0 => Some(format!("every {n} min from 00:00")),
            _ => time_of_day(f),
        }
    }
}

fn describe_fields(time: &str, fields: &Fields, days: &str) -> Option<String> {
    let every_month = covers(&fields.month, field::MONTH.all());
    let months = if every_month { Vec::new() } else { values(&fields.month) };
    let months: Vec<String> = months.into_iter().map(month_name).collect();
    let date = match months.as_slice() {
        [month] => day_number(days).map(|day| format!("on {month} {day}")),
        _ => None,
    };
    let days = date.as_deref().unwrap_or(days);
    let frequent = time.starts_with("every");
    let mut sentence = match (days, frequent) {
        ("every day", true) => time.to_owned(),
        ("every day", false) => format!("every day {time}"),
        (_, true) => format!("{time}, {days}"),
        (_, false) if days.starts_with("on") => format!("{time} {days}"),
        (_, false) => format!("{days} {time}"),
    };
    if date.is_none() && !every_month {
        sentence += &format!(" in {}", list(&months));
    }
    if !fields.year.is_empty() {
        let years: Vec<String> = values(&fields.year).into_iter().map(|y| y.to_string()).collect();
        if years.len() > 4 {
            return None;
        }
        match years.as_slice() {
            [year] if date.is_some() => sentence += &format!(", {year}"),
            years => sentence += &format!(" in {}", list(years)),
        }
    }
    Some(sentence)
}

/// The day of the month that `on the 5th` names alone.
fn day_number(days: &str) -> Option<u8> {
    let ordinal = days.strip_prefix("on the ")?;
    ordinal.trim_end_matches(|c: char| c.is_ascii_lowercase()).parse().ok()
}

fn time_of_day(f: &Fields) -> Option<String> {
    let (seconds, minutes, hours) = (values(&f.second), values(&f.minute), values(&f.hour));
    let every_hour = covers(&f.hour, field::HOUR.all());
    if seconds != [0] {
        let all_minutes = covers(&f.minute, field::MINUTE.all());
        return match (every_hour && all_minutes, step_of(&f.second, 60)) {
            (true, Some(1)) => Some("every second".to_owned()),
            (true, Some(n)) => Some(format!("every {n} s")),
            _ if seconds.len() * minutes.len() * hours.len() <= 4 => {
                Some(format!("at {}", list(&clock_times(&hours, &minutes, &seconds))))
            }
            _ => None,
        };
    }
    let within = || -> Option<String> {
        if every_hour {
            return Some(String::new());
        }
        match f.hour.as_slice() {
            [r] if r.step == 1 => Some(format!(" from {:02}:00 to {:02}:59", r.start, r.end)),
            _ => None,
        }
    };
    match step_of(&f.minute, 60) {
        Some(1) => return within().map(|w| format!("every minute{w}")),
        Some(n) if n < 60 => return within().map(|w| format!("every {n} min{w}")),
        _ => {}
    }
    if let ([minute], Some(n)) = (minutes.as_slice(), step_of(&f.hour, 24)) {
        return Some(match (n, *minute) {
            (1, 0) => "every hour".to_owned(),
            (1, _) => format!("every hour at minute {minute}"),
            _ => format!("every {n} h from 00:{minute:02}"),
        });
    }
    if let ([minute], [r]) = (minutes.as_slice(), f.hour.as_slice())
        && hours.len() > 2
    {
        let every = if r.step == 1 {
            "hour".to_owned()
        } else {
            format!("{} h", r.step)
        };
        let last = r.start + (r.end - r.start) / r.step * r.step;
        return Some(format!(
            "every {every} from {:02}:{minute:02} to {last:02}:{minute:02}",
            r.start
        ));
    }
    (minutes.len() * hours.len() <= 6).then(|| format!("at {}", list(&clock_times(&hours, &minutes, &seconds))))
}

fn clock_times(hours: &[u16], minutes: &[u16], seconds: &[u16]) -> Vec<String> {
    let mut times = Vec::new();
    for h in hours {
        for m in minutes {
            for s in seconds {
                times.push(if *s == 0 && seconds.len() == 1 {
                    format!("{h:02}:{m:02}")
                } else {
                    format!("{h:02}:{m:02}:{s:02}")
                });
            }
        }
    }
    times
}

fn values(ranges: &[Range]) -> Vec<u16> {
    let mut all: Vec<u16> = ranges.iter().flat_map(|r| r.values()).collect();
    if ranges.len() > 1 {
        all.sort_unstable();
        all.dedup();
    }
    all
}

fn covers(ranges: &[Range], all: Range) -> bool {
    ranges == [all] || values(ranges) == all.values().collect::<Vec<_>>()
}

/// The step n, if the values are 0, n, 2n … and divide the cycle evenly.
fn step_of(ranges: &[Range], cycle: u16) -> Option<u16> {
    let v = values(ranges);
    let (first, second) = (*v.first()?, *v.get(1)?);
    let step = second - first;
    (first == 0
        && cycle.is_multiple_of(step)
        && v.len() == usize::from(cycle / step)
        && v.windows(2).all(|w| w[1] - w[0] == step))
    .then_some(step)
}

fn list(items: &[String]) -> String {
    match items {
        [] => String::new(),
        [one] => one.clone(),
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
    }
}

fn month_name(month: u16) -> String {
    let names = [
        "January",
        "February",
        "March",
        "April",
        "May",
        "June",
        "July",
        "August",
        "September",
        "October",
        "November",
        "December",
    ];
    names[usize::from((month - 1) % 12)].to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn describes_cron_strings_exactly() {
        for (cron, expected) in [
            ("0 9 * * MON-FRI", "every weekday at 09:00 (UTC)"),
            ("30 2 1,15 * *", "at 02:30 on the 1st and 15th (UTC)"),
            ("*/15 * * * *", "every 15 min (UTC)"),
            ("* * * * *", "every minute (UTC)"),
            ("5 * * * *", "every hour at minute 5 (UTC)"),
            ("0 0 13 * 5", "at 00:00 on the 13th if a Friday (UTC)"),
            ("0 0 1 1 *", "at 00:00 on January 1 (UTC)"),
            ("*/7 * * * *", "cron `*/7 * * * *` (UTC)"),
            ("0 9 L * *", "at 09:00 on the last day of the month (UTC)"),
            (
                "0 9 L-2,15W * *",
                "at 09:00 on the day 2 days before the last and the weekday nearest the 15th of the month (UTC)",
            ),
            ("0 9 1,LW * *", "at 09:00 on the 1st and the last weekday of the month (UTC)"),
            (
                "0 9 * * FRI#2,MONL",
                "at 09:00 on the 2nd Friday and the last Monday of the month (UTC)",
            ),
            (
                "*/10 9 * 3 FRI#5",
                "every 10 min from 09:00 to 09:59, on the 5th Friday of the month in March (UTC)",
            ),
            ("0 9 1W * *", "cron `0 9 1W * *` (UTC)"),
            ("0 0 1,2 * 1,2", "at 00:00 on the 1st and 2nd if a Monday or Tuesday (UTC)"),
            ("0 9 L * FRI", "cron `0 9 L * FRI` (UTC)"),
            ("0 9 * * MON,FRI#2", "cron `0 9 * * MON,FRI#2` (UTC)"),
            ("0 9-17 * * MON-FRI", "every hour from 09:00 to 17:00, every weekday (UTC)"),
            ("30 8-19/2 * * *", "every 2 h from 08:30 to 18:30 (UTC)"),
            ("0 9,10 * * *", "every day at 09:00 and 10:00 (UTC)"),
            ("@every 90s", "every 1 min 30 s"),
            ("CRON_TZ=Europe/Berlin 0 8 * * 0", "every Sunday at 08:00 (Europe/Berlin)"),
            ("*/5 9-17 * * 1-5", "every 5 min from 09:00 to 17:59, every weekday (UTC)"),
        ] {
            let source = SpecText {
                cron: vec![cron.to_owned()],
                ..SpecText::default()
            };
            assert_eq!(spec(&source), expected, "{cron}");
        }
    }
}
