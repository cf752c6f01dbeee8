//! `tempo incident`: targets and steps that have failed for good.

mod ack;
mod describe;
mod list;
mod resolve;

use clap_complete::engine::ArgValueCandidates;

use clap::Subcommand;

use super::{Context, complete};
use crate::error::Error;
use crate::ops;
use crate::present;
use crate::store::{Missing, Write};

/// List, inspect, acknowledge and resolve incidents
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    #[command(visible_alias = "ls")]
    List(list::Args),
    #[command(visible_alias = "show", alias = "get")]
    Describe(describe::Args),
    Ack(ack::Args),
    Resolve(resolve::Args),
}

/// The arguments of `ack` and `resolve`.
#[derive(Debug, clap::Args)]
struct ChangeArgs {
    /// Number of the incident, as shown by `tempo incident list`
    #[arg(add = ArgValueCandidates::new(complete::incidents))]
    id: i64,
    /// Note; replaces the existing note
    #[arg(long, value_name = "TEXT")]
    note: Option<String>,
}

pub(super) fn run(context: &Context, args: Args) -> Result<(), Error> {
    match args.command {
        Command::List(args) => list::run(context, &args),
        Command::Describe(args) => describe::run(context, &args),
        Command::Ack(args) => ack::run(context, &args),
        Command::Resolve(args) => resolve::run(context, &args),
    }
}

/// Changes an incident and prints it.
fn change(context: &Context, id: i64, done: &str, change: impl FnOnce(&Write<'_>) -> Result<(), Error>) -> Result<(), Error> {
    let mut store = context.open(Missing::Refuse)?;
    store.write(change)?;
    let view = present::incident(&store.read(|r| ops::find_incident(r, id))?);
    if !context.ui.is_text() {
        return context.ui.json(&view);
    }
    let target = &view.latest.target_name;
    context
        .ui
        .data(&format!("{done} incident {id}: {target}, {}", view.latest.error))
}
