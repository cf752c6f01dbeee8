//! The server: a ticker, workers and a writer, as functions that tests can step through, and the threads that call them in a loop.
//!
//! [`Server::start`] takes the lock, recovers what a dead server left open, and starts the threads. All events go to one channel.

mod advance;
mod alerts;
mod beats;
mod begin;
mod catalog;
mod conditions;
mod decide;
#[cfg(test)]
mod deterministic;
mod events;
mod handle;
pub(crate) mod interrupt;
mod messages;
pub(crate) mod metrics;
mod notices;
mod outbox;
mod prune;
mod queue;
mod queue_state;
#[cfg(test)]
mod queue_tests;
mod quiet;
mod ready;
mod recovery;
mod run_closed;
pub(crate) mod script;
mod serve_loop;
mod server;
mod shared;
mod step_closed;
mod ticker;
mod worker;
mod zones;

pub(crate) use events::{Event, RunRef, StepRef};
pub(crate) use handle::Handle;
pub(crate) use prune::Retention;
pub(crate) use server::{Server, Stopper};
pub(crate) use shared::RUN_ID;

use std::time::Duration;

use chrono::TimeDelta;

/// How long the ticker waits after a failed read or decision before it tries again.
const AFTER_ERROR: TimeDelta = TimeDelta::seconds(1);

/// When a server stops.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Until {
    /// When it is asked to stop.
    Told,
    /// After this long.
    For(Duration),
    /// When everything that was due at its start is done.
    Done,
}

/// The settings of a server.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    /// Maximum number of runs of the default task queue performed at once.
    pub(crate) workers: usize,
    /// Task queues with a limit of their own.
    pub(crate) queues: Vec<(String, usize)>,
    /// How long running steps may take to finish after the server is asked to stop.
    pub(crate) drain_timeout: Duration,
    /// When it stops.
    pub(crate) until: Until,
    /// Maximum number of bytes kept of the output of a command.
    pub(crate) output_limit: usize,
    /// How much history is kept.
    pub(crate) retention: Retention,
}
