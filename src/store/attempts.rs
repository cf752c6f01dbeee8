//! Writes the progress of runs: events, attempts, steps and processes.

use chrono::{DateTime, Utc};
use rusqlite::named_params;

use super::Write;
use super::event_kind::EventKind;
use super::events::NewEvent;
use super::open_runs::OpenRun;
use super::rows::{Context as _, count, ms};
use super::runs::NewRun;
use crate::error::Error;
use crate::machine::Process;
use crate::run::outcome::{AttemptResult, Ending, Status};
use crate::run::outputs::Outputs;
use crate::run::{Change, Event, Phase, Progress, RunClosed, Stop};

fn unless_empty(bytes: &[u8]) -> Option<&[u8]> {
    Some(bytes).filter(|bytes| !bytes.is_empty())
}

impl Write<'_> {
    /// Inserts a run without a schedule; returns its key and run id.
    pub(crate) fn insert_run(&self, new: &NewRun, now: DateTime<Utc>) -> Result<(i64, String), Error> {
        const SQL: &str = "INSERT INTO run (workflow_id, origin, workflow, nominal_ms, due_ms, started_ms)
            VALUES (:workflow_id, 'start', :workflow, :now, :now, :now) RETURNING key, run_id";
        let workflow = self.workflow(&new.action)?;
        let mut statement = self.0.0.prepare_cached(SQL).context("record the run")?;
        let run: (i64, String) = statement
            .query_row(
                named_params! {":workflow_id": new.workflow_id, ":workflow": workflow, ":now": ms(now)},
                |r| Ok((r.get("key")?, r.get("run_id")?)),
            )
            .context("record the run")?;
        self.insert_run_event(EventKind::Start, run.0, None, now)?;
        Ok(run)
    }

    /// Records that a run has to stop, and why; a terminate request is not weakened to a cancel.
    pub(crate) fn stop_run(&self, run: i64, stop: Stop, reason: Option<&str>, now: DateTime<Utc>) -> Result<(), Error> {
        const SQL: &str = "UPDATE run SET stop = CASE WHEN stop = 'terminate' THEN stop ELSE :stop END,
            stop_reason = coalesce(:reason, stop_reason)
            WHERE key = :key AND closed_ms IS NULL";
        let kind = match stop {
            Stop::Cancel => EventKind::Cancel,
            Stop::Terminate => EventKind::Terminate,
        };
        let mut statement = self.0.0.prepare_cached(SQL).context("record that the run has to stop")?;
        let changed = statement
            .execute(named_params! {":key": run, ":stop": kind.name(), ":reason": reason})
            .context("record that the run has to stop")?;
        if changed == 0 {
            return Ok(());
        }
        self.insert_run_event(kind, run, reason, now)
    }

    /// Reopens a run at the step where it ended, with its attempts and timeout reset. Returns `false` if the run is open or completed, or never began a step.
    pub(crate) fn retry_run(&self, run: i64, now: DateTime<Utc>) -> Result<bool, Error> {
        const REOPEN: &str =
            "UPDATE run SET status = 'Running', closed_ms = NULL, reason = NULL, stop = NULL, stop_reason = NULL,
            phase = 'ready', phase_ms = NULL, lost_in_a_row = 0, step_started_ms = NULL, resumed_ms = :now,
            position = (SELECT max(position) FROM step WHERE run = :key)
            WHERE key = :key AND status NOT IN ('Running', 'Completed') AND EXISTS (SELECT 1 FROM step WHERE run = :key)";
        const DELETE_LAST_STEP: &str =
            "DELETE FROM step WHERE run = :key AND position = (SELECT position FROM run WHERE key = :key)";
        // Earlier attempts no longer count, like lost ones.
        const RESET_ATTEMPTS: &str =
            "UPDATE run SET (attempts, lost) = (SELECT coalesce(max(number), 0), coalesce(max(number), 0)
            FROM attempt WHERE attempt.run = :key AND attempt.position = run.position) WHERE key = :key";
        const RECOUNT: &str = "UPDATE run SET incidents = (SELECT count(*) FROM step WHERE run = :key AND status IN ('Failed', 'TimedOut')) WHERE key = :key";
        let what = "reopen the run";
        let mut statement = self.0.0.prepare_cached(REOPEN).context(what)?;
        let reopened = statement
            .execute(named_params! {":key": run, ":now": ms(now)})
            .context(what)?;
        if reopened == 0 {
            return Ok(false);
        }
        for sql in [DELETE_LAST_STEP, RESET_ATTEMPTS, RECOUNT] {
            let mut statement = self.0.0.prepare_cached(sql).context(what)?;
            statement.execute(named_params! {":key": run}).context(what)?;
        }
        self.insert_run_event(EventKind::Reopen, run, None, now)?;
        Ok(true)
    }

    /// Records an event of a run and its consequences, except the progress of the run: see [`Write::put_progress`] and [`Write::close_run`].
    pub(crate) fn record(&self, run: &OpenRun, event: &Event, change: &Change, now: DateTime<Utc>) -> Result<(), Error> {
        let position = run.progress.position;
        match event {
            Event::AttemptStarted => self.insert_attempt(run.row.key, position, change.progress.attempts, now)?,
            Event::AttemptEnded(result) => {
                self.end_attempt(run, result)?;
                if let (Ending::Failed(_), Phase::Waiting { until }) = (&result.ending, &change.progress.phase) {
                    let event = NewEvent {
                        value: Some(ms(*until)),
                        ..NewEvent::of_attempt(EventKind::Retry, run)
                    };
                    self.insert_event(&event, now)?;
                }
            }
            Event::WorkerLost => {
                let since = if let Phase::Running { since } = run.progress.phase {
                    since
                } else {
                    now
                };
                let elapsed_ms = (now - since).num_milliseconds().max(0);
                self.end_attempt(run, &AttemptResult::new(Ending::Lost, elapsed_ms))?;
                self.insert_event(&NewEvent::of_attempt(EventKind::Lost, run), now)?;
            }
            Event::NotPerformed => self.delete_attempt(run)?,
            Event::Stopped(_) | Event::StepTimedOut | Event::TimedOut => {}
        }
        if let Some(step) = &change.step {
            const SQL: &str =
                "INSERT INTO step (run, position, status, result, closed_ms) VALUES (:run, :position, :status, :result, :now)";
            let mut statement = self.0.0.prepare_cached(SQL).context("record the step")?;
            statement
                .execute(named_params! {
                    ":run": run.row.key, ":position": step.position, ":status": step.status.name(), ":result": step.result, ":now": ms(now),
                })
                .context("record the step")?;
            // A step that failed for good has the event of its incident.
            if step.incident.is_none() {
                let event = NewEvent {
                    position: Some(step.position),
                    detail: (step.status != Status::Completed).then_some(step.result.as_str()),
                    ..NewEvent::of_run(EventKind::Step, &run.row)
                };
                self.insert_event(&event, now)?;
            }
        }
        if let (Some(step), Event::AttemptEnded(result)) = (&change.step, event) {
            self.record_outputs(run.row.key, step.position, &result.outputs)?;
        }
        if change.step.as_ref().is_some_and(|s| s.incident.is_some()) {
            const SQL: &str = "UPDATE run SET incidents = incidents + 1 WHERE key = :key";
            let mut statement = self.0.0.prepare_cached(SQL).context("count the incident")?;
            statement
                .execute(named_params! {":key": run.row.key})
                .context("count the incident")?;
        }
        Ok(())
    }

    fn record_outputs(&self, run: i64, position: usize, outputs: &Outputs) -> Result<(), Error> {
        const SQL: &str = "INSERT INTO step_output (run, position, key, value) VALUES (:run, :position, :key, :value)";
        if outputs.is_empty() {
            return Ok(());
        }
        let mut statement = self.0.0.prepare_cached(SQL).context("record the outputs")?;
        for (key, value) in outputs {
            statement
                .execute(named_params! {":run": run, ":position": position, ":key": key, ":value": value})
                .context("record the outputs")?;
        }
        Ok(())
    }

    /// Replaces the result of a closed step.
    pub(crate) fn set_step_result(&self, run: i64, position: usize, result: &str) -> Result<(), Error> {
        const SQL: &str = "UPDATE step SET result = :result WHERE run = :run AND position = :position";
        let mut statement = self.0.0.prepare_cached(SQL).context("record the step")?;
        let done = statement.execute(named_params! {":run": run, ":position": position, ":result": result});
        done.map(|_| ()).context("record the step")
    }

    fn insert_attempt(&self, run: i64, position: usize, number: u32, now: DateTime<Utc>) -> Result<(), Error> {
        const SQL: &str = "INSERT INTO attempt (run, position, number, started_ms) VALUES (:run, :position, :number, :now)";
        let mut statement = self.0.0.prepare_cached(SQL).context("record the attempt")?;
        let done = statement.execute(named_params! {":run": run, ":position": position, ":number": number, ":now": ms(now)});
        done.map(|_| ()).context("record the attempt")
    }

    fn delete_attempt(&self, run: &OpenRun) -> Result<(), Error> {
        const SQL: &str = "DELETE FROM attempt WHERE run = :run AND position = :position AND number = :number";
        let (position, number) = (run.progress.position, run.progress.attempts);
        let mut statement = self.0.0.prepare_cached(SQL).context("take the attempt back")?;
        let done = statement.execute(named_params! {":run": run.row.key, ":position": position, ":number": number});
        done.map(|_| ()).context("take the attempt back")
    }

    fn end_attempt(&self, run: &OpenRun, result: &AttemptResult) -> Result<(), Error> {
        const SQL: &str =
            "UPDATE attempt SET started_ms = max(started_ms, coalesce(:began, started_ms)), elapsed_ms = :elapsed, outcome = :outcome, error_type = :error_type, error = :error,
            status_code = :status_code, exit_code = :exit_code WHERE run = :run AND position = :position AND number = :number";
        const OUTPUT: &str = "INSERT OR REPLACE INTO output (run, position, number, bytes, stderr) VALUES (:run, :position, :number, :bytes, :stderr)";
        let (position, number) = (run.progress.position, run.progress.attempts);
        let failure = result.ending.failure();
        let mut statement = self.0.0.prepare_cached(SQL).context("record the attempt's end")?;
        statement
            .execute(named_params! {
                ":run": run.row.key,
                ":position": position,
                ":number": number,
                ":began": result.began.map(ms),
                ":elapsed": result.elapsed_ms,
                ":outcome": result.ending.name(),
                ":error_type": failure.as_ref().map(|f| f.error_type.name()),
                ":error": failure.as_ref().map(|f| f.message.as_str()),
                ":status_code": result.status_code,
                ":exit_code": result.exit_code,
            })
            .context("record the attempt's end")?;
        if !(result.output.is_empty() && result.stderr.is_empty()) {
            let mut statement = self.0.0.prepare_cached(OUTPUT).context("record the output")?;
            statement
                .execute(named_params! {
                    ":run": run.row.key, ":position": position, ":number": number,
                    ":bytes": result.output, ":stderr": unless_empty(&result.stderr),
                })
                .context("record the output")?;
        }
        Ok(())
    }

    /// Records the progress of an open run.
    pub(crate) fn put_progress(&self, run: i64, progress: &Progress) -> Result<(), Error> {
        const SQL: &str =
            "UPDATE run SET position = :position, attempts = :attempts, lost = :lost, lost_in_a_row = :lost_in_a_row,
            step_started_ms = :step_started, phase = :phase, phase_ms = :phase_ms WHERE key = :key";
        let what = "record the run's progress";
        let (phase, phase_at) = match progress.phase {
            Phase::Ready => ("ready", None),
            Phase::Waiting { until } => ("waiting", Some(until)),
            Phase::Running { since } => ("running", Some(since)),
        };
        let mut statement = self.0.0.prepare_cached(SQL).context(what)?;
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
            })
            .map(|_| ())
            .context(what)
    }

    /// Closes a run, with its last progress.
    pub(crate) fn close_run(
        &self,
        run: &OpenRun,
        progress: &Progress,
        closed: &RunClosed,
        now: DateTime<Utc>,
    ) -> Result<(), Error> {
        const SQL: &str =
            "UPDATE run SET status = :status, reason = :reason, closed_ms = max(:now, coalesce(started_ms, :now)), position = :position, attempts = :attempts,
            lost = :lost, lost_in_a_row = :lost_in_a_row, step_started_ms = :step_started, phase = 'ready', phase_ms = NULL
            WHERE key = :key";
        let mut statement = self.0.0.prepare_cached(SQL).context("close the run")?;
        statement
            .execute(named_params! {
                ":key": run.row.key,
                ":status": closed.status.name(),
                ":reason": closed.reason,
                ":now": ms(now),
                ":position": progress.position,
                ":attempts": progress.attempts,
                ":lost": progress.lost,
                ":lost_in_a_row": progress.lost_in_a_row,
                ":step_started": progress.step_started.map(ms),
            })
            .context("close the run")?;
        let why = closed
            .reason
            .as_ref()
            .map_or_else(String::new, |reason| format!(": {reason}"));
        let detail = (closed.status != Status::Completed).then(|| format!("{}{why}", closed.status.name()));
        let event = NewEvent {
            number: Some(count(run.row.incidents)).filter(|incidents| *incidents > 0),
            value: Some((now - run.since).num_milliseconds()),
            detail: detail.as_deref(),
            ..NewEvent::of_run(EventKind::Finish, &run.row)
        };
        self.insert_event(&event, now)
    }

    /// Records the process of an attempt, so that it can be killed if this server dies, and that it started at `now`.
    pub(crate) fn record_process(
        &self,
        run: i64,
        (position, number): (usize, u32),
        process: &Process,
        now: DateTime<Utc>,
    ) -> Result<(), Error> {
        const SQL: &str =
            "UPDATE attempt SET started_ms = max(started_ms, :now), pid = :pid, pid_started = :started, boot = :boot
            WHERE run = :run AND position = :position AND number = :number AND outcome IS NULL";
        let mut statement = self.0.0.prepare_cached(SQL).context("record the process")?;
        statement
            .execute(named_params! {
                ":run": run, ":position": position, ":number": number,
                ":pid": process.pid, ":started": process.started, ":boot": process.boot, ":now": ms(now),
            })
            .map(|_| ())
            .context("record the process")
    }

    /// Records the output and the separate stderr so far of an attempt that is still running.
    pub(crate) fn record_output(
        &self,
        run: i64,
        (position, number): (usize, u32),
        (bytes, stderr): (&[u8], &[u8]),
    ) -> Result<(), Error> {
        const SQL: &str =
            "INSERT OR REPLACE INTO output (run, position, number, bytes, stderr) SELECT run, position, number, :bytes, :stderr FROM attempt
            WHERE run = :run AND position = :position AND number = :number AND outcome IS NULL";
        let mut statement = self.0.0.prepare_cached(SQL).context("record the output")?;
        let done = statement.execute(named_params! {
            ":run": run, ":position": position, ":number": number, ":bytes": bytes, ":stderr": unless_empty(stderr),
        });
        done.map(|_| ()).context("record the output")
    }

    /// Records how many runs of a schedule have failed in a row.
    pub(crate) fn set_failed_runs(&self, schedule: i64, failures: u32) -> Result<(), Error> {
        const SQL: &str = "UPDATE progress SET failed_runs = :failures WHERE schedule = :schedule";
        let mut statement = self.0.0.prepare_cached(SQL).context("count the failed runs")?;
        let done = statement.execute(named_params! {":schedule": schedule, ":failures": failures});
        done.map(|_| ()).context("count the failed runs")
    }

    /// Records that a run resumes with its current attempt.
    pub(crate) fn record_resumption(&self, run: &OpenRun, now: DateTime<Utc>) -> Result<(), Error> {
        self.insert_event(&NewEvent::of_attempt(EventKind::Resume, run), now)
    }

    /// Pauses a schedule, given by key and id, after a run of it failed; returns `false` if it was paused already.
    pub(crate) fn pause_for_failure(&self, schedule: (i64, &str), note: &str, now: DateTime<Utc>) -> Result<bool, Error> {
        const SQL: &str = "UPDATE schedule SET paused = 1, paused_ms = :now, note = :note, note_before = note, updated_ms = :now WHERE key = :key AND paused = 0";
        let mut statement = self.0.0.prepare_cached(SQL).context("pause the schedule")?;
        let changed = statement
            .execute(named_params! {":key": schedule.0, ":note": note, ":now": ms(now)})
            .context("pause the schedule")?;
        if changed == 0 {
            return Ok(false);
        }
        let event = NewEvent {
            number: Some(1),
            detail: Some(note),
            ..NewEvent::of_schedule(EventKind::Pause, schedule.0, schedule.1)
        };
        self.insert_event(&event, now)?;
        Ok(true)
    }
}
