//! `tempo diff`.

use super::Context;
use super::apply::{FileArgs, Tense, fields_of_new, prune, show};
use crate::error::{Error, Kind};
use crate::ops::{self, Change, DefinedKind};
use crate::output::counted;
use crate::store::Missing;

/// Show what `tempo apply` would change; exit with 1 if there are changes
///
/// Shows the changes field by field. Nothing is changed.
#[derive(Debug, clap::Args)]
#[command(mut_arg("prune", |prune| prune.help("Also show the deletions that `tempo apply --prune` would make")))]
pub(super) struct Args {
    #[command(flatten)]
    files: FileArgs,
}

pub(super) fn run(context: &Context, args: &Args) -> Result<(), Error> {
    let scopes = args.files.scopes()?;
    let fields = fields_of_new(context);
    let differences = args.files.read(context, |definitions| {
        let store = context.open(Missing::ShowNothing)?;
        store.read(|r| ops::compare(r, definitions, prune(&scopes), fields, context.now()))
    })?;
    show(context, &differences, Tense::Would)?;
    match differences.iter().filter(|d| d.change != Change::None).count() as u64 {
        0 => Ok(()),
        n => {
            let changes_receivers = differences
                .iter()
                .any(|d| d.change != Change::None && d.kind == DefinedKind::Receiver);
            let what = if changes_receivers { "definition" } else { "schedule" };
            Err(
                Error::new(Kind::Failed, format_args!("the files would change {}", counted(n, what)))
                    .hint(args.files.apply_hint(n)),
            )
        }
    }
}
