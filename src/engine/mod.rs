//! KEEPING AT IT: the server. A ticker, workers and a writer, as bodies that can be stepped, and the threads that loop over them.
//!
//! [`Server::start`] takes the lock, recovers what a dead server left open, and starts the threads. Everything that happens comes out of one channel.

mod advance;
mod catalog;
mod decide;
#[cfg(test)]
mod deterministic;
mod events;
mod prune;
mod queue;
mod quiet;
mod ready;
mod recovery;
pub(crate) mod script;
mod server;
mod shared;
mod ticker;
mod worker;
mod zones;

pub(crate) use events::{Event, RunRef, StepRef};
pub(crate) use prune::Retention;
pub(crate) use server::{Server, Stopper};

use std::time::Duration;

use chrono::TimeDelta;

/// How long the ticker leaves the file alone after it could not read or decide.
const AFTER_TROUBLE: TimeDelta = TimeDelta::seconds(1);

/// How long a server serves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Until {
    /// Until it is told to stop.
    Told,
    /// For so long.
    For(Duration),
    /// Until what is due by now is done.
    Done,
}

/// How a server is to serve.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Settings {
    /// How many runs are performed at once.
    pub(crate) workers: usize,
    /// How long running steps may take to end when the server is told to stop.
    pub(crate) drain_timeout: Duration,
    /// How long it serves.
    pub(crate) until: Until,
    /// What is kept of history.
    pub(crate) retention: Retention,
}
