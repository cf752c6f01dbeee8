//! Tries the migration of a database on a copy, before a newer tempo opens the database itself.

use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};

use super::backup::DatabaseCopy;
use super::database_file::reject_log_without_database;
use super::identity::{resolved, with_suffix};
use super::integrity::problems;
use super::lock::refuse_displaced;
use super::migrations;
use super::open::{Missing, Store};
use super::rows::Context as _;
use crate::clock::Stopwatch;
use crate::error::{Error, Kind};
use crate::machine;

/// The outcome of a trial migration.
#[derive(Debug)]
pub(crate) struct Upgrade {
    /// The schema version of the database.
    pub(crate) from: i64,
    /// The newest schema version that this tempo knows.
    pub(crate) to: i64,
    /// The migration that was tried; `None` if there is nothing to migrate.
    pub(crate) trial: Option<Trial>,
}

/// A migration that was tried on a copy.
#[derive(Debug)]
pub(crate) struct Trial {
    /// A backup of the database as it is.
    pub(crate) backup: PathBuf,
    /// Time that the migration took.
    pub(crate) took: Duration,
    /// Number of schedules in the migrated copy.
    pub(crate) schedules: u64,
    /// Number of runs in the migrated copy.
    pub(crate) runs: u64,
}

/// Backs a database up, and migrates a copy of the backup. The database itself is not changed; a server may be using it.
///
/// # Errors
/// `NotFound` if there is no database; `System` if it is damaged, of another program or of a newer tempo, or if the copy cannot be migrated;
/// `Conflict` if the backup exists already.
pub(crate) fn try_upgrade(database: &Path) -> Result<Upgrade, Error> {
    let database = resolved(database);
    let shown = database.display().to_string();
    refuse_displaced(&database)?;
    reject_log_without_database(&database)?;
    if !database.exists() {
        return Err(Error::new(Kind::NotFound, format_args!("there is no database at `{shown}`"))
            .hint("Use `--db` or `TEMPO_DB` for another file."));
    }
    let file = std::fs::metadata(&database);
    if file.as_ref().is_ok_and(|file| !file.is_file()) {
        return Err(Error::new(Kind::System, format_args!("`{shown}` is not a regular file"))
            .hint("Use `--db` or `TEMPO_DB` for another file."));
    }
    if file.is_ok_and(|file| file.len() == 0) {
        // The first command makes it a database.
        let to = migrations::newest();
        return Ok(Upgrade {
            from: to,
            to,
            trial: None,
        });
    }
    let what = format!("read `{shown}`");
    let connection = Connection::open_with_flags(&database, OpenFlags::SQLITE_OPEN_READ_ONLY).context(&what)?;
    migrations::check(&connection, &shown)?;
    let (from, to) = (migrations::version(&connection)?, migrations::newest());
    if let Some(problem) = problems(&connection)?.into_iter().next() {
        return Err(
            Error::new(Kind::System, format_args!("the database `{shown}` is damaged: {problem}"))
                .hint("Restore a backup with the tempo that wrote it: `tempo doctor --restore FILE`.")
                .damage(),
        );
    }
    if from == to {
        return Ok(Upgrade { from, to, trial: None });
    }
    remove_leftovers(&database)?;
    let backup = with_suffix(&database, &format!(".version{from}"));
    let copy = DatabaseCopy {
        from: &connection,
        to: &with_suffix(&database, &format!(".{}.part", machine::pid())),
        shown: &backup.display().to_string(),
        what: &format!("back up `{shown}`"),
    };
    copy.write(|| {
        super::backup::place(copy.to, &backup).map_err(|e| {
            if e.kind() == Kind::Conflict {
                e.hint("It is the backup of an earlier check: move or delete it, and try again.")
            } else {
                e
            }
        })
    })?;
    let directory = database.parent().unwrap_or(Path::new("."));
    std::fs::File::open(directory)
        .and_then(|directory| directory.sync_all())
        .map_err(|e| Error::new(Kind::System, format_args!("cannot write the backup `{}`", backup.display())).because(e))?;
    let tried = with_suffix(&database, &format!(".{}.upgrade", machine::pid()));
    let trial = std::fs::copy(&backup, &tried)
        .map_err(|e| Error::new(Kind::System, format_args!("cannot copy `{}`", backup.display())).because(e))
        .and_then(|_| migrate(&tried));
    for suffix in ["", "-wal", "-shm", "-journal"] {
        let _ = std::fs::remove_file(with_suffix(&tried, suffix));
    }
    let (took, schedules, runs) = trial?;
    let trial = Some(Trial {
        backup,
        took,
        schedules,
        runs,
    });
    Ok(Upgrade { from, to, trial })
}

/// Removes the temporary files of checks that were killed.
fn remove_leftovers(database: &Path) -> Result<(), Error> {
    let failed = |e: std::io::Error| Error::new(Kind::System, "cannot delete what an earlier check has left").because(e);
    let (Some(directory), Some(name)) = (database.parent(), database.file_name()) else {
        return Ok(());
    };
    for entry in std::fs::read_dir(directory).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let file = entry.file_name();
        let pid = file
            .as_encoded_bytes()
            .strip_prefix(name.as_encoded_bytes())
            .and_then(|rest| std::str::from_utf8(rest).ok()?.strip_prefix('.')?.split_once('.'))
            .filter(|(_, rest)| matches!(rest.split('-').next(), Some("part" | "upgrade")))
            .and_then(|(pid, _)| pid.parse().ok());
        if pid.is_some_and(|pid| machine::Process::lookup(pid).is_none()) {
            match std::fs::remove_file(entry.path()) {
                // Another check was faster.
                Err(e) if e.kind() == std::io::ErrorKind::NotFound => {}
                removed => removed.map_err(failed)?,
            }
        }
    }
    Ok(())
}

/// Migrates a copy and checks it. Returns the time taken, and the numbers of schedules and runs.
fn migrate(copy: &Path) -> Result<(Duration, u64, u64), Error> {
    let watch = Stopwatch::start();
    let store = Store::open(copy, Missing::Refuse)?;
    let took = watch.elapsed();
    if let Some(problem) = store.check()?.into_iter().next() {
        return Err(Error::new(
            Kind::System,
            format_args!("the migrated copy is damaged: {problem}"),
        ));
    }
    let count = |table: &str| {
        let sql = format!("SELECT count(*) FROM {table}");
        let rows = store.connection.query_row(&sql, [], |r| r.get(0));
        rows.context("check the migrated copy")
    };
    Ok((took, count("schedule")?, count("run")?))
}
