//! The `.lock` file next to a database, and which server holds the lock.

use std::fs::File;
use std::io::{Read as _, Seek as _, Write as _};
use std::path::{Path, PathBuf};

use rustix::fs::FlockOperation;

use super::identity::{FileId, Files, resolved, with_suffix};
use crate::machine;

/// Number of times the kernel's list of locks is read before a lock counts as missing.
const LOOKS: u32 = 3;

pub(super) fn lock_path(database: &Path) -> PathBuf {
    with_suffix(&resolved(database), ".lock")
}

pub(super) fn open(path: &Path) -> std::io::Result<File> {
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

/// Flags for opening the `.lock` file: symbolic links are not followed, and opening a named pipe does not block.
pub(super) const SAFE: i32 = (rustix::fs::OFlags::NOFOLLOW.bits() | rustix::fs::OFlags::NONBLOCK.bits()).cast_signed();

pub(super) fn regular(file: File) -> std::io::Result<File> {
    if file.metadata()?.is_file() {
        return Ok(file);
    }
    Err(std::io::Error::other("it is not a regular file"))
}

pub(super) fn write(mut file: &File, text: &str) -> std::io::Result<()> {
    file.set_len(0)?;
    file.rewind()?;
    file.write_all(text.as_bytes())
}

/// The server that holds a lock.
pub(super) struct Holder {
    pub(super) pid: u32,
    pub(super) since_ms: i64,
    /// The files of its database.
    pub(super) ids: [Option<FileId>; 3],
    /// The address of its page.
    pub(super) page: Option<String>,
    /// Whether it uses the database by another name, and so has another log.
    pub(super) has_other_name: bool,
}

/// The contents of a lock file, without the address of a page; a file that does not exist has the inode 0.
pub(super) fn lock_text(pid: u32, since_ms: i64, ids: [FileId; 3]) -> String {
    let ids = ids.map(|id| format!(" {} {}", id.device, id.inode)).concat();
    format!("{pid} {since_ms}{ids}\n")
}

pub(super) fn read_holder(file: &mut File) -> Option<Holder> {
    let mut text = String::new();
    file.rewind().ok()?;
    file.read_to_string(&mut text).ok()?;
    parse_holder(&text)
}

pub(super) fn parse_holder(text: &str) -> Option<Holder> {
    let mut words = text.split_whitespace();
    let (pid, since_ms) = (words.next()?.parse().ok()?, words.next()?.parse().ok()?);
    let mut number = || words.next()?.parse::<u64>().ok();
    let ids = [(); 3].map(|()| {
        let (device, inode) = (number()?, number()?);
        (inode > 0).then_some(FileId { device, inode })
    });
    let page = words.next().map(str::to_owned);
    Some(Holder {
        pid,
        since_ms,
        ids,
        page,
        has_other_name: false,
    })
}

pub(super) fn holder(database: &Path) -> Option<Holder> {
    use std::os::unix::fs::OpenOptionsExt as _;
    let path = lock_path(database);
    let opened = File::options().read(true).custom_flags(SAFE).open(&path);
    let Ok(mut file) = opened.and_then(regular) else {
        return holder_of_database(database);
    };
    if rustix::fs::flock(&file, FlockOperation::NonBlockingLockShared).is_ok() {
        // Left by a server that has ended; one that uses another name for the database has another lock file.
        drop(file);
        return holder_of_database(database);
    }
    // Another program may have overwritten the file.
    read_holder(&mut file).or_else(|| holder_of_database(database))
}

/// The holder of the lock on the database itself, in case the `.lock` file does not name it. Asks the kernel, because opening and
/// closing the database would drop the locks that SQLite holds on it in this process.
fn holder_of_database(database: &Path) -> Option<Holder> {
    let id = Files::at(database).ids()[0]?;
    // The kernel's list can lack a lock while others change.
    let process = (0..LOOKS).find_map(|_| machine::Process::locking(id.device, id.inode))?;
    // Only now: a server has opened its log before it locks the database.
    let files = Files::at(database);
    // SQLite keeps a lock on the index of the log as long as a connection is open.
    let index = files.ids()[2];
    let uses_index = index.map_or(Some(false), |index| process.has_record_lock(index.device, index.inode));
    Some(Holder {
        pid: process.pid,
        since_ms: process.started_at()?.timestamp_millis(),
        ids: files.ids(),
        has_other_name: uses_index == Some(false),
        page: None,
    })
}

/// The pid of the server running on a database, and its start time in milliseconds; `None` if no server is running.
pub(crate) fn server_pid(database: &Path) -> Option<(u32, i64)> {
    holder(database).map(|server| (server.pid, server.since_ms))
}

/// The page of the server running on a database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ServedPage {
    /// No server is running.
    NoServer,
    /// The server has no page.
    None,
    /// The server has a page at this address.
    At(String),
}

/// The page of the server running on a database.
pub(crate) fn server_page(database: &Path) -> ServedPage {
    match holder(database).map(|server| server.page) {
        None => ServedPage::NoServer,
        Some(None) => ServedPage::None,
        Some(Some(address)) => ServedPage::At(address),
    }
}
