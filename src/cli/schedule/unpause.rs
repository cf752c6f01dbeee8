//! `tempo schedule unpause`.

use clap_complete::engine::ArgValueCandidates;

use super::super::{Context, complete};
use crate::error::Error;
use crate::names::ScheduleId;
use crate::ops;
use crate::output::counted;
use crate::output::instant::rfc3339;
use crate::spec::CountedTimes;

/// Resume paused schedules
///
/// Times that passed while a schedule was paused are not run; the output shows how many there were and how to run them.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Ids of the schedules
    #[arg(add = ArgValueCandidates::new(complete::schedules), conflicts_with = "all")]
    id: Vec<ScheduleId>,
    /// Unpause all schedules
    #[arg(long)]
    all: bool,
    /// New note of the schedule; without one, the note from before the pause is restored
    #[arg(long, value_name = "TEXT")]
    note: Option<String>,
}

pub(super) fn run(context: &Context, args: &Args) -> Result<(), Error> {
    let mut store = super::open_for_each(context, &args.id, args.all)?;
    let unpaused = store.write(|w| {
        let unpause = |id| {
            let before = ops::find(w, id)?.state;
            let has_new_note = args.note.as_ref().is_some_and(|note| *note != before.note);
            let passed = ops::unpause(w, &context.zones, id, args.note.as_deref(), context.now())?;
            Ok((before.paused, has_new_note, passed))
        };
        let ids = super::given_or_all(w, &args.id)?;
        let done = ids.iter().map(unpause).collect::<Result<Vec<_>, Error>>()?;
        Ok(super::changed_views(context, w, &ids)?
            .into_iter()
            .zip(done)
            .collect::<Vec<_>>())
    })?;
    if !context.ui.is_text() {
        return context
            .ui
            .json_list(&unpaused.into_iter().map(|(view, _)| view).collect::<Vec<_>>());
    }
    for (view, (was_paused, has_new_note, passed)) in &unpaused {
        let done = if *was_paused {
            format!("Unpaused schedule {}", view.id)
        } else {
            let note = if *has_new_note { "; its note was changed" } else { "" };
            format!("Schedule {} is not paused{note}", view.id)
        };
        context.ui.data(&done)?;
        if let Some(next) = super::next_line(context, view) {
            context.ui.data(&format!("Next: {next}"))?;
        }
        if let Some(CountedTimes { first, last, count }) = passed {
            context.ui.hint(&format!(
                "{} passed while it was paused; to run them: `tempo schedule backfill {} --start-time {} --end-time {}`.",
                counted(*count, "time"),
                view.id,
                rfc3339(*first),
                rfc3339(*last)
            ));
        }
    }
    Ok(())
}
