//! `tempo notify remove`.

use clap_complete::engine::ArgValueCandidates;

use super::super::Context;
use super::complete;
use crate::error::Error;
use crate::names::ReceiverName;
use crate::ops;
use crate::output::counted;
use crate::present;
use crate::store::Missing;

/// Remove a receiver and its undelivered messages
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Name of the receiver
    #[arg(add = ArgValueCandidates::new(complete::receivers))]
    name: ReceiverName,
}

pub(super) fn run(context: &Context, args: &Args) -> Result<(), Error> {
    let mut store = context.open(Missing::Refuse)?;
    let row = store.read(|r| ops::find_receiver(r, &args.name))?;
    let view = store.read(|r| present::receiver(r, &context.zones, &row));
    store.write(|w| ops::remove_receiver(w, &args.name, context.now()))?;
    let view = match view {
        Ok(view) if context.ui.is_text() => view,
        Ok(view) => return context.ui.json(&view),
        // Its definition was not valid.
        Err(_) if context.ui.is_text() => return context.ui.data(&format!("Removed receiver {}", row.name)),
        Err(_) => return context.ui.json(&serde_json::json!({"name": row.name})),
    };
    let undelivered = match view.pending + view.failed {
        0 => String::new(),
        n => format!(", with {}", counted(n, "undelivered message")),
    };
    context.ui.data(&format!("Removed receiver {}{undelivered}", view.name))
}
