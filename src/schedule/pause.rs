//! Automatic pauses: after how many failures, and the note that names the failed run. Pure.

use super::Policies;
use crate::run::outcome::Status;

/// Whether a status is a failure.
#[must_use]
pub fn has_failed(status: Status) -> bool {
    matches!(status, Status::Failed | Status::TimedOut)
}

/// The number of failed runs in a row after a run that closed with a status; a canceled or terminated run does not count.
#[must_use]
pub fn failures_in_a_row(before: u32, status: Status) -> u32 {
    match status {
        Status::Failed | Status::TimedOut => before.saturating_add(1),
        Status::Completed => 0,
        Status::Running | Status::Canceled | Status::Terminated => before,
    }
}

/// The note with which a failed run pauses its schedule, the last of `failures` in a row; `None` if it does not.
#[must_use]
pub fn note_of_pause(policies: &Policies, workflow_id: &str, status: Status, failures: u32) -> Option<String> {
    let what = match status {
        Status::Failed => "failure",
        Status::TimedOut => "timeout",
        Status::Running | Status::Completed | Status::Canceled | Status::Terminated => return None,
    };
    match policies.failures_to_pause()? {
        1 => Some(format!("paused due to workflow {what}: {workflow_id}")),
        enough if failures >= enough => Some(format!("paused after {failures} failed runs in a row: {workflow_id}")),
        _ => None,
    }
}
