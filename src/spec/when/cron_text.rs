//! A sentence written as an interval or as cron strings.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::super::spec_text::SpecText;
use super::super::text::{TextError, duration_text};
use super::clock_time::{Clock, Time};
use super::sentence::Sentence;
use super::vocabulary::DAY;
use super::words::Words;

impl Sentence {
    /// Adds the times to a spec.
    pub(super) fn write(&self, words: &Words<'_>, spec: &mut SpecText) -> Result<(), TextError> {
        if let Some((every, offset)) = self.every
            && !self.names_days()
            && self.window.is_none()
            && self.minute.is_none()
        {
            let text = |seconds: u32| duration_text(Duration::from_secs(seconds.into()));
            let offset_text = if offset > 0 {
                format!("/{}", text(offset))
            } else {
                String::new()
            };
            if offset >= every {
                return Err(words.error_since(0, "the offset must be less than the interval"));
            }
            spec.interval.push(text(every) + &offset_text);
            return Ok(());
        }
        for [seconds, minutes, hours] in self.times_of_day(words)? {
            spec.cron.push(self.cron(&seconds, &minutes, &hours));
        }
        Ok(())
    }

    /// The times of day, as products of seconds, minutes and hours.
    fn times_of_day(&self, words: &Words<'_>) -> Result<Vec<[BTreeSet<u32>; 3]>, TextError> {
        let whole = |message: &str| words.error_since(0, message);
        let zero = BTreeSet::from([0]);
        let step = if self.hourly {
            3600
        } else {
            self.every.map_or(0, |(every, _)| every)
        };
        if step == 0 {
            let midnight = Time {
                second: 0,
                clock: Clock::TwentyFour,
            };
            let times = if self.times.is_empty() {
                vec![midnight]
            } else {
                self.times.clone()
            };
            return Ok(products(times.iter().map(|t| t.second).collect()));
        }
        if self.every.is_some_and(|(_, offset)| offset > 0) {
            return Err(whole("an offset (`past`) cannot be combined with days or a window"));
        }
        if self.minute.is_some() && step % 3600 != 0 {
            return Err(whole("a minute needs whole hours, as in `every 2 h at :30`"));
        }
        if self.minute.is_some() && self.window.is_some() {
            return Err(whole(
                "a minute and a window cannot be combined: include the minute in the window, as in `every hour from 09:30 to 16:30`",
            ));
        }
        if step > DAY && self.window.is_some() {
            return Err(whole("an interval combined with a window must be at most 24 h"));
        }
        let minute = self.minute.unwrap_or(0);
        if step < 60 {
            let hours = match self.window {
                None => (0..24).collect(),
                Some((from, Some(to))) if from % 3600 == 0 && to / 60 % 60 == 59 && from <= to => {
                    (from / 3600..=to / 3600).collect()
                }
                Some(_) => {
                    return Err(whole(
                        "an interval in seconds needs a window that begins at minute 00 and ends at minute 59, as in `from 09:00 to 16:59`",
                    ));
                }
            };
            if 60 % step != 0 {
                return Err(whole("seconds combined with days or a window must divide a minute evenly"));
            }
            let seconds = (0..60).step_by(step as usize).collect();
            return Ok(vec![[seconds, (0..60).collect(), hours]]);
        }
        if step % 60 != 0 {
            return Err(whole(
                "an interval combined with days or a window must be whole minutes, or seconds that divide a minute evenly",
            ));
        }
        let (from, to) = match self.window {
            Some((from, to)) => (from, to.unwrap_or(DAY - 1)),
            None => (minute * 60, DAY - 1),
        };
        if self.window.is_none() && !DAY.is_multiple_of(step) {
            return Err(whole("an interval combined with days must divide 24 h evenly"));
        }
        // `from 09:00 to 17:59` are the times of nine whole hours on the clock.
        let on_the_clock = self.window.is_none() || (from % 3600 == 0 && to / 60 % 60 == 59);
        if on_the_clock && from <= to && step < 3600 && 3600 % step == 0 {
            let minutes = (0..60).step_by((step / 60) as usize).collect();
            return Ok(vec![[zero, minutes, (from / 3600..=to / 3600).collect()]]);
        }
        let passes_midnight = to < from;
        if passes_midnight && self.names_days() {
            return Err(whole(
                "a window cannot cross midnight on named days: write one for each day, separated by `;`",
            ));
        }
        let end = if passes_midnight { to + DAY } else { to };
        Ok(products(
            (from..=end).step_by(step as usize).map(|second| second % DAY).collect(),
        ))
    }

