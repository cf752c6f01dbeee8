//! Instants as users type them. Pure.

use chrono::{DateTime, NaiveDateTime, TimeDelta, Utc};

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
    let plain = trimmed.replace('T', " ");
    let with_date = if plain.len() == 10 { format!("{plain} 00:00") } else { plain };
    ["%Y-%m-%d %H:%M", "%Y-%m-%d %H:%M:%S"]
        .iter()
        .find_map(|f| NaiveDateTime::parse_from_str(&with_date, f).ok())
        .and_then(|civil| DateTime::from_timestamp(zone.first_instant_of(civil.and_utc().timestamp()), 0))
        .ok_or_else(invalid)
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
        assert!(parse("tomorrow", &Zone::utc(), now).is_err());
        assert!(parse("-5x", &Zone::utc(), now).is_err());
    }
}
