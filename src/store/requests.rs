//! Requests from commands to the server: trigger, backfill, cancel, terminate and retry. Recorded here; the server carries them out, now or when it
//! next runs.

use chrono::{DateTime, Utc};
use rusqlite::{OptionalExtension as _, named_params};

use super::event_kind::EventKind;
use super::events::NewEvent;
use super::rows::{Context as _, at, count, ms, named, text_opt};
use super::runs::RunRow;
use super::{Read, Write};
use crate::error::Error;
use crate::run::Stop;
use crate::schedule::OverlapPolicy;

/// A request to be recorded.
#[derive(Debug, Clone)]
pub(crate) enum NewRequest {
    /// Starts a schedule once, now.
    Trigger {
        /// The schedule's key.
        schedule: i64,
        /// The overlap policy; `None` for the schedule's own.
        overlap: Option<OverlapPolicy>,
        /// What set it off, if no person did.
        cause: Option<String>,
    },
    /// Starts the times of a range, both ends included.
    Backfill {
        /// The schedule's key.
        schedule: i64,
        /// The overlap policy; `None` for the schedule's own.
        overlap: Option<OverlapPolicy>,
        /// The first time.
        start: DateTime<Utc>,
        /// The last time.
        end: DateTime<Utc>,
    },
    /// Stops or retries a run.
    Run {
        /// The run's key.
        run: i64,
        /// What to do with the run.
        ask: RunRequestKind,
        /// The reason given by the user.
        reason: Option<String>,
    },
}

/// What to do with a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RunRequestKind {
    /// Stop the run.
    Stop(Stop),
    /// Resume the run at the step that failed.
    Retry,
}

impl RunRequestKind {
    const ALL: [Self; 3] = [Self::Stop(Stop::Cancel), Self::Stop(Stop::Terminate), Self::Retry];

    fn name(self) -> &'static str {
        match self {
            Self::Stop(Stop::Cancel) => "cancel",
            Self::Stop(Stop::Terminate) => "terminate",
            Self::Retry => "retry",
        }
    }
}

/// A recorded request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct QueuedRequest {
    pub(crate) key: i64,
    pub(crate) request_id: String,
}

/// The state of a request.
#[derive(Debug, Clone)]
pub(crate) struct RequestState {
    /// Whether all of its times have been decided.
    pub(crate) settled: bool,
    /// The number of its starts that are in the buffer.
    pub(crate) waiting: u64,
    /// The number of its times that did not start.
    pub(crate) not_started: u64,
    /// Why the last of those did not start.
    pub(crate) reason: Option<String>,
    /// The runs it started, oldest first.
    pub(crate) runs: Vec<RunRow>,
}

/// An open request about a run.
#[derive(Debug, Clone)]
pub(crate) struct RunRequest {
    pub(crate) key: i64,
    pub(crate) run: i64,
    pub(crate) ask: RunRequestKind,
    pub(crate) reason: Option<String>,
}

impl Read<'_> {
    /// Requests about runs that are not settled yet, oldest first.
    pub(crate) fn open_run_requests(&self) -> Result<Vec<RunRequest>, Error> {
        const SQL: &str = "SELECT key, run, kind, reason FROM request WHERE settled_ms IS NULL AND schedule IS NULL ORDER BY key";
        let mut statement = self.0.prepare_cached(SQL).context("read the requests")?;
        let rows = statement.query_map([], |r| {
            Ok((
                r.get::<_, String>("kind")?,
                r.get("key")?,
                r.get("run")?,
                text_opt(r, "reason")?,
            ))
        });
        let rows = rows
            .context("read the requests")?
            .collect::<rusqlite::Result<Vec<_>>>()
            .context("read the requests")?;
        rows.into_iter()
            .map(|(kind, key, run, reason)| {
                let ask = named("request", &kind, RunRequestKind::ALL.into_iter().find(|a| a.name() == kind))?;
                Ok(RunRequest { key, run, ask, reason })
            })
            .collect()
    }

    /// The state of a request; `None` if it was deleted with its schedule.
    pub(crate) fn request_state(&self, key: i64) -> Result<Option<RequestState>, Error> {
        const SQL: &str = "SELECT settled_ms IS NOT NULL AS settled,
                (SELECT count(*) FROM waiting w WHERE w.request = :key) AS waiting,
                (SELECT coalesce(sum(count), 0) FROM refused f WHERE f.request = :key) AS refused,
                (SELECT reason FROM refused f WHERE f.request = :key ORDER BY f.key DESC LIMIT 1) AS reason
            FROM request WHERE key = :key";
        let mut statement = self.0.prepare_cached(SQL).context("read the request")?;
        let found = statement
            .query_row(named_params! {":key": key}, |r| {
                Ok(RequestState {
                    settled: r.get("settled")?,
                    waiting: r.get::<_, i64>("waiting")?.unsigned_abs(),
                    not_started: r.get::<_, i64>("refused")?.unsigned_abs(),
                    reason: text_opt(r, "reason")?,
                    runs: Vec::new(),
                })
            })
            .optional()
            .context("read the request")?;
        found
            .map(|state| {
                Ok(RequestState {
                    runs: self.runs_of_request(key)?,
                    ..state
                })
            })
            .transpose()
    }
}

