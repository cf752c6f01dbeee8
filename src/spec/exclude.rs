//! The search for civil times that no exclusion matches: by whole days where exclusions take them. Pure integers.

use super::calendar::{Calendar, DAY, bit_from, date_of};

/// The first civil second after `civil` that `calendar` matches and none of `exclusions` does, if there is one before the year 2101.
pub(super) fn next_allowed(calendar: &Calendar, exclusions: &[Calendar], civil: i64) -> Option<i64> {
    let at = calendar.next_after(civil)?;
    if exclusions.iter().any(|e| e.matches(at)) {
        Search::new(calendar, TimesOfDay::Of(calendar), exclusions).from(at, i64::MAX)
    } else {
        Some(at)
    }
}

/// Times of day.
#[derive(Debug, Clone, Copy)]
pub(super) enum TimesOfDay<'a> {
    /// Those of a calendar.
    Of(&'a Calendar),
    /// Every so many seconds of a day, the first after so many.
    Every(i64, i64),
}

impl TimesOfDay<'_> {
    /// The first of them at or after a second of the day.
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

/// Looks for times of the days of a calendar that are left.
#[derive(Debug)]
pub(super) struct Search<'a> {
    calendar: &'a Calendar,
    candidates: TimesOfDay<'a>,
    /// On a day that one of them matches, no time is left.
    whole_days: Vec<&'a Calendar>,
    /// They take some times of the days they match.
    times: Vec<&'a Calendar>,
    /// Sets of `times`, and the first time of day that is left where exactly these match the day.
    known: Vec<(u64, Option<i64>)>,
}

impl<'a> Search<'a> {
    /// For the `candidates` on the days of `calendar`, whose own times they are among.
    pub(super) fn new(calendar: &'a Calendar, candidates: TimesOfDay<'a>, exclusions: &'a [Calendar]) -> Self {
        let (whole_days, times) = exclusions.iter().partition(|e| e.has_times_of(calendar));
        Self {
            calendar,
            candidates,
            whole_days,
            times,
            known: Vec::new(),
        }
    }

    /// The first candidate left at or after `civil`; days after the one of `until` are not looked at.
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
                if let Some(at) = self.first_left(&by_time, d, (civil - midnight).max(0)) {
                    return Some(midnight + at);
                }
            }
        }
        None
    }

    /// The first time left of a day of the month, from `second_of_day` on.
    fn first_left(&mut self, by_time: &[u32], day: i64, second_of_day: i64) -> Option<i64> {
        let matching = || by_time.iter().enumerate().filter(|(_, days)| **days >> day & 1 == 1);
        let exclusions = |all: &[&'a Calendar]| -> Vec<_> { matching().map(|(i, _)| all[i]).collect() };
        if by_time.len() > 64 {
            return self.time_left(&exclusions(&self.times), second_of_day);
        }
        let set = matching().fold(0_u64, |set, (i, _)| set | 1 << i);
        let known = self.known.iter().find(|(known, _)| *known == set).map(|(_, left)| *left);
        let left = if let Some(left) = known {
            left?
        } else {
            let left = self.time_left(&exclusions(&self.times), 0);
            self.known.push((set, left));
            left?
        };
        if left >= second_of_day {
            Some(left)
        } else {
            self.time_left(&exclusions(&self.times), second_of_day)
        }
    }

    fn time_left(&self, exclusions: &[&Calendar], second_of_day: i64) -> Option<i64> {
        let mut at = self.candidates.from(second_of_day)?;
        while let Some(exclusion) = exclusions.iter().find(|e| e.matches_time(at)) {
            at = self.candidates.from(exclusion.time_may_end_at(at))?;
        }
        Some(at)
    }
}
