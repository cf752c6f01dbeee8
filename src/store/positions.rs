//! Positions in tables whose keys grow with time: finds the rows since a time without an index on it.

use chrono::{DateTime, TimeDelta, Utc};
use rusqlite::{OptionalExtension as _, named_params};

use super::Read;
use super::rows::{Context as _, ms};
use crate::error::Error;

/// Rows may be out of order by as much as this, because the clock was set back.
const MARGIN: TimeDelta = TimeDelta::days(1);

/// A table whose keys grow with time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Growing {
    Events,
    Runs,
}

impl Growing {
    /// The first row above a key.
    fn next(self) -> &'static str {
        match self {
            Self::Events => "SELECT key, at_ms AS at FROM event WHERE key > :key ORDER BY key LIMIT 1",
            Self::Runs => "SELECT key, started_ms AS at FROM run WHERE key > :key ORDER BY key LIMIT 1",
        }
    }

    fn last(self) -> &'static str {
        match self {
            Self::Events => "SELECT coalesce(max(key), 0) AS key FROM event",
            Self::Runs => "SELECT coalesce(max(key), 0) AS key FROM run",
        }
    }
}

impl Read<'_> {
    /// A key such that every row since `at` is above it, and few others are, in a number of steps that grows with the logarithm of the table.
    pub(super) fn key_before(&self, table: Growing, at: DateTime<Utc>) -> Result<i64, Error> {
        let what = "find where a time begins";
        let at = ms(at.checked_sub_signed(MARGIN).unwrap_or(at));
        let last = self.0.query_row(table.last(), [], |r| r.get("key")).context(what)?;
        let mut statement = self.0.prepare_cached(table.next()).context(what)?;
        // Rows up to `low` are before the time, those above `high` are not.
        let (mut low, mut high): (i64, i64) = (0, last);
        while low < high {
            let middle = low + (high - low) / 2;
            let next = statement.query_row(named_params! {":key": middle}, |r| Ok((r.get("key")?, r.get("at")?)));
            match next.optional().context(what)? {
                Some((key, found)) if found < at => low = key,
                Some::<(i64, i64)>(_) | None => high = middle,
            }
        }
        Ok(low)
    }
}
