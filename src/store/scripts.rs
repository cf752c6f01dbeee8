//! Durable scripts: the steps that a command calls while it runs, their attempts, and their remembered results.

use chrono::{DateTime, Utc};
use rusqlite::{OptionalExtension as _, named_params};

use super::open_runs::OpenRun;
use super::rows::{Context as _, at, at_opt, ms, text_opt};
use super::runs::AttemptRow;
use super::{Read, Write};
use crate::error::Error;
use crate::machine::Process;
use crate::run::outcome::{AttemptResult, Ending};
use crate::run::sealed;

/// A recorded script step.
#[derive(Debug, Clone)]
pub(crate) struct ScriptStepRow {
    pub(crate) key: i64,
    /// The position of the step whose command called it.
    pub(crate) position: usize,
    pub(crate) name: String,
    /// The script step that called it, if any.
    pub(crate) parent: Option<String>,
    /// `command` or `sleep`.
    pub(crate) kind: String,
    /// The command as JSON, or the duration of a sleep. Calls with the same name must have the same work.
    pub(crate) work: String,
    /// The end of a sleep.
    pub(crate) wake: Option<DateTime<Utc>>,
    /// The output of its first success.
    pub(crate) stdout: Option<Vec<u8>>,
}

/// A script step to be inserted.
#[derive(Debug, Clone)]
pub(crate) struct NewScriptStep<'a> {
    pub(crate) run: i64,
    pub(crate) position: usize,
    pub(crate) name: &'a str,
    pub(crate) parent: Option<&'a str>,
    pub(crate) work: &'a str,
    /// The end of a sleep; `None` for a command.
    pub(crate) wake: Option<DateTime<Utc>>,
}

const STEP: &str = "SELECT key, position, name, parent, kind, work, wake_ms, stdout FROM script_step";

fn row(r: &rusqlite::Row<'_>) -> rusqlite::Result<ScriptStepRow> {
    Ok(ScriptStepRow {
        key: r.get("key")?,
        position: r.get("position")?,
        name: r.get("name")?,
        parent: r.get("parent")?,
        kind: r.get("kind")?,
        work: r.get("work")?,
        wake: at_opt(r.get("wake_ms")?),
        stdout: r.get("stdout")?,
    })
}

impl Read<'_> {
    /// The script step with a name, called by the command of the step at `position`.
    pub(crate) fn script_step(&self, run: i64, position: usize, name: &str) -> Result<Option<ScriptStepRow>, Error> {
        let sql = format!("{STEP} WHERE run = :run AND position = :position AND name = :name");
        let mut statement = self.0.prepare_cached(&sql).context("find the script step")?;
        statement
            .query_row(named_params! {":run": run, ":position": position, ":name": name}, row)
            .optional()
            .context("find the script step")
    }

    /// The script steps called by the commands of a run, oldest first.
    pub(crate) fn script_steps_of(&self, run: i64) -> Result<Vec<ScriptStepRow>, Error> {
        let sql = format!("{STEP} WHERE run = :run ORDER BY key");
        let mut statement = self.0.prepare_cached(&sql).context("read the script steps")?;
        let rows = statement.query_map(named_params! {":run": run}, row);
        rows.context("read the script steps")?
            .collect::<rusqlite::Result<_>>()
            .context("read the script steps")
    }

    /// The attempts of a script step, in order.
    pub(crate) fn script_attempts_of(&self, step: &ScriptStepRow) -> Result<Vec<AttemptRow>, Error> {
        const SQL: &str = "SELECT number, started_ms, elapsed_ms, outcome, error_type, error, exit_code FROM script_attempt
            WHERE step = :step ORDER BY number";
        let mut statement = self.0.prepare_cached(SQL).context("read the attempts")?;
        let rows = statement.query_map(named_params! {":step": step.key}, |r| {
            let outcome: Option<String> = r.get("outcome")?;
            let output = step
                .stdout
                .clone()
                .filter(|o| !o.is_empty() && outcome.as_deref() == Some("ok"))
                .map(|o| sealed::hide(&o));
            Ok(AttemptRow {
                position: step.position,
                number: r.get("number")?,
                started: at(r.get("started_ms")?),
                elapsed_ms: r.get("elapsed_ms")?,
                outcome,
                error_type: text_opt(r, "error_type")?,
                error: text_opt(r, "error")?,
                status_code: None,
                exit_code: r.get("exit_code")?,
                output,
                stderr: None,
            })
        });
        rows.context("read the attempts")?
            .collect::<rusqlite::Result<_>>()
            .context("read the attempts")
    }

    /// The number and the process of the running attempt of a script step, if there is one.
    pub(crate) fn running_script_attempt(&self, step: i64) -> Result<Option<(u32, Process)>, Error> {
        const SQL: &str = "SELECT number, pid, pid_started, boot FROM script_attempt WHERE step = :step AND outcome IS NULL";
        let mut statement = self.0.prepare_cached(SQL).context("read the running attempt")?;
        let found = statement.query_row(named_params! {":step": step}, |r| {
            let process = Process {
                pid: r.get("pid")?,
                started: r.get("pid_started")?,
                boot: r.get("boot")?,
            };
            Ok((r.get("number")?, process))
        });
        found.optional().context("read the running attempt")
    }
}

