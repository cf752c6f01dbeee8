//! Runs, their steps and attempts: asked for, and moved on by events.

use chrono::{DateTime, Utc};
use rusqlite::{OptionalExtension as _, Row, named_params};

use super::rows::{Attempt as _, at, at_opt, count, ms, named, to_json};
use super::situation::stop_named;
use super::{Read, Write};
use crate::error::{Error, Kind};
use crate::machine::Process;
use crate::run::outcome::{AttemptResult, Ending, Status};
use crate::run::{Change, Event, Phase, Progress, Stop};

/// A run as it is on file.
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
    /// How many of its steps failed for good.
    pub(crate) incidents: u64,
    pub(crate) position: usize,
}

/// A run that is open, with where it stands.
#[derive(Debug, Clone)]
pub(crate) struct OpenRun {
    pub(crate) row: RunRow,
    pub(crate) progress: Progress,
    pub(crate) stop: Option<Stop>,
}

/// A step that has closed.
#[derive(Debug, Clone)]
pub(crate) struct StepRow {
    pub(crate) position: usize,
    pub(crate) status: Status,
    pub(crate) result: String,
}

/// An attempt.
#[derive(Debug, Clone)]
pub(crate) struct AttemptRow {
    pub(crate) position: usize,
    pub(crate) number: u32,
    pub(crate) started: DateTime<Utc>,
    pub(crate) elapsed_ms: Option<i64>,
    pub(crate) outcome: Option<String>,
    pub(crate) error_type: Option<String>,
    pub(crate) error: Option<String>,
    pub(crate) status_code: Option<u16>,
    pub(crate) exit_code: Option<i32>,
    pub(crate) output: Option<Vec<u8>>,
}

/// An attempt that a server left open when it died.
#[derive(Debug, Clone)]
pub(crate) struct LostAttempt {
    pub(crate) run: i64,
    pub(crate) run_id: String,
    pub(crate) process: Option<Process>,
}

/// A run to be put on file without a schedule.
#[derive(Debug, Clone)]
pub(crate) struct NewRun {
    pub(crate) workflow_id: String,
    pub(crate) action: crate::run::written::Action,
}

/// Which runs are asked for.
#[derive(Debug, Clone, Default)]
pub(crate) struct RunFilter {
    pub(crate) schedule_id: Option<String>,
    pub(crate) status: Option<Status>,
    pub(crate) since: Option<DateTime<Utc>>,
    /// Absent: all.
    pub(crate) limit: Option<u64>,
}

const RUN: &str = "SELECT key, run_id, workflow_id, schedule, schedule_id, workflow, nominal_ms, due_ms, started_ms, closed_ms, status,
    reason, incidents, position, attempts, lost, lost_in_a_row, step_started_ms, phase, phase_ms, stop FROM run";

fn row(r: &Row<'_>) -> rusqlite::Result<RunRow> {
    let status: String = r.get("status")?;
    Ok(RunRow {
        key: r.get("key")?,
        run_id: r.get("run_id")?,
        workflow_id: r.get("workflow_id")?,
        schedule: r.get("schedule")?,
        schedule_id: r.get("schedule_id")?,
        workflow: r.get("workflow")?,
        nominal: at(r.get("nominal_ms")?),
        due: at(r.get("due_ms")?),
        started: at(r.get("started_ms")?),
        closed: at_opt(r.get("closed_ms")?),
        // The table's CHECK admits only names of statuses.
        status: Status::named(&status).unwrap_or(Status::Running),
        reason: r.get("reason")?,
        incidents: r.get::<_, i64>("incidents")?.unsigned_abs(),
        position: r.get("position")?,
    })
}

fn open(r: &Row<'_>) -> rusqlite::Result<OpenRun> {
    let phase_at = at_opt(r.get("phase_ms")?);
    let phase = match (r.get::<_, String>("phase")?.as_str(), phase_at) {
        ("waiting", Some(until)) => Phase::Waiting { until },
        ("running", Some(since)) => Phase::Running { since },
        _ => Phase::Ready,
    };
    Ok(OpenRun {
        row: row(r)?,
        progress: Progress {
            position: r.get("position")?,
            attempts: r.get("attempts")?,
            lost: r.get("lost")?,
            lost_in_a_row: r.get("lost_in_a_row")?,
            step_started: at_opt(r.get("step_started_ms")?),
            phase,
        },
        stop: stop_named(r.get::<_, Option<String>>("stop")?.as_deref()),
    })
}

