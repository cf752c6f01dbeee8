//! The time zones of schedules, as the server last saw them: when the data of one changes, next times are recalculated.

use chrono::{DateTime, Utc};
use rusqlite::{OptionalExtension as _, named_params};

use super::rows::{Context as _, count, ms};
use super::{Read, Write};
use crate::error::Error;

/// Number of schedules marked in one transaction.
const BATCH: usize = 1000;

impl Read<'_> {
    /// The names of all time zones in use, with one index seek per zone, regardless of the number of schedules.
    pub(crate) fn zones_in_use(&self) -> Result<Vec<String>, Error> {
        const SQL: &str = "WITH RECURSIVE used (name) AS (
                SELECT min(time_zone) FROM schedule
                UNION ALL SELECT (SELECT min(time_zone) FROM schedule WHERE time_zone > used.name) FROM used WHERE used.name IS NOT NULL)
            SELECT name FROM used WHERE name <> '' ORDER BY name";
        let what = "list the time zones in use";
        let mut statement = self.0.prepare_cached(SQL).context(what)?;
        let rows = statement.query_map([], |r| r.get("name")).context(what)?;
        rows.collect::<rusqlite::Result<_>>().context(what)
    }

    /// The fingerprint of a zone when the server last saw it.
    pub(crate) fn zone_fingerprint(&self, name: &str) -> Result<Option<u64>, Error> {
        const SQL: &str = "SELECT fingerprint FROM zone WHERE name = :name";
        let what = "read the fingerprint of the time zone";
        let mut statement = self.0.prepare_cached(SQL).context(what)?;
        let found = statement.query_row(named_params! {":name": name}, |r| r.get::<_, String>("fingerprint"));
        Ok(found.optional().context(what)?.and_then(|f| u64::from_str_radix(&f, 16).ok()))
    }
}

impl Write<'_> {
    /// Records the current fingerprint of a zone.
    pub(crate) fn record_zone(&self, name: &str, fingerprint: u64, now: DateTime<Utc>) -> Result<(), Error> {
        const SQL: &str = "INSERT INTO zone (name, fingerprint, since_ms) VALUES (:name, :fingerprint, :now)
            ON CONFLICT (name) DO UPDATE SET fingerprint = excluded.fingerprint, since_ms = excluded.since_ms";
        let fingerprint = format!("{fingerprint:016x}");
        let values = named_params! {":name": name, ":fingerprint": fingerprint, ":now": ms(now)};
        self.0.0.execute(SQL, values).map(|_| ()).context("record the time zone")
    }

    /// Makes the ticker look at a batch of the schedules in a zone, those after the key `after`. Returns their number, and the last key if there may
    /// be more.
    pub(crate) fn attend_zone(&self, name: &str, after: i64, now: DateTime<Utc>) -> Result<(u64, Option<i64>), Error> {
        // Schedules from schema version 1 have no recorded zone; they are included.
        const SQL: &str = "SELECT key FROM schedule WHERE time_zone IN (:name, '') AND key > :after ORDER BY key LIMIT :batch";
        let what = "find the schedules of the time zone";
        let mut statement = self.0.0.prepare_cached(SQL).context(what)?;
        let rows = statement.query_map(
            named_params! {":name": name, ":after": after, ":batch": count(BATCH as u64)},
            |r| r.get::<_, i64>("key"),
        );
        let keys = rows.context(what)?.collect::<rusqlite::Result<Vec<_>>>().context(what)?;
        for key in &keys {
            self.set_attention(*key, Some(now))?;
        }
        let more = keys.last().copied().filter(|_| keys.len() >= BATCH);
        Ok((keys.len() as u64, more))
    }
}
