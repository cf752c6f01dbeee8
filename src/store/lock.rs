//! One `tempo run` per database: a lock on the database itself, which cannot be removed beside it, and one on a file beside it that says who holds
//! them. The kernel lets go of both when the process ends, however it ends.

use std::fs::File;
use std::io::{Read as _, Seek as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use rustix::fs::FlockOperation;

use super::identity::{FileId, Files, resolved, with_suffix};
use crate::clock::pause;
use crate::error::{Error, Kind};
use crate::machine;

/// How often, and how far apart, the lock is asked for before a server is taken to be up.
const TRIES: u32 = 20;
const BETWEEN_TRIES: Duration = Duration::from_millis(5);

/// Held by the server for its life. Dropped only after every connection to the database: closing any descriptor of a file drops the locks that SQLite
/// holds on it in this process (`fcntl(2)`).
#[derive(Debug)]
pub(crate) struct ServerLock {
    _database: File,
    beside: Mutex<File>,
    path: PathBuf,
    /// What stands in the file beside the database.
    text: String,
}

fn lock_path(database: &Path) -> PathBuf {
    with_suffix(&resolved(database), ".lock")
}

fn open(path: &Path) -> std::io::Result<File> {
    use std::os::unix::fs::OpenOptionsExt as _;
    File::options()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .custom_flags(SAFE)
        .open(path)
        .and_then(regular)
}

/// Neither another file through a symbolic link, nor the end of a pipe that never comes.
const SAFE: i32 = (rustix::fs::OFlags::NOFOLLOW.bits() | rustix::fs::OFlags::NONBLOCK.bits()).cast_signed();

fn regular(file: File) -> std::io::Result<File> {
    if file.metadata()?.is_file() {
        return Ok(file);
    }
    Err(std::io::Error::other("it is not a regular file"))
}

/// Locks a file; a command that asks whether a server is up holds the lock for a moment.
fn lock(file: &File) -> bool {
    (0..TRIES).any(|tried| {
        if tried > 0 {
            pause(BETWEEN_TRIES);
        }
        rustix::fs::flock(file, FlockOperation::NonBlockingLockExclusive).is_ok()
    })
}

fn write(mut file: &File, text: &str) -> std::io::Result<()> {
    file.set_len(0)?;
    file.rewind()?;
    file.write_all(text.as_bytes())
}

impl ServerLock {
    /// Takes the lock of a database that is open, and writes who holds it since when.
    ///
    /// # Errors
    /// `Conflict` that names the pid of the server which holds it.
    pub(crate) fn take(database: &Path, pid: u32, since_ms: i64) -> Result<Self, Error> {
        let path = lock_path(database);
        let attempted = |e: std::io::Error| Error::new(Kind::System, format_args!("cannot lock `{}`", path.display())).because(e);
        if std::fs::metadata(database).is_ok_and(|m| std::os::unix::fs::MetadataExt::nlink(&m) > 1) {
            return Err(Error::new(
                Kind::System,
                format_args!("the database `{}` has several names (hard links)", database.display()),
            )
            .hint("Two servers on one file would damage it: keep one name, and use symbolic links for others."));
        }
        let mut beside = open(&path).map_err(attempted)?;
        let held = File::open(database).map_err(attempted)?;
        if !lock(&held) || !lock(&beside) {
            let holder = read_holder(&mut beside).map_or_else(String::new, |held| format!(" (pid {})", held.pid));
            // Not closed: the connection that is open would lose its locks. The process ends with this error.
            std::mem::forget(held);
            return Err(Error::new(
                Kind::Conflict,
                format_args!("`tempo run` is up already on `{}`{holder}", database.display()),
            )
            .hint("One server serves a file: stop the other one, or name another file with `--db`."));
        }
        let ids = Files::at(database).ids().map(Option::unwrap_or_default);
        let ids = ids.map(|id| format!(" {} {}", id.device, id.inode)).concat();
        let text = format!("{pid} {since_ms}{ids}\n");
        write(&beside, &text).map_err(attempted)?;
        Ok(Self {
            _database: held,
            beside: Mutex::new(beside),
            path,
            text,
        })
    }

    /// Puts the file beside the database back where it was removed or replaced; its path, where that was necessary.
    ///
    /// # Errors
    /// `System` when it cannot be written.
    pub(crate) fn restore(&self) -> Result<Option<&Path>, Error> {
        use std::os::unix::fs::MetadataExt as _;
        let mut beside = self.beside.lock().unwrap_or_else(PoisonError::into_inner);
        let own = beside.metadata().ok().map(|m| FileId {
            device: m.dev(),
            inode: m.ino(),
        });
        if FileId::at(&self.path) == own {
            return Ok(None);
        }
        let attempted =
            |e: std::io::Error| Error::new(Kind::System, format_args!("cannot write `{}` again", self.path.display())).because(e);
        let new = open(&self.path).map_err(attempted)?;
        // Held by a command for a moment, if at all: no other server can be up.
        lock(&new);
        write(&new, &self.text).map_err(attempted)?;
        *beside = new;
        Ok(Some(&self.path))
    }
}

/// Who holds a lock.
struct Holder {
    pid: u32,
    since_ms: i64,
    /// The files that it serves.
    ids: [Option<FileId>; 3],
}

fn read_holder(file: &mut File) -> Option<Holder> {
    let mut text = String::new();
    file.rewind().ok()?;
    file.read_to_string(&mut text).ok()?;
    let mut words = text.split_whitespace();
    let (pid, since_ms) = (words.next()?.parse().ok()?, words.next()?.parse().ok()?);
    let mut number = || words.next()?.parse::<u64>().ok();
    let ids = [(); 3].map(|()| {
        let (device, inode) = (number()?, number()?);
        (inode > 0).then_some(FileId { device, inode })
    });
    Some(Holder { pid, since_ms, ids })
}

fn holder(database: &Path) -> Option<Holder> {
    use std::os::unix::fs::OpenOptionsExt as _;
    let path = lock_path(database);
    let opened = File::options().read(true).custom_flags(SAFE).open(&path);
    let Ok(mut file) = opened.and_then(regular) else {
        return holder_of_database(database);
    };
    if rustix::fs::flock(&file, FlockOperation::NonBlockingLockShared).is_ok() {
        return None;
    }
    read_holder(&mut file)
}

/// The holder of the lock on the database itself, for when the file beside it is missing or is no file: the kernel is asked, since opening and closing
/// the database would drop the locks that SQLite holds on it in this process.
fn holder_of_database(database: &Path) -> Option<Holder> {
    let files = Files::at(database);
    let id = files.ids()[0]?;
    let process = machine::Process::locking(id.device, id.inode)?;
    Some(Holder {
        pid: process.pid,
        since_ms: process.started_at()?.timestamp_millis(),
        ids: files.ids(),
    })
}

/// Refuses a database of which a file was removed or replaced under the server that is up: what a command wrote now would be lost, or would damage it.
///
/// # Errors
/// `Conflict` where it is the database itself, `System` where it is its log.
pub(super) fn refuse_displaced(database: &Path) -> Result<(), Error> {
    let Some(held) = holder(database) else { return Ok(()) };
    let files = Files::seen(database, held.ids);
    let Some(displaced) = files.displaced() else { return Ok(()) };
    let pid = held.pid;
    if !files.has_database() {
        return Err(Error::new(
            Kind::Conflict,
            format_args!(
                "the database `{}` was taken away under `tempo run` (pid {pid})",
                database.display()
            ),
        )
        .hint("That server stops in a moment: then put the file back, or start a new one."));
    }
    Err(Error::new(
        Kind::System,
        format_args!(
            "`{}` was deleted or replaced under `tempo run` (pid {pid})",
            displaced.display()
        ),
    )
    .hint("It holds the newest changes. That server saves what it can and stops in a moment; then try again."))
}

/// The pid of the server that is up on a file, and since when in milliseconds; none when none is.
pub(crate) fn server_pid(database: &Path) -> Option<(u32, i64)> {
    holder(database).map(|held| (held.pid, held.since_ms))
}
