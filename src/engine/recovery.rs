//! What a server does first: attempts that a dead one left open are closed as lost, and the processes it left behind are ended.

use chrono::{DateTime, Utc};

use super::advance::{Advanced, MayStart, advance, run_name, step_name};
use super::catalog::Catalog;
use super::decide::Terms;
use super::events::Event;
use crate::error::Error;
use crate::machine;
use crate::run;
use crate::schedule::MAX_BUFFER;
use crate::store::{LostAttempt, Store};

/// Closes every lost attempt; the runs stay open at the step they were in.
pub(super) fn recover(store: &mut Store, catalog: &Catalog, now: DateTime<Utc>) -> Result<Vec<Event>, Error> {
    let mut events = Vec::new();
    // What a closed run frees is left to the ticker: at one instant, closes come first.
    let terms = Terms {
        catalog,
        horizon: now,
        max_buffer: MAX_BUFFER,
    };
    for lost in store.read(|r| r.lost_attempts())? {
        let workflow = store.read(|r| catalog.workflow(r, lost.run.row.workflow))?;
        let step = step_name(&workflow, lost.run.progress.position);
        // Ended before the step may be tried again: two copies at once is what must never be.
        let ended_groups = end_what_is_left(&lost, &step.name);
        let attempt = lost.run.progress.attempts;
        events.push(Event::Lost {
            run: run_name(&lost.run),
            step,
            attempt,
            ended_groups,
        });
        let key = lost.run.row.key;
        let Advanced { decided, .. } =
            store.write(|write| advance(write, terms, key, Some(&run::Event::WorkerLost), MayStart::Draining, now))?;
        events.extend(decided.events);
    }
    Ok(events)
}

/// Ends the process groups of a lost attempt: the one on file if it still is that process, and any that carries the attempt's marks.
fn end_what_is_left(lost: &LostAttempt, step: &str) -> usize {
    let marks = [
        format!("TEMPO_RUN_ID={}", lost.run.row.run_id),
        format!("TEMPO_STEP={step}"),
        format!("TEMPO_ATTEMPT={}", lost.run.progress.attempts),
    ];
    let groups = machine::groups_left_behind(lost.process.as_ref(), &marks);
    for group in &groups {
        machine::end_group(*group);
    }
    groups.len()
}
