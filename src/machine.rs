//! This machine: process ids, boot id, environment, user, terminal. The one seam for what is Linux's own (`/proc`).

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use rustix::process::{Pid, Signal};

use crate::error::{Error, Kind};

/// A variable of the environment, if it is set and is text.
#[must_use]
pub fn environment(name: &str) -> Option<String> {
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the environment")]
    std::env::var(name).ok()
}

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

/// A process as it can be known again after its id has been reused: id, start time in clock ticks since boot, boot id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Process {
    /// The process id; a step's process leads the group of the same id.
    pub pid: u32,
    /// When it started, in the kernel's ticks since boot.
    pub started: i64,
    /// The boot it started in.
    pub boot: String,
}

impl Process {
    /// This very process.
    ///
    /// # Errors
    /// `System` where `/proc` does not tell.
    pub fn this() -> Result<Self, Error> {
        Self::known_as(pid()).ok_or_else(|| Error::new(Kind::System, "cannot read `/proc/self/stat`"))
    }

    /// Whether it is still there, and more than a zombie.
    #[must_use]
    pub fn is_there(&self) -> bool {
        self.is_as_known() && is_alive(self.pid)
    }

    fn is_as_known(&self) -> bool {
        self.boot == boot_id() && stat(self.pid).is_some_and(|now| now.started == self.started)
    }

    /// The process `pid` as it is now, if there is one.
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
    session: u32,
    started: i64,
}

fn stat(pid: u32) -> Option<Stat> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name may hold anything, blanks and brackets included: the fields begin after the last bracket.
    let fields: Vec<&str> = text.rsplit_once(')')?.1.split_whitespace().collect();
    Some(Stat {
        parent: fields.get(1)?.parse().ok()?,
        group: fields.get(2)?.parse().ok()?,
        session: fields.get(3)?.parse().ok()?,
        started: fields.get(19)?.parse().ok()?,
    })
}

/// Becomes readable when the process `pid` has ended.
///
/// # Errors
/// When there is no such process.
pub fn exit_watch(pid: u32) -> std::io::Result<std::os::fd::OwnedFd> {
    let pid = i32::try_from(pid)
        .ok()
        .and_then(Pid::from_raw)
        .ok_or(std::io::ErrorKind::InvalidInput)?;
    Ok(rustix::process::pidfd_open(pid, rustix::process::PidfdFlags::empty())?)
}

/// A user of this machine, as `/etc/passwd` tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// What they are called.
    pub name: String,
    /// Their id.
    pub uid: u32,
    /// The id of their group.
    pub gid: u32,
    /// Their home, which need not exist.
    pub home: String,
}

impl User {
    /// The user of that name.
    ///
    /// # Errors
    /// A fragment that says why it cannot be told.
    pub fn named(name: &str) -> Result<Self, String> {
        Self::find(|user| user.name == name)?.ok_or_else(|| format!("no user is named `{name}`"))
    }

    /// Whoever runs this process, where that is told.
    #[must_use]
    pub fn this() -> Option<Self> {
        let uid = rustix::process::geteuid().as_raw();
        Self::find(|user| user.uid == uid).ok().flatten()
    }

    /// Does something on a thread that has become this user, with all their groups, as cron's commands have (`initgroups(3)`).
    ///
    /// # Errors
    /// When this process may not become them, and what `work` comes to.
    pub fn do_as<T: Send>(&self, work: impl FnOnce() -> std::io::Result<T> + Send) -> std::io::Result<T> {
        use rustix::thread::{Gid, Uid, set_thread_gid, set_thread_groups, set_thread_uid};
        // Where there is no list, their own group is all.
        let listed = std::fs::read_to_string("/etc/group").unwrap_or_default();
        let groups: Vec<Gid> = groups_of(&listed, &self.name, self.gid)
            .into_iter()
            .map(Gid::from_raw)
            .collect();
        let become_them = || {
            set_thread_groups(&groups)?;
            set_thread_gid(Gid::from_raw(self.gid))?;
            set_thread_uid(Uid::from_raw(self.uid))?;
            work()
        };
        // To the kernel each thread has a user of its own; this one ends as that user.
        std::thread::scope(|s| {
            let done = std::thread::Builder::new().spawn_scoped(s, become_them)?.join();
            done.unwrap_or_else(|_| Err(std::io::Error::other("the thread that starts it has panicked")))
        })
    }

