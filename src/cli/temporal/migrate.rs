//! `tempo temporal migrate`.

use clap_complete::engine::ArgValueCandidates;

use super::ClusterArgs;
use crate::cli::complete;
use crate::names::ScheduleId;

/// Move schedules from this machine to a Temporal cluster
///
/// Pauses each schedule here and starts it there, at one instant: no time runs twice, and none is lost. A run that is open here is
/// finished here. If the command is interrupted, run it again. `tempo schedule explain` tells of both sides.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Ids of the schedules; defaults to all that are not paused
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
            Ok(rows.into_iter().filter(|row| !row.state.paused).map(|row| row.id).collect())
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
        let first = migrate(&cluster, &mut store, id, here)?;
        let zone = store.read(|r| ops::find(r, id))?.compiled(&context.zones)?.zone().clone();
        let times = context.times_in(zone);
        let from = match first {
            Some(first) => format!("from {} {} on, it runs there", times.full(first), times.zone()),
            None => "it has no further times".to_owned(),
        };
        context
            .ui
            .data(&format!("Moved schedule {id} to Temporal at {}: {from}", cluster.address()))?;
    }
    Ok(())
}
