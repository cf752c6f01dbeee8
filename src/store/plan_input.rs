//! Reads the input of a plan for a schedule.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use rusqlite::{OptionalExtension as _, named_params};

use super::Read;
use super::epochs::{EpochRow, policy};
use super::rows::{Context as _, at, at_opt, count, json, ms, text};
use crate::error::{Error, Kind};
use crate::run::Stop;
use crate::schedule::backfill::BACKFILL_OPEN;
use crate::schedule::overlap::Running;
use crate::schedule::plan_input::{PlanInput, Request, RequestKind};
use crate::schedule::start::{Origin, Start};
use crate::schedule::{OverlapPolicy, Policies};
use crate::spec::Spec;
use crate::spec::spec_text::SpecText;

/// An open run of the schedule.
#[derive(Debug, Clone)]
pub(crate) struct ActiveRun {
    pub(crate) run: i64,
    pub(crate) run_id: String,
    pub(crate) workflow_id: String,
    /// Whether a worker has started on it.
    pub(crate) begun: bool,
    pub(crate) stopping: Option<Stop>,
}

/// A request about a schedule that is not settled yet.
#[derive(Debug, Clone)]
pub(crate) struct OpenRequest {
    key: i64,
    pub(crate) kind: RequestKind,
    overlap: Option<OverlapPolicy>,
    /// The spec of a backfill as JSON, if the spec of the schedule has changed since.
    pub(crate) spec: Option<String>,
}

impl OpenRequest {
    /// The spec of a backfill as written, if the spec of the schedule has changed since.
    pub(crate) fn stored_spec(&self) -> Result<Option<SpecText>, Error> {
        self.spec.as_ref().map(|text| json("spec", text)).transpose()
    }
}

/// The input of a plan, as stored.
#[derive(Debug, Clone)]
pub(crate) struct PlanInputRow {
    pub(crate) schedule: i64,
    pub(crate) id: String,
    pub(crate) current: EpochRow,
    pub(crate) past: Vec<EpochRow>,
    pub(crate) cursor: DateTime<Utc>,
    pub(crate) floor: DateTime<Utc>,
    pub(crate) waiting: Vec<Start>,
    pub(crate) active: Vec<ActiveRun>,
    /// The number of open runs; counted only if a request may depend on it, else 0.
    pub(crate) open_runs: u64,
    pub(crate) requests: Vec<OpenRequest>,
}

/// A backfill that starts everything at once continues when fewer runs than this are open, so that it starts many at a time.
const REFILL_BELOW: i64 = BACKFILL_OPEN as i64 / 2;

/// Maximum number of open runs that a decision considers. If more of them have to stop, they stop in waves: each closed run leads to a new decision.
const MAX_ACTIVE: u64 = 1000;

