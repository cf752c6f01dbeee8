//! One sentence: how often or at what times of day, on which days, in which months and years.

mod check;

use std::collections::BTreeSet;

use super::super::spec_text::SpecText;
use super::super::text::TextError;
use super::clock_time::{Clock, Time, time, time_follows};
use super::part_of_day::PartOfDay;
use super::vocabulary::{leading_number, month, number, weekday};
use super::words::Words;

/// The parts of a parsed sentence.
#[expect(clippy::struct_excessive_bools, reason = "words that are either there or not")]
#[derive(Debug, Default)]
pub(super) struct Sentence {
    /// Seconds between times, and of the offset.
    pub(super) every: Option<(u32, u32)>,
    /// `every hour`, on the clock.
    pub(super) hourly: bool,
    /// Number of frequencies that have been read.
    pub(super) frequencies: usize,
    /// The part that was set last.
    last_part: Option<usize>,
    /// `24 December`: month and day.
    pub(super) dates: BTreeSet<(u16, u16)>,
    /// `at minute 5`, `at :15`.
    pub(super) minute: Option<u32>,
    pub(super) times: Vec<Time>,
    /// `from 09:00`, `to 17:00`.
    pub(super) window: Option<(u32, Option<u32>)>,
    /// `twice a day`.
    pub(super) count: Option<usize>,
    /// `daily`, which without a time is at midnight.
    pub(super) daily: bool,
    pub(super) all_days: bool,
    pub(super) every_month: bool,
    /// `every night`, `nightly`, `every Monday morning`.
    pub(super) part_of_day: Option<PartOfDay>,
    /// A period that needs a day: `week`, `month`, `year`.
    pub(super) period: Option<&'static str>,
    pub(super) month_days: Vec<String>,
    pub(super) week_days: Vec<String>,
    /// `if a Friday`.
    pub(super) only_if: BTreeSet<u16>,
    pub(super) months: BTreeSet<u16>,
    pub(super) years: BTreeSet<u16>,
}

/// Reads a sentence and adds its times to a spec.
pub(super) fn read(mut words: Words<'_>, spec: &mut SpecText) -> Result<(), TextError> {
    if words.peek().is_none() {
        return Err(words.error("no times are given"));
    }
    let mut sentence = Sentence::default();
    while let Some(word) = words.peek() {
        let word = word.to_owned();
        sentence.clause(&word, &mut words)?;
    }
    sentence.check(&words)?;
    sentence.write(&words, spec)
}

/// What a clause can set: how many days, frequencies, times, months, years and windows a sentence has.
type Parts = [usize; 6];
/// The index of the times in [`Parts`].
const TIMES: usize = 2;

impl Sentence {
    fn parts(&self) -> Parts {
        let all_days = usize::from(self.all_days);
        [
            self.month_days.len() + self.week_days.len() + all_days,
            self.frequencies,
            self.times.len(),
            self.months.len(),
            self.years.len(),
            usize::from(self.window.is_some()),
        ]
    }

    /// Reads a clause. Two clauses must not set the same part: in `every day at 09:00 and every Monday at 10:00`, each time has its own days.
    fn clause(&mut self, word: &str, words: &mut Words<'_>) -> Result<(), TextError> {
        let (start, before) = (words.position(), self.parts());
        self.read_clause(word, words)?;
        let after = self.parts();
        let is_list = self.last_part == Some(TIMES);
        for (index, (before, after)) in before.into_iter().zip(after).enumerate().filter(|(_, (b, a))| b != a) {
            if before > 0 && after > before && !(index == TIMES && is_list) {
                return Err(words.error_since(
                    start,
                    "this belongs to another sentence: separate the sentences with `;`, as in `every day at 09:00; and every Monday at 10:00`",
                ));
            }
            self.last_part = Some(index);
        }
        Ok(())
    }

