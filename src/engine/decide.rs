//! Decides one schedule: reads its state, makes a plan and applies it, in the caller's transaction.

use chrono::{DateTime, Utc};

use super::catalog::Catalog;
use super::events::{Event, RunRef};
use crate::error::Error;
use crate::run::Stop;
use crate::schedule::planner::plan;
use crate::schedule::start::Origin;
use crate::store::{QueuedRun, Write};

/// The effects of a decision outside the database.
#[derive(Debug, Default)]
pub(crate) struct Effects {
    /// Runs that a worker is to begin.
    pub(crate) started: Vec<QueuedRun>,
    /// Runs to stop.
    pub(crate) stopped: Vec<(i64, Stop)>,
    /// Events to report.
    pub(crate) events: Vec<Event>,
}

/// What decisions of a server depend on besides the database.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Terms<'a> {
    pub(crate) catalog: &'a Catalog,
    /// Due times after this are not decided.
    pub(crate) horizon: DateTime<Utc>,
    /// Maximum number of buffered starts.
    pub(crate) max_buffer: usize,
}

/// Decides everything that is pending for a schedule at `now`.
pub(crate) fn decide(write: &Write<'_>, terms: Terms<'_>, schedule: i64, now: DateTime<Utc>) -> Result<Effects, Error> {
    let Some(row) = write.plan_input(schedule, terms.horizon.min(now))? else {
        // It has been deleted.
        write.check_gone(schedule)?;
        return Ok(Effects::default());
    };
    let current = terms.catalog.spec(&row.id, &row.current.spec)?;
    let past = row
        .past
        .iter()
        .map(|e| terms.catalog.spec(&row.id, &e.spec))
        .collect::<Result<Vec<_>, _>>()?;
    let compile = |json: &String| terms.catalog.spec(&row.id, json);
    let request_specs = row.requests.iter().map(|r| r.spec.as_ref().map(compile).transpose());
    let request_specs = request_specs.collect::<Result<Vec<_>, _>>()?;
    let plan = plan(&row.plan_input((&current, &past), request_specs, terms.max_buffer), now);
    let applied = write.apply_plan(&row, &plan, now)?;
    let mut effects = Effects {
        stopped: applied.stopped,
        ..Effects::default()
    };
    for not_started in plan.not_started {
        effects.events.push(Event::NotStarted {
            schedule_id: row.id.clone(),
            not_started,
        });
    }
    for (key, run_id, workflow_id, definition, start) in applied.begun {
        let run = RunRef {
            run_id,
            workflow_id,
            schedule_id: Some(row.id.clone()),
        };
        effects.events.push(Event::Tick {
            run,
            nominal: start.nominal,
            due: start.due,
            origin: start.origin,
        });
        let workflow = terms.catalog.workflow(write, definition)?;
        effects.started.push(QueuedRun {
            key,
            schedule: Some(schedule),
            backfilled: matches!(start.origin, Origin::Backfill(_)),
            task_queue: workflow.task_queue.clone(),
            lock: workflow.lock.clone(),
            begun: false,
        });
    }
    for start in plan.waiting.iter().filter(|w| w.waiting_as.is_none()) {
        effects.events.push(Event::Buffered {
            schedule_id: row.id.clone(),
            nominal: start.nominal,
            waiting: plan.waiting.len(),
        });
    }
    for (key, stop) in &effects.stopped {
        let Some(active) = row.active.iter().find(|active| active.run == *key) else {
            continue;
        };
        let run = RunRef {
            run_id: active.run_id.clone(),
            workflow_id: active.workflow_id.clone(),
            schedule_id: Some(row.id.clone()),
        };
        effects.events.push(Event::StopRequested { run, stop: *stop });
    }
    Ok(effects)
}
