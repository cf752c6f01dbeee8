//! `tempo schedule update`.

use clap_complete::engine::ArgValueCandidates;

use super::super::definition::{Existing, PolicyArgs, WhatArgs, WhenArgs, patch};
use super::super::{Context, complete};
use crate::error::Error;
use crate::names::ScheduleId;
use crate::ops::{self, Never, Patch};

/// Update a schedule; options not given stay as they are
///
/// An option that takes a list replaces the whole list. Times that were due before the change are decided by the definition in force at
/// that time, so no change loses a time or fires one twice. Runs that are already running continue.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Id of the schedule
    #[arg(add = ArgValueCandidates::new(complete::schedules))]
    id: ScheduleId,
    /// Clear a field first: interval, cron, calendar, jitter, note and others (any other name prints the list); may be repeated
    #[arg(long, value_name = "FIELD")]
    clear: Vec<String>,
    /// Update it even if it can then never fire
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
    let mut store = super::open_for(context, &args.id)?;
    let existing = store.read(|r| Existing::of(r, &args.id))?;
    let patch = patch(context, &args.when, &args.what, &args.policies, &args.clear, Some(existing))?;
    let never = if args.allow_never { Never::Allow } else { Never::Refuse };
    let changed = store.write(|w| ops::update(w, &context.zones, &args.id, &patch, never, context.now()))?;
    let view = super::view(context, &store, &args.id)?;
    if !context.ui.is_text() {
        return context.ui.json(&view);
    }
    if !changed {
        let why = if patch == Patch::default() {
            "no options were given"
        } else {
            "it already has these settings"
        };
        return context.ui.data(&format!("Schedule {} is unchanged: {why}", view.id));
    }
    context
        .ui
        .data(&format!("Updated schedule {}: {}", view.id, super::times_text(&view)))?;
    super::note_transition(context, &view);
    super::note_pause_policy(context, &view);
    super::note_max_running(context, &view);
    super::next_line(context, &view).map_or(Ok(()), |next| context.ui.data(&format!("Next: {next}")))
}
