//! What needs attention: failures since a time, schedules that will not start, and how servers ended.

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap};

use chrono::{DateTime, Utc};
use rusqlite::named_params;

use super::Read;
use super::rows::{Context as _, at, count, ms, text, text_opt};
use super::runs::UNHAPPY;
use crate::error::Error;

/// The failed runs of a schedule since a time.
#[derive(Debug, Clone)]
pub(crate) struct Failures {
    /// `None` for runs of no schedule.
    pub(crate) schedule_id: Option<String>,
    pub(crate) count: u64,
    /// When the first of them started.
    pub(crate) first: DateTime<Utc>,
    /// The key of the newest.
    pub(crate) newest: i64,
}

/// The results of steps by their names, oldest first: when the step closed, and whether it succeeded.
pub(crate) type StepResults = BTreeMap<String, Vec<(DateTime<Utc>, bool)>>;

/// Times of a schedule that were missed or dropped.
#[derive(Debug, Clone)]
pub(crate) struct Missed {
    pub(crate) schedule_id: String,
    pub(crate) count: u64,
    pub(crate) first: DateTime<Utc>,
    pub(crate) last: DateTime<Utc>,
}

/// A server that did not stop cleanly.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Crash {
    /// When the next server noticed.
    pub(crate) at: DateTime<Utc>,
    /// The time of the last event before.
    pub(crate) last: Option<DateTime<Utc>>,
}

impl Read<'_> {
    /// Runs that failed or had a failed step, started since a time, by schedule; those with the newest failure first.
    pub(crate) fn failures_since(&self, since: DateTime<Utc>, most: u64) -> Result<Vec<Failures>, Error> {
        let sql = format!(
            "SELECT max(schedule_id) AS id, count(*) AS n, min(started_ms) AS first, max(key) AS newest FROM run INDEXED BY run_unhappy
            WHERE {UNHAPPY} AND key > :floor AND started_ms >= :since GROUP BY schedule ORDER BY newest DESC LIMIT :most"
        );
        let what = "read the failed runs";
        let floor = self.run_before(since)?;
        let mut statement = self.0.prepare_cached(&sql).context(what)?;
        let rows = statement.query_map(
            named_params! {":floor": floor, ":since": ms(since), ":most": count(most)},
            |r| {
                Ok(Failures {
                    schedule_id: text_opt(r, "id")?,
                    count: r.get("n")?,
                    first: at(r.get("first")?),
                    newest: r.get("newest")?,
                })
            },
        );
        rows.context(what)?.collect::<rusqlite::Result<_>>().context(what)
    }

    /// The crashes of servers since a time, newest first.
    pub(crate) fn crashes_since(&self, since: DateTime<Utc>, most: u64) -> Result<Vec<Crash>, Error> {
        const SQL: &str = "SELECT at_ms, value FROM event INDEXED BY event_server
            WHERE schedule IS NULL AND run IS NULL AND kind = 'crash' AND at_ms >= :since ORDER BY key DESC LIMIT :most";
        let what = "read the crashes of the server";
        let mut statement = self.0.prepare_cached(SQL).context(what)?;
        let rows = statement.query_map(named_params! {":since": ms(since), ":most": count(most)}, |r| {
            Ok(Crash {
                at: at(r.get("at_ms")?),
                last: r.get::<_, Option<i64>>("value")?.map(at),
            })
        });
        rows.context(what)?.collect::<rusqlite::Result<_>>().context(what)
    }

    /// Times that were missed or dropped, decided since a time, by schedule; the latest first.
    pub(crate) fn missed_since(&self, since: DateTime<Utc>, most: u64) -> Result<Vec<Missed>, Error> {
        const SQL: &str = "SELECT s.id, sum(f.count) AS n, min(f.from_ms) AS first, max(f.to_ms) AS last FROM refused f INDEXED BY refused_decided
            JOIN schedule s ON s.key = f.schedule WHERE f.decided_ms >= :since AND f.outcome IN ('missed', 'dropped') AND f.origin = 'scheduled'
            GROUP BY s.key ORDER BY last DESC LIMIT :most";
        let what = "read the missed times";
        let mut statement = self.0.prepare_cached(SQL).context(what)?;
        let rows = statement.query_map(named_params! {":since": ms(since), ":most": count(most)}, |r| {
            Ok(Missed {
                schedule_id: text(r, "id")?,
                count: r.get("n")?,
                first: at(r.get("first")?),
                last: at(r.get("last")?),
            })
        });
        rows.context(what)?.collect::<rusqlite::Result<_>>().context(what)
    }

    /// Ids of active schedules that have times but no next one, and never had a run.
    pub(crate) fn schedules_without_next(&self, most: u64) -> Result<Vec<String>, Error> {
        const SQL: &str =
            "SELECT s.id FROM schedule s JOIN progress p ON p.schedule = s.key WHERE p.next_ms IS NULL AND p.last_started_ms IS NULL AND NOT s.paused
            AND s.spec_text <> '' AND NOT coalesce(json_extract(s.spec, '$.at_boot'), 0) ORDER BY s.id LIMIT :most";
        let what = "find the schedules without a next time";
        let mut statement = self.0.prepare_cached(SQL).context(what)?;
        let rows = statement.query_map(named_params! {":most": count(most)}, |r| r.get("id"));
        rows.context(what)?.collect::<rusqlite::Result<_>>().context(what)
    }

    /// The results of the steps of a schedule in its last `runs` runs.
    pub(crate) fn step_results(&self, schedule: i64, runs: u64) -> Result<StepResults, Error> {
        const SQL: &str = "SELECT r.workflow, s.position, s.closed_ms, s.status = 'Completed' AND s.result NOT GLOB 'incident*' AS ok
            FROM (SELECT key, workflow FROM run WHERE schedule = :schedule ORDER BY key DESC LIMIT :runs) r JOIN step s ON s.run = r.key
            WHERE s.status IN ('Completed', 'Failed', 'TimedOut') ORDER BY r.key, s.position";
        let what = "read the results of the steps";
        let mut statement = self.0.prepare_cached(SQL).context(what)?;
        let rows = statement.query_map(named_params! {":schedule": schedule, ":runs": count(runs)}, |r| {
            let closed = at(r.get("closed_ms")?);
            Ok((
                r.get::<_, i64>("workflow")?,
                r.get::<_, usize>("position")?,
                closed,
                r.get::<_, bool>("ok")?,
            ))
        });
        let rows = rows.context(what)?.collect::<rusqlite::Result<Vec<_>>>().context(what)?;
        let (mut names, mut results) = (HashMap::<i64, Vec<String>>::new(), BTreeMap::<String, Vec<_>>::new());
        for (workflow, position, closed, ok) in rows {
            if let Entry::Vacant(new) = names.entry(workflow) {
                new.insert(self.action(workflow)?.steps.into_iter().map(|step| step.name).collect());
            }
            if let Some(name) = names.get(&workflow).and_then(|names| names.get(position)) {
                results.entry(name.clone()).or_default().push((closed, ok));
            }
        }
        Ok(results)
    }
}
