//! `tempo run` as process 1, as in a container: the server runs in a child process, and this one reaps every process whose parent has died and
//! passes signals on.

use std::os::unix::process::CommandExt as _;
use std::process::{Command, ExitCode};

use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1};

use super::super::interrupt;
use crate::error::{Error, Kind};
use crate::machine;

/// Runs this command again in a child process, and waits for it. Returns its exit code, or 128 and the signal that killed it.
///
/// # Errors
/// `System` if the child cannot be started.
pub(in crate::cli) fn supervise() -> Result<ExitCode, Error> {
    let failed = |e: std::io::Error| Error::new(Kind::System, "cannot start the server as a child of process 1").because(e);
    // Caught before there is a child: none is lost.
    let signals = interrupt::catch(&[SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1])?;
    let arguments: Vec<_> = machine::arguments_os().collect();
    let (name, arguments) = arguments
        .split_first()
        .map_or((None, &[][..]), |(name, rest)| (Some(name), rest));
    let mut command = Command::new(machine::OWN_PROGRAM);
    // In a group of its own: a terminal signals only this process, which passes the signal on once.
    command.args(arguments).process_group(0);
    if let Some(name) = name {
        command.arg0(name);
    }
    let server = command.spawn().map_err(failed)?.id();
    interrupt::pass_each(signals, move |signal| machine::signal_process(server, signal))?;
    loop {
        let (pid, code) = machine::reap().map_err(failed)?;
        if pid == server {
            return Ok(ExitCode::from(code));
        }
    }
}
