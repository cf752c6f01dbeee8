//! Schedules and their policies: what happens to each time. Pure: no clock, no database, no printing.
//!
//! [`planner::plan`] makes every decision; [`simulate`] applies it over a period, and the engine is tested against it.

pub mod after;
pub mod alerts;
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
pub mod planner;
#[cfg(test)]
mod planner_tests;
pub mod policy;
pub mod simulate;
pub mod start;

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Kind};
use crate::names::ScheduleId;
use crate::run::step::Workflow;
use crate::run::step_text::Action;
use crate::spec::spec_text::SpecText;
use crate::spec::zone::Zones;
use crate::spec::{Spec, text};

pub use alerts::Alerts;
pub use policy::OverlapPolicy;

/// Maximum number of buffered starts of a schedule; a start that begins at once does not count.
pub const MAX_BUFFER: usize = 1000;
/// Maximum value of `max_running`: a decision considers no more open runs than this.
pub const MAX_RUNNING: u32 = 1000;
/// Largest number of failed runs in a row after which a schedule is paused.
pub const MAX_PAUSE_AFTER: u32 = 1000;
/// Default catch-up window.
pub const DEFAULT_CATCHUP: Duration = Duration::from_mins(10);
/// Minimum catch-up window: with a shorter one, an ordinary restart would miss times.
const MIN_CATCHUP: Duration = Duration::from_secs(10);

/// The definition of a schedule, as users write it.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Definition {
    /// The spec: when it fires.
    pub spec: SpecText,
    /// The action: what it starts.
    pub action: Action,
    /// The policies: what happens to each time.
    pub policies: Policies,
    /// How failures become incidents.
    pub alerts: Alerts,
    /// The schedules after whose runs it starts: `ID`, or `ID:failed`.
    pub after: Vec<String>,
}

impl Definition {
    /// Checks the times, the steps and the alert settings, and returns the compiled spec; `id` seeds the jitter.
    ///
    /// # Errors
    /// `Usage` when one of them is invalid.
    pub fn check(&self, id: &ScheduleId, zones: &dyn Zones) -> Result<Spec, Error> {
        let spec = Spec::compile(&self.spec, id.as_str(), zones)?;
        Workflow::check(&self.action)?.check_new()?;
        self.alerts.check()?;
        if let (Some(start), Some(end)) = (self.spec.start_time, self.spec.end_time)
            && start > end
        {
            return Err(Error::new(
                Kind::Usage,
                format_args!("the start time {start} is after the end time {end}"),
            )
            .hint("The start time must be before the end time."));
        }
        Ok(spec)
    }
}

/// The policies of a schedule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Policies {
    /// What happens to a start while a run is still open.
    pub overlap: OverlapPolicy,
    /// Catch-up window in milliseconds: how late a due time may still start.
    pub catchup_window_ms: u64,
    /// Whether a failed run pauses the schedule.
    pub pause_on_failure: bool,
    /// After how many failed runs in a row the schedule is paused, 1 to [`MAX_PAUSE_AFTER`]; `None` means after the first, if at all.
    pub pause_after: Option<u32>,
    /// Maximum number of open runs under `allow-all`, 1 to [`MAX_RUNNING`]; further starts are buffered. `None` means no limit.
    pub max_running: Option<u32>,
}

impl Default for Policies {
    fn default() -> Self {
        Self {
            overlap: OverlapPolicy::Skip,
            catchup_window_ms: u64::try_from(DEFAULT_CATCHUP.as_millis()).unwrap_or(u64::MAX),
            pause_on_failure: false,
            pause_after: None,
            max_running: None,
        }
    }
}

impl Policies {
    /// Checks a limit of open runs.
    ///
    /// # Errors
    /// `Usage` if it is out of range.
    pub fn check_max_running(limit: Option<u32>) -> Result<Option<u32>, Error> {
        match limit {
            Some(limit) if !(1..=MAX_RUNNING).contains(&limit) => Err(Error::new(
                Kind::Usage,
                format_args!("must be from 1 to {MAX_RUNNING}, not `{limit}`"),
            )
            .of_setting("max_running")),
            limit => Ok(limit),
        }
    }