    fn read_clause(&mut self, word: &str, words: &mut Words<'_>) -> Result<(), TextError> {
        let start = words.position();
        match word {
            "," | "and" => words.skip(1),
            "every" | "each" => {
                words.skip(1);
                self.every(words)?;
            }
            "daily" | "nightly" => {
                words.skip(1);
                (self.all_days, self.daily) = (true, word == "daily");
                self.part_of_day = self.part_of_day.or(PartOfDay::named(word));
            }
            // After a day: `every Monday morning`.
            "morning" | "mornings" | "afternoon" | "afternoons" | "evening" | "evenings" | "night" | "nights"
                if self.part_of_day.is_none() && !self.week_days.is_empty() =>
            {
                words.skip(1);
                self.part_of_day = PartOfDay::named(word);
            }
            "hourly" => {
                words.skip(1);
                self.hourly = true;
                self.frequencies += 1;
            }
            "weekly" | "monthly" | "yearly" | "annually" => {
                return Err(words.error(format!(
                    "`{word}` needs a day, as in `every Monday at 09:00` or `on the 1st at 09:00`"
                )));
            }
            "biweekly" | "bimonthly" | "fortnightly" | "biannually" | "semiweekly" => {
                return Err(words.error(format!(
                    "`{word}` is ambiguous: name the days, as in `every Monday and Thursday at 09:00`, or use `--interval 336h`"
                )));
            }
            "next" | "tomorrow" | "today" | "tonight" | "now" => {
                return Err(words
                    .error(format!("`{word}` is a single time; a schedule repeats"))
                    .only_hint("Use `--at` for a single time: `--at 'tomorrow 09:00'`."));
            }
            "once" | "twice" | "thrice" => {
                words.skip(1);
                self.per_day(
                    match word {
                        "once" => 1,
                        "twice" => 2,
                        _ => 3,
                    },
                    words,
                    start,
                )?;
            }
            "at" => {
                words.skip(1);
                self.at(words)?;
            }
            "on" => {
                words.skip(1);
                if !self.days(words)? {
                    return Err(words.error("expected a day, such as `Monday`, `weekdays`, `the 1st` or `the last Friday`"));
                }
            }
            "in" => {
                words.skip(1);
                self.months_or_years(words)?;
            }
            "from" | "between" => {
                words.skip(1);
                self.between(words)?;
            }
            "if" => {
                words.skip(1);
                while words.take(&["it", "is", "it's", "a", "an"]) {}
                while let Some(word) = words.peek() {
                    match (word, weekday(word)) {
                        ("weekday" | "weekdays", _) => self.only_if.extend(1..=5),
                        (_, Some(day)) => self.only_if.extend([day]),
                        (_, None) => break,
                    }
                    words.skip(1);
                    if !words.take_separator() {
                        break;
                    }
                }
                if self.only_if.is_empty() {
                    return Err(words.error("expected a day of the week"));
                }
            }
            "of" => {
                words.skip(1);
                self.of_months(words)?;
            }
            _ if number(word).is_some() && words.peek_after(1) == Some("times") => {
                words.skip(2);
                self.per_day(number(word).unwrap_or_default() as usize, words, start)?;
            }
            _ => {
                self.time_or_days(word, words)?;
            }
        }
        Ok(())
    }

    /// A clause that begins with none of the words above.
    fn time_or_days(&mut self, word: &str, words: &mut Words<'_>) -> Result<(), TextError> {
        if let Some(time) = time(words, false)? {
            self.times.push(time);
            return Ok(());
        }
        if word == "except" {
            return Err(words.error(
                "`except` needs a comma before it and dates after it, as in `, except 2026-12-25`; use `--exclude-calendar` for other exclusions",
            ));
        }
        if self.days(words)? {
            return Ok(());
        }
        let zone = if word.contains('/') {
            "; a time zone goes in parentheses at the end, or in `--time-zone`"
        } else {
            ""
        };
        Err(words.error(format!("`{}` is not understood{zone}", words.typed())))
    }

    /// After `twice`: `a day`, `daily`.
    fn per_day(&mut self, count: usize, words: &mut Words<'_>, start: usize) -> Result<(), TextError> {
        let per_day = words.take_all(&["a", "day"])
            || words.take_all(&["per", "day"])
            || words.take_all(&["every", "day"])
            || words.take(&["daily"]);
        if !per_day {
            return Err(words.error_since(start, "name the days and times, as in `twice a day at 06:00 and 18:00`"));
        }
        self.count = Some(count);
        Ok(())
    }

