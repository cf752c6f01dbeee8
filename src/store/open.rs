//! One connection to the database: opening it, its files, and closing it.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};

use super::busy::{retry_when_busy, until_free, with_patience};
use super::database_file::{create, reject_log_without_database};
use super::identity::{Files, LogIndex, with_suffix};
use super::lock::refuse_displaced;
use super::migrations;
use super::rows::Context as _;
use crate::clock::pause;
use crate::error::{Error, Kind};
use crate::machine;

/// The size of the page cache for a large change, in negative KiB as in `PRAGMA cache_size`.
const LARGE_CACHE: i64 = -32 * 1024;

/// The length of the log, in bytes, beyond which it is written back and emptied.
const LONG_LOG: u64 = 8 * 1024 * 1024;
/// How long emptying the log may block writers.
const CHECKPOINT_PATIENCE: Duration = Duration::from_millis(100);

/// Capacity of the statement cache: more than there are statements, because a cache that is one too small evicts each of them in turn.
const STATEMENTS: usize = 256;

/// Number of times a database is opened again if its files were deleted or replaced meanwhile, as SQLite does when others close it.
const OPEN_TRIES: u32 = 100;
const BETWEEN_OPEN_TRIES: Duration = Duration::from_millis(2);

/// What to do if the file does not exist.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Missing {
    /// Create the file and its directory, accessible to this user only.
    Create,
    /// Fail.
    Refuse,
    /// Open an empty database in memory. No file is created.
    ShowNothing,
}

/// A connection to the database.
#[derive(Debug)]
pub(crate) struct Store {
    pub(super) connection: Connection,
    path: PathBuf,
    /// The files of the database; `None` if it is in memory.
    files: Option<Files>,
    /// The index of the log, with which each change checks that the log is complete.
    pub(super) log_index: Option<Arc<LogIndex>>,
}

impl Store {
    /// Opens the database and migrates it to the current version.
    ///
    /// # Errors
    /// `System` if the file is a directory, unreadable, not a tempo database, from a newer tempo, or damaged. `NotFound` if it is missing and `missing`
    /// is [`Missing::Refuse`].
    pub(crate) fn open(path: &Path, missing: Missing) -> Result<Self, Error> {
        for _ in 0..OPEN_TRIES {
            if let Some(store) = Self::try_open(path, missing)? {
                return Ok(store);
            }
            pause(BETWEEN_OPEN_TRIES);
        }
        let shown = path.display();
        Err(Error::new(
            Kind::System,
            format_args!("cannot open `{shown}`: each time it was opened, one of its files was deleted or replaced"),
        )
        .hint("Only tempo and SQLite may create, change or delete the file, its log (`-wal`) and the index of the log (`-shm`)."))
    }

