//! One connection to the file: how it is opened, and its transactions.

use std::cell::Cell;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags, Transaction, TransactionBehavior};

use super::identity::{Files, with_suffix};
use super::lock::refuse_displaced;
use super::rows::Context as _;
use super::{Read, Write, migrations};
use crate::clock::{Stopwatch, pause};
use crate::error::{Error, Kind};
use crate::machine;

/// How long a command waits for its turn to write.
const BUSY_DEADLINE: Duration = Duration::from_secs(10);
/// How long it sleeps between tries: the default handler sleeps up to 100 ms and starves beside a busy server (facts.md).
const BUSY_PAUSE: Duration = Duration::from_micros(100);
/// The length of the log, in bytes, beyond which it is written back and emptied.
const LONG_LOG: u64 = 8 * 1024 * 1024;
/// How long that may keep writers waiting.
const CHECKPOINT_PATIENCE: Duration = Duration::from_millis(100);

/// How many statements are kept ready: more than there are, since one too few parses all of them anew in turn.
const STATEMENTS: usize = 256;

/// What to do when the file is not there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Missing {
    /// Make it, and its folder, for this user only.
    Create,
    /// Refuse.
    Refuse,
    /// Show what there is: nothing. No file is made.
    ShowNothing,
}

/// A connection to the file.
#[derive(Debug)]
pub(crate) struct Store {
    pub(super) connection: Connection,
    path: PathBuf,
    /// Which files that are; none where it is only in memory.
    files: Option<Files>,
}

