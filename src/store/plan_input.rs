//! What the plan is made from, and the plan carried out: one transaction, so that the file says "not decided" or "decided and recorded".

use std::sync::Arc;

use chrono::{DateTime, Utc};
use rusqlite::{OptionalExtension as _, named_params};

use super::Read;
use super::rows::{Context as _, at, at_opt, count, json, ms, named};
use crate::error::{Error, Kind};
use crate::run::Stop;
use crate::schedule::backfill::BACKFILL_OPEN;
use crate::schedule::not_started::Circumstances;
use crate::schedule::overlap::Running;
use crate::schedule::plan_input::{Epoch, PlanInput, Request, RequestKind};
use crate::schedule::start::{Origin, Start};
use crate::schedule::{OverlapPolicy, Policies};
use crate::spec::Spec;
use crate::spec::spec_text::SpecText;

/// A definition in force for a while, as it is on file.
#[derive(Debug, Clone)]
pub(crate) struct EpochRow {
    /// The spec as JSON: whoever makes it ready may have done so before.
    pub(crate) spec: String,
    pub(crate) workflow: i64,
    pub(crate) workflow_id: String,
    pub(crate) policies: Policies,
    pub(crate) paused: bool,
    pub(crate) paused_since: Option<DateTime<Utc>>,
    pub(crate) note: String,
    pub(crate) remaining: Option<u64>,
    pub(crate) until: DateTime<Utc>,
}

impl EpochRow {
    /// As the plan wants it.
    fn epoch<'a>(&self, spec: &'a Spec) -> Epoch<'a> {
        Epoch {
            spec,
            policies: self.policies,
            paused: self.paused,
            remaining: self.remaining,
            until: self.until,
        }
    }

    /// The spec as written.
    pub(crate) fn written(&self) -> Result<SpecText, Error> {
        json("spec", &self.spec)
    }

    /// What a refusal under it was decided by.
    pub(crate) fn circumstances(&self) -> Circumstances<'_> {
        Circumstances {
            catchup_window_ms: self.policies.catchup_window_ms,
            paused_since: self.paused_since,
            note: &self.note,
        }
    }
}

/// A run of the schedule that is open.
#[derive(Debug, Clone)]
pub(crate) struct ActiveRun {
    pub(crate) run: i64,
    pub(crate) run_id: String,
    pub(crate) workflow_id: String,
    /// Whether a worker has begun with it.
    pub(crate) begun: bool,
    pub(crate) stopping: Option<Stop>,
}

/// What is asked of a schedule and not settled.
#[derive(Debug, Clone)]
pub(crate) struct OpenRequest {
    key: i64,
    kind: RequestKind,
    overlap: Option<OverlapPolicy>,
    /// The spec of a backfill as JSON, where the schedule has had another since.
    pub(crate) spec: Option<String>,
}

/// Everything that a plan is made from, as it is on file.
#[derive(Debug, Clone)]
pub(crate) struct PlanInputRow {
    pub(crate) schedule: i64,
    pub(crate) id: String,
    pub(crate) current: EpochRow,
    pub(crate) past: Vec<EpochRow>,
    pub(crate) cursor: DateTime<Utc>,
    pub(crate) floor: DateTime<Utc>,
    pub(crate) waiting: Vec<Start>,
    pub(crate) going: Vec<ActiveRun>,
    /// How many runs are open; counted only where a request may depend on it.
    pub(crate) open_runs: u64,
    pub(crate) requests: Vec<OpenRequest>,
}

/// A backfill that starts everything at once is fed again when fewer runs than this are open, many at a time.
const ENOUGH_OPEN: i64 = BACKFILL_OPEN as i64 / 2;

/// How many of the runs that are going a decision looks at. Where more are to stop, they do so in waves: it is made again as each of them closes.
const MOST_GOING: u64 = 1000;

