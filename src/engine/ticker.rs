//! The ticker's body: requests carried out, due schedules decided, new runs handed to workers. Its cost grows with what is due.

use std::collections::HashMap;
use std::sync::Arc;

use chrono::{DateTime, Utc};

use super::advance::run_ref;
use super::decide::{Effects, decide};
use super::shared::Shared;
use crate::error::Error;
use crate::store::{RunAsk, RunRequest, Store};

/// How many schedules are decided at a time.
const BATCH: usize = 256;

/// The ticker: its own connection to read, and what it has seen.
pub(super) struct Ticker {
    reader: Store,
    shared: Arc<Shared>,
    /// The newest run that has been looked at.
    seen_run: i64,
    /// Schedules that could not be decided, and when they are tried again: no other waits for them.
    failed: HashMap<i64, DateTime<Utc>>,
}

/// What a tick came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct TickResult {
    /// When the next schedule wants attention.
    pub(super) next: Option<DateTime<Utc>>,
    /// When the next schedule wants attention that does not want it yet.
    pub(super) coming: Option<DateTime<Utc>>,
    /// Whether there is more to do at once.
    pub(super) more: bool,
}

impl Ticker {
    pub(super) fn new(reader: Store, shared: Arc<Shared>) -> Self {
        Self {
            reader,
            shared,
            seen_run: 0,
            failed: HashMap::new(),
        }
    }

    /// What the threads share.
    pub(super) fn shared(&self) -> Arc<Shared> {
        Arc::clone(&self.shared)
    }

    /// Its own connection.
    pub(super) fn reader(&self) -> &Store {
        &self.reader
    }

    /// A number that changes whenever the file has been changed by anybody else.
    pub(super) fn version_of_data(&self) -> Result<i64, Error> {
        self.reader.version_of_data()
    }

    /// Does what is to be done at `now`.
    pub(super) fn tick(&mut self, now: DateTime<Utc>) -> Result<TickResult, Error> {
        let horizon = now.min(self.shared.horizon());
        let due = self.reader.read(|r| r.due(horizon, BATCH + self.failed.len()))?;
        let may_try = |schedule: &i64| self.failed.get(schedule).is_none_or(|again| *again <= now);
        let due: Vec<i64> = due.into_iter().filter(may_try).take(BATCH).collect();
        let decided = due.iter().map(|schedule| {
            let (here, schedule) = (Arc::clone(&self.shared), *schedule);
            let effects = self
                .shared
                .writer
                .submit(move |write| decide(write, here.terms(), schedule, now));
            (schedule, effects)
        });
        let decided: Vec<_> = decided.collect();
        for (schedule, effects) in decided {
            match effects.wait() {
                Ok(effects) => {
                    self.failed.remove(&schedule);
                    self.shared.follow(effects);
                }
                Err(e) => {
                    self.failed.insert(schedule, now + super::AFTER_TROUBLE);
                    self.shared.tell(super::Event::Trouble(e));
                }
            }
        }
        self.carry_out_requests(now)?;
        self.take_up_new_runs()?;
        let (next, coming) = self.reader.read(|r| Ok((r.next_attention()?, r.attention_after(now)?)))?;
        // The earliest time in the list may be that of a schedule that is not tried again yet.
        let next = match self.failed.values().min() {
            Some(again) => coming.into_iter().chain([*again]).min(),
            None => next,
        };
        Ok(TickResult {
            next,
            coming,
            more: due.len() == BATCH,
        })
    }

    /// Runs that commands have put on file, and those of a server before.
    fn take_up_new_runs(&mut self) -> Result<(), Error> {
        let after = self.seen_run;
        for run in self.reader.read(|r| r.open_runs_after(after))? {
            self.shared.add(run);
            self.seen_run = self.seen_run.max(run.key);
        }
        Ok(())
    }

    /// Requests about runs, all of them in one group.
    fn carry_out_requests(&self, now: DateTime<Utc>) -> Result<(), Error> {
        let requests = self.reader.read(|r| r.open_run_requests())?;
        let apply_plan = |request: RunRequest| {
            let done = self.shared.writer.submit(move |write| {
                let moved = match request.ask {
                    RunAsk::Stop(stop) => write.stop_run(request.run, stop, request.reason.as_deref()).map(|()| true)?,
                    RunAsk::Retry => write.retry_run(request.run, now)?,
                };
                write.settle_run_request(request.key, now)?;
                if moved { write.open_run(request.run) } else { Ok(None) }
            });
            (request.ask, done)
        };
        let pending: Vec<_> = requests.into_iter().map(apply_plan).collect();
        let mut effects = Effects::default();
        let (mut reopened, mut trouble) = (Vec::new(), None);
        for (ask, done) in pending {
            let open = match done.wait() {
                Ok(Some(open)) => open,
                Ok(None) => continue,
                // The others are on file, and are followed.
                Err(e) => {
                    trouble = Some(e);
                    continue;
                }
            };
            let run = run_ref(&open);
            match ask {
                RunAsk::Stop(stop) => {
                    effects.stopped.push((open.row.key, stop));
                    effects.events.push(super::Event::Stopping { run, stop });
                }
                RunAsk::Retry => {
                    reopened.push(open.asked_for());
                    effects.events.push(super::Event::Retried { run });
                }
            }
        }
        self.shared.follow(effects);
        for run in reopened {
            self.shared.add_again(run);
        }
        trouble.map_or(Ok(()), Err)
    }
}
