//! Backups: a complete copy of the database, taken while it is in use, and checked before it gets its final name.

use std::fs::File;
use std::io::ErrorKind;
use std::path::Path;

use rusqlite::types::{ToSql, ToSqlOutput, ValueRef};
use rusqlite::{Connection, OpenFlags, named_params};

use super::database_file::{create_directory_of, reject_log_without_database};
use super::identity::with_suffix;
use super::integrity::problems;
use super::rows::Context as _;
use super::{Store, migrations};
use crate::error::{Error, Kind};
use crate::machine;

impl Store {
    /// The id of the database, which its backups have too: 8 hexadecimal digits.
    ///
    /// # Errors
    /// `System` when the database cannot be read.
    pub(crate) fn identity(&self) -> Result<String, Error> {
        const SQL: &str = "SELECT id FROM identity";
        let found = self.connection.query_row(SQL, [], |r| r.get("id"));
        found.context("read the id of the database")
    }

    /// Writes a complete copy of the current database to a new file. Others can read and write meanwhile.
    ///
    /// # Errors
    /// `Conflict` if the file already exists; `System` if it cannot be written, or if the log of another database is left at its name. An incomplete copy is deleted.
    pub(crate) fn back_up(&self, to: &Path) -> Result<(), Error> {
        let shown = to.display().to_string();
        let failed = |e: std::io::Error| Error::new(Kind::System, format_args!("cannot write the backup `{shown}`")).because(e);
        // SQLite would apply a log that is left at the new name to the backup.
        reject_log_without_database(to)?;
        // Written under a temporary name, so that a file with the final name is always a complete backup.
        let mut unfinished = to.as_os_str().to_owned();
        unfinished.push(format!(".{}.part", machine::pid()));
        // Absolute, so that no name means anything special to SQLite.
        let unfinished = std::path::absolute(unfinished).map_err(failed)?;
        let copy = DatabaseCopy {
            from: &self.connection,
            to: &unfinished,
            shown: &shown,
            what: &format!("write the backup `{shown}`"),
        };
        copy.write(|| {
            reject_log_without_database(to)?;
            place(&unfinished, to).map_err(|e| {
                if e.kind() == Kind::Conflict {
                    e.hint("Choose a new file name, for example: `--backup tempo-$(date +%F).db`.")
                } else {
                    e
                }
            })
        })?;
        let directory = to.parent().filter(|f| !f.as_os_str().is_empty()).unwrap_or(Path::new("."));
        File::open(directory).and_then(|f| f.sync_all()).map_err(failed)
    }
}

/// Gives a complete copy its final name.
///
/// # Errors
/// `Conflict` if a file has the name.
pub(super) fn place(unfinished: &Path, to: &Path) -> Result<(), Error> {
    rename_to_new(unfinished, to).map_err(|e| {
        let shown = to.display();
        if e.kind() == ErrorKind::AlreadyExists {
            return Error::new(Kind::Conflict, format_args!("`{shown}` already exists"));
        }
        Error::new(Kind::System, format_args!("cannot write the backup `{shown}`")).because(e)
    })
}

/// A copy of a database, before it gets its final name.
pub(super) struct DatabaseCopy<'a> {
    pub(super) from: &'a Connection,
    /// An absolute path, so that no name means anything special to SQLite.
    pub(super) to: &'a Path,
    /// The name of the backup, for error messages.
    pub(super) shown: &'a str,
    /// The action, completing "cannot …" in error messages.
    pub(super) what: &'a str,
}

impl DatabaseCopy<'_> {
    /// Writes and checks the copy, then calls `place`, which gives it its final name. If anything fails, the copy is deleted.
    pub(super) fn write<T>(&self, place: impl FnOnce() -> Result<T, Error>) -> Result<T, Error> {
        let failed = |e: std::io::Error| Error::new(Kind::System, format_args!("cannot {}", self.what)).because(e);
        let version = migrations::version(self.from)?;
        create_directory_of(self.to)?;
        create_new(self.to).map_err(failed)?;
        let placed = vacuum_into(self.from, self.to)
            .context(self.what)
            .and_then(|()| check_copy(self.to, self.shown, version))
            .and_then(|()| File::open(self.to).and_then(|f| f.sync_all()).map_err(failed))
            .and_then(|()| place());
        if placed.is_err() {
            for suffix in ["", "-wal", "-shm", "-journal"] {
                let _ = std::fs::remove_file(with_suffix(self.to, suffix));
            }
        }
        placed
    }
}

