//! Notifies the supervisor that started this process, if there is one: systemd's protocol, `sd_notify(3)`.

use std::time::Duration;

use sd_notify::NotifyState;

/// The environment variables of the protocol, which are meant for this process and not for the commands that it starts.
pub const SUPERVISOR_VARIABLES: [&str; 3] = ["NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"];

/// A message to the supervisor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProcessState<'a> {
    /// Started, with a line for people.
    Ready(&'a str),
    /// About to end.
    Stopping,
    /// Still alive.
    Alive,
}

/// Whether a supervisor listens.
#[must_use]
pub fn has_supervisor() -> bool {
    super::variable(SUPERVISOR_VARIABLES[0]).is_some()
}

/// Notifies the supervisor; without one, does nothing. A lost message is not an error.
pub fn tell_supervisor(state: ProcessState<'_>) {
    let _ = match state {
        ProcessState::Ready(line) => sd_notify::notify(&[NotifyState::Ready, NotifyState::Status(line)]),
        ProcessState::Stopping => sd_notify::notify(&[NotifyState::Stopping]),
        ProcessState::Alive => sd_notify::notify(&[NotifyState::Watchdog]),
    };
}

/// How often the supervisor expects a sign of life, if it expects any.
#[must_use]
pub fn watchdog_interval() -> Option<Duration> {
    sd_notify::watchdog_enabled()
}
