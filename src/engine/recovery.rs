//! What a server does first: attempts that a dead one left open are closed as lost, and the processes it left behind are ended.

use chrono::{DateTime, Utc};

use super::advance::{MayStart, advance, run_name, step_name};
use super::catalog::Catalog;
use super::decide::Decided;
use super::events::Event;
use crate::error::Error;
use crate::machine;
use crate::run;
use crate::store::{LostAttempt, Store};

/// Closes every lost attempt; the runs stay open at the step they were in.
pub(super) fn recover(store: &mut Store, catalog: &Catalog, now: DateTime<Utc>) -> Result<Vec<Event>, Error> {
    let mut events = Vec::new();
    for lost in store.read(|r| r.lost_attempts())? {
        // Ended before the step may be tried again: two copies at once is what must never be.
        let ended_groups = end_what_is_left(&lost);
        let told = store.write(|write| close(write, catalog, lost.run, ended_groups, now))?;
        events.extend(told);
    }
    Ok(events)
}

fn close(
    write: &crate::store::Write<'_>,
    catalog: &Catalog,
    run: i64,
    ended_groups: usize,
    now: DateTime<Utc>,
) -> Result<Vec<Event>, Error> {
    let Some(open) = write.open_run(run)? else {
        return Ok(Vec::new());
    };
    let workflow = catalog.workflow(write, open.row.workflow)?;
    let step = step_name(&workflow, open.progress.position);
    let mut events = vec![Event::Lost {
        run: run_name(&open),
        step,
        attempt: open.progress.attempts,
        ended_groups,
    }];
    let advanced = advance(write, catalog, run, Some(&run::Event::WorkerLost), MayStart::No, now, now)?;
    let Decided { events: more, .. } = advanced.decided;
    events.extend(more);
    Ok(events)
}

/// Ends the process groups of a lost attempt: the one on file if it still is that process, and any that carries the run's mark.
fn end_what_is_left(lost: &LostAttempt) -> usize {
    let groups = machine::groups_left_behind(lost.process.as_ref(), &[format!("TEMPO_RUN_ID={}", lost.run_id)]);
    for group in &groups {
        machine::end_group(*group);
    }
    groups.len()
}
