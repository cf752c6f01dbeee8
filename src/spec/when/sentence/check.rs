//! What one sentence cannot say: contradictions, ambiguities, and missing parts.

use super::super::super::text::TextError;
use super::super::clock_time::Clock;
use super::super::vocabulary::MONTHS;
use super::super::words::Words;
use super::Sentence;

impl Sentence {
    /// What one sentence cannot say.
    pub(super) fn check(&self, words: &Words<'_>) -> Result<(), TextError> {
        let whole = |message: &str| Err(words.error_since(0, message));
        if self.times.iter().any(|t| t.clock == Clock::Twelve) && self.times.iter().any(|t| t.clock == Clock::Either) {
            return whole("12-hour and 24-hour times are mixed: write `14:30` or `2:30pm`");
        }
        let is_frequent = self.every.is_some() || self.hourly;
        let fault = self
            .part_of_day
            .and_then(|part| part.fault(&self.times, self.window, is_frequent, self.names_days()));
        if let Some(fault) = fault {
            return whole(&fault);
        }
        if self.every_month && !self.months.is_empty() {
            return whole("`every month` and the name of a month contradict each other");
        }
        let is_ascending = self.times.is_sorted_by_key(|time| time.second);
        if !is_ascending && self.times.iter().any(|t| t.clock == Clock::Either) {
            return whole("ambiguous times: write `09:00 and 17:00`, or `9am and 5pm`");
        }
        let all_dates = self.dates.is_empty() || self.dates.len() == self.months.len() * self.month_days.len();
        if !all_dates {
            return whole("each date needs its own sentence, as in `on 1 January at 09:00; and on 4 July at 09:00`");
        }
        if !self.month_days.is_empty() && !self.week_days.is_empty() {
            return whole(
                "combining days of the month with days of the week is ambiguous: write `on the 1st if a Monday` for days that are both, \
                 or two sentences, as in `on the 1st at 09:00; and every Monday at 09:00`",
            );
        }
        if !self.only_if.is_empty() && self.month_days.is_empty() {
            return whole("`if` must follow a day of the month, as in `on the 13th if a Friday`");
        }
        // `the 2nd Friday`, which a week does not have.
        let is_nth = |day: &String| day.contains(['#', 'L']);
        let in_week = !self.week_days.is_empty() && !self.week_days.iter().any(is_nth);
        let in_month = !self.month_days.is_empty() || (!self.week_days.is_empty() && self.week_days.iter().all(is_nth));
        let has_day = match self.period {
            Some("week") => in_week,
            Some("year") => in_month && !self.months.is_empty(),
            Some(_) => in_month || (in_week && !self.months.is_empty()),
            None => true,
        };
        if let Some(period) = self.period.filter(|_| !has_day) {
            return whole(&format!("no day of the {period} is given"));
        }
        if let Some(count) = self.count
            && count != self.times.len()
        {
            let times = if count == 1 { "time" } else { "times" };
            return whole(&format!("expected {count} {times} of day, found {}", self.times.len()));
        }
        let frequent = self.every.is_some() || self.hourly;
        if frequent && !self.times.is_empty() {
            return whole("a frequency and a time of day cannot be combined");
        }
        if !frequent && (self.window.is_some() || self.minute.is_some()) {
            return whole("no frequency is given; for example: `every 15 min from 09:00 to 17:00`");
        }
        if !frequent && self.times.is_empty() && !self.daily {
            return whole("no time of day is given; add one, such as `at 09:00`");
        }
        let longest = |month: &u16| MONTHS[usize::from(month - 1)].1;
        let days: Vec<u16> = self.month_days.iter().filter_map(|day| day.parse().ok()).collect();
        let only_plain = !days.is_empty() && days.len() == self.month_days.len();
        if only_plain && !self.months.is_empty() && self.months.iter().all(|m| days.iter().all(|day| *day > longest(m))) {
            return whole("it never fires: the day does not exist in the given month");
        }
        Ok(())
    }
}
