//! The ticker's body: decides due schedules, carries out requests and hands new runs to workers. Its cost grows with the number of due schedules.

use std::collections::HashMap;
use std::sync::Arc;

use chrono::{DateTime, Utc};

use super::advance::run_ref;
use super::begin::{Begun, begin};
use super::decide::{Effects, decide};
use super::shared::Shared;
use crate::error::Error;
use crate::store::{RunRequest, RunRequestKind, Store};

/// Maximum number of schedules decided in one tick.
const BATCH: usize = 256;

/// Decides due schedules and hands new runs to the workers.
pub(super) struct Ticker {
    reader: Store,
    shared: Arc<Shared>,
    /// The key of the newest run that has been handed to the workers.
    seen_run: i64,
    /// The key of the newest beat that has been passed on to waiting runs.
    seen_beat: i64,
    /// Schedules that could not be decided, and when each is retried. They do not delay other schedules.
    failed: HashMap<i64, DateTime<Utc>>,
}

/// The result of a tick.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct TickResult {
    /// When the next schedule needs attention; possibly in the past.
    pub(super) next: Option<DateTime<Utc>>,
    /// The first time after now at which a schedule needs attention.
    pub(super) coming: Option<DateTime<Utc>>,
    /// Whether there are receivers of notifications.
    pub(super) has_receivers: bool,
    /// Whether there is more to do immediately.
    pub(super) more: bool,
}

impl Ticker {
    /// Tries schedules again at once that could not be decided: the clock was set back.
    pub(super) fn forget_failures(&mut self) {
        self.failed.clear();
    }

    pub(super) fn new(reader: Store, shared: Arc<Shared>) -> Self {
        Self {
            reader,
            shared,
            seen_run: 0,
            seen_beat: 0,
            failed: HashMap::new(),
        }
    }

    /// The state that the threads share.
    pub(super) fn shared(&self) -> Arc<Shared> {
        Arc::clone(&self.shared)
    }

    /// The ticker's connection.
    pub(super) fn reader(&self) -> &Store {
        &self.reader
    }

    /// Returns a number that changes whenever another connection changes the database.
    pub(super) fn data_version(&self) -> Result<i64, Error> {
        self.reader.data_version()
    }

    /// Does everything that is due at `now`.
    pub(super) fn tick(&mut self, now: DateTime<Utc>) -> Result<TickResult, Error> {
        if self.seen_run == 0 {
            // Runs that an earlier server left open go before those that are decided now, unless they are to stop. An error is found again below,
            // and delays no decision.
            let _ = self
                .hold_locks()
                .and_then(|()| self.carry_out_requests(now))
                .and_then(|()| self.add_new_runs());
        }
        let horizon = now.min(self.shared.horizon());
        let due = self.reader.read(|r| r.due(horizon, BATCH + self.failed.len()))?;
        // A schedule that is not due any more was changed or deleted.
        self.failed
            .retain(|schedule, retry_at| *retry_at > now || due.contains(schedule));
        let may_try = |schedule: &i64| self.failed.get(schedule).is_none_or(|retry_at| *retry_at <= now);
        let due: Vec<i64> = due.into_iter().filter(may_try).take(BATCH).collect();
        let decisions = due.iter().map(|schedule| {
            let (shared, schedule) = (Arc::clone(&self.shared), *schedule);
            let effects = self.shared.writer.submit(move |write| {
                let mut effects = decide(write, shared.terms(), schedule, now)?;
                let begun = begin(&shared, write, &mut effects)?;
                Ok((effects, begun))
            });
            (schedule, effects)
        });
        let decisions: Vec<_> = decisions.collect();
        for (schedule, effects) in decisions {
            match effects.wait() {
                Ok((effects, begun)) => {
                    self.failed.remove(&schedule);
                    self.shared.follow(effects);
                    begun.into_iter().for_each(Begun::perform);
                }
                Err(e) => {
                    self.failed.insert(schedule, now + super::AFTER_ERROR);
                    self.shared.emit(super::Event::Error(e));
                }
            }
        }
        self.carry_out_requests(now)?;
        self.add_new_runs()?;
        self.pass_on_beats()?;
        super::alerts::alert(&self.shared, &self.reader, now)?;
        let (next, coming, has_receivers, next_alert) = self.reader.read(|r| {
            Ok((
                r.next_attention()?,
                r.attention_after(now)?,
                r.has_receivers()?,
                r.next_alert()?,
            ))
        })?;
        // The earliest stored time may belong to a schedule that is not retried yet.
        let next = match self.failed.values().min() {
            Some(retry_at) => coming.into_iter().chain([*retry_at]).min(),
            None => next,
        };
        Ok(TickResult {
            // An alert that was just recorded is not due any more.
            next: next.into_iter().chain(next_alert.filter(|at| *at > now)).min(),
            coming,
            has_receivers,
            more: due.len() == BATCH,
        })
    }

