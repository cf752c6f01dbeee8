//! `tempo workflow result`.

use clap_complete::engine::ArgValueCandidates;

use super::super::{Context, complete};
use crate::error::{Error, Kind};
use crate::present;
use crate::store::Missing;

/// Show the result of each step of a run
///
/// Exits with 1 if the run did not complete, and with 4 while it is still running.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Prefix of a run id, or a workflow id (its newest run)
    #[arg(add = ArgValueCandidates::new(complete::runs))]
    run: String,
}

pub(super) fn run(context: &Context, args: &Args) -> Result<(), Error> {
    let store = context.open(Missing::Refuse)?;
    let view = store.read(|r| present::run(r, &r.run_named(&args.run)?))?;
    if view.status == "Running" {
        return Err(
            Error::new(Kind::Conflict, format_args!("run `{}` is still running", args.run)).hint(format_args!(
                "Run `tempo workflow describe {}` to see its progress.",
                args.run
            )),
        );
    }
    if context.ui.is_text() {
        for (step, result) in &view.result.0 {
            context.ui.data(&format!("{step}: {result}"))?;
        }
    } else {
        context.ui.json(&view.result)?;
    }
    if view.status == "Completed" {
        return Ok(());
    }
    Err(Error::new(
        Kind::Failed,
        match view.reason {
            Some(reason) => format!("run `{}` did not complete: {reason}", args.run),
            None => format!("run `{}` is {}", args.run, view.status),
        },
    ))
}
