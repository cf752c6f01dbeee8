//! Queries for runs, their steps and attempts.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use rusqlite::{OptionalExtension as _, Row, named_params};

use super::Read;
use super::rows::{Context as _, at, at_opt, count, ms, named, text, text_opt};
use crate::error::{Error, Kind};
use crate::names::ScheduleId;
use crate::run;
use crate::run::outcome::Status;
use crate::run::outputs::Outputs;

/// A recorded run.
#[derive(Debug, Clone)]
pub(crate) struct RunRow {
    pub(crate) key: i64,
    pub(crate) run_id: String,
    pub(crate) workflow_id: String,
    pub(crate) schedule: Option<i64>,
    pub(crate) schedule_id: Option<String>,
    pub(crate) workflow: i64,
    pub(crate) nominal: DateTime<Utc>,
    pub(crate) due: DateTime<Utc>,
    pub(crate) started: DateTime<Utc>,
    pub(crate) closed: Option<DateTime<Utc>>,
    pub(crate) status: Status,
    pub(crate) reason: Option<String>,
    /// The number of its steps that failed for good.
    pub(crate) incidents: u64,
    pub(crate) position: usize,
    /// Whether a worker has started on it.
    pub(crate) begun: bool,
    /// Whether a due time started it, not a request.
    pub(crate) scheduled: bool,
}

impl RunRow {
    /// Why its condition kept it from running, if it did.
    pub(crate) fn skipped(&self) -> Option<&str> {
        run::skip_reason(self.status, self.reason.as_deref())
    }
}

/// A closed step.
#[derive(Debug, Clone)]
pub(crate) struct StepRow {
    pub(crate) position: usize,
    pub(crate) status: Status,
    pub(crate) result: String,
}

/// An attempt of a step.
#[derive(Debug, Clone)]
pub(crate) struct AttemptRow {
    pub(crate) position: usize,
    pub(crate) number: u32,
    /// When it was recorded as started; when it really began, once that is known.
    pub(crate) started: DateTime<Utc>,
    pub(crate) elapsed_ms: Option<i64>,
    pub(crate) outcome: Option<String>,
    pub(crate) error_type: Option<String>,
    pub(crate) error: Option<String>,
    pub(crate) status_code: Option<u16>,
    pub(crate) exit_code: Option<i32>,
    pub(crate) output: Option<Vec<u8>>,
    /// If the step keeps it separate from its output.
    pub(crate) stderr: Option<Vec<u8>>,
}

/// A run to be inserted without a schedule.
#[derive(Debug, Clone)]
pub(crate) struct NewRun {
    pub(crate) workflow_id: String,
    pub(crate) action: crate::run::step_text::Action,
}

/// Selects runs; `None` in a field means no restriction.
#[derive(Debug, Clone, Default)]
pub(crate) struct RunFilter {
    pub(crate) schedule_id: Option<String>,
    pub(crate) status: Option<Status>,
    pub(crate) since: Option<DateTime<Utc>>,
    pub(crate) until: Option<DateTime<Utc>>,
    /// Only runs that failed, timed out, or had a failed step.
    pub(crate) unhappy: bool,
    /// Only runs older than the one with this key.
    pub(crate) before: Option<i64>,
    /// Only runs in whose output this text occurs.
    pub(crate) output: Option<String>,
    /// Maximum number of runs.
    pub(crate) limit: Option<u64>,
}

/// The columns of a run, read by position in [`row`] and for open runs: looking up names would cost a tenth of the writer's work for a run.
pub(super) const RUN: &str =
    "SELECT key, run_id, workflow_id, schedule, schedule_id, workflow, nominal_ms, due_ms, started_ms, closed_ms, status,
    reason, incidents, position, attempts, lost, lost_in_a_row, step_started_ms, phase, phase_ms, stop, stop_reason, resumed_ms, origin = 'scheduled' FROM run";

/// Whether a run failed or had a failed step. The first part is that of the index.
pub(super) const UNHAPPY: &str = "(closed_ms IS NOT NULL AND (status <> 'Completed' OR incidents > 0) AND (incidents > 0 OR status IN ('Failed', 'TimedOut')))";

