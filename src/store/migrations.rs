//! The versions of the file: an append-only list, counted by `user_version`, run in one exclusive transaction.

use rusqlite::{Connection, TransactionBehavior};

use super::rows::Context as _;
use crate::error::{Error, Kind};

/// Marks a file as tempo's: "temp" in ASCII.
const APPLICATION_ID: i64 = 0x7465_6d70;

/// Never edited, only appended to.
const MIGRATIONS: &[&str] = &[
    include_str!("schema.sql"),
    include_str!("version2.sql"),
    include_str!("version3.sql"),
    include_str!("version4.sql"),
];

/// Brings the file to the version of this tempo.
pub(super) fn migrate(connection: &mut Connection, shown: &str) -> Result<(), Error> {
    let newest = i64::try_from(MIGRATIONS.len()).unwrap_or(i64::MAX);
    if version(connection)? == newest && application(connection)? == APPLICATION_ID {
        return Ok(());
    }
    let transaction = connection
        .transaction_with_behavior(TransactionBehavior::Exclusive)
        .context(&format!("lock `{shown}`"))?;
    let found = version(&transaction)?;
    if application(&transaction)? != APPLICATION_ID && !is_empty(&transaction)? {
        return Err(Error::new(
            Kind::System,
            format_args!("`{shown}` is a SQLite database of another program"),
        )
        .hint("Name another file with `--db`; nothing was changed."));
    }
    if found > newest {
        return Err(Error::new(
            Kind::System,
            format_args!("`{shown}` was written by a newer tempo (version {found} of the file)"),
        )
        .hint(format_args!(
            "This tempo knows versions up to {newest}: install the newer one; nothing was changed."
        )));
    }
    for (index, sql) in MIGRATIONS
        .iter()
        .enumerate()
        .skip(usize::try_from(found).unwrap_or(usize::MAX))
    {
        transaction
            .execute_batch(sql)
            .context(&format!("bring `{shown}` to version {} of the file", index + 1))?;
    }
    transaction
        .pragma_update(None, "application_id", APPLICATION_ID)
        .context("mark the database as tempo's")?;
    transaction
        .pragma_update(None, "user_version", newest)
        .context("record the version of the file")?;
    transaction
        .commit()
        .context(&format!("bring `{shown}` to version {newest} of the file"))
}

pub(super) fn version(connection: &Connection) -> Result<i64, Error> {
    connection
        .pragma_query_value(None, "user_version", |r| r.get(0))
        .context("read the version of the file")
}

fn application(connection: &Connection) -> Result<i64, Error> {
    connection
        .pragma_query_value(None, "application_id", |r| r.get(0))
        .context("read whose file it is")
}

fn is_empty(connection: &Connection) -> Result<bool, Error> {
    const SQL: &str = "SELECT count(*) AS n FROM sqlite_schema";
    connection
        .query_row(SQL, [], |r| r.get::<_, i64>("n"))
        .map(|n| n == 0)
        .context("read the tables of the file")
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use crate::store::failing_vfs::{self, Failure};
    use crate::store::{Missing, RunFilter, Store};

    /// What a person would miss: schedules, runs, and whether the whole file is sound.
    fn told(store: &Store) -> (Vec<String>, usize, Vec<String>) {
        let on_file = store.read(|r| Ok((r.schedule_ids()?, r.runs(&RunFilter::default())?.len())));
        let (schedules, runs) = on_file.unwrap();
        (schedules, runs, store.check().unwrap())
    }

    #[test]
    fn wherever_the_power_goes_while_a_file_is_brought_to_this_version_nothing_of_it_is_lost() {
        for version in ["v1.db", "v2.db", "v3.db"] {
            let stored = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/data").join(version);
            let folder = tempfile::tempdir().unwrap();
            let file = folder.path().join("t.db");
            let begin = || {
                for left in ["t.db-wal", "t.db-shm"] {
                    let _ = std::fs::remove_file(folder.path().join(left));
                }
                std::fs::copy(&stored, &file).unwrap();
            };
            begin();
            let (whole, operations) = {
                let _disk = failing_vfs::arm(None);
                let whole = told(&Store::open(&file, Missing::Refuse).unwrap());
                (whole, failing_vfs::operations())
            };
            assert!(operations > 10 && !whole.0.is_empty(), "{version}: {operations}");
            for at in 1..=operations {
                for fault in [Failure::PowerCut, Failure::TornPowerCut, Failure::IoError, Failure::Full] {
                    begin();
                    let _disk = failing_vfs::arm(Some((at, fault)));
                    // It may fail; what counts is what the next one finds.
                    drop(Store::open(&file, Missing::Refuse));
                    failing_vfs::restore(&file);
                    let again =
                        Store::open(&file, Missing::Refuse).unwrap_or_else(|e| panic!("{version}, {fault:?} at {at}: {e}"));
                    assert_eq!(told(&again), whole, "{version}, {fault:?} at {at} of {operations}");
                }
            }
        }
    }
}
