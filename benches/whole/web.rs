//! A loopback web server that answers everything with 200, in a process of its own.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

const THREADS: usize = 64;
const SERVES: &str = "TEMPO_BENCH_SERVES";

/// The server; gone when dropped.
pub(crate) struct Web {
    child: Child,
    pub(crate) url: String,
}

impl Web {
    /// Starts this very program once more, as the server.
    pub(crate) fn start() -> Self {
        let this = std::env::current_exe().expect("this program has a path");
        let mut child = Command::new(this)
            .env(SERVES, "1")
            .stdout(Stdio::piped())
            .spawn()
            .expect("it starts");
        let mut url = String::new();
        let out = child.stdout.take().expect("its stdout is a pipe");
        BufReader::new(out).read_line(&mut url).expect("it says where it is");
        Self {
            child,
            url: url.trim().to_owned(),
        }
    }
}

impl Drop for Web {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// In the process that is to be the server: serves, and never returns.
pub(crate) fn serve_if_asked() {
    if std::env::var_os(SERVES).is_none() {
        return;
    }
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let line = format!("http://{}/\n", listener.local_addr().expect("it is bound"));
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
    let (mut buffer, mut held) = ([0_u8; 4096], 0);
    while let Ok(n @ 1..) = stream.read(&mut buffer[held..]) {
        held += n;
        if buffer[..held].windows(4).any(|w| w == b"\r\n\r\n") {
            held = 0;
            if stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").is_err() {
                return;
            }
        }
    }
}
