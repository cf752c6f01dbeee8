//! Durable scripts: a step that a running command calls is performed once, and its result is recorded. Runs in a process of the script, not in the
//! server, and communicates only through the database.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

use super::interrupt::Interrupt;
use super::shared::{ATTEMPT, RUN_ID, STEP};
use crate::actions::{Control, OUTPUT_LIMIT, OUTPUT_PIPE, PARENT, Secrets, Task, perform_in_script};
use crate::clock::Clock;
use crate::error::{Error, Kind};
use crate::machine::{self, Process, ProcessTree};
use crate::names::StepName;
use crate::run::command::Command;
use crate::run::outcome::{AttemptResult, Ending, Failure};
use crate::run::step::Step;
use crate::run::{Phase, Progress};
use crate::store::{NewScriptStep, OpenRun, Read, ScriptStepRow, Store, Write};

/// How long a step waits before it tries again to record its result.
const RECORD_AGAIN_AFTER: TimeDelta = TimeDelta::milliseconds(250);

/// The attempt that a script belongs to, as named in its environment.
#[derive(Debug, Clone)]
pub(crate) struct Caller {
    run_id: String,
    step: String,
    attempt: u32,
    parent: Option<String>,
    secrets: Arc<Secrets>,
}

impl Caller {
    /// Reads the environment of this process; `what` is the command that error messages name.
    ///
    /// # Errors
    /// `Usage` outside of a command that tempo runs.
    pub(crate) fn of_environment(what: &str) -> Result<Self, Error> {
        let (run_id, step) = (machine::environment(RUN_ID)?, machine::environment(STEP)?);
        let attempt = machine::environment(ATTEMPT)?;
        let parent = machine::environment(PARENT)?;
        let secrets = Arc::new(Secrets::of_script()?);
        let found = || {
            Some(Self {
                run_id: run_id?,
                step: step?,
                attempt: attempt?.parse().ok()?,
                parent,
                secrets,
            })
        };
        found().ok_or_else(|| {
            Error::new(
                Kind::Usage,
                format_args!("`{what}` works only inside a command that tempo runs"),
            )
            .hint("Call it from a script that a schedule runs, or that you start with `tempo workflow start -- ./script.sh`.")
        })
    }

    /// Returns the stdout of a step as the command that ran it prints it: unchanged to the script, masked where it goes straight to the recorded output of
    /// the attempt.
    pub(crate) fn printed(&self, command: &Command, stdout: Vec<u8>) -> Vec<u8> {
        let is_recorded = machine::environment(OUTPUT_PIPE)
            .ok()
            .flatten()
            .is_some_and(|pipe| machine::file_id(std::io::stdout()) == Some(pipe));
        if is_recorded {
            self.secrets.and_of(command).masked(&stdout)
        } else {
            stdout
        }
    }

    /// Returns the run, if the caller's attempt is the current one.
    ///
    /// # Errors
    /// `Conflict` when it is not.
    fn run(&self, read: &Read<'_>) -> Result<OpenRun, Error> {
        let stale = |why: &str| {
            Error::new(
                Kind::Conflict,
                format_args!("attempt {} of step `{}` {why}", self.attempt, self.step),
            )
            .hint("This script is left over from an earlier attempt and can no longer record anything; stop it.")
        };
        let run = read
            .open_run_of_id(&self.run_id)?
            .ok_or_else(|| stale("belongs to no open run"))?;
        let is_current = matches!(run.progress.phase, Phase::Running { .. })
            && run.progress.attempts == self.attempt
            && read
                .action(run.row.workflow)?
                .steps
                .get(run.progress.position)
                .is_some_and(|s| s.name == self.step);
        if is_current { Ok(run) } else { Err(stale("has ended")) }
    }

    /// The environment entries that identify the processes of a step of this script.
    fn marks(&self, step: &StepName) -> Vec<String> {
        vec![format!("{RUN_ID}={}", self.run_id), format!("{PARENT}={step}")]
    }

    /// Ends the processes that a killed `tempo step` left behind; they would run alongside the next attempt.
    ///
    /// # Errors
    /// `System` when a process survives SIGKILL.
    fn end_left_behind(&self, step: &StepName) -> Result<(), Error> {
        let left = ProcessTree::left_behind(None, self.marks(step)).kill();
        if left.is_empty() {
            return Ok(());
        }
        let left: Vec<String> = left.iter().map(u32::to_string).collect();
        Err(Error::new(
            Kind::System,
            format_args!(
                "step `{step}` is still running from an earlier attempt: pid {} survived SIGKILL",
                left.join(", ")
            ),
        )
        .hint("End these processes, then run the step again."))
    }

