//! What happens to a schedule in a simulated world: how runs go, what people do meanwhile, and what comes of it. Pure.

use std::rc::Rc;

use chrono::{DateTime, TimeDelta, Utc};

use super::Policies;
use super::not_started::{Outcome, Reason};
use super::policy::OverlapPolicy;
use crate::run::Stop;
use crate::run::outcome::Status;
use crate::spec::Spec;

/// How a run would go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RunScript {
    /// When it closes, left alone.
    pub ends_at: DateTime<Utc>,
    /// What it closes as.
    pub status: Status,
    /// How long after a cancel it closes.
    pub on_cancel: TimeDelta,
    /// How long after being killed it closes.
    pub on_terminate: TimeDelta,
}

/// What people do meanwhile.
#[derive(Debug, Clone)]
pub enum Input {
    /// Pause, with a note.
    Pause(String),
    /// Unpause, with a note.
    Unpause(String),
    /// Start now.
    Trigger(Option<OverlapPolicy>),
    /// Start the times of a range, both ends inclusive.
    Backfill(DateTime<Utc>, DateTime<Utc>, Option<OverlapPolicy>),
    /// Another spec, policies and base id.
    Update(Rc<Spec>, Policies, String),
    /// Nothing; look again.
    Refresh,
    /// Kill the server: the steps that are going are cut off.
    Down,
    /// Start it again: runs go on with the step that was cut off, from its beginning.
    Up,
}

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HistoryEvent {
    /// When.
    pub at: DateTime<Utc>,
    /// The time that identifies it; of several, the first.
    pub nominal: DateTime<Utc>,
    /// The workflow id of the run, or what it would have been.
    pub workflow_id: String,
    /// What.
    pub what: What,
}

/// What can happen to a time, and to the run that it starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum What {
    /// It came to nothing, and so did those that follow it and share its fate.
    NotStarted {
        /// The last of them.
        to: DateTime<Utc>,
        /// How many there are.
        count: u64,
        /// What became of them.
        outcome: Outcome,
        /// Why.
        reason: Reason,
    },
    /// It waits its turn.
    Buffered,
    /// It started.
    Start,
    /// It closed.
    Close(Status),
    /// It was asked to stop.
    Stop(Stop),
}
