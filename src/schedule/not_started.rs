//! Times that do not start: what became of them, and why. Pure.

use std::time::Duration;

use chrono::{DateTime, SecondsFormat, Utc};

use super::start::{Origin, Start};
use crate::spec::text::duration_text;

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
    /// Every outcome.
    pub const ALL: [Self; 6] = [
        Self::Skipped,
        Self::Missed,
        Self::Dropped,
        Self::Superseded,
        Self::Paused,
        Self::Exhausted,
    ];

    /// The outcome that is called so.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|o| o.name() == name)
    }

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
    StillWaiting,
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
            Self::StillRunning => "the previous run was still running",
            Self::StillWaiting => "the previous run was still waiting for a worker",
            Self::NewerOverdue => "a newer time was due as well",
            Self::OneWaitsAlready => "one start waited already",
            Self::BufferFull => "the buffer was full",
            Self::BeyondCatchupWindow => "later than the catch-up window",
            Self::SchedulePaused => "the schedule was paused",
            Self::NoActionsLeft => "no actions were left",
        }
    }

    /// The reason in words, with what it was decided by.
    #[must_use]
    pub fn text_with(self, by: &Circumstances<'_>) -> String {
        match self {
            Self::BeyondCatchupWindow => {
                let window = duration_text(Duration::from_millis(by.catchup_window_ms));
                format!("{} of {window}", self.text())
            }
            Self::SchedulePaused => {
                let since = by.paused_since.map_or_else(String::new, |at| {
                    format!(" since {}", at.to_rfc3339_opts(SecondsFormat::Secs, true))
                });
                let note = if by.note.is_empty() {
                    String::new()
                } else {
                    format!(": {}", by.note)
                };
                format!("{}{since}{note}", self.text())
            }
            Self::StillRunning
            | Self::StillWaiting
            | Self::NewerOverdue
            | Self::OneWaitsAlready
            | Self::BufferFull
            | Self::NoActionsLeft => self.text().to_owned(),
        }
    }
}

/// What a refusal was decided by.
#[derive(Debug, Clone, Copy)]
pub struct Circumstances<'a> {
    /// How late a due time may still be taken up.
    pub catchup_window_ms: u64,
    /// Since when the schedule is paused.
    pub paused_since: Option<DateTime<Utc>>,
    /// What people say of the schedule.
    pub note: &'a str,
}

/// Neighbouring times that share a fate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NotStarted {
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
    /// The index of the past definition they were decided by; absent: the current one.
    pub epoch: Option<usize>,
}

impl NotStarted {
    pub(super) fn one(start: &Start, outcome: Outcome, reason: Reason) -> Self {
        Self {
            from: start.nominal,
            to: start.nominal,
            count: 1,
            outcome,
            reason,
            origin: start.origin,
            epoch: None,
        }
    }
}
