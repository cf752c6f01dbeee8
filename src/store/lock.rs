//! One `tempo run` per file: a lock on a file beside it, held for the life of the server, with its pid inside.

use std::fs::File;
use std::io::{Read as _, Seek as _, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::fs::FlockOperation;

use super::open::file_at;
use crate::clock::pause;
use crate::error::{Error, Kind};

/// How often, and how far apart, the lock is asked for before a server is taken to be up.
const TRIES: u32 = 20;
const BETWEEN_TRIES: Duration = Duration::from_millis(5);

/// How many symbolic links are followed to a file.
const MOST_LINKS: usize = 8;

/// Held by the server; the kernel lets go of it when the process ends, however it ends.
#[derive(Debug)]
pub(crate) struct ServerLock {
    _file: File,
}

fn lock_path(database: &Path) -> PathBuf {
    // By whatever name it is opened, a file has one lock; also where it is not there any more.
    let mut database = database.to_owned();
    for _ in 0..MOST_LINKS {
        let Ok(target) = std::fs::read_link(&database) else { break };
        database = database.parent().unwrap_or(Path::new("")).join(target);
    }
    let folder = database
        .parent()
        .filter(|f| !f.as_os_str().is_empty())
        .unwrap_or(Path::new("."));
    if let (Ok(folder), Some(name)) = (std::fs::canonicalize(folder), database.file_name()) {
        database = folder.join(name);
    }
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
            let holder = read_holder(&mut file).map_or_else(String::new, |held| format!(" (pid {})", held.pid));
            return Err(Error::new(
                Kind::Conflict,
                format_args!("`tempo run` is up already on `{}`{holder}", database.display()),
            )
            .hint("One server serves a file: stop the other one, or name another file with `--db`."));
        }
        file.set_len(0)
            .and_then(|()| file.rewind())
            .and_then(|()| {
                let (device, inode) = file_at(database).unwrap_or_default();
                writeln!(file, "{pid} {since_ms} {device} {inode}")
            })
            .map_err(attempted)?;
        Ok(Self { _file: file })
    }
}

/// Who holds a lock.
struct Holder {
    pid: u32,
    since_ms: i64,
    /// Which file it serves.
    file: Option<(u64, u64)>,
}

fn read_holder(file: &mut File) -> Option<Holder> {
    let mut text = String::new();
    file.rewind().ok()?;
    file.read_to_string(&mut text).ok()?;
    let mut words = text.split_whitespace();
    Some(Holder {
        pid: words.next()?.parse().ok()?,
        since_ms: words.next()?.parse().ok()?,
        file: words
            .next()
            .and_then(|d| d.parse().ok())
            .zip(words.next().and_then(|i| i.parse().ok())),
    })
}

fn holder(database: &Path) -> Option<Holder> {
    let mut file = File::options().read(true).open(lock_path(database)).ok()?;
    if rustix::fs::flock(&file, FlockOperation::NonBlockingLockShared).is_ok() {
        return None;
    }
    read_holder(&mut file)
}

/// The pid of a server that serves another file than the one that stands at the path now: its own was taken away.
pub(super) fn server_of_another_file(database: &Path) -> Option<u32> {
    let held = holder(database)?;
    held.file
        .filter(|served| file_at(database) != Some(*served))
        .map(|_| held.pid)
}

/// The pid of the server that is up on a file, and since when in milliseconds; none when none is.
pub(crate) fn server_pid(database: &Path) -> Option<(u32, i64)> {
    holder(database).map(|held| (held.pid, held.since_ms))
}
