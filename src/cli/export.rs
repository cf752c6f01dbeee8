//! `tempo export`.

use super::Context;
use crate::error::Error;
use crate::files::definition::{self, File};
use crate::names::ScheduleId;
use crate::ops;
use crate::store::Missing;

/// Print schedules as a definitions file
///
/// What is printed applies to no change: `tempo export > jobs.toml; tempo apply -f jobs.toml`. With `-o json` it is the same file as JSON.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Which schedules; all when not given
    id: Vec<ScheduleId>,
}

pub(super) fn run(context: &Context, args: &Args) -> Result<(), Error> {
    let store = if args.id.is_empty() {
        context.open_to_show()?
    } else {
        context.open(Missing::ShowNothing)?
    };
    let file = File {
        schedule: store.read(|r| ops::export(r, &args.id))?,
    };
    if context.ui.is_text() {
        context.ui.raw(definition::toml(&file)?.as_bytes())
    } else {
        context.ui.json(&file)
    }
}
