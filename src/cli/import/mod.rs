//! `tempo import`: imports schedules from other schedulers.

mod crontab;

use clap::Subcommand;

use super::Context;
use crate::error::Error;

/// Import schedules from a crontab
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Crontab(crontab::Args),
}

pub(super) fn run(context: &Context, args: Args) -> Result<(), Error> {
    match args.command {
        Command::Crontab(args) => crontab::run(context, &args),
    }
}
