//! `tempo workflow`: runs, with or without a schedule.

mod describe;
mod list;
mod output;
mod result;
mod retry;
mod start;
mod stop;

use clap::Subcommand;

use super::Context;
use crate::error::Error;
use crate::output::table::StyledCell;
use crate::output::{Style, counted};
use crate::run::Stop;
use crate::run::outcome::Status;

/// List, inspect, start and stop runs
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    #[command(visible_alias = "ls")]
    List(list::Args),
    Start(Box<start::Args>),
    #[command(visible_alias = "show", alias = "get")]
    Describe(describe::Args),
    Result(result::Args),
    Output(output::Args),
    /// Cancel runs
    ///
    /// Sends SIGTERM to all processes of the running step, and SIGKILL after five seconds to those that remain. The run closes as
    /// Canceled, and its remaining steps are not run.
    Cancel(stop::Args),
    /// Terminate runs immediately
    ///
    /// Sends SIGKILL to all processes of the running step. The run closes as Terminated.
    Terminate(stop::Args),
    Retry(retry::Args),
}

pub(super) fn run(context: &Context, args: Args) -> Result<(), Error> {
    match args.command {
        Command::List(args) => list::run(context, &args),
        Command::Start(args) => start::run(context, &args),
        Command::Describe(args) => describe::run(context, &args),
        Command::Result(args) => result::run(context, &args),
        Command::Output(args) => output::run(context, &args),
        Command::Cancel(args) => stop::run(context, &args, Stop::Cancel),
        Command::Retry(args) => retry::run(context, &args),
        Command::Terminate(args) => stop::run(context, &args, Stop::Terminate),
    }
}

/// The status of a run as shown in tables, with the number of its failed steps if it completed nevertheless.
pub(super) fn status_with(status: &str, failed_steps: u64) -> StyledCell {
    if failed_steps > 0 && status == Status::Completed.name() {
        return (
            format!("Completed, {}", counted(failed_steps, "failed step")),
            Some(Style::Warn),
        );
    }
    (status.to_owned(), Some(style_of(status)))
}

/// The style in which the status of a run or a step is shown.
pub(super) fn style_of(status: &str) -> Style {
    match status {
        "Completed" => Style::Good,
        "Running" => Style::Strong,
        "Pending" => Style::Dim,
        "Canceled" | "Terminated" => Style::Warn,
        _ => Style::Bad,
    }
}
