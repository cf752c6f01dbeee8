//! One `tempo run` per database: a lock on the database file, which cannot be removed separately, and one on a lock file next to it that names the
//! holder. The kernel releases both when the process ends, even if it crashes.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use rustix::fs::FlockOperation;

use super::identity::{FileId, Files, LogIndex, is_truncated};
use super::lock_file::{Holder, holder, lock_path, lock_text, open, parse_holder, read_holder, write};
use crate::clock::pause;
use crate::error::{Error, Kind};
use crate::machine;

/// Attempts to take the lock, and the pause between them, before a server is assumed to be running.
const TRIES: u32 = 20;
const BETWEEN_TRIES: Duration = Duration::from_millis(5);
/// As [`TRIES`], while the process that holds the lock is ending.
const TRIES_AT_END: u32 = 400;

/// The lock that a server holds for its lifetime. Drop it only after all connections to the database: closing any descriptor of a file releases the
/// locks that SQLite holds on it in this process (`fcntl(2)`).
#[derive(Debug)]
pub(crate) struct ServerLock {
    database: File,
    log_index: Option<Arc<LogIndex>>,
    lock_file: Mutex<LockFile>,
    path: PathBuf,
}

/// The open lock file.
#[derive(Debug)]
struct LockFile {
    file: File,
    /// Its contents.
    text: String,
    /// Its modification time after the last answer, see [`server_responds`](super::liveness::server_responds).
    answered: Option<SystemTime>,
}

/// Locks a file. Tries several times, because a command that checks for a server holds the lock briefly.
fn lock(file: &File) -> bool {
    (0..TRIES).any(|attempt| {
        if attempt > 0 {
            pause(BETWEEN_TRIES);
        }
        rustix::fs::flock(file, FlockOperation::NonBlockingLockExclusive).is_ok()
    })
}

impl ServerLock {
    /// Takes the lock of an open database, and records the holder's pid and start time in the lock file.
    ///
    /// # Errors
    /// `Conflict` with the pid of the server that holds the lock.
    pub(crate) fn take(database: &Path, pid: u32, since_ms: i64) -> Result<Self, Error> {
        let path = lock_path(database);
        let failed = |e: std::io::Error| Error::new(Kind::System, format_args!("cannot lock `{}`", path.display())).because(e);
        if std::fs::metadata(database).is_ok_and(|m| std::os::unix::fs::MetadataExt::nlink(&m) > 1) {
            return Err(Error::new(
                Kind::System,
                format_args!("the database `{}` has several names (hard links)", database.display()),
            )
            .hint("Two servers on one file would damage it: keep one name and use symbolic links for the others."));
        }
        let mut lock_file = open(&path).map_err(failed)?;
        let database_file = File::open(database).map_err(failed)?;
        if !lock(&database_file) || !lock(&lock_file) {
            let holder = read_holder(&mut lock_file).map_or_else(String::new, |holder| format!(" (pid {})", holder.pid));
            // Not closed, because the open connection would lose its locks. The process ends with this error.
            std::mem::forget(database_file);
            return Err(Error::new(
                Kind::Conflict,
                format_args!("`tempo run` is already running on `{}`{holder}", database.display()),
            )
            .hint("Stop that server first; only one process can serve, or restore, a database."));
        }
        let ids = Files::at(database).ids().map(Option::unwrap_or_default);
        let text = lock_text(pid, since_ms, ids);
        write(&lock_file, &text).map_err(failed)?;
        Ok(Self {
            database: database_file,
            log_index: LogIndex::open(database).map(Arc::new),
            lock_file: Mutex::new(LockFile {
                file: lock_file,
                text,
                answered: None,
            }),
            path,
        })
    }

    /// Whether the database file has no name any more: it was deleted, or another file was renamed over it.
    pub(crate) fn is_database_deleted(&self) -> bool {
        use std::os::unix::fs::MetadataExt as _;
        self.database.metadata().is_ok_and(|file| file.nlink() == 0)
    }

    /// The length of the database file in bytes.
    pub(crate) fn database_length(&self) -> u64 {
        self.database.metadata().map_or(0, |file| file.len())
    }

    /// The index of the log, if it could be opened.
    pub(crate) fn log_index(&self) -> Option<Arc<LogIndex>> {
        self.log_index.clone()
    }

    /// Whether another program has truncated the log.
    pub(crate) fn is_log_truncated(&self) -> bool {
        self.log_index.as_ref().is_some_and(|index| index.is_log_truncated())
    }

    /// Whether another program has truncated the database file.
    pub(crate) fn is_database_truncated(&self) -> bool {
        is_truncated(&self.database)
    }

    /// Restores the lock file if it was removed, replaced or emptied; returns its path if that was necessary.
    ///
    /// # Errors
    /// `System` if the lock file cannot be written.
    pub(crate) fn restore(&self) -> Result<Option<&Path>, Error> {
        let mut lock_file = self.lock_file.lock().unwrap_or_else(PoisonError::into_inner);
        let failed =
            |e: std::io::Error| Error::new(Kind::System, format_args!("cannot write `{}` again", self.path.display())).because(e);
        if FileId::at(&self.path) == FileId::of(&lock_file.file) {
            if lock_file
                .file
                .metadata()
                .is_ok_and(|file| file.len() == lock_file.text.len() as u64)
            {
                return Ok(None);
            }
            write(&lock_file.file, &lock_file.text).map_err(failed)?;
            return Ok(Some(&self.path));
        }
        let new = open(&self.path).map_err(failed)?;
        // At worst, a command holds it briefly; no other server can be running.
        lock(&new);
        write(&new, &lock_file.text).map_err(failed)?;
        lock_file.file = new;
        Ok(Some(&self.path))
    }

