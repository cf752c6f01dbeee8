//! Cron strings in tempo's dialect, lowered to plain calendars or an interval. Pure.

use super::calendar::Fields;
use super::days::{MonthDay, ParsedCalendar, WeekDay};
use super::field::{self, Field, Range};
use super::interval::Interval;
use super::text::{self, Fault, TextError};

/// Maximum length of a comment, in characters.
const MAX_COMMENT: usize = 200;

/// A parsed cron string.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cron {
    /// The time zone named in the string; empty if there is none.
    pub time_zone: String,
    /// The calendars or the interval.
    pub when: When,
}

/// The two forms of a cron string.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum When {
    /// A union of calendars: one, or several where `L`, `W` or `#` were lowered.
    Calendars(Vec<Fields>),
    /// `@every`.
    Interval(Interval),
}

const MACROS: [(&str, &str); 7] = [
    ("@yearly", "0 0 1 1 *"),
    ("@annually", "0 0 1 1 *"),
    ("@monthly", "0 0 1 * *"),
    ("@weekly", "0 0 * * 0"),
    ("@daily", "0 0 * * *"),
    ("@midnight", "0 0 * * *"),
    ("@hourly", "0 * * * *"),
];

/// Parses a cron string: 5 fields; 6 = year last; 7 = seconds first; `@hourly` …, `@every D[/P]`; `CRON_TZ=` or `TZ=` before, a comment after.
///
/// # Errors
/// Every error in the string, with its position.
pub fn parse(source: &str) -> Result<Cron, TextError> {
    let (time_zone, read) = read(source)?;
    let when = match read {
        Read::Calendar(c) => When::Calendars(c.lower()),
        Read::Interval(i) => When::Interval(i),
    };
    Ok(Cron { time_zone, when })
}

/// A cron string as written, not lowered.
pub(super) enum Read {
    Calendar(Box<ParsedCalendar>),
    Interval(Interval),
}

/// Parses a cron string like [`parse`], without lowering. Returns the time zone named in it, and its calendar or interval.
pub(super) fn read(source: &str) -> Result<(String, Read), TextError> {
    text::check_length("cron", source)?;
    let (body, comment) = split_comment(source);
    if comment.chars().count() > MAX_COMMENT {
        return Err(TextError::whole(
            "cron",
            source,
            format!("comment is longer than {MAX_COMMENT} characters"),
        ));
    }
    let (time_zone, body, at) = split_zone(source, body)?;
    let trimmed = body.trim();
    let at = at + (body.len() - body.trim_start().len());
    if trimmed.starts_with("@every") {
        return Ok((time_zone, Read::Interval(every(source, trimmed, at)?)));
    }
    let expanded = MACROS.iter().find(|(name, _)| *name == trimmed).map(|(_, fields)| *fields);
    let calendar = fields(source, expanded.unwrap_or(trimmed), at, comment)?;
    Ok((time_zone, Read::Calendar(Box::new(calendar))))
}

/// Splits off the comment, which starts at a `#` at the beginning or after a space (`FRI#2` is not a comment).
fn split_comment(source: &str) -> (&str, &str) {
    let start = source
        .match_indices('#')
        .find(|(i, _)| *i == 0 || source[..*i].ends_with(char::is_whitespace))
        .map_or(source.len(), |(i, _)| i);
    (&source[..start], source.get(start + 1..).unwrap_or("").trim())
}

/// The time zone that a cron string names; `None` if it has none of its own.
#[must_use]
pub fn zone_of(source: &str) -> Option<&str> {
    let start = source.trim_start();
    let rest = start.strip_prefix("CRON_TZ=").or_else(|| start.strip_prefix("TZ="))?;
    rest.split(char::is_whitespace).next()
}

/// Splits `CRON_TZ=Zone rest` into the zone, the rest, and the position of the rest.
fn split_zone<'a>(source: &'a str, body: &'a str) -> Result<(String, &'a str, usize), TextError> {
    let lead = body.len() - body.trim_start().len();
    let start = &body[lead..];
    let Some(rest) = start.strip_prefix("CRON_TZ=").or_else(|| start.strip_prefix("TZ=")) else {
        return Ok((String::new(), body, 0));
    };
    let zone_at = body.len() - rest.len();
    let Some(end) = rest.find(char::is_whitespace).filter(|e| !rest[*e..].trim().is_empty()) else {
        return Err(TextError::one(
            "cron",
            source,
            zone_at..body.trim_end().len(),
            "no fields after the time zone",
        ));
    };
    Ok((rest[..end].to_owned(), &rest[end..], zone_at + end))
}

