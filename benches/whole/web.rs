//! A loopback web server, in its own process, that answers every request with 200.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::time::Duration;

const THREADS: usize = 64;
const SERVE: &str = "TEMPO_BENCH_SERVES";
/// The request for the times at which the others arrived.
const TAKE_ARRIVALS: &[u8] = b"TAKE\r\n\r\n";

static ARRIVALS: Mutex<Vec<u64>> = Mutex::new(Vec::new());

/// The server; killed when dropped.
pub(crate) struct Web {
    child: Child,
    pub(crate) url: String,
}

impl Web {
    /// Starts this program again, as the server.
    pub(crate) fn start() -> Self {
        let this = std::env::current_exe().expect("this program has a path");
        let mut child = Command::new(this)
            .env(SERVE, "1")
            .stdout(Stdio::piped())
            .spawn()
            .expect("the program starts");
        let mut url = String::new();
        let out = child.stdout.take().expect("its stdout is a pipe");
        BufReader::new(out)
            .read_line(&mut url)
            .expect("the server prints its address");
        Self {
            child,
            url: url.trim().to_owned(),
        }
    }

    pub(crate) fn address(&self) -> &str {
        self.url.trim_start_matches("http://").trim_end_matches('/')
    }

    /// When each request arrived since the last call, in microseconds since the epoch, in order.
    pub(crate) fn take_arrivals(&self) -> Vec<u64> {
        let mut stream = TcpStream::connect(self.address()).expect("the server accepts");
        stream.write_all(TAKE_ARRIVALS).expect("the request is sent");
        let lines = BufReader::new(stream).lines().map_while(Result::ok);
        lines.filter_map(|line| line.parse().ok()).collect()
    }
}

/// The time in microseconds since the epoch.
pub(crate) fn now_us() -> u64 {
    #[expect(clippy::disallowed_methods, reason = "finer than the program's clock")]
    let now = std::time::SystemTime::now();
    let since = now.duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_micros()).expect("it fits for 500,000 years")
}

impl Drop for Web {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Serves and never returns, in a process that was started as the server.
pub(crate) fn serve_if_asked() {
    if std::env::var_os(SERVE).is_none() {
        return;
    }
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    // With the usual backlog of 128, a thousand connections at once would wait for retransmissions.
    rustix::net::listen(&listener, 4096).expect("it listens already");
    let line = format!("http://{}/\n", listener.local_addr().expect("the listener is bound"));
    std::io::stdout().write_all(line.as_bytes()).expect("stdout is open");
    std::thread::scope(|s| {
        for _ in 0..THREADS {
            s.spawn(|| listener.incoming().flatten().for_each(answer));
        }
    });
}

/// Answers requests on a connection until it is closed.
fn answer(mut stream: TcpStream) {
    let _ = stream.set_nodelay(true);
    let _ = stream.set_read_timeout(Some(Duration::from_secs(10)));
    let (mut buffer, mut len) = ([0_u8; 4096], 0);
    while let Ok(n @ 1..) = stream.read(&mut buffer[len..]) {
        if len == 0 {
            let mut arrivals = ARRIVALS.lock().expect("no thread panics");
            if buffer.starts_with(TAKE_ARRIVALS) {
                arrivals.sort_unstable();
                let lines: Vec<String> = arrivals.drain(..).map(|at| at.to_string()).collect();
                let _ = stream.write_all(lines.join("\n").as_bytes());
                return;
            }
            arrivals.push(now_us());
        }
        len += n;
        if buffer[..len].windows(4).any(|w| w == b"\r\n\r\n") {
            len = 0;
            if stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").is_err() {
                return;
            }
        }
    }
}
