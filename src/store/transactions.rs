//! Transactions of one connection: reading, writing, and writing several changes at once.

use rusqlite::{Transaction, TransactionBehavior};

use super::rows::Context as _;
use super::{Read, Store, Write};
use crate::error::{Error, Kind};

impl Store {
    /// Runs `ask` in a read transaction: all of its queries see the same snapshot.
    pub(crate) fn read<T>(&self, ask: impl FnOnce(&Read<'_>) -> Result<T, Error>) -> Result<T, Error> {
        let transaction = self.connection.unchecked_transaction().context("begin a read transaction")?;
        let found = ask(&Read(&transaction));
        transaction.finish().context("end a read transaction")?;
        found
    }

    /// Runs `change` in a write transaction, all or nothing; after `Ok`, the change is on disk.
    pub(crate) fn write<T>(&mut self, change: impl FnOnce(&Write<'_>) -> Result<T, Error>) -> Result<T, Error> {
        let transaction = self.begin()?;
        match change(&Write(Read(&transaction))) {
            Ok(done) => self.commit(transaction).map(|()| done),
            Err(e) => {
                drop(transaction);
                self.refuse_displaced()?;
                Err(e)
            }
        }
    }

    /// Runs several changes in one transaction, each of them all or nothing. `change` is called with each index and returns whether to keep the
    /// change. If one is not kept, all of them run once more, each in its own savepoint: that is rare, and savepoints would add a tenth to the usual
    /// work.
    pub(super) fn write_group(&mut self, changes: usize, mut change: impl FnMut(usize, &Write<'_>) -> bool) -> Result<(), Error> {
        let transaction = self.begin()?;
        if (0..changes).all(|index| change(index, &Write(Read(&transaction)))) {
            return self.commit(transaction);
        }
        transaction.finish().context("roll back a change")?;
        if changes == 1 {
            return Ok(());
        }
        let mut transaction = self.begin()?;
        for index in 0..changes {
            let savepoint = transaction.savepoint().context("create a savepoint")?;
            if change(index, &Write(Read(&savepoint))) {
                savepoint.commit().context("release a savepoint")?;
            } else if savepoint.is_autocommit() {
                // SQLite does so after some errors, such as a full disk.
                return Err(Error::new(
                    Kind::System,
                    "cannot write to the database: another change in the same transaction failed",
                ));
            } else {
                savepoint.finish().context("roll back a change")?;
            }
        }
        self.commit(transaction)
    }

    fn begin(&self) -> Result<Transaction<'_>, Error> {
        let transaction =
            Transaction::new_unchecked(&self.connection, TransactionBehavior::Immediate).context("begin a write transaction")?;
        // A large change is written to the log before it is committed.
        self.refuse_truncated_log()?;
        Ok(transaction)
    }

    /// Commits, unless a file of the database was displaced. Checked before, so that nothing overwrites what other processes write to the new file, and
    /// afterwards, so that nothing is acknowledged that is only in the old one.
    fn commit(&self, transaction: Transaction<'_>) -> Result<(), Error> {
        self.refuse_displaced()?;
        self.refuse_truncated_log()?;
        let commit = || transaction.commit().context("write to the database");
        match &self.log_index {
            Some(index) => {
                let (done, is_whole) = index.extends_whole_log(commit);
                done?;
                if !is_whole {
                    self.refuse_truncated_log()?;
                }
            }
            None => commit()?,
        }
        self.refuse_displaced()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use crate::store::identity::{Files, LogIndex};
    use crate::store::rows::Context as _;
    use crate::store::{Missing, Store};

    #[test]
    fn a_truncated_log_is_not_extended() {
        let directory = tempfile::tempdir().unwrap();
        let database = directory.path().join("t.db");
        let mut store = Store::open(&database, Missing::Create).unwrap();
        let index = LogIndex::open(&database).map(Arc::new);
        assert!(index.is_some());
        store.check_log(index.clone());
        let mut insert = || {
            let change = "CREATE TABLE IF NOT EXISTS beside (a); INSERT INTO beside VALUES (zeroblob(20000))";
            store.write(|w| w.0.0.execute_batch(change).context("insert"))
        };
        insert().unwrap();
        let log = std::fs::File::options()
            .write(true)
            .open(directory.path().join("t.db-wal"))
            .unwrap();
        let length = log.metadata().unwrap().len() / 2;
        log.set_len(length).unwrap();
        let e = insert().unwrap_err();
        assert!(
            e.to_string()
                .contains("t.db-wal` was deleted, moved, replaced or overwritten"),
            "{e}"
        );
        assert_eq!(log.metadata().unwrap().len(), length);
        let index = index.unwrap();
        log.set_len(0).unwrap();
        assert!(index.is_log_truncated());
        log.set_len(10 * length).unwrap();
        assert!(!index.is_log_truncated(), "its length is right");
        let ((), is_whole) = index.extends_whole_log(|| ());
        assert!(!is_whole && index.is_log_truncated(), "it has a hole");
    }

    #[test]
    fn a_commit_extends_a_whole_log_also_when_the_log_begins_anew() {
        let directory = tempfile::tempdir().unwrap();
        let database = directory.path().join("t.db");
        let mut store = Store::open(&database, Missing::Create).unwrap();
        let index = LogIndex::open(&database).map(Arc::new);
        store.check_log(index.clone());
        store
            .write(|w| w.0.0.execute_batch("CREATE TABLE beside (a)").context("create"))
            .unwrap();
        for n in 0..200 {
            let change = format!("INSERT INTO beside VALUES (zeroblob({}))", n * 200);
            store.write(|w| w.0.0.execute_batch(&change).context("insert")).unwrap();
            if n % 7 == 0 {
                let _ = store.connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()));
            }
        }
        assert!(!index.unwrap().is_log_truncated());
    }

    #[test]
    fn nothing_is_written_once_the_log_or_its_index_has_been_replaced() {
        for suffix in ["-wal", "-shm"] {
            let directory = tempfile::tempdir().unwrap();
            let database = directory.path().join("t.db");
            let file = directory.path().join(format!("t.db{suffix}"));
            let mut store = Store::open(&database, Missing::Create).unwrap();
            let change = "CREATE TABLE IF NOT EXISTS beside (a); INSERT INTO beside VALUES (1)";
            let mut insert = || store.write(|w| w.0.0.execute_batch(change).context("insert"));
            insert().unwrap();
            let opened = Files::at(&database);
            assert!(opened.are_open(&opened), "{suffix}");
            std::fs::copy(&file, directory.path().join("copy")).unwrap();
            std::fs::remove_file(&file).unwrap();
            assert!(!Files::at(&database).are_open(&Files::at(&database)), "{suffix} is missing");
            std::fs::rename(directory.path().join("copy"), &file).unwrap();
            assert!(!Files::at(&database).are_open(&opened), "{suffix} is another file");
            assert!(!Files::at(&database).are_open(&Files::at(&database)), "{suffix} is not open");
            let log = std::fs::read(directory.path().join("t.db-wal")).unwrap();
            insert().unwrap_err();
            assert!(std::fs::read(directory.path().join("t.db-wal")).unwrap() == log, "{suffix}");
        }
    }
}
