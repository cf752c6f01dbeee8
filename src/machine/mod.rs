//! This machine: its boot, disk space and limits; users, processes and the environment. Everything specific to Linux (`/proc`) is in this folder.

mod environment;
mod process;
mod user;

pub use environment::{arguments_os, default_database, environment, find_program, path_text, variable};
pub use process::{Process, ProcessTree, exit_watch, processes_with};
pub use user::User;

use std::path::Path;
use std::sync::OnceLock;

/// Whether this process runs as root.
#[must_use]
pub fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// This process.
#[must_use]
pub fn pid() -> u32 {
    std::process::id()
}

/// A text that differs from boot to boot; empty where the machine does not tell.
#[must_use]
pub fn boot_id() -> String {
    static KNOWN: OnceLock<String> = OnceLock::new();
    let read = || std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    KNOWN.get_or_init(|| read().trim().to_owned()).clone()
}

/// When the machine booted, where it tells.
#[must_use]
pub fn booted_at() -> Option<chrono::DateTime<chrono::Utc>> {
    let stat = std::fs::read_to_string("/proc/stat").ok()?;
    let seconds = stat.lines().find_map(|l| l.strip_prefix("btime "))?.trim().parse().ok()?;
    chrono::DateTime::from_timestamp(seconds, 0)
}

/// Raises how many files this process may have open to `wanted`, as far as the machine lets it; how many it may have then.
#[must_use]
pub fn raise_open_files(wanted: u64) -> u64 {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let Some(allowed) = current.filter(|allowed| *allowed < wanted) else {
        return wanted;
    };
    let raised = maximum.map_or(wanted, |maximum| maximum.min(wanted));
    let limit = Rlimit {
        current: Some(raised),
        maximum,
    };
    setrlimit(Resource::Nofile, limit).map_or(allowed, |()| raised)
}

/// How many more threads and processes this user may start; none where that is not limited.
#[must_use]
pub fn startable() -> Option<u64> {
    use rustix::process::{Resource, getrlimit};
    use std::os::unix::fs::MetadataExt as _;
    let limit = getrlimit(Resource::Nproc).current.filter(|_| !is_root())?;
    let own = rustix::process::getuid().as_raw();
    let entries = std::fs::read_dir("/proc").ok()?.flatten();
    let mine = entries.filter(|e| e.metadata().is_ok_and(|m| m.uid() == own));
    let threads = mine.filter_map(|e| Some(std::fs::read_dir(e.path().join("task")).ok()?.count() as u64));
    Some(limit.saturating_sub(threads.sum()))
}

/// The room on a file system, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Room {
    /// What this user may still fill.
    pub free: u64,
    /// All of it.
    pub total: u64,
}

impl Room {
    /// Of the file system that holds `folder`, where it tells.
    #[must_use]
    pub fn of(folder: &Path) -> Option<Self> {
        let told = rustix::fs::statvfs(folder).ok()?;
        Some(Self {
            free: told.f_bavail.saturating_mul(told.f_frsize),
            total: told.f_blocks.saturating_mul(told.f_frsize),
        })
    }
}
