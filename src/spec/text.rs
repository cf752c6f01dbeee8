//! Texts that people write, their errors with positions, and durations. Pure.

use std::fmt::Write as _;
use std::time::Duration;

use chrono::TimeDelta;

use crate::error::{Error, Kind};

/// Maximum length of a text in a spec, in characters.
pub const MAX_TEXT: usize = 1000;

/// The kind of a text that is a sentence in English.
pub(super) const SENTENCE: &str = "sentence";

/// One error in a text: its position and the broken rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// The byte range of the invalid part.
    pub span: std::ops::Range<usize>,
    /// A lower-case fragment that names the part and the rule.
    pub message: String,
}

/// A rejected text with all its errors.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TextError {
    /// The kind of text: `cron`, `interval`, `calendar` …
    pub what: &'static str,
    /// The text as written.
    pub text: String,
    /// At least one error, in the order of the text.
    pub faults: Vec<Fault>,
    /// Sentences that suggest what to try.
    pub hints: Vec<String>,
}

impl TextError {
    /// Creates an error about one part of the text.
    pub fn one(what: &'static str, text: &str, span: std::ops::Range<usize>, message: impl Into<String>) -> Self {
        Self {
            what,
            text: text.to_owned(),
            faults: vec![Fault {
                span,
                message: message.into(),
            }],
            hints: Vec::new(),
        }
    }

    /// Creates an error about the whole text.
    pub fn whole(what: &'static str, text: &str, message: impl Into<String>) -> Self {
        Self::one(what, text, 0..text.len(), message)
    }

    /// Whether the text is a sentence in English.
    fn is_sentence(&self) -> bool {
        self.what == SENTENCE
    }

    /// Adds a hint.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }

    /// Replaces the hints by one that fits better.
    #[must_use]
    pub fn only_hint(mut self, hint: impl Into<String>) -> Self {
        self.hints = vec![hint.into()];
        self
    }
}

impl From<TextError> for Error {
    fn from(e: TextError) -> Self {
        let all: Vec<&str> = e.faults.iter().map(|f| f.message.as_str()).collect();
        let shown = e.text.chars().count() <= 120 && !e.text.chars().any(char::is_control);
        let mut error = if shown && e.is_sentence() {
            // The advice in the message must not read as if it were a part of the text.
            Self::new(Kind::Usage, format_args!("`{}`: {}", e.text, all.join(", "))).excerpt(excerpt(&e.text, &e.faults))
        } else if shown {
            Self::new(Kind::Usage, format_args!("{} in {} `{}`", all.join(", "), e.what, e.text))
                .excerpt(excerpt(&e.text, &e.faults))
        } else {
            let start: String = e.text.chars().take(40).collect();
            Self::new(
                Kind::Usage,
                format_args!("{} in {} `{}…`", all.join(", "), e.what, start.escape_debug()),
            )
        };
        // The others name what kind of text it is.
        if e.what == DURATION {
            error = error.of_value(&e.text);
        }
        for hint in &e.hints {
            error = error.hint(hint);
        }
        error
    }
}

/// The text with carets under the invalid parts.
fn excerpt(text: &str, faults: &[Fault]) -> String {
    let mut marks = String::new();
    for (at, _) in text.char_indices().chain(std::iter::once((text.len(), ' '))) {
        let is_invalid = faults
            .iter()
            .any(|f| f.span.contains(&at) || (f.span.is_empty() && f.span.start == at));
        marks.push(if is_invalid { '^' } else { ' ' });
    }
    format!("{text}\n{}", marks.trim_end())
}

/// Rejects a text longer than [`MAX_TEXT`].
pub(super) fn check_length(what: &'static str, text: &str) -> Result<(), TextError> {
    let length = text.chars().count();
    if length > MAX_TEXT {
        return Err(TextError::whole(
            what,
            text,
            format!("{length} characters (maximum {MAX_TEXT})"),
        ));
    }
    Ok(())
}

/// The words of a text with their positions.
pub(super) fn words(body: &str, at: usize) -> Vec<(usize, &str)> {
    body.split_whitespace()
        .map(|w| (at + (w.as_ptr() as usize - body.as_ptr() as usize), w))
        .collect()
}

/// The longest duration that is added to a time.
const LONGEST: TimeDelta = TimeDelta::days(36_500);

const UNITS: [(&str, f64); 5] = [("ms", 1.0), ("s", 1e3), ("m", 60e3), ("h", 3600e3), ("d", 86400e3)];

/// Parses a duration that is added to or subtracted from a time: at most a hundred years, so that the result is a time.
///
/// # Errors
/// As [`duration`], and when it is longer.
pub fn time_delta(text: &str) -> Result<TimeDelta, Error> {
    let delta = TimeDelta::from_std(duration(text)?).ok();
    delta.filter(|delta| *delta <= LONGEST).ok_or_else(|| {
        Error::new(Kind::Usage, format_args!("duration `{text}` is too long")).hint("The longest is a hundred years, `36500d`.")
    })
}

