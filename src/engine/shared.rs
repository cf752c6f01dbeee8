//! The state that the threads of a server share, and the effects of decisions outside the database.

use std::collections::hash_map::Entry;
use std::collections::{BTreeSet, HashMap};
use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::Sender;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use chrono::{DateTime, Utc};

use super::advance::{MayStart, advance};
use super::catalog::Catalog;
use super::decide::{Effects, Terms};
use super::events::Event;
use super::metrics::Metrics;
use super::queue::Queue;
use super::{Settings, Until};
use crate::actions::Actions;
use crate::clock::{Clock, Stopwatch, Wakeup};
use crate::store::{OpenRun, QueuedRun, Writer};

/// How long the same error is not reported again.
const REPORT_AGAIN_AFTER: Duration = Duration::from_secs(10);

/// The state that the threads share.
pub(super) struct Shared {
    pub(super) clock: Arc<dyn Clock>,
    pub(super) writer: Writer,
    pub(super) catalog: Catalog,
    pub(super) actions: Arc<dyn Actions>,
    pub(super) queue: Queue,
    /// Wakes the ticker.
    pub(super) signal: Wakeup,
    /// Wakes the pruning thread.
    pub(super) pruning: Wakeup,
    /// Wakes the outbox.
    pub(super) outbox: Wakeup,
    /// Whether there are receivers of notifications.
    pub(super) has_receivers: AtomicBool,
    pub(super) events: Sender<Event>,
    pub(super) draining: AtomicBool,
    pub(super) hurry: AtomicBool,
    pub(super) lost_file: AtomicBool,
    /// Damage to the database that has been reported; each error is reported once.
    pub(super) damage: Mutex<BTreeSet<String>>,
    /// Errors that have just been reported, and since when.
    pub(super) reported: Mutex<HashMap<String, Stopwatch>>,
    pub(super) metrics: Arc<Metrics>,
    pub(super) failed_runs: AtomicU64,
    /// Number of attempts whose end could not be recorded before the server stopped.
    pub(super) unrecorded: AtomicU64,
    pub(super) errors: AtomicU64,
    pub(super) settings: Settings,
    pub(super) max_buffer: usize,
    pub(super) started: DateTime<Utc>,
    /// The absolute path, without symbolic links.
    pub(super) database: PathBuf,
}

/// The environment variables that identify the attempt that a process belongs to.
pub(crate) const RUN_ID: &str = "TEMPO_RUN_ID";
pub(super) const STEP: &str = "TEMPO_STEP";
pub(super) const ATTEMPT: &str = "TEMPO_ATTEMPT";

/// The environment entries that identify the processes of an attempt.
pub(super) fn marks(run: &OpenRun, step: &str) -> Vec<String> {
    vec![
        format!("{RUN_ID}={}", run.row.run_id),
        format!("{STEP}={step}"),
        format!("{ATTEMPT}={}", run.progress.attempts),
    ]
}

impl Shared {
    pub(super) fn emit(&self, event: Event) {
        self.metrics.count(&event, self.clock.now());
        if let Event::Error(e) = &event {
            self.errors.fetch_add(1, Ordering::SeqCst);
            let mut damage = self.damage.lock().unwrap_or_else(PoisonError::into_inner);
            if e.is_damage() && !damage.insert(e.to_string()) {
                return;
            }
            drop(damage);
            if self.was_just_reported(&e.to_string()) {
                return;
            }
        }
        // At the very end, the logger may have stopped listening.
        let _ = self.events.send(event);
    }

    /// Whether the same error was reported within the last [`REPORT_AGAIN_AFTER`]: each worker that cannot write reports it.
    fn was_just_reported(&self, error: &str) -> bool {
        let mut reported = self.reported.lock().unwrap_or_else(PoisonError::into_inner);
        reported.retain(|_, since| since.elapsed() < REPORT_AGAIN_AFTER);
        match reported.entry(error.to_owned()) {
            Entry::Occupied(_) => true,
            Entry::Vacant(new) => {
                new.insert(Stopwatch::start());
                false
            }
        }
    }

    /// Due times after this are not decided.
    pub(super) fn horizon(&self) -> DateTime<Utc> {
        match self.settings.until {
            Until::Done => self.started,
            Until::Told | Until::For(_) => DateTime::<Utc>::MAX_UTC,
        }
    }

    /// What decisions depend on besides the database.
    pub(super) fn terms(&self) -> Terms<'_> {
        Terms {
            catalog: &self.catalog,
            horizon: self.horizon(),
            max_buffer: self.max_buffer,
        }
    }

    /// Carries out the effects of a decision: reports events, starts runs and stops runs.
    pub(super) fn follow(self: &Arc<Self>, effects: Effects) {
        for event in effects.events {
            if let Event::Closed {
                status,
                incidents,
                reason,
                ..
            } = &event
                && (*status != crate::run::outcome::Status::Completed || *incidents > 0)
                && crate::run::skip_reason(*status, reason.as_deref()).is_none()
            {
                self.failed_runs.fetch_add(1, Ordering::SeqCst);
            }
            self.emit(event);
        }
        for run in effects.started {
            self.add(run);
        }
        self.close_waiting(
            effects
                .stopped
                .into_iter()
                .filter(|(run, stop)| !self.queue.stop(*run, (*stop).into())),
        );
    }

    /// Closes runs that were asked to stop and that no worker has, without waiting for a worker; all in one group of the writer.
    pub(super) fn close_waiting(self: &Arc<Self>, stopped: impl Iterator<Item = (i64, crate::run::Stop)>) {
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
                    if advanced.effects.events.iter().any(|e| matches!(e, Event::Closed { .. })) {
                        self.queue.closed_waiting(run);
                    }
                    self.follow(advanced.effects);
                }
                // The worker that takes the run finds the recorded request.
                Err(e) => self.emit(Event::Error(e)),
            }
        }
    }

    /// Hands a run to the workers.
    pub(super) fn add(self: &Arc<Self>, run: QueuedRun) {
        if self.queue.add(run) {
            self.start_worker();
        }
    }

    /// Hands a reopened run to the workers.
    pub(super) fn add_again(self: &Arc<Self>, run: QueuedRun) {
        if self.queue.add_again(run) {
            self.start_worker();
        }
    }

    /// The environment variables that a command gets besides the server's own.
    pub(super) fn environment(&self, run: &OpenRun, step: &str) -> Vec<(&'static str, OsString)> {
        let scheduled_at = run.row.nominal.to_rfc3339_opts(chrono::SecondsFormat::AutoSi, true);
        vec![
            ("TEMPO_DB", self.database.clone().into_os_string()),
            ("TEMPO_SCHEDULE_ID", run.row.schedule_id.clone().unwrap_or_default().into()),
            ("TEMPO_WORKFLOW_ID", run.row.workflow_id.clone().into()),
            (RUN_ID, run.row.run_id.clone().into()),
            (STEP, step.into()),
            (ATTEMPT, run.progress.attempts.to_string().into()),
            ("TEMPO_SCHEDULED_AT", scheduled_at.into()),
        ]
    }
}
