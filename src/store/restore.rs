//! Restoring a backup: a checked copy of it takes the place of the database, which is kept under another name.

use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use rusqlite::{Connection, OpenFlags};

use super::backup::{DatabaseCopy, rename_to_new};
use super::database_file::reject_log_without_database;
use super::identity::{resolved, with_suffix};
use super::integrity::problems;
use super::lock::ServerLock;
use super::rows::{Context as _, at};
use super::{Missing, Store, migrations};
use crate::error::{Error, Kind};
use crate::machine;

/// Replaces the database with a copy of a backup. Returns the new path of the database that was replaced, if there was one.
///
/// # Errors
/// `NotFound` if there is no backup; `Conflict` while a server uses the database; `System` if the backup is not an intact database of this or an older
/// tempo, if the database is missing and its log remains, or if a file cannot be written. An error before the files are renamed leaves the
/// database unchanged; later errors say where it is.
pub(crate) fn restore(database: &Path, backup: &Path, now_ms: i64) -> Result<Option<PathBuf>, Error> {
    let shown = backup.display().to_string();
    let failed = |e: std::io::Error| Error::new(Kind::System, format_args!("cannot restore `{shown}`")).because(e);
    if !backup.exists() {
        return Err(Error::new(Kind::NotFound, format_args!("there is no backup at `{shown}`")));
    }
    // A pipe would be waited for, and SQLite takes an empty file for an empty database.
    let what_it_is = std::fs::metadata(backup).map_err(failed)?;
    if !what_it_is.is_file() || what_it_is.len() == 0 {
        let why = if what_it_is.is_file() {
            "is empty"
        } else {
            "is not a regular file"
        };
        return Err(
            Error::new(Kind::System, format_args!("`{shown}` {why}")).hint("Choose a file that `tempo doctor --backup` wrote.")
        );
    }
    if std::fs::metadata(database).is_ok_and(|file| !file.is_file()) {
        let database = database.display();
        return Err(Error::new(
            Kind::System,
            format_args!("the database `{database}` is not a regular file"),
        ));
    }
    let absolute = std::path::absolute(backup).map_err(failed)?;
    reject_log_without_database(&absolute)?;
    let what = format!("read the backup `{shown}`");
    let connection = Connection::open_with_flags(absolute, OpenFlags::SQLITE_OPEN_READ_ONLY).context(&what)?;
    migrations::check(&connection, &shown)?;
    // The copy would be intact, without what cannot be read.
    let damaged = |problem: &String| {
        Error::new(Kind::System, format_args!("the backup `{shown}` is damaged: {problem}"))
            .hint("Choose another backup. `sqlite3 FILE .recover` may recover some of the data.")
            .damage()
    };
    if let Some(problem) = problems(&connection)?.first() {
        return Err(damaged(problem));
    }
    let is_older = migrations::version(&connection)? < migrations::newest();
    let database = resolved(database);
    reject_log_without_database(&database)?;
    // Held until the files have changed places: no server can start in between.
    let lock = database
        .exists()
        .then(|| ServerLock::take(&database, machine::pid(), now_ms))
        .transpose()?;
    let unfinished = with_suffix(&database, &format!(".{}.part", machine::pid()));
    let copy = DatabaseCopy {
        from: &connection,
        to: &unfinished,
        shown: &shown,
        what: &format!("restore `{shown}`"),
    };
    let replaced = copy.write(|| {
        // Migrates a backup of an older tempo.
        let mut store = Store::open(&unfinished, Missing::Refuse)?;
        // The server that the backup was taken from may have been running.
        store.write(|w| w.record_restore(at(now_ms)))?;
        // What an older version should have is known only after the migration.
        if is_older && let Some(problem) = store.check()?.first() {
            return Err(damaged(problem));
        }
        store.close()?;
        for suffix in LOGS {
            // Empty, and already deleted unless that has failed.
            let _ = std::fs::remove_file(with_suffix(&unfinished, suffix));
        }
        replace(&database, &unfinished).map_err(failed)
    })?;
    drop(lock);
    let directory = database.parent().unwrap_or(Path::new("."));
    File::open(directory).and_then(|f| f.sync_all()).map_err(|e| {
        let kept = replaced
            .as_ref()
            .map(|kept| format!("The replaced database was kept as `{}`.", kept.display()));
        failed(e).hint(format_args!(
            "The backup is in place, but a power failure may undo this. {}",
            kept.unwrap_or_default()
        ))
    })?;
    Ok(replaced)
}

/// The beginning of a SQLite database.
const HEADER: &[u8; 16] = b"SQLite format 3\0";
/// The log of a database and its index, which are renamed before the database: a log must never be left beside another one.
const LOGS: [&str; 3] = ["-wal", "-shm", "-journal"];

