//! The outcomes of a schedule's times: the runs that they started, the times that did not start, and the earlier specs.

use chrono::{DateTime, Utc};
use rusqlite::named_params;

use super::Read;
use super::rows::{Context as _, at, json, ms, named, text, text_opt};
use crate::error::Error;
use crate::run::outcome::Status;
use crate::schedule::not_started::Outcome;
use crate::spec::spec_text::SpecText;

/// A nominal time that started a run.
#[derive(Debug)]
pub(crate) struct StartedRow {
    pub(crate) nominal: DateTime<Utc>,
    pub(crate) due: DateTime<Utc>,
    pub(crate) started: DateTime<Utc>,
    pub(crate) run: (String, String),
    pub(crate) status: Status,
    pub(crate) reason: Option<String>,
    pub(crate) incidents: u64,
}

/// A range of nominal times that did not start.
#[derive(Debug)]
pub(crate) struct NotStartedRow {
    pub(crate) from: DateTime<Utc>,
    pub(crate) to: DateTime<Utc>,
    pub(crate) count: u64,
    pub(crate) outcome: Outcome,
    pub(crate) reason: String,
    pub(crate) decided: DateTime<Utc>,
    /// The run that was running then.
    pub(crate) run: Option<(String, String)>,
    /// The number of these times that a backfill has run since.
    pub(crate) backfilled: u64,
}

impl Read<'_> {
    /// The runs started by the times of a schedule from `from` to `to`, both included.
    pub(crate) fn started_between(
        &self,
        schedule: i64,
        (from, to): (DateTime<Utc>, DateTime<Utc>),
    ) -> Result<Vec<StartedRow>, Error> {
        const SQL: &str = "SELECT nominal_ms, due_ms, started_ms, run_id, workflow_id, status, reason, incidents FROM run
            WHERE schedule = :schedule AND origin = 'scheduled' AND nominal_ms BETWEEN :from AND :to ORDER BY nominal_ms";
        self.started(SQL, schedule, (from, to))
    }

    /// The last runs that a backfill started for each time of a schedule from `from` to `to`, both included.
    pub(crate) fn backfilled_between(
        &self,
        schedule: i64,
        (from, to): (DateTime<Utc>, DateTime<Utc>),
    ) -> Result<Vec<StartedRow>, Error> {
        const SQL: &str = "SELECT nominal_ms, due_ms, started_ms, run_id, workflow_id, status, reason, incidents, max(key) FROM run
            WHERE schedule = :schedule AND origin = 'backfill' AND nominal_ms BETWEEN :from AND :to GROUP BY nominal_ms ORDER BY nominal_ms";
        self.started(SQL, schedule, (from, to))
    }

    fn started(&self, sql: &str, schedule: i64, (from, to): (DateTime<Utc>, DateTime<Utc>)) -> Result<Vec<StartedRow>, Error> {
        let what = "read the times that started";
        let mut statement = self.0.prepare_cached(sql).context(what)?;
        let rows = statement.query_map(named_params! {":schedule": schedule, ":from": ms(from), ":to": ms(to)}, |r| {
            let row = StartedRow {
                nominal: at(r.get("nominal_ms")?),
                due: at(r.get("due_ms")?),
                started: at(r.get("started_ms")?),
                run: (text(r, "run_id")?, text(r, "workflow_id")?),
                status: Status::Running,
                reason: text_opt(r, "reason")?,
                incidents: r.get("incidents")?,
            };
            Ok((row, r.get::<_, String>("status")?))
        });
        let rows = rows.context(what)?.collect::<rusqlite::Result<Vec<_>>>().context(what)?;
        let checked = |(row, status): (StartedRow, String)| {
            Ok(StartedRow {
                status: named("status", &status, Status::named(&status))?,
                ..row
            })
        };
        rows.into_iter().map(checked).collect()
    }

    /// The times of a schedule that did not start, as the ranges that overlap `from` to `to`.
    pub(crate) fn not_started_between(
        &self,
        schedule: i64,
        (from, to): (DateTime<Utc>, DateTime<Utc>),
    ) -> Result<Vec<NotStartedRow>, Error> {
        const SQL: &str = "SELECT f.from_ms, f.to_ms, f.count, f.outcome, f.reason, f.decided_ms, r.run_id, r.workflow_id,
                (SELECT count(DISTINCT b.nominal_ms) FROM run b WHERE b.schedule = f.schedule AND b.origin = 'backfill'
                    AND b.nominal_ms BETWEEN f.from_ms AND f.to_ms) AS backfilled
            FROM refused f LEFT JOIN run r ON r.key = f.run
            WHERE f.schedule = :schedule AND f.origin = 'scheduled' AND f.to_ms >= :from AND f.from_ms <= :to ORDER BY f.from_ms";
        let what = "read the times that did not start";
        let mut statement = self.0.prepare_cached(SQL).context(what)?;
        let rows = statement.query_map(named_params! {":schedule": schedule, ":from": ms(from), ":to": ms(to)}, |r| {
            let row = NotStartedRow {
                from: at(r.get("from_ms")?),
                to: at(r.get("to_ms")?),
                count: r.get("count")?,
                outcome: Outcome::Skipped,
                reason: text(r, "reason")?,
                decided: at(r.get("decided_ms")?),
                run: text_opt(r, "run_id")?.zip(text_opt(r, "workflow_id")?),
                backfilled: r.get("backfilled")?,
            };
            Ok((row, r.get::<_, String>("outcome")?))
        });
        let rows = rows.context(what)?.collect::<rusqlite::Result<Vec<_>>>().context(what)?;
        let checked = |(row, outcome): (NotStartedRow, String)| {
            Ok(NotStartedRow {
                outcome: named("outcome", &outcome, Outcome::named(&outcome))?,
                ..row
            })
        };
        rows.into_iter().map(checked).collect()
    }

    /// The earlier specs of a schedule and when each of them ended, oldest first.
    pub(crate) fn past_specs(&self, schedule: i64) -> Result<Vec<(DateTime<Utc>, SpecText)>, Error> {
        const SQL: &str = "SELECT until_ms, spec FROM past_spec WHERE schedule = :schedule ORDER BY until_ms";
        let what = "read earlier specs";
        let mut statement = self.0.prepare_cached(SQL).context(what)?;
        let rows = statement.query_map(named_params! {":schedule": schedule}, |r| {
            Ok((at(r.get("until_ms")?), r.get::<_, String>("spec")?))
        });
        let rows = rows.context(what)?.collect::<rusqlite::Result<Vec<_>>>().context(what)?;
        rows.into_iter()
            .map(|(until, spec)| Ok((until, json("spec", &spec)?)))
            .collect()
    }
}
