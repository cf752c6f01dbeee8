//! `tempo notify remove`.

use clap_complete::engine::ArgValueCandidates;

use super::super::Context;
use super::complete;
use crate::error::Error;
use crate::names::ReceiverName;
use crate::ops;
use crate::present;
use crate::store::Missing;

/// Remove a receiver, and its messages that are not delivered
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Name of the receiver
    #[arg(add = ArgValueCandidates::new(complete::receivers))]
    name: ReceiverName,
}

pub(super) fn run(context: &Context, args: &Args) -> Result<(), Error> {
    let mut store = context.open(Missing::Refuse)?;
    let view = store.read(|r| present::receiver(r, &context.zones, &ops::find_receiver(r, &args.name)?))?;
    store.write(|w| ops::remove_receiver(w, &args.name))?;
    if !context.ui.is_text() {
        return context.ui.json(&view);
    }
    context.ui.data(&format!("Removed {} {}", view.kind, view.name))
}
