//! Numbers about the whole database, and a sign that it can be written.

use chrono::{DateTime, Utc};
use rusqlite::named_params;

use super::rows::{Context as _, ms};
use super::{Read, Write};
use crate::error::Error;

/// Numbers about the whole database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Totals {
    pub(crate) schedules: u64,
    pub(crate) paused: u64,
    pub(crate) open_runs: u64,
    /// As [`Read::queued`].
    pub(crate) queued: u64,
    pub(crate) incidents_open: u64,
    pub(crate) incidents_acked: u64,
}

impl Read<'_> {
    /// Counts what there is.
    pub(crate) fn totals(&self) -> Result<Totals, Error> {
        const PAUSED: &str = "SELECT count(*) AS n FROM schedule WHERE paused";
        let (schedules, open_runs) = self.count_schedules_and_runs()?;
        let mut statement = self.0.prepare_cached(PAUSED).context("count the paused schedules")?;
        let paused = statement
            .query_row([], |r| r.get("n"))
            .context("count the paused schedules")?;
        let (incidents_open, incidents_acked) = self.unresolved_incidents()?;
        Ok(Totals {
            schedules,
            paused,
            open_runs,
            queued: self.queued()?,
            incidents_open,
            incidents_acked,
        })
    }
}

impl Write<'_> {
    /// Writes the time, which shows that the database can be written.
    pub(crate) fn note_health(&self, now: DateTime<Utc>) -> Result<(), Error> {
        const SQL: &str =
            "INSERT INTO meta (name, value) VALUES ('health', :now) ON CONFLICT (name) DO UPDATE SET value = excluded.value";
        let done = self.0.0.execute(SQL, named_params! {":now": ms(now).to_string()});
        done.map(|_| ()).context("write to the database")
    }
}
