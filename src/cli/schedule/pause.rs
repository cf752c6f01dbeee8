//! `tempo schedule pause`.

use clap_complete::engine::ArgValueCandidates;

use super::super::{Context, complete};
use crate::error::Error;
use crate::names::ScheduleId;
use crate::ops;

/// Pause schedules, so that they start no runs
///
/// Runs that are already running continue. Times that pass meanwhile are recorded as paused; `tempo schedule backfill` can run them
/// later. `tempo schedule trigger` still works.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Ids of the schedules
    #[arg(add = ArgValueCandidates::new(complete::schedules), conflicts_with = "all")]
    id: Vec<ScheduleId>,
    /// Pause all schedules
    #[arg(long)]
    all: bool,
    /// Reason for the pause; replaces the note of the schedule until it is unpaused
    #[arg(long, value_name = "TEXT")]
    note: Option<String>,
}

pub(super) fn run(context: &Context, args: &Args) -> Result<(), Error> {
    let mut store = super::open_for_each(context, &args.id, args.all)?;
    if !context.ui.is_text() {
        let views = store.write(|w| {
            let pause = |id| ops::pause(w, &context.zones, id, args.note.as_deref(), context.now());
            let ids = super::given_or_all(w, &args.id)?;
            ids.iter().try_for_each(pause)?;
            super::changed_views(context, w, &ids)
        })?;
        return context.ui.json_list(&views);
    }
    let paused = store.write(|w| {
        let pause = |id: ScheduleId| {
            let row = ops::find(w, &id)?;
            ops::pause(w, &context.zones, &id, args.note.as_deref(), context.now())?;
            let has_new_note = args.note.as_ref().is_some_and(|note| *note != row.state.note);
            Ok((id, row.state.paused, has_new_note, w.count_running(row.key)?))
        };
        super::given_or_all(w, &args.id)?
            .into_iter()
            .map(pause)
            .collect::<Result<Vec<_>, Error>>()
    })?;
    for (id, was_paused, has_new_note, running) in paused {
        if was_paused {
            let note = if has_new_note { "; its note was changed" } else { "" };
            context.ui.data(&format!("Schedule {id} is already paused{note}"))?;
            continue;
        }
        let suffix = if running == 0 {
            String::new()
        } else {
            format!(" ({} still running)", crate::output::counted(running, "run"))
        };
        context.ui.data(&format!("Paused schedule {id}{suffix}"))?;
    }
    Ok(())
}
