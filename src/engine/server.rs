//! A server: its lock, its threads, the ticker's loop and the drain.

use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::Sender;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::thread::JoinHandle;

use chrono::{DateTime, TimeDelta, Utc};

use super::catalog::Catalog;
use super::decide::Effects;
use super::queue::Queue;
use super::quiet::Quiet;
use super::shared::Shared;
use super::ticker::Ticker;
use super::zones::ZoneWatch;
use super::{AFTER_TROUBLE, Event, Settings, Until, prune, recovery, zones};
use crate::actions::Actions;
use crate::clock::{Clock, Stopwatch, Wakeup};
use crate::error::{Error, Kind};
use crate::machine;
use crate::schedule::MAX_BUFFER;
use crate::store::{Missing, ServerLock, Store, Writer};
use crate::zoneinfo::ZoneInfo;

/// How often the ticker asks whether a command has changed the file; asking costs microseconds.
const LOOK_EVERY: TimeDelta = TimeDelta::milliseconds(75);

/// How many files a worker may have open at once: the pipes of a command that is being started, and what it waits by.
const FILES_EACH: u64 = 8;
/// How many there may be beside: two connections to the database, locks, the log, and some to spare.
const FILES_BESIDE: u64 = 32;

/// How many threads and processes a worker needs: its own, and a command with a child; and how many there are beside.
const THREADS_EACH: u64 = 3;
const THREADS_BESIDE: u64 = 10;

/// A server that is up.
pub(crate) struct Server {
    shared: Arc<Shared>,
    ticking: JoinHandle<()>,
    pruning: Option<JoinHandle<()>>,
    writing: JoinHandle<()>,
    lock: Arc<ServerLock>,
}

impl Server {
    /// Takes the lock, recovers, and starts to serve. What happens goes to `events`; the last is `Ended`.
    ///
    /// # Errors
    /// `Conflict` when a server is up on the file already; `System` when the file cannot be served.
    pub(crate) fn start(
        database: &Path,
        settings: Settings,
        clock: Arc<dyn Clock>,
        actions: Arc<dyn Actions>,
        events: Sender<Event>,
    ) -> Result<Self, Error> {
        let wanted = settings.workers;
        let settings = Settings {
            workers: affordable(wanted),
            ..settings
        };
        let mut store = Store::open(database, Missing::Create)?;
        let started = clock.now();
        let lock = Arc::new(ServerLock::take(database, machine::pid(), started.timestamp_millis())?);
        let catalog = Catalog::new(ZoneInfo::of_machine());
        let (recovered, survived) = recovery::recover(&mut store, &catalog, clock.now())?;
        if let Some(booted) = machine::booted_at() {
            store.write(|w| w.serve_in_boot(&machine::boot_id(), booted, clock.now()))?;
        }
        let (schedules, open_runs) = store.read(|r| r.how_many())?;
        let reader = store.again()?;
        let absolute = std::fs::canonicalize(database).unwrap_or_else(|_| database.to_owned());
        let (writer, writing) = Writer::start(store)?;
        let shared = Arc::new(Shared {
            clock,
            writer,
            catalog,
            actions,
            queue: Queue::new(settings.workers),
            signal: Wakeup::default(),
            pruning: Wakeup::default(),
            events,
            draining: AtomicBool::new(false),
            hurry: AtomicBool::new(false),
            lost_file: AtomicBool::new(false),
            damage: Mutex::default(),
            failed_runs: AtomicU64::new(0),
            troubles: AtomicU64::new(0),
            settings,
            max_buffer: MAX_BUFFER,
            started,
            database: absolute.clone(),
        });
        shared.tell(Event::Serving {
            pid: machine::pid(),
            database: absolute.display().to_string(),
            schedules,
            open_runs,
        });
        if settings.workers < wanted {
            shared.tell(Event::FewerWorkers {
                workers: settings.workers,
                wanted,
            });
        }
        shared.follow(Effects {
            events: recovered,
            ..Effects::default()
        });
        recovery::wait_for_survivors(&shared, survived)?;
        let pruning = start_pruning(&shared)?;
        if let Err(e) = reader.read(|r| r.check_due_times()) {
            shared.tell(Event::Trouble(e));
        }
        let ticker = Ticker::new(reader, Arc::clone(&shared));
        let held = Arc::clone(&lock);
        let ticking = std::thread::Builder::new()
            .name("ticker".to_owned())
            .spawn(move || serve(ticker, &held))
            .map_err(|e| Error::new(Kind::System, "cannot start the ticker").because(e))?;
        Ok(Self {
            shared,
            ticking,
            pruning,
            writing,
            lock,
        })
    }

