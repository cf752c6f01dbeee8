//! Times that do not start: the outcome and the reason. Pure.

use std::time::Duration;

use chrono::{DateTime, SecondsFormat, Utc};

use super::start::{Origin, Start};
use crate::spec::text::duration_text;

/// The outcome of a time that did not start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// A run was still open, or a newer time was also due; counted.
    Skipped,
    /// Later than the catch-up window; counted.
    Missed,
    /// The buffer was full; counted.
    Dropped,
    /// Replaced by a newer start.
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

    /// The outcome with this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|o| o.name() == name)
    }

    /// The name, as in the database and in JSON.
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

/// The reason why a time did not start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "`text` describes them")]
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
    /// The reason as text.
    #[must_use]
    pub fn text(self) -> &'static str {
        match self {
            Self::StillRunning => "the previous run was still running",
            Self::StillWaiting => "the previous run was still waiting for a worker",
            Self::NewerOverdue => "a newer time was due as well",
            Self::OneWaitsAlready => "one start was already buffered",
            Self::BufferFull => "the buffer was full",
            Self::BeyondCatchupWindow => "later than the catch-up window",
            Self::SchedulePaused => "the schedule was paused",
            Self::NoActionsLeft => "no actions were left",
        }
    }

    /// The reason as text, with the details that apply.
    #[must_use]
    pub fn text_with(self, details: &ReasonDetails<'_>) -> String {
        match self {
            Self::BeyondCatchupWindow => {
                let window = duration_text(Duration::from_millis(details.catchup_window_ms));
                format!("{} of {window}", self.text())
            }
            Self::SchedulePaused => {
                let since = details.paused_since.map_or_else(String::new, |at| {
                    format!(" since {}", at.to_rfc3339_opts(SecondsFormat::Secs, true))
                });
                let note = if details.note.is_empty() {
                    String::new()
                } else {
                    format!(": {}", details.note)
                };
                match since.as_str() {
                    "" => format!("{}{note}", self.text()),
                    since => format!("the schedule had been paused{since}{note}"),
                }
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

/// Details for the text of a reason.
#[derive(Debug, Clone, Copy)]
pub struct ReasonDetails<'a> {
    /// The catch-up window in milliseconds.
    pub catchup_window_ms: u64,
    /// When the schedule was paused, if known.
    pub paused_since: Option<DateTime<Utc>>,
    /// The note of the pause; empty if it has none.
    pub note: &'a str,
}

/// Consecutive times with the same outcome.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NotStarted {
    /// The first nominal time.
    pub from: DateTime<Utc>,
    /// The last nominal time.
    pub to: DateTime<Utc>,
    /// Number of times.
    pub count: u64,
    /// Their outcome.
    pub outcome: Outcome,
    /// The reason.
    pub reason: Reason,
    /// The origin of the starts.
    pub origin: Origin,
    /// Index of the past definition they were decided under; `None` for the current one.
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
