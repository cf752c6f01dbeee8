//! `tempo temporal`: the same definitions on a Temporal cluster. The options are defined in every build, so that help, man pages and completions do not
//! depend on the feature.

mod apply;
mod diff;
mod export;
mod migrate;
mod status;
mod take_back;
mod worker;

use clap::Subcommand;

use super::Context;
use crate::error::Error;

/// Move schedules to a Temporal cluster, and run them there
///
/// A cluster takes the same definition files as `tempo apply`. Its address, namespace and credentials come from the options, the
/// variables `TEMPORAL_ADDRESS`, `TEMPORAL_NAMESPACE`, `TEMPORAL_API_KEY` and `TEMPORAL_TLS_…`, or `temporal.toml`, as for Temporal's own
/// command line.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Apply(apply::Args),
    Diff(diff::Args),
    Export(export::Args),
    Status(status::Args),
    Worker(worker::Args),
    Migrate(migrate::Args),
    #[command(name = "return")]
    TakeBack(take_back::Args),
}

/// Options that select the cluster.
#[derive(Debug, clap::Args)]
struct ClusterArgs {
    /// Address of the cluster (default: `TEMPORAL_ADDRESS`, or `localhost:7233`)
    #[arg(long, value_name = "HOST:PORT")]
    address: Option<String>,
    /// Namespace of the cluster (default: `TEMPORAL_NAMESPACE`, or `default`)
    #[arg(long, value_name = "NAME")]
    namespace: Option<String>,
    /// Task queue of schedules that name none with `task_queue`
    #[arg(long, value_name = "NAME", default_value = "tempo")]
    task_queue: String,
}

#[cfg(feature = "temporal")]
impl ClusterArgs {
    fn connect(&self) -> Result<crate::temporal::Cluster, Error> {
        crate::temporal::Cluster::connect(crate::temporal::Connection {
            address: self.address.clone(),
            namespace: self.namespace.clone(),
        })
    }
}

#[cfg(feature = "temporal")]
pub(super) fn run(context: &Context, args: &Args) -> Result<(), Error> {
    match &args.command {
        Command::Apply(args) => apply::run(context, args),
        Command::Diff(args) => diff::run(context, args),
        Command::Export(args) => export::run(context, args),
        Command::Status(args) => status::run(context, args),
        Command::Worker(args) => worker::run(context, args),
        Command::Migrate(args) => migrate::run(context, args),
        Command::TakeBack(args) => take_back::run(context, args),
    }
}

#[cfg(not(feature = "temporal"))]
pub(super) fn run(_: &Context, _: &Args) -> Result<(), Error> {
    use crate::error::Kind;
    Err(Error::new(Kind::Usage, "this build of tempo has no support for Temporal")
        .hint("Build one that has: `cargo build --release --features temporal`."))
}