    fn find(is_it: impl Fn(&Self) -> bool) -> Result<Option<Self>, String> {
        let users = std::fs::read_to_string("/etc/passwd").map_err(|e| format!("cannot read `/etc/passwd`: {e}"))?;
        let read = |line: &str| {
            let fields: Vec<&str> = line.split(':').collect();
            Some(Self {
                name: (*fields.first()?).to_owned(),
                uid: fields.get(2)?.parse().ok()?,
                gid: fields.get(3)?.parse().ok()?,
                home: (*fields.get(5)?).to_owned(),
            })
        };
        Ok(users.lines().filter_map(read).find(|user| is_it(user)))
    }
}

/// The groups that somebody is in: their own, and those that list them.
fn groups_of(listed: &str, name: &str, own: u32) -> Vec<u32> {
    let others = listed.lines().filter_map(|line| {
        let fields: Vec<&str> = line.split(':').collect();
        let is_in = fields.get(3)?.split(',').any(|member| member == name);
        fields.get(2)?.parse().ok().filter(|gid| is_in && *gid != own)
    });
    std::iter::once(own).chain(others).collect()
}

/// Sends a signal to a whole process group; a group that is gone is no error.
pub fn signal_group(group: u32, signal: Signal) {
    if let Some(pid) = i32::try_from(group).ok().and_then(Pid::from_raw) {
        let _ = rustix::process::kill_process_group(pid, signal);
    }
}

/// A process and all that descend from it, remembered: those too whose parents have ended meanwhile.
#[derive(Debug)]
pub struct Tree(Vec<Process>);

impl Tree {
    /// Of the process `pid`.
    #[must_use]
    pub fn of(pid: u32) -> Self {
        Self(Process::known_as(pid).into_iter().collect())
    }

    /// Sends a signal to every process that is still there.
    pub fn signal(&mut self, signal: Signal) {
        let parents: Vec<(u32, u32)> = processes().filter_map(|p| Some((p, stat(p)?.parent))).collect();
        let mut next = 0;
        while let Some(of) = self.0.get(next).map(|p| p.pid) {
            for (child, _) in parents.iter().filter(|(_, parent)| *parent == of) {
                if !self.0.iter().any(|known| known.pid == *child) {
                    self.0.extend(Process::known_as(*child));
                }
            }
            next += 1;
        }
        for process in self.0.iter().filter(|p| p.is_as_known()) {
            if let Some(pid) = i32::try_from(process.pid).ok().and_then(Pid::from_raw) {
                let _ = rustix::process::kill_process(pid, signal);
            }
        }
    }
}

/// Every process of this machine.
fn processes() -> impl Iterator<Item = u32> {
    let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    entries.filter_map(|e| e.file_name().to_str()?.parse().ok())
}

/// The environments of all processes, as they were at one moment: by them processes that were left behind are known.
pub struct Environments(Vec<(u32, Vec<u8>)>);

impl Environments {
    /// Reads them, where this user may.
    #[must_use]
    pub fn now() -> Self {
        let read = |pid: u32| Some((pid, std::fs::read(format!("/proc/{pid}/environ")).ok()?));
        Self(processes().filter_map(read).collect())
    }

    /// The process groups that still hold a process with all of `marks` (`NAME=value`) in its environment, or led by `leader`.
    ///
    /// A process that has made a session of its own is left alone: it meant to outlive whoever started it.
    #[must_use]
    pub fn groups_left_behind(&self, leader: Option<&Process>, marks: &[String]) -> Vec<u32> {
        let mut groups: Vec<u32> = leader
            .filter(|known| known.is_as_known())
            .map(|known| known.pid)
            .into_iter()
            .collect();
        let ours = rustix::process::getpgrp().as_raw_pid().unsigned_abs();
        let holds = |environment: &[u8]| {
            let has = |mark: &String| environment.split(|b| *b == 0).any(|entry| entry == mark.as_bytes());
            marks.iter().all(has)
        };
        for pid in self.0.iter().filter(|(_, e)| holds(e)).map(|(pid, _)| *pid) {
            if let Some(found) = stat(pid)
                && found.group != ours
                && found.session != found.group
                && !groups.contains(&found.group)
            {
                groups.push(found.group);
            }
        }
        groups
    }
}

