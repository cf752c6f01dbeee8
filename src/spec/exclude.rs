//! The search for civil times that no exclusion matches; days that are excluded entirely are skipped. Integers only.

use super::calendar::{Calendar, DAY, bit_from, date_of};

/// The first civil second after `civil` that matches `calendar` and none of `exclusions`, if there is one before the year 2101.
pub(super) fn next_allowed(calendar: &Calendar, exclusions: &[Calendar], civil: i64) -> Option<i64> {
    let at = calendar.next_after(civil)?;
    if exclusions.iter().any(|e| e.matches(at)) {
        Search::new(calendar, TimesOfDay::Of(calendar), exclusions).from(at, i64::MAX)
    } else {
        Some(at)
    }
}

/// A set of times of day.
#[derive(Debug, Clone, Copy)]
pub(super) enum TimesOfDay<'a> {
    /// The times of a calendar.
    Of(&'a Calendar),
    /// An interval in seconds, and the second of the day of the first time.
    Every(i64, i64),
}

impl TimesOfDay<'_> {
    /// The first time at or after a second of the day.
    fn from(self, second_of_day: i64) -> Option<i64> {
        match self {
            Self::Of(calendar) => calendar.time_from(second_of_day),
            Self::Every(every, first) => {
                let at = second_of_day + (first - second_of_day).rem_euclid(every);
                (at < DAY).then_some(at)
            }
        }
    }
}

/// Searches the days of a calendar for times that are not excluded.
#[derive(Debug)]
pub(super) struct Search<'a> {
    calendar: &'a Calendar,
    candidates: TimesOfDay<'a>,
    /// Exclusions that remove all times of the days they match.
    whole_days: Vec<&'a Calendar>,
    /// Exclusions that remove some times of the days they match.
    times: Vec<&'a Calendar>,
    /// By set of `times` (bits): the first time of day that is not excluded if exactly these match the day.
    cache: Vec<(u64, Option<i64>)>,
}

impl<'a> Search<'a> {
    /// A search for `candidates` on the days of `calendar`; they must be times of it.
    pub(super) fn new(calendar: &'a Calendar, candidates: TimesOfDay<'a>, exclusions: &'a [Calendar]) -> Self {
        let (whole_days, times) = exclusions.iter().partition(|e| e.has_times_of(calendar));
        Self {
            calendar,
            candidates,
            whole_days,
            times,
            cache: Vec::new(),
        }
    }

    /// The first allowed candidate at or after `civil`; days after that of `until` are not searched.
    pub(super) fn from(&mut self, civil: i64, until: i64) -> Option<i64> {
        let (year, month, _) = date_of(civil.div_euclid(DAY));
        let calendar = self.calendar;
        let mut by_time = Vec::new();
        for (first, mut days) in calendar.months_from(year, month) {
            for whole in &self.whole_days {
                days &= !whole.days_of_month(first);
            }
            by_time.clear();
            by_time.extend(self.times.iter().map(|e| e.days_of_month(first)));
            let mut day = 1;
            while let Some(d) = bit_from(u64::from(days), day) {
                day = d + 1;
                let midnight = (first + d - 1) * DAY;
                if midnight > until {
                    return None;
                }
                if midnight + DAY <= civil {
                    continue;
                }
                if let Some(at) = self.first_allowed(&by_time, d, (civil - midnight).max(0)) {
                    return Some(midnight + at);
                }
            }
        }
        None
    }

    /// The first allowed time of a day of the month, from `second_of_day` on.
    fn first_allowed(&mut self, by_time: &[u32], day: i64, second_of_day: i64) -> Option<i64> {
        let matching = || by_time.iter().enumerate().filter(|(_, days)| **days >> day & 1 == 1);
        let exclusions = |all: &[&'a Calendar]| -> Vec<_> { matching().map(|(i, _)| all[i]).collect() };
        if by_time.len() > 64 {
            return self.allowed_time(&exclusions(&self.times), second_of_day);
        }
        let set = matching().fold(0_u64, |set, (i, _)| set | 1 << i);
        let cached = self.cache.iter().find(|(key, _)| *key == set).map(|(_, allowed)| *allowed);
        let allowed = if let Some(allowed) = cached {
            allowed?
        } else {
            let allowed = self.allowed_time(&exclusions(&self.times), 0);
            self.cache.push((set, allowed));
            allowed?
        };
        if allowed >= second_of_day {
            Some(allowed)
        } else {
            self.allowed_time(&exclusions(&self.times), second_of_day)
        }
    }

    fn allowed_time(&self, exclusions: &[&Calendar], second_of_day: i64) -> Option<i64> {
        let mut at = self.candidates.from(second_of_day)?;
        while let Some(exclusion) = exclusions.iter().find(|e| e.matches_time(at)) {
            at = self.candidates.from(exclusion.time_may_end_at(at))?;
        }
        Some(at)
    }
}
