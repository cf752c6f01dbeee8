//! Workflow runs: steps, attempts, retries, and the state machine of a run. Pure: no clock, no file, no thread.
//!
//! A run is at one step at a time. [`Progress`] is its state; [`Progress::on`] is the only function that changes it, and returns a [`Change`].

mod change;
pub mod command;
pub mod outcome;
pub mod outputs;
pub mod placeholder;
pub mod probe;
mod progress;
#[cfg(test)]
mod progress_tests;
pub mod retry;
pub mod sealed;
pub mod statistics;
pub mod step;
pub mod step_text;
pub mod threshold;

pub use change::{Change, Event, RunClosed, StepClosed, Stop};
pub use progress::{MAX_LOST_IN_A_ROW, Phase, Progress, ok_result, run_deadline};

use self::outcome::Status;

/// What the reason of a run begins with that its condition kept from running.
const SKIPPED: &str = "skipped: ";

/// The closing of a run whose condition was not met, for `reason`.
#[must_use]
pub fn skipped(reason: &str) -> RunClosed {
    RunClosed {
        status: Status::Canceled,
        reason: Some(format!("{SKIPPED}{reason}")),
    }
}

/// Why the condition of a closed run kept it from running, if it did.
#[must_use]
pub fn skip_reason(status: Status, reason: Option<&str>) -> Option<&str> {
    reason.filter(|_| status == Status::Canceled)?.strip_prefix(SKIPPED)
}