/// Creates an empty file, accessible to this user only; fails if it exists.
fn create_new(path: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::OpenOptionsExt as _;
    File::options()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
        .map(|_| ())
}

/// Writes a copy of a database into an empty file.
fn vacuum_into(connection: &Connection, to: &Path) -> rusqlite::Result<()> {
    connection
        .execute("VACUUM INTO :to", named_params! {":to": Name(to)})
        .map(|_| ())
}

/// A file name passed to SQLite as its exact bytes.
struct Name<'a>(&'a Path);

impl ToSql for Name<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        use std::os::unix::ffi::OsStrExt as _;
        Ok(ToSqlOutput::Borrowed(ValueRef::Text(self.0.as_os_str().as_bytes())))
    }
}

/// Checks that a backup is an intact database of schema version `version`.
fn check_copy(backup: &Path, shown: &str, version: i64) -> Result<(), Error> {
    let what = format!("check the backup `{shown}`");
    // To check constraints too.
    let connection = Connection::open_with_flags(backup, OpenFlags::SQLITE_OPEN_READ_WRITE).context(&what)?;
    let problem = problems(&connection)?.into_iter().next();
    let unusable = |why: String| {
        Err(Error::new(
            Kind::System,
            format_args!("the backup `{shown}` is not usable: {why}"),
        ))
    };
    if let Some(problem) = problem {
        // The copy is as the database is.
        return unusable(problem).map_err(Error::damage);
    }
    match migrations::version(&connection)? {
        copied if copied == version => Ok(()),
        copied => unusable(format!("its schema version is {copied}, not {version}")),
    }
}

/// Renames a file, failing if the new name exists; works on file systems without hard links or without `RENAME_NOREPLACE`.
pub(super) fn rename_to_new(from: &Path, to: &Path) -> std::io::Result<()> {
    use rustix::fs::{CWD, RenameFlags, renameat_with};
    use rustix::io::Errno;
    match renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE) {
        Err(Errno::INVAL | Errno::NOSYS | Errno::NOTSUP) => {}
        done => return Ok(done?),
    }
    rename_by_link(from, to)
}

/// Renames without `RENAME_NOREPLACE`: a hard link does not replace a file either, and without hard links an empty file reserves the name.
fn rename_by_link(from: &Path, to: &Path) -> std::io::Result<()> {
    use rustix::io::Errno;
    match rustix::fs::link(from, to) {
        Ok(()) => std::fs::remove_file(from),
        Err(Errno::PERM | Errno::NOSYS | Errno::NOTSUP | Errno::INVAL) => reserve_and_rename(from, to),
        Err(e) => Err(e.into()),
    }
}

fn reserve_and_rename(from: &Path, to: &Path) -> std::io::Result<()> {
    File::create_new(to)?;
    std::fs::rename(from, to).inspect_err(|_| {
        // Only the reserved name: a file with a final name is always complete.
        let _ = std::fs::remove_file(to);
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn renaming_never_replaces_a_file_on_any_kind_of_file_system() {
        type Rename = fn(&Path, &Path) -> std::io::Result<()>;
        let ways: [(&str, Rename); 3] = [
            ("rename", rename_to_new),
            ("link", rename_by_link),
            ("neither", reserve_and_rename),
        ];
        for (way, rename) in ways {
            let directory = tempfile::tempdir().unwrap();
            let (from, to, taken) = (
                directory.path().join("from"),
                directory.path().join("to"),
                directory.path().join("taken"),
            );
            std::fs::write(&from, "backup").unwrap();
            std::fs::write(&taken, "mine").unwrap();
            assert_eq!(rename(&from, &taken).unwrap_err().kind(), ErrorKind::AlreadyExists, "{way}");
            assert_eq!(std::fs::read_to_string(&taken).unwrap(), "mine", "{way}");
            rename(&from, &to).unwrap();
            assert_eq!(std::fs::read_to_string(&to).unwrap(), "backup", "{way}");
            assert!(!from.exists(), "{way}");
            let new = directory.path().join("new");
            assert_eq!(rename(&from, &new).unwrap_err().kind(), ErrorKind::NotFound, "{way}");
            assert!(!new.exists(), "{way}");
        }
    }
}
