//! Executes the runs of the temporary database on a server of its own, until all are done, the deadline has passed, or a signal arrives.

use std::path::Path;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

use super::super::{Context, interrupt};
use super::report::Report;
use crate::actions::{Live, OUTPUT_LIMIT};
use crate::clock::SystemClock;
use crate::engine::{Event, Retention, Server, Settings, Stopper, Until};
use crate::error::{Error, Kind};

/// How a check ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ended {
    Done,
    Late,
    Interrupted,
}

/// State shared with the signal thread: whether a signal has arrived, and the server to stop.
#[derive(Default)]
struct Interrupt {
    received: bool,
    server: Option<Stopper>,
}

/// Runs a server on the temporary database, once for each batch of runs.
pub(super) struct Runner<'a> {
    context: &'a Context,
    database: &'a Path,
    settings: Settings,
    deadline: Option<DateTime<Utc>>,
    interrupt: Arc<Mutex<Interrupt>>,
}

impl<'a> Runner<'a> {
    /// Creates a runner. From now on, signals stop it and the deadline counts.
    ///
    /// # Errors
    /// `System` if the signals cannot be caught.
    pub(super) fn new(
        context: &'a Context,
        database: &'a Path,
        parallel: u16,
        deadline: Option<Duration>,
    ) -> Result<Self, Error> {
        let interrupt: Arc<Mutex<Interrupt>> = Arc::default();
        let raised = Arc::clone(&interrupt);
        interrupt::on_each(interrupt::catch(&interrupt::SIGNALS)?, move || {
            let mut raised = lock(&raised);
            raised.received = true;
            if let Some(stopper) = &raised.server {
                stop_at_once(stopper);
            }
        })?;
        Ok(Self {
            context,
            database,
            settings: Settings {
                output_limit: OUTPUT_LIMIT,
                workers: usize::from(parallel),
                queues: Vec::new(),
                drain_timeout: Duration::ZERO,
                until: Until::Done,
                retention: Retention {
                    keep_for: Duration::from_hours(24),
                    keep_runs: u64::MAX,
                },
            },
            deadline: deadline.and_then(|d| TimeDelta::from_std(d).ok()).map(|d| context.now() + d),
            interrupt,
        })
    }

    /// Executes the runs recorded so far, and reports each step as it ends.
    pub(super) fn of(&mut self, report: &mut Report<'_>) -> Result<Ended, Error> {
        let (sender, events) = channel();
        let server = Server::start(
            self.database,
            self.settings.clone(),
            Arc::new(SystemClock),
            Arc::new(Live),
            sender,
        )?;
        {
            let mut interrupt = lock(&self.interrupt);
            if interrupt.received {
                stop_at_once(&server.stopper());
            }
            interrupt.server = Some(server.stopper());
        }
        let late = self.follow(&events, &server.stopper(), report)?;
        let outcome = server.join(|| ());
        if outcome.errors > 0 {
            return Err(Error::new(Kind::System, "some steps could not be started"));
        }
        Ok(match (lock(&self.interrupt).received, late) {
            (true, _) => Ended::Interrupted,
            (false, true) => Ended::Late,
            (false, false) => Ended::Done,
        })
    }

    /// Reports events until the server has ended. Returns whether the deadline passed before that.
    fn follow(&self, events: &Receiver<Event>, stopper: &Stopper, report: &mut Report<'_>) -> Result<bool, Error> {
        let mut late = false;
        loop {
            let event = match self.deadline.filter(|_| !late) {
                None => events.recv().ok(),
                Some(deadline) => match events.recv_timeout((deadline - self.context.now()).to_std().unwrap_or_default()) {
                    Ok(event) => Some(event),
                    Err(RecvTimeoutError::Disconnected) => None,
                    Err(RecvTimeoutError::Timeout) => {
                        late = true;
                        stop_at_once(stopper);
                        continue;
                    }
                },
            };
            match event {
                None | Some(Event::Stopped { .. }) => return Ok(late),
                Some(event) => report.on_event(&event)?,
            }
        }
    }
}

fn lock(interrupt: &Mutex<Interrupt>) -> std::sync::MutexGuard<'_, Interrupt> {
    interrupt.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Stops the server at once: the second call skips the drain.
fn stop_at_once(stopper: &Stopper) {
    stopper.stop();
    stopper.stop();
}
