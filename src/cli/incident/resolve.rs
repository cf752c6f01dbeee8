//! `tempo incident resolve`.

use super::super::Context;
use crate::error::Error;
use crate::ops;

/// Declare an incident over
///
/// By itself an incident is resolved when its step next succeeds. After this, the next failure of the step opens another incident.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    said: super::Settle,
}

pub(super) fn run(context: &Context, args: &Args) -> Result<(), Error> {
    let (note, now) = (args.said.note.as_deref(), context.now());
    super::change(context, args.said.id, "Resolved", |w| {
        ops::resolve(w, args.said.id, note, now)
    })
}
