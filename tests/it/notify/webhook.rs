//! A webhook on loopback that records its requests, and schedules whose incidents it gets.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use serde_json::Value;

use crate::harness::{Env, wait_until};

/// A request that a receiver got.
#[derive(Debug, Clone)]
pub(super) struct Request {
    pub(super) path: String,
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: String,
}

impl Request {
    pub(super) fn header(&self, name: &str) -> &str {
        let found = self.headers.iter().find(|(n, _)| n.eq_ignore_ascii_case(name));
        found.map_or("", |(_, value)| value)
    }

    pub(super) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }
}

/// An HTTP server that records requests; `answer` gives the status of each, by its number from 1, or `None` to hang.
pub(super) struct Webhook {
    pub(super) port: u16,
    pub(super) got: Arc<Mutex<Vec<Request>>>,
}

impl Webhook {
    pub(super) fn start(answer: impl Fn(usize) -> Option<u16> + Send + 'static) -> Self {
        Self::on(TcpListener::bind("127.0.0.1:0").unwrap(), answer)
    }

    pub(super) fn on(listener: TcpListener, answer: impl Fn(usize) -> Option<u16> + Send + 'static) -> Self {
        let (port, got) = (listener.local_addr().unwrap().port(), Arc::<Mutex<Vec<Request>>>::default());
        let record = Arc::clone(&got);
        std::thread::spawn(move || {
            let mut hanging = Vec::new();
            for stream in listener.incoming().map_while(Result::ok) {
                let request = read_request(&stream);
                let number = {
                    let mut got = record.lock().unwrap();
                    got.push(request);
                    got.len()
                };
                match answer(number) {
                    Some(status) => {
                        let _ = write!(
                            &stream,
                            "HTTP/1.1 {status} X\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
                        );
                    }
                    None => hanging.push(stream),
                }
            }
        });
        Self { port, got }
    }

    pub(super) fn url(&self) -> String {
        format!("http://127.0.0.1:{}/hook/secret-path", self.port)
    }

    pub(super) fn got(&self) -> Vec<Request> {
        self.got.lock().unwrap().clone()
    }

    #[track_caller]
    pub(super) fn wait_for(&self, at_least: usize) -> Vec<Request> {
        wait_until(&format!("{at_least} requests"), || self.got().len() >= at_least);
        self.got()
    }
}

pub(super) fn read_request(stream: &TcpStream) -> Request {
    let mut reader = BufReader::new(stream);
    let mut line = || {
        let mut line = String::new();
        reader.read_line(&mut line).unwrap();
        line.trim_end().to_owned()
    };
    let path = line().split(' ').nth(1).unwrap().to_owned();
    let mut headers = Vec::new();
    loop {
        let line = line();
        let Some((name, value)) = line.split_once(": ") else { break };
        headers.push((name.to_owned(), value.to_owned()));
    }
    let length = headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("content-length"));
    let mut body = vec![0; length.unwrap().1.parse().unwrap()];
    reader.read_exact(&mut body).unwrap();
    Request {
        path,
        headers,
        body: String::from_utf8(body).unwrap(),
    }
}

/// A schedule whose step fails while the file `broken` exists, and a trigger of it.
pub(super) fn failing_schedule(env: &Env, id: &str) {
    std::fs::write(env.path("broken"), "").unwrap();
    let broken = env.path("broken");
    let line = format!("if test -e '{}'; then echo out of order; exit 3; fi", broken.display());
    env.tempo(&["schedule", "create", id, "--allow-never", "--shell", &line]).ok();
}

pub(super) fn run_of(env: &Env, id: &str) {
    let code = env.tempo(&["schedule", "trigger", id, "--wait"]).code;
    assert!(matches!(code, Some(0 | 1)), "{code:?}");
}