impl Write<'_> {
    /// Inserts a script step; returns its key.
    pub(crate) fn insert_script_step(&self, new: &NewScriptStep<'_>) -> Result<i64, Error> {
        const SQL: &str = "INSERT INTO script_step (run, position, name, parent, kind, work, wake_ms)
            VALUES (:run, :position, :name, :parent, CASE WHEN :wake IS NULL THEN 'command' ELSE 'sleep' END, :work, :wake)";
        let mut statement = self.0.0.prepare_cached(SQL).context("record the script step")?;
        statement
            .insert(named_params! {
                ":run": new.run, ":position": new.position, ":name": new.name, ":parent": new.parent, ":work": new.work,
                ":wake": new.wake.map(ms),
            })
            .context("record the script step")
    }

    /// Records the start of an attempt by the process `by`; returns the number of the attempt.
    pub(crate) fn start_script_attempt(&self, step: i64, by: &Process, now: DateTime<Utc>) -> Result<u32, Error> {
        const SQL: &str = "INSERT INTO script_attempt (step, number, started_ms, pid, pid_started, boot)
            VALUES (:step, (SELECT coalesce(max(number), 0) + 1 FROM script_attempt WHERE step = :step), :now, :pid, :started, :boot)
            RETURNING number";
        let mut statement = self.0.0.prepare_cached(SQL).context("record the attempt")?;
        statement
            .query_row(
                named_params! {":step": step, ":now": ms(now), ":pid": by.pid, ":started": by.started, ":boot": by.boot},
                |r| r.get("number"),
            )
            .context("record the attempt")
    }

    /// Records the result of an attempt.
    pub(crate) fn end_script_attempt(
        &self,
        step: i64,
        number: u32,
        result: &AttemptResult,
        now: DateTime<Utc>,
    ) -> Result<(), Error> {
        const SQL: &str = "UPDATE script_attempt SET elapsed_ms = :elapsed, outcome = :outcome, error_type = :error_type,
            error = :error, exit_code = :exit_code WHERE step = :step AND number = :number AND outcome IS NULL";
        let failure = result.ending.failure();
        let mut statement = self.0.0.prepare_cached(SQL).context("record the attempt's end")?;
        statement
            .execute(named_params! {
                ":step": step,
                ":number": number,
                ":elapsed": result.elapsed_ms,
                ":outcome": result.ending.name(),
                ":error_type": failure.as_ref().map(|f| f.error_type.name()),
                ":error": failure.as_ref().map(|f| f.message.as_str()),
                ":exit_code": result.exit_code,
            })
            .context("record the attempt's end")?;
        self.insert_script_event(step, number, failure.as_ref().map(|f| f.message.as_str()), now)
    }

    /// Records that a script has made progress: earlier lost attempts no longer count as in a row with later ones.
    pub(crate) fn note_progress_of_script(&self, run: i64) -> Result<(), Error> {
        const SQL: &str = "UPDATE run SET lost_in_a_row = 0 WHERE key = :key AND lost_in_a_row > 0";
        let mut statement = self.0.0.prepare_cached(SQL).context("record the script step")?;
        let done = statement.execute(named_params! {":key": run});
        done.map(|_| ()).context("record the script step")
    }

    /// Records the success of a script step, with its output.
    pub(crate) fn close_script_step(&self, step: i64, stdout: &[u8], now: DateTime<Utc>) -> Result<(), Error> {
        const SQL: &str = "UPDATE script_step SET stdout = :stdout, closed_ms = :now WHERE key = :key AND closed_ms IS NULL";
        let mut statement = self.0.0.prepare_cached(SQL).context("record the result of the script step")?;
        let changed = statement
            .execute(named_params! {":key": step, ":stdout": stdout, ":now": ms(now)})
            .context("record the result of the script step")?;
        if changed == 0 {
            return Ok(());
        }
        self.insert_sleep_event(step, now)
    }

    /// Ends the open attempts of script steps whose calling command has ended.
    pub(crate) fn end_script_attempts(&self, run: &OpenRun, ending: &Ending, now: DateTime<Utc>) -> Result<(), Error> {
        const SQL: &str = "UPDATE script_attempt SET outcome = :outcome, error_type = :error_type, error = :error,
                elapsed_ms = max(0, :now - started_ms)
            WHERE outcome IS NULL AND step IN (SELECT key FROM script_step WHERE run = :run AND position = :position)";
        // If the script ended while a step was still running, that attempt is lost.
        let ending = match ending {
            Ending::Ok | Ending::Failed(_) => &Ending::Lost,
            stopped @ (Ending::Canceled | Ending::Terminated | Ending::Lost) => stopped,
        };
        let failure = ending.failure();
        let mut statement = self.0.0.prepare_cached(SQL).context("end the script steps")?;
        statement
            .execute(named_params! {
                ":run": run.row.key,
                ":position": run.progress.position,
                ":outcome": ending.name(),
                ":error_type": failure.as_ref().map(|f| f.error_type.name()),
                ":error": "the script that called it has ended",
                ":now": ms(now),
            })
            .map(|_| ())
            .context("end the script steps")
    }
}
