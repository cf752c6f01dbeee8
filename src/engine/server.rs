//! The server: its lock and its threads.

use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::Sender;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::thread::JoinHandle;
use std::time::Duration;

use chrono::TimeDelta;

use super::catalog::Catalog;
use super::decide::Effects;
use super::handle::Handle;
use super::queue::Queue;
use super::shared::Shared;
use super::ticker::Ticker;
use super::{Event, Settings, Until, outbox, prune, recovery, serve_loop};
use crate::actions::{Actions, discard_left_outputs};
use crate::clock::{Clock, Wakeup};
use crate::error::{Error, Kind};
use crate::machine;
use crate::schedule::MAX_BUFFER;
use crate::store::{Missing, ServerLock, Store, Writer};
use crate::zoneinfo::ZoneInfo;

/// Maximum number of files that a worker has open at once: the pipes of a command that is being started, and the descriptors it waits on.
const FILES_PER_WORKER: u64 = 8;
/// Number of other open files: two connections to the database, locks, the log, and some to spare.
const OTHER_FILES: u64 = 32;

/// Number of threads and processes that a worker needs: its own thread, and a command with a child.
const THREADS_PER_WORKER: u64 = 3;
/// Number of other threads.
const OTHER_THREADS: u64 = 10;

/// A running server.
pub(crate) struct Server {
    shared: Arc<Shared>,
    ticker_thread: JoinHandle<()>,
    pruning_thread: Option<JoinHandle<()>>,
    outbox_thread: Option<JoinHandle<()>>,
    writer_thread: JoinHandle<()>,
    lock: Arc<ServerLock>,
}

impl Server {
    /// Takes the lock, recovers, and starts to serve. Sends all events to `events`; the last is `Ended`.
    ///
    /// # Errors
    /// `Conflict` when a server is already running on the database; `System` when the database cannot be served.
    pub(crate) fn start(
        database: &Path,
        settings: Settings,
        clock: Arc<dyn Clock>,
        actions: Arc<dyn Actions>,
        events: Sender<Event>,
    ) -> Result<Self, Error> {
        let others: usize = settings.queues.iter().map(|(_, limit)| limit).sum();
        let requested = settings.workers;
        let settings = Settings {
            // The other task queues keep their limits; the default one has what is left.
            workers: workers_within_limits(requested + others).saturating_sub(others).max(1),
            ..settings
        };
        let mut store = Store::open(database, Missing::Create)?;
        let started = clock.now();
        let lock = Arc::new(ServerLock::take(database, machine::pid(), started.timestamp_millis())?);
        store.check_log(lock.log_index());
        let catalog = Catalog::new(ZoneInfo::of_machine());
        store.write(|w| {
            w.move_with_clock(TimeDelta::zero(), Duration::ZERO, started)?;
            w.record_server_start(machine::pid(), started)
        })?;
        let (recovered, survived) = recovery::recover(&mut store, &catalog, clock.now())?;
        if let Some(booted) = machine::booted_at() {
            store.write(|w| w.serve_in_boot(&machine::boot_id(), booted, clock.now()))?;
        }
        let (schedules, open_runs) = store.read(|r| r.count_schedules_and_runs())?;
        let reader = store.reopen()?;
        let absolute = std::fs::canonicalize(database).unwrap_or_else(|_| database.to_owned());
        discard_left_outputs(&absolute);
        let (writer, writer_thread) = Writer::start(store)?;
        let shared = Arc::new(Shared {
            clock,
            writer,
            catalog,
            actions,
            queue: Queue::new(settings.workers, &settings.queues),
            signal: Wakeup::default(),
            pruning: Wakeup::default(),
            outbox: Wakeup::default(),
            has_receivers: AtomicBool::new(false),
            events,
            draining: AtomicBool::new(false),
            hurry: AtomicBool::new(false),
            lost_file: AtomicBool::new(false),
            damage: Mutex::default(),
            reported: Mutex::default(),
            metrics: Arc::default(),
            failed_runs: AtomicU64::new(0),
            unrecorded: AtomicU64::new(0),
            errors: AtomicU64::new(0),
            settings: settings.clone(),
            max_buffer: MAX_BUFFER,
            started,
            database: absolute.clone(),
        });
        // The ticker is about to start.
        shared.metrics.look(started);
        shared.emit(Event::Serving {
            pid: machine::pid(),
            database: absolute.display().to_string(),
            schedules,
            open_runs,
        });
        if settings.workers < requested {
            shared.emit(Event::FewerWorkers {
                workers: settings.workers,
                wanted: requested,
            });
        }
        shared.follow(Effects {
            events: recovered,
            ..Effects::default()
        });
        recovery::wait_for_survivors(&shared, survived)?;
        let pruning_thread = start_pruning(&shared)?;
        let outbox_thread = match settings.until {
            Until::Done => None,
            Until::Told | Until::For(_) => Some(outbox::start(&shared)?),
        };
        if let Err(e) = reader.read(|r| r.check_due_times()) {
            shared.emit(Event::Error(e));
        }
        let ticker = Ticker::new(reader, Arc::clone(&shared));
        let ticker_lock = Arc::clone(&lock);
        let ticker_thread = std::thread::Builder::new()
            .name("ticker".to_owned())
            .spawn(move || serve_loop::serve(ticker, &ticker_lock))
            .map_err(|e| Error::new(Kind::System, "cannot start the ticker").because(e))?;
        Ok(Self {
            shared,
            ticker_thread,
            pruning_thread,
            outbox_thread,
            writer_thread,
            lock,
        })
    }