    /// Gives runs that a worker of an earlier server had started on their locks, before any other run is taken.
    fn hold_locks(&self) -> Result<(), Error> {
        let open = self.reader.read(|r| r.open_runs_after(0))?;
        open.iter()
            .filter(|run| run.begun)
            .for_each(|run| self.shared.queue.hold_lock(run));
        Ok(())
    }

    /// Hands to the workers the runs that commands have recorded or an earlier server left open.
    fn add_new_runs(&mut self) -> Result<(), Error> {
        let after = self.seen_run;
        for run in self.reader.read(|r| r.open_runs_after(after))? {
            self.seen_run = self.seen_run.max(run.key);
            self.shared.add(run);
        }
        Ok(())
    }

    /// Wakes the runs that wait for beats which have arrived.
    fn pass_on_beats(&mut self) -> Result<(), Error> {
        let after = self.seen_beat;
        let (newest, runs) = self.reader.read(|r| r.runs_with_beats_after(after))?;
        self.seen_beat = newest.max(after);
        for run in runs {
            if self.shared.queue.wake_run(run) {
                self.shared.start_worker();
            }
        }
        Ok(())
    }

    /// Carries out requests about runs, submitted together so that the writer commits them as a group.
    fn carry_out_requests(&self, now: DateTime<Utc>) -> Result<(), Error> {
        let requests = self.reader.read(|r| r.open_run_requests())?;
        let submit = |request: RunRequest| {
            let done = self.shared.writer.submit(move |write| {
                let changed = match request.ask {
                    RunRequestKind::Stop(stop) => write
                        .stop_run(request.run, stop, request.reason.as_deref(), now)
                        .map(|()| true)?,
                    RunRequestKind::Retry => write.retry_run(request.run, now)?,
                };
                write.settle_run_request(request.key, now)?;
                if changed { write.open_run(request.run) } else { Ok(None) }
            });
            (request.ask, done)
        };
        let pending: Vec<_> = requests.into_iter().map(submit).collect();
        let mut effects = Effects::default();
        let (mut reopened, mut error) = (Vec::new(), None);
        for (ask, done) in pending {
            let open = match done.wait() {
                Ok(Some(open)) => open,
                Ok(None) => continue,
                // The others are recorded, and their effects still follow.
                Err(e) => {
                    error = Some(e);
                    continue;
                }
            };
            let run = run_ref(&open);
            match ask {
                RunRequestKind::Stop(stop) => {
                    effects.stopped.push((open.row.key, stop));
                    effects.events.push(super::Event::StopRequested { run, stop });
                }
                RunRequestKind::Retry => {
                    reopened.push(open.row.key);
                    effects.events.push(super::Event::Reopened { run });
                }
            }
        }
        self.shared.follow(effects);
        for run in reopened {
            if let Some(run) = self.reader.read(|r| r.queued_run(run))? {
                self.shared.add_again(run);
            }
        }
        error.map_or(Ok(()), Err)
    }
}
