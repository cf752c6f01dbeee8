//! DOING: the only outward effects: HTTP requests and processes. Never sees the file.

mod bounded;
mod capped;
mod certificate;
mod command;
mod control;
mod dns;
mod http;
mod judge;
mod secrets;
mod spawn;
mod tcp;

pub(crate) use control::{Control, StopKind};

use std::time::Duration;

use self::command::Caller;
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
    pub(crate) environment: &'a [(String, String)],
    /// Told the process group of a command as soon as there is one.
    pub(crate) spawned: &'a dyn Fn(Process),
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
        match &task.step.work {
            Work::Probe(probe) => match probe {
                Probe::Http(http) => http::probe(http, task, control),
                Probe::Tcp { host, port } => tcp::probe((host, *port), task, control),
                Probe::Dns(dns) => dns::probe(dns, task, control),
            },
            Work::Command(command) => command::run(command, task, control, Caller::Server),
        }
    }
}

/// Makes an attempt of a step that a script calls, from inside the script: in its process group, with its stdin and stderr.
pub(crate) fn perform_in_script(command: &Command, task: &Task<'_>, control: &Control) -> AttemptResult {
    command::run(command, task, control, Caller::Script)
}