    /// Returns a handle for other threads.
    pub(crate) fn handle(&self) -> Handle {
        Handle::new(&self.shared)
    }

    /// Records the address of the server's page in its lock file.
    ///
    /// # Errors
    /// `System` when the lock file cannot be written.
    pub(crate) fn announce(&self, address: &str) -> Result<(), Error> {
        self.lock.announce(address)
    }

    /// Returns a handle that stops the server from any thread.
    pub(crate) fn stopper(&self) -> Stopper {
        Stopper(Arc::downgrade(&self.shared))
    }

    /// Waits until all threads have ended and everything is on disk. `before_close` is called when nothing is served any more, before the database is
    /// closed: every other connection to it must be closed by then.
    pub(crate) fn join(self, before_close: impl FnOnce()) -> Served {
        let Self {
            shared,
            ticker_thread,
            pruning_thread,
            outbox_thread,
            writer_thread,
            lock,
        } = self;
        let _ = ticker_thread.join();
        pruning_thread.map(JoinHandle::join);
        outbox_thread.map(JoinHandle::join);
        before_close();
        let served = Served {
            failed_runs: shared.failed_runs.load(Ordering::SeqCst),
            errors: shared.errors.load(Ordering::SeqCst),
            unrecorded: shared.unrecorded.load(Ordering::SeqCst),
            lost_file: shared.lost_file.load(Ordering::SeqCst),
            damaged: !shared.damage.lock().unwrap_or_else(PoisonError::into_inner).is_empty(),
        };
        lock.forget_files();
        // Drops the last handle of the writer, which ends its thread.
        drop(shared);
        let _ = writer_thread.join();
        // Only after every connection has been closed.
        drop(lock);
        served
    }
}

/// Lowers `workers` to the number whose files and threads this machine's limits allow; at least 1.
fn workers_within_limits(workers: usize) -> usize {
    let needed = (workers as u64).saturating_mul(FILES_PER_WORKER).saturating_add(OTHER_FILES);
    let allowed = machine::raise_open_files(needed);
    // Leaves room for the commands that workers start.
    let by_threads =
        machine::available_processes().map_or(u64::MAX, |left| left.saturating_sub(OTHER_THREADS) / THREADS_PER_WORKER);
    let possible = (allowed.saturating_sub(OTHER_FILES) / FILES_PER_WORKER)
        .min(by_threads)
        .max(1);
    usize::try_from(possible).map_or(workers, |possible| possible.min(workers))
}

/// Starts the thread that prunes history. With [`Until::Done`] there is none: the server prunes just before it exits.
fn start_pruning(shared: &Arc<Shared>) -> Result<Option<JoinHandle<()>>, Error> {
    if shared.settings.until == Until::Done {
        return Ok(None);
    }
    let here = Arc::clone(shared);
    let started = std::thread::Builder::new()
        .name("pruning".to_owned())
        .spawn(move || prune::keep_pruning(&here));
    started
        .map(Some)
        .map_err(|e| Error::new(Kind::System, "cannot start the thread that prunes history").because(e))
}

/// The outcome of serving.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Served {
    /// Number of runs that did not complete or had a failed step.
    pub(crate) failed_runs: u64,
    /// Number of errors in the server itself.
    pub(crate) errors: u64,
    /// Number of attempts whose end could not be recorded: they run again.
    pub(crate) unrecorded: u64,
    /// Whether the database was deleted, moved or replaced while serving.
    pub(crate) lost_file: bool,
    /// Whether the database was found damaged.
    pub(crate) damaged: bool,
}

/// Stops a server, if it still exists.
pub(crate) struct Stopper(Weak<Shared>);

impl Stopper {
    /// Starts the drain: nothing more starts. A second call interrupts running steps.
    pub(crate) fn stop(&self) {
        let Some(shared) = self.0.upgrade() else { return };
        if shared.draining.swap(true, Ordering::SeqCst) {
            shared.hurry.store(true, Ordering::SeqCst);
        }
        shared.signal.raise();
    }
}