pub(super) fn row(r: &Row<'_>) -> rusqlite::Result<RunRow> {
    let status: String = r.get(10)?;
    Ok(RunRow {
        key: r.get(0)?,
        run_id: text(r, 1)?,
        workflow_id: text(r, 2)?,
        schedule: r.get(3)?,
        schedule_id: text_opt(r, 4)?,
        workflow: r.get(5)?,
        nominal: at(r.get(6)?),
        due: at(r.get(7)?),
        started: at(r.get(8)?),
        closed: at_opt(r.get(9)?),
        // The table's CHECK constraint allows only known statuses.
        status: Status::named(&status).unwrap_or(Status::Running),
        reason: text_opt(r, 11)?,
        incidents: r.get::<_, i64>(12)?.unsigned_abs(),
        position: r.get(13)?,
        begun: r.get::<_, i64>(13)? > 0 || r.get::<_, i64>(14)? > 0,
        scheduled: r.get(23)?,
    })
}

impl Read<'_> {
    /// The runs that match a filter, newest first.
    pub(crate) fn runs(&self, filter: &RunFilter) -> Result<Vec<RunRow>, Error> {
        // Open runs are few, and have an index of their own.
        if filter.status == Some(Status::Running) {
            return self.runs_by("INDEXED BY run_open WHERE closed_ms IS NULL", None, filter);
        }
        if filter.unhappy && filter.schedule_id.is_none() {
            // If failures are frequent, the newest are found soonest among the newest runs.
            let newest = self.runs_by("WHERE key > (SELECT max(key) FROM run) - 20000", None, filter)?;
            if filter.limit.is_some_and(|limit| newest.len() as u64 == limit) {
                return Ok(newest);
            }
            return self.runs_by(&format!("INDEXED BY run_unhappy WHERE {UNHAPPY}"), None, filter);
        }
        // The runs of a deleted schedule with this id are older than all of the one that has it now.
        if let (Some(id), Some(limit)) = (&filter.schedule_id, filter.limit)
            && let Some(key) = ScheduleId::parse(id).map_or(Ok(None), |id| self.schedule_key(&id))?
        {
            let newest = self.runs_by("INDEXED BY run_schedule WHERE schedule = :key", Some(key), filter)?;
            if newest.len() as u64 == limit {
                return Ok(newest);
            }
        }
        self.runs_by("WHERE true", None, filter)
    }

    /// The runs that match a filter, from a part of the table; `key` is that of a schedule.
    fn runs_by(&self, part: &str, key: Option<i64>, filter: &RunFilter) -> Result<Vec<RunRow>, Error> {
        let sql = format!(
            "{RUN} {part} AND (:schedule IS NULL OR schedule_id = :schedule) AND (:status IS NULL OR status = :status)
            AND (:since IS NULL OR started_ms >= :since) AND (:until IS NULL OR started_ms <= :until)
            AND (NOT :unhappy OR {UNHAPPY})
            AND (:output IS NULL OR EXISTS (SELECT 1 FROM output o WHERE o.run = run.key AND (instr(o.bytes, CAST(:output AS BLOB)) OR instr(o.stderr, CAST(:output AS BLOB)))))
            AND key > :floor AND key < :before ORDER BY key DESC LIMIT :limit"
        );
        let mut statement = self.0.prepare_cached(&sql).context("list the runs")?;
        let floor = filter.since.map_or(Ok(0), |since| self.run_before(since))?;
        let shared = named_params! {
            ":schedule": filter.schedule_id,
            ":status": filter.status.map(Status::name),
            ":since": filter.since.map(ms),
            ":until": filter.until.map(ms),
            ":unhappy": filter.unhappy,
            ":output": filter.output,
            ":floor": floor,
            ":before": filter.before.unwrap_or(i64::MAX),
            ":limit": filter.limit.map_or(-1, count),
        };
        let rows = match key {
            Some(key) => statement.query_map(&[shared, named_params! {":key": key}].concat()[..], row),
            None => statement.query_map(shared, row),
        };
        rows.context("list the runs")?
            .collect::<rusqlite::Result<_>>()
            .context("list the runs")
    }

    /// The most recent runs of a schedule, newest first.
    pub(crate) fn recent_of(&self, schedule: i64, limit: u64) -> Result<Vec<RunRow>, Error> {
        let sql = format!("{RUN} WHERE schedule = :schedule ORDER BY key DESC LIMIT :limit");
        let mut statement = self.0.prepare_cached(&sql).context("list the runs")?;
        let rows = statement.query_map(named_params! {":schedule": schedule, ":limit": count(limit)}, row);
        rows.context("list the runs")?
            .collect::<rusqlite::Result<_>>()
            .context("list the runs")
    }

    pub(super) fn runs_of_request(&self, request: i64) -> Result<Vec<RunRow>, Error> {
        let sql = format!("{RUN} WHERE request = :request ORDER BY key");
        let mut statement = self.0.prepare_cached(&sql).context("list the runs")?;
        let rows = statement.query_map(named_params! {":request": request}, row);
        rows.context("list the runs")?
            .collect::<rusqlite::Result<_>>()
            .context("list the runs")
    }

    /// All open runs, oldest first.
    pub(crate) fn all_running(&self) -> Result<Vec<RunRow>, Error> {
        let sql = format!("{RUN} INDEXED BY run_open WHERE closed_ms IS NULL ORDER BY key");
        let mut statement = self.0.prepare_cached(&sql).context("read the open runs")?;
        let rows = statement.query_map([], row);
        rows.context("read the open runs")?
            .collect::<rusqlite::Result<_>>()
            .context("read the open runs")
    }

    /// The run with a key.
    pub(crate) fn run(&self, key: i64) -> Result<Option<RunRow>, Error> {
        let sql = format!("{RUN} WHERE key = :key");
        let mut statement = self.0.prepare_cached(&sql).context("find the run")?;
        statement
            .query_row(named_params! {":key": key}, row)
            .optional()
            .context("find the run")
    }

    /// The run identified by a workflow id (the newest such run) or by a unique prefix of a run id.
    ///
    /// # Errors
    /// `NotFound` if there is none, `Usage` if a prefix matches several.
    pub(crate) fn run_named(&self, name: &str) -> Result<RunRow, Error> {
        let by_workflow = format!("{RUN} WHERE workflow_id = :name ORDER BY key DESC LIMIT 1");
        let by_run = format!("{RUN} WHERE run_id >= :name AND run_id < :after ORDER BY run_id LIMIT 2");
        let mut statement = self.0.prepare_cached(&by_workflow).context("find the run")?;
        let found = statement
            .query_row(named_params! {":name": name}, row)
            .optional()
            .context("find the run")?;
        if let Some(found) = found {
            return Ok(found);
        }
        let lower = name.to_ascii_lowercase();
        let is_prefix = !lower.is_empty() && lower.chars().all(|c| c.is_ascii_hexdigit());
        let mut found = Vec::new();
        if is_prefix {
            let mut statement = self.0.prepare_cached(&by_run).context("find the run")?;
            let rows = statement.query_map(named_params! {":name": lower, ":after": format!("{lower}g")}, row);
            found = rows
                .context("find the run")?
                .collect::<rusqlite::Result<_>>()
                .context("find the run")?;
        }
        if found.len() > 1 {
            return Err(Error::new(Kind::Usage, format_args!("several run ids begin with `{name}`")).hint("Use a longer prefix."));
        }
        found.pop().ok_or_else(|| {
            let error = Error::new(Kind::NotFound, format_args!("no run is named `{}`", name.escape_debug()));
            let is_schedule = |id: &ScheduleId| self.schedule_key(id).is_ok_and(|key| key.is_some());
            if ScheduleId::parse(name).is_ok_and(|id| is_schedule(&id)) {
                return error.hint(format_args!(
                    "`{name}` is a schedule: `tempo workflow list {name}` lists its runs."
                ));
            }
            error.hint(
                "Run `tempo workflow list` to see them; a run is identified by a prefix of its run id, or by its workflow id.",
            )
        })
    }

    /// The shortest unique prefix of a run id, at least six characters.
    pub(crate) fn short_run_id<'r>(&self, run_id: &'r str) -> Result<&'r str, Error> {
        const SQL: &str = "SELECT (SELECT max(run_id) FROM run WHERE run_id < :id) AS before,
            (SELECT min(run_id) FROM run WHERE run_id > :id) AS after";
        let mut statement = self.0.prepare_cached(SQL).context("shorten the run id")?;
        let neighbors: [Option<String>; 2] = statement
            .query_row(named_params! {":id": run_id}, |r| Ok([r.get("before")?, r.get("after")?]))
            .context("shorten the run id")?;
        let common_prefix = |other: &String| run_id.bytes().zip(other.bytes()).take_while(|(a, b)| a == b).count();
        let length = neighbors.iter().flatten().map(common_prefix).max().unwrap_or(0) + 1;
        Ok(&run_id[..length.max(6).min(run_id.len())])
    }

    /// The closed steps of a run, in order.
    pub(crate) fn steps_of(&self, run: i64) -> Result<Vec<StepRow>, Error> {
        const SQL: &str = "SELECT position, status, result FROM step WHERE run = :run ORDER BY position";
        let mut statement = self.0.prepare_cached(SQL).context("read the steps")?;
        let rows = statement.query_map(named_params! {":run": run}, |r| {
            Ok((r.get("position")?, r.get::<_, String>("status")?, r.get("result")?))
        });
        let rows = rows
            .context("read the steps")?
            .collect::<rusqlite::Result<Vec<_>>>()
            .context("read the steps")?;
        rows.into_iter()
            .map(|(position, status, result)| {
                Ok(StepRow {
                    position,
                    status: named("status", &status, Status::named(&status))?,
                    result,
                })
            })
            .collect()
    }

    /// The result of a closed step.
    pub(crate) fn step_result(&self, run: i64, position: usize) -> Result<Option<String>, Error> {
        const SQL: &str = "SELECT result FROM step WHERE run = :run AND position = :position";
        let mut statement = self.0.prepare_cached(SQL).context("read the steps")?;
        let found = statement.query_row(named_params! {":run": run, ":position": position}, |r| r.get("result"));
        found.optional().context("read the steps")
    }

    /// The outputs of the steps of a run, by position.
    pub(crate) fn step_outputs(&self, run: i64) -> Result<BTreeMap<usize, Outputs>, Error> {
        const SQL: &str = "SELECT position, key, value FROM step_output WHERE run = :run";
        let mut statement = self.0.prepare_cached(SQL).context("read the outputs")?;
        let rows = statement.query_map(named_params! {":run": run}, |r| {
            Ok((r.get("position")?, r.get("key")?, r.get("value")?))
        });
        let mut all = BTreeMap::<usize, Outputs>::new();
        for row in rows.context("read the outputs")? {
            let (position, key, value) = row.context("read the outputs")?;
            all.entry(position).or_default().insert(key, value);
        }
        Ok(all)
    }

    /// How long after their due times the newest `limit` scheduled runs of a schedule began, in milliseconds. Those that have not begun are left out.
    pub(crate) fn lateness(&self, schedule: i64, limit: u64) -> Result<Vec<i64>, Error> {
        const SQL: &str = "SELECT max(0, a.started_ms - r.due_ms) FROM
            (SELECT key, due_ms FROM run WHERE schedule = :schedule AND origin = 'scheduled' ORDER BY key DESC LIMIT :limit) r
            JOIN attempt a ON a.run = r.key AND a.position = 0 AND a.number = 1";
        let mut statement = self.0.prepare_cached(SQL).context("read how late runs began")?;
        let rows = statement.query_map(named_params! {":schedule": schedule, ":limit": count(limit)}, |r| r.get(0));
        rows.context("read how late runs began")?
            .collect::<rusqlite::Result<_>>()
            .context("read how late runs began")
    }

    /// The attempts of a run, in order.
    pub(crate) fn attempts_of(&self, run: i64) -> Result<Vec<AttemptRow>, Error> {
        const SQL: &str = "SELECT a.position, a.number, a.started_ms, a.elapsed_ms, a.outcome, a.error_type, a.error, a.status_code, a.exit_code, o.bytes, o.stderr
            FROM attempt a LEFT JOIN output o ON o.run = a.run AND o.position = a.position AND o.number = a.number
            WHERE a.run = :run ORDER BY a.position, a.number";
        let mut statement = self.0.prepare_cached(SQL).context("read the attempts")?;
        let rows = statement.query_map(named_params! {":run": run}, |r| {
            Ok(AttemptRow {
                position: r.get("position")?,
                number: r.get("number")?,
                started: at(r.get("started_ms")?),
                elapsed_ms: r.get("elapsed_ms")?,
                outcome: r.get("outcome")?,
                error_type: text_opt(r, "error_type")?,
                error: text_opt(r, "error")?,
                status_code: r.get("status_code")?,
                exit_code: r.get("exit_code")?,
                output: r.get("bytes")?,
                stderr: r.get("stderr")?,
            })
        });
        rows.context("read the attempts")?
            .collect::<rusqlite::Result<_>>()
            .context("read the attempts")
    }
}
