//! `tempo doctor`.

mod findings;

use std::path::{Path, PathBuf};

use serde_json::json;

use self::findings::Level;
use super::Context;
use crate::error::{Error, Kind};
use crate::output::Style;
use crate::output::table::{plain, rows as rows_of};
use crate::store::{self, Missing};

/// Check the installation and the database; back up or restore the database
///
/// Checks the integrity of the whole database, the size of its write-ahead log, the server, time zone data, the clock and disk space. Looks for schedules
/// that never fire or nearly always skip, and for leftover processes. Suggests a fix for each problem. Exits with 6 if the database is
/// damaged.
///
/// With `--backup`, writes a copy of the current database while `tempo run` keeps running. The copy is a complete database.
///
/// With `--restore`, checks the backup and puts a copy of it in place of the database, while no server is running. The database that was
/// there is kept under another name.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Write a copy of the database to this file, which must not exist yet; missing directories are created
    #[arg(long, value_name = "FILE", value_hint = clap::ValueHint::AnyPath)]
    backup: Option<PathBuf>,
    /// Replace the database with this backup; the replaced database is kept
    #[arg(long, value_name = "FILE", value_hint = clap::ValueHint::AnyPath, conflicts_with = "backup")]
    restore: Option<PathBuf>,
}

pub(super) fn run(context: &Context, args: &Args) -> Result<(), Error> {
    if let Some(backup) = &args.restore {
        return restore(context, backup);
    }
    let store = context.open(Missing::Refuse)?;
    let path = context.database()?;
    let database = path.display().to_string();
    let problems = store.check()?;
    if let Some(first) = problems.first() {
        return Err(
            Error::new(Kind::System, format_args!("the database `{database}` is damaged: {first}"))
                .hint("Keep a copy of the file, and restore a backup. `sqlite3 FILE .recover` may recover some of the data."),
        );
    }
    if let Some(backup) = &args.backup {
        store.back_up(backup)?;
    }
    let backup = args.backup.as_ref().map(|b| b.display().to_string());
    let findings = findings::all(context, &store, &path).map_err(|e| {
        let written = backup.iter().map(|backup| format!("The backup was written to `{backup}`."));
        written.fold(e, Error::hint)
    })?;
    if !context.ui.is_text() {
        let view = json!({"database": database, "faults": problems, "backup": backup, "findings": findings});
        return context.ui.json(&view);
    }
    context.ui.data(&format!("{database}: integrity check passed"))?;
    let rows: Vec<_> = findings
        .iter()
        .map(|f| {
            let style = if f.level == Level::Ok { Style::Good } else { Style::Warn };
            let mark = if f.level == Level::Ok { "ok" } else { "warn" };
            vec![(mark.to_owned(), Some(style)), plain(f.name), plain(&f.message)]
        })
        .collect();
    rows_of(&context.ui, &rows)?;
    for (name, advice) in findings.iter().filter_map(|f| Some((f.name, f.advice.as_ref()?))) {
        context.ui.hint(&format!("{name}: {advice}"));
    }
    backup.map_or(Ok(()), |backup| context.ui.data(&format!("Backed up to {backup}")))
}

fn restore(context: &Context, backup: &Path) -> Result<(), Error> {
    let database = context.database()?;
    let replaced = store::restore(&database, backup, context.now().timestamp_millis())?;
    let shown = |path: &Path| path.display().to_string();
    if !context.ui.is_text() {
        let view = json!({"database": shown(&database), "restored": shown(backup), "replaced": replaced.as_deref().map(shown)});
        return context.ui.json(&view);
    }
    context
        .ui
        .data(&format!("Restored {} from {}", shown(&database), shown(backup)))?;
    if let Some(replaced) = replaced {
        context
            .ui
            .say(&format!("The replaced database was kept as {}", shown(&replaced)));
    }
    context.hint_when_down("nothing starts until you run `tempo run`.")
}
