//! One field of a calendar: its range, its names, and the text of it read into ranges. Pure.

use serde::{Deserialize, Serialize};

use super::text::Fault;

/// Values from `start` to `end`, every `step`th; all inclusive, in the field's own numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Range {
    /// The first value.
    pub start: u16,
    /// The last value, at most.
    pub end: u16,
    /// The distance between values, at least 1.
    pub step: u16,
}

impl Range {
    /// Just one value.
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

    /// A range given as numbers, as the structured form of a calendar has it: an absent (0) end means `start`, an absent step 1.
    ///
    /// # Errors
    /// A fragment that names the rule broken.
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

/// The names that a field's values may go by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Names {
    /// Numbers only.
    None,
    /// January …, at least three letters.
    Months,
    /// Sunday …, at least two letters; 0 and 7 are Sunday.
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

/// What a field is: its name and the numbers it may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Field {
    /// As people say it: `day of month`.
    pub name: &'static str,
    /// The least value.
    pub min: u16,
    /// The greatest value in text (7 for a weekday, though 6 is the greatest in normal form).
    pub max: u16,
    /// The names its values go by.
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
/// Days of a week, Sunday 0 or 7.
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

    /// Reads one value: a number (a plus sign and leading zeros are let through) or the beginning of a name.
    pub(super) fn value(&self, text: &str) -> Result<u16, String> {
        let out = || {
            let names = match self.names {
                Names::None => "",
                Names::Months => " and not a month's name",
                Names::Weekdays => " and not a day's name",
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
                .ok_or_else(out);
        }
        let (names, least, first): (&[&str], usize, u16) = match self.names {
            Names::None => return Err(out()),
            Names::Months => (&MONTHS, 3, 1),
            Names::Weekdays => (&WEEKDAYS, 2, 0),
        };
        let lower = text.to_ascii_lowercase();
        let found = (lower.len() >= least)
            .then(|| names.iter().position(|n| n.starts_with(&lower)))
            .flatten();
        found.and_then(|i| u16::try_from(i).ok()).map(|i| i + first).ok_or_else(out)
    }

    /// Reads one item of a list, `a`, `a-b`, `a-b/s`, `a/s` or `*`, into normal form: one range, or two where 7 is a Sunday at the end.
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
                let also = if self.names == Names::Weekdays && end == 0 {
                    " (write `7` for a Sunday at the end)"
                } else {
                    ""
                };
                return Err(format!("{} `{text}` ends before it starts{also}", self.name));
            }
            (start, end)
        };
        if self.names == Names::Weekdays {
            return Ok(weekdays(start, end, step, step_text.is_some() && !range.contains('-')));
        }
        Ok(vec![Range { start, end, step }])
    }

    /// Reads the whole field, a list of items. `at` is where the field begins in the text that faults point into.
    ///
    /// # Errors
    /// A fault for each item that is wrong.
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

/// Normal form of a weekday range that may end on Sunday-as-7.
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

/// The items of a comma-separated list with their byte spans; outer blanks are cut off.
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
    fn each_item_that_is_wrong_is_a_fault_with_its_place() {
        let faults = HOUR.ranges("1,25,x", 2).unwrap_err();
        let spans: Vec<_> = faults.iter().map(|f| f.span.clone()).collect();
        assert_eq!(spans, [4..6, 7..8]);
        assert_eq!(faults[0].message, "hour `25` is out of range 0-23");
    }
}
