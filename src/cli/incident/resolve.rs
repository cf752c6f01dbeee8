//! `tempo incident resolve`.

use super::super::Context;
use crate::error::Error;
use crate::ops;

/// Declare an incident over
///
/// By itself an incident is resolved when its step next succeeds. After this, the next failure of the step opens another incident.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Its number, as `tempo incident list` shows it
    id: i64,
    /// What you say of it; replaces what was said before
    #[arg(long, value_name = "TEXT")]
    note: Option<String>,
}

pub(super) fn run(context: &Context, args: &Args) -> Result<(), Error> {
    let (note, now) = (args.note.as_deref(), context.now());
    super::change(context, args.id, "Resolved", |w| ops::resolve(w, args.id, note, now))
}
