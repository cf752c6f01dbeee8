//! Pausing by itself: the note that says which run failed. Pure.

use crate::run::outcome::Status;

/// The note that a failed run leaves on the schedule that it pauses; none where the ending is no failure.
#[must_use]
pub fn failure_note(workflow_id: &str, status: Status) -> Option<String> {
    match status {
        Status::Failed => Some(format!("paused due to workflow failure: {workflow_id}")),
        Status::TimedOut => Some(format!("paused due to workflow timeout: {workflow_id}")),
        Status::Running | Status::Completed | Status::Canceled | Status::Terminated => None,
    }
}
