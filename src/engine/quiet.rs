//! Moments of quiet: shortly before something comes due, and until it has begun, no backfilled run is taken up, so that the machine is free for what is
//! on time. Decides only.

use chrono::{DateTime, TimeDelta, Utc};

/// How long before a due time it begins, and how long after it ends.
const BEFORE: TimeDelta = TimeDelta::milliseconds(15);
const AFTER: TimeDelta = TimeDelta::milliseconds(10);
/// How long it is not quiet again, so that a backfill goes on however often something comes due.
const BETWEEN: TimeDelta = TimeDelta::milliseconds(100);

/// Whether it is quiet.
#[derive(Debug, Default)]
pub(super) struct Quiet {
    /// The due time that it is quiet for.
    mark: Option<DateTime<Utc>>,
    ended: Option<DateTime<Utc>>,
}

impl Quiet {
    /// Whether it is quiet at `now`, where the next due time is `next`.
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

    /// When to ask again, where the next due time is `next`.
    pub(super) fn changes(&self, next: Option<DateTime<Utc>>) -> Option<DateTime<Utc>> {
        let begins = |next: DateTime<Utc>| self.ended.map_or(next - BEFORE, |ended| (next - BEFORE).max(ended + BETWEEN));
        self.mark.map(|mark| mark + AFTER).or_else(|| next.map(begins))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_quiet_around_a_due_time_and_then_not_for_a_while() {
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
        assert_eq!(quiet.changes(Some(at(5000))), Some(at(1130)));
    }
}
