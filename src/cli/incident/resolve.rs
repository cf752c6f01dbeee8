//! `tempo incident resolve`.

use super::super::Context;
use crate::error::Error;
use crate::ops;

/// Resolve an incident
///
/// An incident is resolved automatically when its step, or its schedule, has succeeded `--resolve-after` times in a row (once by default).
/// After you resolve it, the next failure opens a new incident.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    change: super::ChangeArgs,
}

pub(super) fn run(context: &Context, args: &Args) -> Result<(), Error> {
    let (note, now) = (args.change.note.as_deref(), context.now());
    super::change(context, args.change.id, "Resolved", |w| {
        ops::resolve(w, args.change.id, note, now)
    })
}
