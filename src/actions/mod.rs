//! DOING: the only outward effects: HTTP requests and processes. Never sees the file.

mod certificate;
mod command;
mod control;
mod dns;
mod head_tail;
mod http;
mod redirect;
mod response_check;
mod secrets;
mod shortage;
mod spawn;
mod tcp;
mod with_deadline;

pub(crate) use control::{Control, StopKind};
pub(crate) use secrets::Secrets;

use std::ffi::OsString;
use std::time::Duration;

use self::shortage::until_made;
use self::spawn::Caller;
pub(crate) use self::spawn::PARENT;
use crate::machine::Process;
use crate::run::outcome::AttemptResult;
use crate::run::probe::Probe;
use crate::run::step::{Command, Step, Work};

/// One attempt to be made.
pub(crate) struct Task<'a> {
    /// What to do.
    pub(crate) step: &'a Step,
    /// How long it may take from now.
    pub(crate) time_left: Option<Duration>,
    /// How long it might have taken from its start: what a timeout is told by.
    pub(crate) limit: Option<Duration>,
    /// What a command sees in its environment beside the server's own.
    pub(crate) environment: &'a [(&'static str, OsString)],
    /// Entries of the environment (`NAME=value`) by which the processes of this attempt, and of no other, are known.
    pub(crate) marks: &'a [String],
    /// Told the process group of a command as soon as there is one.
    pub(crate) spawned: &'a dyn Fn(Process),
    /// Told of what keeps the attempt from going on.
    pub(crate) notice: &'a dyn Fn(Notice),
}

/// What keeps an attempt from going on, though it has not failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Notice {
    /// This machine is short of something; the start is tried again until it is not.
    Held(String),
    /// Processes of these ids have outlived SIGKILL; the attempt does not end before they do.
    Surviving(Vec<u32>),
}

/// Where effects leave; the scripted double of histories stands at the same place.
pub(crate) trait Actions: Send + Sync {
    /// Makes the attempt and says what it came to; stops when `control` says so.
    fn perform(&self, task: &Task<'_>, control: &Control) -> AttemptResult;
}

/// The real thing.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Live;

impl Actions for Live {
    fn perform(&self, task: &Task<'_>, control: &Control) -> AttemptResult {
        until_made(task, control, |time_left| {
            let task = &Task { time_left, ..*task };
            match &task.step.work {
                Work::Probe(Probe::Http(http)) => http::probe(http, task, control),
                Work::Probe(Probe::Tcp { host, port }) => tcp::probe((host, *port), task, control),
                Work::Probe(Probe::Dns(dns)) => dns::probe(dns, task, control),
                Work::Command(command) => command::run(command, task, control, Caller::Server),
            }
        })
    }
}

/// Makes an attempt of a step that a script calls, from inside the script: in its process group, with its stdin and stderr.
pub(crate) fn perform_in_script(command: &Command, task: &Task<'_>, control: &Control) -> AttemptResult {
    until_made(task, control, |time_left| {
        command::run(command, &Task { time_left, ..*task }, control, Caller::Script)
    })
}
