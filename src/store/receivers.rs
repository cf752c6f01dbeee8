//! Receivers of notifications, and up to which event each has been notified.

use chrono::{DateTime, Utc};
use rusqlite::{OptionalExtension as _, Row, named_params};

use super::event_kind::EventKind;
use super::events::NewEvent;
use super::rows::{Context as _, at_opt, text, text_opt};
use super::{Read, Write};
use crate::error::Error;

/// A stored receiver.
#[derive(Debug, Clone)]
pub(crate) struct ReceiverRow {
    pub(crate) key: i64,
    pub(crate) name: String,
    /// The definition as JSON.
    pub(crate) definition: String,
    /// The file that defines it, if one does.
    pub(crate) source: Option<String>,
    /// Messages about events up to this key have been written.
    pub(crate) cursor: i64,
}

/// The messages of a receiver, summed.
#[derive(Debug, Clone)]
pub(crate) struct ReceiverState {
    pub(crate) pending: u64,
    pub(crate) failed: u64,
    pub(crate) last_delivered: Option<DateTime<Utc>>,
    /// Why the last attempt of a message that is not delivered failed, or why the last mail did not reach all addresses.
    pub(crate) last_error: Option<String>,
}

const RECEIVER: &str = "SELECT key, name, definition, source, cursor FROM receiver";

fn row(r: &Row<'_>) -> rusqlite::Result<ReceiverRow> {
    Ok(ReceiverRow {
        key: r.get("key")?,
        name: text(r, "name")?,
        definition: r.get("definition")?,
        source: r.get("source")?,
        cursor: r.get("cursor")?,
    })
}

impl Read<'_> {
    /// All receivers, ordered by name.
    pub(crate) fn receivers(&self) -> Result<Vec<ReceiverRow>, Error> {
        let what = "list the receivers";
        let sql = format!("{RECEIVER} ORDER BY name");
        let mut statement = self.0.prepare_cached(&sql).context(what)?;
        let rows = statement.query_map([], row).context(what)?;
        rows.collect::<rusqlite::Result<_>>().context(what)
    }

    /// The receiver with a name.
    pub(crate) fn receiver(&self, name: &str) -> Result<Option<ReceiverRow>, Error> {
        let sql = format!("{RECEIVER} WHERE name = :name");
        let mut statement = self.0.prepare_cached(&sql).context("find the receiver")?;
        let found = statement.query_row(named_params! {":name": name}, row).optional();
        found.context("find the receiver")
    }

    /// Whether there is a receiver.
    pub(crate) fn has_receivers(&self) -> Result<bool, Error> {
        const SQL: &str = "SELECT EXISTS (SELECT 1 FROM receiver) AS found";
        let mut statement = self.0.prepare_cached(SQL).context("look for receivers")?;
        statement.query_row([], |r| r.get("found")).context("look for receivers")
    }

    /// The state of the messages of a receiver.
    pub(crate) fn receiver_state(&self, receiver: i64) -> Result<ReceiverState, Error> {
        const SQL: &str = "SELECT (SELECT count(*) FROM message WHERE receiver = :key AND status = 'pending') AS pending,
                (SELECT count(*) FROM message WHERE receiver = :key AND status = 'failed') AS failed,
                (SELECT max(closed_ms) FROM message WHERE receiver = :key AND status = 'delivered') AS delivered_ms,
                coalesce((SELECT error FROM message WHERE receiver = :key AND status <> 'delivered' AND error IS NOT NULL ORDER BY attempted_ms DESC LIMIT 1),
                    (SELECT error FROM message WHERE receiver = :key AND status = 'delivered' ORDER BY key DESC LIMIT 1)) AS error";
        let mut statement = self.0.prepare_cached(SQL).context("read the messages")?;
        let state = statement.query_row(named_params! {":key": receiver}, |r| {
            Ok(ReceiverState {
                pending: r.get::<_, i64>("pending")?.unsigned_abs(),
                failed: r.get::<_, i64>("failed")?.unsigned_abs(),
                last_delivered: at_opt(r.get("delivered_ms")?),
                last_error: text_opt(r, "error")?,
            })
        });
        state.context("read the messages")
    }
}

impl Write<'_> {
    /// Inserts a receiver, which gets events from now on, or replaces the definition of the one with its name. `change`, if given, is recorded
    /// as an event.
    pub(crate) fn put_receiver(
        &self,
        name: &str,
        (definition, source): (&str, Option<&str>),
        change: Option<(EventKind, &str)>,
        now: DateTime<Utc>,
    ) -> Result<(), Error> {
        const SQL: &str = "INSERT INTO receiver (name, definition, source, cursor)
            VALUES (:name, :definition, :source, (SELECT coalesce(max(key), 0) FROM event))
            ON CONFLICT (name) DO UPDATE SET definition = excluded.definition, source = excluded.source";
        if let Some((kind, detail)) = change {
            self.insert_receiver_event(kind, detail, now)?;
        }
        let mut statement = self.0.0.prepare_cached(SQL).context("record the receiver")?;
        let done = statement.execute(named_params! {":name": name, ":definition": definition, ":source": source});
        done.map(|_| ()).context("record the receiver")
    }

    fn insert_receiver_event(&self, kind: EventKind, detail: &str, now: DateTime<Utc>) -> Result<(), Error> {
        let event = NewEvent {
            detail: Some(detail),
            ..NewEvent::of_server(kind)
        };
        self.insert_event(&event, now)
    }

    /// Deletes a receiver with its messages.
    pub(crate) fn delete_receiver(&self, row: &ReceiverRow, now: DateTime<Utc>) -> Result<(), Error> {
        const SQL: &str = "DELETE FROM receiver WHERE key = :key";
        let mut statement = self.0.0.prepare_cached(SQL).context("delete the receiver")?;
        statement
            .execute(named_params! {":key": row.key})
            .context("delete the receiver")?;
        self.insert_receiver_event(EventKind::NotifyRemove, &row.name, now)
    }

    /// Records that messages about all events up to `cursor` have been written for a receiver.
    pub(crate) fn move_cursor(&self, receiver: i64, cursor: i64) -> Result<(), Error> {
        const SQL: &str = "UPDATE receiver SET cursor = max(cursor, :cursor) WHERE key = :key";
        let mut statement = self.0.0.prepare_cached(SQL).context("record the events sent")?;
        let done = statement.execute(named_params! {":key": receiver, ":cursor": cursor});
        done.map(|_| ()).context("record the events sent")
    }

    /// Makes a receiver get all events after `cursor` again.
    #[cfg(test)]
    pub(crate) fn set_cursor(&self, name: &str, cursor: i64) -> Result<(), Error> {
        const SQL: &str = "UPDATE receiver SET cursor = :cursor WHERE name = :name";
        let done = self.0.0.execute(SQL, named_params! {":name": name, ":cursor": cursor});
        done.map(|_| ()).context("set the cursor")
    }
}