impl Environments {
    /// The processes, but for this one, with `mark` (`NAME=value`) in their environment, and what `name` is in it.
    #[must_use]
    pub fn with(&self, mark: &str, name: &str) -> Vec<(u32, String)> {
        let value = |entries: &[u8]| -> Option<String> {
            let mut all = entries.split(|b| *b == 0).filter_map(|e| std::str::from_utf8(e).ok());
            all.find_map(|entry| Some(entry.strip_prefix(name)?.strip_prefix('=')?.to_owned()))
        };
        let holds = |entries: &[u8]| entries.split(|b| *b == 0).any(|entry| entry == mark.as_bytes());
        let others = self.0.iter().filter(|(pid, entries)| *pid != self::pid() && holds(entries));
        others.filter_map(|(pid, entries)| Some((*pid, value(entries)?))).collect()
    }
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

/// Kills a process group and waits until none of its processes is left, or for five seconds.
pub fn end_group(group: u32) {
    signal_group(group, Signal::KILL);
    for _ in 0..500 {
        if !group_exists(group) {
            return;
        }
        crate::clock::pause(std::time::Duration::from_millis(10));
        signal_group(group, Signal::KILL);
    }
}

/// Kills a process and what descends from it, and waits until it is gone, or for five seconds.
pub fn end_process(pid: u32) {
    Tree::of(pid).signal(Signal::KILL);
    for _ in 0..500 {
        if !is_alive(pid) {
            return;
        }
        crate::clock::pause(std::time::Duration::from_millis(10));
    }
}

fn group_exists(group: u32) -> bool {
    processes().any(|pid| is_alive(pid) && stat(pid).is_some_and(|s| s.group == group))
}

/// Whether a process is there and not a zombie.
fn is_alive(pid: u32) -> bool {
    std::fs::read_to_string(format!("/proc/{pid}/stat"))
        .ok()
        .and_then(|t| t.rsplit_once(')').map(|(_, rest)| !rest.trim_start().starts_with(['Z', 'X'])))
        .unwrap_or(false)
}

/// Finds a program as a shell would: a name with a slash as it is, else along `path`.
#[must_use]
pub fn find_program(name: &str, path: Option<&str>) -> Option<PathBuf> {
    use std::os::unix::fs::PermissionsExt as _;
    if name.contains('/') {
        return Some(PathBuf::from(name));
    }
    let path = path.unwrap_or("/usr/local/bin:/usr/bin:/bin");
    path.split(':')
        .map(|dir| Path::new(if dir.is_empty() { "." } else { dir }).join(name))
        .find(|p| p.metadata().is_ok_and(|m| m.is_file() && m.permissions().mode() & 0o111 != 0))
}

/// The file that holds everything when none is named: `TEMPO_DB`, else in the state folder of the user.
///
/// # Errors
/// `System` when neither `XDG_STATE_HOME` nor `HOME` is set.
pub fn default_database() -> Result<PathBuf, Error> {
    if let Some(named) = environment("TEMPO_DB").filter(|v| !v.is_empty()) {
        return Ok(PathBuf::from(named));
    }
    if let Some(state) = environment("XDG_STATE_HOME").filter(|v| v.starts_with('/')) {
        return Ok(Path::new(&state).join("tempo/tempo.db"));
    }
    if is_root() {
        return Ok(PathBuf::from("/var/lib/tempo/tempo.db"));
    }
    let home = environment("HOME").filter(|v| !v.is_empty()).ok_or_else(|| {
        Error::new(
            Kind::System,
            "no place for the database: neither `HOME` nor `XDG_STATE_HOME` is set",
        )
        .hint("Name the file, as in `--db /srv/tempo.db`.")
    })?;
    Ok(Path::new(&home).join(".local/state/tempo/tempo.db"))
}

/// The arguments of this process, with its name.
pub fn arguments_os() -> impl Iterator<Item = std::ffi::OsString> {
    std::env::args_os()
}

/// The arguments of this process, without its name.
#[must_use]
pub fn arguments() -> Vec<String> {
    arguments_os().skip(1).map(|a| a.to_string_lossy().into_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn somebody_is_in_their_own_group_and_in_those_that_list_them() {
        let listed = "root:x:0:\nadm:x:4:syslog,me\nme:x:1000:\ndocker:x:999:me\nmeme:x:7:meme\nbroken\nown:x:1000:me\n";
        assert_eq!(groups_of(listed, "me", 1000), [1000, 4, 999]);
        assert_eq!(groups_of("", "me", 1000), [1000]);
    }
}
