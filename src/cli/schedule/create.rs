//! `tempo schedule create`.

use super::super::Context;
use super::super::definition::{PolicyArgs, WhatArgs, WhenArgs, patch};
use crate::error::Error;
use crate::names::ScheduleId;
use crate::ops::{self, Created, IfExists, Never};
use crate::present;
use crate::store::Missing;

/// Create a schedule
///
/// The first run is at the next matching time; past times are not run (`tempo schedule backfill` can run them). If anything is invalid,
/// nothing is recorded.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Id of the schedule
    id: ScheduleId,
    /// If the schedule already exists, leave it unchanged and succeed
    #[arg(long)]
    if_not_exists: bool,
    /// Create it even if it can never fire
    #[arg(long)]
    allow_never: bool,
    #[command(flatten)]
    when: WhenArgs,
    #[command(flatten)]
    what: WhatArgs,
    #[command(flatten)]
    policies: PolicyArgs,
}

pub(super) fn run(context: &Context, args: &Args) -> Result<(), Error> {
    let patch = patch(context, &args.when, &args.what, &args.policies, &[], None)?;
    let how = (
        if args.if_not_exists {
            IfExists::Keep
        } else {
            IfExists::Refuse
        },
        if args.allow_never { Never::Allow } else { Never::Refuse },
    );
    ops::check_new(&context.zones, &args.id, &patch, how.1, context.now())?;
    let mut store = context.open(Missing::Create)?;
    // Read in the same transaction: another process may delete it at once.
    let (created, view) = store.write(|w| {
        let created = ops::create(w, &context.zones, &args.id, &patch, how, context.now())?;
        let row = ops::find(w, &args.id)?;
        Ok((created, present::schedule(w, &context.zones, row, context.now())?))
    })?;
    if !context.ui.is_text() {
        context.ui.json(&view)?;
    } else if created == Created::Kept {
        context.ui.data(&format!(
            "Schedule {} already exists and was not changed: {}",
            view.id, view.spec_text
        ))?;
    } else {
        context
            .ui
            .data(&format!("Created schedule {}: {}", view.id, super::times_text(&view)))?;
        if view.paused {
            context.ui.data("Paused: no scheduled run starts until it is unpaused.")?;
        } else if !super::awaits_beats(&view) {
            context.ui.data(&format!("Next: {}", super::next_text(context, &view)))?;
        }
        super::note_transition(context, &view);
        super::note_pause_policy(context, &view);
        super::note_max_running(context, &view);
    }
    context.hint_when_down("nothing starts until you run `tempo run`.")
}
