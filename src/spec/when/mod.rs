//! Times in plain English, read into a spec: `every weekday at 02:30`, `every 15 min`, `on the last Friday at 17:00`. Reads every sentence that
//! [`describe`](super::describe) writes, and everyday variants. What has two meanings is rejected with both, never guessed. Pure.

mod clock_time;
mod cron_text;
mod days;
mod frequency;
mod part_of_day;
mod sentence;
mod vocabulary;
mod words;

use std::time::Duration;

use super::calendar_text::CalendarText;
use super::exclusion::Exclusion;
use super::spec_text::SpecText;
use super::text::{self, TextError};

use self::words::Words;

/// Shown with every error.
const EXAMPLES: &str = "For example: `every weekday at 02:30`, `every 15 min`, `on the last Friday of the month at 17:00`.";

/// Reads a description of times. Sentences are separated by `;`, optionally followed by `and`; their union counts. A time zone in parentheses,
/// exclusions (`, except 2026-12-25`) and a jitter (`, up to 10 s later`) may follow.
///
/// # Errors
/// At the first word that is not understood, is ambiguous, or names times that do not exist.
pub fn parse(source: &str) -> Result<SpecText, TextError> {
    text::check_length(text::SENTENCE, source)?;
    if !source.contains(char::is_alphabetic) && super::cron::parse(source).is_ok() {
        return Err(
            TextError::one(text::SENTENCE, source, 0..source.len(), "this is a cron string".to_owned())
                .hint("Use `--cron` (`cron` in a file)."),
        );
    }
    let mut spec = SpecText::default();
    let body = ending(source, source.trim_end(), &mut spec)?;
    for sentence in sentences(body) {
        let at = sentence.as_ptr() as usize - source.as_ptr() as usize;
        if sentence.eq_ignore_ascii_case("only when triggered") && sentence.len() < body.trim().len() {
            return Err(error(
                source,
                at..at + sentence.len(),
                "`only when triggered` cannot be combined with times",
            ));
        }
        read_sentence(source, at, sentence, &mut spec)?;
    }
    Ok(spec)
}

fn error(source: &str, span: std::ops::Range<usize>, message: impl Into<String>) -> TextError {
    TextError::one(text::SENTENCE, source, span, message.into()).hint(EXAMPLES)
}

/// Reads jitter, exclusions and time zone from the end of the text; returns what is before them.
fn ending<'a>(source: &str, body: &'a str, spec: &mut SpecText) -> Result<&'a str, TextError> {
    let mut body = body;
    if let Some(at) = find(body, ", up to ") {
        let start = at + ", up to ".len();
        let jitter = body[start..]
            .strip_suffix("later")
            .and_then(|duration| jitter(source, start, duration))
            .ok_or_else(|| {
                error(
                    source,
                    start..body.len(),
                    "expected a duration and `later`, as in `up to 10 s later`",
                )
            })?;
        spec.jitter = Some(text::duration_text(jitter));
        body = &body[..at];
    }
    if let Some(at) = find(body, ", except ") {
        let start = at + ", except ".len();
        for (offset, item) in items(&body[start..]) {
            let text = item.trim().strip_prefix("calendar ").unwrap_or(item).trim().trim_matches('`');
            let span = start + offset..start + offset + item.len();
            let exclusion = Exclusion::parse(text).map_err(|_| {
                error(
                    source,
                    span,
                    format!("`{item}` is neither a date like `2026-12-25` nor a calendar"),
                )
            })?;
            spec.exclude_calendar.push(exclusion);
        }
        body = &body[..at];
    } else if let Some(at) = find(body, ", with ").filter(|at| body[*at..].contains("exclusion")) {
        return Err(error(
            source,
            at..body.len(),
            "the exclusions are missing: use `--exclude-calendar`",
        ));
    }
    let trimmed = body.trim_end();
    if let Some(open) = trimmed.strip_suffix(')').and_then(|rest| rest.rfind('(')) {
        let zone = &trimmed[open + 1..trimmed.len() - 1];
        if zone.trim().is_empty() {
            return Err(error(
                source,
                open..trimmed.len(),
                "the time zone in the parentheses is missing",
            ));
        }
        spec.time_zone = Some(zone.to_owned());
        body = &trimmed[..open];
    }
    Ok(body)
}

