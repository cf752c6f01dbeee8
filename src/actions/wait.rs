//! Waits for a process: its end, its output, a stop, or a timeout, whichever comes first.

use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Duration;

use rustix::event::{EventfdFlags, PollFd, PollFlags, Timespec, eventfd, poll};

use super::captured::Captured;

/// File descriptors needed to wait for a process, opened before it starts: a shortage after that would fail a step that has begun.
pub(super) struct Handles {
    /// Signaled when a stop is requested.
    pub(super) stop_event: Arc<OwnedFd>,
    /// Reserves a descriptor for the handle of the process.
    pub(super) spare: OwnedFd,
}

impl Handles {
    pub(super) fn open() -> std::io::Result<Self> {
        let open = || eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK);
        Ok(Self {
            stop_event: Arc::new(open()?),
            spare: open()?,
        })
    }
}

/// What a wait found ready.
pub(super) struct Ready {
    pub(super) exit: bool,
    pub(super) output: bool,
}

/// Waits until the process has ended, a stop is requested, there is output, or the timeout has passed.
pub(super) fn wait_for(
    exit: &impl std::os::fd::AsFd,
    stop_event: &Arc<OwnedFd>,
    output: &mut Captured,
    timeout: Option<Duration>,
) -> std::io::Result<Ready> {
    let mut fds = vec![PollFd::new(exit, PollFlags::IN), PollFd::new(&**stop_event, PollFlags::IN)];
    let pipes = output.all().filter_map(|capture| capture.pipe.as_ref());
    fds.extend(pipes.map(|pipe| PollFd::new(pipe, PollFlags::IN)));
    // One millisecond more, so that the deadline has passed when poll returns.
    let timeout = timeout
        .map(|d| d + Duration::from_millis(1))
        .and_then(|d| Timespec::try_from(d).ok());
    match poll(&mut fds, timeout.as_ref()) {
        Ok(_) | Err(rustix::io::Errno::INTR) => {}
        Err(e) => return Err(e.into()),
    }
    let is_ready = |fd: &PollFd<'_>| !fd.revents().is_empty();
    Ok(Ready {
        exit: is_ready(&fds[0]),
        output: fds[2..].iter().any(is_ready),
    })
}
