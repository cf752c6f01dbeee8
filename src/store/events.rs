//! Events: what happened, in the order in which it was committed. Each is written in the transaction of the change that it reports.

use chrono::{DateTime, Utc};
use rusqlite::{OptionalExtension as _, Row, named_params};

use super::event_kind::EventKind;
use super::open_runs::OpenRun;
use super::rows::{Context as _, at, count, ms, named, text, text_opt};
use super::runs::RunRow;
use super::{Read, Write};
use crate::error::Error;

/// An event to be recorded.
#[derive(Debug, Clone, Copy)]
pub(super) struct NewEvent<'a> {
    pub(super) kind: EventKind,
    pub(super) schedule: Option<i64>,
    pub(super) schedule_id: Option<&'a str>,
    pub(super) run: Option<i64>,
    pub(super) position: Option<usize>,
    pub(super) number: Option<i64>,
    pub(super) value: Option<i64>,
    pub(super) detail: Option<&'a str>,
}

impl<'a> NewEvent<'a> {
    /// An event of the server.
    pub(super) fn of_server(kind: EventKind) -> Self {
        Self {
            kind,
            schedule: None,
            schedule_id: None,
            run: None,
            position: None,
            number: None,
            value: None,
            detail: None,
        }
    }

    /// An event about a schedule itself, which is still readable when the schedule has been deleted.
    pub(super) fn of_schedule(kind: EventKind, key: i64, id: &'a str) -> Self {
        Self {
            schedule_id: Some(id),
            ..Self::at_schedule(kind, key)
        }
    }

    /// An event about a time of a schedule.
    pub(super) fn at_schedule(kind: EventKind, key: i64) -> Self {
        Self {
            schedule: Some(key),
            ..Self::of_server(kind)
        }
    }

    /// An event of a run.
    pub(super) fn of_run(kind: EventKind, run: &RunRow) -> Self {
        Self {
            schedule: run.schedule,
            run: Some(run.key),
            ..Self::of_server(kind)
        }
    }

    /// An event of the current attempt of a run.
    pub(super) fn of_attempt(kind: EventKind, run: &OpenRun) -> Self {
        Self {
            position: Some(run.progress.position),
            number: Some(i64::from(run.progress.attempts)),
            ..Self::of_run(kind, &run.row)
        }
    }
}

/// A recorded event.
#[derive(Debug, Clone)]
pub(crate) struct EventRow {
    pub(crate) key: i64,
    pub(crate) at: DateTime<Utc>,
    pub(crate) kind: EventKind,
    /// The key of the schedule, which may have been deleted.
    pub(crate) schedule: Option<i64>,
    pub(crate) schedule_id: Option<String>,
    pub(crate) run: Option<EventRun>,
    /// The position of the step.
    pub(crate) position: Option<usize>,
    pub(crate) number: Option<i64>,
    pub(crate) value: Option<i64>,
    pub(crate) detail: Option<String>,
}

/// The run that an event is about.
#[derive(Debug, Clone)]
pub(crate) struct EventRun {
    pub(crate) key: i64,
    pub(crate) run_id: String,
    pub(crate) workflow_id: String,
    /// The key of its action.
    pub(crate) workflow: i64,
    /// `scheduled`, `trigger`, `backfill` or `start`.
    pub(crate) origin: String,
    pub(crate) nominal: DateTime<Utc>,
    pub(crate) due: DateTime<Utc>,
}

/// Selects events; `None` in a field means no restriction.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct EventFilter {
    /// Only events after the one with this key.
    pub(crate) after: Option<i64>,
    /// Only events before the one with this key.
    pub(crate) before: Option<i64>,
    pub(crate) schedule_id: Option<String>,
    /// The key of a run.
    pub(crate) run: Option<i64>,
    pub(crate) since: Option<DateTime<Utc>>,
    pub(crate) until: Option<DateTime<Utc>>,
    /// Whether to select failures only.
    pub(crate) failed: bool,
    /// Whether to select only events that receivers may be notified of.
    pub(crate) notable: bool,
    /// Whether the ends of all runs are notable, not only of those that failed.
    pub(crate) finishes: bool,
    /// Maximum number of events: the newest.
    pub(crate) limit: Option<u64>,
}

