//! `tempo workflow cancel` and `tempo workflow terminate`.

use clap_complete::engine::ArgValueCandidates;

use super::super::{Context, complete};
use crate::error::Error;
use crate::ops::{self, RunStop};
use crate::present;
use crate::run::Stop;
use crate::store::Missing;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Prefix of a run id, or a workflow id (its newest run)
    #[arg(add = ArgValueCandidates::new(complete::runs), required = true)]
    run: Vec<String>,
    /// Reason, stored with the run
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
}

pub(super) fn run(context: &Context, args: &Args, stop: Stop) -> Result<(), Error> {
    let mut store = context.open(Missing::Refuse)?;
    let views = store.write(|w| {
        let request_stop = |run: &String| {
            let row = ops::stop_run(
                w,
                &RunStop {
                    run,
                    stop,
                    reason: args.reason.as_deref(),
                },
                context.now(),
            )?;
            present::run(w, &row)
        };
        args.run.iter().map(request_stop).collect::<Result<Vec<_>, Error>>()
    })?;
    if context.ui.is_text() {
        let action = match stop {
            Stop::Cancel => "Cancellation",
            Stop::Terminate => "Termination",
        };
        for view in &views {
            context
                .ui
                .data(&format!("{action} of {} requested (run {})", view.workflow_id, view.run_id))?;
        }
    } else {
        context.ui.json_list(&views)?;
    }
    context.hint_when_down("the request waits until you run `tempo run`.")
}
