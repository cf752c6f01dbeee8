//! Quartz expressions, parsed by the `cron` crate and lowered to our calendar; the crate's own search is not used. Pure.

use std::str::FromStr as _;

use cron::TimeUnitSpec;

use super::calendar::Fields;
use super::field::{self, Field, Range};
use super::text::{self, Fault, TextError};

/// Parses a Quartz expression: seconds first, Sunday = 1, `?` allowed, an optional year last.
///
/// # Errors
/// When the `cron` crate rejects it, it names no year from 2000 to 2100, or it is too long.
pub fn parse(source: &str) -> Result<Fields, TextError> {
    text::check_length("quartz", source)?;
    let schedule = cron::Schedule::from_str(source).map_err(|e| explain(source, &e.to_string()))?;
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
    // The crate accepts years from 1970 on; only 2000 to 2100 can fire here.
    let (first, last) = (field::YEAR.min, field::YEAR.max);
    let cut = |r: Range| Range {
        start: r.start.max(first),
        end: r.end.min(last),
        ..r
    };
    let years = ranges(schedule.years()).into_iter().map(cut).filter(|r| r.start <= r.end);
    let year: Vec<Range> = if schedule.years().is_all() {
        Vec::new()
    } else {
        years.collect()
    };
    if year.is_empty() && !schedule.years().is_all() {
        return Err(TextError::whole("quartz", source, "no year from 2000 to 2100"));
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

/// Explains why the crate rejects an expression: all errors with positions, found by our own parser. The crate's message is used only if it
/// finds none.
fn explain(source: &str, crate_message: &str) -> TextError {
    const DAY_OF_WEEK: Field = Field {
        min: 1,
        ..field::DAY_OF_WEEK
    };
    let fields = [
        field::SECOND,
        field::MINUTE,
        field::HOUR,
        field::DAY_OF_MONTH,
        field::MONTH,
        DAY_OF_WEEK,
        field::YEAR,
    ];
    let hint = "Write `second minute hour day-of-month month day-of-week [year]`; Sunday is 1.";
    let words: Vec<(usize, &str)> = text::words(source, 0);
    if !(6..=7).contains(&words.len()) {
        let found = words.len();
        return TextError::whole("quartz", source, format!("expected 6 or 7 fields, found {found}")).hint(hint);
    }
    let mut faults = Vec::new();
    let mut hints = vec![hint.to_owned()];
    for (field, (at, word)) in fields.iter().zip(words) {
        let by_day = field.name.starts_with("day");
        let upper = word.to_ascii_uppercase();
        let special = |item: &str| item.contains('#') || item.starts_with('L') || item.ends_with(['L', 'W']);
        if by_day && upper.split(',').any(special) {
            faults.push(Fault {
                span: at..at + word.len(),
                message: format!("{} `{word}`: tempo does not support `L`, `W` and `#`", field.name),
            });
            hints = vec![
                "Cron strings support them: `--cron '0 9 L * *'`, `'0 9 15W * *'`, `'0 9 * * FRI#2'`, where Sunday is 0."
                    .to_owned(),
            ];
        } else if !(by_day && word == "?") {
            faults.extend(field.ranges(word, at).err().into_iter().flatten());
        }
    }
    if faults.is_empty() {
        // An error that only the crate finds shows up when each field is parsed on its own.
        const DEFAULTS: [&str; 7] = ["0", "0", "0", "*", "*", "?", "*"];
        let parse_alone = |i: usize, word: &str| {
            let fields = DEFAULTS
                .iter()
                .enumerate()
                .map(|(j, default)| if i == j { word } else { default });
            cron::Schedule::from_str(&fields.collect::<Vec<_>>().join(" "))
        };
        for (i, (at, word)) in text::words(source, 0).into_iter().enumerate() {
            if parse_alone(i, word).is_err() {
                let message = format!("{} `{word}` is not supported by tempo", fields[i].name);
                let span = at..at + word.len();
                faults.push(Fault { span, message });
            }
        }
    }
    if faults.is_empty() {
        let last = crate_message.lines().last().unwrap_or_default().trim().to_lowercase();
        let reason = if last.chars().any(char::is_alphabetic) {
            format!(": {last}")
        } else {
            String::new()
        };
        return TextError::whole("quartz", source, format!("not a Quartz expression{reason}")).hint(hint);
    }
    TextError {
        what: "quartz",
        text: source.to_owned(),
        faults,
        hints,
    }
}

/// A field of the crate's schedule, of any type.
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
    fn sunday_is_one_in_quartz_and_zero_here() {
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
    }

    #[test]
    fn years_before_2000_are_dropped() {
        let years = |source| parse(source).unwrap().year;
        let range = |start, end| Range { start, end, step: 1 };
        assert_eq!(years("0 0 9 * * ? 1999-2030,2050"), [range(2000, 2030), range(2050, 2050)]);
        assert_eq!(years("0 0 9 * * ? 1971-2100"), [range(2000, 2100)]);
        assert!(parse("0 0 9 * * ? 1980-1990").is_err());
    }

    #[test]
    fn reports_all_errors_with_its_own_messages() {
        for (source, expected) in [
            (
                "0 0 25 32 * ?",
                "hour `25` is out of range 0-23, day of month `32` is out of range 1-31",
            ),
            ("0 9 * * MON", "expected 6 or 7 fields, found 5"),
            ("0 0 9 L * ?", "day of month `L`: tempo does not support `L`, `W` and `#`"),
            ("0 0 9 ? * 6#2", "day of week `6#2`: tempo does not support `L`, `W` and `#`"),
            ("0 0 9 ? * 0", "day of week `0` is out of range 1-7"),
            (
                "0 */60 9 * SEPT ?",
                "minute `*/60` is not supported by tempo, month `SEPT` is not supported by tempo",
            ),
        ] {
            let faults: Vec<_> = parse(source).unwrap_err().faults.into_iter().map(|f| f.message).collect();
            assert_eq!(faults.join(", "), expected, "{source}");
        }
    }
}
