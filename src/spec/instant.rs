//! Instants as users type them. Pure.

use chrono::{DateTime, Datelike as _, Days, NaiveDate, NaiveDateTime, NaiveTime, TimeDelta, Utc, Weekday};

use super::text;
use super::zone::Zone;
use crate::error::{Error, Kind};

/// Parses RFC 3339, `2026-05-05 09:00` or `2026-05-05` as local time in `zone`, `now`, `-30m`, `+2h`.
///
/// # Errors
/// `Usage` when it is none of these.
pub fn parse(source: &str, zone: &Zone, now: DateTime<Utc>) -> Result<DateTime<Utc>, Error> {
    let trimmed = source.trim();
    if trimmed.eq_ignore_ascii_case("now") {
        return Ok(now);
    }
    let invalid = || {
        Error::new(Kind::Usage, format_args!("`{}` is not a time", source.escape_debug()))
            .of_value(source)
            .hint("Write `2026-05-05T09:00:00Z`, `2026-05-05 09:00`, `now`, `-30m` or `+2h`.")
    };
    let relative = |sign: i32, rest: &str| -> Result<DateTime<Utc>, Error> {
        let span = TimeDelta::from_std(text::duration(rest)?).map_err(|_| invalid())?;
        now.checked_add_signed(span * sign).ok_or_else(invalid)
    };
    if let Some(rest) = trimmed.strip_prefix('-') {
        return relative(-1, rest);
    }
    if let Some(rest) = trimmed.strip_prefix('+') {
        return relative(1, rest);
    }
    if let Ok(at) = DateTime::parse_from_rfc3339(trimmed) {
        return Ok(at.with_timezone(&Utc));
    }
    civil(trimmed)
        .and_then(|civil| first_instant(civil.date(), civil.time(), zone))
        .ok_or_else(invalid)
}

/// Parses `2026-05-05 09:00` or `2026-05-05`.
fn civil(text: &str) -> Option<NaiveDateTime> {
    let plain = text.replace('T', " ");
    let with_date = if plain.len() == 10 { format!("{plain} 00:00") } else { plain };
    let formats = ["%Y-%m-%d %H:%M", "%Y-%m-%d %H:%M:%S"];
    formats.iter().find_map(|f| NaiveDateTime::parse_from_str(&with_date, f).ok())
}

/// Parses RFC 3339, or a local time in `zone` that exists there.
///
/// # Errors
/// `Usage` when it is neither.
pub fn parse_existing(source: &str, zone: &Zone) -> Result<DateTime<Utc>, Error> {
    match civil(source.trim()) {
        Some(civil) => existing(civil, zone),
        None => parse(source, zone, DateTime::UNIX_EPOCH).map_err(|_| {
            Error::new(
                Kind::Usage,
                format_args!("`{}` is not a time with a date", source.escape_debug()),
            )
            .of_value(source)
            .hint("Write `2026-05-05T09:00:00Z`, or `2026-05-05 09:00` in the schedule's time zone.")
        }),
    }
}

/// The instant of a local time.
fn existing(civil: NaiveDateTime, zone: &Zone) -> Result<DateTime<Utc>, Error> {
    let at = first_instant(civil.date(), civil.time(), zone);
    let shown = |at: &DateTime<Utc>| at.timestamp() + i64::from(zone.offset_at(at.timestamp()));
    at.filter(|at| shown(at) == civil.and_utc().timestamp()).ok_or_else(|| {
        Error::new(
            Kind::Usage,
            format_args!(
                "{civil} does not exist in {}: clocks skip it when they go forward",
                zone.name()
            ),
        )
        .hint("Choose another time.")
    })
}

/// Parses a time in the past as people give it: like [`parse`], and also `yesterday`, `today 18:00`, `mon 09:00`. A day without a time is its
/// beginning; a day of the week is the last such day whose time is not after `now`.
///
/// # Errors
/// `Usage` when it is none of these.
pub fn parse_past(source: &str, zone: &Zone, now: DateTime<Utc>) -> Result<DateTime<Utc>, Error> {
    let invalid = || {
        Error::new(Kind::Usage, format_args!("`{}` is not a time", source.escape_debug()))
            .of_value(source)
            .hint("Write `2026-05-05 09:00`, `yesterday 18:00`, `mon 09:00`, `today`, `-2h` or `2026-05-05T09:00:00Z`.")
    };
    let lower = source.trim().to_ascii_lowercase();
    let (day, time) = lower.split_once(char::is_whitespace).unwrap_or((&lower, "00:00"));
    let today = date_of(now, zone);
    let (date, may_step_back) = match (day, day.parse::<Weekday>()) {
        ("today", _) => (Some(today), false),
        ("yesterday", _) => (today.pred_opt(), false),
        (_, Ok(weekday)) => (Some(today.week(weekday).first_day()), true),
        _ => return parse(source, zone, now).map_err(|_| invalid()),
    };
    let time = time_of_day(time).ok_or_else(invalid)?;
    let at = |date: NaiveDate| first_instant(date, time, zone);
    let at_date = date.and_then(at).ok_or_else(invalid)?;
    if may_step_back && at_date > now {
        let week_before = date.and_then(|date| date.checked_sub_days(Days::new(7)));
        return week_before.and_then(at).ok_or_else(invalid);
    }
    Ok(at_date)
}

