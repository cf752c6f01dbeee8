//! What a clock that was set means for times on record: those from which timeouts, `expect_within` and reminders are counted move with it.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use rusqlite::named_params;

use super::Write;
use super::rows::{Context as _, ms};
use crate::error::Error;

impl Write<'_> {
    /// Moves the times from which something is counted by `by`, as the clock was, and those that are then still in the future to `now`: nothing ends
    /// sooner or later because the clock was set. Times of the last `since` are left, since they may have been recorded after that.
    pub(crate) fn move_with_clock(&self, by: TimeDelta, since: Duration, now: DateTime<Utc>) -> Result<(), Error> {
        const RUNS: &str = "UPDATE run SET resumed_ms = min(coalesce(resumed_ms, started_ms) + :by, :now) WHERE closed_ms IS NULL
            AND coalesce(resumed_ms, started_ms) NOT BETWEEN :now - :since AND :now AND (:by <> 0 OR coalesce(resumed_ms, started_ms) > :now)";
        const STEPS: &str = "UPDATE run SET step_started_ms = min(step_started_ms + :by, :now) WHERE closed_ms IS NULL
            AND step_started_ms NOT BETWEEN :now - :since AND :now AND (:by <> 0 OR step_started_ms > :now)";
        const EXPECTATIONS: &str = "UPDATE expectation SET since_ms = min(since_ms + :by, :now),
            due_ms = CASE WHEN due_ms IS NOT NULL THEN min(since_ms + :by, :now) + within_ms END
            WHERE since_ms NOT BETWEEN :now - :since AND :now AND (:by <> 0 OR since_ms > :now)";
        const REMINDERS: &str = "UPDATE incident SET remind_ms = min(remind_ms + :by, :now + remind_every_ms) WHERE remind_ms IS NOT NULL
            AND remind_ms - remind_every_ms NOT BETWEEN :now - :since AND :now AND (:by <> 0 OR remind_ms > :now + remind_every_ms)";
        let since = i64::try_from(since.as_millis()).unwrap_or(i64::MAX / 4).min(i64::MAX / 4);
        for sql in [RUNS, STEPS, EXPECTATIONS, REMINDERS] {
            let mut statement = self.0.0.prepare_cached(sql).context("record that the clock was set")?;
            let moved = statement.execute(named_params! {":by": by.num_milliseconds(), ":since": since, ":now": ms(now)});
            moved.context("record that the clock was set")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Missing, Store};
    use super::*;

    #[test]
    fn alarms_are_counted_from_times_that_move_with_the_clock() {
        let directory = tempfile::tempdir().unwrap();
        let mut store = Store::open(&directory.path().join("t.db"), Missing::Create).unwrap();
        let (now, second) = (1_000_000_000, 1000);
        // Counted from: before the clock was set, after it, and (it was set back while no server was running) in the future.
        for (by, since, moved) in [
            (-3600, now - 50 * second, now - 3650 * second),
            (-3600, now + 3500 * second, now - 100 * second),
            (-3600, now - second, now - second),
            (3600, now - 3650 * second, now - 50 * second),
            (3600, now - second, now - second),
            (0, now + 3500 * second, now),
            (0, now - 50 * second, now - 50 * second),
        ] {
            let rows = format!(
                "PRAGMA foreign_keys = OFF; DELETE FROM expectation; DELETE FROM incident;
                INSERT INTO expectation (schedule, within_ms, since_ms, due_ms) VALUES (1, 8000, {since}, {since} + 8000);
                INSERT INTO incident (owner, step, remind_every_ms, remind_ms) VALUES ('1', 's', 8000, {since} + 8000)"
            );
            store.connection.execute_batch(&rows).unwrap();
            let at = DateTime::from_timestamp_millis(now).unwrap();
            store
                .write(|w| w.move_with_clock(TimeDelta::seconds(by), Duration::from_secs(2), at))
                .unwrap();
            let sql = "SELECT since_ms, due_ms, remind_ms FROM expectation, incident";
            let found: [i64; 3] = store
                .connection
                .query_row(sql, [], |r| Ok([r.get(0)?, r.get(1)?, r.get(2)?]))
                .unwrap();
            assert_eq!(found, [moved, moved + 8000, moved + 8000], "by {by} s, since {since}");
        }
    }
}
