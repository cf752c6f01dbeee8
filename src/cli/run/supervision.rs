//! Notifies systemd when the server is ready, while it is alive, and when it stops.

use std::time::Duration;

use chrono::TimeDelta;

use crate::clock::pause;
use crate::engine::Handle;
use crate::error::{Error, Kind};
use crate::machine::{ProcessState, has_supervisor, tell_supervisor, watchdog_interval};

/// How often the server is checked.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// Starts a thread that notifies the supervisor, if there is one, until the server has ended.
///
/// # Errors
/// `System` when the thread cannot be started.
pub(super) fn start(server: Handle, status: String) -> Result<(), Error> {
    if !has_supervisor() {
        return Ok(());
    }
    let started = std::thread::Builder::new()
        .name("supervision".to_owned())
        .spawn(move || supervise(&server, &status));
    started
        .map(|_| ())
        .map_err(|e| Error::new(Kind::System, "cannot start the thread that notifies systemd").because(e))
}

fn supervise(server: &Handle, status: &str) {
    tell_supervisor(ProcessState::Ready(status));
    let watchdog = watchdog_interval();
    // Twice within the time, as sd_watchdog_enabled(3) recommends.
    let look_every = watchdog.map_or(LOOK_EVERY, |interval| LOOK_EVERY.min(interval / 2));
    let mut is_stopping = false;
    while let (Some(metrics), Ok(now)) = (server.metrics(), server.now()) {
        if server.is_draining() && !is_stopping {
            is_stopping = true;
            tell_supervisor(ProcessState::Stopping);
        }
        // Only while the ticker moves: systemd restarts a server that hangs.
        if watchdog.is_some_and(|interval| TimeDelta::from_std(interval).is_ok_and(|interval| metrics.silence(now) < interval)) {
            tell_supervisor(ProcessState::Alive);
        }
        pause(look_every);
    }
}
