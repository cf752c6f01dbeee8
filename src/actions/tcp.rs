//! TCP probes: a port must accept a connection.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream, ToSocketAddrs as _};
use std::time::Duration;

use super::shortage::{AttemptError, Shortage};
use super::with_deadline::with_deadline;
use super::{Control, Task};
use crate::clock::Stopwatch;
use crate::run::outcome::{AttemptResult, Ending, ErrorType, Failure};
use crate::spec::describe::human_duration;

/// Timeout for connecting to one address, if the probe has no deadline.
const DEFAULT_TIMEOUT: Duration = Duration::from_mins(1);

/// Opens the connection and closes it.
pub(super) fn probe((host, port): (&str, u16), task: &Task<'_>, control: &Control) -> Result<AttemptResult, Shortage> {
    let watch = Stopwatch::start();
    let (to, limit) = (host.to_owned(), task.time_left);
    let connected = with_deadline(limit, control, move || connect(&to, port, limit).map(|_| ()));
    let ending = match (control.requested(), connected) {
        (Some(kind), _) => kind.ending(),
        (None, Ok(Some(()))) => Ending::Ok,
        (None, Err(AttemptError::Failed(failure))) => Ending::Failed(failure),
        (None, Err(AttemptError::Shortage(shortage))) => return Err(shortage),
        (None, Ok(None)) => Ending::Failed(timeout_failure(&format!("{host}:{port}"), task.limit)),
    };
    Ok(AttemptResult::new(ending, watch.elapsed_ms()))
}

/// The failure for a response that did not arrive in time.
pub(super) fn timeout_failure(from: &str, limit: Option<Duration>) -> Failure {
    let within = limit.map_or_else(String::new, |d| format!(" within {}", human_duration(d.as_millis())));
    Failure {
        error_type: ErrorType::Timeout,
        message: format!("no response from {from}{within}"),
    }
}

/// Connects to the first address of a host that accepts the connection.
pub(super) fn connect(host: &str, port: u16, limit: Option<Duration>) -> Result<TcpStream, AttemptError> {
    let failure = |error_type, message: String| Failure { error_type, message };
    let not_found = || failure(ErrorType::Dns, format!("cannot find the host {host}"));
    let found: Vec<SocketAddr> = addresses(host, port)?.ok_or_else(not_found)?;
    let mut last = not_found();
    for address in found {
        match TcpStream::connect_timeout(&address, limit.unwrap_or(DEFAULT_TIMEOUT).max(Duration::from_millis(1))) {
            Ok(stream) => return Ok(stream),
            Err(e) => {
                if let Some(shortage) = Shortage::of(&e) {
                    return Err(AttemptError::Shortage(shortage));
                }
                let kind = e.kind();
                last = if kind == ErrorKind::ConnectionRefused {
                    failure(ErrorType::Connect, format!("connection refused by {host}:{port}"))
                } else if matches!(kind, ErrorKind::TimedOut | ErrorKind::WouldBlock) {
                    timeout_failure(&format!("{host}:{port}"), limit)
                } else {
                    failure(ErrorType::Connect, format!("cannot connect to {host}:{port}: {e}"))
                };
            }
        }
    }
    Err(last.into())
}

/// A connection on which everything together must be done by a deadline, however slowly the other side sends.
pub(super) struct DeadlineStream {
    stream: TcpStream,
    left: Duration,
    since: Stopwatch,
}

impl DeadlineStream {
    /// Sets a deadline, `left` from now.
    pub(super) fn new(stream: TcpStream, left: Option<Duration>) -> Self {
        Self {
            stream,
            left: left.unwrap_or(DEFAULT_TIMEOUT),
            since: Stopwatch::start(),
        }
    }

    fn left(&self) -> std::io::Result<Option<Duration>> {
        let left = self.left.saturating_sub(self.since.elapsed());
        if left.is_zero() {
            return Err(ErrorKind::TimedOut.into());
        }
        Ok(Some(left))
    }
}

impl Read for DeadlineStream {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        self.stream.set_read_timeout(self.left()?)?;
        self.stream.read(buffer)
    }
}

impl Write for DeadlineStream {
    fn write(&mut self, buffer: &[u8]) -> std::io::Result<usize> {
        self.stream.set_write_timeout(self.left()?)?;
        self.stream.write(buffer)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.stream.flush()
    }
}

/// Returns the addresses of a host from the system resolver, which includes `/etc/hosts`; `None` if there is no such host.
///
/// # Errors
/// A shortage: the resolver of the C library reports "not found" if it cannot open a file or a socket.
pub(super) fn addresses(host: &str, port: u16) -> Result<Option<Vec<SocketAddr>>, AttemptError> {
    match (host, port).to_socket_addrs() {
        Ok(found) => Ok(Some(found.collect())),
        Err(_) => match std::fs::File::open("/dev/null").err().as_ref().and_then(Shortage::of) {
            Some(shortage) => Err(AttemptError::Shortage(shortage)),
            None => Ok(None),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_deadline_holds_however_slowly_the_other_side_sends() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        // One byte at a time, each well within the deadline, until the other side hangs up.
        std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            while stream.write_all(b"x").is_ok() {
                crate::clock::pause(Duration::from_millis(5));
            }
        });
        let mut stream = DeadlineStream::new(TcpStream::connect(address).unwrap(), Some(Duration::from_millis(100)));
        let read = stream.read_exact(&mut vec![0; 1_000_000]);
        assert!(matches!(
            read.unwrap_err().kind(),
            ErrorKind::TimedOut | ErrorKind::WouldBlock
        ));
    }
}
