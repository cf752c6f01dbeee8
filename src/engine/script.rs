//! Durable scripts: a step that a command calls while tempo runs it is done once, and remembered. Works in the script's own process, beside the
//! server, through the file alone.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

use crate::actions::{Control, PARENT, Secrets, StopKind, Task, perform_in_script};
use crate::clock::{Clock, Wakeup};
use crate::error::{Error, Kind};
use crate::machine::{self, Process, ProcessTree};
use crate::names::StepName;
use crate::run::outcome::{AttemptResult, Ending, ErrorType, Failure};
use crate::run::step::{Command, Step};
use crate::run::{Phase, Progress};
use crate::store::{NewScriptStep, OpenRun, Read, ScriptStepRow, Store};

/// Ends what a step of a script is at, from any thread: its command, or its wait.
#[derive(Default)]
pub(crate) struct Interrupt {
    control: Control,
    wake: Wakeup,
    /// Set in the very moment in which the signal comes: the command may die of it before a thread of this process is woken.
    pub(crate) signaled: Arc<AtomicBool>,
}

impl Interrupt {
    /// Asks for the end.
    pub(crate) fn raise(&self) {
        self.control.stop(StopKind::Cancel);
        self.wake.raise();
    }

    /// What an attempt came to: one that died of the signal that asked for the end was asked to end.
    fn judged(&self, result: AttemptResult) -> AttemptResult {
        let died = matches!(&result.ending, Ending::Failed(f) if f.error_type == ErrorType::Signal);
        if died && self.signaled.load(Ordering::SeqCst) {
            self.raise();
            let ending = StopKind::Cancel.ending();
            return AttemptResult { ending, ..result };
        }
        result
    }

    /// Waits until then.
    ///
    /// # Errors
    /// `Interrupted`.
    fn wait(&self, clock: &dyn Clock, until: DateTime<Utc>) -> Result<(), Error> {
        while clock.now() < until {
            self.check()?;
            clock.wait(&self.wake, until);
        }
        self.check()
    }

    fn check(&self) -> Result<(), Error> {
        match self.control.asked() {
            Some(_) => Err(Error::new(Kind::Interrupted, "the step was asked to end")),
            None => Ok(()),
        }
    }
}

/// The attempt of a step that a script belongs to, as its environment tells.
#[derive(Debug, Clone)]
pub(crate) struct Caller {
    run_id: String,
    step: String,
    attempt: u32,
    parent: Option<String>,
    secrets: Arc<Secrets>,
}

