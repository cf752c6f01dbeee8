//! `tempo incident`: targets and steps that have failed for good.

mod describe;
mod list;

use clap::Subcommand;

use super::Context;
use crate::error::Error;

/// List and show incidents
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    List(list::Args),
    Describe(describe::Args),
}

pub(super) fn run(context: &Context, args: Args) -> Result<(), Error> {
    match args.command {
        Command::List(args) => list::run(context, &args),
        Command::Describe(args) => describe::run(context, &args),
    }
}
