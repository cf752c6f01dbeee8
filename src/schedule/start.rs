//! A start: its nominal time, its due time and its origin. Pure.

use chrono::{DateTime, SecondsFormat, Utc};

use super::policy::OverlapPolicy;

/// The origin of a start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Origin {
    /// The spec.
    Scheduled,
    /// A trigger, by the key of the request.
    Trigger(i64),
    /// A backfill, by the key of the request.
    Backfill(i64),
}

impl Origin {
    /// Whether a user requested it.
    #[must_use]
    pub fn is_manual(self) -> bool {
        self != Self::Scheduled
    }
}

/// A start that is to be decided, or is buffered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Start {
    /// The nominal time, which identifies it.
    pub nominal: DateTime<Utc>,
    /// The due time.
    pub due: DateTime<Utc>,
    /// The origin.
    pub origin: Origin,
    /// The overlap policy of the request, if it gave one.
    pub overlap: Option<OverlapPolicy>,
    /// The key of its row, if it is already buffered.
    pub waiting_as: Option<i64>,
}

/// The workflow id of a run: the base and the nominal time in whole seconds.
#[must_use]
pub fn workflow_id_at(base: &str, nominal: DateTime<Utc>) -> String {
    format!("{base}-{}", nominal.to_rfc3339_opts(SecondsFormat::Secs, true))
}
