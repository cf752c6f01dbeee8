//! Processes: how to identify one whose id may be reused, and its state.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;

use rustix::process::Pid;

use super::{boot_id, pid};
use crate::error::{Error, Kind};

/// The identity of a process, unique even if its id is reused: id, start time in clock ticks since boot, boot id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Process {
    /// The process id; the process of a command leads the group of the same id, except in a script step.
    pub pid: u32,
    /// The start time, in the kernel's clock ticks since boot.
    pub started: i64,
    /// The id of the boot in which it started.
    pub boot: String,
}

/// A file as `/proc/locks` names it.
fn file_in_locks(device: u64, inode: u64) -> String {
    let (major, minor) = (rustix::fs::major(device), rustix::fs::minor(device));
    format!("{major:02x}:{minor:02x}:{inode}")
}

impl Process {
    /// This process.
    ///
    /// # Errors
    /// `System` when `/proc` cannot be read.
    pub fn this() -> Result<Self, Error> {
        Self::lookup(pid()).ok_or_else(|| Error::new(Kind::System, "cannot read `/proc/self/stat`"))
    }

    /// The process that holds an exclusive `flock` lock on the file with this device and inode. `None` if there is none, or `/proc/locks` does not list it.
    #[must_use]
    pub fn locking(device: u64, inode: u64) -> Option<Self> {
        let file = file_in_locks(device, inode);
        let locks = std::fs::read_to_string("/proc/locks").ok()?;
        // `1: FLOCK  ADVISORY  WRITE 4711 fd:01:1048 0 EOF`
        let fields = locks.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
        let mut held = fields.filter(|f| f.get(1) == Some(&"FLOCK") && f.get(3) == Some(&"WRITE"));
        let held = held.find(|f| f.get(5) == Some(&file.as_str()))?;
        Self::lookup(held.get(4)?.parse().ok()?)
    }

    /// Whether it holds a record lock (`fcntl`) on the file with this device and inode. `None` if `/proc/locks` cannot be read.
    #[must_use]
    pub fn has_record_lock(&self, device: u64, inode: u64) -> Option<bool> {
        let (file, pid) = (file_in_locks(device, inode), self.pid.to_string());
        let locks = std::fs::read_to_string("/proc/locks").ok()?;
        let mut fields = locks.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
        // `2: POSIX  ADVISORY  READ 4711 fd:01:1050 128 128`
        Some(fields.any(|f| f.get(1) == Some(&"POSIX") && f.get(4) == Some(&pid.as_str()) && f.get(5) == Some(&file.as_str())))
    }

    /// The time at which it started, to a hundredth of a second.
    #[must_use]
    pub fn started_at(&self) -> Option<chrono::DateTime<chrono::Utc>> {
        let ticks_per_second = i64::try_from(rustix::param::clock_ticks_per_second()).ok()?;
        let since_boot = chrono::TimeDelta::milliseconds(self.started.checked_mul(1000)? / ticks_per_second);
        Some(super::booted_at()? + since_boot)
    }

    /// Whether it is still running; a zombie is not. True if this cannot be determined, so that nothing is started alongside it.
    #[must_use]
    pub fn is_running(&self) -> bool {
        self.boot == boot_id()
            && match stat(self.pid) {
                Ok(now) => now.is_some_and(|now| now.is_running && now.started == self.started),
                Err(_) => true,
            }
    }

    /// Whether its id may still be the id of the group that it led. The kernel does not reuse the id of an existing group.
    pub(super) fn may_lead_group(&self) -> bool {
        self.boot == boot_id() && matches!(stat(self.pid), Ok(now) if now.as_ref().is_none_or(|now| now.started == self.started))
    }

    /// Looks up the process `pid`, if it exists.
    #[must_use]
    pub fn lookup(pid: u32) -> Option<Self> {
        Some(Self {
            pid,
            started: stat(pid).ok()??.started,
            boot: boot_id(),
        })
    }
}

pub(super) struct Stat {
    pub(super) parent: u32,
    pub(super) group: u32,
    pub(super) started: i64,
    /// Whether it is running; a zombie is not.
    pub(super) is_running: bool,
    /// Whether it has begun to end.
    is_exiting: bool,
}

