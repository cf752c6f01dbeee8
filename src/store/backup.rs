//! A copy of the whole database, made while others use it, and checked before it is called one.

use std::fs::File;
use std::io::ErrorKind;
use std::path::Path;

use rusqlite::types::{ToSql, ToSqlOutput, ValueRef};
use rusqlite::{Connection, OpenFlags, named_params};

use super::open::create_folder_of;
use super::rows::Context as _;
use super::{Store, migrations};
use crate::error::{Error, Kind};
use crate::machine;

impl Store {
    /// Writes a whole copy of the file, as it is now, to a path where there is nothing yet. Others read and write meanwhile.
    ///
    /// # Errors
    /// `Conflict` when there is something; `System` when it cannot be written. What was begun is taken away.
    pub(crate) fn back_up(&self, to: &Path) -> Result<(), Error> {
        let shown = to.display().to_string();
        let failed = |e: std::io::Error| Error::new(Kind::System, format_args!("cannot write the backup `{shown}`")).because(e);
        // It is made beside its place, so that at its place there is a whole backup or none.
        let mut unfinished = to.as_os_str().to_owned();
        unfinished.push(format!(".{}.part", machine::pid()));
        // Absolute, so that no name means anything special to SQLite.
        let unfinished = std::path::absolute(unfinished).map_err(failed)?;
        let version = migrations::version(&self.connection)?;
        create_folder_of(&unfinished)?;
        create_new(&unfinished).map_err(failed)?;
        let copied = self
            .connection
            .execute("VACUUM INTO :to", named_params! {":to": Name(&unfinished)})
            .context(&format!("write the backup `{shown}`"))
            .and_then(|_| check_copy(&unfinished, &shown, version))
            .and_then(|()| File::open(&unfinished).and_then(|f| f.sync_all()).map_err(failed))
            .and_then(|()| {
                rename_to_new(&unfinished, to).map_err(|e| {
                    if e.kind() == ErrorKind::AlreadyExists {
                        return Error::new(Kind::Conflict, format_args!("`{shown}` exists already"))
                            .hint("Name a file that is not there yet, as in `--backup tempo-$(date +%F).db`.");
                    }
                    failed(e)
                })
            });
        if copied.is_err() {
            let _ = std::fs::remove_file(&unfinished);
        }
        copied?;
        let folder = to.parent().filter(|f| !f.as_os_str().is_empty()).unwrap_or(Path::new("."));
        File::open(folder).and_then(|f| f.sync_all()).map_err(failed)
    }
}

/// Creates an empty file, readable by this user only, where there is none.
fn create_new(path: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::OpenOptionsExt as _;
    File::options()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
        .map(|_| ())
}

/// The name of a file as SQLite takes it: byte for byte.
struct Name<'a>(&'a Path);

impl ToSql for Name<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        use std::os::unix::ffi::OsStrExt as _;
        Ok(ToSqlOutput::Borrowed(ValueRef::Text(self.0.as_os_str().as_bytes())))
    }
}

/// Opens a backup and checks that it is a sound database of that version.
fn check_copy(backup: &Path, shown: &str, version: i64) -> Result<(), Error> {
    let what = format!("check the backup `{shown}`");
    let connection = Connection::open_with_flags(backup, OpenFlags::SQLITE_OPEN_READ_ONLY).context(&what)?;
    let found: String = connection
        .query_row("PRAGMA integrity_check(1)", [], |r| r.get(0))
        .context(&what)?;
    let broken = |why: String| {
        Err(Error::new(
            Kind::System,
            format_args!("the backup `{shown}` is not usable: {why}"),
        ))
    };
    if found != "ok" {
        return broken(found);
    }
    match migrations::version(&connection)? {
        copied if copied == version => Ok(()),
        copied => broken(format!("it is of version {copied}, not {version}")),
    }
}

/// Renames a file to a name that must not be taken yet; also where a file system has no hard links, or no such rename.
fn rename_to_new(from: &Path, to: &Path) -> std::io::Result<()> {
    use rustix::fs::{CWD, RenameFlags, renameat_with};
    use rustix::io::Errno;
    match renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE) {
        Err(Errno::INVAL | Errno::NOSYS | Errno::NOTSUP) => {}
        done => return Ok(done?),
    }
    rename_by_link(from, to)
}

/// The same without such a rename: a link does not replace a file either, and where there are no links, an empty file reserves the name.
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
    std::fs::rename(from, to)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_backup_gets_its_name_without_replacing_a_file_on_every_kind_of_file_system() {
        type Rename = fn(&Path, &Path) -> std::io::Result<()>;
        let ways: [(&str, Rename); 3] = [
            ("rename", rename_to_new),
            ("link", rename_by_link),
            ("neither", reserve_and_rename),
        ];
        for (way, rename) in ways {
            let folder = tempfile::tempdir().unwrap();
            let (from, to, taken) = (
                folder.path().join("from"),
                folder.path().join("to"),
                folder.path().join("taken"),
            );
            std::fs::write(&from, "backup").unwrap();
            std::fs::write(&taken, "mine").unwrap();
            assert_eq!(rename(&from, &taken).unwrap_err().kind(), ErrorKind::AlreadyExists, "{way}");
            assert_eq!(std::fs::read_to_string(&taken).unwrap(), "mine", "{way}");
            rename(&from, &to).unwrap();
            assert_eq!(std::fs::read_to_string(&to).unwrap(), "backup", "{way}");
            assert!(!from.exists(), "{way}");
        }
    }
}