impl Read<'_> {
    /// The open runs of a schedule, oldest first.
    pub(crate) fn running_of(&self, schedule: i64) -> Result<Vec<ActiveRun>, Error> {
        self.oldest_running_of(schedule, u64::MAX)
    }

    /// The number of open runs of a schedule.
    pub(crate) fn count_running(&self, schedule: i64) -> Result<u64, Error> {
        const SQL: &str = "SELECT count(*) AS n FROM run WHERE schedule = :schedule AND closed_ms IS NULL";
        let mut statement = self.0.prepare_cached(SQL).context("count the runs of the schedule")?;
        statement
            .query_row(named_params! {":schedule": schedule}, |r| r.get("n"))
            .context("count the runs of the schedule")
    }

    fn oldest_running_of(&self, schedule: i64, most: u64) -> Result<Vec<ActiveRun>, Error> {
        const SQL: &str = "SELECT key, run_id, workflow_id, position > 0 OR attempts > 0 OR phase = 'waiting' AS begun, stop FROM run WHERE schedule = :schedule AND closed_ms IS NULL ORDER BY key LIMIT :most";
        let mut statement = self.0.prepare_cached(SQL).context("read the open runs")?;
        let rows = statement.query_map(named_params! {":schedule": schedule, ":most": count(most)}, |r| {
            Ok(ActiveRun {
                run: r.get("key")?,
                run_id: text(r, "run_id")?,
                workflow_id: text(r, "workflow_id")?,
                begun: r.get("begun")?,
                stopping: stop_named(r.get::<_, Option<String>>("stop")?.as_deref()),
            })
        });
        rows.context("read the open runs")?
            .collect::<rusqlite::Result<_>>()
            .context("read the open runs")
    }

    /// Reads the input of a plan for a schedule, with due times up to `until`; `None` if the schedule does not exist any more.
    pub(crate) fn plan_input(&self, schedule: i64, until: DateTime<Utc>) -> Result<Option<PlanInputRow>, Error> {
        const SQL: &str =
            "SELECT s.id, s.spec, s.workflow, s.workflow_id, s.overlap, s.catchup_window_ms, s.pause_on_failure, s.pause_after, s.max_running, s.paused, s.paused_ms,
                CASE WHEN s.note_before IS NULL THEN '' ELSE s.note END AS note, p.remaining, p.cursor_ms, p.floor_ms
            FROM schedule s JOIN progress p ON p.schedule = s.key WHERE s.key = :key";
        let mut statement = self.0.prepare_cached(SQL).context("read the schedule")?;
        let found = statement
            .query_row(named_params! {":key": schedule}, |r| {
                let current = EpochRow {
                    spec: r.get("spec")?,
                    workflow: r.get("workflow")?,
                    workflow_id: text(r, "workflow_id")?,
                    policies: Policies {
                        overlap: OverlapPolicy::Skip,
                        catchup_window_ms: r.get::<_, i64>("catchup_window_ms")?.unsigned_abs(),
                        pause_on_failure: r.get("pause_on_failure")?,
                        pause_after: r.get("pause_after")?,
                        max_running: r.get("max_running")?,
                    },
                    paused: r.get("paused")?,
                    paused_since: at_opt(r.get("paused_ms")?),
                    note: text(r, "note")?,
                    remaining: r.get("remaining")?,
                    until,
                };
                let overlap: String = r.get("overlap")?;
                Ok((
                    r.get::<_, String>("id")?,
                    current,
                    overlap,
                    r.get("cursor_ms")?,
                    r.get("floor_ms")?,
                ))
            })
            .optional()
            .context("read the schedule")?;
        let Some((id, mut current, overlap, cursor, floor)) = found else {
            return Ok(None);
        };
        current.policies.overlap = policy(&overlap)?;
        let mut plan_input = PlanInputRow {
            schedule,
            id,
            current,
            past: self.epochs(schedule)?,
            cursor: at(cursor),
            floor: at(floor),
            waiting: self.waiting(schedule)?,
            active: Vec::new(),
            open_runs: 0,
            requests: self.open_requests(schedule)?,
        };
        if plan_input
            .requests
            .iter()
            .any(|r| matches!(r.kind, RequestKind::Backfill { .. }))
        {
            plan_input.open_runs = self.count_running(schedule)?;
        }
        if plan_input.depends_on_runs() {
            plan_input.active = self.oldest_running_of(schedule, MAX_ACTIVE)?;
        }
        Ok(Some(plan_input))
    }

    /// Whether a decision is needed after a run closes at `now`: for a buffered start, pending times of an earlier definition, or a request that
    /// waits for room. The ticker handles due times and new requests. Takes microseconds regardless of the amount of data.
    pub(crate) fn needs_decision(&self, schedule: i64, now: DateTime<Utc>) -> Result<bool, Error> {
        const SQL: &str = "SELECT EXISTS (SELECT 1 FROM waiting WHERE schedule = :key)
            OR EXISTS (SELECT 1 FROM epoch WHERE schedule = :key)
            OR EXISTS (SELECT 1 FROM request r JOIN schedule s ON s.key = r.schedule WHERE r.schedule = :key AND r.settled_ms IS NULL
                AND NOT EXISTS (SELECT 1 FROM progress WHERE schedule = :key AND attention_ms <= :now)
                AND (coalesce(r.overlap, s.overlap) <> 'allow-all'
                    OR (SELECT count(*) FROM (SELECT 1 FROM run WHERE schedule = :key AND closed_ms IS NULL LIMIT :enough)) < :enough)) AS frees";
        let mut statement = self
            .0
            .prepare_cached(SQL)
            .context("check whether starts or requests are waiting")?;
        statement
            .query_row(
                named_params! {":key": schedule, ":now": ms(now), ":enough": REFILL_BELOW},
                |r| r.get("frees"),
            )
            .context("check whether starts or requests are waiting")
    }

    /// The end of the pending times that belong to an earlier definition, if there are any.
    pub(crate) fn pending_until(&self, schedule: i64) -> Result<Option<DateTime<Utc>>, Error> {
        const SQL: &str = "SELECT max(until_ms) AS until FROM epoch WHERE schedule = :key";
        let mut statement = self.0.prepare_cached(SQL).context("read earlier definitions")?;
        let found = statement.query_row(named_params! {":key": schedule}, |r| r.get::<_, Option<i64>>("until"));
        found.map(at_opt).context("read earlier definitions")
    }

    fn waiting(&self, schedule: i64) -> Result<Vec<Start>, Error> {
        const SQL: &str =
            "SELECT key, nominal_ms, due_ms, origin, request, overlap FROM waiting WHERE schedule = :key ORDER BY key";
        let mut statement = self.0.prepare_cached(SQL).context("read the buffered starts")?;
        let rows = statement.query_map(named_params! {":key": schedule}, |r| {
            let columns: (i64, i64, i64) = (r.get("key")?, r.get("nominal_ms")?, r.get("due_ms")?);
            Ok((
                columns,
                r.get::<_, String>("origin")?,
                r.get::<_, Option<i64>>("request")?,
                r.get::<_, Option<String>>("overlap")?,
            ))
        });
        let rows = rows
            .context("read the buffered starts")?
            .collect::<rusqlite::Result<Vec<_>>>()
            .context("read the buffered starts")?;
        rows.into_iter()
            .map(|((key, nominal, due), origin, request, overlap)| {
                Ok(Start {
                    nominal: at(nominal),
                    due: at(due),
                    origin: origin_named(&origin, request)?,
                    overlap: overlap.as_deref().map(policy).transpose()?,
                    waiting_as: Some(key),
                })
            })
            .collect()
    }

    /// The requests about a schedule that are not settled yet, oldest first.
    pub(crate) fn open_requests(&self, schedule: i64) -> Result<Vec<OpenRequest>, Error> {
        const SQL: &str = "SELECT key, kind, overlap, start_ms, end_ms, done_to_ms, created_ms, spec FROM request
            WHERE schedule = :key AND settled_ms IS NULL ORDER BY key";
        let mut statement = self.0.prepare_cached(SQL).context("read the requests")?;
        let rows = statement.query_map(named_params! {":key": schedule}, |r| {
            let kind = match (r.get::<_, Option<i64>>("start_ms")?, r.get::<_, Option<i64>>("end_ms")?) {
                (Some(start), Some(end)) => RequestKind::Backfill {
                    start: at(start),
                    end: at(end),
                    done_to: r.get::<_, Option<i64>>("done_to_ms")?.map(at),
                },
                _ => RequestKind::Trigger(at(r.get("created_ms")?)),
            };
            Ok((r.get("key")?, kind, r.get::<_, Option<String>>("overlap")?, r.get("spec")?))
        });
        let rows = rows
            .context("read the requests")?
            .collect::<rusqlite::Result<Vec<_>>>()
            .context("read the requests")?;
        rows.into_iter()
            .map(|(key, kind, overlap, spec)| {
                Ok(OpenRequest {
                    key,
                    kind,
                    overlap: overlap.as_deref().map(policy).transpose()?,
                    spec,
                })
            })
            .collect()
    }
}

