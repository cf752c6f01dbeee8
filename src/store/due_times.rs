//! Queries for due times: which schedules need attention, and when the next one does.

use chrono::{DateTime, Utc};
use rusqlite::named_params;

use super::Read;
use super::rows::{Context as _, at, at_opt, count, ms};
use crate::error::{Error, Kind};

impl Read<'_> {
    /// The keys of schedules that need attention by `now`, the most overdue first.
    pub(crate) fn due(&self, now: DateTime<Utc>, limit: usize) -> Result<Vec<i64>, Error> {
        const SQL: &str = "SELECT schedule FROM due WHERE at_ms <= :now ORDER BY at_ms, schedule LIMIT :limit";
        let mut statement = self.0.prepare_cached(SQL).context("read the due schedules")?;
        let rows = statement.query_map(named_params! {":now": ms(now), ":limit": count(limit as u64)}, |r| {
            r.get("schedule")
        });
        rows.context("read the due schedules")?
            .collect::<rusqlite::Result<_>>()
            .context("read the due schedules")
    }

    /// Checks that every schedule that needs attention is in the list of due times.
    ///
    /// # Errors
    /// `System`, as damage, if some are missing: they would never start again.
    pub(crate) fn check_due_times(&self) -> Result<(), Error> {
        // Fast in the normal case: milliseconds for a hundred thousand schedules.
        const COUNTS: &str =
            "SELECT (SELECT count(*) FROM progress WHERE attention_ms IS NOT NULL) = (SELECT count(*) FROM due) AS same";
        let what = "check the due times";
        let same = self.0.query_row(COUNTS, [], |r| r.get::<_, bool>("same"));
        if same.context(what)? {
            return Ok(());
        }
        let missing = self.missing_due_times()?;
        if missing.is_empty() {
            return Ok(());
        }
        let message = format!("the list of due times is damaged; missing schedules: {}", missing.join(", "));
        Err(Error::new(Kind::System, message)
            .hint("Pause and unpause these schedules to add them again, and run `tempo doctor`.")
            .damage())
    }

    /// The ids of some of the schedules that need attention and are not in the list of due times.
    pub(super) fn missing_due_times(&self) -> Result<Vec<String>, Error> {
        // Each schedule has its progress.
        const SQL: &str = "SELECT s.id FROM schedule s LEFT JOIN progress p ON p.schedule = s.key
            WHERE p.schedule IS NULL OR p.attention_ms IS NOT NULL AND NOT EXISTS (SELECT 1 FROM due d WHERE d.at_ms = p.attention_ms AND d.schedule = p.schedule) LIMIT 10";
        let what = "check the due times";
        let mut statement = self.0.prepare_cached(SQL).context(what)?;
        let rows = statement.query_map([], |r| r.get::<_, String>("id"));
        rows.context(what)?.collect::<rusqlite::Result<_>>().context(what)
    }

    /// Checks that a schedule that does not exist has no due time.
    ///
    /// # Errors
    /// `System`, as damage, if it has one.
    pub(crate) fn check_gone(&self, schedule: i64) -> Result<(), Error> {
        const SQL: &str = "SELECT EXISTS (SELECT 1 FROM due WHERE schedule = :key) AS due";
        let mut statement = self.0.prepare_cached(SQL).context("check the due times")?;
        let is_due = statement.query_row(named_params! {":key": schedule}, |r| r.get::<_, bool>("due"));
        if is_due.context("check the due times")? {
            let message = format!("schedule number {schedule} is due but does not exist");
            return Err(Error::new(Kind::System, message).damage());
        }
        Ok(())
    }

    /// The first time after `now` at which a schedule needs attention.
    pub(crate) fn attention_after(&self, now: DateTime<Utc>) -> Result<Option<DateTime<Utc>>, Error> {
        const SQL: &str = "SELECT min(at_ms) AS at FROM due WHERE at_ms > :now";
        let mut statement = self.0.prepare_cached(SQL).context("read the next due time")?;
        statement
            .query_row(named_params! {":now": ms(now)}, |r| r.get::<_, Option<i64>>("at"))
            .map(at_opt)
            .context("read the next due time")
    }

    /// The first time at which a schedule needs attention.
    pub(crate) fn next_attention(&self) -> Result<Option<DateTime<Utc>>, Error> {
        const SQL: &str = "SELECT min(at_ms) AS at FROM due";
        let mut statement = self.0.prepare_cached(SQL).context("read the next due time")?;
        statement
            .query_row([], |r| r.get::<_, Option<i64>>("at"))
            .map(at_opt)
            .context("read the next due time")
    }

    /// The next due time of each schedule, with its id, soonest first.
    pub(crate) fn coming(&self, limit: usize) -> Result<Vec<(String, DateTime<Utc>)>, Error> {
        const SQL: &str = "SELECT s.id, p.next_ms FROM progress p JOIN schedule s ON s.key = p.schedule
            WHERE p.next_ms IS NOT NULL ORDER BY p.next_ms, s.id LIMIT :limit";
        let mut statement = self.0.prepare_cached(SQL).context("read the next due times")?;
        let rows = statement
            .query_map(named_params! {":limit": count(limit as u64)}, |r| {
                Ok((r.get("id")?, at(r.get("next_ms")?)))
            })
            .context("read the next due times")?;
        rows.collect::<rusqlite::Result<_>>().context("read the next due times")
    }
}
