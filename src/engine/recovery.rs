//! Recovery at startup: ends the processes that a dead server left behind, then closes the attempts it left open as lost.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use chrono::{DateTime, Utc};
use rustix::process::Signal;

use super::advance::{AdvanceResult, MayStart, advance, run_ref, step_name};
use super::catalog::Catalog;
use super::decide::Terms;
use super::events::Event;
use super::shared::{Shared, marks};
use crate::clock::pause;
use crate::error::{Error, Kind};
use crate::machine::ProcessTree;
use crate::run;
use crate::run::step::Work;
use crate::schedule::MAX_BUFFER;
use crate::store::{LostAttempt, Store};

/// How often processes that survive SIGKILL are checked.
const CHECK_EVERY: Duration = Duration::from_millis(200);

/// An attempt that stays open because some of its processes survived SIGKILL: its step must not be retried until they end.
pub(super) struct AttemptWithSurvivors {
    attempt: LostAttempt,
    tree: ProcessTree,
}

/// Closes all lost attempts in one transaction; the runs stay open at their current step. Returns the events, and the attempts that cannot be
/// closed yet.
pub(super) fn recover(
    store: &mut Store,
    catalog: &Catalog,
    now: DateTime<Utc>,
) -> Result<(Vec<Event>, Vec<AttemptWithSurvivors>), Error> {
    // Starts that a closed run makes possible are left to the ticker: at any instant, closes come first.
    let terms = Terms {
        catalog,
        horizon: now,
        max_buffer: MAX_BUFFER,
    };
    let (mut events, mut survived, mut ended) = (Vec::new(), Vec::new(), Vec::new());
    let mut attempts = Vec::new();
    for attempt in store.read(|r| r.lost_attempts())? {
        let workflow = match store.read(|r| catalog.workflow_of(r, &attempt.run)) {
            Ok(workflow) => workflow,
            // Leaves this run as it is stored, and serves the others.
            Err(e) if e.is_damage() => {
                events.push(Event::Error(e));
                continue;
            }
            Err(e) => return Err(e),
        };
        let position = attempt.run.progress.position;
        let step = step_name(&workflow, position);
        let tree = match &workflow.steps[position].work {
            Work::Command(_) => Some(ProcessTree::left_behind(
                attempt.process.as_ref(),
                marks(&attempt.run, &step.name),
            )),
            Work::Probe(_) | Work::Beat { .. } => None,
        };
        attempts.push((attempt, step, tree));
    }
    // Killed before their steps may be retried: two copies must never run at once. All together, since nothing is started meanwhile.
    let mut trees: Vec<&mut ProcessTree> = attempts.iter_mut().filter_map(|(.., tree)| tree.as_mut()).collect();
    let mut killed = ProcessTree::kill_all(&mut trees).into_iter();
    for (attempt, step, tree) in attempts {
        let mut processes = 0;
        if let Some(tree) = tree {
            processes = killed.next().unwrap_or(0);
            let left = tree.known();
            if !left.is_empty() {
                events.push(Event::Surviving {
                    run: run_ref(&attempt.run),
                    step,
                    processes: left,
                });
                survived.push(AttemptWithSurvivors { attempt, tree });
                continue;
            }
        }
        events.push(Event::Lost {
            run: run_ref(&attempt.run),
            step,
            attempt: attempt.run.progress.attempts,
            ended: processes,
        });
        ended.push(attempt);
    }
    store.write(|write| {
        for attempt in &ended {
            let (key, event) = (attempt.run.row.key, run::Event::WorkerLost);
            let AdvanceResult { effects, .. } = advance(write, terms, key, Some(&event), MayStart::Draining, now)?;
            events.extend(effects.events);
        }
        Ok(())
    })?;
    Ok((events, survived))
}

/// Starts a thread that waits for processes that survived SIGKILL, and closes each attempt once its last process has
/// ended, until the server drains.
pub(super) fn wait_for_survivors(shared: &Arc<Shared>, survived: Vec<AttemptWithSurvivors>) -> Result<(), Error> {
    if survived.is_empty() {
        return Ok(());
    }
    let here = Arc::clone(shared);
    let started = std::thread::Builder::new()
        .name("survivors".to_owned())
        .spawn(move || close_survivors(&here, survived));
    started
        .map(|_| ())
        .map_err(|e| Error::new(Kind::System, "cannot start the thread that waits for processes").because(e))
}

fn close_survivors(shared: &Arc<Shared>, mut survived: Vec<AttemptWithSurvivors>) {
    while !survived.is_empty() && !shared.draining.load(Ordering::SeqCst) {
        pause(CHECK_EVERY);
        survived.retain_mut(|AttemptWithSurvivors { attempt, tree }| {
            if tree.signal(Signal::KILL) > 0 && !tree.alive().is_empty() {
                return true;
            }
            let (here, run) = (Arc::clone(shared), attempt.run.row.key);
            let closed = shared.writer.write(move |write| {
                let event = run::Event::WorkerLost;
                let advanced = advance(write, here.terms(), run, Some(&event), MayStart::No, here.clock.now())?;
                Ok((advanced, write.queued_run(run)?))
            });
            match closed {
                Ok((advanced, open)) => {
                    shared.follow(advanced.effects);
                    if let Some(open) = open {
                        shared.add_again(open);
                    }
                    false
                }
                Err(e) => {
                    shared.emit(Event::Error(e));
                    true
                }
            }
        });
    }
}