impl Caller {
    /// Reads the environment of this process.
    ///
    /// # Errors
    /// `Usage` outside of a command that tempo runs.
    pub(crate) fn of_environment(what: &str) -> Result<Self, Error> {
        let (run_id, step) = (machine::environment("TEMPO_RUN_ID")?, machine::environment("TEMPO_STEP")?);
        let attempt = machine::environment("TEMPO_ATTEMPT")?;
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
            .hint("Call it in a script, and run the script by a schedule or with `tempo workflow start -- ./script.sh`.")
        })
    }

    /// The run, where its attempt is the one that is being made.
    fn run(&self, read: &Read<'_>) -> Result<OpenRun, Error> {
        let over = |why: &str| {
            Error::new(
                Kind::Conflict,
                format_args!("attempt {} of step `{}` {why}", self.attempt, self.step),
            )
            .hint("A script that was left behind records nothing any more: end it.")
        };
        let run = read
            .open_run_of_id(&self.run_id)?
            .ok_or_else(|| over("belongs to no open run"))?;
        let is_current = matches!(run.progress.phase, Phase::Running { .. })
            && run.progress.attempts == self.attempt
            && read
                .action(run.row.workflow)?
                .steps
                .get(run.progress.position)
                .is_some_and(|s| s.name == self.step);
        if is_current { Ok(run) } else { Err(over("is over")) }
    }

    /// The entries of the environment by which the processes of a step of this script are known.
    fn marks(&self, step: &StepName) -> Vec<String> {
        vec![format!("TEMPO_RUN_ID={}", self.run_id), format!("{PARENT}={step}")]
    }

    /// Ends what a `tempo step` that was killed has left behind: it would go on beside the next attempt.
    ///
    /// # Errors
    /// `System` when a process outlives SIGKILL.
    fn end_left_behind(&self, step: &StepName) -> Result<(), Error> {
        let left = ProcessTree::left_behind(None, self.marks(step)).kill();
        if left.is_empty() {
            return Ok(());
        }
        let left: Vec<String> = left.iter().map(u32::to_string).collect();
        Err(Error::new(
            Kind::System,
            format_args!(
                "step `{step}` is still running from an earlier attempt: {} outlived SIGKILL",
                left.join(", ")
            ),
        )
        .hint("End these processes, then run the step again."))
    }

    fn refuse_secret_name(&self, name: &StepName) -> Result<(), Error> {
        if !self.secrets.are_in(name.as_str()) {
            return Ok(());
        }
        Err(Error::new(Kind::Usage, "the name of the step contains a secret")
            .hint("Names are stored and shown: use one that says what the step does."))
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

/// The step on file under a name of this script, which must be about the same work.
fn find(read: &Read<'_>, run: &OpenRun, name: &StepName, work: &str) -> Result<Option<ScriptStepRow>, Error> {
    let found = read.script_step(run.row.key, run.progress.position, name.as_str())?;
    match found {
        Some(step) if step.work != work => Err(Error::new(
            Kind::Conflict,
            format_args!("step `{name}` is on file with other work: {}", step.work),
        )
        .hint("A name means one thing in a script: number the steps of a loop, as in `upload-1`, `upload-2`.")),
        found => Ok(found),
    }
}

/// What there is to do about a step.
enum Claim {
    /// Nothing: it has succeeded, with this on stdout.
    Done(Vec<u8>),
    /// This attempt of it.
    Attempt { step: i64, number: u32 },
    /// To end what an attempt left behind that was killed, and to close that attempt.
    LeftBehind { step: i64, number: u32 },
}

/// Does a step once: its stdout, remembered or new. It is tried again as its policy says; `told` hears of each attempt that fails, and of the wait
/// that follows.
///
/// # Errors
/// `Failed` when it failed for good, which is not remembered; `Interrupted`; `Conflict` when its caller is over, it is being made by another process, or its
/// name stands for another command.
pub(crate) fn perform(
    store: &mut Store,
    (clock, interrupt): (&dyn Clock, &Interrupt),
    caller: &Caller,
    (step, command): (&Step, &Command),
    told: impl Fn(&AttemptResult, &Failure, Option<Duration>),
) -> Result<Vec<u8>, Error> {
    caller.refuse_secret_name(&step.name)?;
    let mut progress = Progress::default();
    loop {
        let now = clock.now();
        let (id, number) = match take(store, caller, step, command, now)? {
            Claim::Done(stdout) => return caller.secrets.open(&stdout),
            Claim::Attempt { step, number } => (step, number),
            Claim::LeftBehind { step: id, number } => {
                caller.end_left_behind(&step.name)?;
                store.write(|w| w.end_script_attempt(id, number, &AttemptResult::new(Ending::Lost, 0)))?;
                continue;
            }
        };
        progress.attempts += 1;
        progress.step_started.get_or_insert(now);
        let mut result = interrupt.judged(attempt(
            (step, command),
            &caller.marks(&step.name),
            &progress,
            &interrupt.control,
            now,
        ));
        if let Ending::Failed(failure) = &mut result.ending {
            failure.message = caller.secrets.masked_text(&failure.message);
        }
        let ended = clock.now();
        store.write(|w| {
            // Once more: what nobody waits for any more is not to be remembered.
            let run = caller.run(w)?;
            w.end_script_attempt(id, number, &result)?;
            match &result.ending {
                Ending::Ok => {
                    w.note_progress_of_script(run.row.key)?;
                    w.close_script_step(id, &caller.secrets.seal(&result.output), ended)
                }
                Ending::Failed(_) | Ending::Canceled | Ending::Terminated | Ending::Lost => Ok(()),
            }
        })?;
        let Some(failure) = result.ending.failure() else {
            return Ok(result.output);
        };
        interrupt.check()?;
        let wait = step.retry.wait_after(progress.attempts, failure.error_type);
        let over = |wait: &Duration| progress.is_out_of_time(step, ended + TimeDelta::from_std(*wait).unwrap_or(TimeDelta::MAX));
        let wait = wait.filter(|wait| !over(wait));
        told(&result, &failure, wait);
        let Some(wait) = wait else {
            return Err(Error::new(
                Kind::Failed,
                format_args!("step `{}` failed: {}", step.name, failure.message),
            ));
        };
        interrupt.wait(clock, ended + wait)?;
    }
}

/// Asks the file what there is to do, and records that an attempt begins.
fn take(store: &mut Store, caller: &Caller, step: &Step, command: &Command, now: DateTime<Utc>) -> Result<Claim, Error> {
    // Before JSON escapes any of it.
    let argv: Vec<String> = command.argv.iter().map(|part| caller.secrets.masked_text(part)).collect();
    let work =
        serde_json::to_string(&argv).map_err(|e| Error::new(Kind::System, "cannot write the command as JSON").because(e))?;
    let this = Process::this()?;
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
            if by.is_there() {
                return Err(Error::new(
                    Kind::Conflict,
                    format_args!("step `{}` is being made by process {}", step.name, by.pid),
                )
                .hint("A name means one thing in a script: give steps that run side by side names of their own."));
            }
            return Ok(Claim::LeftBehind { step: key, number });
        }
        let number = w.start_script_attempt(key, &this, now)?;
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
    // The run has its own time, and whoever performs it sees to that.
    let deadline = progress.deadline(step, None, now);
    let time_left = deadline.map(|d| (d - now).to_std().unwrap_or_default());
    let task = Task {
        step,
        time_left,
        limit: time_left,
        environment: &[],
        marks,
        spawned: &|_| {},
        notice: &|_| {},
    };
    perform_in_script(command, &task, control)
}

/// Waits until so long after it was first asked for, whenever the script asks again.
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
    caller.refuse_secret_name(name)?;
    let work = crate::spec::text::duration_text(span);
    let now = clock.now();
    let new_wake = TimeDelta::from_std(span)
        .ok()
        .and_then(|span| now.checked_add_signed(span))
        .ok_or_else(|| Error::new(Kind::Usage, format_args!("`{work}` from now is beyond the end of time")))?;
    let (key, wake) = store.write(|w| {
        let run = caller.run(w)?;
        // A script that has come to its wait has not taken the server down, however often that ends meanwhile.
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
    interrupt.wait(clock, wake)?;
    store.write(|w| {
        caller.run(w)?;
        w.close_script_step(key, &[], clock.now())
    })
}
