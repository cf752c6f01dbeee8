//! The days of a sentence: days of the week, of the month, and those relative to its ends.

use super::super::text::TextError;
use super::sentence::Sentence;
use super::vocabulary::{ORDINALS, month, number, ordinal, weekday};
use super::words::Words;

impl Sentence {
    /// A list of days; false if there is none.
    pub(super) fn days(&mut self, words: &mut Words<'_>) -> Result<bool, TextError> {
        let (start, mut found) = (words.position(), false);
        let known = self.week_days.len();
        loop {
            let before = words.position();
            if found && !words.take_separator() {
                break;
            }
            if !self.day(words)? {
                words.back_to(before);
                break;
            }
            found = true;
        }
        let is_nth = |day: &String| day.contains(['#', 'L']);
        let days = &self.week_days[known..];
        if days.first().is_some_and(is_nth) && !days.iter().all(is_nth) {
            return Err(words.error_since(
                start,
                "ambiguous days: write `the last Friday and the last Saturday`, or two sentences, as in \
                 `on the last Friday at 09:00; and every Saturday at 09:00`",
            ));
        }
        Ok(found)
    }

    /// One day, or kind of days; false if there is none.
    fn day(&mut self, words: &mut Words<'_>) -> Result<bool, TextError> {
        let start = words.position();
        let the = words.take(&["the"]);
        let Some(word) = words.peek().map(str::to_owned) else {
            words.back_to(start);
            return Ok(false);
        };
        let next = words.peek_after(1).unwrap_or_default().to_owned();
        if the && words.take_all(&["day", "before", "the", "last"]) {
            self.month_days.push("L-1".to_owned());
            return Ok(true);
        }
        if the && word == "day" && words.peek_after(2) == Some("days") {
            let before = number(&next).filter(|n| (1..=30).contains(n));
            words.skip(3);
            if let (Some(n), true) = (before, words.take_all(&["before", "the", "last"])) {
                self.month_days.push(format!("L-{n}"));
                return Ok(true);
            }
            return Err(words.error_since(start, "expected `the day 2 days before the last`"));
        }
        if word == "weekday" && next == "nearest" {
            words.skip(2);
            while words.take(&["to", "the"]) {}
            let day = words.peek().and_then(ordinal);
            words.skip(1);
            let day = day.ok_or_else(|| words.error_since(start, "expected a day, as in `the weekday nearest the 15th`"))?;
            self.month_days.push(format!("{day}W"));
            return Ok(true);
        }
        if ["weekday", "weekdays", "workday", "workdays"].contains(&word.as_str()) {
            words.skip(1);
            self.week_days.push("1-5".to_owned());
            return Ok(true);
        }
        if ["weekend", "weekends"].contains(&word.as_str()) {
            words.skip(1);
            self.week_days.push("0,6".to_owned());
            return Ok(true);
        }
        if let Some(day) = weekday(&word) {
            words.skip(1);
            self.week_days.push(day.to_string());
            return Ok(true);
        }
        if word == "last" {
            words.skip(2);
            match (next.as_str(), weekday(&next)) {
                ("day", _) => self.month_days.push("L".to_owned()),
                ("weekday" | "workday", _) => self.month_days.push("LW".to_owned()),
                (_, Some(day)) => self.week_days.push(format!("{day}L")),
                _ => return Err(words.error_since(start, "expected `the last day`, `the last weekday` or `the last Friday`")),
            }
            return Ok(true);
        }
        let nth = ORDINALS.iter().zip(1..).find_map(|(name, n)| (*name == word).then_some(n));
        if let Some(n) = nth.or_else(|| ordinal(&word)) {
            words.skip(1);
            if let Some(day) = weekday(&next) {
                words.skip(1);
                if n > 5 {
                    return Err(words.error_since(start, "a month has at most five of each day of the week"));
                }
                self.week_days.push(format!("{day}#{n}"));
                return Ok(true);
            }
            if nth.is_some() && !words.take(&["day"]) {
                return Err(words.error_since(start, format!("expected a day after `{word}`, as in `the {word} Monday`")));
            }
            self.day_of_month(n, words, start)?;
            return Ok(true);
        }
        // `24 December`, `December 24`.
        if let (Some(day), Some(month)) = (number(&word), month(&next)) {
            words.skip(2);
            self.date(month, u16::try_from(day).unwrap_or(u16::MAX), words, start)?;
            return Ok(true);
        }
        let day = number(&next).and_then(|n| u16::try_from(n).ok()).or_else(|| ordinal(&next));
        if let (Some(month), Some(day)) = (month(&word), day) {
            words.skip(2);
            self.date(month, day, words, start)?;
            return Ok(true);
        }
        words.back_to(start);
        Ok(false)
    }

    fn day_of_month(&mut self, day: u16, words: &mut Words<'_>, start: usize) -> Result<(), TextError> {
        if !(1..=31).contains(&day) {
            return Err(words.error_since(start, format!("day `{day}` is out of range 1-31")));
        }
        // `on the 24th December`
        if let Some(month) = words.peek().and_then(month) {
            words.skip(1);
            return self.date(month, day, words, start);
        }
        if !self.month_days.contains(&day.to_string()) {
            self.month_days.push(day.to_string());
        }
        Ok(())
    }

    fn date(&mut self, month: u16, day: u16, words: &mut Words<'_>, start: usize) -> Result<(), TextError> {
        self.months.insert(month);
        self.dates.insert((month, day));
        self.day_of_month(day, words, start)?;
        // `December 24, 2026`
        let before = words.position();
        words.take(&[","]);
        let year = words.peek().and_then(number).filter(|year| (2000..=2100).contains(year));
        match year.and_then(|year| u16::try_from(year).ok()) {
            Some(year) => {
                words.skip(1);
                self.years.insert(year);
            }
            None => words.back_to(before),
        }
        if self.dates.len() > 1 && !self.years.is_empty() {
            return Err(words.error_since(
                start,
                "a date with a year cannot be combined with another date: separate them with `;`, as in `at 17:00 on December 4, 2026; at 17:00 on December 5, 2026`",
            ));
        }
        Ok(())
    }
}
