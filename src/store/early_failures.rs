//! Failures in a row that are too few for an incident.

use chrono::{DateTime, Utc};
use rusqlite::{OptionalExtension as _, named_params};

use super::Write;
use super::failures::{NewFailure, Subject};
use super::rows::{Context as _, at};
use crate::error::Error;

impl Write<'_> {
    /// Adds a failure. Returns how many there are in a row, and when the first of them was detected.
    pub(super) fn add_early_failure(&self, new: &NewFailure<'_>, now: DateTime<Utc>) -> Result<(u64, DateTime<Utc>), Error> {
        const SQL: &str = "INSERT INTO failing
            (owner, step, number, run, run_id, target_name, target_url, status_code, error, error_type, elapsed_ms, detected_ms)
            VALUES (:owner, :step, (SELECT count(*) FROM failing WHERE owner = :owner AND step = :step) + 1,
                :run, :run_id, :name, :url, :status_code, :error, :error_type, :elapsed, :now)";
        const STATE: &str =
            "SELECT count(*) AS failures, min(detected_ms) AS first_ms FROM failing WHERE owner = :owner AND step = :step";
        let what = "record the failure";
        let subject = new.subject;
        let owner = subject.owner();
        self.insert_failure(SQL, named_params! {":owner": owner, ":step": subject.name()}, new, now)?;
        let mut statement = self.0.0.prepare_cached(STATE).context(what)?;
        let state = statement.query_row(named_params! {":owner": owner, ":step": subject.name()}, |r| {
            Ok((r.get::<_, i64>("failures")?.unsigned_abs(), at(r.get("first_ms")?)))
        });
        state.context(what)
    }

    /// Opens an incident with the failures in a row of a subject. Returns its id.
    pub(super) fn open_with_early_failures(&self, subject: Subject<'_>, failures: u64) -> Result<i64, Error> {
        const MOVE: &str = "INSERT INTO occurrence
            (incident, number, run, run_id, target_name, target_url, status_code, error, error_type, elapsed_ms, detected_ms)
            SELECT :incident, number, run, run_id, target_name, target_url, status_code, error, error_type, elapsed_ms, detected_ms
            FROM failing WHERE owner = :owner AND step = :step";
        let what = "record the incident";
        let owner = subject.owner();
        let id = self.insert_incident(subject, failures)?;
        let mut statement = self.0.0.prepare_cached(MOVE).context(what)?;
        statement
            .execute(named_params! {":incident": id, ":owner": owner, ":step": subject.name()})
            .context(what)?;
        self.forget_early_failures(&owner, subject.name())?;
        Ok(id)
    }

    /// Deletes the failures in a row of a step.
    pub(super) fn forget_early_failures(&self, owner: &str, step: &str) -> Result<(), Error> {
        // A query first: there are rarely any, and a DELETE takes several times as long.
        const ANY: &str = "SELECT 1 AS found FROM failing WHERE owner = :owner AND step = :step LIMIT 1";
        const DELETE: &str = "DELETE FROM failing WHERE owner = :owner AND step = :step";
        let what = "forget earlier failures";
        let mut statement = self.0.0.prepare_cached(ANY).context(what)?;
        let found = statement.query_row(named_params! {":owner": owner, ":step": step}, |r| r.get::<_, i64>("found"));
        if found.optional().context(what)?.is_some() {
            let mut statement = self.0.0.prepare_cached(DELETE).context(what)?;
            statement
                .execute(named_params! {":owner": owner, ":step": step})
                .context(what)?;
        }
        Ok(())
    }

    /// Deletes the failures in a row of all steps of an owner.
    pub(super) fn forget_early_failures_of(&self, owner: &str) -> Result<(), Error> {
        const SQL: &str = "DELETE FROM failing WHERE owner = :owner";
        let mut statement = self.0.0.prepare_cached(SQL).context("forget earlier failures")?;
        let done = statement.execute(named_params! {":owner": owner});
        done.map(|_| ()).context("forget earlier failures")
    }
}
