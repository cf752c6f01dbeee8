//! A group of steps to check: those of a schedule, of a file, or of the command line.

use crate::names::ScheduleId;
use crate::run::step_text::Action;

/// A group of steps: those of a schedule, of a file, or of the command line.
pub(super) struct Suite {
    pub(super) id: Option<ScheduleId>,
    pub(super) action: Action,
    /// Where the suite is defined: `FILE:LINE`.
    pub(super) place: Option<String>,
    /// The name of the file, if it is a file of steps.
    pub(super) file: Option<String>,
}

impl Suite {
    pub(super) fn plain(action: Action) -> Self {
        Self {
            id: None,
            action,
            place: None,
            file: None,
        }
    }

    pub(super) fn of_schedule(id: &ScheduleId, action: Action) -> Self {
        Self {
            id: Some(id.clone()),
            action,
            place: None,
            file: None,
        }
    }

    /// The action with the workflow id of its runs filled in.
    pub(super) fn named_action(&self) -> Action {
        let name = || self.id.as_ref().map_or_else(|| "check".to_owned(), ToString::to_string);
        Action {
            workflow_id: Some(self.action.workflow_id.clone().unwrap_or_else(name)),
            ..self.action.clone()
        }
    }
}
