//! `tempo demo`.
use super::Context;
use crate::error::Error;
/// Demo
#[derive(Debug, clap::Args)]
pub(super) struct Args {}
pub(super) fn run(_: &Context, _: &Args) -> Result<(), Error> { Ok(()) }
