//! This machine: boot, disk space and limits; users, processes and the environment. All code specific to Linux (`/proc`) is in this directory.

mod environment;
mod limited;
mod process;
mod process_tree;
mod supervisor;
mod user;

pub use environment::{arguments_os, default_database, environment, find_program, path_text, variable};
pub use limited::{become_limited, limited};
pub use process::{Process, exit_watch, is_ending, processes_with};
pub use process_tree::ProcessTree;
pub use supervisor::{ProcessState, SUPERVISOR_VARIABLES, has_supervisor, tell_supervisor, watchdog_interval};
pub use user::User;

use std::collections::HashSet;
use std::path::Path;
use std::sync::OnceLock;

use crate::error::{Error, Kind};

/// Whether this process runs as root.
#[must_use]
pub fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// The id of the user that this process runs as.
#[must_use]
pub fn user_id() -> u32 {
    rustix::process::geteuid().as_raw()
}

/// The id of this process.
#[must_use]
pub fn pid() -> u32 {
    std::process::id()
}

/// The files that this process has open, each by device and inode. `None` if this cannot be determined.
pub(crate) fn open_files() -> Option<HashSet<(u64, u64)>> {
    use std::os::unix::fs::MetadataExt as _;
    let descriptors = std::fs::read_dir("/proc/self/fd").ok()?;
    // The descriptor of the directory itself is closed by now.
    let files = descriptors.filter_map(|entry| std::fs::metadata(entry.ok()?.path()).ok());
    Some(files.map(|file| (file.dev(), file.ino())).collect())
}

/// An id that is different after each boot; empty if unavailable.
#[must_use]
pub fn boot_id() -> String {
    static CACHED: OnceLock<String> = OnceLock::new();
    let read = || std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    CACHED.get_or_init(|| read().trim().to_owned()).clone()
}

/// The time the machine booted, if available.
#[must_use]
pub fn booted_at() -> Option<chrono::DateTime<chrono::Utc>> {
    let stat = std::fs::read_to_string("/proc/stat").ok()?;
    let seconds = stat.lines().find_map(|l| l.strip_prefix("btime "))?.trim().parse().ok()?;
    chrono::DateTime::from_timestamp(seconds, 0)
}

/// Random bytes from the kernel, as hexadecimal digits.
///
/// # Errors
/// `System` when the kernel has none.
pub fn random_hex(bytes: usize) -> Result<String, Error> {
    let mut random = vec![0_u8; bytes];
    let failed = |e| Error::new(Kind::System, "cannot get random bytes").because(e);
    rustix::rand::getrandom(&mut random, rustix::rand::GetRandomFlags::empty())
        .map_err(|e| failed(std::io::Error::from(e)))
        .map(|_| random.iter().fold(String::new(), |hex, byte| format!("{hex}{byte:02x}")))
}

/// Identifies an open file or pipe, whichever descriptor refers to it.
#[must_use]
pub fn file_id(file: impl std::os::fd::AsFd) -> Option<String> {
    let stat = rustix::fs::fstat(file).ok()?;
    Some(format!("{}:{}", stat.st_dev, stat.st_ino))
}

/// Calls a function that starts a process, which gets this niceness in addition to that of this process.
///
/// # Errors
/// Those of the function; if no thread can be started.
pub fn with_niceness<T: Send>(nice: Option<u8>, start: impl FnOnce() -> std::io::Result<T> + Send) -> std::io::Result<T> {
    let Some(nice) = nice else { return start() };
    // Linux has a niceness for each thread, and a process inherits that of the thread that starts it.
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().spawn_scoped(scope, || {
            rustix::process::nice(nice.into())?;
            start()
        })?;
        thread
            .join()
            .unwrap_or_else(|_| Err(std::io::Error::other("the thread that starts the process has panicked")))
    })
}

/// The program that runs in this process, even if its file has been replaced.
pub const OWN_PROGRAM: &str = "/proc/self/exe";

