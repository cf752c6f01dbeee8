//! What the plan is made from, and the plan carried out: one transaction, so that the file says "not decided" or "decided and recorded".

use chrono::{DateTime, Utc};
use rusqlite::{OptionalExtension as _, named_params};

use super::rows::{Attempt as _, at, count, ms, named};
use super::{Read, Write};
use crate::error::{Error, Kind};
use crate::run::Stop;
use crate::schedule::overlap::{Origin, Running, Start};
use crate::schedule::plan::{Begin, Outcome, Plan, Reason, Refused, Request, RequestKind};
use crate::schedule::simulate::{Counters, run_id};
use crate::schedule::{OverlapPolicy, Policies};

/// A definition in force for a while, as it is on file.
#[derive(Debug, Clone)]
pub(crate) struct EpochRow {
    /// The spec as JSON: whoever makes it ready may have done so before.
    pub(crate) spec: String,
    pub(crate) workflow: i64,
    pub(crate) workflow_id: String,
    pub(crate) policies: Policies,
    pub(crate) paused: bool,
    pub(crate) exhausted: bool,
    pub(crate) until: DateTime<Utc>,
}

/// A run of the schedule that is open.
#[derive(Debug, Clone)]
pub(crate) struct Going {
    pub(crate) run: i64,
    pub(crate) run_id: String,
    pub(crate) workflow_id: String,
    pub(crate) stopping: Option<Stop>,
}

/// Everything that a plan is made from, as it is on file.
#[derive(Debug, Clone)]
pub(crate) struct SituationRow {
    pub(crate) schedule: i64,
    pub(crate) id: String,
    pub(crate) current: EpochRow,
    pub(crate) past: Vec<EpochRow>,
    pub(crate) remaining: Option<u64>,
    pub(crate) cursor: DateTime<Utc>,
    pub(crate) floor: DateTime<Utc>,
    pub(crate) waiting: Vec<Start>,
    pub(crate) going: Vec<Going>,
    pub(crate) requests: Vec<Request>,
}

/// What carrying out a plan has put on file.
#[derive(Debug, Clone, Default)]
pub(crate) struct Carried {
    /// The runs that began: key, run id, workflow id, and the start.
    pub(crate) begun: Vec<(i64, String, String, Start)>,
    /// The runs that are to stop.
    pub(crate) stopped: Vec<(i64, Stop)>,
}

