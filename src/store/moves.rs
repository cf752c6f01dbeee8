//! The times that schedules have spent on a Temporal cluster.

use chrono::{DateTime, Utc};
use rusqlite::{OptionalExtension as _, Row, named_params};

use super::Read;
#[cfg(feature = "temporal")]
use super::Write;
#[cfg(feature = "temporal")]
use super::rows::ms;
use super::rows::{Context as _, at, at_opt, text};
use crate::error::Error;

/// A schedule that runs, or has run, on a Temporal cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct MoveRow {
    pub(crate) key: i64,
    /// When it moved: times that were due later run there.
    pub(crate) at: DateTime<Utc>,
    pub(crate) address: String,
    pub(crate) namespace: String,
    /// The task queue there of schedules that name none.
    pub(crate) task_queue: String,
    /// Whether it was paused before.
    pub(crate) was_paused: bool,
    /// The last nominal time that runs there, once its return has begun.
    pub(crate) last: Option<DateTime<Utc>>,
    /// When it returned; `None` while it is there.
    pub(crate) returned: Option<DateTime<Utc>>,
}

const MOVE: &str = "SELECT key, at_ms, address, namespace, task_queue, was_paused, last_ms, returned_ms FROM move";

fn row(r: &Row<'_>) -> rusqlite::Result<MoveRow> {
    Ok(MoveRow {
        key: r.get("key")?,
        at: at(r.get("at_ms")?),
        address: text(r, "address")?,
        namespace: text(r, "namespace")?,
        task_queue: text(r, "task_queue")?,
        was_paused: r.get("was_paused")?,
        last: at_opt(r.get("last_ms")?),
        returned: at_opt(r.get("returned_ms")?),
    })
}

impl Read<'_> {
    /// The cluster on which a schedule runs now, if it does.
    pub(crate) fn open_move(&self, schedule: i64) -> Result<Option<MoveRow>, Error> {
        let sql = format!("{MOVE} WHERE schedule = :schedule AND returned_ms IS NULL");
        let what = "find out where the schedule runs";
        let mut statement = self.0.prepare_cached(&sql).context(what)?;
        let found = statement.query_row(named_params! {":schedule": schedule}, row);
        found.optional().context(what)
    }

    /// All times that a schedule has spent on a cluster, oldest first.
    #[cfg(feature = "temporal")]
    pub(crate) fn moves_of(&self, schedule: i64) -> Result<Vec<MoveRow>, Error> {
        let sql = format!("{MOVE} WHERE schedule = :schedule ORDER BY key");
        let what = "find out where the schedule has run";
        let mut statement = self.0.prepare_cached(&sql).context(what)?;
        let rows = statement.query_map(named_params! {":schedule": schedule}, row);
        rows.context(what)?.collect::<rusqlite::Result<_>>().context(what)
    }
}

#[cfg(feature = "temporal")]
impl Write<'_> {
    /// Records that a schedule moves to a cluster; `key` of the row is ignored.
    pub(crate) fn add_move(&self, schedule: i64, to: &MoveRow) -> Result<(), Error> {
        const SQL: &str = "INSERT INTO move (schedule, at_ms, address, namespace, task_queue, was_paused)
            VALUES (:schedule, :at, :address, :namespace, :task_queue, :was_paused)";
        let values = named_params! {
            ":schedule": schedule, ":at": ms(to.at), ":address": to.address, ":namespace": to.namespace,
            ":task_queue": to.task_queue, ":was_paused": to.was_paused,
        };
        self.0.0.execute(SQL, values).map(|_| ()).context("record the move")
    }

    /// Sets the last nominal time that runs on the cluster.
    pub(crate) fn set_last_of_move(&self, key: i64, last: DateTime<Utc>) -> Result<(), Error> {
        const SQL: &str = "UPDATE move SET last_ms = :last WHERE key = :key";
        let values = named_params! {":key": key, ":last": ms(last)};
        self.0.0.execute(SQL, values).map(|_| ()).context("record the return")
    }

    /// Records that a schedule has returned.
    pub(crate) fn close_move(&self, key: i64, now: DateTime<Utc>) -> Result<(), Error> {
        const SQL: &str = "UPDATE move SET returned_ms = :now WHERE key = :key";
        let values = named_params! {":key": key, ":now": ms(now)};
        self.0.0.execute(SQL, values).map(|_| ()).context("record the return")
    }
}