/// Sends a signal to a process.
pub fn signal_process(pid: u32, signal: i32) {
    let pid = i32::try_from(pid).ok().and_then(rustix::process::Pid::from_raw);
    if let (Some(pid), Some(signal)) = (pid, rustix::process::Signal::from_named_raw(signal)) {
        // It may have ended.
        let _ = rustix::process::kill_process(pid, signal);
    }
}

/// Waits until any child of this process has ended. Returns its pid, and its exit code or 128 and the signal that killed it. Only for a process
/// that waits for its children in no other way.
///
/// # Errors
/// If there is no child.
pub fn reap() -> std::io::Result<(u32, u8)> {
    use rustix::process::{WaitOptions, wait};
    loop {
        match wait(WaitOptions::empty()) {
            Ok(Some((pid, status))) => {
                let signal = status.terminating_signal().map(|signal| 128 + signal);
                let code = status.exit_status().or(signal).unwrap_or_default();
                return Ok((
                    pid.as_raw_nonzero().get().unsigned_abs(),
                    u8::try_from(code).unwrap_or(u8::MAX),
                ));
            }
            Ok(None) | Err(rustix::io::Errno::INTR) => {}
            Err(e) => return Err(e.into()),
        }
    }
}

/// Sends a signal to the process group of a process; 0 is none.
pub fn signal_group(pid: u32, signal: i32) {
    let pid = i32::try_from(pid).ok().and_then(rustix::process::Pid::from_raw);
    if let (Some(pid), Some(signal)) = (pid, rustix::process::Signal::from_named_raw(signal)) {
        // It may have ended.
        let _ = rustix::process::kill_process_group(pid, signal);
    }
}

/// Whether this process ignores a signal, as under `nohup`.
#[must_use]
pub fn ignores(signal: i32) -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0);
    u32::try_from(signal - 1).is_ok_and(|bit| mask.checked_shr(bit).unwrap_or(0) & 1 == 1)
}

/// The name of this machine.
#[must_use]
pub fn host_name() -> String {
    let name = rustix::system::uname().nodename().to_string_lossy().into_owned();
    if name.is_empty() { "localhost".to_owned() } else { name }
}

/// Raises the open-file limit of this process to `target`, or as far as permitted. Returns the number of files it may have open, at most `target`.
#[must_use]
pub fn raise_open_files(target: u64) -> u64 {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let Some(allowed) = current.filter(|allowed| *allowed < target) else {
        return target;
    };
    let raised = maximum.map_or(target, |maximum| maximum.min(target));
    let limit = Rlimit {
        current: Some(raised),
        maximum,
    };
    setrlimit(Resource::Nofile, limit).map_or(allowed, |()| raised)
}

/// The number of further threads and processes this user may start; `None` if unlimited.
#[must_use]
pub fn available_processes() -> Option<u64> {
    use rustix::process::{Resource, getrlimit};
    use std::os::unix::fs::MetadataExt as _;
    let limit = getrlimit(Resource::Nproc).current.filter(|_| !is_root())?;
    let own = rustix::process::getuid().as_raw();
    let entries = std::fs::read_dir("/proc").ok()?.flatten();
    let mine = entries.filter(|e| e.metadata().is_ok_and(|m| m.uid() == own));
    let threads = mine.filter_map(|e| Some(std::fs::read_dir(e.path().join("task")).ok()?.count() as u64));
    Some(limit.saturating_sub(threads.sum()))
}

/// The space on a file system, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DiskSpace {
    /// The space available to this user.
    pub free: u64,
    /// The total size.
    pub total: u64,
}

impl DiskSpace {
    /// The space on the file system that contains `directory`, if available.
    #[must_use]
    pub fn of(directory: &Path) -> Option<Self> {
        let stat = rustix::fs::statvfs(directory).ok()?;
        Some(Self {
            free: stat.f_bavail.saturating_mul(stat.f_frsize),
            total: stat.f_blocks.saturating_mul(stat.f_frsize),
        })
    }
}
