//! The events of servers: starts, clean stops, and crashes, which the next server notices.

use chrono::{DateTime, Utc};
use rusqlite::OptionalExtension as _;

use super::event_kind::EventKind;
use super::events::NewEvent;
use super::rows::{Context as _, named};
use super::{Read, Write};
use crate::error::Error;

impl Read<'_> {
    /// The last start or stop of a server, if there is one, and the process id of a server that started.
    fn last_server_event(&self) -> Result<Option<(EventKind, Option<i64>)>, Error> {
        const SQL: &str =
            "SELECT kind, number FROM event WHERE schedule IS NULL AND run IS NULL AND kind IN ('serving', 'stopped')
            ORDER BY key DESC LIMIT 1";
        let what = "read how the last server ended";
        let found = self
            .0
            .query_row(SQL, [], |r| Ok((r.get::<_, String>("kind")?, r.get("number")?)));
        let Some((kind, pid)) = found.optional().context(what)? else {
            return Ok(None);
        };
        Ok(Some((named("event", &kind, EventKind::named(&kind))?, pid)))
    }
}

impl Write<'_> {
    /// Records that the server `pid` has started and, if the one before it did not stop cleanly, that too.
    pub(crate) fn record_server_start(&self, pid: u32, now: DateTime<Utc>) -> Result<(), Error> {
        const LAST: &str = "SELECT at_ms FROM event ORDER BY key DESC LIMIT 1";
        if let Some((EventKind::Serving, died)) = self.last_server_event()? {
            let last = self.0.0.query_row(LAST, [], |r| r.get("at_ms"));
            let crash = NewEvent {
                number: died,
                value: last.context("read the events")?,
                ..NewEvent::of_server(EventKind::Crash)
            };
            self.insert_event(&crash, now)?;
        }
        let serving = NewEvent {
            number: Some(i64::from(pid)),
            ..NewEvent::of_server(EventKind::Serving)
        };
        self.insert_event(&serving, now)
    }

    /// Records that this database was restored from a backup: whatever the server was doing then is over.
    pub(super) fn record_restore(&self, now: DateTime<Utc>) -> Result<(), Error> {
        let restored = NewEvent {
            detail: Some("restored from a backup"),
            ..NewEvent::of_server(EventKind::Stopped)
        };
        self.insert_event(&restored, now)
    }

    /// Records that the server has stopped cleanly.
    pub(crate) fn record_server_stop(&self, now: DateTime<Utc>) -> Result<(), Error> {
        self.insert_event(&NewEvent::of_server(EventKind::Stopped), now)
    }
}