impl Read<'_> {
    /// The open runs of a schedule, oldest first.
    pub(crate) fn running_of(&self, schedule: i64) -> Result<Vec<ActiveRun>, Error> {
        self.oldest_running_of(schedule, u64::MAX)
    }

    /// How many open runs of a schedule there are.
    pub(crate) fn count_running(&self, schedule: i64) -> Result<u64, Error> {
        const SQL: &str = "SELECT count(*) AS n FROM run WHERE schedule = :schedule AND closed_ms IS NULL";
        let mut statement = self.0.prepare_cached(SQL).context("count its runs")?;
        statement
            .query_row(named_params! {":schedule": schedule}, |r| r.get("n"))
            .context("count its runs")
    }

    fn oldest_running_of(&self, schedule: i64, most: u64) -> Result<Vec<ActiveRun>, Error> {
        const SQL: &str = "SELECT key, run_id, workflow_id, position > 0 OR attempts > 0 AS begun, stop FROM run WHERE schedule = :schedule AND closed_ms IS NULL ORDER BY key LIMIT :most";
        let mut statement = self.0.prepare_cached(SQL).context("ask what is running")?;
        let rows = statement.query_map(named_params! {":schedule": schedule, ":most": count(most)}, |r| {
            Ok(ActiveRun {
                run: r.get("key")?,
                run_id: r.get("run_id")?,
                workflow_id: r.get("workflow_id")?,
                begun: r.get("begun")?,
                stopping: stop_named(r.get::<_, Option<String>>("stop")?.as_deref()),
            })
        });
        rows.context("ask what is running")?
            .collect::<rusqlite::Result<_>>()
            .context("ask what is running")
    }

    /// What the plan of a schedule is made from, with due times up to `until`; none when it is gone.
    pub(crate) fn plan_input(&self, schedule: i64, until: DateTime<Utc>) -> Result<Option<PlanInputRow>, Error> {
        const SQL: &str =
            "SELECT s.id, s.spec, s.workflow, s.workflow_id, s.overlap, s.catchup_window_ms, s.pause_on_failure, s.paused, s.paused_ms, s.note,
                p.remaining, p.cursor_ms, p.floor_ms
            FROM schedule s JOIN progress p ON p.schedule = s.key WHERE s.key = :key";
        let mut statement = self.0.prepare_cached(SQL).context("read the schedule")?;
        let found = statement
            .query_row(named_params! {":key": schedule}, |r| {
                let current = EpochRow {
                    spec: r.get("spec")?,
                    workflow: r.get("workflow")?,
                    workflow_id: r.get("workflow_id")?,
                    policies: Policies {
                        overlap: OverlapPolicy::Skip,
                        catchup_window_ms: r.get::<_, i64>("catchup_window_ms")?.unsigned_abs(),
                        pause_on_failure: r.get("pause_on_failure")?,
                    },
                    paused: r.get("paused")?,
                    paused_since: at_opt(r.get("paused_ms")?),
                    note: r.get("note")?,
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
            going: Vec::new(),
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
            plan_input.going = self.oldest_running_of(schedule, MOST_GOING)?;
        }
        Ok(Some(plan_input))
    }

    /// Whether a run that closes at `now` leaves something to decide: a start that waits, or a request that waits for room. What is due, or asked for,
    /// the ticker takes up by itself. Costs microseconds, however much goes on.
    pub(crate) fn frees_something(&self, schedule: i64, now: DateTime<Utc>) -> Result<bool, Error> {
        const SQL: &str = "SELECT EXISTS (SELECT 1 FROM waiting WHERE schedule = :key)
            OR EXISTS (SELECT 1 FROM epoch WHERE schedule = :key)
            OR EXISTS (SELECT 1 FROM request r JOIN schedule s ON s.key = r.schedule WHERE r.schedule = :key AND r.settled_ms IS NULL
                AND NOT EXISTS (SELECT 1 FROM progress WHERE schedule = :key AND attention_ms <= :now)
                AND (coalesce(r.overlap, s.overlap) <> 'allow-all'
                    OR (SELECT count(*) FROM (SELECT 1 FROM run WHERE schedule = :key AND closed_ms IS NULL LIMIT :enough)) < :enough)) AS frees";
        let mut statement = self.0.prepare_cached(SQL).context("ask what there is to decide")?;
        statement
            .query_row(
                named_params! {":key": schedule, ":now": ms(now), ":enough": ENOUGH_OPEN},
                |r| r.get("frees"),
            )
            .context("ask what there is to decide")
    }

    /// Until when times belong to an earlier definition and are undecided, if any are.
    pub(crate) fn pending_until(&self, schedule: i64) -> Result<Option<DateTime<Utc>>, Error> {
        const SQL: &str = "SELECT max(until_ms) AS until FROM epoch WHERE schedule = :key";
        let mut statement = self.0.prepare_cached(SQL).context("read earlier definitions")?;
        let found = statement.query_row(named_params! {":key": schedule}, |r| r.get::<_, Option<i64>>("until"));
        found.map(at_opt).context("read earlier definitions")
    }

    fn epochs(&self, schedule: i64) -> Result<Vec<EpochRow>, Error> {
        const SQL: &str =
            "SELECT until_ms, spec, workflow, workflow_id, overlap, catchup_window_ms, paused, paused_ms, note, remaining
            FROM epoch WHERE schedule = :key ORDER BY key";
        let mut statement = self.0.prepare_cached(SQL).context("read earlier definitions")?;
        let rows = statement.query_map(named_params! {":key": schedule}, |r| {
            let epoch = EpochRow {
                spec: r.get("spec")?,
                workflow: r.get("workflow")?,
                workflow_id: r.get("workflow_id")?,
                policies: Policies {
                    catchup_window_ms: r.get::<_, i64>("catchup_window_ms")?.unsigned_abs(),
                    ..Policies::default()
                },
                paused: r.get("paused")?,
                paused_since: at_opt(r.get("paused_ms")?),
                note: r.get("note")?,
                remaining: r.get("remaining")?,
                until: at(r.get("until_ms")?),
            };
            Ok((epoch, r.get::<_, String>("overlap")?))
        });
        let rows = rows
            .context("read earlier definitions")?
            .collect::<rusqlite::Result<Vec<_>>>()
            .context("read earlier definitions")?;
        rows.into_iter()
            .map(|(mut epoch, overlap)| {
                epoch.policies.overlap = policy(&overlap)?;
                Ok(epoch)
            })
            .collect()
    }

    fn waiting(&self, schedule: i64) -> Result<Vec<Start>, Error> {
        const SQL: &str =
            "SELECT key, nominal_ms, due_ms, origin, request, overlap FROM waiting WHERE schedule = :key ORDER BY key";
        let mut statement = self.0.prepare_cached(SQL).context("read what waits")?;
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
            .context("read what waits")?
            .collect::<rusqlite::Result<Vec<_>>>()
            .context("read what waits")?;
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

    /// What is asked of a schedule and not settled, oldest first.
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
    /// Whether what is going can decide anything: where everything starts at once it does not.
    fn depends_on_runs(&self) -> bool {
        let policies = std::iter::once(&self.current).chain(&self.past).map(|e| e.policies.overlap);
        let asked = self.requests.iter().filter_map(|r| r.overlap);
        let waiting = self.waiting.iter().filter_map(|w| w.overlap);
        policies
            .chain(asked)
            .chain(waiting)
            .any(|overlap| overlap != OverlapPolicy::AllowAll)
    }

    /// As the plan wants it, with its specs made ready: the current one, those of the past, and those of requests that have their own.
    pub(crate) fn plan_input<'a>(
        &self,
        (current, past): (&'a Spec, &'a [Arc<Spec>]),
        asked_under: Vec<Option<Arc<Spec>>>,
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
            requests: self.requests.iter().zip(asked_under).map(request).collect(),
            max_buffer,
        }
    }

    /// The definition of that index, or the current one.
    pub(crate) fn definition(&self, index: Option<usize>) -> &EpochRow {
        index.and_then(|i| self.past.get(i)).unwrap_or(&self.current)
    }

    /// The runs going, as the plan wants them.
    fn running(&self) -> Vec<Running> {
        self.going
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

fn policy(name: &str) -> Result<OverlapPolicy, Error> {
    named("overlap policy", name, OverlapPolicy::named(name))
}

fn origin_named(name: &str, request: Option<i64>) -> Result<Origin, Error> {
    match (name, request) {
        ("scheduled", None) => Ok(Origin::Scheduled),
        ("trigger", Some(key)) => Ok(Origin::Trigger(key)),
        ("backfill", Some(key)) => Ok(Origin::Backfill(key)),
        _ => Err(Error::new(
            Kind::System,
            format_args!("the database holds the unknown origin `{name}`"),
        )),
    }
}