    /// Opens the database. `None` if one of its files was deleted or replaced meanwhile: a change would not be recorded in the one that exists now.
    fn try_open(path: &Path, missing: Missing) -> Result<Option<Self>, Error> {
        let shown = path.display().to_string();
        if path.is_dir() {
            return Err(
                Error::new(Kind::System, format_args!("the database `{shown}` is a directory"))
                    .hint("Specify a file, for example: `--db /srv/tempo.db`."),
            );
        }
        if std::fs::metadata(path).is_ok_and(|file| !file.is_file()) {
            return Err(Error::new(Kind::System, format_args!("`{shown}` is not a regular file"))
                .hint("Specify a file, for example: `--db /srv/tempo.db`."));
        }
        // The log and shared memory of a removed database may still exist, and SQLite would use them for a new database at the same path.
        refuse_displaced(path)?;
        reject_log_without_database(path)?;
        if !path.exists() {
            // A missing file is expected; a broken or inaccessible path is an error.
            if let Some(e) = std::fs::metadata(path).err().filter(|e| e.kind() != ErrorKind::NotFound) {
                return Err(Error::new(Kind::System, format_args!("cannot create the database `{shown}`")).because(e));
            }
            if missing == Missing::Refuse {
                return Err(Error::new(Kind::NotFound, format_args!("there is no database at `{shown}`"))
                    .hint("The first `tempo schedule create` creates it; use `--db` or `TEMPO_DB` for another file."));
            }
            if missing == Missing::ShowNothing {
                let mut connection = Connection::open_in_memory().context("open an empty database")?;
                migrations::migrate(&mut connection, &shown)?;
                return Ok(Some(Self {
                    connection,
                    path: path.to_owned(),
                    files: None,
                    log_index: None,
                }));
            }
            create(path)?;
        }
        let before = Files::at(path);
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        // Absolute, because SQLite gives some names a special meaning.
        let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
        #[cfg(not(test))]
        let opened = Connection::open_with_flags(absolute, flags);
        #[cfg(test)]
        let opened = super::failing_vfs::open(&absolute, flags);
        let mut connection = opened.context(&format!("open `{shown}`"))?;
        connection
            .busy_handler(Some(retry_when_busy))
            .context("set up the database")?;
        let read_only = connection.is_readonly("main").context(&format!("open `{shown}`"))?;
        connection
            .pragma_query_value(None, "schema_version", |_| Ok(()))
            .context(&format!("read `{shown}`"))?;
        if read_only {
            return Err(Error::new(Kind::System, format_args!("the database `{shown}` is read-only"))
                .hint("Check the permissions of the file and its directory; tempo needs write access even to show data."));
        }
        migrations::migrate(&mut connection, &shown)?;
        // `journal_mode` is stored in the file, the others apply to this connection.
        // `temp_store`: savepoint journals are kept in memory; otherwise each group of changes creates and deletes a file.
        let pragmas = [
            ("journal_mode", "WAL"),
            ("synchronous", "FULL"),
            ("foreign_keys", "ON"),
            ("temp_store", "MEMORY"),
            // Truncates a log that a large change has made long, at the next checkpoint.
            ("journal_size_limit", &LONG_LOG.to_string()),
        ];
        for (pragma, value) in pragmas {
            // The change to a log needs the database for itself; another process may be making it at this moment.
            until_free(|| {
                connection
                    .pragma_update_and_check(None, pragma, value, |_| Ok(()))
                    .or_else(ignore_no_row)
            })
            .context("set up the database")?;
        }
        // Query plans do not depend on bound values; otherwise SQLite prepares a statement again whenever a value changes.
        connection
            .set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)
            .context("set up the database")?;
        connection.set_prepared_statement_cache_capacity(STATEMENTS);
        // A first read creates the log and its index, which exist as long as this connection.
        connection
            .pragma_query_value(None, "schema_version", |_| Ok(()))
            .context(&format!("read `{shown}`"))?;
        let has_waited = refuse_displaced(path)?;
        let files = Files::at(path);
        let is_current = !has_waited && files.are_open(&before);
        let store = Self {
            connection,
            path: path.to_owned(),
            files: Some(files),
            log_index: None,
        };
        if is_current {
            return Ok(Some(store));
        }
        store.leave_log()?;
        Ok(None)
    }

    /// Saves the contents of the log after a file of the database was removed or replaced: writes them back into the database file, wherever it is
    /// now, so that no leftover log at the old path is used for another database. If another log exists there by now, that would damage the database;
    /// if another process is reading the database, it may not be possible; and if the database `is_deleted`, it does not save anything. Then writes
    /// a copy next to it and returns the path of the copy. A log that was overwritten is left alone: see [`leave_logs`].
    pub(crate) fn save(&self, is_deleted: bool) -> Result<Option<PathBuf>, Error> {
        if self.files.as_ref().is_some_and(Files::has_overwritten_log) {
            return Ok(None);
        }
        let has_another_log = |files: &Files| files.has_database() && files.has_another_log();
        if self.files.as_ref().is_some_and(has_another_log) {
            return self.save_copy().map(Some);
        }
        let copy = is_deleted.then(|| self.save_copy()).transpose()?;
        if !self.write_log_back()? && copy.is_none() {
            return self.save_copy().map(Some);
        }
        Ok(copy)
    }

    /// Writes the log back into the database and empties it. Returns false if others use the database, so that it is not done.
    fn write_log_back(&self) -> Result<bool, Error> {
        let done = self
            .connection
            .query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |r| r.get::<_, bool>("busy"));
        done.map(|is_busy| !is_busy).context("write the log back into the database")
    }

    /// Closes a database that nobody else uses, so that its file alone is complete.
    ///
    /// # Errors
    /// `System` when it cannot be written.
    pub(super) fn close(self) -> Result<(), Error> {
        if self.write_log_back()? {
            return Ok(());
        }
        Err(Error::new(
            Kind::System,
            "cannot write the log back into the database: another process uses it",
        ))
    }

    fn save_copy(&self) -> Result<PathBuf, Error> {
        let copy = with_suffix(&self.path, &format!(".saved-{}", machine::pid()));
        self.back_up(&copy).map(|()| copy)
    }

    /// Writes the log back and empties it if it has grown long: while readers overlap, SQLite's own checkpoints never find a moment without one. Waits
    /// for readers a tenth of a second at most, in which nobody can write; if that is not enough, the next call tries again.
    pub(super) fn shorten_log(&self) {
        let size = |files: &Files| std::fs::metadata(files.log()).map_or(0, |log| log.len());
        if self.files.as_ref().map_or(0, size) <= LONG_LOG {
            return;
        }
        let empty = "PRAGMA wal_checkpoint(TRUNCATE)";
        // If this fails, so does the next commit, and that is reported.
        let _ = with_patience(CHECKPOINT_PATIENCE, || self.connection.query_row(empty, [], |_| Ok(())));
    }

    /// The first of the opened files that has been deleted, moved, replaced or overwritten.
    pub(crate) fn displaced(&self) -> Option<PathBuf> {
        let files = self.files.as_ref()?;
        files.displaced().or_else(|| files.has_overwritten_log().then(|| files.log()))
    }

    /// The path of the log.
    pub(crate) fn log_path(&self) -> Option<PathBuf> {
        self.files.as_ref().map(Files::log)
    }

    /// Fails if a file was displaced, so that changes written to it are not acknowledged.
    ///
    /// # Errors
    /// `System`, naming the file.
    pub(crate) fn refuse_displaced(&self) -> Result<(), Error> {
        let Some(displaced) = self.displaced() else { return Ok(()) };
        if self.files.as_ref().is_some_and(Files::has_another_index) {
            self.leave_log()?;
        }
        Err(lost_file(&displaced))
    }

    /// Makes each change check that no other program has truncated the log: otherwise it would extend what remains of it, with a hole in the middle,
    /// and SQLite would write that back into the database.
    pub(crate) fn check_log(&mut self, index: Option<Arc<LogIndex>>) {
        self.log_index = index;
    }

    /// Fails if the log was truncated, so that it is left as it is.
    ///
    /// # Errors
    /// `System`, naming the log.
    pub(super) fn refuse_truncated_log(&self) -> Result<(), Error> {
        match self.log_index.as_ref().filter(|index| index.is_log_truncated()) {
            Some(index) => Err(lost_file(index.log())),
            None => Ok(()),
        }
    }

    /// Returns a check for long changes, to be made while they are under way: fails if a file was displaced. Until it is committed, a change may already
    /// be written to the log.
    pub(crate) fn displacement_check(&self) -> impl Fn() -> Result<(), Error> + use<> {
        let files = self.files.clone();
        move || match files.as_ref().and_then(Files::displaced) {
            Some(displaced) => Err(lost_file(&displaced)),
            None => Ok(()),
        }
    }

    /// Does not write the log back when this connection is closed, because it does not belong to the files that exist now.
    fn leave_log(&self) -> Result<(), Error> {
        let done = self
            .connection
            .set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true);
        done.map(|_| ()).context("leave the log as it is")
    }

    /// Keeps more pages in memory, for a large change: pages that do not fit are written to the log several times.
    ///
    /// # Errors
    /// `System` when the database does not answer.
    pub(crate) fn expect_large_change(&self) -> Result<(), Error> {
        self.connection
            .pragma_update(None, "cache_size", LARGE_CACHE)
            .context("set up the database")
    }

    /// Opens another connection to the same database.
    pub(crate) fn reopen(&self) -> Result<Self, Error> {
        Self::open(&self.path, Missing::Refuse)
    }

    /// Returns a number that changes whenever another connection changes the database; takes microseconds.
    pub(crate) fn data_version(&self) -> Result<i64, Error> {
        // Cached: a server calls this many times a second.
        let mut statement = self
            .connection
            .prepare_cached("PRAGMA data_version")
            .context("check whether the database has changed")?;
        statement
            .query_row([], |r| r.get(0))
            .context("check whether the database has changed")
    }
}

