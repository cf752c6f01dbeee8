//! `tempo schema`.

use super::Context;
use crate::error::Error;
use crate::files::SCHEMA;

/// Print the JSON Schema of definition files
///
/// Editors use it to complete and validate definitions: run `tempo schema > tempo.schema.json`, and make `#:schema ./tempo.schema.json`
/// the first line of the file.
#[derive(Debug, clap::Args)]
pub(super) struct Args {}

pub(super) fn run(context: &Context, _args: &Args) -> Result<(), Error> {
    context.ui.raw(SCHEMA.as_bytes())
}