    /// What tells it to stop, from any thread.
    pub(crate) fn stopper(&self) -> Stopper {
        Stopper(Arc::downgrade(&self.shared))
    }

    /// Waits until every thread has ended and everything is on disk.
    pub(crate) fn join(self) -> Served {
        let Self {
            shared,
            ticking,
            pruning,
            writing,
            lock,
        } = self;
        let _ = ticking.join();
        pruning.map(JoinHandle::join);
        let served = Served {
            failed_runs: shared.failed_runs.load(Ordering::SeqCst),
            troubles: shared.troubles.load(Ordering::SeqCst),
            lost_file: shared.lost_file.load(Ordering::SeqCst),
            damaged: !shared.damage.lock().unwrap_or_else(PoisonError::into_inner).is_empty(),
        };
        // The last handle of the writer: its thread ends when nobody can ask it for anything.
        drop(shared);
        let _ = writing.join();
        // After every connection.
        drop(lock);
        served
    }
}

/// How many of so many workers can have the files open that they need.
fn affordable(workers: usize) -> usize {
    let wanted = (workers as u64).saturating_mul(FILES_EACH).saturating_add(FILES_BESIDE);
    let allowed = machine::raise_open_files(wanted);
    // Workers that took every thread would leave none for what they are to start.
    let by_threads = machine::startable().map_or(u64::MAX, |left| left.saturating_sub(THREADS_BESIDE) / THREADS_EACH);
    let affordable = (allowed.saturating_sub(FILES_BESIDE) / FILES_EACH).min(by_threads).max(1);
    usize::try_from(affordable).map_or(workers, |affordable| affordable.min(workers))
}

/// Starts the thread that prunes history; a server that ends when it has done what is due prunes at its end.
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
        .map_err(|e| Error::new(Kind::System, "cannot start the pruning of history").because(e))
}

/// What came of a server's life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Served {
    /// Runs that did not complete, or recorded an incident.
    pub(crate) failed_runs: u64,
    /// Things that could not be done.
    pub(crate) troubles: u64,
    /// Whether the file went away from under it.
    pub(crate) lost_file: bool,
    /// Whether it found the database damaged.
    pub(crate) damaged: bool,
}

/// Tells a server to stop, as long as it is there.
pub(crate) struct Stopper(Weak<Shared>);

impl Stopper {
    /// Nothing more starts. A second call hurries.
    pub(crate) fn stop(&self) {
        let Some(shared) = self.0.upgrade() else { return };
        if shared.draining.swap(true, Ordering::SeqCst) {
            shared.hurry.store(true, Ordering::SeqCst);
        }
        shared.signal.raise();
    }
}