    fn reject_secret_name(&self, name: &StepName) -> Result<(), Error> {
        if !self.secrets.are_in(name.as_str()) {
            return Ok(());
        }
        Err(Error::new(Kind::Usage, "the name of the step contains a secret")
            .hint("Names are stored and shown; choose one that contains no secret."))
    }

    fn new_step<'a>(
        &'a self,
        run: &OpenRun,
        name: &'a StepName,
        work: &'a str,
        wake: Option<DateTime<Utc>>,
    ) -> NewScriptStep<'a> {
        NewScriptStep {
            run: run.row.key,
            position: run.progress.position,
            name: name.as_str(),
            parent: self.parent.as_deref(),
            work,
            wake,
        }
    }
}

/// Returns the step recorded under a name in this script.
///
/// # Errors
/// `Conflict` when it is recorded with other work.
fn find(read: &Read<'_>, run: &OpenRun, name: &StepName, work: &str) -> Result<Option<ScriptStepRow>, Error> {
    let found = read.script_step(run.row.key, run.progress.position, name.as_str())?;
    match found {
        Some(step) if step.work != work => Err(Error::new(
            Kind::Conflict,
            format_args!("step `{name}` was recorded with another command or duration: {}", step.work),
        )
        .hint("Each name identifies one step of a script: number the steps of a loop, as in `upload-1`, `upload-2`.")),
        found => Ok(found),
    }
}

/// The next action for a step.
enum Claim {
    /// Return this stdout: the step has already succeeded.
    Done(Vec<u8>),
    /// Perform this attempt.
    Attempt { step: i64, number: u32 },
    /// End the processes that a killed attempt left behind, and close that attempt.
    LeftBehind { step: i64, number: u32 },
}

/// Performs a step once and returns its stdout, new or recorded. Failed attempts are retried according to the step's policy; `on_failure` is
/// called for each, with the wait before the next one. A result that cannot be recorded for now is recorded later; `on_unrecorded` is called for each
/// try.
///
/// # Errors
/// `Failed` when the step failed for good, which is not recorded; `Interrupted`; `Conflict` when the caller's attempt has ended, another process is
/// running the step, or its name is recorded with another command.
pub(crate) fn perform(
    store: &mut Store,
    (clock, interrupt): (&dyn Clock, &Interrupt),
    caller: &Caller,
    (step, command): (&Step, &Command),
    on_failure: impl Fn(&AttemptResult, &Failure, Option<Duration>),
    on_unrecorded: impl Fn(&Error),
) -> Result<Vec<u8>, Error> {
    caller.reject_secret_name(&step.name)?;
    let secrets = caller.secrets.and_of(command);
    let mut progress = Progress::default();
    loop {
        let now = clock.now();
        let (id, number) = match claim(store, caller, step, command, now)? {
            Claim::Done(stdout) => return secrets.open(&stdout),
            Claim::Attempt { step, number } => (step, number),
            Claim::LeftBehind { step: id, number } => {
                caller.end_left_behind(&step.name)?;
                store.write(|w| w.end_script_attempt(id, number, &AttemptResult::new(Ending::Lost, 0), now))?;
                continue;
            }
        };
        progress.attempts += 1;
        progress.step_started.get_or_insert(now);
        let mut result = interrupt.canceled_if_signaled(attempt(
            (step, command),
            &caller.marks(&step.name),
            &progress,
            &interrupt.control,
            now,
        ));
        if let Ending::Failed(failure) = &mut result.ending {
            failure.message = secrets.masked_text(&failure.message);
        }
        let ended = clock.now();
        // Before the transaction: others wait for it.
        let sealed = secrets.seal(&result.output);
        let record = |w: &Write<'_>| {
            // Checked again: a result that its caller no longer waits for must not be recorded.
            let run = caller.run(w)?;
            w.end_script_attempt(id, number, &result, ended)?;
            match &result.ending {
                Ending::Ok => {
                    w.note_progress_of_script(run.row.key)?;
                    w.close_script_step(id, &sealed, ended)
                }
                Ending::Failed(_) | Ending::Canceled | Ending::Terminated | Ending::Lost => Ok(()),
            }
        };
        // A success that is not recorded would be repeated.
        while let Err(e) = store.write(record) {
            let may_pass = e.kind() == Kind::System && !e.is_damage() && store.displaced().is_none();
            if result.ending != Ending::Ok || !may_pass || interrupt.check().is_err() {
                return Err(e);
            }
            on_unrecorded(&e);
            clock.wait(&interrupt.wake, clock.now() + RECORD_AGAIN_AFTER);
        }
        let Some(failure) = result.ending.failure() else {
            return Ok(result.output);
        };
        interrupt.check()?;
        let wait = step.retry.wait_after(progress.attempts, failure.error_type, result.exit_code);
        let is_late =
            |wait: &Duration| progress.is_out_of_time(step, ended + TimeDelta::from_std(*wait).unwrap_or(TimeDelta::MAX));
        let wait = wait.filter(|wait| !is_late(wait));
        on_failure(&result, &failure, wait);
        let Some(wait) = wait else {
            return Err(Error::new(
                Kind::Failed,
                format_args!("step `{}` failed: {}", step.name, failure.message),
            ));
        };
        interrupt.wait(clock, ended + wait, wait)?;
    }
}

