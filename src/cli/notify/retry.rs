//! `tempo notify retry`.

use serde::Serialize;

use super::super::Context;
use crate::error::Error;
use crate::ops;
use crate::output::counted;
use crate::store::Missing;

/// Retry failed messages
///
/// The limit of 24 hours starts again. A webhook can recognize a message that it has already received by its `Idempotency-Key`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Receivers (all their undelivered messages) or ids of messages; defaults to all failed messages
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
    if retried == 0 {
        return context.ui.data("No failed messages.");
    }
    context.ui.data(&format!("{} queued", counted(retried, "message")))?;
    context.hint_when_down("messages are sent when you run `tempo run`.")
}