/// The flag of a process that has begun to end (`PF_EXITING`, see `proc_pid_stat(5)`).
const EXITING: u64 = 0x4;

/// Whether a process has ended or has begun to end.
#[must_use]
pub fn is_ending(pid: u32) -> bool {
    matches!(stat(pid), Ok(now) if now.as_ref().is_none_or(|now| now.is_exiting || !now.is_running))
}

/// Reads the state of a process; `None` if it does not exist.
pub(super) fn stat(pid: u32) -> std::io::Result<Option<Stat>> {
    use rustix::io::Errno;
    match std::fs::read(format!("/proc/{pid}/stat")) {
        Ok(text) => Ok(parse_stat(&text)),
        // The process ended before the file was opened, or while it was read.
        Err(e) if e.kind() == std::io::ErrorKind::NotFound || Errno::from_io_error(&e) == Some(Errno::SRCH) => Ok(None),
        Err(e) => Err(e),
    }
}

fn parse_stat(text: &[u8]) -> Option<Stat> {
    let text = String::from_utf8_lossy(text);
    // The name may contain anything, including spaces and parentheses; the fields start after the last parenthesis.
    let fields: Vec<&str> = text.rsplit_once(')')?.1.split_whitespace().collect();
    Some(Stat {
        parent: fields.get(1)?.parse().ok()?,
        group: fields.get(2)?.parse().ok()?,
        started: fields.get(19)?.parse().ok()?,
        is_running: !matches!(*fields.first()?, "Z" | "X" | "x"),
        is_exiting: fields.get(6)?.parse::<u64>().ok()? & EXITING != 0,
    })
}

/// Returns a file descriptor that becomes readable when the process `pid` exits.
///
/// # Errors
/// When there is no such process.
pub fn exit_watch(pid: u32) -> std::io::Result<std::os::fd::OwnedFd> {
    let pid = pid_of(pid).ok_or(std::io::ErrorKind::InvalidInput)?;
    Ok(rustix::process::pidfd_open(pid, rustix::process::PidfdFlags::empty())?)
}

pub(super) fn pid_of(pid: u32) -> Option<Pid> {
    i32::try_from(pid).ok().and_then(Pid::from_raw)
}

/// The ids of all processes on this machine.
pub(super) fn processes() -> impl Iterator<Item = u32> {
    let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    entries.filter_map(|e| e.file_name().to_str()?.parse().ok())
}

/// The environment a process was started with; empty if this user may not read it.
pub(super) fn environment_of(pid: u32) -> Vec<u8> {
    std::fs::read(format!("/proc/{pid}/environ")).unwrap_or_default()
}

pub(super) fn has(environment: &[u8], mark: &[u8]) -> bool {
    environment.split(|b| *b == 0).any(|entry| entry == mark)
}

/// The other processes that have all of `marks` (`NAME=value`) and a variable `name` in their environment, each with the value of `name`.
#[must_use]
pub fn processes_with(marks: &[&OsStr], name: &str) -> Vec<(u32, String)> {
    let value = |environment: &[u8]| -> Option<String> {
        let mut entries = environment.split(|b| *b == 0).filter_map(|e| std::str::from_utf8(e).ok());
        entries.find_map(|entry| Some(entry.strip_prefix(name)?.strip_prefix('=')?.to_owned()))
    };
    let others = processes().filter(|other| *other != pid());
    let found = others.filter_map(|pid| {
        let environment = environment_of(pid);
        let is_marked = marks.iter().all(|mark| has(&environment, mark.as_bytes()));
        value(&environment).filter(|_| is_marked).map(|value| (pid, value))
    });
    found.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_that_has_ended_is_ending_whether_or_not_its_parent_has_noticed() {
        assert!(!is_ending(pid()));
        let mut child = std::process::Command::new("cat")
            .stdin(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        assert!(!is_ending(child.id()));
        let watch = exit_watch(child.id()).unwrap();
        drop(child.stdin.take());
        let mut ended = [rustix::event::PollFd::new(&watch, rustix::event::PollFlags::IN)];
        rustix::event::poll(&mut ended, None).unwrap();
        assert!(is_ending(child.id()), "a zombie");
        child.wait().unwrap();
        assert!(is_ending(child.id()), "gone");
    }
}
