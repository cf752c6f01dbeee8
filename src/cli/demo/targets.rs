//! Loopback targets for probes: one healthy, one that always answers 500, one slow, and one that resets two of three connections.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::clock::pause;
use crate::error::{Error, Kind};

/// The longest wait of `/delay/S`, in seconds.
const LONGEST_DELAY: f64 = 60.0;
/// How many of every three connections to `/reset-twice` are reset, counted from the first.
const RESETS: u64 = 2;

/// Serves the targets on a separate thread, for the life of the process.
pub(super) struct Targets {
    address: SocketAddr,
}

impl Targets {
    /// Listens on 127.0.0.1; port 0 selects a free port.
    ///
    /// # Errors
    /// `System` if the port cannot be opened.
    pub(super) fn start(port: u16) -> Result<Self, Error> {
        let failed = |e: std::io::Error| {
            Error::new(Kind::System, format_args!("cannot listen on 127.0.0.1:{port}"))
                .because(e)
                .hint("Choose another port with `--port`.")
        };
        let listener = TcpListener::bind(("127.0.0.1", port)).map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let resets = Arc::new(AtomicU64::new(0));
        let serve = move || {
            for stream in listener.incoming().flatten() {
                let resets = Arc::clone(&resets);
                // If no thread can be started, the probe sees a target that is down, which is right.
                let _ = std::thread::Builder::new().spawn(move || answer(stream, &resets));
            }
        };
        std::thread::Builder::new()
            .name("targets".to_owned())
            .spawn(serve)
            .map_err(failed)?;
        Ok(Self { address })
    }

    /// The URL of a path.
    pub(super) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }
}

/// The paths served, each with a description.
pub(super) const PATHS: [(&str, &str); 4] = [
    ("/status/200", "healthy: answers 200"),
    ("/status/500", "broken: always answers 500"),
    ("/delay/2", "slow: answers 200 after 2 s"),
    (
        "/reset-twice",
        "shaky: resets two of every three connections, answers 200 to the third",
    ),
];

fn answer(mut stream: TcpStream, resets: &AtomicU64) -> std::io::Result<()> {
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut line = String::new();
    reader.read_line(&mut line)?;
    let path = line.split_whitespace().nth(1).unwrap_or("/").to_owned();
    // Skip the remaining header lines; bodies are not read.
    let mut header = String::new();
    while reader.read_line(&mut header)? > 2 {
        header.clear();
    }
    let status = match path.trim_start_matches('/').split_once('/') {
        _ if path == "/reset-twice" => {
            if resets.fetch_add(1, Ordering::SeqCst) % (RESETS + 1) < RESETS {
                // With a linger time of zero, closing the socket sends a reset.
                rustix::net::sockopt::set_socket_linger(&stream, Some(Duration::ZERO))?;
                return Ok(());
            }
            200
        }
        Some(("status", code)) => code.parse().ok().filter(|c| (100..=599).contains(c)).unwrap_or(404),
        Some(("delay", seconds)) => match seconds.parse::<f64>() {
            Ok(s) if (0.0..=LONGEST_DELAY).contains(&s) => {
                pause(Duration::from_secs_f64(s));
                200
            }
            _ => 404,
        },
        _ => 404,
    };
    let body = format!("{status}\n");
    write!(
        stream,
        "HTTP/1.1 {status} -\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    )
}
