//! `tempo workflow start`.

use super::super::Context;
use super::super::{definition::WhatArgs, wait};
use crate::error::{Error, Kind};
use crate::ops;
use crate::present;
use crate::store::Missing;

/// Start one durable run without a schedule
///
/// The run is recorded at once, and executed by `tempo run`, now or when it next starts. A crash does not lose it.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    what: WhatArgs,
    /// Wait until the run has closed; exit 0 if it completed without a failed step
    #[arg(long)]
    wait: bool,
}

pub(super) fn run(context: &Context, args: &Args) -> Result<(), Error> {
    let action = args.what.action()?;
    crate::run::step::Workflow::check(&action)?;
    if args.wait {
        wait::needs_server(context)?;
    }
    let mut store = context.open(Missing::Create)?;
    let key = store.write(|w| ops::start_workflow(w, &action, context.now()))?;
    if args.wait {
        wait::for_run(context, &store, key)?;
    }
    let row = store
        .read(|r| r.run(key))?
        .ok_or_else(|| Error::new(Kind::System, "the run that was just recorded no longer exists"))?;
    let view = store.read(|r| present::run_in_full(r, &row))?;
    if context.ui.is_text() {
        if context.server()?.is_some() || args.wait {
            context.ui.data(&format!(
                "Started {}: run {} is {}",
                view.workflow_id, view.run_id, view.status
            ))?;
        } else {
            context
                .ui
                .data(&format!("Queued {}: run {}", view.workflow_id, view.run_id))?;
        }
        for (step, result) in &view.result.0 {
            context.ui.data(&format!("  {step}: {result}"))?;
        }
    } else {
        context.ui.json(&view)?;
    }
    if args.wait {
        wait::verdict(&[row])
    } else {
        context.hint_when_down("the run waits until you run `tempo run`.")
    }
}
