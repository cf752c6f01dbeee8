//! `tempo workflow start`.

use super::super::Context;
use super::super::{
    definition::WhatArgs,
    wait::{self, WaitArgs},
};
use crate::error::{Error, Kind};
use crate::ops;
use crate::present;
use crate::store::Missing;

/// Start one durable run without a schedule
///
/// The run is recorded at once, and executed by `tempo run`, now or when it next starts. A crash does not lose it.
#[derive(Debug, clap::Args)]
#[command(
    mut_arg("grace", |grace| grace.hide(true)),
    mut_arg("workflow_id", |id| id.value_name("ID").help("Workflow id of the run; defaults to `workflow-` and the time")),
)]
pub(super) struct Args {
    #[command(flatten)]
    waiting: WaitArgs,
    #[command(flatten)]
    what: WhatArgs,
}

pub(super) fn run(context: &Context, args: &Args) -> Result<(), Error> {
    let action = args.what.action()?;
    crate::run::step::Workflow::check(&action)?.check_new()?;
    let timeout = args.waiting.limit()?;
    if args.waiting.wait {
        wait::needs_server(context)?;
    }
    let mut store = context.open(Missing::Create)?;
    let key = store.write(|w| ops::start_workflow(w, &action, context.now()))?;
    if args.waiting.wait {
        wait::for_run(context, &store, key, timeout).map_err(|e| match store.read(|r| r.run(key)) {
            Ok(Some(run)) => e.hint(format_args!("Run `tempo workflow describe {}` to see the run.", run.run_id)),
            Ok(None) | Err(_) => e,
        })?;
    }
    let row = store
        .read(|r| r.run(key))?
        .ok_or_else(|| Error::new(Kind::System, "the run that was just recorded no longer exists"))?;
    let view = store.read(|r| present::run_in_full(r, &row))?;
    if context.ui.is_text() {
        if context.server()?.is_some() || args.waiting.wait {
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
    if args.waiting.wait {
        wait::verdict(&[row])
    } else {
        context.hint_when_down("the run waits until you run `tempo run`.")
    }
}
