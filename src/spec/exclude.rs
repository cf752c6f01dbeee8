//! The search for the next civil time of a calendar that no exclusion matches: by whole days where exclusions take them. Pure integers.

use super::calendar::{Calendar, DAY, bit_from, date_of};

/// The first civil second after `civil` that `calendar` matches and none of `exclusions` does, if there is one before the year 2101.
pub(super) fn next_allowed(calendar: &Calendar, exclusions: &[Calendar], civil: i64) -> Option<i64> {
    let at = calendar.next_after(civil)?;
    if exclusions.iter().any(|e| e.matches(at)) {
        Search::new(calendar, exclusions).from(at)
    } else {
        Some(at)
    }
}

struct Search<'a> {
    calendar: &'a Calendar,
    /// On a day that one of them matches, no time of the calendar is left.
    whole_days: Vec<&'a Calendar>,
    /// They take some times of the days they match.
    times: Vec<&'a Calendar>,
    /// Sets of `times`, and the first time of day that is left where exactly these match the day.
    known: Vec<(u64, Option<i64>)>,
}

impl<'a> Search<'a> {
    fn new(calendar: &'a Calendar, exclusions: &'a [Calendar]) -> Self {
        let (whole_days, times) = exclusions.iter().partition(|e| e.has_times_of(calendar));
        Self {
            calendar,
            whole_days,
            times,
            known: Vec::new(),
        }
    }

    fn from(&mut self, civil: i64) -> Option<i64> {
        let (year, month, _) = date_of(civil.div_euclid(DAY));
        let calendar = self.calendar;
        for (first, mut days) in calendar.months_from(year, month) {
            for whole in &self.whole_days {
                days &= !whole.days_of_month(first);
            }
            let by_time: Vec<u32> = self.times.iter().map(|e| e.days_of_month(first)).collect();
            let mut day = 1;
            while let Some(d) = bit_from(u64::from(days), day) {
                day = d + 1;
                let midnight = (first + d - 1) * DAY;
                if midnight + DAY <= civil {
                    continue;
                }
                let left = self.first_left(&by_time, d, (civil - midnight).max(0));
                if let Some(at) = left {
                    return Some(midnight + at);
                }
            }
        }
        None
    }

    /// The first time left of a day of the month, from `second_of_day` on.
    fn first_left(&mut self, by_time: &[u32], day: i64, second_of_day: i64) -> Option<i64> {
        let matching = by_time.iter().enumerate().filter(|(_, days)| **days >> day & 1 == 1);
        if second_of_day > 0 || by_time.len() > 64 {
            let matching: Vec<_> = matching.map(|(i, _)| self.times[i]).collect();
            return time_left(self.calendar, &matching, second_of_day);
        }
        let set = matching.fold(0_u64, |set, (i, _)| set | 1 << i);
        if let Some((_, left)) = self.known.iter().find(|(known, _)| *known == set) {
            return *left;
        }
        let matching: Vec<_> = (0..by_time.len())
            .filter(|i| set >> i & 1 == 1)
            .map(|i| self.times[i])
            .collect();
        let left = time_left(self.calendar, &matching, 0);
        self.known.push((set, left));
        left
    }
}

/// The first second of a day from `second_of_day` on that the calendar has and the exclusions leave.
fn time_left(calendar: &Calendar, exclusions: &[&Calendar], second_of_day: i64) -> Option<i64> {
    let mut at = calendar.time_from(second_of_day)?;
    while let Some(exclusion) = exclusions.iter().find(|e| e.matches_time(at)) {
        at = calendar.time_from(exclusion.time_may_end_at(at))?;
    }
    Some(at)
}
