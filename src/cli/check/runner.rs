//! What is on the private file performed by a server of its own, until all is done, the deadline has passed, or somebody interrupts.

use std::path::Path;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

use super::super::{Context, interrupt};
use super::report::Report;
use crate::actions::Live;
use crate::clock::SystemClock;
use crate::engine::{Event, Retention, Server, Settings, Stopper, Until};
use crate::error::{Error, Kind};

/// How it ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ended {
    Done,
    Late,
    Interrupted,
}

/// What a signal finds: whether there was one before, and the server that it ends.
#[derive(Default)]
struct Interrupt {
    came: bool,
    server: Option<Stopper>,
}

/// Serves a private file, as often as there is something on it.
pub(super) struct Runner<'a> {
    context: &'a Context,
    database: &'a Path,
    settings: Settings,
    until: Option<DateTime<Utc>>,
    interrupt: Arc<Mutex<Interrupt>>,
}

impl<'a> Runner<'a> {
    /// From now on signals end it, and the deadline counts.
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
            raised.came = true;
            if let Some(stopper) = &raised.server {
                stop_at_once(stopper);
            }
        })?;
        Ok(Self {
            context,
            database,
            settings: Settings {
                workers: usize::from(parallel),
                drain_timeout: Duration::ZERO,
                until: Until::Done,
                retention: Retention {
                    keep_for: Duration::from_hours(24),
                    keep_runs: u64::MAX,
                },
            },
            until: deadline.and_then(|d| TimeDelta::from_std(d).ok()).map(|d| context.now() + d),
            interrupt,
        })
    }

    /// Performs what is on the file by now, and tells of each step as it ends.
    pub(super) fn of(&mut self, report: &mut Report<'_>) -> Result<Ended, Error> {
        let (sender, events) = channel();
        let server = Server::start(self.database, self.settings, Arc::new(SystemClock), Arc::new(Live), sender)?;
        {
            let mut interrupt = lock(&self.interrupt);
            if interrupt.came {
                stop_at_once(&server.stopper());
            }
            interrupt.server = Some(server.stopper());
        }
        let late = self.follow(&events, &server.stopper(), report)?;
        let outcome = server.join();
        if outcome.troubles > 0 {
            return Err(Error::new(Kind::System, "not every step could be taken up"));
        }
        Ok(match (lock(&self.interrupt).came, late) {
            (true, _) => Ended::Interrupted,
            (false, true) => Ended::Late,
            (false, false) => Ended::Done,
        })
    }

    /// Hears what happens until the server has ended; whether the deadline passed before.
    fn follow(&self, events: &Receiver<Event>, stopper: &Stopper, report: &mut Report<'_>) -> Result<bool, Error> {
        let mut late = false;
        loop {
            let event = match self.until.filter(|_| !late) {
                None => events.recv().ok(),
                Some(until) => match events.recv_timeout((until - self.context.now()).to_std().unwrap_or_default()) {
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
                None | Some(Event::Ended { .. }) => return Ok(late),
                Some(event) => report.hear(&event)?,
            }
        }
    }
}

fn lock(interrupt: &Mutex<Interrupt>) -> std::sync::MutexGuard<'_, Interrupt> {
    interrupt.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The second call hurries.
fn stop_at_once(stopper: &Stopper) {
    stopper.stop();
    stopper.stop();
}