/// Parses a time in the future as people give it: like [`parse`], and also `18:30`, `today 18:30`, `tomorrow 09:00`, `fri 17:00`. A time of day alone,
/// or with a day of the week, is the next one after `now`.
///
/// # Errors
/// `Usage` when it is none of these.
pub fn parse_future(source: &str, zone: &Zone, now: DateTime<Utc>) -> Result<DateTime<Utc>, Error> {
    let invalid = || {
        Error::new(Kind::Usage, format_args!("`{}` is not a time", source.escape_debug()))
            .of_value(source)
            .hint("Write `2026-05-05 09:00`, `18:30`, `tomorrow 09:00`, `fri 17:00`, `+2h` or `2026-05-05T09:00:00Z`.")
    };
    let lower = source.trim().to_ascii_lowercase();
    let today = date_of(now, zone);
    let (day, time) = lower.split_once(char::is_whitespace).unwrap_or(("", &lower));
    if let Some(civil) = civil(source.trim()) {
        return existing(civil, zone);
    }
    // The first of these days whose time is in the future.
    let days = match (day, day.parse::<Weekday>()) {
        ("", _) => [Some(today), today.succ_opt()],
        ("today", _) => [Some(today), None],
        ("tomorrow", _) => [today.succ_opt(), None],
        (_, Ok(weekday)) => {
            let ahead = u64::from((7 + weekday.num_days_from_monday() - today.weekday().num_days_from_monday()) % 7);
            [
                today.checked_add_days(Days::new(ahead)),
                today.checked_add_days(Days::new(ahead + 7)),
            ]
        }
        _ => return parse(source, zone, now).map_err(|_| invalid()),
    };
    let Some(time) = time_of_day(time) else {
        return parse(source, zone, now).map_err(|_| invalid());
    };
    let instants: Vec<_> = days
        .into_iter()
        .flatten()
        .map(|date| existing(date.and_time(time), zone))
        .collect::<Result<_, _>>()?;
    let upcoming = instants.iter().find(|at| **at > now);
    upcoming.or(instants.last()).copied().ok_or_else(invalid)
}

/// The date that the wall clock of a zone shows.
fn date_of(now: DateTime<Utc>, zone: &Zone) -> NaiveDate {
    (now + TimeDelta::seconds(i64::from(zone.offset_at(now.timestamp())))).date_naive()
}

fn time_of_day(text: &str) -> Option<NaiveTime> {
    let formats = ["%H:%M", "%H:%M:%S"];
    formats.iter().find_map(|f| NaiveTime::parse_from_str(text.trim(), f).ok())
}

fn first_instant(date: NaiveDate, time: NaiveTime, zone: &Zone) -> Option<DateTime<Utc>> {
    DateTime::from_timestamp(zone.first_instant_of(date.and_time(time).and_utc().timestamp()), 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parses_absolute_and_relative_times() {
        let now: DateTime<Utc> = "2026-05-05T12:00:00Z".parse().unwrap();
        for (text, want) in [
            ("2026-05-05T09:00:00+02:00", "2026-05-05T07:00:00Z"),
            ("2026-05-05 09:00", "2026-05-05T09:00:00Z"),
            ("2026-05-05", "2026-05-05T00:00:00Z"),
            ("now", "2026-05-05T12:00:00Z"),
            ("-30m", "2026-05-05T11:30:00Z"),
            ("+2h", "2026-05-05T14:00:00Z"),
        ] {
            assert_eq!(
                parse(text, &Zone::utc(), now).unwrap(),
                want.parse::<DateTime<Utc>>().unwrap(),
                "{text}"
            );
        }
        // 5 May 2026 is a Tuesday.
        for (text, want) in [
            ("yesterday", "2026-05-04T00:00:00Z"),
            ("Yesterday 18:00", "2026-05-04T18:00:00Z"),
            ("today 09:30:15", "2026-05-05T09:30:15Z"),
            ("mon 09:00", "2026-05-04T09:00:00Z"),
            ("tuesday 12:00", "2026-05-05T12:00:00Z"),
            ("tue 12:01", "2026-04-28T12:01:00Z"),
            ("sun", "2026-05-03T00:00:00Z"),
            ("-30m", "2026-05-05T11:30:00Z"),
            ("2026-05-05 09:00", "2026-05-05T09:00:00Z"),
        ] {
            let at = parse_past(text, &Zone::utc(), now).unwrap();
            assert_eq!(at, want.parse::<DateTime<Utc>>().unwrap(), "{text}");
        }
        for text in ["tomorrow", "mon 25:00", "yesterday noon", "", "-5x"] {
            assert!(parse_past(text, &Zone::utc(), now).is_err(), "{text}");
        }
        for (text, want) in [
            ("12:01", "2026-05-05T12:01:00Z"),
            ("12:00", "2026-05-06T12:00:00Z"),
            ("today 18:30:15", "2026-05-05T18:30:15Z"),
            // Already past: it never fires.
            ("today 09:00", "2026-05-05T09:00:00Z"),
            ("Tomorrow 09:00", "2026-05-06T09:00:00Z"),
            ("wed 09:00", "2026-05-06T09:00:00Z"),
            ("tue 11:00", "2026-05-12T11:00:00Z"),
            ("tuesday 13:00", "2026-05-05T13:00:00Z"),
            ("+2h", "2026-05-05T14:00:00Z"),
            ("2026-06-01 09:00", "2026-06-01T09:00:00Z"),
        ] {
            let at = parse_future(text, &Zone::utc(), now).unwrap();
            assert_eq!(at, want.parse::<DateTime<Utc>>().unwrap(), "{text}");
        }
        for text in ["tomorrow", "yesterday 09:00", "25:00", "fri noon", ""] {
            assert!(parse_future(text, &Zone::utc(), now).is_err(), "{text}");
        }
        assert!(parse("tomorrow", &Zone::utc(), now).is_err());
        assert!(parse("-5x", &Zone::utc(), now).is_err());
    }
}
