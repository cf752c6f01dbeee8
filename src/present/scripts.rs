//! Views of the steps that a script called, listed under the step that runs the script.

use std::collections::BTreeMap;

use super::attempts::attempt;
use crate::error::Error;
use crate::output::run_views::{AttemptView, StepView};
use crate::run::outcome::Status;
use crate::store::{Read, RunRow, ScriptStepRow};

/// A step of a script with its attempts and status.
pub(super) struct ScriptStep {
    row: ScriptStepRow,
    attempts: Vec<AttemptView>,
    status: &'static str,
}

/// Returns all steps that the commands of a run called.
pub(super) fn called(read: &Read<'_>, run: &RunRow) -> Result<Vec<ScriptStep>, Error> {
    let of = |row: ScriptStepRow| {
        let attempts: Vec<_> = read.script_attempts_of(&row)?.iter().map(attempt).collect();
        let is_current = run.status == Status::Running && run.position == row.position;
        let last = attempts.last().map(|a| a.outcome.as_deref());
        let status = match last {
            _ if row.stdout.is_some() => "Completed",
            Some(None) => "Running",
            None if is_current => "Running",
            Some(Some("failed")) => "Failed",
            // Interrupted with its script, and not called again yet.
            _ if is_current => "Pending",
            Some(Some("canceled")) => "Canceled",
            Some(Some("terminated")) => "Terminated",
            Some(Some(_)) | None => "Failed",
        };
        Ok(ScriptStep { row, attempts, status })
    };
    read.script_steps_of(run.key)?.into_iter().map(of).collect()
}

/// Returns the steps called by the command of the step at `position`, or, with `parent`, by that script step.
pub(super) fn steps(called: &[ScriptStep], position: usize, parent: Option<&str>) -> Vec<StepView> {
    // A step that calls itself by the same name must not become its own child.
    let of_parent =
        |c: &&ScriptStep| c.row.position == position && c.row.parent.as_deref() == parent && Some(c.row.name.as_str()) != parent;
    let view = |c: &ScriptStep| StepView {
        name: c.row.name.clone(),
        kind: if c.row.kind == "sleep" { "sleep" } else { "command" },
        status: c.status,
        result: (c.status == "Completed").then(|| match c.row.wake {
            Some(_) => format!("ok slept {}", c.row.work),
            None => "ok exit=0".to_owned(),
        }),
        outputs: BTreeMap::new(),
        steps: steps(called, position, Some(&c.row.name)),
        attempts: c.attempts.clone(),
    };
    called.iter().filter(of_parent).map(view).collect()
}
