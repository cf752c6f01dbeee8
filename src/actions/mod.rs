//! Actions: the external effects of runs and notifications, network requests and processes. Has no access to the database.

mod captured;
mod certificate;
mod command;
mod control;
mod dns;
mod head_tail;
mod http;
mod mail;
mod masker;
mod notify;
mod output_file;
mod redirect;
mod response_check;
mod secret_forms;
mod secrets;
mod shortage;
mod smtp;
mod spawn;
mod tcp;
mod wait;
mod with_deadline;
mod wrap;

pub(crate) use control::{Control, StopKind};
pub(crate) use mail::{has_sendmail, is_mail_address};
pub(crate) use notify::TIMEOUT as DELIVERY_TIMEOUT;
pub(crate) use output_file::discard_left_outputs;
pub(crate) use secrets::Secrets;
pub(crate) use wrap::{Stream, wrap};

use std::ffi::OsString;
use std::time::Duration;

use self::shortage::retry_on_shortage;
use self::spawn::Caller;
pub(crate) use self::spawn::{OUTPUT_PIPE, PARENT};
use crate::machine::Process;
use crate::notify::{Delivery, Receipt};
use crate::run::command::Command;
use crate::run::outcome::{AttemptResult, Ending};
use crate::run::probe::Probe;
use crate::run::step::{Step, Work};

/// An attempt to make.
pub(crate) struct Task<'a> {
    /// The step.
    pub(crate) step: &'a Step,
    /// Time left until the deadline.
    pub(crate) time_left: Option<Duration>,
    /// Time from the start of the attempt to the deadline, as shown in timeout messages.
    pub(crate) limit: Option<Duration>,
    /// Environment variables of a command, in addition to the server's.
    pub(crate) environment: &'a [(&'static str, OsString)],
    /// Environment entries (`NAME=value`) that identify the processes of this attempt.
    pub(crate) marks: &'a [String],
    /// Called with the process of a command as soon as it has started.
    pub(crate) spawned: &'a dyn Fn(Process),
    /// Maximum number of bytes kept of the output of a command; of stdout and stderr each, if they are separate.
    pub(crate) output_limit: usize,
    /// Called with the output and the separate stderr so far while a command runs, at most once a second.
    pub(crate) output: &'a dyn Fn((Vec<u8>, Vec<u8>)),
    /// Called with the reason when the attempt is delayed.
    pub(crate) notice: &'a dyn Fn(AttemptNotice),
}

/// Maximum number of bytes kept of the output of a command, unless the server is configured otherwise.
pub(crate) const OUTPUT_LIMIT: usize = 64 * 1024;

/// A delay of an attempt that has not failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum AttemptNotice {
    /// This machine is short of a resource, described as text; the start is retried until the shortage ends.
    Delayed(String),
    /// The processes with these ids have survived SIGKILL; the attempt does not end before they do.
    Surviving(Vec<u32>),
}

/// The interface to external effects; deterministic tests replace it with scripted results.
pub(crate) trait Actions: Send + Sync {
    /// Makes the attempt and returns its result; stops when `control` requests it.
    fn perform(&self, task: &Task<'_>, control: &Control) -> AttemptResult;

    /// Delivers a message to a receiver; stops when `control` requests it.
    ///
    /// # Errors
    /// The reason why the receiver has not acknowledged it, without secrets.
    fn deliver(&self, delivery: &Delivery, control: &Control) -> Result<Receipt, String>;
}

/// The implementation with real requests and processes.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Live;

impl Actions for Live {
    fn perform(&self, task: &Task<'_>, control: &Control) -> AttemptResult {
        retry_on_shortage(task, control, |time_left| {
            let task = &Task { time_left, ..*task };
            match &task.step.work {
                Work::Probe(Probe::Http(http)) => http::probe(http, task, control),
                Work::Probe(Probe::Tcp { host, port }) => tcp::probe((host, *port), task, control),
                Work::Probe(Probe::Dns(dns)) => dns::probe(dns, task, control),
                Work::Command(command) => command::run(command, task, control, Caller::Server),
                // The engine waits for it; no attempt is ever made.
                Work::Beat(_) => Ok(AttemptResult::new(Ending::Lost, 0)),
            }
        })
    }

    fn deliver(&self, delivery: &Delivery, control: &Control) -> Result<Receipt, String> {
        notify::deliver(delivery, control)
    }
}

/// Makes an attempt of a script step from inside the script: in its process group, with its stdin and stderr.
pub(crate) fn perform_in_script(command: &Command, task: &Task<'_>, control: &Control) -> AttemptResult {
    retry_on_shortage(task, control, |time_left| {
        command::run(command, &Task { time_left, ..*task }, control, Caller::Script)
    })
}
