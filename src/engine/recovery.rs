//! What a server does first: attempts that a dead one left open are closed as lost, and the processes it left behind are ended.

use chrono::{DateTime, Utc};

use super::advance::{Advanced, MayStart, advance, run_name, step_name};
use super::catalog::Catalog;
use super::decide::Terms;
use super::events::Event;
use crate::error::Error;
use crate::machine::{self, Environments};
use crate::run;
use crate::run::step::Work;
use crate::schedule::MAX_BUFFER;
use crate::store::{LostAttempt, Store};

/// Closes every lost attempt, all in one transaction; the runs stay open at the step they were in.
pub(super) fn recover(store: &mut Store, catalog: &Catalog, now: DateTime<Utc>) -> Result<Vec<Event>, Error> {
    let mut events = Vec::new();
    // What a closed run frees is left to the ticker: at one instant, closes come first.
    let terms = Terms {
        catalog,
        horizon: now,
        max_buffer: MAX_BUFFER,
    };
    let lost = store.read(|r| r.lost_attempts())?;
    let mut environments = None;
    for attempt in &lost {
        let workflow = store.read(|r| catalog.workflow(r, attempt.run.row.workflow))?;
        let position = attempt.run.progress.position;
        let step = step_name(&workflow, position);
        let ended_groups = match &workflow.steps[position].work {
            Work::Probe(_) => 0,
            // Ended before the step may be tried again: two copies at once is what must never be.
            Work::Command(_) => end_what_is_left(attempt, &step.name, environments.get_or_insert_with(Environments::now)),
        };
        events.push(Event::Lost {
            run: run_name(&attempt.run),
            step,
            attempt: attempt.run.progress.attempts,
            ended_groups,
        });
    }
    store.write(|write| {
        for attempt in &lost {
            let (key, event) = (attempt.run.row.key, run::Event::WorkerLost);
            let Advanced { decided, .. } = advance(write, terms, key, Some(&event), MayStart::Draining, now)?;
            events.extend(decided.events);
        }
        Ok(())
    })?;
    Ok(events)
}

/// Ends the process groups of a lost attempt: the one on file if it still is that process, and any that carries the attempt's marks.
fn end_what_is_left(lost: &LostAttempt, step: &str, environments: &Environments) -> usize {
    let marks = [
        format!("TEMPO_RUN_ID={}", lost.run.row.run_id),
        format!("TEMPO_STEP={step}"),
        format!("TEMPO_ATTEMPT={}", lost.run.progress.attempts),
    ];
    let groups = environments.groups_left_behind(lost.process.as_ref(), &marks);
    for group in &groups {
        machine::end_group(*group);
    }
    groups.len()
}