impl Store {
    /// Opens the file, and brings it to this version.
    ///
    /// # Errors
    /// `System` when it is a folder, unreadable, not tempo's, from a newer tempo, or damaged. `NotFound` when it is missing and that is refused.
    pub(crate) fn open(path: &Path, missing: Missing) -> Result<Self, Error> {
        let shown = path.display().to_string();
        if path.is_dir() {
            return Err(
                Error::new(Kind::System, format_args!("the database `{shown}` is a directory"))
                    .hint("Name a file, as in `--db /srv/tempo.db`."),
            );
        }
        // The log and the shared memory of a file that was taken away are still there, and would be taken for those of another.
        refuse_displaced(path)?;
        if !path.exists() {
            // Not there is one thing; a path that leads nowhere, or is barred, is another.
            if let Some(e) = std::fs::metadata(path).err().filter(|e| e.kind() != ErrorKind::NotFound) {
                return Err(Error::new(Kind::System, format_args!("cannot make the database `{shown}`")).because(e));
            }
            if missing == Missing::Refuse {
                return Err(Error::new(Kind::NotFound, format_args!("there is no database at `{shown}`"))
                    .hint("It is made by the first `tempo schedule create`; `--db` or `TEMPO_DB` names another."));
            }
            if missing == Missing::ShowNothing {
                let mut connection = Connection::open_in_memory().context("open an empty database")?;
                migrations::migrate(&mut connection, &shown)?;
                return Ok(Self {
                    connection,
                    path: path.to_owned(),
                    files: None,
                });
            }
            create(path)?;
        }
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        // Absolute, so that no name means anything special to SQLite.
        let named = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
        #[cfg(not(test))]
        let opened = Connection::open_with_flags(named, flags);
        #[cfg(test)]
        let opened = super::failing_vfs::open(&named, flags);
        let mut connection = opened.context(&format!("open `{shown}`"))?;
        connection
            .busy_handler(Some(wait_for_turn))
            .context("wait for the database")?;
        let read_only = connection.is_readonly("main").context(&format!("open `{shown}`"))?;
        connection
            .pragma_query_value(None, "schema_version", |_| Ok(()))
            .context(&format!("read `{shown}`"))?;
        if read_only {
            return Err(Error::new(Kind::System, format_args!("the database `{shown}` is read-only"))
                .hint("Check who owns the file and its folder; tempo writes even when it only shows."));
        }
        migrations::migrate(&mut connection, &shown)?;
        // `journal_mode` stays with the file, the others do not.
        // What undoes a savepoint is kept in memory: else each group of changes makes a file and takes it away.
        let pragmas = [
            ("journal_mode", "WAL"),
            ("synchronous", "FULL"),
            ("foreign_keys", "ON"),
            ("temp_store", "MEMORY"),
            // A log that a large change has made long is cut at the next chance.
            ("journal_size_limit", &LONG_LOG.to_string()),
        ];
        for (pragma, value) in pragmas {
            connection
                .pragma_update_and_check(None, pragma, value, |_| Ok(()))
                .or_else(ignore_no_row)
                .context("set up the database")?;
        }
        // A plan does not depend on the values asked for: else SQLite parses a statement anew whenever a value changes.
        connection
            .set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)
            .context("set up the database")?;
        connection.set_prepared_statement_cache_capacity(STATEMENTS);
        // A first read: from now on the log and its index are there, and stay as long as this connection.
        connection
            .pragma_query_value(None, "schema_version", |_| Ok(()))
            .context(&format!("read `{shown}`"))?;
        Ok(Self {
            connection,
            path: path.to_owned(),
            files: Some(Files::at(path)),
        })
    }

    /// Saves what is in the log of a database of which a file was removed or replaced: writes it back into the database, wherever that is now, so that
    /// nothing beside its old place is taken for another file's. Where somebody has made another log meanwhile, that would damage the database, and
    /// where somebody reads it for long, it is not possible: a copy is written beside it instead; its path.
    pub(crate) fn save(&self) -> Result<Option<PathBuf>, Error> {
        if self
            .files
            .as_ref()
            .is_some_and(|files| files.has_database() && files.has_another_log())
        {
            return self.save_copy().map(Some);
        }
        let is_busy: bool = self
            .connection
            .query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |r| r.get("busy"))
            .context("write the log back into the database")?;
        if is_busy {
            return self.save_copy().map(Some);
        }
        Ok(None)
    }

    fn save_copy(&self) -> Result<PathBuf, Error> {
        let copy = with_suffix(&self.path, &format!(".saved-{}", machine::pid()));
        self.back_up(&copy).map(|()| copy)
    }

    /// Writes the log back and empties it where it has grown long: beside readers that overlap, SQLite's own checkpoints never find a moment without one.
    /// Waits a tenth of a second at most, in which nobody can write; whether that was enough is seen at the next call.
    pub(super) fn shorten_log(&self) {
        let size = |files: &Files| std::fs::metadata(files.log()).map_or(0, |log| log.len());
        if self.files.as_ref().map_or(0, size) <= LONG_LOG {
            return;
        }
        PATIENCE.set(CHECKPOINT_PATIENCE);
        // Where it fails, the next commit fails in the same way, and reports it.
        let _ = self.connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()));
        PATIENCE.set(BUSY_DEADLINE);
    }

    /// The first of the files that were opened that is not in its place any more: deleted, moved or replaced.
    pub(crate) fn displaced(&self) -> Option<PathBuf> {
        self.files.as_ref().and_then(Files::displaced)
    }

    /// Refuses to acknowledge what was written to files that nobody will find.
    fn refuse_displaced(&self) -> Result<(), Error> {
        let Some(displaced) = self.displaced() else { return Ok(()) };
        Err(Error::new(
            Kind::System,
            format_args!("`{}` was deleted, moved or replaced while it was in use", displaced.display()),
        )
        .hint("The change may be lost: stop every tempo on this database, run `tempo doctor`, then try again."))
    }

    /// What SQLite finds wrong with the file: nothing, or lines that say what.
    pub(crate) fn check(&self) -> Result<Vec<String>, Error> {
        let mut statement = self
            .connection
            .prepare("PRAGMA integrity_check")
            .context("check the database")?;
        let rows = statement
            .query_map([], |r| r.get::<_, String>(0))
            .context("check the database")?;
        let lines: Vec<String> = rows.collect::<rusqlite::Result<_>>().context("check the database")?;
        Ok(lines.into_iter().filter(|l| l != "ok").collect())
    }

    /// Another connection to the same file.
    pub(crate) fn again(&self) -> Result<Self, Error> {
        Self::open(&self.path, Missing::Refuse)
    }

    /// Asks, all of it from one state of the file.
    pub(crate) fn read<T>(&self, ask: impl FnOnce(&Read<'_>) -> Result<T, Error>) -> Result<T, Error> {
        let transaction = self.connection.unchecked_transaction().context("begin to read")?;
        let found = ask(&Read(&transaction));
        transaction.finish().context("end reading")?;
        found
    }

    /// Changes, all of it or nothing; when this returns `Ok`, it is on disk.
    pub(crate) fn write<T>(&mut self, change: impl FnOnce(&Write<'_>) -> Result<T, Error>) -> Result<T, Error> {
        let transaction = self.begin()?;
        let done = change(&Write(Read(&transaction)))?;
        transaction.commit().context("write to the database")?;
        self.refuse_displaced()?;
        Ok(done)
    }

    /// Runs several changes in one transaction, each of them all or nothing by itself: `change` is called with each index, and says whether it is to
    /// be kept. Where one is not, all of them are run once more, apart from one another: that is seldom, and savepoints cost a tenth of the work.
    pub(super) fn write_group(&mut self, changes: usize, mut change: impl FnMut(usize, &Write<'_>) -> bool) -> Result<(), Error> {
        let transaction = self.begin()?;
        if (0..changes).all(|index| change(index, &Write(Read(&transaction)))) {
            transaction.commit().context("write to the database")?;
            return self.refuse_displaced();
        }
        transaction.rollback().context("undo a change")?;
        if changes == 1 {
            return Ok(());
        }
        let mut transaction = self.begin()?;
        for index in 0..changes {
            let savepoint = transaction.savepoint().context("begin a change")?;
            if change(index, &Write(Read(&savepoint))) {
                savepoint.commit().context("end a change")?;
            } else {
                savepoint.finish().context("undo a change")?;
            }
        }
        transaction.commit().context("write to the database")?;
        self.refuse_displaced()
    }

    fn begin(&mut self) -> Result<Transaction<'_>, Error> {
        self.connection
            .transaction_with_behavior(TransactionBehavior::Immediate)
            .context("begin to write")
    }

    /// A number that changes whenever another connection has changed the file; costs microseconds.
    pub(crate) fn version_of_data(&self) -> Result<i64, Error> {
        // Kept ready: a server asks many times a second.
        let mut statement = self
            .connection
            .prepare_cached("PRAGMA data_version")
            .context("ask whether the database has changed")?;
        statement
            .query_row([], |r| r.get(0))
            .context("ask whether the database has changed")
    }
}

fn ignore_no_row(e: rusqlite::Error) -> rusqlite::Result<()> {
    if e == rusqlite::Error::QueryReturnedNoRows {
        Ok(())
    } else {
        Err(e)
    }
}

/// Creates an empty file, readable by this user only, and the folders above it.
fn create(path: &Path) -> Result<(), Error> {
    use std::os::unix::fs::OpenOptionsExt as _;
    create_folder_of(path)?;
    let made = std::fs::OpenOptions::new().create(true).append(true).mode(0o600).open(path);
    made.map(|_| ())
        .map_err(|e| Error::new(Kind::System, format_args!("cannot make the database `{}`", path.display())).because(e))
}

/// Creates the folders above a file, for this user only.
pub(super) fn create_folder_of(path: &Path) -> Result<(), Error> {
    use std::os::unix::fs::DirBuilderExt as _;
    if let Some(folder) = path.parent().filter(|f| !f.as_os_str().is_empty() && !f.exists()) {
        std::fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(folder)
            .map_err(|e| Error::new(Kind::System, format_args!("cannot make the folder `{}`", folder.display())).because(e))?;
    }
    Ok(())
}

thread_local! {
    static WAITING_SINCE: Cell<Option<Stopwatch>> = const { Cell::new(None) };
    /// How long this thread waits for others.
    static PATIENCE: Cell<Duration> = const { Cell::new(BUSY_DEADLINE) };
}

/// Longer from try to try: dozens of processes that ask ten thousand times a second leave the one that writes no processor. Spread by process, so that
/// they do not ask at the same moments.
fn busy_pause(tries: i32) -> Duration {
    let pause = match tries {
        ..50 => return BUSY_PAUSE,
        50..100 => BUSY_PAUSE * 10,
        _ => BUSY_PAUSE * 40,
    };
    pause + pause * (machine::pid() % 8) / 8
}

/// SQLite asks again and again while another process writes; `tries` starts at 0 for each wait.
fn wait_for_turn(tries: i32) -> bool {
    WAITING_SINCE.with(|since| {
        if tries == 0 || since.get().is_none() {
            since.set(Some(Stopwatch::start()));
        }
        let over = since.get().is_some_and(|s| s.elapsed() > PATIENCE.get());
        if !over {
            pause(busy_pause(tries));
        }
        !over
    })
}
