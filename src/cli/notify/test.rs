//! `tempo notify test`.

use clap_complete::engine::ArgValueCandidates;
use serde::Serialize;

use super::super::Context;
use super::complete;
use crate::actions::{Actions as _, Control, Live};
use crate::error::{Error, Kind};
use crate::files::notify_text::NotifyText;
use crate::machine;
use crate::names::ReceiverName;
use crate::notify::delivery;
use crate::ops;
use crate::store::Missing;

/// Send a test message to a receiver now
///
/// Sends it from this command, whether or not the server is running; exits with 1 if the receiver does not acknowledge it. `env:` values
/// are those of this command.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Name of the receiver
    #[arg(add = ArgValueCandidates::new(complete::receivers))]
    name: ReceiverName,
}

#[derive(Serialize)]
struct Tested<'a> {
    name: &'a str,
    delivered: bool,
}

pub(super) fn run(context: &Context, args: &Args) -> Result<(), Error> {
    let store = context.open(Missing::Refuse)?;
    let row = store.read(|r| ops::find_receiver(r, &args.name))?;
    let receiver = NotifyText::stored((&row.name, &row.definition), &context.zones)?;
    let message = receiver.test_message(machine::random_hex(16)?, machine::host_name(), context.now());
    let failed = |error: String| Error::new(Kind::Failed, format_args!("test message to `{}` failed: {error}", args.name));
    let receipt = Live
        .deliver(&delivery(&receiver, &message), &Control::default())
        .map_err(failed)?;
    let refusals = receipt.all_refusals();
    if !refusals.is_empty() {
        return Err(failed(refusals.join("; ")));
    }
    if !context.ui.is_text() {
        return context.ui.json(&Tested {
            name: args.name.as_str(),
            delivered: true,
        });
    }
    context.ui.data(&format!("Delivered to {}: {}", args.name, receiver.target()))
}
