//! Identifies the files of a database, by device and inode: the file itself, its log (`-wal`) and the log's index (`-shm`). If one of them is
//! replaced or removed while a connection is open, acknowledged changes may be lost.

use std::fs::File;
use std::io::ErrorKind;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::clock::pause;
use crate::machine;

/// What a write-ahead log begins with, for either byte order of its checksums.
const LOG_MAGIC: [u32; 2] = [0x377f_0682, 0x377f_0683];

/// Number of times a log without a complete header is read before it counts as overwritten.
const LOOKS: u32 = 3;

/// Number of times the length of a database is read before it counts as truncated, and the pause between two reads.
const LENGTH_LOOKS: u32 = 40;
const BETWEEN_LENGTH_LOOKS: Duration = Duration::from_millis(5);

/// Maximum number of symbolic links followed to a file.
const MAX_LINKS: usize = 8;
/// The suffixes that SQLite appends to the name of the database.
const SUFFIXES: [&str; 3] = ["", "-wal", "-shm"];

/// The identity of a file, independent of its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct FileId {
    pub(super) device: u64,
    pub(super) inode: u64,
}

impl FileId {
    /// Returns the identity of an open file.
    pub(super) fn of(file: &File) -> Option<Self> {
        use std::os::unix::fs::MetadataExt as _;
        let metadata = file.metadata().ok()?;
        Some(Self {
            device: metadata.dev(),
            inode: metadata.ino(),
        })
    }

    /// Returns the identity of the file at `path`, if it exists. A symbolic link is a file of its own: paths are resolved when the database is opened,
    /// so a link that now leads to the same file counts as a replacement.
    pub(super) fn at(path: &Path) -> Option<Self> {
        use std::os::unix::fs::MetadataExt as _;
        let metadata = std::fs::symlink_metadata(path).ok()?;
        Some(Self {
            device: metadata.dev(),
            inode: metadata.ino(),
        })
    }
}

/// The files of a database at one point in time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Files {
    database: PathBuf,
    ids: [Option<FileId>; 3],
}

impl Files {
    /// The files that exist now.
    pub(super) fn at(database: &Path) -> Self {
        let database = resolved(database);
        let ids = SUFFIXES.map(|suffix| FileId::at(&with_suffix(&database, suffix)));
        Self { database, ids }
    }

    /// The files that another process has recorded.
    pub(super) fn seen(database: &Path, ids: [Option<FileId>; 3]) -> Self {
        let database = resolved(database);
        Self { database, ids }
    }

    /// The ids of the files; `None` for a file that did not exist.
    pub(super) fn ids(&self) -> [Option<FileId>; 3] {
        self.ids
    }

    /// Whether these are the files that this process has opened, given the files before it opened them. A file may have been deleted or replaced
    /// meanwhile: then this process has the old one.
    pub(super) fn are_open(&self, before: &Self) -> bool {
        let open = machine::open_files();
        self.ids.iter().zip(before.ids).all(|(id, before)| {
            let is_open = |id: &FileId| open.as_ref().is_none_or(|open| open.contains(&(id.device, id.inode)));
            id.as_ref().is_some_and(is_open) && before.is_none_or(|before| *id == Some(before))
        })
    }

    /// The path of the first file that has been deleted, moved or replaced.
    pub(super) fn displaced(&self) -> Option<PathBuf> {
        let files = SUFFIXES.iter().zip(self.ids);
        let mut recorded = files.filter_map(|(suffix, id)| Some((with_suffix(&self.database, suffix), id?)));
        recorded
            .find(|(path, id)| FileId::at(path) != Some(*id))
            .map(|(path, _)| path)
    }

    /// Whether the log has contents without the header that SQLite writes: another program has truncated or overwritten it.
    pub(super) fn has_overwritten_log(&self) -> bool {
        // No lock is lost by closing it: SQLite locks only the database and the index of the log.
        let Ok(log) = open_file(&self.log()) else { return false };
        if self.ids[1].is_some_and(|id| FileId::of(&log) != Some(id)) {
            return false;
        }
        // A log is empty or has a whole header, which is written at once. It may be emptied between the two calls.
        (0..LOOKS).all(|_| {
            let mut header = [0; 32];
            let has_contents = log.metadata().is_ok_and(|metadata| metadata.len() > 0);
            let read = log.read_exact_at(&mut header, 0);
            if read.as_ref().is_err_and(|e| e.kind() != ErrorKind::UnexpectedEof) {
                // If the log cannot be read, nothing is known about its contents.
                return false;
            }
            let is_whole = read.is_ok();
            let magic = u32::from_be_bytes([header[0], header[1], header[2], header[3]]);
            has_contents && !(is_whole && LOG_MAGIC.contains(&magic))
        })
    }

    /// The path of the log.
    pub(super) fn log(&self) -> PathBuf {
        with_suffix(&self.database, SUFFIXES[1])
    }

    /// Whether the database file itself is still the same.
    pub(super) fn has_database(&self) -> bool {
        self.ids[0].is_none() || FileId::at(&self.database) == self.ids[0]
    }

    /// Whether a different index of the log exists next to the database. Processes that use different ones do not see each other's locks and changes.
    pub(super) fn has_another_index(&self) -> bool {
        let found = FileId::at(&with_suffix(&self.database, SUFFIXES[2]));
        found.is_some() && found != self.ids[2]
    }

    /// Whether a different log, or index of one, exists next to the database.
    pub(super) fn has_another_log(&self) -> bool {
        let logs = SUFFIXES.iter().zip(self.ids).skip(1);
        logs.into_iter()
            .any(|(suffix, id)| FileId::at(&with_suffix(&self.database, suffix)).is_some_and(|found| Some(found) != id))
    }
}

