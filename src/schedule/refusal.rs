//! Times that do not start: what became of them, and why. Pure.

use chrono::{DateTime, Utc};

use super::start::{Origin, Start};

/// What became of a time that did not start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// A run was still going, or a newer time was due too; counted.
    Skipped,
    /// It was later than the catch-up window; counted.
    Missed,
    /// The buffer was full; counted.
    Dropped,
    /// A newer start took its place.
    Superseded,
    /// The schedule was paused.
    Paused,
    /// No actions were left.
    Exhausted,
}

impl Outcome {
    /// The name, as in the file and in JSON.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Skipped => "skipped",
            Self::Missed => "missed",
            Self::Dropped => "dropped",
            Self::Superseded => "superseded",
            Self::Paused => "paused",
            Self::Exhausted => "exhausted",
        }
    }
}

/// Why a time did not start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the texts say it")]
pub enum Reason {
    StillRunning,
    NewerOverdue,
    OneWaitsAlready,
    BufferFull,
    BeyondCatchupWindow,
    SchedulePaused,
    NoActionsLeft,
}

impl Reason {
    /// The reason in words.
    #[must_use]
    pub fn text(self) -> &'static str {
        match self {
            Self::StillRunning => "a run was still going",
            Self::NewerOverdue => "a newer time was due as well",
            Self::OneWaitsAlready => "one start waited already",
            Self::BufferFull => "the buffer was full",
            Self::BeyondCatchupWindow => "later than the catch-up window",
            Self::SchedulePaused => "the schedule was paused",
            Self::NoActionsLeft => "no actions were left",
        }
    }
}

/// Neighbouring times that share a fate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// The first nominal time.
    pub from: DateTime<Utc>,
    /// The last nominal time.
    pub to: DateTime<Utc>,
    /// How many there are.
    pub count: u64,
    /// What became of them.
    pub outcome: Outcome,
    /// Why.
    pub reason: Reason,
    /// Where they came from.
    pub origin: Origin,
}

impl Refused {
    pub(super) fn one(start: &Start, outcome: Outcome, reason: Reason) -> Self {
        Self {
            from: start.nominal,
            to: start.nominal,
            count: 1,
            outcome,
            reason,
            origin: start.origin,
        }
    }
}
