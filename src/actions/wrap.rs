//! Runs a command for `tempo beat`: its output is passed on unchanged, and recorded.

use std::io::Read;
use std::os::unix::process::CommandExt as _;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::time::Duration;

use super::OUTPUT_LIMIT;
use super::head_tail::HeadTail;
use super::secrets::Secrets;
use crate::clock::Stopwatch;
use crate::machine;

/// How long to wait for output from processes that the command left behind.
const AFTER_EXIT: Duration = Duration::from_millis(200);

/// Maximum time for which that output is read.
const LONGEST_AFTER_EXIT: Duration = Duration::from_secs(2);

/// A stream of the command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stream {
    Stdout,
    Stderr,
}

/// How the command ended.
pub(crate) struct Wrapped {
    /// `None` if a signal ended it.
    pub(crate) exit_code: Option<i32>,
    pub(crate) signal: Option<i32>,
    pub(crate) elapsed_ms: i64,
    /// Its beginning and its end.
    pub(crate) output: Vec<u8>,
}

/// Runs a command with the stdin of this process, in a process group of its own; `pass` gets its output at once, and `pid` its process id, 0 when it has
/// ended.
///
/// # Errors
/// The system's error if the command cannot be started.
pub(crate) fn wrap(argv: &[String], pid: &Arc<AtomicU32>, mut pass: impl FnMut(Stream, &[u8])) -> std::io::Result<Wrapped> {
    let watch = Stopwatch::start();
    let path = machine::variable("PATH");
    let program = machine::find_program(&argv[0], path.as_deref())
        .ok_or_else(|| std::io::Error::new(std::io::ErrorKind::NotFound, "program not found"))?;
    let mut command = Command::new(program);
    command
        .args(&argv[1..])
        .process_group(0)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command.spawn()?;
    pid.store(child.id(), Ordering::SeqCst);
    // Bounded: the command waits for whoever reads its output, as it would without tempo.
    let (sender, parts) = sync_channel(16);
    let readers = [
        child
            .stdout
            .take()
            .map(|pipe| (Stream::Stdout, Box::new(pipe) as Box<dyn Read + Send>)),
        child
            .stderr
            .take()
            .map(|pipe| (Stream::Stderr, Box::new(pipe) as Box<dyn Read + Send>)),
    ];
    for (stream, pipe) in readers.into_iter().flatten() {
        let sender = sender.clone();
        std::thread::Builder::new().spawn(move || read(stream, pipe, &sender))?;
    }
    // Ends a wait for output when the command has ended.
    let waiter = std::thread::Builder::new().spawn(move || {
        let status = child.wait();
        let _ = sender.send(None);
        status
    })?;
    let mut output = HeadTail::new(OUTPUT_LIMIT / 2, Secrets::default().masker());
    let mut keep = |(stream, bytes): (Stream, Vec<u8>)| {
        output.keep(&bytes);
        pass(stream, &bytes);
    };
    while let Ok(Some(part)) = parts.recv() {
        keep(part);
    }
    let ended = Stopwatch::start();
    while ended.elapsed() < LONGEST_AFTER_EXIT
        && let Ok(Some(part)) = parts.recv_timeout(AFTER_EXIT)
    {
        keep(part);
    }
    pid.store(0, Ordering::SeqCst);
    let status = waiter
        .join()
        .map_err(|_| std::io::Error::other("the wait for the command failed"))??;
    Ok(Wrapped {
        exit_code: status.code(),
        signal: std::os::unix::process::ExitStatusExt::signal(&status),
        elapsed_ms: watch.elapsed_ms(),
        output: output.into_bytes(),
    })
}

fn read(stream: Stream, mut pipe: Box<dyn Read + Send>, sender: &SyncSender<Option<(Stream, Vec<u8>)>>) {
    let mut buffer = [0_u8; 16 * 1024];
    while let Ok(length @ 1..) = pipe.read(&mut buffer) {
        if sender.send(Some((stream, buffer[..length].to_vec()))).is_err() {
            break;
        }
    }
}
