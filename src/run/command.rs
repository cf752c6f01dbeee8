//! Commands: the process of a step or of a condition. Pure.

use std::collections::BTreeMap;

use super::step_text::StepText;
use crate::error::{Error, Kind};
use crate::names::StepName;
use crate::spec::text;

/// A process to run and the exit codes that count as success.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Command {
    /// Program and arguments.
    pub argv: Vec<String>,
    /// Working directory.
    pub cwd: Option<String>,
    /// Environment variables, in addition to the server's.
    pub env: BTreeMap<String, String>,
    /// Text for standard input.
    pub stdin: Option<String>,
    /// Whether stderr is captured through a pipe of its own; the order of writes to stdout and stderr is then not known.
    pub separate_stderr: bool,
    /// User to run as.
    pub user: Option<String>,
    /// Limits of its processes.
    pub limits: Limits,
    /// Exit codes that count as success.
    pub ok_exit_codes: Vec<i32>,
}

/// Limits of the processes of a command.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Limits {
    /// Maximum virtual memory of each process, in KiB.
    pub memory_kib: Option<u64>,
    /// Maximum CPU time of each process, in whole seconds.
    pub cpu_seconds: Option<u64>,
    /// Niceness, 1 to 19.
    pub nice: Option<u8>,
}

impl Limits {
    /// Whether the process must set limits itself before it becomes the program; the niceness is inherited.
    #[must_use]
    pub fn are_resource_limits(&self) -> bool {
        self.memory_kib.is_some() || self.cpu_seconds.is_some()
    }

    /// Less memory is of no use to any program.
    const MIN_MEMORY: u64 = 1024 * 1024;

    fn check(name: &StepName, written: &StepText) -> Result<Self, Error> {
        let invalid = |key: &str, value: &str, rule: &str| {
            Error::new(
                Kind::Usage,
                format_args!("step `{name}`: {rule}, not `{}`", value.escape_debug()),
            )
            .of_setting(key)
        };
        let memory = written.memory.as_deref().map(|text| match text::size(text) {
            Some(bytes) if bytes >= Self::MIN_MEMORY => Ok(bytes / 1024),
            _ => Err(invalid(
                "memory",
                text,
                "expected a size of at least `1M`, such as `512M` or `2G`",
            )),
        });
        let cpu_time = written.cpu_time.as_deref().map(|text| {
            let unreadable =
                |e| Error::new(Kind::Usage, format_args!("step `{name}`: {}", Error::from(e))).of_setting("cpu_time");
            let time = text::duration(text).map_err(unreadable)?;
            let is_whole = time.subsec_nanos() == 0 && !time.is_zero();
            is_whole
                .then_some(time.as_secs())
                .ok_or_else(|| invalid("cpu_time", text, "expected whole seconds, at least `1s`"))
        });
        if let Some(nice) = written.nice.filter(|nice| !(1..=19).contains(nice)) {
            return Err(invalid("nice", &nice.to_string(), "expected a number from 1 to 19"));
        }
        Ok(Self {
            memory_kib: memory.transpose()?,
            cpu_seconds: cpu_time.transpose()?,
            nice: written.nice,
        })
    }
}

/// The command of a condition.
pub(super) fn condition(line: &str) -> Result<Command, Error> {
    if line.trim().is_empty() {
        return Err(Error::new(Kind::Usage, "the command of `if` is empty"));
    }
    if line.contains('\0') {
        return Err(Error::new(Kind::Usage, "the command of `if` contains a NUL character"));
    }
    Ok(Command {
        argv: vec!["/bin/sh".to_owned(), "-c".to_owned(), line.to_owned()],
        cwd: None,
        env: BTreeMap::new(),
        stdin: None,
        separate_stderr: false,
        user: None,
        limits: Limits::default(),
        ok_exit_codes: vec![0],
    })
}

/// Rejects keys that apply only to commands.
pub(super) fn reject_command_keys(name: &StepName, written: &StepText, what: &str) -> Result<(), Error> {
    let command_keys = [
        (written.cwd.is_some(), "cwd"),
        (written.stdin.is_some(), "stdin"),
        (written.separate_stderr.is_some(), "separate_stderr"),
        (written.user.is_some(), "user"),
        (written.memory.is_some(), "memory"),
        (written.cpu_time.is_some(), "cpu_time"),
        (written.nice.is_some(), "nice"),
        (!written.env.is_empty(), "env"),
        (written.ok_exit_codes.is_some(), "ok_exit_codes"),
    ];
    match command_keys.iter().find(|(is_set, _)| *is_set) {
        Some((_, key)) => Err(Error::new(
            Kind::Usage,
            format_args!("step `{name}` {what}, but `{key}` applies only to commands"),
        )),
        None => Ok(()),
    }
}

/// The command of a step, checked.
pub(super) fn command_of(name: &StepName, written: &StepText) -> Result<Command, Error> {
    let argv = match (&written.command, &written.shell) {
        (Some(argv), _) => argv.clone(),
        (None, Some(line)) => vec!["/bin/sh".to_owned(), "-c".to_owned(), line.clone()],
        (None, None) => Vec::new(),
    };
    let empty = argv.first().is_none_or(String::is_empty) || written.shell.as_deref().is_some_and(|l| l.trim().is_empty());
    if empty {
        return Err(Error::new(Kind::Usage, format_args!("the command of step `{name}` is empty")));
    }
    if argv.iter().any(|a| a.contains('\0')) {
        return Err(Error::new(
            Kind::Usage,
            format_args!("the command of step `{name}` contains a NUL character"),
        ));
    }
    for (key, value) in &written.env {
        if key.is_empty() || key.contains(['=', '\0']) || value.contains('\0') {
            return Err(Error::new(
                Kind::Usage,
                format_args!("step `{name}` has an invalid environment variable `{}`", key.escape_debug()),
            )
            .hint("Write variables as NAME=VALUE."));
        }
        if value == "env:" {
            return Err(Error::new(
                Kind::Usage,
                format_args!("step `{name}`: the value of variable `{key}` is `env:` without a variable name"),
            )
            .hint(format_args!("Write `env:{key}` to pass on tempo's own variable `{key}`.")));
        }
    }
    Ok(Command {
        argv,
        cwd: written.cwd.clone(),
        env: written.env.clone(),
        stdin: written.stdin.clone(),
        separate_stderr: written.separate_stderr.unwrap_or(false),
        user: written.user.clone(),
        limits: Limits::check(name, written)?,
        ok_exit_codes: written.ok_exit_codes.clone().unwrap_or_else(|| vec![0]),
    })
}
