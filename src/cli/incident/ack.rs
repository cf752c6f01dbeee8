//! `tempo incident ack`.

use super::super::Context;
use crate::error::Error;
use crate::ops;

/// Acknowledge an incident
///
/// The incident is not resolved: it counts further failures until its step, or its schedule, succeeds. No more reminders of it are sent.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    change: super::ChangeArgs,
}

pub(super) fn run(context: &Context, args: &Args) -> Result<(), Error> {
    super::change(context, args.change.id, "Acknowledged", |w| {
        ops::ack(w, args.change.id, args.change.note.as_deref(), context.now())
    })
}
