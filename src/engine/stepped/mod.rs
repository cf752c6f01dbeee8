//! Worlds that a history can be lived through in, the simulation and the engine, and the histories.

mod crashes;
mod histories;
mod random;
mod timelines;
mod world;

use self::world::{DiskFailed, Engine, done, patch};

use std::collections::BTreeSet;
use std::sync::mpsc::{Receiver, channel};

use super::advance::{Attempt, MayStart, Next, advance};
use super::ticker::Ticker;
use super::zones::ZoneWatch;
use super::*;
use crate::actions::{Control, Task};
use crate::clock::SimClock;
use crate::machine;
use crate::names::ScheduleId;
use crate::ops::{self, IfExists, Never, Patch};
use crate::run;
use crate::run::outcome::{AttemptResult, Ending, ErrorType, Failure, Status};
use crate::run::written::StepText;
use crate::schedule::counters::Counters;
use crate::schedule::history::{Happening, Input, Life, What};
use crate::schedule::refusal::Refused;
use crate::schedule::simulate::Simulation;
use crate::schedule::start::run_id;
use crate::schedule::{MAX_BUFFER, OverlapPolicy, Policies, State};
use crate::spec::Spec;
use crate::spec::written::Written;
use crate::store::{Missing, Read, RunFilter, Store, Write, faulty};
use crate::zoneinfo::ZoneInfo;

/// What people and power cuts do to a schedule.
#[derive(Debug, Clone)]
enum Deed {
    Pause(String),
    Unpause(String),
    Trigger(Option<OverlapPolicy>),
    Backfill(DateTime<Utc>, DateTime<Utc>, Option<OverlapPolicy>),
    Update(Box<Written>, Policies, String),
    Refresh,
    Down,
    Up,
}

/// A schedule as a history begins with it.
#[derive(Debug, Clone)]
struct Beginning {
    id: String,
    spec: Written,
    policies: Policies,
    state: State,
    max_buffer: usize,
    /// When it is made.
    created: DateTime<Utc>,
    run_timeout: Option<String>,
    /// How many steps a run has; each takes its part of the run's time.
    steps: i32,
}

/// How the run of a workflow id goes that starts at an instant.
type Script<'a> = &'a dyn Fn(&str, DateTime<Utc>) -> Life;

/// What there is to see of a schedule.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Look {
    counters: Counters,
    state: State,
    waiting: u64,
    running: Vec<String>,
    /// How many times come by themselves, at most 10.
    to_come: usize,
}

/// A world that a history can be lived through in.
trait World {
    /// Everything up to `until`: at one instant the closes, then what is due.
    fn advance(&mut self, until: DateTime<Utc>);
    /// Something that is done at `now`, to which time has been advanced, and what follows from it at once.
    fn deed(&mut self, deed: &Deed, now: DateTime<Utc>);
    /// How things stand at `now`.
    fn look(&mut self, now: DateTime<Utc>) -> Look;
    /// Everything that has happened, in order.
    fn happened(&self) -> Vec<Happening>;
}

impl World for Simulation<'_> {
    fn advance(&mut self, until: DateTime<Utc>) {
        Simulation::advance(self, until);
    }

    fn deed(&mut self, deed: &Deed, now: DateTime<Utc>) {
        let input = match deed.clone() {
            Deed::Pause(note) => Input::Pause(note),
            Deed::Unpause(note) => Input::Unpause(note),
            Deed::Trigger(overlap) => Input::Trigger(overlap),
            Deed::Backfill(start, end, overlap) => Input::Backfill(start, end, overlap),
            Deed::Update(spec, policies, workflow_id) => {
                let spec = compiled(&spec, self.seed());
                Input::Update(spec.into(), policies, workflow_id)
            }
            Deed::Refresh => Input::Refresh,
            Deed::Down => Input::Down,
            Deed::Up => Input::Up,
        };
        self.input(now, input);
    }

    fn look(&mut self, now: DateTime<Utc>) -> Look {
        let (counters, state, waiting) = self.at(now);
        let state = state.clone();
        Look {
            counters,
            state,
            waiting: waiting as u64,
            running: self.running().into_iter().map(str::to_owned).collect(),
            to_come: self.to_come(10, now),
        }
    }

    fn happened(&self) -> Vec<Happening> {
        Simulation::happened(self).to_vec()
    }
}

fn compiled(spec: &Written, id: &str) -> Spec {
    Spec::compile(spec, id, &ZoneInfo::of_machine()).unwrap()
}

/// A simulation that begins so.
fn simulation<'a>(beginning: &Beginning, script: Script<'a>) -> Simulation<'a> {
    let mut simulation = Simulation::new(
        compiled(&beginning.spec, &beginning.id).into(),
        beginning.policies,
        beginning.state.clone(),
        "myid",
        beginning.created,
        script,
    );
    simulation.limit_buffer(beginning.max_buffer);
    simulation
}
