//! `tempo sleep`.

use super::{Context, interrupt};
use crate::engine::script::{self, Caller};
use crate::error::Error;
use crate::names::StepName;
use crate::spec::text;
use crate::store::Missing;

/// Sleep in a script, across crashes and restarts
///
/// For scripts that tempo runs. The wake-up time is recorded at the first call with NAME. If the script runs again, the command sleeps only
/// until that time, and returns at once if it has passed.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Time to sleep: `30s`, `10m`, `1h`
    #[arg(value_name = "DURATION")]
    span: String,
    /// Name of this sleep; unique in the script
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
