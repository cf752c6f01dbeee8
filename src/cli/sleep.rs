//! `tempo sleep`.

use super::{Context, interrupt};
use crate::engine::script::{self, Caller};
use crate::error::Error;
use crate::names::StepName;
use crate::spec::text;
use crate::store::Missing;

/// Wait in a script, over crashes and restarts
///
/// For scripts that tempo runs. The time to wake up is recorded when NAME is first asked for; when the script is run again, only what is left
/// of the wait is waited, and nothing when it is over.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// How long
    #[arg(value_name = "DURATION")]
    span: String,
    /// What the wait is called; unique in the script
    #[arg(long)]
    name: String,
}

pub(super) fn run(context: &Context, args: &Args) -> Result<(), Error> {
    let caller = Caller::of_environment("tempo sleep")?;
    let (name, span) = (StepName::parse(&args.name)?, text::duration(&args.span)?);
    let mut store = context.open(Missing::Refuse)?;
    let interrupt = interrupt::on_signals()?;
    script::sleep(&mut store, (&context.clock, &interrupt), &caller, &name, span)
}
