//! Commands: the process of a step or of a condition. Pure.

use std::collections::BTreeMap;

use super::step_text::StepText;
use crate::error::{Error, Kind};
use crate::names::StepName;

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
    /// Exit codes that count as success.
    pub ok_exit_codes: Vec<i32>,
}

/// The command of a condition.
pub(super) fn condition(line: &str) -> Result<Command, Error> {
    if line.trim().is_empty() || line.contains('\0') {
        return Err(Error::new(Kind::Usage, "the command of `if` is empty or invalid"));
    }
    Ok(Command {
        argv: vec!["/bin/sh".to_owned(), "-c".to_owned(), line.to_owned()],
        cwd: None,
        env: BTreeMap::new(),
        stdin: None,
        separate_stderr: false,
        user: None,
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
    }
    Ok(Command {
        argv,
        cwd: written.cwd.clone(),
        env: written.env.clone(),
        stdin: written.stdin.clone(),
        separate_stderr: written.separate_stderr.unwrap_or(false),
        user: written.user.clone(),
        ok_exit_codes: written.ok_exit_codes.clone().unwrap_or_else(|| vec![0]),
    })
}
