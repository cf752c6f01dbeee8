//! Starts the process of a command: program, environment, working directory, user, stdin, and the pipe for its output.

use std::ffi::{OsStr, OsString};
use std::io::{PipeReader, Write as _};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Stdio};
use std::sync::mpsc::{Sender, channel};

use super::Task;
use super::secrets::{SECRETS, SEPARATOR, Secrets};
use super::shortage::{AttemptError, Shortage};
use crate::machine::{self, User};
use crate::run::command::Command;
use crate::run::outcome::{ErrorType, Failure};

/// Capacity of a pipe, in bytes.
const PIPE: usize = 64 * 1024;

/// The environment variable that names the calling step to a step inside a script.
pub(crate) const PARENT: &str = "TEMPO_SCRIPT_STEP";

/// The environment variable that identifies the pipe for the output of an attempt; for the steps of its script.
pub(crate) const OUTPUT_PIPE: &str = "TEMPO_OUTPUT_PIPE";

/// The environment variable with the path of the file for the outputs of a step.
const OUTPUT_FILE: &str = "TEMPO_OUTPUT";

/// The variable with the database of an attempt.
pub(super) const DATABASE: &str = "TEMPO_DB";

/// The variables by which tempo identifies an attempt to its command; a step cannot set them.
const OWN_VARIABLES: [&str; 7] = [
    DATABASE,
    "TEMPO_SCHEDULE_ID",
    "TEMPO_WORKFLOW_ID",
    "TEMPO_RUN_ID",
    "TEMPO_STEP",
    "TEMPO_ATTEMPT",
    "TEMPO_SCHEDULED_AT",
];

/// The caller of a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Caller {
    /// The server: the command runs in its own process group, and its stdout and stderr are captured, through one pipe unless the step separates them.
    Server,
    /// A script that tempo runs: the command runs in the script's process group, and its stdout is captured and kept in full.
    Script,
}

/// The ends of the pipes that a command writes to.
pub(super) struct Pipes {
    /// Also carries stderr, if that has no pipe of its own and is captured.
    pub(super) stdout: PipeReader,
    pub(super) stderr: Option<PipeReader>,
}

