//! The time zones that schedules are in, as the server last saw them: when one has changed, next times are computed again.

use chrono::{DateTime, Utc};
use rusqlite::{OptionalExtension as _, named_params};

use super::rows::{Context as _, count, ms};
use super::{Read, Write};
use crate::error::Error;

/// How many schedules are marked in one transaction.
const BATCH: usize = 1000;

impl Read<'_> {
    /// The zones that schedules are in, whichever they are; by one seek for each, however many schedules there are.
    pub(crate) fn zones_in_use(&self) -> Result<Vec<String>, Error> {
        const SQL: &str = "WITH RECURSIVE used (name) AS (
                SELECT min(time_zone) FROM schedule
                UNION ALL SELECT (SELECT min(time_zone) FROM schedule WHERE time_zone > used.name) FROM used WHERE used.name IS NOT NULL)
            SELECT name FROM used WHERE name <> '' ORDER BY name";
        let what = "ask which time zones are in use";
        let mut statement = self.0.prepare_cached(SQL).context(what)?;
        let rows = statement.query_map([], |r| r.get("name")).context(what)?;
        rows.collect::<rusqlite::Result<_>>().context(what)
    }

    /// The fingerprint that a zone had when the server last saw it.
    pub(crate) fn zone_seen(&self, name: &str) -> Result<Option<u64>, Error> {
        const SQL: &str = "SELECT fingerprint FROM zone WHERE name = :name";
        let what = "ask what the time zone was like";
        let mut statement = self.0.prepare_cached(SQL).context(what)?;
        let found = statement.query_row(named_params! {":name": name}, |r| r.get::<_, String>("fingerprint"));
        Ok(found.optional().context(what)?.and_then(|f| u64::from_str_radix(&f, 16).ok()))
    }
}

impl Write<'_> {
    /// Notes what a zone is like now.
    pub(crate) fn see_zone(&self, name: &str, fingerprint: u64, now: DateTime<Utc>) -> Result<(), Error> {
        const SQL: &str = "INSERT INTO zone (name, fingerprint, since_ms) VALUES (:name, :fingerprint, :now)
            ON CONFLICT (name) DO UPDATE SET fingerprint = excluded.fingerprint, since_ms = excluded.since_ms";
        let fingerprint = format!("{fingerprint:016x}");
        let values = named_params! {":name": name, ":fingerprint": fingerprint, ":now": ms(now)};
        self.0.0.execute(SQL, values).map(|_| ()).context("note the time zone")
    }

    /// Has the ticker look at the schedules of a zone, a batch of them after the key `after`: how many, and the last key, if there may be more.
    pub(crate) fn attend_zone(&self, name: &str, after: i64, now: DateTime<Utc>) -> Result<(u64, Option<i64>), Error> {
        // Version 1 of the file did not say in which zone a schedule is: those are looked at too.
        const SQL: &str = "SELECT key FROM schedule WHERE time_zone IN (:name, '') AND key > :after ORDER BY key LIMIT :batch";
        let what = "look for the schedules of the time zone";
        let mut statement = self.0.0.prepare_cached(SQL).context(what)?;
        let rows = statement.query_map(
            named_params! {":name": name, ":after": after, ":batch": count(BATCH as u64)},
            |r| r.get::<_, i64>("key"),
        );
        let keys = rows.context(what)?.collect::<rusqlite::Result<Vec<_>>>().context(what)?;
        for key in &keys {
            self.attend(*key, Some(now))?;
        }
        let more = keys.last().copied().filter(|_| keys.len() >= BATCH);
        Ok((keys.len() as u64, more))
    }
}
