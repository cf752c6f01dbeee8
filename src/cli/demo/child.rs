//! The real server as a child process, with its log passed on line by line.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};

use rustix::process::{Pid, Signal, kill_process};

use crate::error::{Error, Kind};

/// A `tempo run` child process; killed when dropped, so that a failed demo leaves no process behind.
pub(super) struct ServerChild {
    child: Child,
    log_thread: Option<std::thread::JoinHandle<()>>,
}

/// Returns a command that runs this program on the demo's database.
pub(super) fn tempo(database: &Path) -> Result<Command, Error> {
    let program =
        std::env::current_exe().map_err(|e| Error::new(Kind::System, "cannot determine the path of this program").because(e))?;
    let mut command = Command::new(program);
    command.arg("--db").arg(database);
    Ok(command)
}

impl ServerChild {
    /// Starts the server; `on_line` is called with each line of its log.
    pub(super) fn start(database: &Path, on_line: impl Fn(&str) + Send + 'static) -> Result<Self, Error> {
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
        let read_log = move || {
            for line in BufReader::new(log).lines().map_while(Result::ok) {
                on_line(&line);
            }
        };
        let log_thread = std::thread::Builder::new()
            .name("log".to_owned())
            .spawn(read_log)
            .map_err(failed)?;
        Ok(Self {
            child,
            log_thread: Some(log_thread),
        })
    }

    /// The process id of the server.
    pub(super) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Sends a signal, then waits until the process has ended and its log has been read to the end.
    pub(super) fn end(mut self, signal: Signal) -> Result<ExitStatus, Error> {
        self.send(signal);
        let status = self
            .child
            .wait()
            .map_err(|e| Error::new(Kind::System, "cannot wait for `tempo run`").because(e))?;
        if let Some(thread) = self.log_thread.take() {
            let _ = thread.join();
        }
        Ok(status)
    }

    fn send(&self, signal: Signal) {
        if let Some(pid) = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw) {
            // A child that has not been waited for keeps its pid, so the signal cannot hit another process.
            let _ = kill_process(pid, signal);
        }
    }
}

impl Drop for ServerChild {
    fn drop(&mut self) {
        if self.log_thread.is_some() {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}
