//! One field of a calendar: its range, its names, and parsing its text into ranges. Pure.

use serde::{Deserialize, Serialize};

use super::text::Fault;

/// Every `step`th value from `start` to `end`, both inclusive, in the field's own numbering.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Range {
    /// The first value.
    pub start: u16,
    /// The upper bound of the values.
    pub end: u16,
    /// The distance between values, at least 1.
    pub step: u16,
}

impl Range {
    /// A range of one value.
    #[must_use]
    pub fn single(value: u16) -> Self {
        Self {
            start: value,
            end: value,
            step: 1,
        }
    }

    /// The values, in order.
    pub fn values(self) -> impl Iterator<Item = u16> {
        (self.start..=self.end).step_by(usize::from(self.step))
    }

    /// Creates a range from numbers, as in the structured form of a calendar: an absent (0) end means `start`, an absent step means 1.
    ///
    /// # Errors
    /// A fragment that names the broken rule.
    pub fn checked(start: i64, end: i64, step: i64, field: &Field) -> Result<Self, String> {
        let (min, max) = (i64::from(field.min), i64::from(field.structured_max()));
        let within = |what: &str, v: i64| {
            u16::try_from(v)
                .ok()
                .filter(|_| (min..=max).contains(&v))
                .ok_or_else(|| format!("{} {what} `{v}` is out of range {min}-{max}", field.name))
        };
        let first = within("start", start)?;
        let last = if end == 0 && start != 0 {
            first
        } else {
            within("end", end.max(start.min(0)))?
        };
        if last < first {
            return Err(format!("{} end `{last}` is before its start `{first}`", field.name));
        }
        let step = if step == 0 { 1 } else { step };
        let step = u16::try_from(step)
            .ok()
            .filter(|s| *s >= 1)
            .ok_or_else(|| format!("{} step `{step}` is not positive", field.name))?;
        Ok(Self {
            start: first,
            end: last,
            step,
        })
    }
}

/// The names accepted for the values of a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Names {
    /// Numbers only.
    None,
    /// January …, of which at least three letters are needed.
    Months,
    /// Sunday …, of which at least two letters are needed; 0 and 7 are Sunday.
    Weekdays,
}

const MONTHS: [&str; 12] = [
    "january",
    "february",
    "march",
    "april",
    "may",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
];
const WEEKDAYS: [&str; 7] = ["sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday"];

/// A field: its name and the values it accepts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Field {
    /// The name in messages: `day of month`.
    pub name: &'static str,
    /// The smallest value.
    pub min: u16,
    /// The largest value in text (7 for a weekday, although 6 is the largest in normal form).
    pub max: u16,
    /// The names accepted for its values.
    pub names: Names,
}

/// Seconds of a minute.
pub const SECOND: Field = Field {
    name: "second",
    min: 0,
    max: 59,
    names: Names::None,
};
/// Minutes of an hour.
pub const MINUTE: Field = Field {
    name: "minute",
    min: 0,
    max: 59,
    names: Names::None,
};
/// Hours of a day.
pub const HOUR: Field = Field {
    name: "hour",
    min: 0,
    max: 23,
    names: Names::None,
};
/// Days of a month.
pub const DAY_OF_MONTH: Field = Field {
    name: "day of month",
    min: 1,
    max: 31,
    names: Names::None,
};
/// Months of a year.
pub const MONTH: Field = Field {
    name: "month",
    min: 1,
    max: 12,
    names: Names::Months,
};
/// Days of a week; Sunday is 0 or 7.
pub const DAY_OF_WEEK: Field = Field {
    name: "day of week",
    min: 0,
    max: 7,
    names: Names::Weekdays,
};
/// Years.
pub const YEAR: Field = Field {
    name: "year",
    min: 2000,
    max: 2100,
    names: Names::None,
};

impl Field {
    fn structured_max(&self) -> u16 {
        if self.names == Names::Weekdays { 6 } else { self.max }
    }

    /// All values.
    #[must_use]
    pub fn all(&self) -> Range {
        Range {
            start: self.min,
            end: self.structured_max(),
            step: 1,
        }
    }

