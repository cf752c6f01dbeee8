//! `tempo service`: runs `tempo run` under systemd.

mod install;
mod other_managers;
mod status;
mod systemd;
mod uninstall;

use clap::Subcommand;

use super::Context;
use crate::error::Error;

/// Install, remove and inspect the service that keeps `tempo run` running
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Install(install::Args),
    Uninstall(uninstall::Args),
    Status(status::Args),
}

pub(super) fn run(context: &Context, args: &Args) -> Result<(), Error> {
    match &args.command {
        Command::Install(args) => install::run(context, args),
        Command::Uninstall(args) => uninstall::run(context, args),
        Command::Status(args) => status::run(context, args),
    }
}