/// Reads the duration at byte `at`: in seconds and longer units as in a sentence, or with milliseconds.
fn jitter(source: &str, at: usize, duration: &str) -> Option<Duration> {
    let mut words = Words::new(source, at, duration);
    match vocabulary::seconds(&mut words) {
        Ok(Some(seconds)) if words.peek().is_none() => Some(Duration::from_secs(seconds.into())),
        _ => {
            // `1 min 500 ms`, but not `1 0 s`.
            let parts = duration.split_whitespace().collect::<Vec<_>>();
            let ends_in_digit = |part: &&str| part.ends_with(|c: char| c.is_ascii_digit());
            let begins_with_digit = |part: &&str| part.starts_with(|c: char| c.is_ascii_digit());
            let is_split = parts
                .windows(2)
                .any(|pair| ends_in_digit(&pair[0]) && begins_with_digit(&pair[1]));
            let glued = parts.concat().replace("min", "m");
            text::duration(&glued).ok().filter(|_| !is_split)
        }
    }
}

/// The position of a text, except inside backquotes.
fn find(body: &str, text: &str) -> Option<usize> {
    let mut quoted = false;
    let found = body.match_indices(['`', ',']).find(|(at, mark)| {
        quoted ^= *mark == "`";
        !quoted
            && body[*at..]
                .get(..text.len())
                .is_some_and(|here| here.eq_ignore_ascii_case(text))
    });
    found.map(|(at, _)| at)
}

/// The items of a list with their positions: separated by `,` and `and`, except inside backquotes.
fn items(list: &str) -> Vec<(usize, &str)> {
    let mut found = Vec::new();
    let (mut start, mut quoted) = (0, false);
    let mut at = 0;
    while at < list.len() {
        let rest = &list[at..];
        quoted ^= rest.starts_with('`');
        let separator = [", and ", ", ", " and "].into_iter().find(|s| !quoted && rest.starts_with(s));
        if let Some(separator) = separator {
            found.push((start, &list[start..at]));
            at += separator.len();
            start = at;
        } else {
            at += rest.chars().next().map_or(1, char::len_utf8);
        }
    }
    found.push((start, &list[start..]));
    found
}

/// The sentences of a text: separated by `;`, except inside backquotes.
fn sentences(body: &str) -> Vec<&str> {
    let mut quoted = false;
    let parts = body.split(|c: char| {
        quoted ^= c == '`';
        c == ';' && !quoted
    });
    let trimmed = parts.map(str::trim).map(|part| match part.get(..4) {
        Some(and) if and.eq_ignore_ascii_case("and ") => part[4..].trim_start(),
        _ => part,
    });
    trimmed.collect()
}

fn read_sentence(source: &str, at: usize, sentence: &str, spec: &mut SpecText) -> Result<(), TextError> {
    let span = at..at + sentence.len();
    if let Some((kind, rest)) = sentence.split_once(" `")
        && let Some(quoted) = rest.strip_suffix('`')
    {
        match kind.to_ascii_lowercase().as_str() {
            "cron" => spec.cron.push(quoted.to_owned()),
            "quartz" => spec.quartz.push(quoted.to_owned()),
            "calendar" => spec
                .calendar
                .push(CalendarText::parse_json(quoted).map_err(|_| error(source, span, "this is not a calendar in JSON"))?),
            _ => return Err(error(source, span, format!("`{kind}` is not `cron`, `calendar` or `quartz`"))),
        }
        return Ok(());
    }
    match sentence.to_ascii_lowercase().as_str() {
        "at boot" | "on boot" => spec.at_boot = true,
        "only when triggered" => {}
        _ => sentence::read(Words::new(source, at, sentence), spec)?,
    }
    Ok(())
}