    /// Parses one value: a number (a plus sign and leading zeros are accepted) or the start of a name.
    pub(super) fn value(&self, text: &str) -> Result<u16, String> {
        let invalid = || {
            let names = match self.names {
                Names::None => "",
                Names::Months => " or the name of a month",
                Names::Weekdays => " or the name of a weekday",
            };
            let number = text.strip_prefix('+').unwrap_or(text).chars().all(|c| c.is_ascii_digit()) && !text.is_empty();
            if number {
                format!("{} `{text}` is out of range {}-{}", self.name, self.min, self.max)
            } else {
                format!(
                    "{} `{text}` is not a number from {} to {}{names}",
                    self.name, self.min, self.max
                )
            }
        };
        let digits = text.strip_prefix('+').unwrap_or(text);
        if !digits.is_empty() && digits.chars().all(|c| c.is_ascii_digit()) {
            return digits
                .parse::<u16>()
                .ok()
                .filter(|v| (self.min..=self.max).contains(v))
                .ok_or_else(invalid);
        }
        let (names, min_length, first): (&[&str], usize, u16) = match self.names {
            Names::None => return Err(invalid()),
            Names::Months => (&MONTHS, 3, 1),
            Names::Weekdays => (&WEEKDAYS, 2, 0),
        };
        let lower = text.to_ascii_lowercase();
        let found = (lower.len() >= min_length)
            .then(|| names.iter().position(|n| n.starts_with(&lower)))
            .flatten();
        found
            .and_then(|i| u16::try_from(i).ok())
            .map(|i| i + first)
            .ok_or_else(invalid)
    }

    /// Parses one item of a list, `a`, `a-b`, `a-b/s`, `a/s` or `*`, into normal form: one range, or two if 7 is a Sunday at the end.
    pub(super) fn item(&self, text: &str) -> Result<Vec<Range>, String> {
        let (range, step_text) = text.split_once('/').map_or((text, None), |(r, s)| (r, Some(s)));
        let step = match step_text {
            None => 1,
            Some(s) => s
                .parse::<u16>()
                .ok()
                .filter(|n| *n >= 1 && !s.starts_with('+'))
                .ok_or_else(|| format!("{} step `{s}` is not a positive whole number", self.name))?,
        };
        let (start, end) = if range == "*" {
            (self.min, self.structured_max())
        } else {
            let mut parts = range.splitn(3, '-');
            let (first, second, third) = (parts.next().unwrap_or(""), parts.next(), parts.next());
            if third.is_some() {
                return Err(format!("{} `{text}` has too many dashes", self.name));
            }
            let start = self.value(if first.is_empty() { range } else { first })?;
            let end = match second {
                Some(last) => self.value(last)?,
                None if step_text.is_some() => self.max.max(start),
                None => start,
            };
            if end < start {
                let suggestion = if self.names == Names::Weekdays && end == 0 {
                    " (write `7` for Sunday at the end of a range)"
                } else {
                    ""
                };
                return Err(format!("{} range `{text}` is reversed{suggestion}", self.name));
            }
            (start, end)
        };
        if self.names == Names::Weekdays {
            return Ok(weekdays(start, end, step, step_text.is_some() && !range.contains('-')));
        }
        Ok(vec![Range { start, end, step }])
    }

    /// Parses the whole field, a list of items. `at` is the position of the field in the text that errors refer to.
    ///
    /// # Errors
    /// An error for each invalid item.
    pub fn ranges(&self, text: &str, at: usize) -> Result<Vec<Range>, Vec<Fault>> {
        let (mut ranges, mut faults) = (Vec::new(), Vec::new());
        for (span, item) in items(text, at) {
            match self.item(item) {
                Ok(found) => ranges.extend(found),
                Err(message) => faults.push(Fault { span, message }),
            }
        }
        if faults.is_empty() { Ok(ranges) } else { Err(faults) }
    }
}

/// The normal form of a weekday range that may end on Sunday as 7.
fn weekdays(start: u16, end: u16, step: u16, open_ended: bool) -> Vec<Range> {
    if start == 7 {
        return vec![Range::single(0)];
    }
    if end < 7 {
        return vec![Range { start, end, step }];
    }
    let rest = Range { start, end: 6, step };
    if !open_ended && (7 - start).is_multiple_of(step) {
        vec![Range::single(0), rest]
    } else {
        vec![rest]
    }
}

/// The items of a comma-separated list with their byte spans; surrounding spaces are trimmed.
pub(super) fn items(text: &str, at: usize) -> impl Iterator<Item = (std::ops::Range<usize>, &str)> {
    let mut from = at;
    text.split(',').map(move |raw| {
        let start = from + (raw.len() - raw.trim_start().len());
        from += raw.len() + 1;
        let item = raw.trim();
        (start..start + item.len(), item)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reports_each_invalid_item_with_its_position() {
        let faults = HOUR.ranges("1,25,x", 2).unwrap_err();
        let spans: Vec<_> = faults.iter().map(|f| f.span.clone()).collect();
        assert_eq!(spans, [4..6, 7..8]);
        assert_eq!(faults[0].message, "hour `25` is out of range 0-23");
    }
}
