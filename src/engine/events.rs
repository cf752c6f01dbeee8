//! What happens in the server, as typed events; only the voice, at the other end of the channel, puts them in words.

use std::path::PathBuf;

use chrono::{DateTime, Utc};

use crate::error::Error;
use crate::run::Stop;
use crate::run::outcome::{Failure, Status};
use crate::schedule::not_started::NotStarted;
use crate::schedule::start::Origin;

/// Which run an event is about.
#[expect(clippy::struct_field_names, reason = "the names of the field: a run id is no workflow id")]
#[derive(Debug, Clone)]
pub(crate) struct RunRef {
    pub(crate) run_id: String,
    pub(crate) workflow_id: String,
    pub(crate) schedule_id: Option<String>,
}

/// Which step of it.
#[derive(Debug, Clone)]
pub(crate) struct StepRef {
    pub(crate) name: String,
    /// Counted from 1.
    pub(crate) number: usize,
    pub(crate) of: usize,
}

/// Something that happened.
#[derive(Debug)]
pub(crate) enum Event {
    /// The server is up.
    Serving {
        pid: u32,
        database: String,
        schedules: u64,
        open_runs: u64,
    },
    /// There are fewer workers than were asked for: this process may not open more files.
    FewerWorkers { workers: usize, wanted: usize },
    /// The zone data of the machine has changed: next times are computed again.
    ZoneChanged { name: String, schedules: u64 },
    /// A time was taken up, and a run begins.
    Tick {
        run: RunRef,
        nominal: DateTime<Utc>,
        due: DateTime<Utc>,
        origin: Origin,
    },
    /// A time was taken up, and waits its turn.
    Buffered {
        schedule_id: String,
        nominal: DateTime<Utc>,
        waiting: usize,
    },
    /// Times were taken up, and do not start.
    NotStarted { schedule_id: String, refused: NotStarted },
    /// A worker has begun with a run.
    Started { run: RunRef, step: StepRef },
    /// A server died in this step; so many processes that it left behind were ended.
    Lost {
        run: RunRef,
        step: StepRef,
        attempt: u32,
        ended: usize,
    },
    /// An attempt is held because this machine is short of something.
    Held { run: RunRef, step: StepRef, short: String },
    /// Processes of an attempt that was to end have outlived SIGKILL: it does not end before they do.
    Surviving {
        run: RunRef,
        step: StepRef,
        processes: Vec<u32>,
    },
    /// A run goes on at this step after a server died.
    Resumed { run: RunRef, step: StepRef },
    /// An attempt failed and is tried again.
    Retry {
        run: RunRef,
        step: StepRef,
        attempt: u32,
        failure: Failure,
        until: DateTime<Utc>,
    },
    /// A step has closed without an incident.
    StepClosed { run: RunRef, step: StepRef, result: String },
    /// A step has failed for good.
    Incident {
        run: RunRef,
        step: StepRef,
        id: i64,
        count: u64,
        target_url: String,
        failure: Failure,
    },
    /// A step has succeeded whose incident was open.
    Resolved { run: RunRef, step: StepRef, id: i64 },
    /// A run has been asked to stop.
    Stopping { run: RunRef, stop: Stop },
    /// A run that had failed has been asked to go on.
    Retried { run: RunRef },
    /// A run has closed.
    Closed {
        run: RunRef,
        status: Status,
        incidents: u64,
        elapsed_ms: i64,
        reason: Option<String>,
    },
    /// A failed run has paused its schedule.
    Paused { schedule_id: String, note: String },
    /// The server starts nothing more.
    Draining { running: usize },
    /// Attempts were given up at the end of the drain.
    GaveUp { running: usize },
    /// A file of the database was deleted, moved or replaced: the server stops.
    Displaced { path: PathBuf },
    /// The file that says who serves the database was removed, and has been written again.
    LockRestored { path: PathBuf },
    /// What was in a log that was replaced has been saved in a copy of the database.
    Saved { copy: PathBuf },
    /// Something could not be done; it is tried again.
    Trouble(Error),
    /// The server has ended; nothing follows.
    Ended {
        /// Whether its file was taken away.
        lost_file: bool,
    },
}