fn every(source: &str, body: &str, at: usize) -> Result<Interval, TextError> {
    let interval = body
        .strip_prefix("@every")
        .filter(|r| r.starts_with(char::is_whitespace))
        .map(str::trim);
    let Some(interval) = interval else {
        return Err(
            TextError::one("cron", source, at..at + body.len(), "`@every` without an interval")
                .hint("Write `@every 90s` or `@every 1h/15m`."),
        );
    };
    let shift = at + body.len() - interval.len();
    Interval::parse(interval).map_err(|e| TextError {
        what: "cron",
        text: source.to_owned(),
        faults: e
            .faults
            .into_iter()
            .map(|f| Fault {
                span: f.span.start + shift..f.span.end + shift,
                ..f
            })
            .collect(),
        hints: vec!["Write `@every 90s` or `@every 1h/15m`.".to_owned()],
    })
}

const FIELDS_HINT: &str = "Write `minute hour day-of-month month day-of-week`, or a macro like `@daily`. With 6 fields, the last is the year; with 7, the first is the seconds and the last the year.";
const COMMAND_HINT: &str = "Pass the command separately: after `--`, or with `--shell LINE`.";

/// Whether the string looks like a whole crontab line with its command.
fn contains_command(body: &str) -> bool {
    body.split_whitespace().any(|w| w.starts_with(['/', '.']) || w.len() > 40)
}

fn fields(source: &str, body: &str, at: usize, comment: &str) -> Result<ParsedCalendar, TextError> {
    let words = text::words(body, at);
    let offset = match words.len() {
        5 | 6 => 0,
        7 => 1,
        1 if body.starts_with('@') && body != "@reboot" => {
            let macros = MACROS.map(|(name, _)| name);
            return Err(
                TextError::one("cron", source, at..at + body.len(), format!("unknown macro `{body}`")).hint(format!(
                    "Expected {} or `@every 90s`.",
                    macros.map(|name| format!("`{name}`")).join(", ")
                )),
            );
        }
        n => {
            let (message, hint) = if body == "@reboot" {
                (
                    "`@reboot` has no times".to_owned(),
                    "To start after each boot, use `--at-boot`.",
                )
            } else {
                let hint = if contains_command(body) { COMMAND_HINT } else { FIELDS_HINT };
                (format!("expected 5 to 7 fields, found {n}"), hint)
            };
            return Err(TextError::one("cron", source, at..at + body.len(), message).hint(hint));
        }
    };
    let mut faults = Vec::new();
    let mut plain = |index: Option<usize>, field: Field, default: Vec<Range>| {
        let Some((at, word)) = index.and_then(|i| words.get(i)) else {
            return default;
        };
        field.ranges(word, *at).unwrap_or_else(|found| {
            faults.extend(found);
            Vec::new()
        })
    };
    let second = plain((offset == 1).then_some(0), field::SECOND, vec![Range::single(0)]);
    let minute = plain(Some(offset), field::MINUTE, Vec::new());
    let hour = plain(Some(offset + 1), field::HOUR, Vec::new());
    let month = plain(Some(offset + 3), field::MONTH, Vec::new());
    let year = match words.get(offset + 5) {
        Some((_, "*")) | None => Vec::new(),
        Some(_) => plain(Some(offset + 5), field::YEAR, Vec::new()),
    };
    let (day_at, day) = words[offset + 2];
    let (weekday_at, weekday) = words[offset + 4];
    let month_days = MonthDay::list(day, day_at).unwrap_or_else(|found| {
        faults.extend(found);
        Vec::new()
    });
    let week_days = WeekDay::list(weekday, weekday_at).unwrap_or_else(|found| {
        faults.extend(found);
        Vec::new()
    });
    if !faults.is_empty() {
        faults.sort_by_key(|f| f.span.start);
        let hints = if contains_command(body) {
            vec![COMMAND_HINT.to_owned()]
        } else if day == "?" || weekday == "?" {
            vec!["Write `*` instead of `?`, which is valid only in Quartz expressions (`--quartz`).".to_owned()]
        } else {
            Vec::new()
        };
        return Err(TextError {
            what: "cron",
            text: source.to_owned(),
            faults,
            hints,
        });
    }
    let base = Fields {
        second,
        minute,
        hour,
        month,
        year,
        comment: comment.to_owned(),
        ..Fields::default()
    };
    Ok(ParsedCalendar {
        base,
        month_days,
        week_days,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reports_all_errors_at_once() {
        let e = parse("0 25 * 13 *").unwrap_err();
        let errors: Vec<_> = e.faults.iter().map(|f| (f.span.clone(), f.message.as_str())).collect();
        assert_eq!(
            errors,
            [
                (2..4, "hour `25` is out of range 0-23"),
                (7..9, "month `13` is out of range 1-12")
            ]
        );
    }

    #[test]
    fn a_comment_needs_a_space_before_it() {
        assert_eq!(split_comment("0 9 * * FRI#2 # pay day"), ("0 9 * * FRI#2 ", "pay day"));
        assert_eq!(split_comment("# only"), ("", "only"));
    }

    #[test]
    fn a_star_as_the_year_means_every_year() {
        let Ok(Cron {
            when: When::Calendars(c),
            ..
        }) = parse("0 0 1 1 * *")
        else {
            panic!("six fields")
        };
        assert!(c[0].year.is_empty());
    }
}
