//! The signals of `tempo run`: stop, read the definition files again, log the state.

use std::io::IsTerminal as _;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::Sender;

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGUSR1};
use signal_hook::iterator::Signals;

use super::super::interrupt;
use crate::engine::{Event, Stopper};
use crate::error::Error;
use crate::machine;
use crate::store::{Missing, Store};

/// Blocks the default action of the signals. SIGHUP stays ignored if it was, as under `nohup`.
///
/// # Errors
/// `System` if they cannot be caught.
pub(super) fn catch() -> Result<Signals, Error> {
    let all = [SIGINT, SIGTERM, SIGUSR1, SIGHUP];
    let caught: Vec<i32> = all
        .into_iter()
        .filter(|signal| *signal != SIGHUP || !machine::ignores(SIGHUP))
        .collect();
    interrupt::catch(&caught)
}

/// Starts the thread that acts on the signals. `reload` is set by SIGHUP, unless the server has a terminal, whose end stops it.
///
/// # Errors
/// `System` if the thread cannot be started.
pub(super) fn handle(
    signals: Signals,
    stopper: Stopper,
    reload: Option<Arc<AtomicBool>>,
    database: &Path,
    tell: Sender<Event>,
) -> Result<(), Error> {
    let database = database.to_owned();
    let has_terminal = std::io::stdin().is_terminal() || std::io::stdout().is_terminal() || std::io::stderr().is_terminal();
    interrupt::pass_each(signals, move |signal| match signal {
        SIGUSR1 => {
            let (database, tell) = (database.clone(), tell.clone());
            // A slow disk must not delay the signals that stop the server. At the very end, the logger may have stopped listening.
            let report = move || drop(tell.send(state(&database).unwrap_or_else(Event::Error)));
            let _ = std::thread::Builder::new().name("state".to_owned()).spawn(report);
        }
        SIGHUP if !has_terminal => {
            if let Some(reload) = &reload {
                reload.store(true, Ordering::SeqCst);
            }
        }
        _ => stopper.stop(),
    })
}

fn state(database: &Path) -> Result<Event, Error> {
    Store::open(database, Missing::Refuse)?.read(|read| {
        let (schedules, open_runs) = read.count_schedules_and_runs()?;
        Ok(Event::State {
            schedules,
            open_runs,
            queued: read.queued()?,
            incidents_open: read.unresolved_incidents()?.0,
            next: read.coming(1)?.pop(),
        })
    })
}
