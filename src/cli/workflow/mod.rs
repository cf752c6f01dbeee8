//! `tempo workflow`: runs, of schedules and without one.

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
use crate::output::Style;
use crate::run::Stop;

/// List, show, start and stop runs
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    List(list::Args),
    Start(Box<start::Args>),
    Describe(describe::Args),
    Result(result::Args),
    Output(output::Args),
    /// Ask runs to stop
    ///
    /// The step that is running gets SIGTERM, and SIGKILL five seconds later, with everything in its process group. The run closes as
    /// Canceled; the steps after it are not done.
    Cancel(stop::Args),
    /// Kill runs
    ///
    /// The step that is running gets SIGKILL at once, with everything in its process group. The run closes as Terminated.
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

/// What the status of a run or a step means.
pub(super) fn style_of(status: &str) -> Style {
    match status {
        "Completed" => Style::Good,
        "Running" => Style::Strong,
        "Pending" => Style::Dim,
        "Canceled" | "Terminated" => Style::Warn,
        _ => Style::Bad,
    }
}