/// Puts a copy in the place of a database. Returns the new path of the database that was replaced, if there was one. If this fails, the
/// database is renamed back; if that fails too, the error gives its new path.
fn replace(database: &Path, copy: &Path) -> std::io::Result<Option<PathBuf>> {
    if !database.exists() {
        return rename_to_new(copy, database).map(|()| None);
    }
    let aside = unused_name(database);
    write_back_log(database);
    let mut is_exchanged = false;
    let done = rename_files(database, &aside, &LOGS).and_then(|()| match exchange(copy, database) {
        // The old database now has the name of the copy.
        Ok(true) => {
            is_exchanged = true;
            rename_to_new(copy, &aside)
        }
        Ok(false) => rename_to_new(database, &aside).and_then(|()| rename_to_new(copy, database)),
        Err(e) => Err(e),
    });
    if let Err(e) = done {
        let back = || {
            if is_exchanged {
                exchange(copy, database)?;
            }
            if !database.exists() {
                rename_to_new(&aside, database)?;
            }
            rename_files(&aside, database, &LOGS)
        };
        return Err(match back() {
            Ok(()) => e,
            Err(_) => std::io::Error::new(e.kind(), format!("{e}; the database is now `{}`", aside.display())),
        });
    }
    Ok(Some(aside))
}

/// Writes the log of a database back into it, so that the file alone is complete whenever this process is killed. Not possible if the database is
/// damaged, which is why it is being replaced.
fn write_back_log(database: &Path) {
    // Beside a file that is not a database any more, such as an empty one, SQLite would delete the log.
    let mut start = [0; HEADER.len()];
    let is_database = File::open(database).and_then(|mut file| file.read_exact(&mut start)).is_ok() && start == *HEADER;
    if !is_database {
        return;
    }
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    if let Ok(connection) = Connection::open_with_flags(database, flags) {
        let _ = connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()));
    }
}

/// Exchanges the names of two files in one step; false if the file system cannot.
fn exchange(a: &Path, b: &Path) -> std::io::Result<bool> {
    use rustix::fs::{CWD, RenameFlags, renameat_with};
    use rustix::io::Errno;
    match renameat_with(CWD, a, CWD, b, RenameFlags::EXCHANGE) {
        Err(Errno::INVAL | Errno::NOSYS | Errno::NOTSUP) => Ok(false),
        done => Ok(done.map(|()| true)?),
    }
}

/// Returns a name for a replaced database that neither it nor its log would take from another file.
fn unused_name(database: &Path) -> PathBuf {
    let first = with_suffix(database, &format!(".replaced-{}", machine::pid()));
    let is_free = |name: &PathBuf| !name.exists() && LOGS.iter().all(|suffix| !with_suffix(name, suffix).exists());
    let mut names = std::iter::once(first.clone()).chain((2_u32..).map(|n| with_suffix(&first, &format!("-{n}"))));
    names.find(is_free).unwrap_or(first)
}

