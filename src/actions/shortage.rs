//! Resource shortages on this machine: open files, processes, memory. The start of a step is delayed and retried until they end; an attempt
//! fails only when its time is used up.

use std::time::Duration;

use rustix::io::Errno;

use super::{AttemptNotice, Control, Task};
use crate::clock::Stopwatch;
use crate::run::outcome::{AttemptResult, Ending, ErrorType, Failure};
use crate::spec::describe::human_duration;

/// Wait before a delayed start is retried.
const BETWEEN_TRIES: Duration = Duration::from_millis(250);

/// A resource shortage, described as text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Shortage(String);

impl std::fmt::Display for Shortage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Shortage {}

impl Shortage {
    /// The shortage that an error of a file or a socket indicates, if any.
    pub(super) fn of(e: &std::io::Error) -> Option<Self> {
        let what = match Errno::from_io_error(e)? {
            Errno::MFILE => "this process has too many open files (`ulimit -n`)",
            Errno::NFILE => "this machine has too many open files",
            Errno::NOMEM | Errno::NOBUFS => "this machine is out of memory",
            _ => return None,
        };
        Some(Self(what.to_owned()))
    }

    /// The shortage that an error when starting a process or a thread indicates, if any.
    pub(super) fn at_start(e: &std::io::Error) -> Option<Self> {
        if Errno::from_io_error(e) == Some(Errno::AGAIN) {
            return Some(Self("the limit on processes is reached (`ulimit -u`)".to_owned()));
        }
        Self::of(e)
    }
}

/// The reason why an attempt has no result.
#[derive(Debug)]
pub(super) enum AttemptError {
    /// The attempt failed.
    Failed(Failure),
    /// The machine is short of a resource.
    Shortage(Shortage),
}

impl From<Failure> for AttemptError {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

/// Makes an attempt, and repeats it as long as this machine is short of a resource; `make` receives the time that is left.
pub(super) fn retry_on_shortage(
    task: &Task<'_>,
    control: &Control,
    mut make: impl FnMut(Option<Duration>) -> Result<AttemptResult, Shortage>,
) -> AttemptResult {
    let watch = Stopwatch::start();
    let mut reported = None;
    loop {
        let left = task.time_left.map(|left| left.saturating_sub(watch.elapsed()));
        let Shortage(short) = match make(left) {
            Ok(result) => return result,
            Err(shortage) => shortage,
        };
        if let Some(kind) = control.requested() {
            return AttemptResult::new(kind.ending(), watch.elapsed_ms());
        }
        if left.is_some_and(|left| left.is_zero()) {
            let limit = task.limit.unwrap_or_default();
            let message = format!("did not start within {}: {short}", human_duration(limit.as_millis()));
            let failure = Failure {
                error_type: ErrorType::Spawn,
                message,
            };
            return AttemptResult::new(Ending::Failed(failure), watch.elapsed_ms());
        }
        if reported.as_ref() != Some(&short) {
            (task.notice)(AttemptNotice::Delayed(short.clone()));
            reported = Some(short);
        }
        control.wait(left.map_or(BETWEEN_TRIES, |left| left.min(BETWEEN_TRIES)));
    }
}
