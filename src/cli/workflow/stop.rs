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
    /// The beginning of a run id, or a workflow id (the newest run of it)
    #[arg(add = ArgValueCandidates::new(complete::runs), required = true)]
    run: Vec<String>,
    /// Why, for whoever looks later
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
}

pub(super) fn run(context: &Context, args: &Args, stop: Stop) -> Result<(), Error> {
    let mut store = context.open(Missing::Refuse)?;
    let views = store.write(|w| {
        let ask = |run: &String| {
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
        args.run.iter().map(ask).collect::<Result<Vec<_>, Error>>()
    })?;
    if context.ui.is_text() {
        let word = match stop {
            Stop::Cancel => "cancel",
            Stop::Terminate => "terminate",
        };
        for view in &views {
            context
                .ui
                .data(&format!("Asked to {word} {} (run {})", view.workflow_id, view.run_id))?;
        }
    } else {
        context.ui.json_list(&views)?;
    }
    context.hint_when_down("the request waits for it.")
}
