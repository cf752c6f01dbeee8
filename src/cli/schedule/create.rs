//! `tempo schedule create`.

use super::super::Context;
use super::super::definition::{PolicyArgs, WhatArgs, WhenArgs, patch};
use crate::error::Error;
use crate::names::ScheduleId;
use crate::ops::{self, Created, IfExists, Never};
use crate::store::Missing;

/// Make a schedule
///
/// Its first time is the first after now; nothing is made up for the past (`tempo schedule backfill` does that). What is wrong is
/// refused, and then nothing is recorded.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// What to call it
    id: ScheduleId,
    #[command(flatten)]
    when: WhenArgs,
    #[command(flatten)]
    what: WhatArgs,
    #[command(flatten)]
    policies: PolicyArgs,
    /// Leave a schedule of this name as it is, and succeed
    #[arg(long)]
    if_not_exists: bool,
    /// Make it even if it can never fire
    #[arg(long)]
    allow_never: bool,
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
    let created = store.write(|w| ops::create(w, &context.zones, &args.id, &patch, how, context.now()))?;
    let view = super::view(context, &store, &args.id)?;
    if !context.ui.is_text() {
        context.ui.json(&view)?;
    } else if created == Created::Kept {
        context.ui.data(&format!(
            "Schedule {} exists already and is as it was: {}",
            view.id, view.spec_text
        ))?;
    } else {
        context
            .ui
            .data(&format!("Created schedule {}: {}", view.id, view.spec_text))?;
        let at_boot = view.spec.as_ref().is_some_and(|s| s.at_boot);
        let next = match super::next_line(context, &view) {
            Some(next) => format!("Next: {next}"),
            None if view.paused => "Paused: it starts nothing until it is unpaused.".to_owned(),
            None if at_boot => "Next: when the machine has booted again".to_owned(),
            None => "Next: never by itself".to_owned(),
        };
        context.ui.data(&next)?;
        super::note_transition(context, &view);
    }
    context.hint_when_down("nothing runs until it is.")
}
