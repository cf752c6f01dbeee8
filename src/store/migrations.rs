//! Migrations: an append-only list, counted by `user_version`, run in one exclusive transaction.

use rusqlite::{Connection, TransactionBehavior};

use super::rows::Context as _;
use crate::error::{Error, Kind};

/// Marks a file as a tempo database: "temp" in ASCII.
const APPLICATION_ID: i64 = 0x7465_6d70;

/// Append only; never edit an entry.
const MIGRATIONS: &[&str] = &[
    include_str!("schema.sql"),
    include_str!("version2.sql"),
    include_str!("version3.sql"),
    include_str!("version4.sql"),
    include_str!("version5.sql"),
    include_str!("version6.sql"),
    include_str!("version7.sql"),
    include_str!("version8.sql"),
    include_str!("version9.sql"),
    include_str!("version10.sql"),
];

/// Migrates the database to the newest version.
pub(super) fn migrate(connection: &mut Connection, shown: &str) -> Result<(), Error> {
    let newest = newest();
    if version(connection)? == newest && application(connection)? == APPLICATION_ID {
        return Ok(());
    }
    let transaction = connection
        .transaction_with_behavior(TransactionBehavior::Exclusive)
        .context(&format!("lock `{shown}`"))?;
    let found = version(&transaction)?;
    if found != 0 || !is_empty(&transaction)? {
        check(&transaction, shown)?;
    }
    for (index, sql) in MIGRATIONS
        .iter()
        .enumerate()
        .skip(usize::try_from(found).unwrap_or(usize::MAX))
    {
        transaction
            .execute_batch(sql)
            .context(&format!("migrate `{shown}` to schema version {}", index + 1))?;
    }
    transaction
        .pragma_update(None, "application_id", APPLICATION_ID)
        .context("set the application id of the database")?;
    transaction
        .pragma_update(None, "user_version", newest)
        .context("record the schema version")?;
    transaction
        .commit()
        .context(&format!("migrate `{shown}` to schema version {newest}"))
}

/// The newest schema version that this tempo knows.
pub(super) fn newest() -> i64 {
    i64::try_from(MIGRATIONS.len()).unwrap_or(i64::MAX)
}

/// Checks that a database was written by this or an older tempo.
pub(super) fn check(connection: &Connection, shown: &str) -> Result<(), Error> {
    let found = connection.pragma_query_value(None, "user_version", |r| r.get(0));
    let (found, newest): (i64, i64) = (found.context(&format!("read `{shown}`"))?, newest());
    if application(connection)? != APPLICATION_ID {
        return Err(Error::new(
            Kind::System,
            format_args!("`{shown}` is a SQLite database of another program"),
        )
        .hint("Choose another file; nothing was changed."));
    }
    if found > newest {
        return Err(Error::new(
            Kind::System,
            format_args!("`{shown}` was written by a newer tempo (schema version {found})"),
        )
        .hint(format_args!(
            "This tempo supports schema versions up to {newest}; install a newer tempo. Nothing was changed."
        )));
    }
    Ok(())
}

pub(super) fn version(connection: &Connection) -> Result<i64, Error> {
    connection
        .pragma_query_value(None, "user_version", |r| r.get(0))
        .context("read the schema version")
}

fn application(connection: &Connection) -> Result<i64, Error> {
    connection
        .pragma_query_value(None, "application_id", |r| r.get(0))
        .context("read the application id of the database")
}

fn is_empty(connection: &Connection) -> Result<bool, Error> {
    const SQL: &str = "SELECT count(*) AS n FROM sqlite_schema";
    connection
        .query_row(SQL, [], |r| r.get::<_, i64>("n"))
        .map(|n| n == 0)
        .context("read the tables of the database")
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use crate::store::failing_vfs::{self, Failure};
    use crate::store::{Missing, RunFilter, Store};

    /// The contents that must survive: schedule ids, number of runs, and problems that the integrity check finds.
    fn contents(store: &Store) -> (Vec<String>, usize, Vec<String>) {
        let rows = store.read(|r| Ok((r.schedule_ids()?, r.runs(&RunFilter::default())?.len())));
        let (schedules, runs) = rows.unwrap();
        (schedules, runs, store.check().unwrap())
    }

    #[test]
    fn a_failure_at_any_point_of_a_migration_loses_nothing() {
        for version in ["v1.db", "v2.db", "v3.db", "v4.db", "v8.db", "v9.db"] {
            let stored = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/data").join(version);
            let directory = tempfile::tempdir().unwrap();
            let file = directory.path().join("t.db");
            let reset = || {
                for leftover in ["t.db-wal", "t.db-shm"] {
                    let _ = std::fs::remove_file(directory.path().join(leftover));
                }
                std::fs::copy(&stored, &file).unwrap();
            };
            reset();
            let (expected, operations) = {
                let _disk = failing_vfs::arm(None);
                let expected = contents(&Store::open(&file, Missing::Refuse).unwrap());
                (expected, failing_vfs::operations())
            };
            assert!(operations > 10 && !expected.0.is_empty(), "{version}: {operations}");
            for at in 1..=operations {
                for failure in [Failure::PowerCut, Failure::TornPowerCut, Failure::IoError, Failure::Full] {
                    reset();
                    let _disk = failing_vfs::arm(Some((at, failure)));
                    // The open may fail; only the contents after the restart matter.
                    drop(Store::open(&file, Missing::Refuse));
                    failing_vfs::restore(&file);
                    let reopened =
                        Store::open(&file, Missing::Refuse).unwrap_or_else(|e| panic!("{version}, {failure:?} at {at}: {e}"));
                    assert_eq!(
                        contents(&reopened),
                        expected,
                        "{version}, {failure:?} at {at} of {operations}"
                    );
                }
            }
        }
    }
}
