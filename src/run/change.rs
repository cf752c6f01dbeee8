//! What happens to a run, and what follows from it.

use super::Progress;
use super::outcome::{AttemptResult, Failure, Status};

/// How a run is stopped from outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stop {
    /// SIGTERM, grace, SIGKILL.
    Cancel,
    /// SIGKILL.
    Terminate,
}

/// What happens to a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// An attempt starts.
    AttemptStarted,
    /// The attempt that was running came to this.
    AttemptEnded(AttemptResult),
    /// The server died, or gave the attempt up.
    WorkerLost,
    /// The run is stopped while no attempt runs.
    Stopped(Stop),
    /// The step's time for all its attempts has passed while no attempt runs.
    StepTimedOut,
    /// The run's own deadline has passed while no attempt runs.
    TimedOut,
}

/// What follows from an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// Where the run stands now; for a closed run, where it stood.
    pub progress: Progress,
    /// The step that closed.
    pub step: Option<StepClosed>,
    /// How the run closed, if it did.
    pub run: Option<RunClosed>,
}

/// A step that has closed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StepClosed {
    /// Its index.
    pub position: usize,
    /// What it came to.
    pub status: Status,
    /// In words: `ok status=200`, `incident: unexpected status 500 from http://…`.
    pub result: String,
    /// Why it failed for good, where that is an incident.
    pub incident: Option<Failure>,
}

/// A run that has closed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunClosed {
    /// What it came to.
    pub status: Status,
    /// Why, where it did not complete.
    pub reason: Option<String>,
}
