//! A client that sends exactly what a test wants: any `Host`, any header, half a request.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use serde_json::Value;

use crate::harness::{Env, Server};

/// How long to wait for an answer before a test fails.
const DEADLINE: Duration = Duration::from_secs(30);

/// A server with a page, and a session.
pub(super) struct Page {
    pub(super) server: Server,
    pub(super) address: String,
    pub(super) token: String,
}

/// An answer.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) head: String,
    pub(super) body: String,
}

impl Answer {
    /// The value of a header.
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        let mut lines = self.head.lines().filter_map(|line| line.split_once(':'));
        lines
            .find(|(found, _)| found.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.trim())
    }

    #[track_caller]
    pub(super) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|e| panic!("{e}: {self:?}"))
    }
}

impl Page {
    /// Starts a server with a page on a free port.
    pub(super) fn start(env: &Env, args: &[&str]) -> Self {
        let mut server = env.serve(&[&["--web", "127.0.0.1:0"], args].concat());
        let line = server.wait_for_log("http://");
        let address = line.split("http://").nth(1).unwrap().split('/').next().unwrap().to_owned();
        let token = std::fs::read_to_string(env.path("t.db.web-token")).unwrap();
        Self { server, address, token }
    }

    /// Sends raw bytes and returns the open connection.
    pub(super) fn send(&self, bytes: &[u8]) -> TcpStream {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        stream.write_all(bytes).unwrap();
        stream
    }

    /// Sends a request with these headers only, besides `Connection` and the length of the body.
    pub(super) fn bare(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Answer {
        let mut request = format!(
            "{method} {path} HTTP/1.1\r\nconnection: close\r\ncontent-length: {}\r\n",
            body.len()
        );
        for (name, value) in headers {
            request += &format!("{name}: {value}\r\n");
        }
        let mut stream = self.send(format!("{request}\r\n{body}").as_bytes());
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        parsed(&answer)
    }

    /// Sends a request with the session.
    pub(super) fn ask(&self, method: &str, path: &str, body: &str) -> Answer {
        let cookie = self.cookie();
        let kind = if path.starts_with("/api/") {
            "application/json"
        } else {
            "application/x-www-form-urlencoded"
        };
        self.bare(
            method,
            path,
            &[("host", &self.address), ("cookie", &cookie), ("content-type", kind)],
            body,
        )
    }

    pub(super) fn get(&self, path: &str) -> Answer {
        self.ask("GET", path, "")
    }

    /// The session cookie.
    pub(super) fn cookie(&self) -> String {
        let port = self.address.rsplit(':').next().unwrap();
        format!("tempo-session-{port}={}", self.token)
    }
}

fn parsed(bytes: &[u8]) -> Answer {
    let text = String::from_utf8_lossy(bytes).into_owned();
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
    let body = if head.to_ascii_lowercase().contains("transfer-encoding: chunked") {
        unchunked(body)
    } else {
        body.to_owned()
    };
    Answer {
        status,
        head: head.to_owned(),
        body,
    }
}

fn unchunked(mut body: &str) -> String {
    let mut text = String::new();
    while let Some((size, rest)) = body.split_once("\r\n") {
        let size = usize::from_str_radix(size.trim(), 16).unwrap_or(0);
        if size == 0 || size > rest.len() {
            break;
        }
        text += &rest[..size];
        body = rest[size..].trim_start_matches("\r\n");
    }
    text
}
