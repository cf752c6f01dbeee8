//! `tempo workflow retry`.

use clap_complete::engine::ArgValueCandidates;

use super::super::{Context, complete, wait};
use crate::error::Error;
use crate::ops;
use crate::present;
use crate::store::Missing;

/// Have a failed run go on at the step that failed
///
/// Steps that had completed are not done again; the one that failed has all its attempts anew, and the run its whole time. Runs that timed
/// out, were canceled or terminated go on as well. Like a trigger with `allow-all`, it does not wait for other runs of its schedule.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The beginning of a run id, or a workflow id (the newest run of it)
    #[arg(add = ArgValueCandidates::new(complete::runs))]
    run: String,
    /// Wait until it has closed; exit 0 when it completed without an incident
    #[arg(long)]
    wait: bool,
}

pub(super) fn run(context: &Context, args: &Args) -> Result<(), Error> {
    if args.wait {
        wait::needs_server(context)?;
    }
    let mut store = context.open(Missing::Refuse)?;
    let (asked, request) = store.write(|w| ops::retry_run(w, &args.run, context.now()))?;
    let row = if args.wait {
        wait::for_retried_run(context, &store, asked.key, request.key)?
    } else {
        asked
    };
    let view = store.read(|r| present::run(r, &row))?;
    if !context.ui.is_text() {
        context.ui.json(&view)?;
    } else if args.wait {
        context.ui.data(&format!(
            "Retried {}: run {} is {}",
            view.workflow_id, view.run_id, view.status
        ))?;
    } else {
        context
            .ui
            .data(&format!("Asked {} to go on (run {})", view.workflow_id, view.run_id))?;
    }
    if args.wait {
        wait::verdict(&[row])
    } else {
        context.hint_when_down("the request waits for it.")
    }
}
