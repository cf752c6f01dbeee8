//! Applies a plan in one transaction: in the database, a time is either pending, or decided and recorded.

use chrono::{DateTime, Utc};
use rusqlite::named_params;

use super::Write;
use super::epochs::EpochRow;
use super::event_kind::EventKind;
use super::events::NewEvent;
use super::plan_input::PlanInputRow;
use super::rows::{Context as _, count, ms};
use crate::error::Error;
use crate::run::Stop;
use crate::schedule::OverlapPolicy;
use crate::schedule::counters::Counters;
use crate::schedule::not_started::{NotStarted, Outcome, Reason};
use crate::schedule::plan::{Begin, Plan};
use crate::schedule::start::workflow_id_at;
use crate::schedule::start::{Origin, Start};

/// The runs that an applied plan has started and stopped.
#[derive(Debug, Clone, Default)]
pub(crate) struct Applied {
    /// The started runs: key, run id, workflow id, the key of the action, and the start.
    pub(crate) begun: Vec<(i64, String, String, i64, Start)>,
    /// The runs that were asked to stop.
    pub(crate) stopped: Vec<(i64, Stop)>,
}

impl Write<'_> {
    /// Records the decisions of a plan.
    pub(crate) fn apply_plan(&self, plan_input: &PlanInputRow, plan: &Plan, now: DateTime<Utc>) -> Result<Applied, Error> {
        let mut applied = Applied::default();
        for Begin { start, epoch } in &plan.begin {
            let definition = plan_input.definition(*epoch);
            let (key, run) = self.insert_scheduled_run(plan_input, definition, start, now)?;
            applied.begun.push((
                key,
                run,
                workflow_id_at(&definition.workflow_id, start.nominal),
                definition.workflow,
                start.clone(),
            ));
        }
        self.update_buffer(plan_input, plan, now)?;
        let last_nominal = plan.begin.iter().map(|b| b.start.nominal).max();
        for not_started in &plan.not_started {
            self.insert_not_started(plan_input, not_started, now)?;
        }
        for active in &plan_input.active {
            let stop = match (plan.terminate, plan.cancel) {
                (true, _) if active.stopping != Some(Stop::Terminate) => Stop::Terminate,
                (false, true) if active.stopping.is_none() => Stop::Cancel,
                _ => continue,
            };
            self.stop_run(active.run, stop, Some("replaced by a newer start"), now)?;
            applied.stopped.push((active.run, stop));
        }
        self.settle_requests(plan, now)?;
        self.delete_decided_epochs(plan_input, plan)?;
        self.record_progress(plan_input, plan, last_nominal, now)?;
        Ok(applied)
    }

    fn insert_scheduled_run(
        &self,
        plan_input: &PlanInputRow,
        definition: &EpochRow,
        start: &Start,
        now: DateTime<Utc>,
    ) -> Result<(i64, String), Error> {
        const SQL: &str =
            "INSERT INTO run (workflow_id, schedule, schedule_id, origin, request, workflow, nominal_ms, due_ms, started_ms)
            VALUES (:workflow_id, :schedule, :schedule_id, :origin, :request, :workflow, :nominal, :due, :now)";
        // A separate query: RETURNING would take several times as long.
        const RUN_ID: &str = "SELECT run_id FROM run WHERE key = :key";
        let (origin, request) = origin_columns(start.origin);
        let mut statement = self.0.0.prepare_cached(SQL).context("record the start")?;
        let key = statement
            .insert(named_params! {
                ":workflow_id": workflow_id_at(&definition.workflow_id, start.nominal),
                ":schedule": plan_input.schedule,
                ":schedule_id": plan_input.id,
                ":origin": origin,
                ":request": request,
                ":workflow": definition.workflow,
                ":nominal": ms(start.nominal),
                ":due": ms(start.due),
                ":now": ms(now),
            })
            .context("record the start")?;
        let mut statement = self.0.0.prepare_cached(RUN_ID).context("record the start")?;
        let run_id = statement.query_row(named_params! {":key": key}, |r| r.get("run_id"));
        let event = NewEvent {
            run: Some(key),
            ..NewEvent::at_schedule(EventKind::Start, plan_input.schedule)
        };
        self.insert_event(&event, now)?;
        Ok((key, run_id.context("record the start")?))
    }

    /// Adds a scheduled start to the buffer.
    pub(crate) fn buffer_start(&self, schedule: i64, nominal: DateTime<Utc>, due: DateTime<Utc>) -> Result<(), Error> {
        const SQL: &str =
            "INSERT INTO waiting (schedule, nominal_ms, due_ms, origin) VALUES (:schedule, :nominal, :due, 'scheduled')";
        let mut statement = self.0.0.prepare_cached(SQL).context("record the buffered starts")?;
        let done = statement.execute(named_params! {":schedule": schedule, ":nominal": ms(nominal), ":due": ms(due)});
        done.map(|_| ()).context("record the buffered starts")
    }

    fn update_buffer(&self, plan_input: &PlanInputRow, plan: &Plan, now: DateTime<Utc>) -> Result<(), Error> {
        const DELETE: &str = "DELETE FROM waiting WHERE key = :key";
        const INSERT: &str = "INSERT INTO waiting (schedule, nominal_ms, due_ms, origin, request, overlap)
            VALUES (:schedule, :nominal, :due, :origin, :request, :overlap)";
        let mut kept: Vec<i64> = plan.waiting.iter().filter_map(|w| w.waiting_as).collect();
        kept.sort_unstable();
        for removed in plan_input
            .waiting
            .iter()
            .filter_map(|w| w.waiting_as)
            .filter(|k| kept.binary_search(k).is_err())
        {
            self.0
                .0
                .prepare_cached(DELETE)
                .and_then(|mut s| s.execute(named_params! {":key": removed}))
                .context("remove buffered starts")?;
        }
        for start in plan.waiting.iter().filter(|w| w.waiting_as.is_none()) {
            let (origin, request) = origin_columns(start.origin);
            let mut statement = self.0.0.prepare_cached(INSERT).context("record the buffered starts")?;
            statement
                .execute(named_params! {
                    ":schedule": plan_input.schedule,
                    ":nominal": ms(start.nominal),
                    ":due": ms(start.due),
                    ":origin": origin,
                    ":request": request,
                    ":overlap": start.overlap.map(OverlapPolicy::name),
                })
                .context("record the buffered starts")?;
            let event = NewEvent {
                value: Some(ms(start.nominal)),
                ..NewEvent::at_schedule(EventKind::Buffer, plan_input.schedule)
            };
            self.insert_event(&event, now)?;
        }
        Ok(())
    }

    /// Records times that did not start, in the same row as the previous ones if the outcome is the same and nothing started between them.
    fn insert_not_started(&self, plan_input: &PlanInputRow, not_started: &NotStarted, now: DateTime<Utc>) -> Result<(), Error> {
        const EXTEND: &str = "UPDATE refused SET to_ms = :to, count = count + :count, decided_ms = :now
            WHERE key = (SELECT key FROM refused WHERE schedule = :schedule ORDER BY key DESC LIMIT 1)
            AND outcome = :outcome AND reason = :reason AND origin = :origin AND request IS :request AND run IS :run AND to_ms < :from
            AND NOT EXISTS (SELECT 1 FROM run r WHERE r.schedule = :schedule AND r.origin = 'scheduled'
                AND r.nominal_ms > refused.to_ms AND r.nominal_ms < :from)
            AND NOT EXISTS (SELECT 1 FROM waiting w WHERE w.schedule = :schedule AND w.origin = 'scheduled'
                AND w.nominal_ms > refused.to_ms AND w.nominal_ms < :from)
            AND NOT EXISTS (SELECT 1 FROM (SELECT from_ms FROM refused WHERE schedule = :schedule ORDER BY key DESC LIMIT 1 OFFSET 1) before
                WHERE before.from_ms > refused.to_ms AND before.from_ms < :from)";
        const INSERT: &str =
            "INSERT INTO refused (schedule, from_ms, to_ms, count, outcome, reason, origin, request, run, decided_ms)
            VALUES (:schedule, :from, :to, :count, :outcome, :reason, :origin, :request, :run, :now)";
        let (origin, request) = origin_columns(not_started.origin);
        let run = plan_input
            .active
            .first()
            .filter(|_| matches!(not_started.reason, Reason::StillRunning | Reason::StillWaiting))
            .map(|g| g.run);
        let outcome: Outcome = not_started.outcome;
        let reason = not_started
            .reason
            .text_with(&plan_input.definition(not_started.epoch).reason_details());
        let parameters = named_params! {
            ":schedule": plan_input.schedule,
            ":from": ms(not_started.from),
            ":to": ms(not_started.to),
            ":count": count(not_started.count),
            ":outcome": outcome.name(),
            ":reason": reason,
            ":origin": origin,
            ":request": request,
            ":run": run,
            ":now": ms(now),
        };
        let what = "record why a time did not start";
        let extended = self
            .0
            .0
            .prepare_cached(EXTEND)
            .and_then(|mut s| s.execute(parameters))
            .context(what)?;
        if extended == 0 {
            // Times that extend a range have no event of their own: a year of seconds is one row.
            let key = self
                .0
                .0
                .prepare_cached(INSERT)
                .and_then(|mut s| s.insert(parameters))
                .context(what)?;
            let event = NewEvent {
                number: Some(ms(not_started.from)),
                value: Some(key),
                detail: Some(&reason),
                ..NewEvent::at_schedule(EventKind::of_outcome(outcome), plan_input.schedule)
            };
            self.insert_event(&event, now)?;
        }
        Ok(())
    }

    /// Records that a start which another run set off does not happen.
    pub(crate) fn refuse_start(&self, schedule: i64, outcome: Outcome, reason: &str, now: DateTime<Utc>) -> Result<(), Error> {
        const SQL: &str = "INSERT INTO refused (schedule, from_ms, to_ms, count, outcome, reason, origin, decided_ms)
            VALUES (:schedule, :now, :now, 1, :outcome, :reason, 'trigger', :now)";
        let what = "record why a run did not start";
        let mut statement = self.0.0.prepare_cached(SQL).context(what)?;
        let key = statement
            .insert(named_params! {":schedule": schedule, ":outcome": outcome.name(), ":reason": reason, ":now": ms(now)})
            .context(what)?;
        let event = NewEvent {
            number: Some(ms(now)),
            value: Some(key),
            detail: Some(reason),
            ..NewEvent::at_schedule(EventKind::of_outcome(outcome), schedule)
        };
        self.insert_event(&event, now)
    }

    /// Counts a run whose condition was not met as skipped instead of started.
    pub(crate) fn count_as_skipped(&self, schedule: i64) -> Result<(), Error> {
        const SQL: &str = "UPDATE progress SET actions = max(actions - 1, 0), skipped = skipped + 1 WHERE schedule = :schedule";
        let mut statement = self.0.0.prepare_cached(SQL).context("count the skipped run")?;
        let done = statement.execute(named_params! {":schedule": schedule});
        done.map(|_| ()).context("count the skipped run")
    }

    fn settle_requests(&self, plan: &Plan, now: DateTime<Utc>) -> Result<(), Error> {
        const SQL: &str = "UPDATE request SET taken = taken + :taken, done_to_ms = coalesce(:done_to, done_to_ms),
            settled_ms = CASE WHEN :finished THEN :now END WHERE key = :key";
        for progress in &plan.requests {
            let mut statement = self.0.0.prepare_cached(SQL).context("record the request's progress")?;
            statement
                .execute(named_params! {
                    ":key": progress.key,
                    ":taken": count(progress.taken),
                    ":done_to": progress.done_to.map(ms),
                    ":finished": progress.finished,
                    ":now": ms(now),
                })
                .context("record the request's progress")?;
        }
        Ok(())
    }

    fn delete_decided_epochs(&self, plan_input: &PlanInputRow, plan: &Plan) -> Result<(), Error> {
        const SQL: &str = "DELETE FROM epoch WHERE schedule = :schedule AND until_ms <= :floor";
        if plan_input.past.is_empty() {
            return Ok(());
        }
        let mut statement = self.0.0.prepare_cached(SQL).context("delete earlier definitions")?;
        let done = statement.execute(named_params! {":schedule": plan_input.schedule, ":floor": ms(plan.floor)});
        done.map(|_| ()).context("delete earlier definitions")
    }

    fn record_progress(
        &self,
        plan_input: &PlanInputRow,
        plan: &Plan,
        last_nominal: Option<DateTime<Utc>>,
        now: DateTime<Utc>,
    ) -> Result<(), Error> {
        const SQL: &str = "UPDATE progress SET cursor_ms = :cursor, floor_ms = :floor, next_ms = :next, remaining = :remaining, attention_ms = :attention,
            actions = actions + :actions, skipped = skipped + :skipped, missed = missed + :missed, dropped = dropped + :dropped,
            last_nominal_ms = coalesce(:last_nominal, last_nominal_ms),
            last_started_ms = CASE WHEN :last_nominal IS NULL THEN last_started_ms ELSE :now END
            WHERE schedule = :schedule";
        let mut counters = Counters::default();
        counters.count(plan);
        let (schedule, until) = (plan_input.schedule, plan_input.current.until);
        // A long backfill needs to be looked at again at once, also by a server that decides nothing later than its own start.
        let attention = if plan.more { Some(now.min(until)) } else { plan.next_due };
        self.attend_with(schedule, attention, || {
            let mut statement = self.0.0.prepare_cached(SQL)?;
            statement.execute(named_params! {
                ":schedule": schedule,
                ":cursor": ms(plan.cursor),
                ":floor": ms(plan.floor),
                ":next": plan.next_due.map(ms),
                ":attention": attention.map(ms),
                ":remaining": plan.remaining.map(count),
                ":actions": count(counters.actions),
                ":skipped": count(counters.skipped),
                ":missed": count(counters.missed),
                ":dropped": count(counters.dropped),
                ":last_nominal": last_nominal.map(ms),
                ":now": ms(now),
            })
        })
    }
}

fn origin_columns(origin: Origin) -> (&'static str, Option<i64>) {
    match origin {
        Origin::Scheduled => ("scheduled", None),
        Origin::Trigger(request) => ("trigger", Some(request)),
        Origin::Backfill(request) => ("backfill", Some(request)),
    }
}
