//! `tempo temporal diff`.

use super::ClusterArgs;
use crate::cli::apply::FileArgs;

/// Show what `tempo temporal apply` would change; exit with 1 if there are changes
///
/// Shows the changes field by field, those that were made on the cluster included. Nothing is changed.
#[derive(Debug, clap::Args)]
#[command(mut_arg("prune", |prune| prune.help("Also show the deletions that `tempo temporal apply --prune` would make")))]
pub(super) struct Args {
    #[command(flatten)]
    files: FileArgs,
    #[command(flatten)]
    cluster: ClusterArgs,
}

#[cfg(feature = "temporal")]
pub(super) fn run(context: &crate::cli::Context, args: &Args) -> Result<(), crate::error::Error> {
    use crate::cli::apply::{Tense, show};
    use crate::error::{Error, Kind};
    use crate::ops::Change;
    use crate::output::counted;

    let (_, plan) = super::apply::plan(context, &args.files, &args.cluster)?;
    let differences = plan.differences();
    show(context, &differences, Tense::Would)?;
    match differences.iter().filter(|d| d.change != Change::None).count() as u64 {
        0 => Ok(()),
        n => Err(Error::new(
            Kind::Failed,
            format_args!("the files would change {} of the cluster", counted(n, "schedule")),
        )
        .hint("Run `tempo temporal apply` with the same options to make the changes.")),
    }
}
