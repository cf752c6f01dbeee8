//! A start: the time that identifies it, the time it is due, and where it comes from. Pure.

use chrono::{DateTime, SecondsFormat, Utc};

use super::policy::OverlapPolicy;

/// Where a start comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Origin {
    /// The spec.
    Scheduled,
    /// A trigger: the key of the request.
    Trigger(i64),
    /// A backfill: the key of the request.
    Backfill(i64),
}

impl Origin {
    /// Whether a person asked for it.
    #[must_use]
    pub fn is_manual(self) -> bool {
        self != Self::Scheduled
    }
}

/// A start that is to be decided, or that waits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Start {
    /// The time that identifies it.
    pub nominal: DateTime<Utc>,
    /// The time it is due.
    pub due: DateTime<Utc>,
    /// Where it comes from.
    pub origin: Origin,
    /// The policy of the request, where it named one.
    pub overlap: Option<OverlapPolicy>,
    /// The key of the row in which it waits already.
    pub waiting_as: Option<i64>,
}

/// The workflow id of a run: the base and the nominal time in whole seconds.
#[must_use]
pub fn workflow_id_at(base: &str, nominal: DateTime<Utc>) -> String {
    format!("{base}-{}", nominal.to_rfc3339_opts(SecondsFormat::Secs, true))
}