    /// Answers the commands that check whether the server responds: sets back the modification time that they have set.
    pub(crate) fn answer(&self) {
        let mut lock_file = self.lock_file.lock().unwrap_or_else(PoisonError::into_inner);
        let modified = |file: &File| file.metadata().and_then(|metadata| metadata.modified()).ok();
        if lock_file.answered.is_none() || modified(&lock_file.file) != lock_file.answered {
            let since = parse_holder(&lock_file.text).map_or(0, |holder| holder.since_ms);
            let since = SystemTime::UNIX_EPOCH + Duration::from_millis(u64::try_from(since).unwrap_or(0));
            // If this fails, the server seems not to respond.
            let _ = lock_file.file.set_modified(since);
            // As the file system has rounded it.
            lock_file.answered = modified(&lock_file.file);
        }
    }

    /// Removes the files of the database from the lock file. To be called before the last connection is closed: SQLite then deletes the log and its
    /// index, which is no loss that commands should report.
    pub(crate) fn forget_files(&self) {
        let mut lock_file = self.lock_file.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(holder) = parse_holder(&lock_file.text) {
            let text = lock_text(holder.pid, holder.since_ms, [FileId::default(); 3]);
            let page = holder.page.map(|address| format!(" {address}")).unwrap_or_default();
            lock_file.text = format!("{}{page}\n", text.trim_end());
            // If this fails, commands wait until the server has ended.
            let _ = write(&lock_file.file, &lock_file.text);
        }
    }

    /// Adds the address of the server's page to the lock file.
    ///
    /// # Errors
    /// `System` if the lock file cannot be written.
    pub(crate) fn announce(&self, address: &str) -> Result<(), Error> {
        let mut lock_file = self.lock_file.lock().unwrap_or_else(PoisonError::into_inner);
        lock_file.text = format!("{} {address}\n", lock_file.text.trim_end());
        write(&lock_file.file, &lock_file.text)
            .map_err(|e| Error::new(Kind::System, format_args!("cannot write `{}`", self.path.display())).because(e))
    }
}

/// Fails if a file of the database was removed or replaced while a server is using it: a change written now would be lost, or would damage the
/// database.
///
/// Returns whether it has waited for a server to end or to start: then the files may have changed.
///
/// # Errors
/// `System`, naming the file; `Conflict` if the server uses the database by another name.
pub(super) fn refuse_displaced(database: &Path) -> Result<bool, Error> {
    let mut tries = 0;
    loop {
        let Some(server) = holder(database) else {
            return Ok(tries > 0);
        };
        let checked = check_displaced(database, &server);
        // A server that starts or ends holds its lock for a moment without its files, as may a process that it was about to start.
        let patience = if machine::is_ending(server.pid) { TRIES_AT_END } else { TRIES };
        if checked.is_ok() || tries >= patience {
            return checked.map(|()| tries > 0);
        }
        tries += 1;
        pause(BETWEEN_TRIES);
    }
}

fn check_displaced(database: &Path, server: &Holder) -> Result<(), Error> {
    if server.has_other_name {
        let (database, pid) = (database.display(), server.pid);
        return Err(Error::new(
            Kind::Conflict,
            format_args!("the database `{database}` is in use by `tempo run` (pid {pid}) by another name, with another log"),
        )
        .hint("Use the path that the server was started with. A hard link, a bind mount or a move while it runs gives a database a second name."));
    }
    let files = Files::seen(database, server.ids);
    let Some(displaced) = files.displaced() else { return Ok(()) };
    let pid = server.pid;
    if !files.has_database() {
        return Err(Error::new(
            Kind::System,
            format_args!(
                "the database `{}` was deleted, moved or replaced while `tempo run` (pid {pid}) was using it",
                database.display()
            ),
        )
        .hint("That server is about to stop; then put the file back or start a new server."));
    }
    Err(Error::new(
        Kind::System,
        format_args!(
            "`{}` was deleted or replaced while `tempo run` (pid {pid}) was using it",
            displaced.display()
        ),
    )
    .hint("It holds the latest changes. The server saves what it can and is about to stop; then try again."))
}

#[cfg(test)]
mod tests {
    use super::super::{Missing, Store, server_pid};
    use super::*;

    #[test]
    fn commands_report_files_that_a_server_loses_but_not_those_that_it_closes() {
        for closes in [true, false] {
            let directory = tempfile::tempdir().unwrap();
            let database = directory.path().join("t.db");
            let store = Store::open(&database, Missing::Create).unwrap();
            let lock = ServerLock::take(&database, machine::pid(), 0).unwrap();
            if closes {
                lock.forget_files();
            }
            // Deletes the log and its index, like the last of its connections that a server closes.
            drop(store);
            assert_eq!(refuse_displaced(&database).is_ok(), closes);
            assert_eq!(server_pid(&database), Some((machine::pid(), 0)));
        }
    }
}
