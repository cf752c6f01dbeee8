//! The database file: creating it and its directory, and logs that are left without it.

use std::path::Path;

use super::identity::{resolved, with_suffix};
use crate::error::{Error, Kind};

/// Fails if a database is missing or empty and its log remains, with its latest changes: SQLite would delete the log beside a new database, and
/// apply it to a restored one.
///
/// # Errors
/// `System`, naming the log.
pub(super) fn reject_log_without_database(database: &Path) -> Result<(), Error> {
    // The log is looked at first: another process may be creating both.
    let logs = ["-wal", "-journal"].map(|suffix| (suffix, with_suffix(&resolved(database), suffix)));
    // SQLite would wait for a named pipe.
    let is_other = |log: &Path| std::fs::metadata(log).is_ok_and(|log| !log.is_file());
    if let Some((_, log)) = logs.iter().find(|(_, log)| is_other(log)) {
        let message = format!(
            "`{}` is not a regular file, and SQLite would use it as the log of the database",
            log.display()
        );
        return Err(Error::new(Kind::System, message).hint("Move or delete it."));
    }
    let is_used = |log: &Path| std::fs::metadata(log).is_ok_and(|log| log.len() > 0);
    let Some((suffix, log)) = logs.into_iter().find(|(_, log)| is_used(log)) else {
        return Ok(());
    };
    let state = match std::fs::metadata(database) {
        // A database that is being created is empty, and has a journal; it has a `-wal` only afterwards.
        Ok(file) if file.len() == 0 && suffix == "-wal" => "the database is empty",
        Ok(_) => return Ok(()),
        Err(_) => "there is no database",
    };
    let (database, log) = (database.display(), log.display());
    let message = format!("{state} at `{database}`, but there is the log `{log}` of one that was moved, emptied or deleted");
    Err(Error::new(Kind::System, message).hint(format_args!(
        "The log holds the latest changes: move the database back, or move the log to where the database is and give it the same name with `-wal`. \
         If neither is needed, delete `{log}`."
    )))
}

/// Creates an empty file, accessible to this user only, and its parent directories.
pub(super) fn create(path: &Path) -> Result<(), Error> {
    use std::os::unix::fs::OpenOptionsExt as _;
    create_directory_of(path)?;
    let created = std::fs::OpenOptions::new().create(true).append(true).mode(0o600).open(path);
    created
        .map(|_| ())
        .map_err(|e| Error::new(Kind::System, format_args!("cannot create the database `{}`", path.display())).because(e))
}

/// Creates the parent directories of a file, accessible to this user only.
pub(super) fn create_directory_of(path: &Path) -> Result<(), Error> {
    use std::os::unix::fs::DirBuilderExt as _;
    if let Some(directory) = path.parent().filter(|f| !f.as_os_str().is_empty() && !f.exists()) {
        std::fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(directory)
            .map_err(|e| {
                Error::new(
                    Kind::System,
                    format_args!("cannot create the directory `{}`", directory.display()),
                )
                .because(e)
            })?;
    }
    Ok(())
}
