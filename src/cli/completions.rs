//! `tempo completions`.

use clap_complete::Shell;

use super::{Context, complete};
use crate::error::Error;

/// Print a shell completion script
///
/// It also completes the ids of schedules, runs and incidents. For bash: `source <(tempo completions bash)` in `~/.bashrc`, or
/// `tempo completions bash > ~/.local/share/bash-completion/completions/tempo`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Shell to print the script for
    #[arg(value_enum)]
    shell: Shell,
}

pub(super) fn run(context: &Context, args: &Args) -> Result<(), Error> {
    context.ui.raw(&complete::registration(&args.shell.to_string())?)
}