impl Read<'_> {
    /// The open runs of a schedule, oldest first.
    pub(crate) fn running_of(&self, schedule: i64) -> Result<Vec<Going>, Error> {
        const SQL: &str = "SELECT key, run_id, workflow_id, stop FROM run WHERE schedule = :schedule AND closed_ms IS NULL ORDER BY key";
        let mut statement = self.0.prepare_cached(SQL).attempt("ask what is running")?;
        let rows = statement.query_map(named_params! {":schedule": schedule}, |r| {
            Ok(Going {
                run: r.get("key")?,
                run_id: r.get("run_id")?,
                workflow_id: r.get("workflow_id")?,
                stopping: stop_named(r.get::<_, Option<String>>("stop")?.as_deref()),
            })
        });
        rows.attempt("ask what is running")?.collect::<rusqlite::Result<_>>().attempt("ask what is running")
    }

    /// What the plan of a schedule is made from, with due times up to `until`; none when it is gone.
    pub(crate) fn situation(&self, schedule: i64, until: DateTime<Utc>) -> Result<Option<SituationRow>, Error> {
        const SQL: &str = "SELECT s.id, s.spec, s.workflow, s.workflow_id, s.overlap, s.catchup_window_ms, s.pause_on_failure, s.paused,
                p.remaining, p.cursor_ms, p.floor_ms
            FROM schedule s JOIN progress p ON p.schedule = s.key WHERE s.key = :key";
        let mut statement = self.0.prepare_cached(SQL).attempt("read the schedule")?;
        let found = statement
            .query_row(named_params! {":key": schedule}, |r| {
                let remaining = r.get::<_, Option<i64>>("remaining")?.map(i64::unsigned_abs);
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
                    exhausted: remaining == Some(0),
                    until,
                };
                let overlap: String = r.get("overlap")?;
                Ok((r.get::<_, String>("id")?, current, overlap, remaining, r.get("cursor_ms")?, r.get("floor_ms")?))
            })
            .optional()
            .attempt("read the schedule")?;
        let Some((id, mut current, overlap, remaining, cursor, floor)) = found else { return Ok(None) };
        current.policies.overlap = policy(&overlap)?;
        Ok(Some(SituationRow {
            schedule,
            id,
            current,
            past: self.epochs(schedule)?,
            remaining,
            cursor: at(cursor),
            floor: at(floor),
            waiting: self.waiting(schedule)?,
            going: self.running_of(schedule)?,
            requests: self.open_requests(schedule)?,
        }))
    }

    fn epochs(&self, schedule: i64) -> Result<Vec<EpochRow>, Error> {
        const SQL: &str = "SELECT until_ms, spec, workflow, workflow_id, overlap, catchup_window_ms, paused, exhausted
            FROM epoch WHERE schedule = :key ORDER BY key";
        let mut statement = self.0.prepare_cached(SQL).attempt("read earlier definitions")?;
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
                exhausted: r.get("exhausted")?,
                until: at(r.get("until_ms")?),
            };
            Ok((epoch, r.get::<_, String>("overlap")?))
        });
        let rows = rows.attempt("read earlier definitions")?.collect::<rusqlite::Result<Vec<_>>>().attempt("read earlier definitions")?;
        rows.into_iter()
            .map(|(mut epoch, overlap)| {
                epoch.policies.overlap = policy(&overlap)?;
                Ok(epoch)
            })
            .collect()
    }

    fn waiting(&self, schedule: i64) -> Result<Vec<Start>, Error> {
        const SQL: &str = "SELECT key, nominal_ms, due_ms, origin, request, overlap FROM waiting WHERE schedule = :key ORDER BY key";
        let mut statement = self.0.prepare_cached(SQL).attempt("read what waits")?;
        let rows = statement.query_map(named_params! {":key": schedule}, |r| {
            let columns: (i64, i64, i64) = (r.get("key")?, r.get("nominal_ms")?, r.get("due_ms")?);
            Ok((columns, r.get::<_, String>("origin")?, r.get::<_, Option<i64>>("request")?, r.get::<_, Option<String>>("overlap")?))
        });
        let rows = rows.attempt("read what waits")?.collect::<rusqlite::Result<Vec<_>>>().attempt("read what waits")?;
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

    fn open_requests(&self, schedule: i64) -> Result<Vec<Request>, Error> {
        const SQL: &str = "SELECT key, kind, overlap, start_ms, end_ms, done_to_ms, created_ms FROM request
            WHERE schedule = :key AND settled_ms IS NULL ORDER BY key";
        let mut statement = self.0.prepare_cached(SQL).attempt("read the requests")?;
        let rows = statement.query_map(named_params! {":key": schedule}, |r| {
            let kind = match (r.get::<_, Option<i64>>("start_ms")?, r.get::<_, Option<i64>>("end_ms")?) {
                (Some(start), Some(end)) => RequestKind::Backfill {
                    start: at(start),
                    end: at(end),
                    done_to: r.get::<_, Option<i64>>("done_to_ms")?.map(at),
                },
                _ => RequestKind::Trigger(at(r.get("created_ms")?)),
            };
            Ok((r.get("key")?, kind, r.get::<_, Option<String>>("overlap")?))
        });
        let rows = rows.attempt("read the requests")?.collect::<rusqlite::Result<Vec<_>>>().attempt("read the requests")?;
        rows.into_iter()
            .map(|(key, kind, overlap)| Ok(Request { key, kind, overlap: overlap.as_deref().map(policy).transpose()? }))
            .collect()
    }
}

impl SituationRow {
    /// The runs going, as the plan wants them.
    pub(crate) fn running(&self) -> Vec<Running> {
        self.going.iter().map(|g| Running { run: g.run, stopping: g.stopping }).collect()
    }
}

