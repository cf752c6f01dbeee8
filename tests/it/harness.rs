//! The test harness: a fresh directory, a cleared environment, real processes, and waits with a deadline.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Duration;

use serde_json::Value;

/// How long to wait for anything before a test fails.
const DEADLINE: Duration = Duration::from_secs(30);

/// Whether long-running tests run in full (`TEMPO_LONG`).
pub(crate) fn is_long() -> bool {
    std::env::var_os("TEMPO_LONG").is_some()
}

/// A temporary directory with a database.
pub(crate) struct Env {
    directory: tempfile::TempDir,
}

/// The exit code and output of a command.
#[must_use = "check the exit code or the output"]
#[derive(Debug)]
pub(crate) struct CommandOutput {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl From<Output> for CommandOutput {
    fn from(o: Output) -> Self {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Self {
            code: o.status.code(),
            stdout: text(&o.stdout),
            stderr: text(&o.stderr),
        }
    }
}

impl CommandOutput {
    /// Returns stdout; panics unless the exit code is 0.
    #[track_caller]
    pub(crate) fn ok(self) -> String {
        assert_eq!(self.code, Some(0), "{self:?}");
        self.stdout
    }
}

impl Env {
    pub(crate) fn new() -> Self {
        Self {
            directory: tempfile::tempdir().unwrap(),
        }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    pub(crate) fn database(&self) -> PathBuf {
        self.path("t.db")
    }

    /// Returns a `tempo` command with a cleared environment.
    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tempo"));
        command
            .args(args)
            .env_clear()
            .env("PATH", "/usr/local/bin:/usr/bin:/bin")
            .env("HOME", self.directory.path())
            .env("TZ", "UTC")
            .env("TEMPO_DB", self.database())
            .current_dir(self.directory.path())
            .stdin(Stdio::null());
        command
    }

    /// A line for the shell, with the same environment.
    pub(crate) fn shell(&self, line: &str) -> Command {
        let tempo = self.command(&[]);
        let mut shell = Command::new("sh");
        let environment = tempo.get_envs().filter_map(|(name, value)| Some((name, value?)));
        shell
            .args(["-c", line])
            .env_clear()
            .envs(environment)
            .current_dir(self.directory.path())
            .stdin(Stdio::null());
        shell
    }

    pub(crate) fn tempo(&self, args: &[&str]) -> CommandOutput {
        self.command(args).output().unwrap().into()
    }

    /// Runs a command with `-o json` and returns its parsed output.
    #[track_caller]
    pub(crate) fn json(&self, args: &[&str]) -> Value {
        let ran = self.tempo(&[&["-o", "json"], args].concat());
        assert_eq!(ran.code, Some(0), "{args:?}: {ran:?}");
        serde_json::from_str(&ran.stdout).unwrap()
    }

    /// Starts `tempo run` on the database; without a page, unless the arguments ask for one.
    pub(crate) fn serve(&self, args: &[&str]) -> Server {
        let page: &[&str] = if args.contains(&"--web") { &[] } else { &["--no-web"] };
        Server::start(self.command(&[&["run"], page, args].concat()))
    }

    /// Starts `tempo run` through the shell: `line` is what precedes it, such as a limit.
    pub(crate) fn serve_after(&self, line: &str, args: &str) -> Server {
        Server::start(self.shell(&format!("{line}; exec {} run --no-web {args}", env!("CARGO_BIN_EXE_tempo"))))
    }

    /// Runs a command with `-o json` until its output satisfies `condition`.
    #[track_caller]
    pub(crate) fn wait_for_json(&self, args: &[&str], condition: impl Fn(&Value) -> bool) -> Value {
        let mut last = Value::Null;
        wait_until(&format!("{args:?}"), || {
            last = self.json(args);
            condition(&last)
        });
        last
    }

