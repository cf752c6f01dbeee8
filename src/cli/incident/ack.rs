//! `tempo incident ack`.

use super::super::Context;
use crate::error::Error;
use crate::ops;

/// Note that you have seen an incident
///
/// It stays open, and each further failure is counted in it, until its step next succeeds.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Its number, as `tempo incident list` shows it
    id: i64,
    /// What you say of it; replaces what was said before
    #[arg(long, value_name = "TEXT")]
    note: Option<String>,
}

pub(super) fn run(context: &Context, args: &Args) -> Result<(), Error> {
    super::change(context, args.id, "Acknowledged", |w| {
        ops::ack(w, args.id, args.note.as_deref())
    })
}
