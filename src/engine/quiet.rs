//! Quiet moments: from shortly before a due time until its run has started, no backfilled run starts, so that the machine is free for the due run.
//! Pure decisions.

use chrono::{DateTime, TimeDelta, Utc};

/// How long before a due time a quiet moment begins, and how long after the due time it ends.
const BEFORE: TimeDelta = TimeDelta::milliseconds(15);
const AFTER: TimeDelta = TimeDelta::milliseconds(10);
/// Minimum time between quiet moments, so that a backfill makes progress however often something comes due.
const BETWEEN: TimeDelta = TimeDelta::milliseconds(100);

/// Decides whether it is quiet.
#[derive(Debug, Default)]
pub(super) struct Quiet {
    /// The due time of the current quiet moment.
    mark: Option<DateTime<Utc>>,
    ended: Option<DateTime<Utc>>,
}

impl Quiet {
    /// Returns whether it is quiet at `now`, when the next due time is `next`.
    pub(super) fn at(&mut self, now: DateTime<Utc>, next: Option<DateTime<Utc>>) -> bool {
        if self.mark.is_some_and(|mark| now >= mark + AFTER) {
            self.mark = None;
            self.ended = Some(now);
        }
        let rested = self.ended.is_none_or(|ended| now - ended >= BETWEEN);
        if self.mark.is_none() && rested {
            self.mark = next.filter(|next| *next > now && *next - now <= BEFORE);
        }
        self.mark.is_some()
    }

    /// Returns when to ask again, when the next due time is `next`.
    pub(super) fn next_change(&self, next: Option<DateTime<Utc>>) -> Option<DateTime<Utc>> {
        let begins = |next: DateTime<Utc>| self.ended.map_or(next - BEFORE, |ended| (next - BEFORE).max(ended + BETWEEN));
        self.mark.map(|mark| mark + AFTER).or_else(|| next.map(begins))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_quiet_around_a_due_time_but_not_again_within_100_ms() {
        let at = |ms: i64| DateTime::from_timestamp_millis(1_000_000 + ms).unwrap();
        let mut quiet = Quiet::default();
        for (now, next, want) in [
            (0, Some(1000), false),
            (986, Some(1000), true),
            (1001, Some(1020), true),
            (1011, Some(1020), false),
            (1100, Some(1110), false),
            (1112, Some(1120), true),
        ] {
            assert_eq!(quiet.at(at(now), next.map(at)), want, "at {now}");
        }
        assert_eq!(quiet.next_change(Some(at(5000))), Some(at(1130)));
    }
}
