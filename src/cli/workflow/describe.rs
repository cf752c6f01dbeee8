//! `tempo workflow describe`.

use clap_complete::engine::ArgValueCandidates;

use super::super::{Context, complete};
use crate::error::Error;
use crate::output::Style;
use crate::output::run_views::{AttemptView, RunView, StepView};
use crate::output::table::{pairs, plain};
use crate::output::ui::sanitize;
use crate::present;
use crate::spec::describe::human_elapsed;
use crate::store::Missing;

/// Show a run with its steps, attempts, errors and output
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Prefix of a run id, or a workflow id (its newest run)
    #[arg(add = ArgValueCandidates::new(complete::runs))]
    run: String,
}

pub(super) fn run(context: &Context, args: &Args) -> Result<(), Error> {
    let store = context.open(Missing::Refuse)?;
    let view = store.read(|r| present::run_in_full(r, &r.run_named(&args.run)?))?;
    if !context.ui.is_text() {
        return context.ui.json(&view);
    }
    show(context, &view)?;
    if view.status == "Running" {
        context.hint_when_down("this run resumes when you run `tempo run`.")
    } else {
        Ok(())
    }
}

fn show(context: &Context, v: &RunView) -> Result<(), Error> {
    let times = context.times();
    let waiting = v
        .waiting_for_worker_since
        .map(|i| format!(", waiting for a worker since {}", times.full(i.0)));
    let status = format!("{}{}", v.status, waiting.unwrap_or_default());
    let late = v.lateness_ms.map(|ms| format!(", {} late", human_elapsed(ms)));
    let late = late.unwrap_or_default();
    let at = |i: crate::output::instant::Instant| format!("{} {}", times.full(i.0), times.zone());
    pairs(
        &context.ui,
        &[
            ("Workflow", (v.workflow_id.clone(), Some(Style::Strong))),
            ("Run", plain(&v.run_id)),
            ("Schedule", plain(v.schedule_id.clone().unwrap_or_default())),
            ("Status", (status, Some(super::style_of(v.status)))),
            ("Why", plain(v.reason.clone().unwrap_or_default())),
            ("Scheduled", plain(at(v.scheduled_at))),
            ("Started", plain(format!("{}{late}", at(v.started_at)))),
            ("Closed", plain(v.closed_at.map(at).unwrap_or_default())),
        ],
    )?;
    for (index, step) in v.steps.iter().flatten().enumerate() {
        context.ui.data("")?;
        show_step(context, &format!("{}. ", index + 1), step, &times)?;
    }
    Ok(())
}

/// Prints a step after `mark`, and its attempts and nested steps indented by the width of `mark`.
fn show_step(context: &Context, mark: &str, step: &StepView, times: &crate::output::times::Times) -> Result<(), Error> {
    let result = step.result.as_deref().map_or_else(String::new, |r| format!(": {r}"));
    let status = (super::style_of(step.status), step.status);
    context
        .ui
        .marked(&format!("{mark}{} ({}) ", step.name, step.kind), status, &result)?;
    let indent = " ".repeat(mark.len());
    for attempt in &step.attempts {
        context.ui.data(&format!(
            "{indent}attempt {} at {}: {}",
            attempt.number,
            times.short(attempt.started_at.0),
            summary(attempt)
        ))?;
        for line in attempt.output.iter().flat_map(|o| o.lines()) {
            context.ui.data(&format!("{indent}| {line}"))?;
        }
        for line in attempt.stderr.iter().flat_map(|o| o.lines()) {
            context.ui.data(&format!("{indent}! {line}"))?;
        }
    }
    for (key, value) in &step.outputs {
        context.ui.data(&format!("{indent}output {key}={}", sanitize(value)))?;
    }
    for nested in &step.steps {
        show_step(context, &format!("{indent}- "), nested, times)?;
    }
    Ok(())
}

fn summary(attempt: &AttemptView) -> String {
    let is_lost = attempt.outcome.as_deref() == Some("lost");
    let word = if is_lost { "after" } else { "in" };
    let took = attempt
        .elapsed_ms
        .map_or_else(String::new, |ms| format!(" {word} {}", human_elapsed(ms)));
    let why = match (&attempt.error_type, &attempt.error) {
        (Some(error_type), Some(error)) => format!(" ({error_type}: {})", sanitize(error)),
        _ => String::new(),
    };
    format!("{}{took}{why}", attempt.outcome.as_deref().unwrap_or("running"))
}