impl Write<'_> {
    /// Records a request.
    pub(crate) fn place(&self, request: &NewRequest, now: DateTime<Utc>) -> Result<QueuedRequest, Error> {
        const SQL: &str = "INSERT INTO request (kind, schedule, run, overlap, start_ms, end_ms, reason, created_ms)
            VALUES (:kind, :schedule, :run, :overlap, :start, :end, :reason, :now) RETURNING key, request_id";
        let (kind, schedule, run, overlap, range, reason) = match request {
            NewRequest::Trigger {
                schedule,
                overlap,
                cause,
            } => ("trigger", Some(*schedule), None, *overlap, None, cause.clone()),
            NewRequest::Backfill {
                schedule,
                overlap,
                start,
                end,
            } => ("backfill", Some(*schedule), None, *overlap, Some((*start, *end)), None),
            NewRequest::Run { run, ask, reason } => (ask.name(), None, Some(*run), None, None, reason.clone()),
        };
        let mut statement = self.0.0.prepare_cached(SQL).context("record the request")?;
        let queued = statement
            .query_row(
                named_params! {
                    ":kind": kind,
                    ":schedule": schedule,
                    ":run": run,
                    ":overlap": overlap.map(OverlapPolicy::name),
                    ":start": range.map(|(start, _)| ms(start)),
                    ":end": range.map(|(_, end)| ms(end)),
                    ":reason": reason,
                    ":now": ms(now),
                },
                |r| {
                    Ok(QueuedRequest {
                        key: r.get("key")?,
                        request_id: r.get("request_id")?,
                    })
                },
            )
            .context("record the request")?;
        if let Some(schedule) = schedule {
            self.attend_by(schedule, now)?;
            let kind = if range.is_some() {
                EventKind::Backfill
            } else {
                EventKind::Trigger
            };
            let event = NewEvent {
                number: range.map(|(start, _)| ms(start)),
                value: range.map(|(_, end)| ms(end)),
                detail: reason.as_deref(),
                ..NewEvent::at_schedule(kind, schedule)
            };
            self.insert_event(&event, now)?;
        }
        Ok(queued)
    }

    /// Makes the ticker look at a schedule by `now` at the latest, if the schedule still exists.
    pub(crate) fn attend_by(&self, schedule: i64, now: DateTime<Utc>) -> Result<(), Error> {
        const SQL: &str = "SELECT attention_ms FROM progress WHERE schedule = :key";
        let mut statement = self.0.0.prepare_cached(SQL).context("read the due time")?;
        let found = statement.query_row(named_params! {":key": schedule}, |r| r.get::<_, Option<i64>>("attention_ms"));
        match found.optional().context("read the due time")? {
            None => Ok(()),
            Some(known) => self.set_attention(schedule, Some(known.map_or(now, |ms| at(ms).min(now)))),
        }
    }

    /// Settles a request about a run.
    pub(crate) fn settle_run_request(&self, key: i64, now: DateTime<Utc>) -> Result<(), Error> {
        const SQL: &str = "UPDATE request SET settled_ms = :now, taken = 1 WHERE key = :key";
        let mut statement = self.0.0.prepare_cached(SQL).context("record the request's progress")?;
        statement
            .execute(named_params! {":key": key, ":now": ms(now)})
            .map(|_| ())
            .context("record the request's progress")
    }

    /// Cancels the backfills of a schedule: times that have not started are dropped. Returns the number of backfills.
    pub(crate) fn cancel_backfills(&self, schedule: i64, now: DateTime<Utc>) -> Result<u64, Error> {
        const REQUESTS: &str = "UPDATE request SET settled_ms = :now WHERE schedule = :key AND kind = 'backfill' AND
            (settled_ms IS NULL OR EXISTS (SELECT 1 FROM waiting w WHERE w.request = request.key))";
        const WAITING: &str = "DELETE FROM waiting WHERE schedule = :key AND origin = 'backfill'";
        let mut statement = self.0.0.prepare_cached(REQUESTS).context("cancel the backfill")?;
        let canceled = statement
            .execute(named_params! {":key": schedule, ":now": ms(now)})
            .context("cancel the backfill")?;
        let mut statement = self.0.0.prepare_cached(WAITING).context("cancel the backfill")?;
        statement
            .execute(named_params! {":key": schedule})
            .context("cancel the backfill")?;
        let canceled = canceled as u64;
        if canceled > 0 {
            let event = NewEvent {
                number: Some(count(canceled)),
                ..NewEvent::at_schedule(EventKind::CancelBackfill, schedule)
            };
            self.insert_event(&event, now)?;
        }
        Ok(canceled)
    }
}
