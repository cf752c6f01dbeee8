//! One `tempo run` per file: a lock on a file beside it, held for the life of the server, with its pid inside.

use std::fs::File;
use std::io::{Read as _, Seek as _, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::fs::FlockOperation;

use crate::clock::pause;
use crate::error::{Error, Kind};

/// How often, and how far apart, the lock is asked for before a server is taken to be up.
const TRIES: u32 = 20;
const BETWEEN_TRIES: Duration = Duration::from_millis(5);

/// Held by the server; the kernel lets go of it when the process ends, however it ends.
#[derive(Debug)]
pub(crate) struct ServerLock {
    _file: File,
}

fn lock_path(database: &Path) -> PathBuf {
    // By whatever name it is opened, a file has one lock.
    let database = std::fs::canonicalize(database).unwrap_or_else(|_| database.to_owned());
    let mut name = database.into_os_string();
    name.push(".lock");
    PathBuf::from(name)
}

fn open(path: &Path) -> std::io::Result<File> {
    use std::os::unix::fs::OpenOptionsExt as _;
    File::options()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(path)
}

impl ServerLock {
    /// Takes the lock, and writes who holds it since when.
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
        let mut file = open(&path).map_err(attempted)?;
        // A command that asks whether a server is up holds the lock for a moment.
        let taken = (0..TRIES).any(|tried| {
            if tried > 0 {
                pause(BETWEEN_TRIES);
            }
            rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive).is_ok()
        });
        if !taken {
            let holder = read_holder(&mut file).map_or_else(String::new, |(pid, _)| format!(" (pid {pid})"));
            return Err(Error::new(
                Kind::Conflict,
                format_args!("`tempo run` is up already on `{}`{holder}", database.display()),
            )
            .hint("One server serves a file: stop the other one, or name another file with `--db`."));
        }
        file.set_len(0)
            .and_then(|()| file.rewind())
            .and_then(|()| writeln!(file, "{pid} {since_ms}"))
            .map_err(attempted)?;
        Ok(Self { _file: file })
    }
}

fn read_holder(file: &mut File) -> Option<(u32, i64)> {
    let mut text = String::new();
    file.rewind().ok()?;
    file.read_to_string(&mut text).ok()?;
    let mut words = text.split_whitespace();
    Some((words.next()?.parse().ok()?, words.next()?.parse().ok()?))
}

/// The pid of the server that is up on a file, and since when in milliseconds; none when none is.
pub(crate) fn server_pid(database: &Path) -> Option<(u32, i64)> {
    let mut file = File::options().read(true).open(lock_path(database)).ok()?;
    if rustix::fs::flock(&file, FlockOperation::NonBlockingLockShared).is_ok() {
        return None;
    }
    read_holder(&mut file)
}
