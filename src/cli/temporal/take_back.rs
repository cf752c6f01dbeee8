//! `tempo temporal return`.

use clap_complete::engine::ArgValueCandidates;

use super::ClusterArgs;
use crate::cli::complete;
use crate::names::ScheduleId;

/// Move schedules back from a Temporal cluster to this machine
///
/// Ends each schedule there and unpauses it here, at one instant: no time runs twice, and none is lost. A run that is open there is
/// finished there. If the command is interrupted, run it again.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Ids of the schedules
    #[arg(required = true, add = ArgValueCandidates::new(complete::schedules))]
    id: Vec<ScheduleId>,
    #[command(flatten)]
    cluster: ClusterArgs,
    /// Run the schedules here again without asking the cluster, which is gone: if it is not, they run twice
    #[arg(long)]
    abandon: bool,
}

#[cfg(feature = "temporal")]
pub(super) fn run(context: &crate::cli::Context, args: &Args) -> Result<(), crate::error::Error> {
    use crate::ops;
    use crate::store::Missing;
    use crate::temporal::{Here, abandon, take_back};

    let mut store = context.open(Missing::Refuse)?;
    if args.abandon {
        for id in &args.id {
            abandon(&mut store, id, &context.zones, context.now())?;
            context.ui.data(&format!("Schedule {id} runs here again"))?;
        }
        return context.hint_when_down("nothing starts until you run `tempo run`.");
    }
    let cluster = args.cluster.connect()?;
    let here = Here {
        queue: &args.cluster.task_queue,
        zones: &context.zones,
        clock: &context.clock,
    };
    for id in &args.id {
        let last = take_back(&cluster, &mut store, id, here)?;
        let zone = store.read(|r| ops::find(r, id))?.compiled(&context.zones)?.zone().clone();
        let times = context.times_in(zone);
        let until = format!("runs here after {} {}", times.full(last), times.zone());
        context.ui.data(&format!(
            "Returned schedule {id} from Temporal at {}: {until}",
            cluster.address()
        ))?;
    }
    context.hint_when_down("nothing starts until you run `tempo run`.")
}
