//! The input to a plan: definitions, buffered starts, open runs and requests.

use std::sync::Arc;

use chrono::{DateTime, Utc};

use super::Policies;
use super::overlap::Running;
use super::policy::OverlapPolicy;
use super::start::Start;
use crate::spec::Spec;

/// A definition that is or was in force, with due times still pending.
#[derive(Debug, Clone)]
pub struct Epoch<'a> {
    /// The spec.
    pub spec: &'a Spec,
    /// The policies.
    pub policies: Policies,
    /// Whether the schedule was paused.
    pub paused: bool,
    /// Scheduled starts left at the end of the epoch; `None` means no limit.
    pub remaining: Option<u64>,
    /// End of the epoch: due times up to this instant belong to it.
    pub until: DateTime<Utc>,
}

/// A trigger or backfill that is not finished.
#[derive(Debug, Clone)]
pub struct Request {
    /// The key of the request.
    pub key: i64,
    /// The kind of request.
    pub kind: RequestKind,
    /// The overlap policy, if the request gave one.
    pub overlap: Option<OverlapPolicy>,
    /// For a backfill, the spec at the time of the request, if it has changed since.
    pub spec: Option<Arc<Spec>>,
}

/// The kind of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RequestKind {
    /// One start; its nominal time is the time of the request.
    Trigger(DateTime<Utc>),
    /// One start for each time of a past range, both ends inclusive.
    Backfill {
        /// Start of the range.
        start: DateTime<Utc>,
        /// End of the range.
        end: DateTime<Utc>,
        /// The last nominal time processed so far.
        done_to: Option<DateTime<Utc>>,
    },
}

/// The progress of a request in one plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestProgress {
    /// The key of the request.
    pub key: i64,
    /// Number of times processed.
    pub taken: u64,
    /// The last nominal time processed.
    pub done_to: Option<DateTime<Utc>>,
    /// Whether all its times have been processed.
    pub finished: bool,
}

/// The input to a plan.
#[derive(Debug, Clone)]
pub struct PlanInput<'a> {
    /// The definition in force now; `until` is `now`, or earlier if later times are not to be decided yet.
    pub current: Epoch<'a>,
    /// Past definitions with pending times, oldest first.
    pub past: Vec<Epoch<'a>>,
    /// The cursor: nominal times up to here are decided.
    pub cursor: DateTime<Utc>,
    /// The floor: due times up to here are decided or ignored.
    pub floor: DateTime<Utc>,
    /// Buffered starts, oldest first.
    pub waiting: Vec<Start>,
    /// Open runs.
    pub running: Vec<Running>,
    /// Number of open runs, which may be more than `running` lists.
    pub open_runs: usize,
    /// Unfinished requests, oldest first.
    pub requests: Vec<Request>,
    /// Maximum number of buffered starts.
    pub max_buffer: usize,
}
