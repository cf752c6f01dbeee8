//! Quartz expressions, parsed by the `cron` crate and lowered to our calendar; its search is never used (facts.md). Pure.

use std::str::FromStr as _;

use cron::TimeUnitSpec;

use super::calendar::Fields;
use super::field::Range;
use super::text::{self, TextError};

/// Reads a Quartz expression: seconds first, Sunday = 1, `?` allowed, an optional year last.
///
/// # Errors
/// When the `cron` crate refuses it.
pub fn parse(written: &str) -> Result<Fields, TextError> {
    text::check_length("quartz", written)?;
    let schedule = cron::Schedule::from_str(written).map_err(|e| {
        TextError::whole(
            "quartz",
            written,
            format!("not a Quartz expression ({})", e.to_string().to_lowercase()),
        )
        .hint("Write `second minute hour day-of-month month day-of-week [year]`; Sunday is 1.")
    })?;
    let ranges = |unit: &dyn Unit| -> Vec<Range> {
        let mut ranges: Vec<Range> = Vec::new();
        for v in unit.values() {
            match ranges.last_mut() {
                Some(last) if last.end + 1 == v => last.end = v,
                _ => ranges.push(Range::single(v)),
            }
        }
        ranges
    };
    let year = if schedule.years().is_all() {
        Vec::new()
    } else {
        ranges(schedule.years())
    };
    let year: Vec<Range> = year.into_iter().filter(|r| r.start >= 2000 && r.end <= 2100).collect();
    if year.is_empty() && !schedule.years().is_all() {
        return Err(TextError::whole("quartz", written, "no year from 2000 to 2100"));
    }
    let day_of_week = ranges(schedule.days_of_week())
        .into_iter()
        .map(|r| Range {
            start: r.start - 1,
            end: r.end - 1,
            ..r
        })
        .collect();
    Ok(Fields {
        second: ranges(schedule.seconds()),
        minute: ranges(schedule.minutes()),
        hour: ranges(schedule.hours()),
        day_of_month: ranges(schedule.days_of_month()),
        month: ranges(schedule.months()),
        year,
        day_of_week,
        comment: String::new(),
    })
}

/// A field of the crate's schedule, whichever type it has.
trait Unit {
    fn values(&self) -> Vec<u16>;
}

impl<T: TimeUnitSpec> Unit for T {
    fn values(&self) -> Vec<u16> {
        self.iter().filter_map(|v| u16::try_from(v).ok()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sunday_is_one_in_quartz_and_nought_here() {
        let f = parse("0 0 9 ? * MON-FRI").unwrap();
        assert_eq!(
            f.day_of_week,
            [Range {
                start: 1,
                end: 5,
                step: 1
            }]
        );
        assert_eq!(parse("0 0 9 ? * 1").unwrap().day_of_week, [Range::single(0)]);
        assert!(parse("0 25 * * *").is_err());
    }
}
