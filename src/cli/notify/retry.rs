//! `tempo notify retry`.

use serde::Serialize;

use super::super::Context;
use crate::error::Error;
use crate::ops;
use crate::output::counted;
use crate::store::Missing;

/// Send messages again that could not be delivered
///
/// Their 24 hours begin anew. A receiver recognizes a message that it has got before by its `Idempotency-Key`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Receivers, or ids of messages; defaults to all messages that were given up
    name: Vec<String>,
}

#[derive(Serialize)]
struct Retried {
    retried: u64,
}

pub(super) fn run(context: &Context, args: &Args) -> Result<(), Error> {
    let mut store = context.open(Missing::Refuse)?;
    let now = context.now();
    let retried = store.write(|w| ops::retry_messages(w, &args.name, now))?;
    if !context.ui.is_text() {
        return context.ui.json(&Retried { retried });
    }
    context
        .ui
        .data(&format!("{} to be sent again", counted(retried, "message")))?;
    if retried == 0 {
        return Ok(());
    }
    context.hint_when_down("messages are sent when you run `tempo run`.")
}
