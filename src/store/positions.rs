//! Positions in the table of runs, whose keys grow with time: finds the runs since a time without an index on it.

use chrono::{DateTime, TimeDelta, Utc};
use rusqlite::{OptionalExtension as _, named_params};

use super::Read;
use super::rows::{Context as _, ms};
use crate::error::Error;

/// Runs may be out of order by as much as this, because the clock was set back.
const MARGIN: TimeDelta = TimeDelta::days(1);

impl Read<'_> {
    /// A key such that every run that started since `at` is above it, and few others are, in a number of steps that grows with the logarithm of the
    /// table.
    pub(super) fn run_before(&self, at: DateTime<Utc>) -> Result<i64, Error> {
        const LAST: &str = "SELECT coalesce(max(key), 0) AS key FROM run";
        const NEXT: &str = "SELECT key, started_ms FROM run WHERE key > :key ORDER BY key LIMIT 1";
        let what = "find where a time begins";
        let at = ms(at.checked_sub_signed(MARGIN).unwrap_or(at));
        let last = self.0.query_row(LAST, [], |r| r.get("key")).context(what)?;
        let mut statement = self.0.prepare_cached(NEXT).context(what)?;
        // Runs up to `low` are before the time, those above `high` are not.
        let (mut low, mut high): (i64, i64) = (0, last);
        while low < high {
            let middle = low + (high - low) / 2;
            let next = statement.query_row(named_params! {":key": middle}, |r| Ok((r.get("key")?, r.get("started_ms")?)));
            match next.optional().context(what)? {
                Some((key, found)) if found < at => low = key,
                Some::<(i64, i64)>(_) | None => high = middle,
            }
        }
        Ok(low)
    }
}
