//! The vocabulary of a simulation: scripted runs, inputs and events. Pure.

use std::rc::Rc;

use chrono::{DateTime, TimeDelta, Utc};

use super::Policies;
use super::not_started::{Outcome, Reason};
use super::policy::OverlapPolicy;
use crate::run::Stop;
use crate::run::outcome::Status;
use crate::spec::Spec;

/// The scripted course of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RunScript {
    /// When it closes if it is not stopped.
    pub ends_at: DateTime<Utc>,
    /// The status that it closes with.
    pub status: Status,
    /// Time from a cancel to the close.
    pub on_cancel: TimeDelta,
    /// Time from a terminate to the close.
    pub on_terminate: TimeDelta,
}

/// An input to a simulation.
#[derive(Debug, Clone)]
pub enum Input {
    /// Pause, with a note.
    Pause(String),
    /// Unpause, with a note.
    Unpause(String),
    /// Start a run now.
    Trigger(Option<OverlapPolicy>),
    /// Start the times of a range, both ends inclusive.
    Backfill(DateTime<Utc>, DateTime<Utc>, Option<OverlapPolicy>),
    /// Change the spec, policies and base of the workflow ids.
    Update(Rc<Spec>, Policies, String),
    /// Change nothing; decide again.
    Refresh,
    /// Kill the server; running steps are interrupted.
    Down,
    /// Start the server again; runs resume at the interrupted step, from its beginning.
    Up,
}

/// An event of a simulation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HistoryEvent {
    /// When it happened.
    pub at: DateTime<Utc>,
    /// The nominal time of the start; of a range, the first.
    pub nominal: DateTime<Utc>,
    /// The workflow id of the run, also if it did not start.
    pub workflow_id: String,
    /// What happened.
    pub what: What,
}

/// What happened to a nominal time or to its run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum What {
    /// The time, and consecutive ones with the same outcome, did not start.
    NotStarted {
        /// The last nominal time.
        to: DateTime<Utc>,
        /// Number of times.
        count: u64,
        /// Their outcome.
        outcome: Outcome,
        /// The reason.
        reason: Reason,
    },
    /// The start waits for its turn in the buffer.
    Buffered,
    /// The run started.
    Start,
    /// The run closed.
    Close(Status),
    /// The run was asked to stop.
    Stop(Stop),
}