/// The error for a file of the database that another program has changed.
fn lost_file(path: &Path) -> Error {
    let message = format!(
        "`{}` was deleted, moved, replaced or overwritten while it was in use",
        path.display()
    );
    Error::new(Kind::System, message)
        .hint("The change may be lost: stop all tempo processes that use this database, run `tempo doctor`, then try again.")
}

fn ignore_no_row(e: rusqlite::Error) -> rusqlite::Result<()> {
    if e == rusqlite::Error::QueryReturnedNoRows {
        Ok(())
    } else {
        Err(e)
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        if LEAVE_LOGS.load(Ordering::SeqCst) || self.files.as_ref().is_some_and(Files::has_another_index) {
            // If this fails, so has every other call to SQLite.
            let _ = self.leave_log();
        }
    }
}

/// Whether no connection of this process writes its log back.
static LEAVE_LOGS: AtomicBool = AtomicBool::new(false);

/// Leaves the log as it is when the connections of this process are closed. What another program has written there must not be written back into the
/// database, which is intact as of the last time that the log was; SQLite ignores such a log from then on.
pub(crate) fn leave_logs() {
    LEAVE_LOGS.store(true, Ordering::SeqCst);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn opening_a_database_without_a_log_waits_for_one_that_writes_it() {
        let directory = tempfile::tempdir().unwrap();
        let (database, copy) = (directory.path().join("t.db"), directory.path().join("copy.db"));
        Store::open(&database, Missing::Create).unwrap().back_up(&copy).unwrap();
        let other = Connection::open(&copy).unwrap();
        other.execute_batch("BEGIN IMMEDIATE").unwrap();
        let opening = std::thread::spawn(move || Store::open(&copy, Missing::Refuse).map(drop));
        // It must be waiting; an error would end it at once.
        for _ in 0..50 {
            pause(Duration::from_millis(2));
            assert!(!opening.is_finished(), "{:?}", opening.join());
        }
        other.execute_batch("COMMIT").unwrap();
        opening.join().unwrap().unwrap();
    }
}
