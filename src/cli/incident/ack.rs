//! `tempo incident ack`.

use super::super::Context;
use crate::error::Error;
use crate::ops;

/// Note that you have seen an incident
///
/// It stays open, and each further failure is counted in it, until its step next succeeds.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    said: super::Settle,
}

pub(super) fn run(context: &Context, args: &Args) -> Result<(), Error> {
    super::change(context, args.said.id, "Acknowledged", |w| {
        ops::ack(w, args.said.id, args.said.note.as_deref())
    })
}
