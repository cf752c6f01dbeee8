//! WHAT THEN: the schedule itself, and what becomes of each time it names. Pure: no clock, no database, no printing.
//!
//! [`plan::plan`] is the one decision; [`simulate`] folds it over a span, and is what the engine is held against.

pub mod backfill;
pub mod counters;
pub mod explain;
pub mod history;
pub mod not_started;
pub mod overlap;
pub mod pause;
pub mod pending;
pub mod plan;
pub mod plan_input;
pub mod policy;
pub mod simulate;
pub mod start;

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Kind};
use crate::run::step_text::Action;
use crate::spec::spec_text::SpecText;
use crate::spec::text;

pub use policy::OverlapPolicy;

/// How many starts may wait their turn (the one that begins at once is not counted).
pub const MAX_BUFFER: usize = 1000;
/// How late a due time may still be taken up, unless told otherwise.
pub const DEFAULT_CATCHUP: Duration = Duration::from_mins(10);
/// The shortest catch-up window: below it, an ordinary restart would lose times.
const LEAST_CATCHUP: Duration = Duration::from_secs(10);

/// What a schedule is, as people wrote it: when, what, and by which policies.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Definition {
    /// When.
    pub spec: SpecText,
    /// What.
    pub action: Action,
    /// By which rules.
    pub policies: Policies,
}

/// The rules that a schedule decides by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Policies {
    /// What happens when a run is still going.
    pub overlap: OverlapPolicy,
    /// How late a due time may still be taken up, in milliseconds.
    pub catchup_window_ms: u64,
    /// Whether a failed run pauses the schedule.
    pub pause_on_failure: bool,
}

impl Default for Policies {
    fn default() -> Self {
        Self {
            overlap: OverlapPolicy::Skip,
            catchup_window_ms: u64::try_from(DEFAULT_CATCHUP.as_millis()).unwrap_or(u64::MAX),
            pause_on_failure: false,
        }
    }
}

impl Policies {
    /// Reads a catch-up window.
    ///
    /// # Errors
    /// `Usage` when it is no duration, or under 10 s.
    pub fn catchup_of(written: &str) -> Result<u64, Error> {
        let window = text::duration(written)?;
        if window < LEAST_CATCHUP {
            return Err(
                Error::new(Kind::Usage, format_args!("the catch-up window `{written}` is under 10s"))
                    .hint("Times due while tempo restarts would be lost; `10m` is the default."),
            );
        }
        Ok(u64::try_from(window.as_millis()).unwrap_or(u64::MAX))
    }
}

/// How many scheduled starts are left.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Remaining {
    /// As many as there are times.
    Unlimited,
    /// So many.
    Only(u64),
}

impl Remaining {
    /// Reads a number, or `unlimited`.
    ///
    /// # Errors
    /// `Usage` when it is neither.
    pub fn parse(written: &str) -> Result<Self, Error> {
        if written.eq_ignore_ascii_case("unlimited") {
            return Ok(Self::Unlimited);
        }
        written.parse().map(Self::Only).map_err(|_| {
            Error::new(Kind::Usage, format_args!("`{written}` is not a number of actions"))
                .hint("Write a number, or `unlimited`.")
        })
    }

    /// The number, where there is one.
    #[must_use]
    pub fn limit(self) -> Option<u64> {
        match self {
            Self::Unlimited => None,
            Self::Only(n) => Some(n),
        }
    }
}

/// What a definition on paper says of the state; what it leaves out is left to people and runs.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Declared {
    /// What people should know of it.
    pub note: Option<String>,
    /// Whether it starts nothing by itself.
    pub paused: Option<bool>,
    /// How many scheduled starts there are, or that there is no limit.
    pub remaining_actions: Option<Remaining>,
}

impl Declared {
    /// The state that it makes of one, where the same paper said `before` last time: what it no longer says is undone.
    #[must_use]
    pub fn over(&self, state: &State, before: Option<&Self>) -> State {
        let unsaid = Self::default();
        let before = before.unwrap_or(&unsaid);
        // Why it is paused stays on record as long as it is.
        let says_why = state.paused && self.paused != Some(true) && self.note == before.note;
        let note = self.note.clone().or_else(|| before.note.as_ref().map(|_| String::new()));
        let note = note.filter(|_| !says_why);
        let paused = self.paused.or_else(|| before.paused.map(|_| false));
        // Counted down since it was said: only another number begins anew.
        let remaining = if self.remaining_actions == before.remaining_actions {
            None
        } else {
            Some(self.remaining_actions.and_then(Remaining::limit))
        };
        State {
            note: note.unwrap_or_else(|| state.note.clone()),
            paused: paused.unwrap_or(state.paused),
            remaining_actions: remaining.unwrap_or(state.remaining_actions),
        }
    }
}

/// The state that people and runs change while the definition stays.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct State {
    /// What people say of it, replaced by each note given.
    pub note: String,
    /// Whether it starts nothing by itself.
    pub paused: bool,
    /// How many scheduled starts are left; absent: no limit.
    pub remaining_actions: Option<u64>,
}
