//! What follows `every`: a duration, a period or days.

use super::super::text::TextError;
use super::clock_time::time;
use super::part_of_day::PartOfDay;
use super::sentence::Sentence;
use super::vocabulary::{DAY, ORDINALS, is_day_or_period, leading_number, month, number, ordinal, seconds, unit, weekday};
use super::words::Words;

impl Sentence {
    /// After `every`.
    pub(super) fn every(&mut self, words: &mut Words<'_>) -> Result<(), TextError> {
        let start = words.position();
        let Some(word) = words.peek().map(str::to_owned) else {
            return Err(words.error("expected a duration or days after `every`"));
        };
        match word.as_str() {
            _ if (word == "other" || ORDINALS.contains(&word.as_str()) || ordinal(&word).is_some())
                && words.peek_after(2) != Some("of")
                && words.peek_after(1).is_some_and(is_day_or_period) =>
            {
                let next = words.peek_after(1).unwrap_or_default();
                let other_meaning = if word != "other" && weekday(next).is_some() {
                    format!(
                        "write `on the {word} {next}` for one day of each month, or `--interval 336h/OFFSET` for every other week"
                    )
                } else {
                    "use an interval such as `every 48 h`, or list the days, as in `every Monday and Thursday at 09:00`"
                        .to_owned()
                };
                return Err(words.error(format!("`every {word}` is ambiguous: {other_meaning}")));
            }
            "other" => {
                return Err(words.error("`every other` is ambiguous: use an interval such as `every 48 h`, or list the days"));
            }
            "second" | "minute" if !(word == "second" && words.peek_after(1).is_some_and(is_day_or_period)) => {
                words.skip(1);
                self.every = Some((if word == "second" { 1 } else { 60 }, 0));
                self.frequencies += 1;
            }
            "hour" => {
                words.skip(1);
                self.hourly = true;
                self.frequencies += 1;
            }
            "day" | "morning" | "afternoon" | "evening" | "night" => {
                words.skip(1);
                self.all_days = true;
                self.part_of_day = self.part_of_day.or(PartOfDay::named(&word));
            }
            "week" | "month" | "year" => {
                words.skip(1);
                self.every_month |= word == "month";
                if self.period.is_some_and(|period| period != word) {
                    return Err(words.error_since(start, "only one period can be given: separate two sentences with `;`"));
                }
                self.period = [("week", "week"), ("month", "month"), ("year", "year")]
                    .into_iter()
                    .find_map(|(name, period)| (name == word).then_some(period));
            }
            _ if leading_number(&word).is_some() && self.interval(words)? => {
                if words.take(&[","]) {
                    let before = words.position();
                    match seconds(words)? {
                        Some(offset) if words.take(&["past"]) => self.every = self.every.map(|(every, _)| (every, offset)),
                        _ => words.back_to(before),
                    }
                }
            }
            _ => {
                if let Some(month) = month(&word) {
                    words.skip(1);
                    self.months.insert(month);
                    self.period = Some("month");
                } else if !self.days(words)? {
                    if let Some(time) = time(words, true)? {
                        self.times.push(time);
                        self.all_days = true;
                        return Ok(());
                    }
                    words.back_to(start);
                    return Err(words.error(format!("`{word}` is not understood after `every`")));
                }
            }
        }
        Ok(())
    }

    /// A duration after `every`; false if it is a date or a time.
    fn interval(&mut self, words: &mut Words<'_>) -> Result<bool, TextError> {
        let start = words.position();
        let word = words.peek().unwrap_or_default().to_owned();
        let next = words.peek_after(1).unwrap_or_default().to_owned();
        if number(&word).is_some() {
            if month(&next).is_some() || next == "o'clock" {
                return Ok(false);
            }
            let is_period = ["days", "weeks", "months", "years", "week", "month", "year"].contains(&next.as_str());
            if is_period || (next == "day" && number(&word) != Some(1)) {
                words.skip(2);
                let hours = match next.as_str() {
                    "day" | "days" => 24,
                    "week" | "weeks" => 168,
                    _ => 0,
                };
                let interval = number(&word).and_then(|n| n.checked_mul(hours)).filter(|hours| *hours > 0);
                let interval =
                    interval.map_or_else(String::new, |hours| format!("use an interval such as `every {hours} h`, or "));
                return Err(words.error_since(
                    start,
                    format!("`every {word} {next}` is ambiguous: {interval}list the days, as in `on the 1st and 15th at 09:00`"),
                ));
            }
            if unit(&next).is_none() {
                let is_word = next.chars().all(char::is_alphabetic) && !next.is_empty();
                words.skip(usize::from(is_word));
                return Err(words.error(if is_word {
                    format!("`{next}` is not a unit; use `s`, `min`, `h` or `d`")
                } else {
                    format!("`{word}` needs a unit, such as `s`, `min` or `h`")
                }));
            }
        }
        let Some(every) = seconds(words)? else { return Ok(false) };
        if every == 0 {
            return Err(words.error_since(start, "an interval must be at least 1 s"));
        }
        if next == "day" && every == DAY {
            self.all_days = true;
        } else {
            self.every = Some((every, 0));
            self.frequencies += 1;
        }
        Ok(true)
    }
}
