//! A time of day: `09:00`, `9am`, `noon`.

use super::super::text::TextError;
use super::vocabulary::{month, number};
use super::words::Words;

/// A time of day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Time {
    /// Seconds since midnight.
    pub(super) second: u32,
    /// How it is written.
    pub(super) clock: Clock,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Clock {
    /// `4pm`.
    Twelve,
    /// `16:00`, `02:30`, `noon`.
    TwentyFour,
    /// `2:30`, which is a time on either clock.
    Either,
}

/// Whether a time comes next; a number alone counts.
pub(super) fn time_follows(words: &Words<'_>) -> bool {
    let mut ahead = words.clone();
    let month_follows = words.peek_after(1).is_some_and(|next| month(next).is_some());
    !month_follows && !matches!(time(&mut ahead, true), Ok(None))
}

/// Reads a time of day. A number alone is one only where a time is expected (`bare`).
pub(super) fn time(words: &mut Words<'_>, bare: bool) -> Result<Option<Time>, TextError> {
    let start = words.position();
    let Some(word) = words.peek().map(str::to_owned) else {
        return Ok(None);
    };
    if let Some(second) = [("noon", 12 * 3600), ("midday", 12 * 3600), ("midnight", 0)]
        .into_iter()
        .find_map(|(name, second)| (name == word).then_some(second))
    {
        words.skip(1);
        return Ok(Some(Time {
            second,
            clock: Clock::TwentyFour,
        }));
    }
    let half = |word: &str| match word {
        "am" | "a.m." | "a.m" => Some(0),
        "pm" | "p.m." | "p.m" => Some(12),
        _ => None,
    };
    let digits = word.trim_end_matches(|c: char| c.is_alphabetic() || c == '.');
    let glued = half(&word[digits.len()..]);
    if digits.is_empty() || (digits.len() < word.len() && glued.is_none()) {
        return Ok(None);
    }
    let parts: Vec<Option<u32>> = digits.split(':').map(number).collect();
    let values: Option<Vec<u32>> = parts.into_iter().collect();
    if digits.split(':').skip(1).any(|part| part.len() != 2) {
        return Err(words.error("write minutes and seconds with two digits, as in `09:05`"));
    }
    let Some(values) = values.filter(|v| (1..=3).contains(&v.len())) else {
        return Ok(None);
    };
    let next = words.peek_after(1).unwrap_or_default();
    let (half, used) = match (glued, half(next), next) {
        (Some(half), ..) => (Some(half), 1),
        (None, Some(half), _) => (Some(half), 2),
        (None, None, "o'clock") => (None, 2),
        (None, None, _) => (None, 1),
    };
    if values.len() == 1 && half.is_none() && used == 1 && !bare {
        return Ok(None);
    }
    words.skip(used);
    let (hour, minute, second) = (
        values[0],
        values.get(1).copied().unwrap_or(0),
        values.get(2).copied().unwrap_or(0),
    );
    let out_of_range =
        |what: &str, value: u32, range: &str| Err(words.error_since(start, format!("{what} `{value}` is out of range {range}")));
    if minute > 59 {
        return out_of_range("minute", minute, "0-59");
    }
    if second > 59 {
        return out_of_range("second", second, "0-59");
    }
    let (hour, clock) = match half {
        Some(_) if !(1..=12).contains(&hour) => return out_of_range("hour", hour, "1-12 with `am` or `pm`"),
        Some(half) => (hour % 12 + half, Clock::Twelve),
        None if hour > 23 => return out_of_range("hour", hour, "0-23"),
        None if (1..=12).contains(&hour) && !digits.starts_with('0') => (hour, Clock::Either),
        None => (hour, Clock::TwentyFour),
    };
    Ok(Some(Time {
        second: hour * 3600 + minute * 60 + second,
        clock,
    }))
}