/// A range of times that did not start, as an event refers to it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RefusedRange {
    pub(crate) from: DateTime<Utc>,
    pub(crate) to: DateTime<Utc>,
    pub(crate) count: u64,
}

/// The result of an attempt, as an event refers to it.
#[derive(Debug, Clone)]
pub(crate) struct AttemptEnd {
    pub(crate) error: Option<String>,
    pub(crate) output: Option<Vec<u8>>,
}

fn row(r: &Row<'_>) -> rusqlite::Result<(String, EventRow)> {
    let run = match r.get::<_, Option<i64>>("run")? {
        Some(key) => Some(EventRun {
            key,
            run_id: text(r, "run_id")?,
            workflow_id: text(r, "workflow_id")?,
            workflow: r.get("workflow")?,
            origin: r.get("origin")?,
            nominal: at(r.get("nominal_ms")?),
            due: at(r.get("due_ms")?),
        }),
        None => None,
    };
    let row = EventRow {
        key: r.get("key")?,
        at: at(r.get("at_ms")?),
        kind: EventKind::Serving,
        schedule: r.get("schedule")?,
        schedule_id: text_opt(r, "schedule_id")?,
        run,
        position: r.get("position")?,
        number: r.get("number")?,
        value: r.get("value")?,
        detail: text_opt(r, "detail")?,
    };
    Ok((r.get("kind")?, row))
}

