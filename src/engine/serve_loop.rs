//! The ticker's loop: when to tick, what else to look after between two ticks, and the drain at the end.

use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

use super::quiet::Quiet;
use super::shared::Shared;
use super::ticker::Ticker;
use super::zones::ZoneWatch;
use super::{AFTER_ERROR, Event, Until, outbox, prune, zones};
use crate::clock::{Stopwatch, since_boot};
use crate::error::{Error, Kind};
use crate::store::{ServerLock, leave_logs};

/// How often the ticker checks whether a command has changed the database; a check costs microseconds.
const CHECK_EVERY: TimeDelta = TimeDelta::milliseconds(75);

/// A step of the clock that is longer than this is noticed.
const CLOCK_STEP: TimeDelta = TimeDelta::seconds(1);
/// How long ago, in addition to the last look at the clock, times may have been recorded after the step.
const AROUND_CLOCK_STEP: Duration = Duration::from_millis(200);

/// Runs the ticker's loop, and then drains.
pub(super) fn serve(mut ticker: Ticker, lock: &ServerLock) {
    let shared = ticker.shared();
    let mut seen = None;
    let mut next: Option<DateTime<Utc>> = None;
    let mut zones = ZoneWatch::default();
    let (mut quiet, mut upcoming) = (Quiet::default(), None);
    let mut next_zone_check = shared.started;
    let mut last = (shared.clock.now(), since_boot());
    let mut files = FileWatch::default();
    let mut lock_error = None;
    let serving = Stopwatch::start();
    while !shared.draining.load(Ordering::SeqCst) {
        if files.look_for_loss(&shared, &ticker, lock) {
            break;
        }
        keep_lock(&shared, lock, &mut lock_error);
        let (before, now, uptime) = (since_boot(), shared.clock.now(), since_boot());
        let step = (now - last.0) - TimeDelta::from_std(uptime.saturating_sub(last.1)).unwrap_or_default();
        // This thread may have been stopped between the two clocks.
        let is_exact = uptime.saturating_sub(before) < AROUND_CLOCK_STEP;
        if is_exact && step.abs() > CLOCK_STEP {
            if clock_set(&shared, step, last.1) {
                last = (now, uptime);
            }
            ticker.forget_failures();
            (next, next_zone_check) = (Some(now), now);
        } else if is_exact {
            last = (now, uptime);
        }
        shared.metrics.look(now);
        // Read before the tick, so that a change made during it is seen by the next one.
        let version = ticker.data_version().ok();
        if version != seen || next.is_some_and(|at| at <= now) {
            seen = version;
            shared.metrics.tick();
            match ticker.tick(now) {
                Ok(progress) if progress.more && !is_over(&shared, serving, true) => continue,
                // Times due after the horizon are left to the next server.
                Ok(progress) => {
                    shared.has_receivers.store(progress.has_receivers, Ordering::SeqCst);
                    if progress.has_receivers {
                        shared.outbox.raise();
                    }
                    next = progress.next.filter(|at| *at <= shared.horizon());
                    upcoming = progress.coming;
                }
                Err(e) => {
                    shared.emit(Event::Error(e));
                    next = Some(now + AFTER_ERROR);
                }
            }
        }
        if now >= next_zone_check {
            next_zone_check = now + zones::LOOK_EVERY;
            if let Err(e) = zones.look(&shared, ticker.reader(), now) {
                shared.emit(Event::Error(e));
            }
        }
        let (workers, wake) = shared.queue.wake(shared.clock.now());
        for _ in 0..workers {
            shared.start_worker();
        }
        // Tries again to start a worker that could not be started for lack of memory or processes.
        if shared.queue.wants_worker() {
            shared.start_worker();
        }
        let is_behind = next.is_some_and(|at| at <= now);
        if is_over(&shared, serving, is_behind) {
            break;
        }
        // Quiet moments matter only during a backfill; without one, waking at due times is enough.
        let busy = shared.queue.has_backfilled();
        shared.queue.keep_quiet(busy && quiet.at(shared.clock.now(), upcoming));
        let wake = wake.into_iter().chain(quiet.next_change(upcoming).filter(|_| busy)).min();
        let next_check = shared.clock.now() + CHECK_EVERY;
        let until = next.into_iter().chain(wake).min().map_or(next_check, |at| at.min(next_check));
        shared.clock.wait(&shared.signal, until.max(now + TimeDelta::milliseconds(1)));
    }
    drain(&shared, &ticker, lock, &mut files);
    finish(&shared, &ticker, lock, files);
}

