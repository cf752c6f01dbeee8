//! `tempo temporal migrate`.

use clap_complete::engine::ArgValueCandidates;

use super::ClusterArgs;
use crate::cli::complete;
use crate::names::ScheduleId;

/// Maximum number of notes printed for each schedule; `tempo temporal apply --dry-run -o json` prints all.
#[cfg(feature = "temporal")]
const MAX_NOTES: usize = 20;

/// Move schedules from this machine to a Temporal cluster
///
/// Pauses each schedule here and starts it there, at one instant: no time runs twice, and none is lost. A run that is open here is
/// finished here. If the command is interrupted, run it again. `tempo schedule explain` shows the runs on both sides.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Ids of the schedules; defaults to all that are not paused, and those whose move was interrupted
    #[arg(add = ArgValueCandidates::new(complete::schedules))]
    id: Vec<ScheduleId>,
    #[command(flatten)]
    cluster: ClusterArgs,
}

#[cfg(feature = "temporal")]
pub(super) fn run(context: &crate::cli::Context, args: &Args) -> Result<(), crate::error::Error> {
    use crate::error::Error;
    use crate::ops;
    use crate::store::Missing;
    use crate::temporal::{Here, migrate};

    let mut store = context.open(Missing::Refuse)?;
    let ids = match args.id.as_slice() {
        [] => store.read(|r| {
            let ids = r.schedule_ids()?.into_iter().map(ScheduleId::try_from);
            let rows = ids.map(|id| ops::find(r, &id?)).collect::<Result<Vec<_>, Error>>()?;
            let mut ids = Vec::new();
            for row in rows {
                // Those of an interrupted command are paused already.
                if !row.state.paused || r.open_move(row.key)?.is_some() {
                    ids.push(row.id);
                }
            }
            Ok(ids)
        })?,
        ids => ids.to_vec(),
    };
    let cluster = args.cluster.connect()?;
    let here = Here {
        queue: &args.cluster.task_queue,
        zones: &context.zones,
        clock: &context.clock,
    };
    for id in &ids {
        let moved = migrate(&cluster, &mut store, id, here)?;
        let zone = store.read(|r| ops::find(r, id))?.compiled(&context.zones)?.zone().clone();
        let times = context.times_in(zone);
        let from = match moved.first {
            Some(first) => format!("runs there from {} {}", times.full(first), times.zone()),
            None => "has no further times".to_owned(),
        };
        context
            .ui
            .data(&format!("Moved schedule {id} to Temporal at {}: {from}", cluster.address()))?;
        for limit in moved.limits.iter().take(MAX_NOTES) {
            context.ui.say(&format!("note: {id}: {limit}"));
        }
    }
    Ok(())
}