/// Determines the next action from the database, and records the start of an attempt.
fn claim(store: &mut Store, caller: &Caller, step: &Step, command: &Command, now: DateTime<Utc>) -> Result<Claim, Error> {
    // Masked before JSON can escape parts of a secret.
    let argv: Vec<String> = command.argv.iter().map(|part| caller.secrets.masked_text(part)).collect();
    let work =
        serde_json::to_string(&argv).map_err(|e| Error::new(Kind::System, "cannot encode the command as JSON").because(e))?;
    let this_process = Process::this()?;
    store.write(|w| {
        let run = caller.run(w)?;
        let key = match find(w, &run, &step.name, &work)? {
            Some(ScriptStepRow {
                stdout: Some(stdout), ..
            }) => return Ok(Claim::Done(stdout)),
            Some(known) => known.key,
            None => w.insert_script_step(&caller.new_step(&run, &step.name, &work, None))?,
        };
        if let Some((number, by)) = w.running_script_attempt(key)? {
            if by.is_running() {
                return Err(Error::new(
                    Kind::Conflict,
                    format_args!("step `{}` is already being run by process {}", step.name, by.pid),
                )
                .hint("Each name identifies one step of a script: give steps that run in parallel different names."));
            }
            return Ok(Claim::LeftBehind { step: key, number });
        }
        let number = w.start_script_attempt(key, &this_process, now)?;
        Ok(Claim::Attempt { step: key, number })
    })
}

fn attempt(
    (step, command): (&Step, &Command),
    marks: &[String],
    progress: &Progress,
    control: &Control,
    now: DateTime<Utc>,
) -> AttemptResult {
    // The server enforces the time limit of the run.
    let deadline = progress.deadline(step, None, now);
    let time_left = deadline.map(|d| (d - now).to_std().unwrap_or_default());
    let task = Task {
        step,
        time_left,
        limit: time_left,
        environment: &[],
        marks,
        spawned: &|_| {},
        output_limit: OUTPUT_LIMIT,
        output: &|_| {},
        notice: &|_| {},
    };
    perform_in_script(command, &task, control)
}

/// Waits until `span` after the first call under this name, however often the script calls it again.
///
/// # Errors
/// As [`perform`].
pub(crate) fn sleep(
    store: &mut Store,
    (clock, interrupt): (&dyn Clock, &Interrupt),
    caller: &Caller,
    name: &StepName,
    span: Duration,
) -> Result<(), Error> {
    caller.reject_secret_name(name)?;
    let work = crate::spec::text::duration_text(span);
    let now = clock.now();
    let new_wake = TimeDelta::from_std(span)
        .ok()
        .and_then(|span| now.checked_add_signed(span))
        .ok_or_else(|| Error::new(Kind::Usage, format_args!("duration `{work}` is too long")))?;
    let (key, wake) = store.write(|w| {
        let run = caller.run(w)?;
        // Reaching a wait is progress: the script does not count as lost, however often the server dies during the wait.
        w.note_progress_of_script(run.row.key)?;
        Ok(match find(w, &run, name, &work)? {
            Some(ScriptStepRow {
                stdout: Some(_), key, ..
            }) => (key, now),
            Some(ScriptStepRow { key, wake, .. }) => (key, wake.unwrap_or(now)),
            None => (
                w.insert_script_step(&caller.new_step(&run, name, &work, Some(new_wake)))?,
                new_wake,
            ),
        })
    })?;
    // No longer than the whole wait, if the clock was set back.
    interrupt.wait(clock, wake, span)?;
    store.write(|w| {
        caller.run(w)?;
        w.close_script_step(key, &[], clock.now())
    })
}