impl Read<'_> {
    /// The runs that a filter lets through, newest first.
    pub(crate) fn runs(&self, filter: &RunFilter) -> Result<Vec<RunRow>, Error> {
        let sql = format!(
            "{RUN} WHERE (:schedule IS NULL OR schedule_id = :schedule) AND (:status IS NULL OR status = :status)
            AND (:since IS NULL OR started_ms >= :since) ORDER BY key DESC LIMIT :limit"
        );
        let mut statement = self.0.prepare_cached(&sql).attempt("list the runs")?;
        let rows = statement.query_map(
            named_params! {
                ":schedule": filter.schedule_id,
                ":status": filter.status.map(Status::name),
                ":since": filter.since.map(ms),
                ":limit": filter.limit.map_or(-1, count),
            },
            row,
        );
        rows.attempt("list the runs")?.collect::<rusqlite::Result<_>>().attempt("list the runs")
    }

    /// The newest runs of a schedule.
    pub(crate) fn recent_of(&self, schedule: i64, limit: u64) -> Result<Vec<RunRow>, Error> {
        let sql = format!("{RUN} WHERE schedule = :schedule ORDER BY key DESC LIMIT :limit");
        let mut statement = self.0.prepare_cached(&sql).attempt("list the runs")?;
        let rows = statement.query_map(named_params! {":schedule": schedule, ":limit": count(limit)}, row);
        rows.attempt("list the runs")?.collect::<rusqlite::Result<_>>().attempt("list the runs")
    }

    pub(super) fn runs_of_request(&self, request: i64) -> Result<Vec<RunRow>, Error> {
        let sql = format!("{RUN} WHERE request = :request ORDER BY key");
        let mut statement = self.0.prepare_cached(&sql).attempt("list the runs")?;
        let rows = statement.query_map(named_params! {":request": request}, row);
        rows.attempt("list the runs")?.collect::<rusqlite::Result<_>>().attempt("list the runs")
    }

    /// All open runs, oldest first: the key of their schedule, workflow id, run id.
    pub(crate) fn all_running(&self) -> Result<Vec<RunRow>, Error> {
        let sql = format!("{RUN} WHERE closed_ms IS NULL ORDER BY key");
        let mut statement = self.0.prepare_cached(&sql).attempt("ask what is running")?;
        let rows = statement.query_map([], row);
        rows.attempt("ask what is running")?.collect::<rusqlite::Result<_>>().attempt("ask what is running")
    }

    /// How many open runs wait for a worker.
    pub(crate) fn queued(&self) -> Result<u64, Error> {
        const SQL: &str = "SELECT count(*) AS n FROM run WHERE closed_ms IS NULL AND phase = 'ready'";
        let mut statement = self.0.prepare_cached(SQL).attempt("count what waits")?;
        statement.query_row([], |r| r.get("n")).attempt("count what waits")
    }

    /// The keys of open runs above `after`, which nobody may have queued yet.
    pub(crate) fn open_runs_after(&self, after: i64) -> Result<Vec<i64>, Error> {
        const SQL: &str = "SELECT key FROM run WHERE closed_ms IS NULL AND key > :after ORDER BY key";
        let mut statement = self.0.prepare_cached(SQL).attempt("ask what is running")?;
        let rows = statement.query_map(named_params! {":after": after}, |r| r.get("key"));
        rows.attempt("ask what is running")?.collect::<rusqlite::Result<_>>().attempt("ask what is running")
    }

    /// The run by its key.
    pub(crate) fn run(&self, key: i64) -> Result<Option<RunRow>, Error> {
        let sql = format!("{RUN} WHERE key = :key");
        let mut statement = self.0.prepare_cached(&sql).attempt("look for the run")?;
        statement.query_row(named_params! {":key": key}, row).optional().attempt("look for the run")
    }

    /// The run that a unique prefix of a run id, or a workflow id (the newest of it), names.
    ///
    /// # Errors
    /// `NotFound` when there is none, `Usage` when a prefix fits several.
    pub(crate) fn run_named(&self, name: &str) -> Result<RunRow, Error> {
        let by_workflow = format!("{RUN} WHERE workflow_id = :name ORDER BY key DESC LIMIT 1");
        let by_run = format!("{RUN} WHERE run_id >= :name AND run_id < :after ORDER BY run_id LIMIT 2");
        let mut statement = self.0.prepare_cached(&by_workflow).attempt("look for the run")?;
        let found = statement.query_row(named_params! {":name": name}, row).optional().attempt("look for the run")?;
        if let Some(found) = found {
            return Ok(found);
        }
        let lower = name.to_ascii_lowercase();
        let is_prefix = !lower.is_empty() && lower.chars().all(|c| c.is_ascii_hexdigit());
        let mut found = Vec::new();
        if is_prefix {
            let mut statement = self.0.prepare_cached(&by_run).attempt("look for the run")?;
            let rows = statement.query_map(named_params! {":name": lower, ":after": format!("{lower}g")}, row);
            found = rows.attempt("look for the run")?.collect::<rusqlite::Result<_>>().attempt("look for the run")?;
        }
        if found.len() > 1 {
            return Err(Error::new(Kind::Usage, format_args!("several runs begin with `{name}`")).hint("Write more of the run id."));
        }
        found.pop().ok_or_else(|| {
            Error::new(Kind::NotFound, format_args!("no run is named `{}`", name.escape_debug()))
                .hint("Run `tempo workflow list` to see them; a run is named by the beginning of its run id, or by its workflow id.")
        })
    }

    /// The shortest beginning of a run id, at least six characters, that no other run id has.
    pub(crate) fn short_run_id<'r>(&self, run_id: &'r str) -> Result<&'r str, Error> {
        const SQL: &str = "SELECT (SELECT max(run_id) FROM run WHERE run_id < :id) AS before,
            (SELECT min(run_id) FROM run WHERE run_id > :id) AS after";
        let mut statement = self.0.prepare_cached(SQL).attempt("shorten the run id")?;
        let neighbours: [Option<String>; 2] =
            statement.query_row(named_params! {":id": run_id}, |r| Ok([r.get("before")?, r.get("after")?])).attempt("shorten the run id")?;
        let shared = |other: &String| run_id.bytes().zip(other.bytes()).take_while(|(a, b)| a == b).count();
        let length = neighbours.iter().flatten().map(shared).max().unwrap_or(0) + 1;
        Ok(&run_id[..length.max(6).min(run_id.len())])
    }

    /// The steps of a run that have closed.
    pub(crate) fn steps_of(&self, run: i64) -> Result<Vec<StepRow>, Error> {
        const SQL: &str = "SELECT position, status, result FROM step WHERE run = :run ORDER BY position";
        let mut statement = self.0.prepare_cached(SQL).attempt("read the steps")?;
        let rows = statement.query_map(named_params! {":run": run}, |r| {
            Ok((r.get("position")?, r.get::<_, String>("status")?, r.get("result")?))
        });
        let rows = rows.attempt("read the steps")?.collect::<rusqlite::Result<Vec<_>>>().attempt("read the steps")?;
        rows.into_iter()
            .map(|(position, status, result)| Ok(StepRow { position, status: named("status", &status, Status::named(&status))?, result }))
            .collect()
    }

    /// The attempts of a run, in order.
    pub(crate) fn attempts_of(&self, run: i64) -> Result<Vec<AttemptRow>, Error> {
        const SQL: &str = "SELECT a.position, a.number, a.started_ms, a.elapsed_ms, a.outcome, a.error_type, a.error, a.status_code, a.exit_code, o.bytes
            FROM attempt a LEFT JOIN output o ON o.run = a.run AND o.position = a.position AND o.number = a.number
            WHERE a.run = :run ORDER BY a.position, a.number";
        let mut statement = self.0.prepare_cached(SQL).attempt("read the attempts")?;
        let rows = statement.query_map(named_params! {":run": run}, |r| {
            Ok(AttemptRow {
                position: r.get("position")?,
                number: r.get("number")?,
                started: at(r.get("started_ms")?),
                elapsed_ms: r.get("elapsed_ms")?,
                outcome: r.get("outcome")?,
                error_type: r.get("error_type")?,
                error: r.get("error")?,
                status_code: r.get("status_code")?,
                exit_code: r.get("exit_code")?,
                output: r.get("bytes")?,
            })
        });
        rows.attempt("read the attempts")?.collect::<rusqlite::Result<_>>().attempt("read the attempts")
    }

    /// An open run; none when it has closed.
    pub(crate) fn open_run(&self, key: i64) -> Result<Option<OpenRun>, Error> {
        let sql = format!("{RUN} WHERE key = :key AND closed_ms IS NULL");
        let mut statement = self.0.prepare_cached(&sql).attempt("read the run")?;
        statement.query_row(named_params! {":key": key}, open).optional().attempt("read the run")
    }

    /// The attempts that are open though no server is up: a server died in them.
    pub(crate) fn lost_attempts(&self) -> Result<Vec<LostAttempt>, Error> {
        const SQL: &str = "SELECT r.key, r.run_id, a.pid, a.pid_started, a.boot FROM run r
            JOIN attempt a ON a.run = r.key AND a.position = r.position AND a.number = r.attempts
            WHERE r.closed_ms IS NULL AND r.phase = 'running' ORDER BY r.key";
        let mut statement = self.0.prepare_cached(SQL).attempt("look for lost attempts")?;
        let rows = statement.query_map([], |r| {
            let known: (Option<u32>, Option<i64>, Option<String>) = (r.get("pid")?, r.get("pid_started")?, r.get("boot")?);
            let process = match known {
                (Some(pid), Some(started), Some(boot)) => Some(Process { pid, started, boot }),
                _ => None,
            };
            Ok(LostAttempt { run: r.get("key")?, run_id: r.get("run_id")?, process })
        });
        rows.attempt("look for lost attempts")?.collect::<rusqlite::Result<_>>().attempt("look for lost attempts")
    }
}

