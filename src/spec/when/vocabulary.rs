//! The words for numbers, units, days and months.

use super::super::text::TextError;
use super::words::Words;

pub(super) const DAY: u32 = 86_400;
pub(super) const WEEKDAYS: [&str; 7] = ["sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday"];
pub(super) const SHORT_WEEKDAYS: [(&str, u16); 10] = [
    ("sun", 0),
    ("mon", 1),
    ("tue", 2),
    ("tues", 2),
    ("wed", 3),
    ("thu", 4),
    ("thur", 4),
    ("thurs", 4),
    ("fri", 5),
    ("sat", 6),
];
pub(super) const MONTHS: [(&str, u16); 12] = [
    ("january", 31),
    ("february", 29),
    ("march", 31),
    ("april", 30),
    ("may", 31),
    ("june", 30),
    ("july", 31),
    ("august", 31),
    ("september", 30),
    ("october", 31),
    ("november", 30),
    ("december", 31),
];
pub(super) const ORDINALS: [&str; 5] = ["first", "second", "third", "fourth", "fifth"];

pub(super) fn number(word: &str) -> Option<u32> {
    word.bytes().all(|b| b.is_ascii_digit()).then(|| word.parse().ok()).flatten()
}

/// The digits that a word begins with, and the rest of it.
pub(super) fn leading_number(word: &str) -> Option<(u32, &str)> {
    let digits = word.find(|c: char| !c.is_ascii_digit()).unwrap_or(word.len());
    Some((word[..digits].parse().ok()?, &word[digits..]))
}

/// `1st`, `22nd`.
pub(super) fn ordinal(word: &str) -> Option<u16> {
    let (number, ending) = leading_number(word)?;
    let number = u16::try_from(number).ok()?;
    ["st", "nd", "rd", "th"].contains(&ending).then_some(number)
}

/// The seconds of a unit.
pub(super) fn unit(word: &str) -> Option<u32> {
    Some(match word {
        "s" | "sec" | "secs" | "second" | "seconds" => 1,
        "m" | "min" | "mins" | "minute" | "minutes" => 60,
        "h" | "hr" | "hrs" | "hour" | "hours" => 3600,
        "d" | "day" | "days" => DAY,
        _ => return None,
    })
}

/// Whether a word names a day or a period, as in `every second Monday`.
pub(super) fn is_day_or_period(word: &str) -> bool {
    let others = [
        "morning",
        "afternoon",
        "evening",
        "night",
        "weekday",
        "weekdays",
        "workday",
        "workdays",
        "weekend",
        "weekends",
        "week",
        "month",
        "year",
    ];
    unit(word).is_some() || weekday(word).is_some() || others.contains(&word)
}

/// Reads a duration: `90 s`, `2h`, `1 h 30 min`. `None` if there is none.
pub(super) fn seconds(words: &mut Words<'_>) -> Result<Option<u32>, TextError> {
    let start = words.position();
    let mut total: Option<u32> = None;
    while let Some((number, rest)) = words.peek().and_then(leading_number) {
        let glued = (!rest.is_empty()).then(|| unit(rest));
        let next = words.peek_after(1).and_then(unit);
        let (unit, used) = match (glued, next) {
            (Some(Some(unit)), _) => (unit, 1),
            (None, Some(unit)) => (unit, 2),
            (Some(None), _) | (None, None) => break,
        };
        let sum = number.checked_mul(unit).and_then(|part| total.unwrap_or(0).checked_add(part));
        words.skip(used);
        total = Some(sum.ok_or_else(|| words.error_since(start, "the duration is too long"))?);
    }
    Ok(total)
}

pub(super) fn weekday(word: &str) -> Option<u16> {
    let word = word.trim_end_matches('.');
    let singular = word.strip_suffix('s').unwrap_or(word);
    let short = SHORT_WEEKDAYS
        .iter()
        .find(|(name, _)| *name == word || *name == singular)
        .map(|(_, day)| *day);
    let full = WEEKDAYS.iter().position(|name| *name == word || *name == singular);
    short.or_else(|| u16::try_from(full?).ok())
}

pub(super) fn month(word: &str) -> Option<u16> {
    let word = word.trim_end_matches('.');
    let found = MONTHS.iter().position(|(name, _)| {
        *name == word || (word.len() == 3 && name.starts_with(word)) || (word == "sept" && *name == "september")
    })?;
    u16::try_from(found + 1).ok()
}