/// Records the end of the server, or saves what it can if a file of the database is lost.
fn finish(shared: &Arc<Shared>, ticker: &Ticker, lock: &ServerLock, mut files: FileWatch) {
    if !files.look_for_loss(shared, ticker, lock) {
        if shared.settings.until == Until::Done {
            outbox::flush(shared);
            prune::prune_at_exit(shared);
        }
        let here = Arc::clone(shared);
        let stopped = shared.writer.write(move |write| write.record_server_stop(here.clock.now()));
        if !files.look_for_loss(shared, ticker, lock)
            && let Err(e) = stopped
        {
            shared.emit(Event::Error(e));
        }
    }
    // A truncated log is left as it is: what remains of it must not be written back.
    if shared.lost_file.load(Ordering::SeqCst) && !files.has_truncated_log {
        match ticker.reader().save(lock.is_database_deleted()) {
            Ok(None) => {}
            Ok(Some(copy)) => shared.emit(Event::Saved { copy }),
            Err(e) => shared.emit(Event::Error(e)),
        }
    }
    let (lost_file, unrecorded) = (
        shared.lost_file.load(Ordering::SeqCst),
        shared.unrecorded.load(Ordering::SeqCst),
    );
    let damaged = !shared.damage.lock().unwrap_or_else(PoisonError::into_inner).is_empty();
    shared.emit(Event::Stopped {
        lost_file,
        damaged,
        unrecorded,
    });
}

/// Watches the files of the database for other programs that delete, replace, overwrite or truncate them.
#[derive(Default)]
struct FileWatch {
    /// The length of the database file at the last look.
    length: u64,
    /// Whether the log was truncated.
    has_truncated_log: bool,
}

impl FileWatch {
    /// Stops the server, and returns true, if one of the files was displaced or overwritten, or the log truncated. A truncated database is only reported,
    /// which may take a fifth of a second.
    fn look_for_loss(&mut self, shared: &Shared, ticker: &Ticker, lock: &ServerLock) -> bool {
        if shared.lost_file.load(Ordering::SeqCst) {
            return true;
        }
        let displaced = ticker.reader().displaced();
        // One that was replaced is open, and complete.
        self.has_truncated_log = displaced.is_none() && lock.is_log_truncated();
        let log = || ticker.reader().log_path().filter(|_| self.has_truncated_log);
        if let Some(path) = displaced.or_else(log) {
            give_up_file(shared, ticker, path);
            return true;
        }
        let length = lock.database_length();
        if length < std::mem::replace(&mut self.length, length) && lock.is_database_truncated() {
            // Whether the server ever reads what is missing is a matter of chance.
            let truncated = Error::new(Kind::System, "the database file was truncated by another program").damage();
            shared.emit(Event::Error(
                truncated.hint("The database is damaged: keep a copy of it and restore a backup."),
            ));
        }
        false
    }
}

/// Stops the server at once: a file of its database was displaced or overwritten, so anything recorded from now on would be lost.
fn give_up_file(shared: &Shared, ticker: &Ticker, path: PathBuf) {
    if ticker.reader().log_path().is_some_and(|log| log == path) {
        leave_logs();
    }
    shared.emit(Event::Displaced { path });
    shared.lost_file.store(true, Ordering::SeqCst);
    shared.hurry.store(true, Ordering::SeqCst);
}

/// Restores the lock file if it was removed, and answers the commands that ask whether the server responds. An error is logged once.
fn keep_lock(shared: &Shared, lock: &ServerLock, reported: &mut Option<String>) {
    match lock.restore() {
        Ok(None) => {}
        Ok(Some(path)) => shared.emit(Event::LockRestored { path: path.to_owned() }),
        Err(e) if reported.as_ref() == Some(&e.to_string()) => {}
        Err(e) => {
            *reported = Some(e.to_string());
            shared.emit(Event::Error(e));
        }
    }
    lock.answer();
}

/// Measures all waits again after the clock was set by `step`, which it was not yet when the machine was up for `before`. Returns whether that was recorded.
fn clock_set(shared: &Arc<Shared>, step: TimeDelta, before: Duration) -> bool {
    let here = Arc::clone(shared);
    let moved = shared.writer.write(move |write| {
        // Asked only now: the transaction may have waited, and others have recorded times meanwhile.
        let since = since_boot().saturating_sub(before) + AROUND_CLOCK_STEP;
        write.move_with_clock(step, since, here.clock.now())
    });
    let is_recorded = moved.is_ok();
    if let Err(e) = moved {
        shared.emit(Event::Error(e));
    }
    for _ in 0..shared.queue.wake_all() {
        shared.start_worker();
    }
    shared.outbox.raise();
    is_recorded
}

/// Whether the server has reached its end; never, if it serves until it is asked to stop.
fn is_over(shared: &Shared, serving: Stopwatch, is_behind: bool) -> bool {
    match shared.settings.until {
        Until::Told => false,
        // Remaining work is left to the next server.
        Until::For(span) => serving.elapsed() >= span,
        Until::Done => !is_behind && shared.queue.is_empty(),
    }
}

