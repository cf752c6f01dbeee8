//! One schedule decided: its situation read, planned and carried out, in the transaction it is handed.

use chrono::{DateTime, Utc};

use super::catalog::Catalog;
use super::events::{Event, RunRef};
use crate::error::Error;
use crate::run::Stop;
use crate::schedule::plan::plan;
use crate::schedule::start::Origin;
use crate::store::{QueuedRun, Write};

/// What a decision leads to outside of the file.
#[derive(Debug, Default)]
pub(crate) struct Effects {
    /// Runs to be performed.
    pub(crate) begun: Vec<QueuedRun>,
    /// Runs to be stopped.
    pub(crate) stopped: Vec<(i64, Stop)>,
    /// What to tell.
    pub(crate) events: Vec<Event>,
}

/// What a server decides by, beside what is on file.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Terms<'a> {
    pub(crate) catalog: &'a Catalog,
    /// Due times after this are left alone.
    pub(crate) horizon: DateTime<Utc>,
    /// How many starts may wait.
    pub(crate) max_buffer: usize,
}

/// Decides what is undecided of a schedule at `now`.
pub(crate) fn decide(write: &Write<'_>, terms: Terms<'_>, schedule: i64, now: DateTime<Utc>) -> Result<Effects, Error> {
    let Some(row) = write.plan_input(schedule, terms.horizon.min(now))? else {
        // Deleted meanwhile.
        write.check_gone(schedule)?;
        return Ok(Effects::default());
    };
    let current = terms.catalog.spec(&row.id, &row.current.spec)?;
    let past = row
        .past
        .iter()
        .map(|e| terms.catalog.spec(&row.id, &e.spec))
        .collect::<Result<Vec<_>, _>>()?;
    let own_spec = |json: &String| terms.catalog.spec(&row.id, json);
    let asked_under = row.requests.iter().map(|r| r.spec.as_ref().map(own_spec).transpose());
    let asked_under = asked_under.collect::<Result<Vec<_>, _>>()?;
    let plan = plan(&row.plan_input((&current, &past), asked_under, terms.max_buffer), now);
    let applied = write.apply_plan(&row, &plan, now)?;
    let mut effects = Effects {
        stopped: applied.stopped,
        ..Effects::default()
    };
    for refused in plan.refused {
        effects.events.push(Event::NotStarted {
            schedule_id: row.id.clone(),
            refused,
        });
    }
    for (key, run_id, workflow_id, start) in applied.begun {
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
        effects.begun.push(QueuedRun {
            key,
            schedule: Some(schedule),
            backfilled: matches!(start.origin, Origin::Backfill(_)),
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
        let Some(going) = row.going.iter().find(|g| g.run == *key) else {
            continue;
        };
        let run = RunRef {
            run_id: going.run_id.clone(),
            workflow_id: going.workflow_id.clone(),
            schedule_id: Some(row.id.clone()),
        };
        effects.events.push(Event::Stopping { run, stop: *stop });
    }
    Ok(effects)
}
