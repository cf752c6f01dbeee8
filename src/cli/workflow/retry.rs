//! `tempo workflow retry`.

use clap_complete::engine::ArgValueCandidates;

use super::super::wait::{self, WaitArgs};
use super::super::{Context, complete};
use crate::error::Error;
use crate::ops;
use crate::present;
use crate::store::Missing;

/// Retry a failed run, starting at the step that failed
///
/// Completed steps are not run again. The failed step gets all its attempts again, and the run timeout starts over. Runs that timed out,
/// were canceled or were terminated can be retried too. As with a trigger under `allow-all`, the run does not wait for other runs of its
/// schedule.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Prefix of a run id, or a workflow id (its newest run)
    #[arg(add = ArgValueCandidates::new(complete::runs))]
    run: String,
    #[command(flatten)]
    waiting: WaitArgs,
}

pub(super) fn run(context: &Context, args: &Args) -> Result<(), Error> {
    let timeout = args.waiting.limit()?;
    if args.waiting.wait {
        wait::needs_server(context)?;
    }
    let mut store = context.open(Missing::Refuse)?;
    let (requested, request) = store.write(|w| ops::retry_run(w, &args.run, context.now()))?;
    let row = if args.waiting.wait {
        wait::for_retried_run(context, &store, requested.key, request.key, timeout)?
    } else {
        requested
    };
    let view = store.read(|r| present::run(r, &row))?;
    if !context.ui.is_text() {
        context.ui.json(&view)?;
    } else if args.waiting.wait {
        context.ui.data(&format!(
            "Retried {}: run {} is {}",
            view.workflow_id, view.run_id, view.status
        ))?;
    } else {
        context
            .ui
            .data(&format!("Retry of {} requested (run {})", view.workflow_id, view.run_id))?;
    }
    if args.waiting.wait {
        wait::verdict(&[row])
    } else {
        context.hint_when_down("the request waits until you run `tempo run`.")
    }
}
