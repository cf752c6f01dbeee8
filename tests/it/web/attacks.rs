//! Clients that want to hurt: the server stays on time, and others are answered.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use serde_json::Value;

use super::client::Page;
use crate::harness::{Env, wait_until};

#[test]
fn closes_connections_that_send_too_much_or_nothing() {
    let env = Env::new();
    let page = Page::start(&env, &[]);
    let giant = format!(
        "GET / HTTP/1.1\r\nhost: {}\r\nx: {}\r\n\r\n",
        page.address,
        "y".repeat(100_000)
    );
    let mut stream = TcpStream::connect(&page.address).unwrap();
    // The server may close before everything is written.
    let _ = stream.write_all(giant.as_bytes());
    let mut answer = String::new();
    let _ = stream.read_to_string(&mut answer);
    assert!(
        answer.is_empty() || answer.starts_with("HTTP/1.1 431") || answer.starts_with("HTTP/1.1 400"),
        "{answer}"
    );
    // The head of a form without its body.
    let mut bodiless = page.send(
        format!(
            "POST /login HTTP/1.1\r\nhost: {}\r\ncontent-length: 1000\r\n\r\ntok",
            page.address
        )
        .as_bytes(),
    );
    // Half a head, and nothing more: closed by the server, while others are answered.
    let mut slow = page.send(b"GET / HTTP/1.1\r\nhost: ");
    assert_eq!(page.get("/").status, 200);
    let mut rest = Vec::new();
    let closed = slow.read_to_end(&mut rest);
    assert!(closed.is_ok(), "{closed:?}");
    let mut answer = String::new();
    bodiless.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 408"), "{answer}");
}

fn create_every_second(env: &Env) {
    let policy = ["--overlap", "allow-all", "--shell", "true"];
    env.tempo(&[&["schedule", "create", "s", "--interval", "1s"], &policy[..]].concat())
        .ok();
}

/// Waits for four more runs, and checks that no time is missing.
fn assert_every_second_runs(env: &Env) {
    let before = env.json(&["workflow", "list", "--limit", "0"]).as_array().unwrap().len();
    let runs = env.wait_for_json(&["workflow", "list", "--limit", "0"], |runs| {
        runs.as_array().unwrap().len() >= before + 4
    });
    let time = |run: &Value| {
        run["scheduled_at"]
            .as_str()
            .unwrap()
            .parse::<chrono::DateTime<chrono::Utc>>()
            .unwrap()
    };
    let times: Vec<_> = runs.as_array().unwrap().iter().map(time).collect();
    let each_second = times.windows(2).all(|pair| (pair[0] - pair[1]).num_seconds() == 1);
    assert!(each_second, "every time has run: {times:?}");
}

#[test]
fn ten_thousand_connections_delay_no_run() {
    use rustix::net::{AddressFamily, SocketFlags, SocketType, connect, socket_with};
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limit.maximum,
        maximum: limit.maximum,
    };
    setrlimit(Resource::Nofile, raised).unwrap();
    let env = Env::new();
    create_every_second(&env);
    let page = Page::start(&env, &[]);
    let address: std::net::SocketAddr = page.address.parse().unwrap();
    assert!(
        limit.maximum.is_none_or(|files| files > 3_000),
        "too few files may be open: {limit:?}"
    );
    // Without waiting: most are never accepted. Fewer if this user may not open so many files.
    let most = limit.maximum.map_or(10_000, |files| files.saturating_sub(2_000).min(10_000));
    let held: Vec<_> = (0..most)
        .map(|_| {
            let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
            let socket = socket_with(AddressFamily::INET, SocketType::STREAM, flags, None).unwrap();
            let _ = connect(&socket, &address);
            socket
        })
        .collect();
    assert_every_second_runs(&env);
    drop(held);
    setrlimit(Resource::Nofile, limit).unwrap();
    wait_until("the page answers again", || page.get("/schedules").status == 200);
}

#[test]
fn a_server_under_attack_runs_every_time_and_answers_others() {
    let env = Env::new();
    create_every_second(&env);
    let page = Page::start(&env, &[]);
    // Viewers that never read their stream, half requests, and many connections that do nothing.
    let stream = format!(
        "GET /api/v1/events?after=0 HTTP/1.1\r\nhost: {}\r\ncookie: {}\r\n\r\n",
        page.address,
        page.cookie()
    );
    let mut held: Vec<TcpStream> = (0..70).map(|_| page.send(stream.as_bytes())).collect();
    held.extend((0..100).map(|_| page.send(b"POST /login HTTP/1.1\r\nhost: ")));
    held.extend((0..200).map(|_| TcpStream::connect(&page.address).unwrap()));
    assert_every_second_runs(&env);
    wait_until("another viewer is answered", || page.get("/schedules").status == 200);
    let mut over = page.send(stream.as_bytes());
    let mut status = [0; 12];
    over.read_exact(&mut status).unwrap();
    assert_eq!(&status, b"HTTP/1.1 503");
    drop(held);
}

#[test]
fn bodies_of_unknown_length_are_limited_and_open_connections_do_not_keep_the_server_from_stopping() {
    let env = Env::new();
    let page = Page::start(&env, &[]);
    let head = |path: &str, cookie: &str| {
        format!(
            "POST {path} HTTP/1.1\r\nhost: {}\r\n{cookie}transfer-encoding: chunked\r\n\r\n",
            page.address
        )
    };
    let chunk = format!("{:x}\r\n{}\r\n", 4096, "x".repeat(4096));
    for (path, cookie, most) in [
        ("/login", String::new(), 1),
        ("/schedules", format!("cookie: {}\r\n", page.cookie()), 100),
    ] {
        let mut stream = page.send(head(path, &cookie).as_bytes());
        let sent = (0..=most).try_for_each(|_| stream.write_all(chunk.as_bytes()));
        let mut answer = String::new();
        let _ = stream.read_to_string(&mut answer);
        assert!(sent.is_err() || answer.starts_with("HTTP/1.1 413"), "{path}: {answer}");
    }
    let idle: Vec<TcpStream> = (0..600).map_while(|_| TcpStream::connect(&page.address).ok()).collect();
    assert!(idle.len() > 500);
    for mut stream in &idle {
        let _ = stream.write_all(head("/login", "").as_bytes());
    }
    page.server.signal("TERM");
    assert_eq!(page.server.wait().0, Some(0));
    drop(idle);
}
