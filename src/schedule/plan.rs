//! The plan for a schedule: what becomes of its nominal times, its runs and its cursor. Pure.

use chrono::{DateTime, Utc};

use super::not_started::NotStarted;
use super::plan_input::RequestProgress;
use super::start::Start;

/// A start that begins, and the definition it belongs to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Begin {
    /// The start.
    pub start: Start,
    /// Index of the past definition it belongs to; `None` for the current one.
    pub epoch: Option<usize>,
}

/// A plan for a schedule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// Runs to begin, in order.
    pub begin: Vec<Begin>,
    /// Starts that are buffered afterwards, in order.
    pub waiting: Vec<Start>,
    /// Times that do not start, in ranges.
    pub not_started: Vec<NotStarted>,
    /// Whether the open runs are canceled.
    pub cancel: bool,
    /// Whether the open runs are killed.
    pub terminate: bool,
    /// The new cursor.
    pub cursor: DateTime<Utc>,
    /// The new floor.
    pub floor: DateTime<Utc>,
    /// Scheduled starts left; `None` means no limit.
    pub remaining: Option<u64>,
    /// The next scheduled due time, if any.
    pub next_due: Option<DateTime<Utc>>,
    /// The progress of the requests.
    pub requests: Vec<RequestProgress>,
    /// Whether another plan is needed at once.
    pub more: bool,
}