/// Parses a duration of at least a second; `name` is the setting that it is for.
///
/// # Errors
/// `Usage` when it is not a duration, or shorter.
pub fn at_least_a_second(name: &str, written: &str) -> Result<Duration, Error> {
    let span = duration(written).map_err(|e| Error::from(e).of_setting(name))?;
    if span < Duration::from_secs(1) {
        let short = format_args!("must be at least 1s, not `{}`", written.escape_debug());
        return Err(Error::new(Kind::Usage, short).of_setting(name));
    }
    Ok(span)
}

/// Parses a size in bytes: a number, or one with a unit, such as `64k`, `4M` or `2GiB` (powers of 1024). `None` if the text is neither.
#[must_use]
pub fn size(text: &str) -> Option<u64> {
    let lower = text.trim().to_ascii_lowercase();
    let digits = lower.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit = match &lower[digits.len()..] {
        "" | "b" => Some(1),
        "k" | "kb" | "kib" => Some(1024),
        "m" | "mb" | "mib" => Some(1024 * 1024),
        "g" | "gb" | "gib" => Some(1024 * 1024 * 1024),
        _ => None,
    };
    digits.parse::<u64>().ok().zip(unit).and_then(|(n, unit)| n.checked_mul(unit))
}

/// How errors call a duration.
const DURATION: &str = "duration";

/// Parses a duration: `250ms`, `10s`, `2m`, `1h`, `7d`, `1h30m`, `1.5h`; in whole milliseconds.
///
/// # Errors
/// When the text is not a duration: no unit, an unknown unit, a sign, or a fraction of a millisecond.
pub fn duration(text: &str) -> Result<Duration, TextError> {
    let invalid = |span: std::ops::Range<usize>, message: String| {
        TextError::one(DURATION, text, span, message)
            .hint("Write a duration like `250ms`, `10s`, `2m`, `1h30m` or `7d`; the units are ms, s, m, h and d.")
    };
    check_length(DURATION, text)?;
    let trimmed = text.trim();
    if trimmed.is_empty() {
        return Err(invalid(0..text.len(), "no value".to_owned()));
    }
    if trimmed == "0" {
        return Ok(Duration::ZERO);
    }
    let mut total_ms = 0_f64;
    let mut rest = trimmed;
    while !rest.is_empty() {
        let at = text.len() - text.trim_start().len() + (trimmed.len() - rest.len());
        let digits = rest.find(|c: char| !(c.is_ascii_digit() || c == '.')).unwrap_or(rest.len());
        let number: f64 = rest[..digits].parse().map_err(|_| {
            let end = at + rest.chars().next().map_or(1, char::len_utf8).max(digits);
            invalid(at..end, format!("`{}` is not a number", &text[at..end.min(text.len())]))
        })?;
        rest = &rest[digits..];
        let letters = rest.find(|c: char| !c.is_alphabetic()).unwrap_or(rest.len());
        let unit = &rest[..letters];
        let Some((_, factor)) = UNITS.iter().find(|(name, _)| *name == unit) else {
            let message = if unit.is_empty() {
                format!("missing unit after `{}`", &text[at..at + digits])
            } else {
                format!("unknown unit `{unit}`")
            };
            return Err(invalid(at..at + digits + letters, message));
        };
        total_ms += number * factor;
        rest = &rest[letters..];
    }
    if (total_ms - total_ms.round()).abs() > 1e-6 {
        return Err(invalid(0..text.len(), "a fraction of a millisecond".to_owned()));
    }
    if total_ms > 1e15 {
        return Err(invalid(0..text.len(), "more than 30,000 years".to_owned()));
    }
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "checked: 0 to 1e15, whole"
    )]
    Ok(Duration::from_millis(total_ms.round() as u64))
}

/// Formats a duration so that [`duration`] parses it: `1h30m`, `250ms`; `0s` for zero.
#[must_use]
pub fn duration_text(d: Duration) -> String {
    let mut ms = d.as_millis();
    if ms == 0 {
        return "0s".to_owned();
    }
    let mut text = String::new();
    for (unit, size) in [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000), ("ms", 1)] {
        let n = ms / size;
        if n > 0 {
            let _ = write!(text, "{n}{unit}");
            ms %= size;
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_round_trip() {
        for (text, ms, back) in [
            ("250ms", 250, "250ms"),
            ("2m", 120_000, "2m"),
            ("1h30m", 5_400_000, "1h30m"),
            ("1.5h", 5_400_000, "1h30m"),
            ("7d", 604_800_000, "7d"),
            ("90s", 90_000, "1m30s"),
            ("0", 0, "0s"),
        ] {
            let d = duration(text).unwrap();
            assert_eq!(d.as_millis(), ms, "{text}");
            assert_eq!(duration_text(d), back, "{text}");
        }
        for bad in ["", "5", "5x", "-5m", "1w", "m", "1m/2s", "1e9s", "0.0001ms", "٣s"] {
            assert!(duration(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn carets_mark_the_error() {
        let e: Error = TextError::one("cron", "0 25 * * *", 2..4, "hour `25` is out of range 0-23").into();
        assert_eq!(e.to_string(), "hour `25` is out of range 0-23 in cron `0 25 * * *`");
        assert_eq!(e.excerpt_lines(), Some("0 25 * * *\n  ^^"));
    }
}
