//! All processes that belong to one attempt of a step: how to find and how to end them.

use std::cell::OnceCell;
use std::collections::HashSet;
use std::time::Duration;

use rustix::process::Signal;

use super::process::{Process, Stat, environment_of, has, pid_of, processes, stat};
use super::{boot_id, pid};
use crate::clock::{Stopwatch, pause};

/// Maximum wait for killed processes to end; those still running then count as survivors.
const KILL_TIMEOUT: Duration = Duration::from_secs(5);
/// A group whose leader has ended is that of another program if it has no process from the first minute of the leader: the kernel has used the id again.
/// In seconds.
const FIRST_PROCESSES: i64 = 60;
/// Interval between checks for survivors.
const POLL_INTERVAL: Duration = Duration::from_millis(5);

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
    /// Whether its server or script has died.
    is_left_behind: bool,
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
            is_left_behind: false,
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
            is_left_behind: true,
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
        self.signal_in(&Snapshot::take(), signal)
    }

    fn signal_in(&mut self, now: &Snapshot, signal: Signal) -> usize {
        self.refresh(now);
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
        Self::kill_all(&mut [&mut *self]);
        self.known()
    }

    /// Kills the processes of several attempts together and waits until they have ended. Returns for each attempt the number of processes found at first;
    /// those still running after five seconds are [known](Self::known).
    pub fn kill_all(trees: &mut [&mut Self]) -> Vec<usize> {
        if trees.is_empty() {
            return Vec::new();
        }
        let watch = Stopwatch::start();
        let (mut wait, mut found) = (POLL_INTERVAL, None);
        let have_ended = |trees: &mut [&mut Self]| {
            let now = Snapshot::take();
            for tree in trees.iter_mut() {
                tree.refresh(&now);
            }
            trees.iter().all(|tree| tree.known.is_empty())
        };
        loop {
            let now = Snapshot::take();
            let signaled: Vec<usize> = trees.iter_mut().map(|tree| tree.signal_in(&now, Signal::KILL)).collect();
            found.get_or_insert(signaled);
            // A process that forks and exits again and again can slip through one look at `/proc`.
            if (have_ended(trees) && have_ended(trees)) || watch.elapsed() > KILL_TIMEOUT {
                return found.unwrap_or_default();
            }
            pause(wait);
            wait = (wait * 2).min(KILL_TIMEOUT / 10);
        }
    }

    /// The ids of the processes that are running now.
    pub fn alive(&mut self) -> Vec<u32> {
        self.refresh(&Snapshot::take());
        self.known()
    }

    /// The ids of the processes that were running at the last look.
    #[must_use]
    pub fn known(&self) -> Vec<u32> {
        self.known.iter().map(|process| process.pid).collect()
    }

    /// Finds new processes that belong to the attempt, and removes those that have ended.
    fn refresh(&mut self, now: &Snapshot) {
        let is_certain = |leader: &Process| leader.is_running() || now.has_early_member(leader, &self.marks);
        if self.is_left_behind && !self.group.as_ref().is_some_and(is_certain) {
            self.group = None;
        }
        self.known.retain(Process::is_running);
        let mut found: HashSet<u32> = self.known.iter().map(|process| process.pid).collect();
        let group = self.group();
        let others: Vec<&Found> = now.others.iter().filter(|other| other.stat.started >= self.oldest).collect();
        let belongs = |other: &Found| group == Some(other.stat.group) || (!self.marks.is_empty() && other.has_all(&self.marks));
        let matching = others.iter().filter(|other| !found.contains(&other.pid) && belongs(other));
        let matching: Vec<u32> = matching.map(|other| other.pid).collect();
        found.extend(matching);
        loop {
            let children = others
                .iter()
                .filter(|other| !found.contains(&other.pid) && found.contains(&other.stat.parent));
            let children: Vec<u32> = children.map(|other| other.pid).collect();
            if children.is_empty() {
                break;
            }
            found.extend(children);
        }
        for other in others.iter().filter(|other| found.contains(&other.pid)) {
            let (pid, started, boot) = (other.pid, other.stat.started, boot_id());
            let process = Process { pid, started, boot };
            if !self.known.contains(&process) {
                self.known.push(process);
            }
        }
    }
}

/// The other processes of this machine at one moment, without the ancestors of this one.
struct Snapshot {
    others: Vec<Found>,
}

/// A running process.
struct Found {
    pid: u32,
    stat: Stat,
    /// Read when it is needed.
    environment: OnceCell<Vec<u8>>,
}

impl Snapshot {
    fn take() -> Self {
        let ancestors = ancestors();
        let others = processes().filter(|pid| !ancestors.contains(pid)).filter_map(|pid| {
            let stat = stat(pid).ok()??;
            let environment = OnceCell::new();
            stat.is_running.then_some(Found { pid, stat, environment })
        });
        Self {
            others: others.collect(),
        }
    }

    /// Whether the group of a leader that has ended has a process from the first minute of the leader, or one with the marks.
    fn has_early_member(&self, leader: &Process, marks: &[String]) -> bool {
        let second = i64::try_from(rustix::param::clock_ticks_per_second()).unwrap_or(100);
        let latest = leader.started.saturating_add(second * FIRST_PROCESSES);
        let is_early = |other: &Found| other.stat.started <= latest || (!marks.is_empty() && other.has_all(marks));
        self.others
            .iter()
            .any(|other| other.stat.group == leader.pid && other.stat.started >= leader.started && is_early(other))
    }
}

impl Found {
    fn has_all(&self, marks: &[String]) -> bool {
        let environment = self.environment.get_or_init(|| environment_of(self.pid));
        marks.iter().all(|mark| has(environment, mark.as_bytes()))
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

#[cfg(test)]
mod tests {
    use std::io::{BufRead as _, BufReader};
    use std::os::unix::process::CommandExt as _;
    use std::process::{Child, Command, Stdio};

    use super::*;

    /// Starts a shell in its own process group, with a mark, and returns when it has printed a line.
    fn shell(script: &str, mark: &str) -> Child {
        let mut command = Command::new("/bin/sh");
        command
            .args(["-c", script])
            .env("TEMPO_TEST_MARK", mark)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .process_group(0);
        let mut child = command.spawn().unwrap();
        BufReader::new(child.stdout.as_mut().unwrap())
            .read_line(&mut String::new())
            .unwrap();
        child
    }

    #[test]
    fn several_attempts_are_killed_together_and_counted_in_order() {
        let unique = format!("{}-kill-all", pid());
        let scripts = [
            "sleep 600 & setsid sleep 600 & echo; wait",
            "echo; exec sleep 600",
            "setsid sleep 600 & sleep 600 & sleep 600 & echo; wait",
        ];
        let marks: Vec<String> = (0..scripts.len()).map(|n| format!("{unique}-{n}")).collect();
        let mut children: Vec<Child> = scripts.iter().zip(&marks).map(|(script, mark)| shell(script, mark)).collect();
        let of_child =
            |(child, mark): (&Child, &String)| ProcessTree::of_group(child.id(), vec![format!("TEMPO_TEST_MARK={mark}")]);
        let mut trees: Vec<ProcessTree> = children.iter().zip(&marks).map(of_child).collect();
        let found = ProcessTree::kill_all(&mut trees.iter_mut().collect::<Vec<_>>());
        for child in &mut children {
            child.wait().unwrap();
        }
        assert_eq!(found, [3, 1, 4]);
        assert!(trees.iter_mut().all(|tree| tree.alive().is_empty()));
        assert!(ProcessTree::kill_all(&mut []).is_empty());
    }
}
