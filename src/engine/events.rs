//! Events of the server, typed; only the logger, at the other end of the channel, turns them into text.

use std::path::PathBuf;

use chrono::{DateTime, Utc};

use crate::error::Error;
use crate::run::Stop;
use crate::run::outcome::{Failure, Status};
use crate::schedule::not_started::NotStarted;
use crate::schedule::start::Origin;

/// The run that an event is about.
#[expect(clippy::struct_field_names, reason = "a run id and a workflow id are different things")]
#[derive(Debug, Clone)]
pub(crate) struct RunRef {
    pub(crate) run_id: String,
    pub(crate) workflow_id: String,
    pub(crate) schedule_id: Option<String>,
}

/// The step that an event is about.
#[derive(Debug, Clone)]
pub(crate) struct StepRef {
    pub(crate) name: String,
    /// Counted from 1.
    pub(crate) number: usize,
    pub(crate) of: usize,
}

/// An event of the server.
#[derive(Debug)]
pub(crate) enum Event {
    /// The server is running.
    Serving {
        pid: u32,
        database: String,
        schedules: u64,
        open_runs: u64,
    },
    /// The page of the server is at this address.
    Page { address: String },
    /// The server has no page, because its address cannot be used.
    NoPage { address: String, error: String },
    /// The state of the server, which a signal asked for.
    State {
        schedules: u64,
        open_runs: u64,
        /// Starts and requests that wait, and runs without a worker.
        queued: u64,
        incidents_open: u64,
        /// The schedule that is due next, and when.
        next: Option<(String, DateTime<Utc>)>,
    },
    /// A backup of the database was written.
    BackedUp { file: PathBuf },
    /// Definition files were applied.
    Applied {
        created: u64,
        updated: u64,
        deleted: u64,
        /// The first ids of the schedules, and names of the receivers, that changed.
        changed: Vec<String>,
    },
    /// The server has fewer workers than requested, because of the limits on open files and processes.
    FewerWorkers { workers: usize, wanted: usize },
    /// The machine's zone data has changed; next times are computed again.
    ZoneChanged { name: String, schedules: u64 },
    /// A time was decided, and its run starts.
    Tick {
        run: RunRef,
        nominal: DateTime<Utc>,
        due: DateTime<Utc>,
        origin: Origin,
    },
    /// A time was decided, and its start is buffered.
    Buffered {
        schedule_id: String,
        nominal: DateTime<Utc>,
        waiting: usize,
    },
    /// Times were decided, and start no run.
    NotStarted { schedule_id: String, not_started: NotStarted },
    /// A worker has started the first step of a run.
    Started { run: RunRef, step: StepRef },
    /// A server died in this step; `ended` processes that it left behind were killed.
    Lost {
        run: RunRef,
        step: StepRef,
        attempt: u32,
        ended: usize,
    },
    /// The start of an attempt is delayed because the machine is short of a resource.
    Delayed { run: RunRef, step: StepRef, short: String },
    /// Processes of an attempt survived SIGKILL; the attempt stays open until they end.
    Surviving {
        run: RunRef,
        step: StepRef,
        processes: Vec<u32>,
    },
    /// A run has resumed at this step, after a server died or by a retry request.
    Resumed { run: RunRef, step: StepRef },
    /// An attempt failed and will be retried.
    Retry {
        run: RunRef,
        step: StepRef,
        attempt: u32,
        failure: Failure,
        until: DateTime<Utc>,
    },
    /// A step has closed without an incident.
    StepClosed { run: RunRef, step: StepRef, result: String },
    /// A step has failed for good, and its incident was opened or counted.
    Incident {
        run: RunRef,
        step: StepRef,
        id: i64,
        count: u64,
        target_url: String,
        failure: Failure,
    },
    /// A step has failed for good, but too rarely for an incident.
    Failing {
        run: RunRef,
        step: StepRef,
        /// Failures in a row.
        failures: u64,
        failure: Failure,
    },
    /// A schedule has not succeeded within the time expected, which opened an incident.
    NoSuccess { schedule_id: String, id: i64, error: String },
    /// A schedule has succeeded again, which resolved that incident.
    SucceededAgain { schedule_id: String, id: i64 },
    /// Receivers are reminded of an incident that is still open.
    Reminded { id: i64 },
    /// A step has succeeded, which resolved its open incident.
    Resolved { run: RunRef, step: StepRef, id: i64 },
    /// A run was asked to stop.
    StopRequested { run: RunRef, stop: Stop },
    /// A closed run was reopened by a retry request.
    Reopened { run: RunRef },
    /// A run has closed.
    Closed {
        run: RunRef,
        status: Status,
        incidents: u64,
        elapsed_ms: i64,
        reason: Option<String>,
    },
    /// A failed run paused its schedule.
    Paused { schedule_id: String, note: String },
    /// A receiver has not acknowledged a notification: at the first attempt, or when it was given up.
    NotDelivered {
        receiver: String,
        error: String,
        /// When it is sent again; `None` if it was given up.
        retry_at: Option<DateTime<Utc>>,
    },
    /// A mail server has refused some of the addresses of a mail for good.
    Refused { receiver: String, error: String },
    /// The server starts nothing more, and waits for running runs.
    Draining { running: usize },
    /// Attempts were interrupted at the end of the drain.
    Interrupted { running: usize },
    /// A file of the database was deleted, moved or replaced: the server stops.
    Displaced { path: PathBuf },
    /// The lock file of the server was removed or replaced, and has been written again.
    LockRestored { path: PathBuf },
    /// The write-ahead log could not be written back into the database; its contents were saved in a copy.
    Saved { copy: PathBuf },
    /// An error; what failed is tried again.
    Error(Error),
    /// The server has ended; nothing follows.
    Stopped {
        /// Whether the database is damaged.
        damaged: bool,
        /// Whether the database was deleted, moved or replaced.
        lost_file: bool,
        /// Number of attempts whose end could not be recorded.
        unrecorded: u64,
    },
}