impl Write<'_> {
    /// Puts a run without a schedule on file: its key and run id.
    pub(crate) fn insert_run(&self, new: &NewRun, now: DateTime<Utc>) -> Result<(i64, String), Error> {
        const SQL: &str = "INSERT INTO run (workflow_id, origin, workflow, nominal_ms, due_ms, started_ms)
            VALUES (:workflow_id, 'start', :workflow, :now, :now, :now) RETURNING key, run_id";
        let workflow = self.workflow(&new.action)?;
        let mut statement = self.0.0.prepare_cached(SQL).attempt("record the run")?;
        statement
            .query_row(named_params! {":workflow_id": new.workflow_id, ":workflow": workflow, ":now": ms(now)}, |r| {
                Ok((r.get("key")?, r.get("run_id")?))
            })
            .attempt("record the run")
    }

    /// Records that a run is to stop; the stronger request stays.
    pub(crate) fn stop_run(&self, run: i64, stop: Stop) -> Result<(), Error> {
        const SQL: &str = "UPDATE run SET stop = CASE WHEN stop = 'terminate' THEN stop ELSE :stop END
            WHERE key = :key AND closed_ms IS NULL";
        let name = match stop {
            Stop::Cancel => "cancel",
            Stop::Terminate => "terminate",
        };
        let mut statement = self.0.0.prepare_cached(SQL).attempt("record that the run is to stop")?;
        statement.execute(named_params! {":key": run, ":stop": name}).map(|_| ()).attempt("record that the run is to stop")
    }

    /// Records an event of a run and what follows from it.
    pub(crate) fn record(&self, run: &OpenRun, event: &Event, change: &Change, now: DateTime<Utc>) -> Result<(), Error> {
        let position = run.progress.position;
        match event {
            Event::AttemptStarted => self.insert_attempt(run.row.key, position, change.progress.attempts, now)?,
            Event::AttemptEnded(result) => self.end_attempt(run, result)?,
            Event::WorkerLost => {
                let since = if let Phase::Running { since } = run.progress.phase { since } else { now };
                let elapsed_ms = (now - since).num_milliseconds().max(0);
                self.end_attempt(run, &AttemptResult::new(Ending::Lost, elapsed_ms))?;
            }
            Event::Stopped(_) | Event::TimedOut => {}
        }
        if let Some(step) = &change.step {
            const SQL: &str = "INSERT INTO step (run, position, status, result, closed_ms) VALUES (:run, :position, :status, :result, :now)";
            let mut statement = self.0.0.prepare_cached(SQL).attempt("record the step")?;
            statement
                .execute(named_params! {
                    ":run": run.row.key, ":position": step.position, ":status": step.status.name(), ":result": step.result, ":now": ms(now),
                })
                .attempt("record the step")?;
        }
        self.record_progress_of_run(run.row.key, change, now)
    }

    fn insert_attempt(&self, run: i64, position: usize, number: u32, now: DateTime<Utc>) -> Result<(), Error> {
        const SQL: &str = "INSERT INTO attempt (run, position, number, started_ms) VALUES (:run, :position, :number, :now)";
        let mut statement = self.0.0.prepare_cached(SQL).attempt("record the attempt")?;
        let done = statement.execute(named_params! {":run": run, ":position": position, ":number": number, ":now": ms(now)});
        done.map(|_| ()).attempt("record the attempt")
    }

    fn end_attempt(&self, run: &OpenRun, result: &AttemptResult) -> Result<(), Error> {
        const SQL: &str = "UPDATE attempt SET elapsed_ms = :elapsed, outcome = :outcome, error_type = :error_type, error = :error,
            status_code = :status_code, exit_code = :exit_code WHERE run = :run AND position = :position AND number = :number";
        const OUTPUT: &str = "INSERT INTO output (run, position, number, bytes) VALUES (:run, :position, :number, :bytes)";
        let (position, number) = (run.progress.position, run.progress.attempts);
        let failure = result.ending.failure();
        let mut statement = self.0.0.prepare_cached(SQL).attempt("record the attempt's end")?;
        statement
            .execute(named_params! {
                ":run": run.row.key,
                ":position": position,
                ":number": number,
                ":elapsed": result.elapsed_ms,
                ":outcome": result.ending.name(),
                ":error_type": failure.as_ref().map(|f| f.error_type.name()),
                ":error": failure.as_ref().map(|f| f.message.as_str()),
                ":status_code": result.status_code,
                ":exit_code": result.exit_code,
            })
            .attempt("record the attempt's end")?;
        if !result.output.is_empty() {
            let mut statement = self.0.0.prepare_cached(OUTPUT).attempt("record the output")?;
            statement
                .execute(named_params! {":run": run.row.key, ":position": position, ":number": number, ":bytes": result.output})
                .attempt("record the output")?;
        }
        Ok(())
    }

    fn record_progress_of_run(&self, run: i64, change: &Change, now: DateTime<Utc>) -> Result<(), Error> {
        const SQL: &str = "UPDATE run SET position = :position, attempts = :attempts, lost = :lost, lost_in_a_row = :lost_in_a_row,
            step_started_ms = :step_started, phase = :phase, phase_ms = :phase_ms, incidents = incidents + :incidents,
            status = :status, reason = :reason, closed_ms = :closed WHERE key = :key";
        let progress = &change.progress;
        let (phase, phase_at) = match progress.phase {
            _ if change.run.is_some() => ("ready", None),
            Phase::Ready => ("ready", None),
            Phase::Waiting { until } => ("waiting", Some(until)),
            Phase::Running { since } => ("running", Some(since)),
        };
        let incident = change.step.as_ref().is_some_and(|s| s.incident.is_some());
        let mut statement = self.0.0.prepare_cached(SQL).attempt("record the run's progress")?;
        statement
            .execute(named_params! {
                ":key": run,
                ":position": progress.position,
                ":attempts": progress.attempts,
                ":lost": progress.lost,
                ":lost_in_a_row": progress.lost_in_a_row,
                ":step_started": progress.step_started.map(ms),
                ":phase": phase,
                ":phase_ms": phase_at.map(ms),
                ":incidents": i64::from(incident),
                ":status": change.run.as_ref().map_or(Status::Running, |r| r.status).name(),
                ":reason": change.run.as_ref().and_then(|r| r.reason.as_deref()),
                ":closed": change.run.as_ref().map(|_| ms(now)),
            })
            .map(|_| ())
            .attempt("record the run's progress")
    }

    /// Records which process an attempt runs in, so that it can be ended should this server die.
    pub(crate) fn record_process(&self, run: i64, position: usize, number: u32, process: &Process) -> Result<(), Error> {
        const SQL: &str = "UPDATE attempt SET pid = :pid, pid_started = :started, boot = :boot
            WHERE run = :run AND position = :position AND number = :number AND outcome IS NULL";
        let mut statement = self.0.0.prepare_cached(SQL).attempt("record the process")?;
        statement
            .execute(named_params! {
                ":run": run, ":position": position, ":number": number,
                ":pid": process.pid, ":started": process.started, ":boot": process.boot,
            })
            .map(|_| ())
            .attempt("record the process")
    }

    /// Pauses a schedule because a run of it failed; whether it was going.
    pub(crate) fn pause_for_failure(&self, schedule: i64, note: &str, now: DateTime<Utc>) -> Result<bool, Error> {
        const SQL: &str = "UPDATE schedule SET paused = 1, note = :note, updated_ms = :now WHERE key = :key AND paused = 0";
        let mut statement = self.0.0.prepare_cached(SQL).attempt("pause the schedule")?;
        let changed = statement.execute(named_params! {":key": schedule, ":note": note, ":now": ms(now)}).attempt("pause the schedule")?;
        Ok(changed == 1)
    }
}

/// The result of a run as JSON text: what each closed step came to.
pub(crate) fn result_json(steps: &[(String, String)]) -> Result<String, Error> {
    let map: serde_json::Map<String, serde_json::Value> = steps.iter().map(|(name, result)| (name.clone(), result.clone().into())).collect();
    to_json("result", &map)
}