    /// Checks a number of failed runs in a row.
    ///
    /// # Errors
    /// `Usage` if it is out of range.
    pub fn check_pause_after(failures: Option<u32>) -> Result<Option<u32>, Error> {
        match failures {
            Some(failures) if !(1..=MAX_PAUSE_AFTER).contains(&failures) => Err(Error::new(
                Kind::Usage,
                format_args!("must be from 1 to {MAX_PAUSE_AFTER}, not `{failures}`"),
            )
            .of_setting("pause_after")),
            failures => Ok(failures),
        }
    }

    /// Checks that a schedule is paused after the first failed run, or after several, but not both.
    ///
    /// # Errors
    /// `Usage` if both are set.
    pub fn check_pauses(self) -> Result<(), Error> {
        if self.pause_on_failure && self.pause_after.is_some() {
            return Err(
                Error::new(Kind::Usage, "`pause_on_failure` and `pause_after` cannot be used together").hint(
                    "`pause_on_failure` pauses the schedule after the first failed run, `pause_after` after several in a row.",
                ),
            );
        }
        Ok(())
    }

    /// After how many failed runs in a row the schedule is paused; `None` for never.
    #[must_use]
    pub fn failures_to_pause(&self) -> Option<u32> {
        self.pause_after.or(self.pause_on_failure.then_some(1))
    }

    /// Parses a catch-up window; returns milliseconds.
    ///
    /// # Errors
    /// `Usage` if it is not a duration, or is under 10 s.
    pub fn parse_catchup_window(written: &str) -> Result<u64, Error> {
        let window = text::duration(written)?;
        if window < MIN_CATCHUP {
            return Err(
                Error::new(Kind::Usage, format_args!("the catch-up window `{written}` is under 10s"))
                    .hint("Times due during a restart would be missed. The default is `10m`."),
            );
        }
        Ok(u64::try_from(window.as_millis()).unwrap_or(u64::MAX))
    }
}

/// Number of scheduled starts left.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Remaining {
    /// No limit.
    Unlimited,
    /// At most this many.
    Only(u64),
}

impl Remaining {
    /// Parses a number, or `unlimited`.
    ///
    /// # Errors
    /// `Usage` if it is neither.
    pub fn parse(written: &str) -> Result<Self, Error> {
        if written.eq_ignore_ascii_case("unlimited") {
            return Ok(Self::Unlimited);
        }
        written.parse().map(Self::Only).map_err(|_| {
            Error::new(Kind::Usage, format_args!("invalid number of remaining actions `{written}`"))
                .hint("Expected a number or `unlimited`.")
        })
    }

    /// The number, if there is a limit.
    #[must_use]
    pub fn limit(self) -> Option<u64> {
        match self {
            Self::Unlimited => None,
            Self::Only(n) => Some(n),
        }
    }
}

/// The state that a definition file declares; omitted fields are left to users and runs.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Declared {
    /// Note about the schedule.
    pub note: Option<String>,
    /// Whether it is paused.
    pub paused: Option<bool>,
    /// Number of scheduled starts, or no limit.
    pub remaining_actions: Option<Remaining>,
}

impl Declared {
    /// Applies the declaration to a state. `before` is the previous declaration by the same file; fields that are no longer declared are reset.
    #[must_use]
    pub fn over(&self, state: &State, before: Option<&Self>) -> State {
        let nothing = Self::default();
        let before = before.unwrap_or(&nothing);
        // The note that says why the schedule is paused is kept while it is paused.
        let keep_note = state.paused && self.paused != Some(true) && self.note == before.note;
        let note = self.note.clone().or_else(|| before.note.as_ref().map(|_| String::new()));
        let note = note.filter(|_| !keep_note);
        let paused = self.paused.or_else(|| before.paused.map(|_| false));
        // The declared number has been counted down since; only a different number resets it.
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

/// The state of a schedule, which users and runs change independently of the definition.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct State {
    /// Note about the schedule, replaced by each new one.
    pub note: String,
    /// Whether it is paused.
    pub paused: bool,
    /// Number of scheduled starts left; `None` means no limit.
    pub remaining_actions: Option<u64>,
}
