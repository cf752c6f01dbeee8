//! `tempo schema`.

use super::Context;
use crate::error::Error;
use crate::files::SCHEMA;

/// Print the JSON Schema of a definitions file
///
/// Editors complete and check by it: `tempo schema > tempo.schema.json`, and `#:schema ./tempo.schema.json` in the first line of the file.
#[derive(Debug, clap::Args)]
pub(super) struct Args {}

pub(super) fn run(context: &Context, _args: &Args) -> Result<(), Error> {
    context.ui.raw(SCHEMA.as_bytes())
}