impl Write<'_> {
    /// Puts a plan on file.
    pub(crate) fn carry_out(&self, situation: &SituationRow, plan: &Plan, now: DateTime<Utc>) -> Result<Carried, Error> {
        let mut carried = Carried::default();
        for Begin { start, epoch } in &plan.begin {
            let definition = epoch.and_then(|i| situation.past.get(i)).unwrap_or(&situation.current);
            let (key, run) = self.insert_scheduled_run(situation, definition, start, now)?;
            carried.begun.push((key, run, run_id(&definition.workflow_id, start.nominal), start.clone()));
        }
        self.keep_waiting(situation, plan)?;
        let last_nominal = plan.begin.iter().map(|b| b.start.nominal).max();
        for refused in &plan.refused {
            self.insert_refused(situation, refused, now)?;
        }
        for going in &situation.going {
            let stop = match (plan.terminate, plan.cancel) {
                (true, _) if going.stopping != Some(Stop::Terminate) => Stop::Terminate,
                (false, true) if going.stopping.is_none() => Stop::Cancel,
                _ => continue,
            };
            self.stop_run(going.run, stop)?;
            carried.stopped.push((going.run, stop));
        }
        self.settle_requests(plan, now)?;
        self.forget_epochs(situation, plan)?;
        self.record_progress(situation.schedule, plan, last_nominal, now)?;
        Ok(carried)
    }

    fn insert_scheduled_run(
        &self,
        situation: &SituationRow,
        definition: &EpochRow,
        start: &Start,
        now: DateTime<Utc>,
    ) -> Result<(i64, String), Error> {
        const SQL: &str = "INSERT INTO run (workflow_id, schedule, schedule_id, origin, request, workflow, nominal_ms, due_ms, started_ms)
            VALUES (:workflow_id, :schedule, :schedule_id, :origin, :request, :workflow, :nominal, :due, :now) RETURNING key, run_id";
        let (origin, request) = origin_columns(start.origin);
        let mut statement = self.0.0.prepare_cached(SQL).attempt("record the start")?;
        statement
            .query_row(
                named_params! {
                    ":workflow_id": run_id(&definition.workflow_id, start.nominal),
                    ":schedule": situation.schedule,
                    ":schedule_id": situation.id,
                    ":origin": origin,
                    ":request": request,
                    ":workflow": definition.workflow,
                    ":nominal": ms(start.nominal),
                    ":due": ms(start.due),
                    ":now": ms(now),
                },
                |r| Ok((r.get("key")?, r.get("run_id")?)),
            )
            .attempt("record the start")
    }

    fn keep_waiting(&self, situation: &SituationRow, plan: &Plan) -> Result<(), Error> {
        const DELETE: &str = "DELETE FROM waiting WHERE key = :key";
        const INSERT: &str = "INSERT INTO waiting (schedule, nominal_ms, due_ms, origin, request, overlap)
            VALUES (:schedule, :nominal, :due, :origin, :request, :overlap)";
        let mut stay: Vec<i64> = plan.waiting.iter().filter_map(|w| w.waiting_as).collect();
        stay.sort_unstable();
        for gone in situation.waiting.iter().filter_map(|w| w.waiting_as).filter(|k| stay.binary_search(k).is_err()) {
            self.0.0.prepare_cached(DELETE).and_then(|mut s| s.execute(named_params! {":key": gone})).attempt("empty the buffer")?;
        }
        for start in plan.waiting.iter().filter(|w| w.waiting_as.is_none()) {
            let (origin, request) = origin_columns(start.origin);
            let mut statement = self.0.0.prepare_cached(INSERT).attempt("record what waits")?;
            statement
                .execute(named_params! {
                    ":schedule": situation.schedule,
                    ":nominal": ms(start.nominal),
                    ":due": ms(start.due),
                    ":origin": origin,
                    ":request": request,
                    ":overlap": start.overlap.map(OverlapPolicy::name),
                })
                .attempt("record what waits")?;
        }
        Ok(())
    }

    /// Records times that did not start; in the same row as those before where they share a fate and nothing started between.
    fn insert_refused(&self, situation: &SituationRow, refused: &Refused, now: DateTime<Utc>) -> Result<(), Error> {
        const EXTEND: &str = "UPDATE refused SET to_ms = :to, count = count + :count, decided_ms = :now
            WHERE key = (SELECT key FROM refused WHERE schedule = :schedule ORDER BY key DESC LIMIT 1)
            AND outcome = :outcome AND reason = :reason AND origin = :origin AND request IS :request AND run IS :run AND to_ms < :from
            AND NOT EXISTS (SELECT 1 FROM run r WHERE r.schedule = :schedule AND r.origin = 'scheduled'
                AND r.nominal_ms > refused.to_ms AND r.nominal_ms < :from)";
        const INSERT: &str = "INSERT INTO refused (schedule, from_ms, to_ms, count, outcome, reason, origin, request, run, decided_ms)
            VALUES (:schedule, :from, :to, :count, :outcome, :reason, :origin, :request, :run, :now)";
        let (origin, request) = origin_columns(refused.origin);
        let run = situation.going.first().filter(|_| refused.reason == Reason::StillRunning).map(|g| g.run);
        let outcome: Outcome = refused.outcome;
        let parameters = named_params! {
            ":schedule": situation.schedule,
            ":from": ms(refused.from),
            ":to": ms(refused.to),
            ":count": count(refused.count),
            ":outcome": outcome.name(),
            ":reason": refused.reason.text(),
            ":origin": origin,
            ":request": request,
            ":run": run,
            ":now": ms(now),
        };
        let what = "record why a time did not start";
        let extended = self.0.0.prepare_cached(EXTEND).and_then(|mut s| s.execute(parameters)).attempt(what)?;
        if extended == 0 {
            self.0.0.prepare_cached(INSERT).and_then(|mut s| s.execute(parameters)).attempt(what)?;
        }
        Ok(())
    }

    fn settle_requests(&self, plan: &Plan, now: DateTime<Utc>) -> Result<(), Error> {
        const SQL: &str = "UPDATE request SET taken = taken + :taken, done_to_ms = coalesce(:done_to, done_to_ms),
            settled_ms = CASE WHEN :finished THEN :now END WHERE key = :key";
        for progress in &plan.requests {
            let mut statement = self.0.0.prepare_cached(SQL).attempt("record the request's progress")?;
            statement
                .execute(named_params! {
                    ":key": progress.key,
                    ":taken": count(progress.taken),
                    ":done_to": progress.done_to.map(ms),
                    ":finished": progress.finished,
                    ":now": ms(now),
                })
                .attempt("record the request's progress")?;
        }
        Ok(())
    }

    fn forget_epochs(&self, situation: &SituationRow, plan: &Plan) -> Result<(), Error> {
        const SQL: &str = "DELETE FROM epoch WHERE schedule = :schedule AND until_ms <= :floor";
        if situation.past.is_empty() {
            return Ok(());
        }
        let mut statement = self.0.0.prepare_cached(SQL).attempt("forget earlier definitions")?;
        let done = statement.execute(named_params! {":schedule": situation.schedule, ":floor": ms(plan.floor)});
        done.map(|_| ()).attempt("forget earlier definitions")
    }

    fn record_progress(
        &self,
        schedule: i64,
        plan: &Plan,
        last_nominal: Option<DateTime<Utc>>,
        now: DateTime<Utc>,
    ) -> Result<(), Error> {
        const SQL: &str = "UPDATE progress SET cursor_ms = :cursor, floor_ms = :floor, next_ms = :next, remaining = :remaining,
            actions = actions + :actions, skipped = skipped + :skipped, missed = missed + :missed, dropped = dropped + :dropped,
            last_nominal_ms = coalesce(:last_nominal, last_nominal_ms),
            last_started_ms = CASE WHEN :last_nominal IS NULL THEN last_started_ms ELSE :now END
            WHERE schedule = :schedule";
        let mut counters = Counters::default();
        counters.count(plan);
        let mut statement = self.0.0.prepare_cached(SQL).attempt("record the decision")?;
        statement
            .execute(named_params! {
                ":schedule": schedule,
                ":cursor": ms(plan.cursor),
                ":floor": ms(plan.floor),
                ":next": plan.next_due.map(ms),
                ":remaining": plan.remaining.map(count),
                ":actions": count(counters.actions),
                ":skipped": count(counters.skipped),
                ":missed": count(counters.missed),
                ":dropped": count(counters.dropped),
                ":last_nominal": last_nominal.map(ms),
                ":now": ms(now),
            })
            .attempt("record the decision")?;
        // A long backfill wants to be looked at again at once.
        let attention = if plan.more { Some(now) } else { plan.next_due };
        self.attend(schedule, attention)
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
    named("overlap policy", name, OverlapPolicy::parse(name).ok())
}

fn origin_columns(origin: Origin) -> (&'static str, Option<i64>) {
    match origin {
        Origin::Scheduled => ("scheduled", None),
        Origin::Trigger(request) => ("trigger", Some(request)),
        Origin::Backfill(request) => ("backfill", Some(request)),
    }
}

fn origin_named(name: &str, request: Option<i64>) -> Result<Origin, Error> {
    match (name, request) {
        ("scheduled", None) => Ok(Origin::Scheduled),
        ("trigger", Some(key)) => Ok(Origin::Trigger(key)),
        ("backfill", Some(key)) => Ok(Origin::Backfill(key)),
        _ => Err(Error::new(Kind::System, format_args!("the database holds the unknown origin `{name}`"))),
    }
}