/// Whether a database file is shorter than its header says (see "The Database Header" in SQLite's file format). This is briefly true while
/// SQLite writes its log back, so it counts only if it stays true.
pub(super) fn is_truncated(database: &File) -> bool {
    (0..LENGTH_LOOKS).all(|look| {
        if look > 0 {
            pause(BETWEEN_LENGTH_LOOKS);
        }
        let mut header = [0; 100];
        if let Err(e) = database.read_exact_at(&mut header, 0) {
            // It was longer before.
            return e.kind() == ErrorKind::UnexpectedEof;
        }
        let number = |at: usize| u32::from_be_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]]);
        // A size of 1 stands for 65,536 bytes.
        let page_size = match u16::from_be_bytes([header[16], header[17]]) {
            1 => 65_536,
            size => u64::from(size),
        };
        let length = database.metadata().map_or(u64::MAX, |file| file.len());
        // The size is valid if the header has the same change counter in two places.
        number(24) == number(92) && length < u64::from(number(28)) * page_size
    })
}

/// A log and its index, to find out whether another program has truncated the log. Closing the index releases the locks that SQLite holds on it in this
/// process: it must stay open as long as a connection.
#[derive(Debug)]
pub(crate) struct LogIndex {
    index: File,
    log: File,
    log_path: PathBuf,
    /// Whether the log was found to have a hole.
    has_hole: AtomicBool,
}

/// The header of an index (see "WAL-Index Header" in SQLite's WAL-mode file format).
struct IndexHeader([u8; 48]);

impl IndexHeader {
    /// Number of frames of the log.
    fn frames(&self) -> u64 {
        u64::from(u32::from_ne_bytes([self.0[16], self.0[17], self.0[18], self.0[19]]))
    }

    /// Length of a frame: a page with its header.
    fn frame_length(&self) -> u64 {
        // A size of 1 stands for 65,536 bytes.
        24 + match u16::from_ne_bytes([self.0[14], self.0[15]]) {
            1 => 65_536,
            size => u64::from(size),
        }
    }

    /// The salts, which each frame repeats; a log that begins anew has others.
    fn salts(&self) -> &[u8] {
        &self.0[32..40]
    }
}

/// Opens a file for reading; a named pipe that has taken its place is not waited for.
fn open_file(path: &Path) -> std::io::Result<File> {
    use std::os::unix::fs::OpenOptionsExt as _;
    let flags = rustix::fs::OFlags::NONBLOCK.bits().cast_signed();
    File::options().read(true).custom_flags(flags).open(path)
}

impl LogIndex {
    /// Opens them; `None` if that is not possible.
    pub(super) fn open(database: &Path) -> Option<Self> {
        let database = resolved(database);
        let log_path = with_suffix(&database, SUFFIXES[1]);
        Some(Self {
            index: open_file(&with_suffix(&database, SUFFIXES[2])).ok()?,
            log: open_file(&log_path).ok()?,
            log_path,
            has_hole: AtomicBool::new(false),
        })
    }

    /// The path of the log.
    pub(super) fn log(&self) -> &Path {
        &self.log_path
    }

    /// The header of the index; `None` while it is being written, when its two copies differ.
    fn header(&self) -> Option<IndexHeader> {
        let mut copies = [0; 96];
        let is_read = self.index.read_exact_at(&mut copies, 0).is_ok();
        let (header, copy) = copies.split_at(48);
        (is_read && header == copy).then(|| IndexHeader(header.try_into().unwrap_or([0; 48])))
    }

    /// Whether the log is shorter than the index says, or has a hole. SQLite changes the index before it shortens the log, and after it has extended it.
    pub(crate) fn is_log_truncated(&self) -> bool {
        if self.has_hole.load(Ordering::SeqCst) {
            return true;
        }
        let Some(before) = self.header() else { return false };
        let expected = 32 + before.frames() * before.frame_length();
        let length = self.log.metadata().map_or(u64::MAX, |log| log.len());
        let is_short = before.frames() > 0 && length < expected;
        is_short && self.header().is_some_and(|now| now.0 == before.0)
    }

    /// Runs `commit`, which adds frames to the log, and returns false if a hole precedes them: another program has truncated the log meanwhile.
    pub(super) fn extends_whole_log<T>(&self, commit: impl FnOnce() -> T) -> (T, bool) {
        let before = self.header();
        let done = commit();
        let is_whole = before.is_none_or(|before| before.frames() == 0 || self.has_last_frame(&before));
        self.has_hole.fetch_or(!is_whole, Ordering::SeqCst);
        (done, is_whole)
    }

    /// Whether the last frame of an earlier moment is still in the log, unless that has begun anew.
    fn has_last_frame(&self, earlier: &IndexHeader) -> bool {
        let at = 32 + (earlier.frames() - 1) * earlier.frame_length() + 8;
        let mut salts = [0; 8];
        let is_read = self.log.read_exact_at(&mut salts, at).is_ok();
        let is_there = is_read && salts == *earlier.salts();
        is_there
            || self
                .header()
                .is_none_or(|now| now.salts() != earlier.salts() || now.frames() < earlier.frames())
    }
}

/// Appends a suffix to a path.
pub(super) fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

/// Resolves the path of a database, following symbolic links; the file need not exist.
pub(super) fn resolved(database: &Path) -> PathBuf {
    let mut database = database.to_owned();
    for _ in 0..MAX_LINKS {
        let Ok(target) = std::fs::read_link(&database) else { break };
        database = database.parent().unwrap_or(Path::new("")).join(target);
    }
    let directory = database
        .parent()
        .filter(|f| !f.as_os_str().is_empty())
        .unwrap_or(Path::new("."));
    if let (Ok(directory), Some(name)) = (std::fs::canonicalize(directory), database.file_name()) {
        database = directory.join(name);
    }
    database
}