    /// Waits until a file has at least this many lines, and returns all of them.
    #[track_caller]
    pub(crate) fn wait_for_lines(&self, name: &str, at_least: usize) -> Vec<String> {
        let read = || -> Vec<String> {
            std::fs::read_to_string(self.path(name))
                .unwrap_or_default()
                .lines()
                .map(str::to_owned)
                .collect()
        };
        wait_until(&format!("{at_least} lines in {name}"), || read().len() >= at_least);
        read()
    }
}

/// Polls until a condition holds.
#[track_caller]
pub(crate) fn wait_until(what: &str, mut condition: impl FnMut() -> bool) {
    let (_sender, silence) = channel::<()>();
    for _ in 0..DEADLINE.as_millis() / 10 {
        if condition() {
            return;
        }
        let _ = silence.recv_timeout(Duration::from_millis(10));
    }
    panic!("timed out waiting for {what}");
}

/// A running server; killed when dropped.
pub(crate) struct Server {
    child: Child,
    log: Receiver<String>,
    seen: Vec<String>,
}

impl Server {
    fn start(mut command: Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let out = child.stdout.take().unwrap();
        let (sender, log) = channel();
        std::thread::spawn(move || {
            BufReader::new(out)
                .lines()
                .map_while(Result::ok)
                .try_for_each(|line| sender.send(line))
        });
        let mut server = Self {
            child,
            log,
            seen: Vec::new(),
        };
        server.wait_for_log("serving");
        server
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Waits for a log line that contains `part`, and returns it.
    #[track_caller]
    pub(crate) fn wait_for_log(&mut self, part: &str) -> String {
        let waiting = tempo::clock::Stopwatch::start();
        loop {
            match self.log.recv_timeout(DEADLINE.saturating_sub(waiting.elapsed())) {
                Ok(line) => {
                    self.seen.push(line.clone());
                    if line.contains(part) {
                        return line;
                    }
                }
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {
                    panic!("no line with `{part}` in the log:\n{}", self.seen.join("\n"))
                }
            }
        }
    }

    /// Waits for the server to exit; returns its exit code and its whole log.
    pub(crate) fn wait(mut self) -> (Option<i32>, String) {
        let status = self.child.wait().unwrap();
        self.seen.extend(self.log.iter());
        (status.code(), self.seen.join("\n"))
    }

    pub(crate) fn signal(&self, name: &str) {
        let done = Command::new("kill")
            .arg(format!("-{name}"))
            .arg(self.pid().to_string())
            .status()
            .unwrap();
        assert!(done.success());
    }

    /// Sends SIGKILL and waits for the exit.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Returns the output of a process once it exits; kills it and panics at the deadline.
#[track_caller]
pub(crate) fn ended(child: Child) -> Output {
    let pid = child.id();
    let (sender, done) = channel();
    std::thread::spawn(move || sender.send(child.wait_with_output()));
    if let Ok(output) = done.recv_timeout(DEADLINE) {
        return output.unwrap();
    }
    let _ = Command::new("kill").arg("-9").arg(pid.to_string()).status();
    let output = done.recv().unwrap().unwrap();
    panic!("the process did not exit: {:?}", CommandOutput::from(output));
}

/// The demo's targets on a free port; stopped when dropped.
pub(crate) struct Targets {
    child: Child,
    base: String,
}

impl Targets {
    pub(crate) fn start(env: &Env) -> Self {
        let mut child = env
            .command(&["demo", "--targets-only", "--port", "0"])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut first = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut first).unwrap();
        let base = first.split("/status").next().unwrap().to_owned();
        Self { child, base }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("{}{path}", self.base)
    }
}

impl Drop for Targets {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Whether a process exists and is not a zombie.
pub(crate) fn is_alive(pid: &str) -> bool {
    let stat = std::fs::read_to_string(Path::new("/proc").join(pid).join("stat")).unwrap_or_default();
    stat.rsplit_once(')')
        .is_some_and(|(_, rest)| !rest.trim_start().starts_with(['Z', 'X']))
}