    fn cron(&self, seconds: &BTreeSet<u32>, minutes: &BTreeSet<u32>, hours: &BTreeSet<u32>) -> String {
        let any = || "*".to_owned();
        let days = if self.month_days.is_empty() {
            any()
        } else {
            self.month_days.join(",")
        };
        let weekdays = if !self.only_if.is_empty() {
            field(&self.only_if.iter().map(|d| u32::from(*d)).collect(), 7)
        } else if self.week_days.is_empty() {
            any()
        } else {
            self.week_days.join(",")
        };
        let months = if self.months.is_empty() {
            any()
        } else {
            field(&self.months.iter().map(|m| u32::from(*m)).collect(), 0)
        };
        let plain = format!("{} {} {days} {months} {weekdays}", field(minutes, 60), field(hours, 24));
        let years = (!self.years.is_empty()).then(|| field(&self.years.iter().map(|y| u32::from(*y)).collect(), 0));
        match (seconds.iter().eq([&0]), years) {
            (true, None) => plain,
            (true, Some(years)) => format!("{plain} {years}"),
            (false, years) => format!("{} {plain} {}", field(seconds, 60), years.unwrap_or_else(any)),
        }
    }
}

/// Groups times of day into products of seconds, minutes and hours, as few as hours with the same minutes allow.
fn products(times: BTreeSet<u32>) -> Vec<[BTreeSet<u32>; 3]> {
    let mut by_hour: BTreeMap<u32, BTreeSet<(u32, u32)>> = BTreeMap::new();
    for time in times {
        by_hour.entry(time / 3600).or_default().insert((time / 60 % 60, time % 60));
    }
    let mut groups: BTreeMap<BTreeSet<(u32, u32)>, BTreeSet<u32>> = BTreeMap::new();
    for (hour, within) in by_hour {
        groups.entry(within).or_default().insert(hour);
    }
    let mut products = Vec::new();
    for (within, hours) in groups {
        let mut by_second: BTreeMap<u32, BTreeSet<u32>> = BTreeMap::new();
        for (minute, second) in within {
            by_second.entry(second).or_default().insert(minute);
        }
        for (second, minutes) in by_second {
            products.push([BTreeSet::from([second]), minutes, hours.clone()]);
        }
    }
    products
}

/// A field of a cron string: `*`, `*/15`, ranges and lists. `all` is how many values the field has, counted from 0; 0 if it counts from elsewhere.
fn field(values: &BTreeSet<u32>, all: u32) -> String {
    let list: Vec<u32> = values.iter().copied().collect();
    if u32::try_from(list.len()) == Ok(all) {
        return "*".to_owned();
    }
    if let [0, step, _, ..] = list[..]
        && all.is_multiple_of(step)
        && list.iter().copied().eq((0..all).step_by(step as usize))
    {
        return format!("*/{step}");
    }
    let mut parts: Vec<(u32, u32)> = Vec::new();
    for value in list {
        match parts.last_mut() {
            Some((_, end)) if *end + 1 == value => *end = value,
            _ => parts.push((value, value)),
        }
    }
    let part = |(start, end): (u32, u32)| match end - start {
        0 => start.to_string(),
        1 => format!("{start},{end}"),
        _ => format!("{start}-{end}"),
    };
    parts.into_iter().map(part).collect::<Vec<_>>().join(",")
}
