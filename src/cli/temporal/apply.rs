//! `tempo temporal apply`.

use super::ClusterArgs;
use crate::cli::apply::FileArgs;

/// Create and update schedules of a Temporal cluster from definition files
///
/// Applying the same files again changes nothing. Schedules not created by tempo are never changed. A note is printed for each setting
/// that a cluster cannot express, and for each of the next 1,000 times that differ there, where clocks change.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    files: FileArgs,
    #[command(flatten)]
    cluster: ClusterArgs,
    /// Show what would change, without changing anything
    #[arg(long)]
    dry_run: bool,
    /// Fail, without changing anything, if the cluster cannot express something
    #[arg(long)]
    strict: bool,
}

#[cfg(feature = "temporal")]
pub(super) use with_cluster::{plan, run};

#[cfg(feature = "temporal")]
mod with_cluster {
    use super::{Args, ClusterArgs, FileArgs};
    use crate::cli::Context;
    use crate::cli::apply::{Tense, prune, show};
    use crate::error::{Error, Kind};
    use crate::temporal::{self, Cluster, Plan};

    /// Compares the definitions with the schedules of the cluster.
    pub(in crate::cli::temporal) fn plan(
        context: &Context,
        files: &FileArgs,
        args: &ClusterArgs,
    ) -> Result<(Cluster, Plan), Error> {
        let scopes = files.scopes()?;
        let cluster = args.connect()?;
        let with = (
            args.task_queue.as_str(),
            &context.zones as &dyn crate::spec::zone::Zones,
            context.now(),
        );
        let plan = files.read(context, |definitions| {
            temporal::plan(&cluster, definitions, prune(&scopes), with)
        })?;
        if plan.has_receivers() {
            context
                .ui
                .say("note: receivers of notifications are not applied to a cluster");
        }
        Ok((cluster, plan))
    }

    pub(in crate::cli::temporal) fn run(context: &Context, args: &Args) -> Result<(), Error> {
        let (cluster, plan) = plan(context, &args.files, &args.cluster)?;
        if let Some((id, limit)) = plan.first_limit().filter(|_| args.strict) {
            return Err(Error::new(Kind::Usage, format_args!("schedule `{id}`: {limit}"))
                .hint("Nothing was changed. Without `--strict`, this is only a note."));
        }
        if !args.dry_run {
            temporal::apply(&cluster, &plan)?;
        }
        let tense = if args.dry_run { Tense::Would } else { Tense::Did };
        show(context, &plan.differences(), tense)
    }
}
