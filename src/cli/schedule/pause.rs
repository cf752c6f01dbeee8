//! `tempo schedule pause`.

use clap_complete::engine::ArgValueCandidates;

use super::super::{Context, complete};
use crate::error::Error;
use crate::names::ScheduleId;
use crate::ops;
use crate::store::Missing;

/// Stop schedules from starting runs
///
/// Runs already going are left alone. Times that pass meanwhile are recorded as paused; `tempo schedule backfill` can run them later.
/// `tempo schedule trigger` still works.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Which schedules
    #[arg(add = ArgValueCandidates::new(complete::schedules), required_unless_present = "all", conflicts_with = "all")]
    id: Vec<ScheduleId>,
    /// All of them
    #[arg(long)]
    all: bool,
    /// Why; replaces the note that is there
    #[arg(long, value_name = "TEXT")]
    note: Option<String>,
}

pub(super) fn run(context: &Context, args: &Args) -> Result<(), Error> {
    let mut store = match args.id.first() {
        Some(id) => super::open_for(context, id)?,
        None => context.open(Missing::Refuse)?,
    };
    let ids = super::named_or_all(&store, &args.id, args.all)?;
    store.write(|w| {
        ids.iter()
            .try_for_each(|id| ops::pause(w, &context.zones, id, args.note.as_deref(), context.now()))
    })?;
    if !context.ui.is_text() {
        let views = ids.iter().map(|id| super::view(context, &store, id));
        return context.ui.json_list(&views.collect::<Result<Vec<_>, _>>()?);
    }
    for id in &ids {
        let going = store.read(|r| r.count_running(ops::find(r, id)?.key))?;
        let left = if going == 0 {
            String::new()
        } else {
            format!(" ({} still going)", crate::output::counted(going, "run"))
        };
        context.ui.data(&format!("Paused schedule {id}{left}"))?;
    }
    Ok(())
}
