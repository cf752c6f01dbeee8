//! `tempo doctor`.

mod findings;

use std::path::PathBuf;

use serde_json::json;

use self::findings::Level;
use super::Context;
use crate::error::{Error, Kind};
use crate::output::Style;
use crate::output::table::{plain, rows as rows_of};
use crate::store::Missing;

/// Look for what is wrong, and back the database up
///
/// Reads the whole file and checks it; looks at its log, the server, zone data, clock, disk, schedules that never fire or always skip, and
/// processes that were left behind, and says of each what to do. Exit 6 where the file is damaged. With `--backup` it writes a copy of everything on file as of now, while `tempo run` goes on; the copy is
/// a database like any other. To put it in the place of the database, stop `tempo run`, and take away the `-wal` and `-shm` files beside it as
/// well: they belong to the old one.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Write a copy of the database to this file, which must not be there yet
    #[arg(long, value_name = "FILE", value_hint = clap::ValueHint::AnyPath)]
    backup: Option<PathBuf>,
}

pub(super) fn run(context: &Context, args: &Args) -> Result<(), Error> {
    let store = context.open(Missing::Refuse)?;
    let path = context.database()?;
    let database = path.display().to_string();
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
    let findings = findings::all(context, &store, &path)?;
    let backup = args.backup.as_ref().map(|b| b.display().to_string());
    if !context.ui.is_text() {
        let view = json!({"database": database, "faults": faults, "backup": backup, "findings": findings});
        return context.ui.json(&view);
    }
    context.ui.data(&format!("{database}: the file is sound"))?;
    let rows: Vec<_> = findings
        .iter()
        .map(|f| {
            let style = if f.level == Level::Ok { Style::Good } else { Style::Warn };
            let mark = if f.level == Level::Ok { "ok" } else { "look" };
            vec![(mark.to_owned(), Some(style)), plain(f.name), plain(&f.message)]
        })
        .collect();
    rows_of(&context.ui, &rows)?;
    for advice in findings.iter().filter_map(|f| f.advice.as_ref()) {
        context.ui.hint(advice);
    }
    backup.map_or(Ok(()), |backup| context.ui.data(&format!("Backed up to {backup}")))
}