/// The ticker's loop, and the drain that follows it.
fn serve(mut ticker: Ticker, own: &ServerLock) {
    let shared = ticker.shared();
    let mut seen = None;
    let mut next: Option<DateTime<Utc>> = None;
    let mut zones = ZoneWatch::default();
    let (mut quiet, mut coming) = (Quiet::default(), None);
    let mut look_at_zones = shared.started;
    let serving = Stopwatch::start();
    while !shared.draining.load(Ordering::SeqCst) {
        if let Some(path) = ticker.reader().displaced() {
            // What is done from now on nobody would find: nothing more is.
            shared.tell(Event::Displaced { path });
            shared.lost_file.store(true, Ordering::SeqCst);
            shared.hurry.store(true, Ordering::SeqCst);
            break;
        }
        match own.restore() {
            Ok(None) => {}
            Ok(Some(path)) => shared.tell(Event::LockRestored { path: path.to_owned() }),
            Err(e) => shared.tell(Event::Trouble(e)),
        }
        let now = shared.clock.now();
        // Asked before the tick: what changes during it is seen by the next one.
        let version = ticker.version_of_data().ok();
        if version != seen || next.is_some_and(|at| at <= now) {
            seen = version;
            match ticker.tick(now) {
                Ok(progress) if progress.more && !is_over(&shared, serving, true) => continue,
                // What is due after the horizon is not for this server.
                Ok(progress) => {
                    next = progress.next.filter(|at| *at <= shared.horizon());
                    coming = progress.coming;
                }
                Err(e) => {
                    shared.tell(Event::Trouble(e));
                    next = Some(now + AFTER_TROUBLE);
                }
            }
        }
        if now >= look_at_zones {
            look_at_zones = now + zones::LOOK_EVERY;
            if let Err(e) = zones.look(&shared, ticker.reader(), now) {
                shared.tell(Event::Trouble(e));
            }
        }
        let (workers, wake) = shared.queue.wake(shared.clock.now());
        for _ in 0..workers {
            shared.start_worker();
        }
        // Where one could not be started for want of memory or processes.
        if shared.queue.wants_worker() {
            shared.start_worker();
        }
        let is_behind = next.is_some_and(|at| at <= now);
        if is_over(&shared, serving, is_behind) {
            break;
        }
        // Only beside a backfill does it have to wake more often than something comes due.
        let busy = shared.queue.has_backfilled();
        shared.queue.keep_quiet(busy && quiet.at(shared.clock.now(), coming));
        let wake = wake.into_iter().chain(quiet.changes(coming).filter(|_| busy)).min();
        let look = shared.clock.now() + LOOK_EVERY;
        let until = next.into_iter().chain(wake).min().map_or(look, |at| at.min(look));
        shared.clock.wait(&shared.signal, until.max(now + TimeDelta::milliseconds(1)));
    }
    drain(&shared);
    let lost_file = shared.lost_file.load(Ordering::SeqCst);
    if lost_file {
        match ticker.reader().save() {
            Ok(None) => {}
            Ok(Some(copy)) => shared.tell(Event::Saved { copy }),
            Err(e) => shared.tell(Event::Trouble(e)),
        }
    } else if shared.settings.until == Until::Done {
        prune::prune_a_little(&shared);
    }
    shared.tell(Event::Ended { lost_file });
}

/// Whether a server that does not serve until it is told has done what it was for.
fn is_over(shared: &Shared, serving: Stopwatch, is_behind: bool) -> bool {
    match shared.settings.until {
        Until::Told => false,
        // Whatever is left is left to the next server.
        Until::For(span) => serving.elapsed() >= span,
        Until::Done => !is_behind && shared.queue.is_empty(),
    }
}

/// Starts nothing more, lets running steps end, and gives up those that do not.
fn drain(shared: &Arc<Shared>) {
    shared.draining.store(true, Ordering::SeqCst);
    shared.pruning.raise();
    let running = shared.queue.drain();
    if running > 0 {
        shared.tell(Event::Draining { running });
    }
    let draining = Stopwatch::start();
    let mut given_up = false;
    while !shared.queue.is_deserted() {
        let over = shared.hurry.load(Ordering::SeqCst) || draining.elapsed() >= shared.settings.drain_timeout;
        if over && !given_up {
            given_up = true;
            shared.hurry.store(true, Ordering::SeqCst);
            let running = shared.queue.give_up();
            if running > 0 {
                shared.tell(Event::GaveUp { running });
            }
        }
        shared.clock.wait(&shared.signal, shared.clock.now() + LOOK_EVERY);
    }
}