impl PlanInputRow {
    /// Whether the plan depends on the open runs: not if everything starts at once.
    fn depends_on_runs(&self) -> bool {
        let mut definitions = std::iter::once(&self.current).chain(&self.past);
        if definitions.any(|e| e.policies.max_running.is_some()) {
            return true;
        }
        let policies = std::iter::once(&self.current).chain(&self.past).map(|e| e.policies.overlap);
        let requested = self.requests.iter().filter_map(|r| r.overlap);
        let waiting = self.waiting.iter().filter_map(|w| w.overlap);
        policies
            .chain(requested)
            .chain(waiting)
            .any(|overlap| overlap != OverlapPolicy::AllowAll)
    }

    /// Converts the row to the input of a plan, given its compiled specs: the current one, the past ones, and those of requests that have their own.
    pub(crate) fn plan_input<'a>(
        &self,
        (current, past): (&'a Spec, &'a [Arc<Spec>]),
        request_specs: Vec<Option<Arc<Spec>>>,
        max_buffer: usize,
    ) -> PlanInput<'a> {
        let request = |(r, spec): (&OpenRequest, Option<Arc<Spec>>)| Request {
            key: r.key,
            kind: r.kind,
            overlap: r.overlap,
            spec,
        };
        PlanInput {
            current: self.current.epoch(current),
            past: self.past.iter().zip(past).map(|(e, spec)| e.epoch(spec)).collect(),
            cursor: self.cursor,
            floor: self.floor,
            waiting: self.waiting.clone(),
            running: self.running(),
            open_runs: usize::try_from(self.open_runs).unwrap_or(usize::MAX),
            requests: self.requests.iter().zip(request_specs).map(request).collect(),
            max_buffer,
        }
    }

    /// The past definition at an index, or the current one.
    pub(crate) fn definition(&self, index: Option<usize>) -> &EpochRow {
        index.and_then(|i| self.past.get(i)).unwrap_or(&self.current)
    }

    /// Converts the open runs to the input of a plan.
    fn running(&self) -> Vec<Running> {
        self.active
            .iter()
            .map(|g| Running {
                run: g.run,
                begun: g.begun,
                stopping: g.stopping,
            })
            .collect()
    }
}

pub(super) fn stop_named(name: Option<&str>) -> Option<Stop> {
    match name {
        Some("cancel") => Some(Stop::Cancel),
        Some("terminate") => Some(Stop::Terminate),
        _ => None,
    }
}

fn origin_named(name: &str, request: Option<i64>) -> Result<Origin, Error> {
    match (name, request) {
        ("scheduled", None) => Ok(Origin::Scheduled),
        ("trigger", Some(key)) => Ok(Origin::Trigger(key)),
        ("backfill", Some(key)) => Ok(Origin::Backfill(key)),
        _ => Err(Error::new(
            Kind::System,
            format_args!("the database contains an unknown origin: `{name}`"),
        )),
    }
}
