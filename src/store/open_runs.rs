//! Queries for open runs: those in the queue, those at work, and those that a dead server left.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use rusqlite::{OptionalExtension as _, Row, named_params};

use super::Read;
use super::plan_input::stop_named;
use super::rows::{Context as _, at_opt, text_opt};
use super::runs::{RUN, RunRow, row};
use crate::error::Error;
use crate::machine::Process;
use crate::run::{Phase, Progress, Stop};

/// An open run and its progress.
#[derive(Debug, Clone)]
pub(crate) struct OpenRun {
    pub(crate) row: RunRow,
    pub(crate) progress: Progress,
    pub(crate) stop: Option<Stop>,
    /// The reason for the stop.
    pub(crate) stop_reason: Option<String>,
    /// When its run timeout began: at its start or its last retry.
    pub(crate) since: DateTime<Utc>,
}

/// An attempt that was running when its server died.
#[derive(Debug, Clone)]
pub(crate) struct LostAttempt {
    /// The run, at the step of the attempt.
    pub(crate) run: OpenRun,
    /// The process of the attempt, if it was recorded in time.
    pub(crate) process: Option<Process>,
}

/// The parts of an open run that its place in the queue depends on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct QueuedRun {
    pub(crate) key: i64,
    pub(crate) schedule: Option<i64>,
    /// Whether a backfill started it.
    pub(crate) backfilled: bool,
    /// Its task queue, if it is not the default one.
    pub(crate) task_queue: Option<Arc<str>>,
    /// The lock that it needs, if any.
    pub(crate) lock: Option<Arc<str>>,
    /// Whether a worker has started on it, so that it holds its lock.
    pub(crate) begun: bool,
}

const QUEUED: &str = "SELECT r.key, r.schedule, r.origin = 'backfill' AS backfilled, r.position > 0 OR r.attempts > 0 AS begun,
        json_extract(w.json, '$.task_queue') AS task_queue, json_extract(w.json, '$.lock') AS lock FROM run r";

fn open(r: &Row<'_>) -> rusqlite::Result<OpenRun> {
    let phase_at = at_opt(r.get(19)?);
    let phase = match (r.get::<_, String>(18)?.as_str(), phase_at) {
        ("waiting", Some(until)) => Phase::Waiting { until },
        ("running", Some(since)) => Phase::Running { since },
        _ => Phase::Ready,
    };
    let row = row(r)?;
    Ok(OpenRun {
        since: at_opt(r.get(22)?).unwrap_or(row.started),
        row,
        progress: Progress {
            position: r.get(13)?,
            attempts: r.get(14)?,
            lost: r.get(15)?,
            lost_in_a_row: r.get(16)?,
            step_started: at_opt(r.get(17)?),
            phase,
        },
        stop: stop_named(r.get::<_, Option<String>>(20)?.as_deref()),
        stop_reason: text_opt(r, 21)?,
    })
}

fn queued(r: &Row<'_>) -> rusqlite::Result<QueuedRun> {
    let name = |text: Option<String>| text.map(Arc::from);
    Ok(QueuedRun {
        key: r.get("key")?,
        schedule: r.get("schedule")?,
        backfilled: r.get("backfilled")?,
        task_queue: name(r.get("task_queue")?),
        lock: name(r.get("lock")?),
        begun: r.get("begun")?,
    })
}

impl Read<'_> {
    /// The amount of queued work: open runs without a worker, buffered starts, and open requests.
    pub(crate) fn queued(&self) -> Result<u64, Error> {
        const SQL: &str =
            "SELECT (SELECT count(*) FROM run WHERE closed_ms IS NULL AND phase = 'ready') + (SELECT count(*) FROM waiting)
            + (SELECT count(*) FROM request WHERE settled_ms IS NULL) AS n";
        let mut statement = self.0.prepare_cached(SQL).context("count the queued work")?;
        statement.query_row([], |r| r.get("n")).context("count the queued work")
    }

    /// The open runs with keys above `after`, which may not be queued yet, oldest first.
    pub(crate) fn open_runs_after(&self, after: i64) -> Result<Vec<QueuedRun>, Error> {
        let sql = format!(
            "{QUEUED} INDEXED BY run_open JOIN workflow w ON w.key = r.workflow WHERE r.closed_ms IS NULL AND r.key > :after ORDER BY r.key"
        );
        let mut statement = self.0.prepare_cached(&sql).context("read the open runs")?;
        let rows = statement.query_map(named_params! {":after": after}, queued);
        rows.context("read the open runs")?
            .collect::<rusqlite::Result<_>>()
            .context("read the open runs")
    }

    /// An open run for the queue, with the priority of one that no backfill started.
    pub(crate) fn queued_run(&self, key: i64) -> Result<Option<QueuedRun>, Error> {
        let sql = format!("{QUEUED} JOIN workflow w ON w.key = r.workflow WHERE r.closed_ms IS NULL AND r.key = :key");
        let mut statement = self.0.prepare_cached(&sql).context("read the open run")?;
        let found = statement.query_row(named_params! {":key": key}, queued).optional();
        let found = found.context("read the open run")?;
        Ok(found.map(|run| QueuedRun {
            backfilled: false,
            ..run
        }))
    }

    /// The open run with a full run id.
    pub(crate) fn open_run_of_id(&self, run_id: &str) -> Result<Option<OpenRun>, Error> {
        let sql = format!("{RUN} WHERE run_id = :id AND closed_ms IS NULL");
        let mut statement = self.0.prepare_cached(&sql).context("find the run")?;
        statement
            .query_row(named_params! {":id": run_id}, open)
            .optional()
            .context("find the run")
    }

    /// The open run with a key; `None` if it has closed.
    pub(crate) fn open_run(&self, key: i64) -> Result<Option<OpenRun>, Error> {
        let sql = format!("{RUN} WHERE key = :key AND closed_ms IS NULL");
        let mut statement = self.0.prepare_cached(&sql).context("read the run")?;
        statement
            .query_row(named_params! {":key": key}, open)
            .optional()
            .context("read the run")
    }

    /// The open attempts, while no server is running: their server died during them.
    pub(crate) fn lost_attempts(&self) -> Result<Vec<LostAttempt>, Error> {
        const PROCESS: &str =
            "SELECT pid, pid_started, boot FROM attempt WHERE run = :run AND position = :position AND number = :number";
        let sql = format!("{RUN} INDEXED BY run_open WHERE closed_ms IS NULL AND phase = 'running' ORDER BY key");
        let what = "find lost attempts";
        let mut statement = self.0.prepare_cached(&sql).context(what)?;
        let runs: Vec<OpenRun> = statement
            .query_map([], open)
            .context(what)?
            .collect::<rusqlite::Result<_>>()
            .context(what)?;
        let mut statement = self.0.prepare_cached(PROCESS).context(what)?;
        runs.into_iter()
            .map(|run| {
                let attempt =
                    named_params! {":run": run.row.key, ":position": run.progress.position, ":number": run.progress.attempts};
                let found = statement
                    .query_row(attempt, |r| Ok((r.get("pid")?, r.get("pid_started")?, r.get("boot")?)))
                    .optional();
                let process = match found.context(what)? {
                    Some((Some(pid), Some(started), Some(boot))) => Some(Process { pid, started, boot }),
                    _ => None,
                };
                Ok(LostAttempt { run, process })
            })
            .collect()
    }
}
