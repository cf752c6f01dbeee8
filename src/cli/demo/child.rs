//! The real server as a child process, its log passed on line by line.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};

use rustix::process::{Pid, Signal, kill_process};

use crate::error::{Error, Kind};

/// A `tempo run` of our own; killed when dropped, so that a demo that fails leaves nothing behind.
pub(super) struct ServerChild {
    child: Child,
    passing_on: Option<std::thread::JoinHandle<()>>,
}

/// This very program, on the demo's database.
pub(super) fn tempo(database: &Path) -> Result<Command, Error> {
    let program = std::env::current_exe().map_err(|e| Error::new(Kind::System, "cannot find this program again").because(e))?;
    let mut command = Command::new(program);
    command.arg("--db").arg(database);
    Ok(command)
}

impl ServerChild {
    /// Starts one; `pass_on` is given each line of its log.
    pub(super) fn start(database: &Path, pass_on: impl Fn(&str) + Send + 'static) -> Result<Self, Error> {
        let failed = |e: std::io::Error| Error::new(Kind::System, "cannot start `tempo run`").because(e);
        let mut child = tempo(database)?
            .arg("run")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(failed)?;
        let Some(log) = child.stdout.take() else {
            return Err(Error::new(Kind::System, "`tempo run` has no log"));
        };
        let pass = move || {
            for line in BufReader::new(log).lines().map_while(Result::ok) {
                pass_on(&line);
            }
        };
        let passing_on = std::thread::Builder::new()
            .name("log".to_owned())
            .spawn(pass)
            .map_err(failed)?;
        Ok(Self {
            child,
            passing_on: Some(passing_on),
        })
    }

    /// Its process id.
    pub(super) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Sends a signal and waits for the end, and for the last line of the log.
    pub(super) fn end(mut self, signal: Signal) -> Result<ExitStatus, Error> {
        self.send(signal);
        let status = self
            .child
            .wait()
            .map_err(|e| Error::new(Kind::System, "cannot wait for `tempo run`").because(e))?;
        if let Some(thread) = self.passing_on.take() {
            let _ = thread.join();
        }
        Ok(status)
    }

    fn send(&self, signal: Signal) {
        if let Some(pid) = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw) {
            // A child that has not been waited for keeps its id: nobody else is hit.
            let _ = kill_process(pid, signal);
        }
    }
}

impl Drop for ServerChild {
    fn drop(&mut self) {
        if self.passing_on.is_some() {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}
