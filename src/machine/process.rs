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
    /// The process id; a step's process leads the group of the same id.
    pub pid: u32,
    /// The start time, in the kernel's clock ticks since boot.
    pub started: i64,
    /// The id of the boot in which it started.
    pub boot: String,
}

impl Process {
    /// This process.
    ///
    /// # Errors
    /// `System` when `/proc` cannot be read.
    pub fn this() -> Result<Self, Error> {
        Self::known_as(pid()).ok_or_else(|| Error::new(Kind::System, "cannot read `/proc/self/stat`"))
    }

    /// Whether the process is still running; a zombie is not.
    #[must_use]
    pub fn is_there(&self) -> bool {
        self.boot == boot_id() && stat(self.pid).is_some_and(|now| now.is_running && now.started == self.started)
    }

    /// Whether the id still belongs to this process, even as a zombie.
    fn is_same(&self) -> bool {
        self.boot == boot_id() && stat(self.pid).is_some_and(|now| now.started == self.started)
    }

    /// Looks up the process `pid`, if it exists.
    #[must_use]
    pub fn known_as(pid: u32) -> Option<Self> {
        Some(Self {
            pid,
            started: stat(pid)?.started,
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
}

fn stat(pid: u32) -> Option<Stat> {
    let text = std::fs::read(format!("/proc/{pid}/stat")).ok()?;
    let text = String::from_utf8_lossy(&text);
    // The name may contain anything, spaces and parentheses included: the fields start after the last parenthesis.
    let fields: Vec<&str> = text.rsplit_once(')')?.1.split_whitespace().collect();
    Some(Stat {
        parent: fields.get(1)?.parse().ok()?,
        group: fields.get(2)?.parse().ok()?,
        started: fields.get(19)?.parse().ok()?,
        is_running: !matches!(*fields.first()?, "Z" | "X" | "x"),
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

/// All processes that belong to one attempt: its first process, the descendants, the members of its process group, and every process with the
/// attempt's marks in its environment, in whatever session.
///
/// A process that has cleared its environment, left the group and lost its parent is not found.
#[derive(Debug)]
pub struct ProcessTree {
    /// Environment entries (`NAME=value`); a process must have all of them.
    marks: Vec<String>,
    /// The process group that the first process leads, if it leads one.
    group: Option<u32>,
    /// The earliest start time of any of its processes, in the kernel's clock ticks since boot.
    oldest: i64,
    known: Vec<Process>,
}

impl ProcessTree {
    /// The processes of a child that leads its own process group and has not been waited for.
    #[must_use]
    pub fn of_group(leader: u32, marks: Vec<String>) -> Self {
        let mut tree = Self::of_child(leader, marks);
        tree.group = Some(leader);
        tree
    }

    /// The processes of a child that stays in the process group of this process.
    #[must_use]
    pub fn of_child(child: u32, marks: Vec<String>) -> Self {
        let first = Process::known_as(child);
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
        let leader = leader.filter(|process| process.is_same());
        Self {
            marks,
            group: leader.map(|process| process.pid),
            oldest: leader.map_or(0, |process| process.started),
            known: leader.cloned().into_iter().collect(),
        }
    }

    /// Sends a signal to every process that is still running and returns their number.
    pub fn signal(&mut self, signal: Signal) -> usize {
        self.refresh();
        if let Some(group) = self.group.and_then(pid_of) {
            // In one call, so that no member can start a process in between. It is not an error if the group no longer exists.
            let _ = rustix::process::kill_process_group(group, signal);
        }
        for process in &self.known {
            if let Some(pid) = pid_of(process.pid)
                && process.is_same()
            {
                let _ = rustix::process::kill_process(pid, signal);
            }
        }
        self.known.len()
    }

    /// Kills all processes and waits until they have ended. Returns the ids of those still running after five seconds.
    pub fn kill(&mut self) -> Vec<u32> {
        let watch = Stopwatch::start();
        loop {
            self.signal(Signal::KILL);
            let survivors = self.alive();
            if survivors.is_empty() || watch.elapsed() > KILL_TIMEOUT {
                return survivors;
            }
            pause(POLL_INTERVAL);
        }
    }

    /// The ids of the processes that are running now.
    pub fn alive(&mut self) -> Vec<u32> {
        self.refresh();
        self.known.iter().map(|process| process.pid).collect()
    }

    /// Finds new processes that belong to the attempt, and removes those that have ended.
    fn refresh(&mut self) {
        self.known.retain(Process::is_there);
        let mut found: HashSet<u32> = self.known.iter().map(|process| process.pid).collect();
        let ancestors = ancestors();
        let others: Vec<(u32, Stat)> = processes()
            .filter_map(|pid| Some((pid, stat(pid)?)))
            .filter(|(pid, stat)| stat.is_running && stat.started >= self.oldest && !ancestors.contains(pid))
            .collect();
        let belongs =
            |pid: u32, stat: &Stat| self.group == Some(stat.group) || (!self.marks.is_empty() && has_all(pid, &self.marks));
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
    while let Some(parent) = ancestors.last().and_then(|pid| stat(*pid)).map(|stat| stat.parent)
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
