//! KEEPING AT IT: the server. A ticker, workers and a writer, as bodies that can be stepped, and the threads that loop over them.
//!
//! [`Server::start`] takes the lock, recovers what a dead server left open, and starts the threads. Everything that happens comes out of one channel.

mod advance;
mod catalog;
mod decide;
mod events;
mod prune;
mod queue;
mod quiet;
mod ready;
mod recovery;
pub(crate) mod script;
mod server;
#[cfg(test)]
mod stepped;
mod ticker;
mod worker;
mod zones;

pub(crate) use events::{Event, RunName, StepName};
pub(crate) use prune::Retention;
pub(crate) use server::{Server, Stopper};

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::Sender;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

use self::advance::{MayStart, advance};
use self::catalog::Catalog;
use self::decide::{Decided, Terms};
use self::queue::Queue;
use self::ticker::kind_of;
use crate::actions::Actions;
use crate::clock::{Clock, Signal};
use crate::error::{Error, Kind};
use crate::store::{OpenRun, QueuedRun, Writer};

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

/// What the threads share.
pub(super) struct Shared {
    clock: Arc<dyn Clock>,
    writer: Writer,
    catalog: Catalog,
    actions: Arc<dyn Actions>,
    queue: Queue,
    /// Wakes the ticker.
    signal: Signal,
    /// Wakes the pruning.
    pruning: Signal,
    events: Sender<Event>,
    draining: AtomicBool,
    hurried: AtomicBool,
    lost_file: AtomicBool,
    /// What is damaged in the database, as it was reported: each thing once.
    damage: Mutex<BTreeSet<String>>,
    unhappy_runs: AtomicU64,
    troubles: AtomicU64,
    settings: Settings,
    max_buffer: usize,
    started: DateTime<Utc>,
    /// Absolute, with no symbolic links.
    database: PathBuf,
}

/// The entries of the environment by which the processes of an attempt, and of no other, are known.
fn marks(run: &OpenRun, step: &str) -> Vec<String> {
    vec![
        format!("TEMPO_RUN_ID={}", run.row.run_id),
        format!("TEMPO_STEP={step}"),
        format!("TEMPO_ATTEMPT={}", run.progress.attempts),
    ]
}

impl Shared {
    fn tell(&self, event: Event) {
        if let Event::Trouble(e) = &event {
            self.troubles.fetch_add(1, Ordering::SeqCst);
            let mut damage = self.damage.lock().unwrap_or_else(PoisonError::into_inner);
            if e.is_damage() && !damage.insert(e.to_string()) {
                return;
            }
        }
        // Nobody listens once the voice has gone, at the very end.
        let _ = self.events.send(event);
    }

    /// Due times after this are left alone.
    fn horizon(&self) -> DateTime<Utc> {
        match self.settings.until {
            Until::Done => self.started,
            Until::Told | Until::For(_) => DateTime::<Utc>::MAX_UTC,
        }
    }

    /// What it decides by, beside what is on file.
    fn terms(&self) -> Terms<'_> {
        Terms {
            catalog: &self.catalog,
            horizon: self.horizon(),
            max_buffer: self.max_buffer,
        }
    }

    /// Does outside of the file what a decision leads to.
    fn follow(self: &Arc<Self>, decided: Decided) {
        for event in decided.events {
            if let Event::Closed { status, incidents, .. } = &event
                && (*status != crate::run::outcome::Status::Completed || *incidents > 0)
            {
                self.unhappy_runs.fetch_add(1, Ordering::SeqCst);
            }
            self.tell(event);
        }
        for run in decided.begun {
            self.add(run);
        }
        self.close_waiting(
            decided
                .stopped
                .into_iter()
                .filter(|(run, stop)| !self.queue.stop(*run, kind_of(*stop))),
        );
    }

    /// Closes runs that are to stop and that no worker has: they need not wait for one. All of them in one group.
    fn close_waiting(self: &Arc<Self>, stopped: impl Iterator<Item = (i64, crate::run::Stop)>) {
        let close = |(run, _)| {
            let here = Arc::clone(self);
            let closed = self
                .writer
                .submit(move |write| advance(write, here.terms(), run, None, MayStart::No, here.clock.now()));
            (run, closed)
        };
        let pending: Vec<_> = stopped.map(close).collect();
        for (run, closed) in pending {
            match closed.wait() {
                Ok(advanced) => {
                    if advanced.decided.events.iter().any(|e| matches!(e, Event::Closed { .. })) {
                        self.queue.closed_waiting(run);
                    }
                    self.follow(advanced.decided);
                }
                // The worker that takes the run up finds the request on file.
                Err(e) => self.tell(Event::Trouble(e)),
            }
        }
    }

    /// Hands a run to the workers.
    fn add(self: &Arc<Self>, run: QueuedRun) {
        if self.queue.add(run) {
            self.start_worker();
        }
    }

    /// Hands a run to the workers that has been opened again.
    fn add_again(self: &Arc<Self>, run: QueuedRun) {
        if self.queue.add_again(run) {
            self.start_worker();
        }
    }

    fn start_worker(self: &Arc<Self>) {
        let here = Arc::clone(self);
        let started = std::thread::Builder::new()
            .name("worker".to_owned())
            .spawn(move || worker::work(&here));
        if let Err(e) = started {
            self.queue.worker_left();
            self.tell(Event::Trouble(
                Error::new(Kind::System, "cannot start one more worker").because(e),
            ));
        }
    }

    /// What a command sees in its environment beside the server's own.
    fn environment(&self, run: &OpenRun, step: &str) -> Vec<(&'static str, OsString)> {
        let scheduled_at = run.row.nominal.to_rfc3339_opts(chrono::SecondsFormat::AutoSi, true);
        vec![
            ("TEMPO_DB", self.database.clone().into_os_string()),
            ("TEMPO_SCHEDULE_ID", run.row.schedule_id.clone().unwrap_or_default().into()),
            ("TEMPO_WORKFLOW_ID", run.row.workflow_id.clone().into()),
            ("TEMPO_RUN_ID", run.row.run_id.clone().into()),
            ("TEMPO_STEP", step.into()),
            ("TEMPO_ATTEMPT", run.progress.attempts.to_string().into()),
            ("TEMPO_SCHEDULED_AT", scheduled_at.into()),
        ]
    }
}
