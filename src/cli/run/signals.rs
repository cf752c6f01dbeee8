//! The signals of `tempo run`: stop, read the definition files again, log the state.

use std::io::IsTerminal as _;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Sender, sync_channel};

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGUSR1};
use signal_hook::iterator::Signals;

use super::super::interrupt;
use crate::engine::{Event, Stopper};
use crate::error::{Error, Kind};
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
    // A slow disk must not delay the signals that stop the server. Signals that arrive meanwhile are one.
    let (ask, asked) = sync_channel::<()>(1);
    let report = move || {
        for () in asked {
            // At the very end, the logger may have stopped listening.
            drop(tell.send(state(&database).unwrap_or_else(Event::Error)));
        }
    };
    std::thread::Builder::new()
        .name("state".to_owned())
        .spawn(report)
        .map_err(|e| Error::new(Kind::System, "cannot start the thread that logs the state").because(e))?;
    interrupt::pass_each(signals, move |signal| match signal {
        SIGUSR1 => drop(ask.try_send(())),
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