/// Starts nothing more, waits for running steps to finish, and interrupts those that do not finish in time.
fn drain(shared: &Arc<Shared>, ticker: &Ticker, lock: &ServerLock, files: &mut FileWatch) {
    shared.draining.store(true, Ordering::SeqCst);
    shared.pruning.raise();
    shared.outbox.raise();
    let running = shared.queue.drain();
    if running > 0 {
        shared.emit(Event::Draining { running });
    }
    let draining = Stopwatch::start();
    let (mut interrupted, mut lock_error) = (false, None);
    while !shared.queue.has_no_workers() {
        shared.metrics.look(shared.clock.now());
        files.look_for_loss(shared, ticker, lock);
        keep_lock(shared, lock, &mut lock_error);
        let is_late = shared.hurry.load(Ordering::SeqCst) || draining.elapsed() >= shared.settings.drain_timeout;
        if is_late && !interrupted {
            interrupted = true;
            shared.hurry.store(true, Ordering::SeqCst);
            let running = shared.queue.interrupt_all();
            if running > 0 {
                shared.emit(Event::Interrupted { running });
            }
        }
        shared.clock.wait(&shared.signal, shared.clock.now() + CHECK_EVERY);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicI64;
    use std::sync::mpsc::channel;

    use super::*;
    use crate::actions::Live;
    use crate::clock::{Clock, SystemClock, Wakeup};
    use crate::engine::{Retention, Server, Settings};
    use crate::ops;
    use crate::store::{Missing, Store};

    /// The machine's clock, set back by a number of milliseconds.
    #[derive(Default)]
    struct ClockSetBack(AtomicI64);

    impl ClockSetBack {
        fn by(&self) -> TimeDelta {
            TimeDelta::milliseconds(self.0.load(Ordering::SeqCst))
        }
    }

    impl Clock for ClockSetBack {
        fn now(&self) -> DateTime<Utc> {
            SystemClock.now() - self.by()
        }

        fn wait(&self, signal: &Wakeup, until: DateTime<Utc>) {
            SystemClock.wait(signal, until + self.by());
        }
    }

    /// The machine's clock, which is three seconds later for workers: as if recording the start of an attempt took so long.
    struct LateForWorkers;

    impl Clock for LateForWorkers {
        fn now(&self) -> DateTime<Utc> {
            let is_worker = std::thread::current().name() == Some("worker");
            SystemClock.now() + TimeDelta::seconds(if is_worker { 3 } else { 0 })
        }

        fn wait(&self, signal: &Wakeup, until: DateTime<Utc>) {
            SystemClock.wait(signal, until);
        }
    }

    /// Performs one run of an action. Returns whether it failed; `None` if it did not end within a minute.
    fn perform_once(action: serde_json::Value, clock: Arc<dyn Clock>, observe: impl Fn(&Event)) -> Option<bool> {
        let directory = tempfile::tempdir().unwrap();
        let database = directory.path().join("t.db");
        let action = serde_json::from_value(action).unwrap();
        let mut store = Store::open(&database, Missing::Create).unwrap();
        store.write(|w| ops::start_workflow(w, &action, clock.now())).unwrap();
        drop(store);
        let settings = Settings {
            workers: 1,
            queues: Vec::new(),
            drain_timeout: Duration::ZERO,
            until: Until::Done,
            output_limit: 1024,
            retention: Retention {
                keep_for: Duration::from_hours(24),
                keep_runs: 1,
            },
        };
        let (sender, events) = channel();
        let server = Server::start(&database, settings, clock, Arc::new(Live), sender).unwrap();
        let waiting = Stopwatch::start();
        loop {
            let left = Duration::from_mins(1).saturating_sub(waiting.elapsed());
            match events.recv_timeout(left) {
                Ok(Event::Stopped { .. }) => return Some(server.join(|| ()).failed_runs == 1),
                Ok(event) => observe(&event),
                Err(_) => return None,
            }
        }
    }

    #[test]
    fn an_attempt_gets_its_full_timeout_if_recording_its_start_is_slow() {
        let step = serde_json::json!({"name": "s", "shell": "true", "start_to_close_timeout": "2s"});
        let action = serde_json::json!({"steps": [step]});
        assert_eq!(perform_once(action, Arc::new(LateForWorkers), |_| {}), Some(false));
    }

    #[test]
    fn waits_and_timeouts_do_not_last_until_a_clock_that_was_set_back_catches_up() {
        let step = |times: &str, attempts: u32| {
            let retry = serde_json::json!({"initial_interval": times, "maximum_interval": times, "maximum_attempts": attempts});
            serde_json::json!({"name": "s", "shell": "exit 1", "retry": retry})
        };
        let mut limited = step("200ms", 0);
        limited["schedule_to_close_timeout"] = "3s".into();
        for action in [
            serde_json::json!({"steps": [step("3s", 2)]}),
            serde_json::json!({"steps": [step("200ms", 0)], "run_timeout": "3s"}),
            serde_json::json!({"steps": [limited]}),
        ] {
            let clock = Arc::new(ClockSetBack::default());
            let set_back = |event: &Event| {
                if let Event::Retry { .. } = event {
                    clock.0.store(3_600_000, Ordering::SeqCst);
                }
            };
            let failed = perform_once(action.clone(), Arc::<ClockSetBack>::clone(&clock), set_back);
            assert_eq!(failed, Some(true), "{action}");
        }
    }
}