impl Read<'_> {
    /// The events that match a filter, oldest first.
    pub(crate) fn events(&self, filter: &EventFilter) -> Result<Vec<EventRow>, Error> {
        // Newest first in the query, so that a limit keeps the newest.
        let mut events = self.ordered_events(filter, "DESC")?;
        events.reverse();
        Ok(events)
    }

    /// The first `most` events that match a filter.
    pub(crate) fn first_events(&self, filter: &EventFilter, most: u64) -> Result<Vec<EventRow>, Error> {
        let filter = EventFilter {
            limit: Some(most),
            ..filter.clone()
        };
        self.ordered_events(&filter, "ASC")
    }

    fn ordered_events(&self, filter: &EventFilter, order: &str) -> Result<Vec<EventRow>, Error> {
        const SQL: &str = "SELECT e.key, e.at_ms, e.kind, e.schedule, coalesce(e.schedule_id, r.schedule_id, s.id,
                    (SELECT d.schedule_id FROM event d WHERE d.schedule = e.schedule AND d.schedule_id IS NOT NULL LIMIT 1)) AS schedule_id,
                e.run, r.run_id, r.workflow_id, r.workflow, r.origin, r.nominal_ms, r.due_ms, e.position, e.number, e.value, e.detail
            FROM event e LEFT JOIN run r ON r.key = e.run LEFT JOIN schedule s ON s.key = e.schedule
            WHERE e.key > :after AND e.key < :before AND (:since IS NULL OR e.at_ms >= :since OR (e.kind IN ('skip', 'miss', 'drop', 'superseded', 'paused', 'exhausted')
                AND EXISTS (SELECT 1 FROM refused f WHERE f.key = e.value AND f.from_ms = e.number AND f.decided_ms >= :since))) AND (:until IS NULL OR e.at_ms <= :until)
            AND (:schedule IS NULL OR e.schedule IN (SELECT key FROM schedule WHERE id = :schedule
                UNION SELECT schedule FROM event WHERE schedule_id = :schedule))
            AND (e.run IS NULL OR r.key IS NOT NULL)
            AND (NOT :failed OR e.kind IN ('crash', 'miss', 'drop', 'retry', 'lost', 'failing', 'incident', 'remind')
                OR (e.kind = 'script' AND e.detail IS NOT NULL)
                OR (e.kind = 'finish' AND (e.number > 0 OR e.detail NOT GLOB 'Canceled*' AND e.detail NOT GLOB 'Terminated*')))
            AND (NOT :notable OR e.kind IN ('crash', 'miss', 'incident', 'remind', 'resolved')
                OR (e.kind = 'pause' AND e.number IS NOT NULL)
                OR (e.kind = 'finish' AND (:finishes OR e.detail GLOB 'Failed*' OR e.detail GLOB 'TimedOut*')))";
        let what = "read the events";
        // A run has its own index, which a comparison with a parameter that may be absent would not use.
        let of_run = if filter.run.is_some() {
            "AND e.run = :run"
        } else {
            "AND :run IS NULL"
        };
        let mut statement = self
            .0
            .prepare_cached(&format!("{SQL} {of_run} ORDER BY e.key {order} LIMIT :limit"))
            .context(what)?;
        let rows = statement.query_map(
            named_params! {
                ":after": filter.after.unwrap_or(0),
                ":before": filter.before.unwrap_or(i64::MAX),
                ":schedule": filter.schedule_id,
                ":run": filter.run,
                ":since": filter.since.map(ms),
                ":until": filter.until.map(ms),
                ":failed": filter.failed,
                ":notable": filter.notable,
                ":finishes": filter.finishes,
                ":limit": filter.limit.map_or(-1, count),
            },
            row,
        );
        let rows = rows.context(what)?.collect::<rusqlite::Result<Vec<_>>>().context(what)?;
        let checked = |(kind, row): (String, EventRow)| {
            Ok(EventRow {
                kind: named("event", &kind, EventKind::named(&kind))?,
                ..row
            })
        };
        rows.into_iter().map(checked).collect()
    }

    /// The key of the newest event; 0 if there is none.
    pub(crate) fn newest_event(&self) -> Result<i64, Error> {
        const SQL: &str = "SELECT coalesce(max(key), 0) AS key FROM event";
        self.0.query_row(SQL, [], |r| r.get("key")).context("read the events")
    }

    /// Whether an event belongs to a schedule with this id, which may have been deleted.
    pub(crate) fn has_events_of(&self, schedule_id: &str) -> Result<bool, Error> {
        const SQL: &str = "SELECT EXISTS (SELECT 1 FROM event WHERE schedule_id = :id) AS found";
        let found = self.0.query_row(SQL, named_params! {":id": schedule_id}, |r| r.get("found"));
        found.context("read the events")
    }

    /// The times that an event says did not start, with those that were added to the same range later; `None` if they are no longer stored.
    pub(crate) fn refused_range(&self, key: i64, first: Option<i64>) -> Result<Option<RefusedRange>, Error> {
        // The key of a range that was deleted with its schedule is used again.
        const SQL: &str = "SELECT from_ms, to_ms, count FROM refused WHERE key = :key AND from_ms = :first";
        let what = "read the times that did not start";
        let mut statement = self.0.prepare_cached(SQL).context(what)?;
        let found = statement.query_row(named_params! {":key": key, ":first": first}, |r| {
            Ok(RefusedRange {
                from: at(r.get("from_ms")?),
                to: at(r.get("to_ms")?),
                count: r.get("count")?,
            })
        });
        found.optional().context(what)
    }

    /// The result and the output of the last attempt of a step that started by `at`.
    pub(crate) fn attempt_end(&self, run: i64, position: usize, at: DateTime<Utc>) -> Result<Option<AttemptEnd>, Error> {
        const SQL: &str = "SELECT a.error, coalesce(o.stderr, o.bytes) AS bytes FROM attempt a
            LEFT JOIN output o ON o.run = a.run AND o.position = a.position AND o.number = a.number
            WHERE a.run = :run AND a.position = :position AND a.started_ms <= :at ORDER BY a.number DESC LIMIT 1";
        self.end_of_attempt(SQL, named_params! {":run": run, ":position": position, ":at": ms(at)})
    }

    fn end_of_attempt(&self, sql: &str, parameters: &[(&str, &dyn rusqlite::ToSql)]) -> Result<Option<AttemptEnd>, Error> {
        let mut statement = self.0.prepare_cached(sql).context("read the attempts")?;
        let found = statement.query_row(parameters, |r| {
            Ok(AttemptEnd {
                error: text_opt(r, "error")?,
                output: r.get("bytes")?,
            })
        });
        found.optional().context("read the attempts")
    }

    /// The name and the work of a script step.
    pub(crate) fn script_step_name(&self, key: i64) -> Result<Option<(String, String)>, Error> {
        const SQL: &str = "SELECT name, work FROM script_step WHERE key = :key";
        let mut statement = self.0.prepare_cached(SQL).context("read the script steps")?;
        let found = statement.query_row(named_params! {":key": key}, |r| Ok((r.get("name")?, r.get("work")?)));
        found.optional().context("read the script steps")
    }
}

