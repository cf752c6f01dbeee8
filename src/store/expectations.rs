//! Schedules that must succeed within a time, and when each is overdue.

use std::time::Duration;

use chrono::{DateTime, Utc};
use rusqlite::{OptionalExtension as _, named_params};

use super::failures::SUCCEEDED;
use super::rows::{Context as _, at, at_opt, ms, text};
use super::{Read, Write};
use crate::error::Error;
use crate::schedule::alerts::NO_SUCCESS;

/// A schedule that has not succeeded within the time expected.
#[derive(Debug, Clone)]
pub(crate) struct Overdue {
    pub(crate) schedule: i64,
    pub(crate) id: String,
    /// The last success, or when the time was set.
    pub(crate) since: DateTime<Utc>,
    pub(crate) within_ms: i64,
    pub(crate) paused: bool,
}

impl Read<'_> {
    /// The schedules that are overdue at `now`.
    pub(crate) fn overdue_expectations(&self, now: DateTime<Utc>) -> Result<Vec<Overdue>, Error> {
        const SQL: &str =
            "SELECT e.schedule, s.id, e.since_ms, e.within_ms, s.paused FROM expectation e JOIN schedule s ON s.key = e.schedule
            WHERE e.due_ms <= :now ORDER BY e.due_ms LIMIT 1000";
        let what = "read the schedules that are overdue";
        let mut statement = self.0.prepare_cached(SQL).context(what)?;
        let rows = statement.query_map(named_params! {":now": ms(now)}, |r| {
            Ok(Overdue {
                schedule: r.get("schedule")?,
                id: text(r, "id")?,
                since: at(r.get("since_ms")?),
                within_ms: r.get("within_ms")?,
                paused: r.get("paused")?,
            })
        });
        rows.context(what)?.collect::<rusqlite::Result<_>>().context(what)
    }

    /// When the next schedule is overdue, or the next reminder is due.
    pub(crate) fn next_alert(&self) -> Result<Option<DateTime<Utc>>, Error> {
        const SQL: &str = "SELECT min(at) AS at FROM (SELECT min(due_ms) AS at FROM expectation WHERE due_ms IS NOT NULL
            UNION ALL SELECT min(remind_ms) FROM incident WHERE remind_ms IS NOT NULL)";
        let mut statement = self.0.prepare_cached(SQL).context("read the next alert")?;
        let found = statement.query_row([], |r| r.get("at"));
        found.map(at_opt).context("read the next alert")
    }
}

impl Write<'_> {
    /// Sets the time within which a schedule must succeed; `None` for none. A changed time counts from the same success.
    pub(super) fn expect_success(&self, schedule: i64, within: Option<Duration>, now: DateTime<Utc>) -> Result<(), Error> {
        const SET: &str = "INSERT INTO expectation (schedule, within_ms, since_ms, due_ms) VALUES (:schedule, :within, :now, :now + :within)
            ON CONFLICT (schedule) DO UPDATE SET within_ms = :within, due_ms = CASE WHEN due_ms IS NOT NULL THEN since_ms + :within END
            WHERE within_ms <> :within";
        const LONGER: &str = "UPDATE expectation SET due_ms = since_ms + within_ms
            WHERE schedule = :schedule AND due_ms IS NULL AND since_ms + within_ms > :now";
        const DELETE: &str = "DELETE FROM expectation WHERE schedule = :schedule";
        let what = "record the time in which the schedule must succeed";
        let Some(within) = within else {
            let mut statement = self.0.0.prepare_cached(DELETE).context(what)?;
            let deleted = statement.execute(named_params! {":schedule": schedule}).context(what)?;
            if deleted > 0 {
                self.resolve_schedule_incident(schedule, NO_SUCCESS, "`expect_within` was removed", now)?;
            }
            return Ok(());
        };
        let within = i64::try_from(within.as_millis()).unwrap_or(i64::MAX / 4).min(i64::MAX / 4);
        let mut statement = self.0.0.prepare_cached(SET).context(what)?;
        statement
            .execute(named_params! {":schedule": schedule, ":within": within, ":now": ms(now)})
            .context(what)?;
        // A longer time may not have passed yet.
        let mut statement = self.0.0.prepare_cached(LONGER).context(what)?;
        let is_met_again = statement
            .execute(named_params! {":schedule": schedule, ":now": ms(now)})
            .context(what)?;
        if is_met_again > 0 {
            self.resolve_schedule_incident(schedule, NO_SUCCESS, "`expect_within` was extended", now)?;
        }
        Ok(())
    }

    /// Restarts the `expect_within` period of a schedule after a person has resolved its incident, the one with this id.
    pub(super) fn expect_again(&self, incident: i64, now: DateTime<Utc>) -> Result<(), Error> {
        const SQL: &str = "UPDATE expectation SET since_ms = :now, due_ms = :now + within_ms WHERE due_ms IS NULL AND schedule = (
            SELECT CAST(substr(owner, 10) AS INTEGER) FROM incident WHERE id = :incident AND step = :step AND owner LIKE 'schedule %')";
        let what = "record the time in which the schedule must succeed";
        let mut statement = self.0.0.prepare_cached(SQL).context(what)?;
        let done = statement.execute(named_params! {":incident": incident, ":step": NO_SUCCESS, ":now": ms(now)});
        done.map(|_| ()).context(what)
    }

    /// Records that an incident was opened because a schedule is overdue, so that it is not opened again.
    pub(crate) fn expectation_reported(&self, schedule: i64) -> Result<(), Error> {
        const SQL: &str = "UPDATE expectation SET due_ms = NULL WHERE schedule = :schedule";
        let mut statement = self.0.0.prepare_cached(SQL).context("record the incident")?;
        let done = statement.execute(named_params! {":schedule": schedule});
        done.map(|_| ()).context("record the incident")
    }

    /// Records that a schedule has succeeded. Returns the incident that this resolved, if there was one.
    pub(crate) fn expectation_met(&self, schedule: i64, now: DateTime<Utc>) -> Result<Option<i64>, Error> {
        const STATE: &str = "SELECT due_ms IS NULL AS reported FROM expectation WHERE schedule = :schedule";
        const SQL: &str = "UPDATE expectation SET since_ms = :now, due_ms = :now + within_ms WHERE schedule = :schedule";
        let what = "record the success";
        let mut statement = self.0.0.prepare_cached(STATE).context(what)?;
        let reported = statement.query_row(named_params! {":schedule": schedule}, |r| r.get::<_, bool>("reported"));
        let Some(reported) = reported.optional().context(what)? else {
            return Ok(None);
        };
        let mut statement = self.0.0.prepare_cached(SQL).context(what)?;
        statement
            .execute(named_params! {":schedule": schedule, ":now": ms(now)})
            .context(what)?;
        if reported {
            self.resolve_schedule_incident(schedule, NO_SUCCESS, SUCCEEDED, now)
        } else {
            Ok(None)
        }
    }
}
