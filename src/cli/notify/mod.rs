//! `tempo notify`: receivers of notifications.

mod add;
mod list;
mod remove;
mod retry;
mod test;

use clap::Subcommand;

use super::{Context, complete};
use crate::error::Error;

/// Manage who is notified of incidents and failures
///
/// A receiver is a webhook, an email address or a command. It is notified when an incident is opened, resolved, or still open; when times
/// were missed; when a failure paused a schedule; when the server recovered from a
/// crash; and, if asked for, when a run failed. `tempo run` sends the messages, and retries
/// each until the receiver acknowledges it, for up to 24 hours. `tempo help notifications` describes them.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    #[command(alias = "create")]
    Add(Box<add::Args>),
    #[command(visible_alias = "ls")]
    List(list::Args),
    Test(test::Args),
    Retry(retry::Args),
    #[command(visible_alias = "rm", alias = "delete")]
    Remove(remove::Args),
}

pub(super) fn run(context: &Context, args: Args) -> Result<(), Error> {
    match args.command {
        Command::Add(args) => add::run(context, &args),
        Command::List(args) => list::run(context, &args),
        Command::Test(args) => test::run(context, &args),
        Command::Retry(args) => retry::run(context, &args),
        Command::Remove(args) => remove::run(context, &args),
    }
}