impl Write<'_> {
    /// Records an event.
    pub(super) fn insert_event(&self, event: &NewEvent<'_>, now: DateTime<Utc>) -> Result<(), Error> {
        const SQL: &str = "INSERT INTO event (at_ms, kind, schedule, schedule_id, run, position, number, value, detail)
            VALUES (:now, :kind, :schedule, :schedule_id, :run, :position, :number, :value, :detail)";
        let mut statement = self.0.0.prepare_cached(SQL).context("record the event")?;
        let done = statement.execute(named_params! {
            ":now": ms(now),
            ":kind": event.kind.name(),
            ":schedule": event.schedule,
            ":schedule_id": event.schedule_id,
            ":run": event.run,
            ":position": event.position,
            ":number": event.number,
            ":value": event.value,
            ":detail": event.detail.filter(|text| !text.is_empty()),
        });
        done.map(|_| ()).context("record the event")
    }

    /// Records an event of the run with a key.
    pub(super) fn insert_run_event(
        &self,
        kind: EventKind,
        run: i64,
        detail: Option<&str>,
        now: DateTime<Utc>,
    ) -> Result<(), Error> {
        const SQL: &str = "INSERT INTO event (at_ms, kind, schedule, run, detail) SELECT :now, :kind, schedule, key, :detail FROM run WHERE key = :run";
        let mut statement = self.0.0.prepare_cached(SQL).context("record the event")?;
        let done = statement.execute(named_params! {":now": ms(now), ":kind": kind.name(), ":run": run, ":detail": detail});
        done.map(|_| ()).context("record the event")
    }

    /// Records the end of an attempt of a script step.
    pub(super) fn insert_script_event(
        &self,
        step: i64,
        attempt: u32,
        error: Option<&str>,
        now: DateTime<Utc>,
    ) -> Result<(), Error> {
        self.insert_script_step_event("command", step, Some((attempt, error)), now)
    }

    /// Records the end of a script step if it is a sleep, which has no attempts.
    pub(super) fn insert_sleep_event(&self, step: i64, now: DateTime<Utc>) -> Result<(), Error> {
        self.insert_script_step_event("sleep", step, None, now)
    }

    fn insert_script_step_event(
        &self,
        kind: &str,
        step: i64,
        attempt: Option<(u32, Option<&str>)>,
        now: DateTime<Utc>,
    ) -> Result<(), Error> {
        const SQL: &str = "INSERT INTO event (at_ms, kind, schedule, run, position, number, value, detail)
            SELECT :now, 'script', r.schedule, r.key, s.position, :number, s.key, :error FROM script_step s JOIN run r ON r.key = s.run
            WHERE s.key = :step AND s.kind = :kind";
        let mut statement = self.0.0.prepare_cached(SQL).context("record the event")?;
        let done = statement.execute(named_params! {
            ":now": ms(now), ":kind": kind, ":number": attempt.map(|(number, _)| number), ":error": attempt.and_then(|(_, error)| error), ":step": step,
        });
        done.map(|_| ()).context("record the event")
    }
}
