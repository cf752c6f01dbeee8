//! Quartz expressions, parsed by the `cron` crate and lowered to our calendar; its search is never used (facts.md). Pure.

use std::str::FromStr as _;

use cron::TimeUnitSpec;

use super::calendar::Fields;
use super::field::{self, Field, Range};
use super::text::{self, Fault, TextError};

/// Reads a Quartz expression: seconds first, Sunday = 1, `?` allowed, an optional year last.
///
/// # Errors
/// When the `cron` crate refuses it, it names no year from 2000 to 2100, or is longer than a text may be.
pub fn parse(written: &str) -> Result<Fields, TextError> {
    text::check_length("quartz", written)?;
    let schedule = cron::Schedule::from_str(written).map_err(|e| refusal(written, &e.to_string()))?;
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
    // The crate knows years from 1970 on; those that can fire here are a part of them.
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

/// What is wrong with an expression that the crate refuses, in our own words: all of it, with places. The crate's word counts where ours find
/// nothing.
fn refusal(written: &str, theirs: &str) -> TextError {
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
    let words: Vec<(usize, &str)> = text::words(written, 0);
    if !(6..=7).contains(&words.len()) {
        let counted = if words.len() == 1 {
            "1 field".to_owned()
        } else {
            format!("{} fields", words.len())
        };
        return TextError::whole("quartz", written, format!("{counted} instead of 6 or 7")).hint(hint);
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
                message: format!("{} `{word}`: `L`, `W` and `#` are not read in Quartz expressions", field.name),
            });
            hints = vec![
                "As a cron string they are: `--cron '0 9 L * *'`, `'0 9 15W * *'`, `'0 9 * * FRI#2'`, with Sunday 0.".to_owned(),
            ];
        } else if !(by_day && word == "?") {
            faults.extend(field.ranges(word, at).err().into_iter().flatten());
        }
    }
    if faults.is_empty() {
        // What the crate alone refuses it refuses in a single field as well.
        const EACH: [&str; 7] = ["0", "0", "0", "*", "*", "?", "*"];
        let alone = |i: usize, word: &str| {
            let fields = EACH.iter().enumerate().map(|(j, any)| if i == j { word } else { any });
            cron::Schedule::from_str(&fields.collect::<Vec<_>>().join(" "))
        };
        for (i, (at, word)) in text::words(written, 0).into_iter().enumerate() {
            if alone(i, word).is_err() {
                let message = format!("{} `{word}` is not read in Quartz expressions", fields[i].name);
                let span = at..at + word.len();
                faults.push(Fault { span, message });
            }
        }
    }
    if faults.is_empty() {
        let last = theirs.lines().last().unwrap_or_default().trim().to_lowercase();
        let why = if last.chars().any(char::is_alphabetic) {
            format!(": {last}")
        } else {
            String::new()
        };
        return TextError::whole("quartz", written, format!("not a Quartz expression{why}")).hint(hint);
    }
    TextError {
        what: "quartz",
        text: written.to_owned(),
        faults,
        hints,
    }
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
    }

    #[test]
    fn years_before_2000_are_left_out_and_the_others_stay() {
        let years = |written| parse(written).unwrap().year;
        let range = |start, end| Range { start, end, step: 1 };
        assert_eq!(years("0 0 9 * * ? 1999-2030,2050"), [range(2000, 2030), range(2050, 2050)]);
        assert_eq!(years("0 0 9 * * ? 1971-2100"), [range(2000, 2100)]);
        assert!(parse("0 0 9 * * ? 1980-1990").is_err());
    }

    #[test]
    fn what_is_wrong_is_told_at_once_and_in_our_words() {
        for (written, told) in [
            (
                "0 0 25 32 * ?",
                "hour `25` is out of range 0-23, day of month `32` is out of range 1-31",
            ),
            ("0 9 * * MON", "5 fields instead of 6 or 7"),
            (
                "0 0 9 L * ?",
                "day of month `L`: `L`, `W` and `#` are not read in Quartz expressions",
            ),
            (
                "0 0 9 ? * 6#2",
                "day of week `6#2`: `L`, `W` and `#` are not read in Quartz expressions",
            ),
            ("0 0 9 ? * 0", "day of week `0` is out of range 1-7"),
            (
                "0 */60 9 * SEPT ?",
                "minute `*/60` is not read in Quartz expressions, month `SEPT` is not read in Quartz expressions",
            ),
        ] {
            let faults: Vec<_> = parse(written).unwrap_err().faults.into_iter().map(|f| f.message).collect();
            assert_eq!(faults.join(", "), told, "{written}");
        }
    }
}