    /// After `at`.
    fn at(&mut self, words: &mut Words<'_>) -> Result<(), TextError> {
        let minute = words.peek().and_then(|word| number(word.strip_prefix(':')?));
        if let Some(minute) = minute.or_else(|| {
            (words.peek() == Some("minute"))
                .then(|| number(words.peek_after(1)?))
                .flatten()
        }) {
            let start = words.position();
            let named = usize::from(words.peek() == Some("minute"));
            words.skip(1 + named);
            if minute > 59 {
                return Err(words.error_since(start, format!("minute `{minute}` is out of range 0-59")));
            }
            if self.minute.is_some() {
                return Err(words.error_since(start, "only one minute can be given"));
            }
            self.minute = Some(minute);
            return Ok(());
        }
        loop {
            let Some(time) = time(words, true)? else {
                return Err(words.error("expected a time, such as `09:00`, `9am` or `noon`"));
            };
            self.times.push(time);
            let before = words.position();
            if !words.take_separator() {
                return Ok(());
            }
            let is_time = time_follows(words);
            if !is_time {
                words.back_to(before);
                return Ok(());
            }
        }
    }

    /// After `from` or `between`.
    fn between(&mut self, words: &mut Words<'_>) -> Result<(), TextError> {
        let start = words.position();
        let Some(from) = time(words, true)? else {
            return Err(words.error("expected a time, such as `09:00`"));
        };
        let to = if words.take(&["to", "until", "till", "and", "-"]) {
            let to = time(words, true)?;
            Some(to.ok_or_else(|| words.error("expected a time, such as `17:00`"))?)
        } else {
            None
        };
        if self.window.is_some() {
            return Err(words.error_since(start, "only one window can be given: separate two sentences with `;`"));
        }
        let clocks = [Some(from.clock), to.map(|to| to.clock)];
        if clocks.contains(&Some(Clock::Twelve)) && clocks.contains(&Some(Clock::Either)) {
            return Err(words.error_since(start, "ambiguous window: write `from 13:00 to 17:00`, or `from 1pm to 5pm`"));
        }
        let is_either = |time: &Time| time.clock == Clock::Either;
        if to.is_some_and(|to| to.second < from.second && (is_either(&to) || is_either(&from))) {
            return Err(words.error_since(
                start,
                "ambiguous window: write hours with two digits, as in `from 22:00 to 06:00`, or with `am` and `pm`",
            ));
        }
        self.window = Some((from.second, to.map(|to| to.second)));
        Ok(())
    }

    /// After `in`.
    fn months_or_years(&mut self, words: &mut Words<'_>) -> Result<(), TextError> {
        let start = words.position();
        loop {
            let Some(word) = words.peek() else {
                return Err(words.error("expected a month or a year"));
            };
            if let Some(month) = month(word) {
                self.months.insert(month);
            } else if let Some(year) = number(word).filter(|year| (2000..=2100).contains(year)) {
                self.years.insert(u16::try_from(year).unwrap_or_default());
            } else if leading_number(word).is_some() {
                return Err(words
                    .error("this is a single time; a schedule repeats")
                    .only_hint("Use `--at` for a single time: `--at '2026-12-24 18:00'`."));
            } else if words.position() > start {
                return Err(words.error(format!("`{word}` is not a month or a year")));
            } else {
                return Err(words.error(format!(
                    "expected a month or a year after `in`, found `{word}`; use `--time-zone` for a time zone, and `at` for a time of day"
                )));
            }
            words.skip(1);
            let before = words.position();
            if !words.take_separator() {
                return Ok(());
            }
            if !words
                .peek()
                .is_some_and(|next| month(next).is_some() || number(next).is_some_and(|n| n >= 2000))
            {
                words.back_to(before);
                return Ok(());
            }
        }
    }

    /// After `of`: `the month`, `each month`, or months.
    fn of_months(&mut self, words: &mut Words<'_>) -> Result<(), TextError> {
        if words.take(&["the", "every", "each"]) {
            if words.take(&["month"]) {
                return Ok(());
            }
            return Err(words.error("expected `month`"));
        }
        if words.peek().is_none_or(|word| month(word).is_none()) {
            return Err(words.error("expected `the month`, or the name of a month"));
        }
        self.months_or_years(words)
    }

    /// Whether it restricts the days.
    pub(super) fn names_days(&self) -> bool {
        !self.month_days.is_empty() || !self.week_days.is_empty() || !self.months.is_empty() || !self.years.is_empty()
    }
}