/// Renames those files of a database that exist.
fn rename_files(from: &Path, to: &Path, suffixes: &[&str]) -> std::io::Result<()> {
    let files = suffixes
        .iter()
        .map(|suffix| (with_suffix(from, suffix), with_suffix(to, suffix)));
    let mut existing = files.filter(|(from, _)| from.exists());
    existing.try_for_each(|(from, to)| rename_to_new(&from, &to))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::EventFilter;
    use crate::store::failing_vfs::{self, Failure};

    #[test]
    fn a_write_that_fails_at_any_point_of_a_restore_leaves_no_incomplete_database() {
        let stored = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/data/v4.db");
        let attempt = |failure: Option<(u64, Failure)>| {
            let directory = tempfile::tempdir().unwrap();
            let (backup, database) = (directory.path().join("backup.db"), directory.path().join("t.db"));
            std::fs::copy(&stored, &backup).unwrap();
            let disk = failing_vfs::arm(failure);
            let restored = restore(&database, &backup, 0);
            let operations = failing_vfs::operations();
            drop(disk);
            let files = contents(directory.path(), |_| ()).into_iter().map(|(name, ())| name);
            let files: Vec<String> = files.filter(|name| name.starts_with("t.db")).collect();
            if restored.is_err() {
                assert!(files.is_empty(), "{failure:?}: {files:?}");
            } else {
                assert_eq!(files, ["t.db"], "{failure:?}");
                let store = Store::open(&database, Missing::Refuse).unwrap();
                assert!(store.check().unwrap().is_empty(), "{failure:?}");
                let events = store.read(|r| r.events(&EventFilter::default())).unwrap();
                assert!(events.iter().any(|event| event.at.timestamp() == 0), "{failure:?}");
            }
            operations
        };
        let operations = attempt(None);
        assert!(operations > 10, "{operations}");
        for at in 1..=operations {
            for failure in [Failure::IoError, Failure::Full] {
                attempt(Some((at, failure)));
            }
        }
    }

    fn contents<T: Ord>(directory: &Path, read: impl Fn(&Path) -> T) -> Vec<(String, T)> {
        let entries = std::fs::read_dir(directory).unwrap().map(|e| e.unwrap());
        let mut found: Vec<_> = entries
            .map(|e| {
                let name = e.file_name().into_string().unwrap();
                (name, read(&e.path()))
            })
            .collect();
        found.sort();
        found
    }

    fn text(path: &Path) -> String {
        std::fs::read_to_string(path).unwrap()
    }

    #[test]
    fn the_database_alone_is_complete_before_its_files_are_renamed() {
        let directory = tempfile::tempdir().unwrap();
        let (live, database) = (directory.path().join("live.db"), directory.path().join("t.db"));
        let connection = Connection::open(&live).unwrap();
        connection
            .execute_batch(
                "PRAGMA journal_mode = WAL; PRAGMA wal_autocheckpoint = 0; CREATE TABLE t (n); INSERT INTO t VALUES (7);",
            )
            .unwrap();
        // As a server that was killed leaves them.
        for suffix in ["", "-wal"] {
            std::fs::copy(with_suffix(&live, suffix), with_suffix(&database, suffix)).unwrap();
        }
        write_back_log(&database);
        let _ = std::fs::remove_file(with_suffix(&database, "-wal"));
        let alone = Connection::open(&database).unwrap();
        let found: i64 = alone.query_row("SELECT n FROM t", [], |r| r.get(0)).unwrap();
        assert_eq!(found, 7);
    }

    #[test]
    fn a_failed_replacement_puts_the_database_and_its_log_back() {
        let directory = tempfile::tempdir().unwrap();
        let database = directory.path().join("t.db");
        for suffix in ["", "-wal", "-shm"] {
            std::fs::write(with_suffix(&database, suffix), suffix).unwrap();
        }
        let before = contents(directory.path(), text);
        replace(&database, &directory.path().join("no copy")).unwrap_err();
        assert_eq!(contents(directory.path(), text), before);
    }

    #[test]
    fn a_database_that_cannot_be_kept_under_another_name_is_exchanged_back() {
        let directory = tempfile::tempdir().unwrap();
        // Long enough that no suffix fits.
        let (database, copy) = (directory.path().join("t".repeat(250)), directory.path().join("copy"));
        std::fs::write(&database, "old").unwrap();
        std::fs::write(&copy, "new").unwrap();
        let before = contents(directory.path(), text);
        replace(&database, &copy).unwrap_err();
        assert_eq!(contents(directory.path(), text), before);
    }

    #[test]
    fn a_database_stays_if_its_log_cannot_be_renamed() {
        let directory = tempfile::tempdir().unwrap();
        let (database, aside) = (directory.path().join("t.db"), directory.path().join("aside"));
        for path in [&database, &with_suffix(&database, "-shm"), &with_suffix(&aside, "-shm")] {
            std::fs::write(path, "").unwrap();
        }
        rename_files(&database, &aside, &LOGS).unwrap_err();
        assert!(database.exists() && !aside.exists());
    }

    #[test]
    fn an_earlier_replaced_database_keeps_its_name() {
        let directory = tempfile::tempdir().unwrap();
        let (database, copy) = (directory.path().join("t.db"), directory.path().join("copy"));
        // Process ids repeat; only the log of the earlier database is left here.
        let earlier = with_suffix(&database, &format!(".replaced-{}", machine::pid()));
        std::fs::write(with_suffix(&earlier, "-wal"), "earlier").unwrap();
        for (path, text) in [(&database, "old"), (&with_suffix(&database, "-wal"), "log"), (&copy, "new")] {
            std::fs::write(path, text).unwrap();
        }
        let aside = replace(&database, &copy).unwrap().unwrap();
        let read = |path: &Path| std::fs::read_to_string(path).unwrap();
        assert_eq!(aside, with_suffix(&earlier, "-2"));
        assert_eq!(
            (read(&aside), read(&with_suffix(&aside, "-wal"))),
            ("old".to_owned(), "log".to_owned())
        );
        assert_eq!(
            (read(&database), read(&with_suffix(&earlier, "-wal"))),
            ("new".to_owned(), "earlier".to_owned())
        );
        assert!(!with_suffix(&database, "-wal").exists());
    }
}