/// Starts a command.
pub(super) fn spawn(
    command: &Command,
    task: &Task<'_>,
    secrets: &Secrets,
    (caller, output_file): (Caller, &OsStr),
) -> Result<(Child, Pipes), AttemptError> {
    let failure = |message: String| Failure {
        error_type: ErrorType::Spawn,
        message,
    };
    let unless_short = |e: std::io::Error, what: &str| match Shortage::at_start(&e) {
        Some(shortage) => AttemptError::Shortage(shortage),
        None => failure(format!("{what}: {e}")).into(),
    };
    let program = &command.argv[0];
    // The kernel reports a missing directory and a missing program with the same error, so check the directory first.
    if let Some(cwd) = &command.cwd
        && !Path::new(cwd).is_dir()
    {
        return Err(failure(format!("the directory `{cwd}` does not exist")).into());
    }
    let path = command
        .env
        .get("PATH")
        .map(OsString::from)
        .or_else(|| machine::variable("PATH"));
    let found = machine::find_program(program, path.as_deref()).ok_or_else(|| {
        let hint = if program.contains(' ') {
            "; use `--shell` to run a shell command line"
        } else {
            ""
        };
        failure(format!("program `{program}` not found{hint}"))
    })?;
    // Without a server, as in `tempo check`, there is no attempt to identify.
    let is_own = |name: &str| OWN_VARIABLES.contains(&name) && (caller == Caller::Script || !task.environment.is_empty());
    let pipe = |e: std::io::Error| unless_short(e, "cannot create a pipe");
    let (stdout, writer) = std::io::pipe().map_err(pipe)?;
    let mut stderr = None;
    let mut process = process_of(command, found);
    process
        .envs(task.environment.iter().map(|(k, v)| (k, v)))
        .envs(
            command
                .env
                .iter()
                .filter(|(name, _)| !is_own(name))
                .map(|(key, value)| (key, secrets.resolve(value))),
        )
        .stdout(writer.try_clone().map_err(pipe)?);
    for name in machine::SUPERVISOR_VARIABLES {
        process.env_remove(name);
    }
    name_secrets(&mut process, command, caller);
    match caller {
        // A script may have started this server; the command's steps do not belong to that script.
        Caller::Server => {
            let mut stderr_writer = writer;
            if command.separate_stderr {
                let (reader, writer) = std::io::pipe().map_err(pipe)?;
                (stderr, stderr_writer) = (Some(reader), writer);
            }
            process
                .process_group(0)
                .stdin(Stdio::null())
                .env(OUTPUT_PIPE, machine::file_id(&stdout).unwrap_or_default())
                .env(OUTPUT_FILE, output_file)
                .stderr(stderr_writer)
                .env_remove(PARENT)
        }
        Caller::Script => process.env(PARENT, task.step.name.as_str()),
    };
    if command.stdin.is_some() {
        process.stdin(Stdio::piped());
    }
    if let Some(cwd) = &command.cwd {
        process.current_dir(cwd);
    }
    let mut run_as = None;
    if let Some(user) = &command.user {
        if !machine::is_root() {
            return Err(failure(format!("cannot run a step as `{user}`: tempo is not running as root")).into());
        }
        let user = User::named(user).map_err(failure)?;
        // As cron does; variables that the step sets itself take precedence.
        let login = [("HOME", &user.home), ("LOGNAME", &user.name), ("USER", &user.name)];
        process.envs(login.into_iter().filter(|(name, _)| !command.env.contains_key(*name)));
        run_as = Some(user);
    }
    let long = command.stdin.clone().filter(|text| text.len() >= PIPE);
    let feeder = long
        .map(feeder)
        .transpose()
        .map_err(|e| unless_short(e, "cannot start a thread"))?;
    let start = || match &run_as {
        Some(user) => user.do_as(|| process.spawn()),
        None => process.spawn(),
    };
    let mut child = machine::with_niceness(command.limits.nice, start)
        .map_err(|e| unless_short(e, &format!("cannot start `{program}` in `{}`", directory_of(command))))?;
    // Dropping `process` closes the parent's copies of the write end, so the pipe reaches its end when the last child closes it.
    drop(process);
    let stdin = child.stdin.take();
    if let (Some(text), Some(mut stdin)) = (&command.stdin, stdin) {
        match feeder {
            // Input that the command does not read is discarded.
            Some(feeder) => drop(feeder.send(stdin)),
            None => drop(stdin.write_all(text.as_bytes())),
        }
    }
    Ok((child, Pipes { stdout, stderr }))
}

/// The process of a command, whose program is at the path `found`.
fn process_of(command: &Command, found: PathBuf) -> std::process::Command {
    let (name, limits) = (&command.argv[0], &command.limits);
    let mut process = if limits.are_resource_limits() {
        machine::limited(&found, name, limits.memory_kib, limits.cpu_seconds)
    } else {
        let mut program = std::process::Command::new(found);
        program.arg0(name);
        program
    };
    process.args(&command.argv[1..]);
    process
}

/// Tells the steps of a script which of its variables are secrets.
fn name_secrets(process: &mut std::process::Command, command: &Command, caller: Caller) {
    let secret = command.env.iter().filter(|(_, value)| value.starts_with("env:"));
    let mut secret: Vec<String> = secret.map(|(name, _)| name.clone()).collect();
    if caller == Caller::Script {
        // The command inherits the secrets of the script.
        secret.extend(machine::environment(SECRETS).ok().flatten());
    }
    if secret.is_empty() {
        process.env_remove(SECRETS);
    } else {
        process.env(SECRETS, secret.join(SEPARATOR));
    }
}

/// Starts a thread that writes a text to a pipe once it receives the pipe. It is started before the command, which must not start without it.
fn feeder(text: String) -> std::io::Result<Sender<ChildStdin>> {
    let (sender, stdin) = channel::<ChildStdin>();
    let write = move || stdin.recv().map(|mut stdin| stdin.write_all(text.as_bytes()));
    std::thread::Builder::new().name("stdin".to_owned()).spawn(write)?;
    Ok(sender)
}

/// Returns the directory a command runs in: its own, or the server's.
fn directory_of(command: &Command) -> String {
    let here = || std::env::current_dir().map_or_else(|_| ".".to_owned(), |d| d.display().to_string());
    command.cwd.clone().unwrap_or_else(here)
}
