//! `tempo completions`.

use clap_complete::Shell;

use super::Context;
use crate::error::Error;

/// Print the completions of a shell
///
/// For bash: `tempo completions bash > /etc/bash_completion.d/tempo`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Which shell
    #[arg(value_enum)]
    shell: Shell,
}

pub(super) fn run(context: &Context, args: &Args) -> Result<(), Error> {
    context.ui.raw(&completions(args.shell))
}

/// The completions of a shell.
pub(crate) fn completions(shell: Shell) -> Vec<u8> {
    let mut text = Vec::new();
    clap_complete::generate(shell, &mut super::command(), "tempo", &mut text);
    text
}
