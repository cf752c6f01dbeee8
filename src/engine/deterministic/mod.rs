//! Tests that play histories of a schedule through the simulation and through the engine, under a simulated clock.

mod crashes;
mod happened;
mod histories;
mod no_actions;
mod operations;
mod outbox_tests;
mod random;
mod timelines;
mod world;

use self::operations::{patch, step};
use self::world::{DiskFailed, Engine, done};

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

use super::advance::{AdvanceResult, Attempt, MayStart, Next, advance};
use super::catalog::Catalog;
use super::decide::Effects;
use super::outbox::{self, Outbox, Pass};
use super::queue::Queue;
use super::shared::Shared;
use super::ticker::Ticker;
use super::zones::ZoneWatch;
use super::{Event, Retention, Settings, Until, recovery};
use crate::actions::{Actions, Control, OUTPUT_LIMIT, Task};
use crate::clock::{Clock, SimClock, Wakeup};
use crate::error::Error;
use crate::machine;
use crate::names::ScheduleId;
use crate::ops::{self, Clearable, IfExists, Never, Patch};
use crate::run;
use crate::run::outcome::{AttemptResult, Ending, ErrorType, Failure, Status};
use crate::run::step_text::StepText;
use crate::schedule::counters::Counters;
use crate::schedule::history::{HistoryEvent, Input, RunScript, What};
use crate::schedule::not_started::NotStarted;
use crate::schedule::simulate::Simulation;
use crate::schedule::start::workflow_id_at;
use crate::schedule::{MAX_BUFFER, OverlapPolicy, Policies, State};
use crate::spec::Spec;
use crate::spec::spec_text::SpecText;
use crate::store::{Missing, Read, RunFilter, Store, Write, Writer, failing_vfs};
use crate::zoneinfo::ZoneInfo;

/// An operation on a schedule or its server.
#[derive(Debug, Clone)]
enum Operation {
    Pause(String),
    Unpause(String),
    Trigger(Option<OverlapPolicy>),
    Backfill(DateTime<Utc>, DateTime<Utc>, Option<OverlapPolicy>),
    Update(Box<SpecText>, Policies, String),
    Refresh,
    Down,
    Up,
}

/// The schedule at the start of a history.
#[derive(Debug, Clone)]
struct InitialState {
    id: String,
    spec: SpecText,
    policies: Policies,
    state: State,
    max_buffer: usize,
    /// When the schedule is created.
    created: DateTime<Utc>,
    run_timeout: Option<String>,
    /// Number of steps of a run; each takes an equal part of the run's time.
    steps: i32,
    /// Number of runs that may begin in the transaction which starts them; see [`Queue::stepped`].
    reserved: usize,
}

/// Returns how a run proceeds, given its workflow id and the time at which it starts.
type Script<'a> = &'a dyn Fn(&str, DateTime<Utc>) -> RunScript;

/// The observable state of a schedule.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Observed {
    counters: Counters,
    state: State,
    waiting: u64,
    running: Vec<String>,
    /// Number of upcoming times of the spec, at most 10.
    upcoming: usize,
}

/// An implementation that a history can be played through.
trait World {
    /// Plays everything up to `until`; at any instant, runs close before due times are decided.
    fn advance(&mut self, until: DateTime<Utc>);
    /// Performs an operation at `now`, to which the world has been advanced, and its immediate effects.
    fn operation(&mut self, operation: &Operation, now: DateTime<Utc>);
    /// Returns the state of the schedule at `now`.
    fn observe(&mut self, now: DateTime<Utc>) -> Observed;
    /// Returns everything that has happened, in order.
    fn happened(&self) -> Vec<HistoryEvent>;
}

impl World for Simulation<'_> {
    fn advance(&mut self, until: DateTime<Utc>) {
        Simulation::advance(self, until);
    }

    fn operation(&mut self, operation: &Operation, now: DateTime<Utc>) {
        let input = match operation.clone() {
            Operation::Pause(note) => Input::Pause(note),
            Operation::Unpause(note) => Input::Unpause(note),
            Operation::Trigger(overlap) => Input::Trigger(overlap),
            Operation::Backfill(start, end, overlap) => Input::Backfill(start, end, overlap),
            Operation::Update(spec, policies, workflow_id) => {
                let spec = compiled(&spec, self.seed());
                Input::Update(spec.into(), policies, workflow_id)
            }
            Operation::Refresh => Input::Refresh,
            Operation::Down => Input::Down,
            Operation::Up => Input::Up,
        };
        self.input(now, input);
    }

    fn observe(&mut self, now: DateTime<Utc>) -> Observed {
        let (counters, state, waiting) = self.at(now);
        let state = state.clone();
        Observed {
            counters,
            state,
            waiting: waiting as u64,
            running: self.running().into_iter().map(str::to_owned).collect(),
            upcoming: self.upcoming(10, now),
        }
    }

    fn happened(&self) -> Vec<HistoryEvent> {
        Simulation::happened(self).to_vec()
    }
}

fn compiled(spec: &SpecText, id: &str) -> Spec {
    Spec::compile(spec, id, &ZoneInfo::of_machine()).unwrap()
}

/// Returns a simulation with this initial state.
fn simulation<'a>(initial: &InitialState, script: Script<'a>) -> Simulation<'a> {
    let mut simulation = Simulation::new(
        compiled(&initial.spec, &initial.id).into(),
        initial.policies,
        initial.state.clone(),
        "myid",
        initial.created,
        script,
    );
    simulation.limit_buffer(initial.max_buffer);
    simulation
}
