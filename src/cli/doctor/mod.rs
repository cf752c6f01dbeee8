//! `tempo doctor`.

use std::path::PathBuf;

use serde_json::json;

use super::Context;
use crate::error::{Error, Kind};
use crate::store::Missing;

/// Check the database, and back it up
///
/// Reads the whole file and checks it. With `--backup` it writes a copy of everything on file as of now, while `tempo run` goes on; the copy is
/// a database like any other. To put it in the place of the database, stop `tempo run`, and take away the `-wal` and `-shm` files beside it as
/// well: they belong to the old one.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Write a copy of the database to this file, which must not be there yet
    #[arg(long, value_name = "FILE")]
    backup: Option<PathBuf>,
}

pub(super) fn run(context: &Context, args: &Args) -> Result<(), Error> {
    let store = context.open(Missing::Refuse)?;
    let database = context.database()?.display().to_string();
    let faults = store.check()?;
    if let Some(first) = faults.first() {
        return Err(
            Error::new(Kind::System, format_args!("the database `{database}` is damaged: {first}"))
                .hint("Keep a copy of it, and restore a backup; `sqlite3 FILE .recover` may save what is left."),
        );
    }
    if let Some(backup) = &args.backup {
        store.back_up(backup)?;
    }
    let backup = args.backup.as_ref().map(|b| b.display().to_string());
    if !context.ui.is_text() {
        return context
            .ui
            .json(&json!({"database": database, "faults": faults, "backup": backup}));
    }
    context.ui.data(&format!("{database}: nothing is wrong with it"))?;
    backup.map_or(Ok(()), |backup| context.ui.data(&format!("Backed up to {backup}")))
}
