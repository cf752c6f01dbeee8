//! Restoring a backup: a checked copy of it takes the place of the database, which is kept under another name.

use std::fs::File;
use std::path::{Path, PathBuf};

use rusqlite::{Connection, OpenFlags};

use super::backup::{check_copy, create_new, rename_to_new, vacuum_into};
use super::identity::{resolved, with_suffix};
use super::lock::ServerLock;
use super::open::create_folder_of;
use super::rows::Context as _;
use super::{Missing, Store, migrations};
use crate::error::{Error, Kind};
use crate::machine;

/// Replaces the database by a copy of a backup. Returns the new path of the database that was replaced, if there was one.
///
/// # Errors
/// `NotFound` if there is no backup; `Conflict` while a server uses the database; `System` if the backup is not an intact database of this or an older
/// tempo, or if a file cannot be written. The database is unchanged unless this succeeds.
pub(crate) fn restore(database: &Path, backup: &Path, now_ms: i64) -> Result<Option<PathBuf>, Error> {
    let shown = backup.display().to_string();
    let failed = |e: std::io::Error| Error::new(Kind::System, format_args!("cannot restore `{shown}`")).because(e);
    if !backup.exists() {
        return Err(Error::new(Kind::NotFound, format_args!("there is no backup at `{shown}`")));
    }
    let absolute = std::path::absolute(backup).map_err(failed)?;
    let what = format!("read the backup `{shown}`");
    let connection = Connection::open_with_flags(absolute, OpenFlags::SQLITE_OPEN_READ_ONLY).context(&what)?;
    migrations::check(&connection, &shown)?;
    let version = migrations::version(&connection)?;
    let database = resolved(database);
    let exists = database.exists();
    // Held until the files have changed places: no server can start in between.
    let lock = exists
        .then(|| ServerLock::take(&database, machine::pid(), now_ms))
        .transpose()?;
    let unfinished = with_suffix(&database, &format!(".{}.part", machine::pid()));
    create_folder_of(&unfinished)?;
    create_new(&unfinished).map_err(failed)?;
    let placed = vacuum_into(&connection, &unfinished, &what)
        .and_then(|()| check_copy(&unfinished, &shown, version))
        .and_then(|()| File::open(&unfinished).and_then(|f| f.sync_all()).map_err(failed))
        .and_then(|()| {
            if exists {
                set_aside(&database).map(Some).map_err(failed)
            } else {
                Ok(None)
            }
        })
        .and_then(|replaced| rename_to_new(&unfinished, &database).map(|()| replaced).map_err(failed));
    if placed.is_err() {
        let _ = std::fs::remove_file(&unfinished);
    }
    let replaced = placed?;
    let folder = database.parent().unwrap_or(Path::new("."));
    File::open(folder).and_then(|f| f.sync_all()).map_err(failed)?;
    drop(lock);
    // Opens it once, to migrate a backup of an older tempo.
    Store::open(&database, Missing::Refuse)?;
    Ok(replaced)
}

/// Renames the files of a database. The log goes first: it must never be left beside another database.
fn set_aside(database: &Path) -> std::io::Result<PathBuf> {
    let aside = with_suffix(database, &format!(".replaced-{}", machine::pid()));
    for suffix in ["-wal", "-shm", ""] {
        let from = with_suffix(database, suffix);
        if from.exists() {
            rename_to_new(&from, &with_suffix(&aside, suffix))?;
        }
    }
    Ok(aside)
}
