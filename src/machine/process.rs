//! Processes: how to identify one whose id may be reused, and how to find all that belong to one attempt of a step.

use std::collections::HashSet;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::time::Duration;

use rustix::process::{Pid, Signal};

use super::{boot_id, pid};
use crate::clock::{Stopwatch, pause};
use crate::error::{Error, Kind};

/// Maximum wait for killed processes to end; those still running then count as survivors.
const KILL_TIMEOUT: Duration = Duration::from_secs(5);
/// Interval between checks for survivors.
const POLL_INTERVAL: Duration = Duration::from_millis(5);

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
    fn may_lead_group(&self) -> bool {
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

struct Stat {
    parent: u32,
    group: u32,
    started: i64,
    /// Whether it is running; a zombie is not.
    is_running: bool,
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
fn stat(pid: u32) -> std::io::Result<Option<Stat>> {
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

/// All processes that belong to one attempt: its first process, its descendants, the members of its process group, and every process with the
/// attempt's marks in its environment, in whatever session.
///
/// A process that has cleared its environment, left the group and lost its parent is not found.
#[derive(Debug)]
pub struct ProcessTree {
    /// Environment entries (`NAME=value`); a process must have all of them.
    marks: Vec<String>,
    /// The leader of the process group, if the attempt has one; the group has the same id.
    group: Option<Process>,
    /// Processes that started before this do not belong to it; in clock ticks since boot.
    oldest: i64,
    known: Vec<Process>,
}

impl ProcessTree {
    /// The processes of a child that leads its own process group and has not been waited for.
    #[must_use]
    pub fn of_group(leader: u32, marks: Vec<String>) -> Self {
        let mut tree = Self::of_child(leader, marks);
        tree.group = tree.known.first().cloned();
        tree
    }

    /// The processes of a child that stays in the process group of this process.
    #[must_use]
    pub fn of_child(child: u32, marks: Vec<String>) -> Self {
        let first = Process::lookup(child);
        Self {
            marks,
            group: None,
            oldest: first.as_ref().map_or(0, |p| p.started),
            known: first.into_iter().collect(),
        }
    }

    /// The processes left behind by an attempt whose server or script has died; `leader` led its process group.
    #[must_use]
    pub fn left_behind(leader: Option<&Process>, marks: Vec<String>) -> Self {
        let leader = leader.filter(|process| process.may_lead_group());
        Self {
            marks,
            group: leader.cloned(),
            oldest: leader.map_or(0, |process| process.started),
            known: leader.cloned().into_iter().collect(),
        }
    }

    /// The id of the process group, unless the id may since have been reused.
    fn group(&self) -> Option<u32> {
        self.group
            .as_ref()
            .filter(|leader| leader.may_lead_group())
            .map(|leader| leader.pid)
    }

    /// Sends a signal to every process that is still running and returns their number.
    pub fn signal(&mut self, signal: Signal) -> usize {
        self.refresh();
        let group = self.group();
        // Each process gets the signal once: a second SIGTERM would run its handler twice.
        let outside = |process: &Process| match stat(process.pid) {
            Ok(Some(now)) => now.started == process.started && group != Some(now.group),
            Ok(None) | Err(_) => false,
        };
        let outside: Vec<u32> = self.known.iter().filter(|p| outside(p)).map(|p| p.pid).collect();
        if let Some(group) = group.and_then(pid_of) {
            // In one call, so that no member can start a process in between. It is not an error if the group no longer exists.
            let _ = rustix::process::kill_process_group(group, signal);
        }
        for pid in outside.into_iter().filter_map(pid_of) {
            let _ = rustix::process::kill_process(pid, signal);
        }
        self.known.len()
    }

    /// Kills all processes and waits until they have ended. Returns the ids of those still running after five seconds.
    pub fn kill(&mut self) -> Vec<u32> {
        let watch = Stopwatch::start();
        let mut wait = POLL_INTERVAL;
        loop {
            self.signal(Signal::KILL);
            let survivors = self.alive();
            // A process that forks and exits again and again can slip through one look at `/proc`.
            if (survivors.is_empty() && self.alive().is_empty()) || watch.elapsed() > KILL_TIMEOUT {
                return survivors;
            }
            pause(wait);
            wait = (wait * 2).min(KILL_TIMEOUT / 10);
        }
    }

    /// The ids of the processes that are running now.
    pub fn alive(&mut self) -> Vec<u32> {
        self.refresh();
        self.known.iter().map(|process| process.pid).collect()
    }

    /// Finds new processes that belong to the attempt, and removes those that have ended.
    fn refresh(&mut self) {
        self.known.retain(Process::is_running);
        let mut found: HashSet<u32> = self.known.iter().map(|process| process.pid).collect();
        let ancestors = ancestors();
        let group = self.group();
        let others: Vec<(u32, Stat)> = processes()
            .filter_map(|pid| Some((pid, stat(pid).ok()??)))
            .filter(|(pid, stat)| stat.is_running && stat.started >= self.oldest && !ancestors.contains(pid))
            .collect();
        let belongs = |pid: u32, stat: &Stat| group == Some(stat.group) || (!self.marks.is_empty() && has_all(pid, &self.marks));
        let matching = others
            .iter()
            .filter(|(pid, stat)| !found.contains(pid) && belongs(*pid, stat));
        let matching: Vec<u32> = matching.map(|(pid, _)| *pid).collect();
        found.extend(matching);
        loop {
            let children = others
                .iter()
                .filter(|(pid, stat)| !found.contains(pid) && found.contains(&stat.parent));
            let children: Vec<u32> = children.map(|(pid, _)| *pid).collect();
            if children.is_empty() {
                break;
            }
            found.extend(children);
        }
        for (pid, stat) in others.iter().filter(|(pid, _)| found.contains(pid)) {
            let (pid, started, boot) = (*pid, stat.started, boot_id());
            let process = Process { pid, started, boot };
            if !self.known.contains(&process) {
                self.known.push(process);
            }
        }
    }
}

/// The ids of this process and its ancestors.
fn ancestors() -> Vec<u32> {
    let mut ancestors = vec![pid()];
    while let Some(parent) = ancestors.last().and_then(|pid| stat(*pid).ok()?).map(|stat| stat.parent)
        && !ancestors.contains(&parent)
    {
        ancestors.push(parent);
    }
    ancestors
}

fn pid_of(pid: u32) -> Option<Pid> {
    i32::try_from(pid).ok().and_then(Pid::from_raw)
}

/// The ids of all processes on this machine.
fn processes() -> impl Iterator<Item = u32> {
    let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    entries.filter_map(|e| e.file_name().to_str()?.parse().ok())
}

/// The environment a process was started with; empty if this user may not read it.
fn environment_of(pid: u32) -> Vec<u8> {
    std::fs::read(format!("/proc/{pid}/environ")).unwrap_or_default()
}

fn has(environment: &[u8], mark: &[u8]) -> bool {
    environment.split(|b| *b == 0).any(|entry| entry == mark)
}

fn has_all(pid: u32, marks: &[String]) -> bool {
    let environment = environment_of(pid);
    marks.iter().all(|mark| has(&environment, mark.as_bytes()))
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
