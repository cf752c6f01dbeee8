//! Events of a run, and the changes they cause.

use super::Progress;
use super::outcome::{AttemptResult, Failure, Status};

/// The way a run is stopped on request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stop {
    /// SIGTERM, then SIGKILL after the grace period.
    Cancel,
    /// SIGKILL at once.
    Terminate,
}

/// An event of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// An attempt started.
    AttemptStarted,
    /// The running attempt ended with this result.
    AttemptEnded(AttemptResult),
    /// The server died, or abandoned the attempt.
    WorkerLost,
    /// The attempt that is recorded as started was not performed, and does not count.
    NotPerformed,
    /// The run was stopped while no attempt was running.
    Stopped(Stop),
    /// The step's schedule-to-close timeout passed while no attempt was running.
    StepTimedOut,
    /// The run's deadline passed while no attempt was running.
    TimedOut,
}

/// The effects of an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// The new state of the run; for a closed run, its last state.
    pub progress: Progress,
    /// The step that closed, if any.
    pub step: Option<StepClosed>,
    /// The outcome of the run, if it closed.
    pub run: Option<RunClosed>,
}

/// A step that has closed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StepClosed {
    /// Index of the step.
    pub position: usize,
    /// The final status.
    pub status: Status,
    /// The result as text: `ok status=200`, `incident: unexpected status 500 from http://…`.
    pub result: String,
    /// The failure, if it opens or counts an incident.
    pub incident: Option<Failure>,
}

/// A run that has closed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunClosed {
    /// The final status.
    pub status: Status,
    /// The reason, if the run did not complete.
    pub reason: Option<String>,
}
