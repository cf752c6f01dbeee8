//! Which files a database consists of: the file itself, its log (`-wal`) and the log's index (`-shm`), by device and inode. Replaced or removed under
//! an open connection, they take acknowledged changes with them.

use std::path::{Path, PathBuf};

/// How many symbolic links are followed to a file.
const MOST_LINKS: usize = 8;
/// What SQLite appends to the name of the database.
const SUFFIXES: [&str; 3] = ["", "-wal", "-shm"];

/// A file, whatever it is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct FileId {
    pub(super) device: u64,
    pub(super) inode: u64,
}

impl FileId {
    /// The file at a path, if there is one.
    pub(super) fn at(path: &Path) -> Option<Self> {
        use std::os::unix::fs::MetadataExt as _;
        let metadata = std::fs::metadata(path).ok()?;
        Some(Self {
            device: metadata.dev(),
            inode: metadata.ino(),
        })
    }
}

/// The files of a database as they were at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Files {
    database: PathBuf,
    ids: [Option<FileId>; 3],
}

impl Files {
    /// Those that are there now.
    pub(super) fn at(database: &Path) -> Self {
        let database = resolved(database);
        let ids = SUFFIXES.map(|suffix| FileId::at(&with_suffix(&database, suffix)));
        Self { database, ids }
    }

    /// Those that somebody else has seen.
    pub(super) fn seen(database: &Path, ids: [Option<FileId>; 3]) -> Self {
        let database = resolved(database);
        Self { database, ids }
    }

    /// Their ids; none of a file that was not there.
    pub(super) fn ids(&self) -> [Option<FileId>; 3] {
        self.ids
    }

    /// The first of them that is not in its place any more.
    pub(super) fn displaced(&self) -> Option<PathBuf> {
        let files = SUFFIXES.iter().zip(self.ids);
        let mut seen = files.filter_map(|(suffix, id)| Some((with_suffix(&self.database, suffix), id?)));
        seen.find(|(path, id)| FileId::at(path) != Some(*id)).map(|(path, _)| path)
    }

    /// Where the log is.
    pub(super) fn log(&self) -> PathBuf {
        with_suffix(&self.database, SUFFIXES[1])
    }

    /// Whether the database itself is in its place.
    pub(super) fn has_database(&self) -> bool {
        self.ids[0].is_none() || FileId::at(&self.database) == self.ids[0]
    }

    /// Whether another log, or index of one, stands beside the database in place of its own.
    pub(super) fn has_another_log(&self) -> bool {
        let logs = SUFFIXES.iter().zip(self.ids).skip(1);
        logs.into_iter()
            .any(|(suffix, id)| FileId::at(&with_suffix(&self.database, suffix)).is_some_and(|found| Some(found) != id))
    }
}

/// The path with a suffix after its name.
pub(super) fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

/// Where a database is, by whatever name it is opened; also where it is not there any more.
pub(super) fn resolved(database: &Path) -> PathBuf {
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
    database
}
