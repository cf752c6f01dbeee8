//! What a schedule's times are decided from: the definitions in force, what waits and runs, and what is asked for.

use std::sync::Arc;

use chrono::{DateTime, Utc};

use super::Policies;
use super::overlap::Running;
use super::policy::OverlapPolicy;
use super::start::Start;
use crate::spec::Spec;

/// A definition that was in force for a while, with times of it still undecided.
#[derive(Debug, Clone)]
pub struct Epoch<'a> {
    /// The spec of the time.
    pub spec: &'a Spec,
    /// The policies of the time.
    pub policies: Policies,
    /// Whether it was paused.
    pub paused: bool,
    /// Scheduled starts that were left when it came to its end; absent: no limit.
    pub remaining: Option<u64>,
    /// Due times up to this instant are its.
    pub until: DateTime<Utc>,
}

/// A manual request that is not settled.
#[derive(Debug, Clone)]
pub struct Request {
    /// Its key.
    pub key: i64,
    /// What it asks for.
    pub kind: RequestKind,
    /// The policy it named.
    pub overlap: Option<OverlapPolicy>,
    /// The spec whose times a backfill runs, where the schedule has had another since it was asked for.
    pub spec: Option<Arc<Spec>>,
}

/// What a request asks of a schedule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RequestKind {
    /// One start; its nominal time is when it was asked for.
    Trigger(DateTime<Utc>),
    /// The times of a past range, both ends inclusive.
    Backfill {
        /// The first nominal time that may be in it.
        start: DateTime<Utc>,
        /// The last.
        end: DateTime<Utc>,
        /// The last nominal time already taken up.
        done_to: Option<DateTime<Utc>>,
    },
}

/// How far a request has got.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestProgress {
    /// Its key.
    pub key: i64,
    /// How many times were taken up just now.
    pub taken: u64,
    /// The last nominal time taken up.
    pub done_to: Option<DateTime<Utc>>,
    /// Whether every time of it has been taken up.
    pub finished: bool,
}

/// Everything a plan is made from.
#[derive(Debug, Clone)]
pub struct PlanInput<'a> {
    /// The definition in force now; `until` is `now`, or earlier where later times are to be left alone.
    pub current: Epoch<'a>,
    /// Those in force before with times undecided, oldest first.
    pub past: Vec<Epoch<'a>>,
    /// Nominal times up to here are decided.
    pub cursor: DateTime<Utc>,
    /// Due times up to here are decided or belong to nobody.
    pub floor: DateTime<Utc>,
    /// Starts that wait, oldest first.
    pub waiting: Vec<Start>,
    /// Runs that are open.
    pub running: Vec<Running>,
    /// How many runs are open, whatever `running` holds.
    pub open_runs: usize,
    /// Requests not settled, oldest first.
    pub requests: Vec<Request>,
    /// How many starts may wait.
    pub max_buffer: usize,
}
