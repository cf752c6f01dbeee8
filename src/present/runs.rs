//! Views of runs, their steps and attempts.

use super::attempts::attempt;
use super::scripts;
use crate::error::Error;
use crate::output::instant::Instant;
use crate::output::run_views::{Results, RunView, StepView};
use crate::run::outcome::Status;
use crate::run::step::{Work, Workflow};
use crate::store::{Read, RunRow, StepRow};

/// Returns a run without its steps.
pub(crate) fn run(read: &Read<'_>, row: &RunRow) -> Result<RunView, Error> {
    let steps = read.steps_of(row.key)?;
    let names = names_of(read, row)?;
    Ok(run_view(row, &names, &steps, None))
}

fn names_of(read: &Read<'_>, row: &RunRow) -> Result<Vec<String>, Error> {
    Ok(read.action(row.workflow)?.steps.into_iter().map(|s| s.name).collect())
}

/// Returns a run with its steps and attempts.
pub(crate) fn run_in_full(read: &Read<'_>, row: &RunRow) -> Result<RunView, Error> {
    let closed = read.steps_of(row.key)?;
    let attempts = read.attempts_of(row.key)?;
    let workflow = Workflow::check(&read.action(row.workflow)?)?;
    let names: Vec<String> = workflow.steps.iter().map(|s| s.name.to_string()).collect();
    let called = scripts::called(read, row)?;
    let mut outputs = read.step_outputs(row.key)?;
    let views = workflow.steps.iter().enumerate().map(|(position, step)| {
        let end = closed.iter().find(|c| c.position == position);
        let attempts: Vec<_> = attempts.iter().filter(|a| a.position == position).map(attempt).collect();
        let open = if row.status == Status::Running && row.position == position && !attempts.is_empty() {
            "Running"
        } else {
            "Pending"
        };
        StepView {
            name: step.name.to_string(),
            kind: step.kind(),
            status: end.map_or(open, |e| e.status.name()),
            result: end.map(|e| e.result.clone()),
            outputs: outputs.remove(&position).unwrap_or_default(),
            steps: scripts::steps(&called, position, None),
            attempts,
        }
    });
    let views = views.collect();
    let first = attempts.iter().find(|a| (a.position, a.number) == (0, 1));
    // The attempt of a heartbeat says when that arrived.
    let has_start = row.scheduled && !matches!(workflow.steps[0].work, Work::Beat(_));
    let lateness = first.filter(|_| has_start).map(|first| first.started - row.due);
    Ok(RunView {
        lateness_ms: lateness.map(|late| late.num_milliseconds().max(0)),
        ..run_view(row, &names, &closed, Some(views))
    })
}

fn run_view(row: &RunRow, names: &[String], closed: &[StepRow], steps: Option<Vec<StepView>>) -> RunView {
    let result = closed
        .iter()
        .filter_map(|s| Some((names.get(s.position)?.clone(), s.result.clone())))
        .collect();
    RunView {
        workflow_id: row.workflow_id.clone(),
        run_id: row.run_id.clone(),
        schedule_id: row.schedule_id.clone(),
        scheduled_at: Instant(row.nominal),
        due_at: Instant(row.due),
        started_at: Instant(row.started),
        lateness_ms: None,
        closed_at: row.closed.map(Instant),
        status: row.status.name(),
        reason: row.reason.clone(),
        waiting_for_worker_since: (row.status == Status::Running && !row.begun).then_some(Instant(row.started)),
        result: Results(result),
        steps,
    }
}
