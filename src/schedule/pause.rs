//! Automatic pauses: the note that names the failed run. Pure.

use crate::run::outcome::Status;

/// The note for a schedule that is paused because a run failed; `None` if the status is not a failure.
#[must_use]
pub fn failure_note(workflow_id: &str, status: Status) -> Option<String> {
    match status {
        Status::Failed => Some(format!("paused due to workflow failure: {workflow_id}")),
        Status::TimedOut => Some(format!("paused due to workflow timeout: {workflow_id}")),
        Status::Running | Status::Completed | Status::Canceled | Status::Terminated => None,
    }
}
