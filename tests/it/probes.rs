//! Probes against real servers on loopback: HTTP, TLS, TCP, DNS.

use std::io::{Read, Write};
use std::net::{TcpListener, UdpSocket};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};

use serde_json::Value;

use crate::harness::Env;

/// Reads a complete request.
pub(crate) fn request(stream: &mut impl Read) -> String {
    let mut text = Vec::new();
    let mut byte = [0];
    while !text.ends_with(b"\r\n\r\n") && stream.read(&mut byte).unwrap_or(0) == 1 {
        text.push(byte[0]);
    }
    let head = String::from_utf8_lossy(&text).to_ascii_lowercase();
    let length = head
        .lines()
        .find_map(|l| l.strip_prefix("content-length: ")?.trim().parse().ok())
        .unwrap_or(0);
    let mut body = vec![0; length];
    stream.read_exact(&mut body).unwrap();
    String::from_utf8_lossy(&[text, body].concat()).into_owned()
}

pub(crate) const HEAD: &str = "HTTP/1.1 200 OK\r\nserver: nginx/1.2\r\ncontent-type: application/json\r\nconnection: close\r\n";
const BODY: &str = r#"{"data":{"items":[{"name":"x"}],"count":3},"ok":true}"#;

/// Returns a response with a body.
fn response(body: &str) -> String {
    format!("{HEAD}content-length: {}\r\n\r\n{body}", body.len())
}

/// Starts an HTTP server that responds to each request with the result of `respond`; returns its port.
fn serve_with(respond: impl Fn(&str) -> String + Send + 'static) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let text = request(&mut stream);
            let _ = stream.write_all(respond(&text).as_bytes());
        }
    });
    port
}

/// Starts an HTTP server: `/N` responds with status N, `/to/…` redirects to `/…`, `/big` has a body of 2 MiB, anything else [`BODY`].
/// Returns its port and a channel of the requests it received.
fn serve() -> (u16, Receiver<String>) {
    let (sender, requests) = channel();
    let port = serve_with(move |text| {
        let path = text.split(' ').nth(1).unwrap_or("/");
        let _ = sender.send(text.to_owned());
        if let Ok(status) = path[1..].parse::<u16>() {
            format!("HTTP/1.1 {status} X\r\nconnection: close\r\ncontent-length: 0\r\n\r\n")
        } else if path == "/big" {
            response(&("x".repeat(2 << 20) + "END"))
        } else if let Some(to) = path.strip_prefix("/to") {
            format!("HTTP/1.1 302 X\r\nlocation: {to}\r\nconnection: close\r\ncontent-length: 0\r\n\r\n")
        } else {
            response(BODY)
        }
    });
    (port, requests)
}

/// Runs a probe with one attempt; returns its result and error type.
#[track_caller]
pub(crate) fn check(env: &Env, probe: &str) -> (String, Value) {
    std::fs::write(env.path("s.toml"), format!("[[step]]\nname = \"p\"\nprobe = {{ {probe} }}\n")).unwrap();
    let ran: crate::harness::CommandOutput = env
        .command(&["check", "-o", "json", "-f", "s.toml", "--attempts", "1"])
        .env("TOKEN", "s3cr3t")
        .env("PASS", "pa55")
        .output()
        .unwrap()
        .into();
    let view: Value = serde_json::from_str(&ran.stdout).unwrap_or_else(|_| panic!("{probe}: {ran:?}"));
    let step = &view["steps"][0];
    assert_eq!(ran.code, Some(i32::from(step["status"] != "Completed")), "{ran:?}");
    (
        step["result"].as_str().unwrap().to_owned(),
        step["attempts"][0]["error_type"].clone(),
    )
}

#[test]
fn checks_status_headers_body_and_elapsed_time() {
    let env = Env::new();
    let (port, _requests) = serve();
    let url = |path: &str| format!("url = \"http://127.0.0.1:{port}{path}\"");
    for (path, more, is_ok) in [
        ("/204", "status = \"2xx,301\"", true),
        ("/301", "status = \"2xx,301\"", true),
        ("/302", "status = \"2xx,301\"", false),
        ("/503", "status = 503", true),
        ("/to/to/x", "redirects = 2", true),
        ("/to/to/x", "redirects = 1", false),
        ("/to/x", "status = 302", true),
    ] {
        let (result, error) = check(&env, &format!("{}, {more}", url(path)));
        assert_eq!(result.starts_with("ok status="), is_ok, "{path} {more}: {result}");
        assert_eq!(error == "UnexpectedStatus", !is_ok, "{path} {more}: {result}");
    }
    // The end of what is checked of a body is not its end.
    for (expression, is_ok) in [("^x*$", false), ("x.$", false), ("[^0-9]$", false), ("^x+", true)] {
        let (result, _) = check(&env, &format!("{}, body_matches = \"{expression}\"", url("/big")));
        assert_eq!(result.starts_with("ok"), is_ok, "{expression}: {result}");
    }
    // A failure names the server that is to blame.
    let (result, _) = check(&env, &format!("{}, redirects = 1", url("/to/503")));
    let (first, last) = (
        format!("http://127.0.0.1:{port}/to/503"),
        format!("http://127.0.0.1:{port}/503"),
    );
    let expected = format!("incident: unexpected status 503 from {last} (redirected from {first})");
    assert_eq!(result, expected);
    // The query that the server has given may contain a key.
    let (result, _) = check(&env, &format!("{}, redirects = 1, status = 204", url("/to/x?key=k")));
    assert!(
        result.starts_with(&format!("incident: unexpected status 200 from http://127.0.0.1:{port}/x?… (")),
        "{result}"
    );
    for (more, expected, error) in [
        ("body_contains = \"items\"", "ok status=200", ""),
        ("body_contains = \"nothing\"", "does not contain `nothing`", "UnexpectedBody"),
        ("body_matches = '\"count\":\\d+'", "ok status=200", ""),
        ("body_matches = \"^<html\"", "does not match `^<html`", "UnexpectedBody"),
        (
            "json = { \"data.items[0].name\" = \"x\", \"data.count\" = 3, ok = true, data = \"*\" }",
            "ok status=200",
            "",
        ),
        (
            "json = { \"data.items[0].name\" = \"y\" }",
            "has `data.items[0].name` = \"x\", not \"y\"",
            "UnexpectedBody",
        ),
        ("json = { \"data.none\" = \"*\" }", "has no `data.none`", "UnexpectedBody"),
        ("header_matches = { Server = \"^nginx\" }", "ok status=200", ""),
        (
            "header_matches = { Server = \"^apache\" }",
            "header Server of",
            "UnexpectedBody",
        ),
        ("header_matches = { X-None = \".\" }", "is missing", "UnexpectedBody"),
        ("max_elapsed = \"30s\"", "ok status=200", ""),
    ] {
        let (result, got) = check(&env, &format!("{}, {more}", url("/body")));
        assert!(result.contains(expected), "{more}: {result}");
        assert_eq!(got.as_str().unwrap_or_default(), error, "{more}: {result}");
    }
}

#[test]
fn a_correct_response_above_max_elapsed_is_too_slow() {
    let env = Env::new();
    let port = serve_with(|_| {
        // Delays the response by real time, since the probe measures it.
        let (_sender, silence) = channel::<()>();
        let _ = silence.recv_timeout(std::time::Duration::from_millis(60));
        response("")
    });
    let (result, error) = check(&env, &format!("url = \"http://127.0.0.1:{port}/\", max_elapsed = \"50ms\""));
    assert_eq!(error, "TooSlow", "{result}");
    assert!(result.ends_with(", more than 50 ms"), "{result}");
}

#[test]
fn a_request_is_sent_as_configured_and_secrets_are_not_stored() {
    let env = Env::new();
    let (port, requests) = serve();
    let url = format!("url = \"http://127.0.0.1:{port}/body\"");
    for (more, expected) in [
        (
            "headers = { X-A = \"1\", X-Token = \"env:TOKEN\" }",
            vec!["x-a: 1", "x-token: s3cr3t"],
        ),
        // For a proxy that selects the site by this header.
        ("headers = { Host = \"www.example.org\" }", vec!["\nhost: www.example.org\r"]),
        ("method = \"POST\", body = \"hello\"", vec!["POST /body", "\r\n\r\nhello"]),
        ("method = \"PURGE\"", vec!["PURGE /body"]),
        // `me:pa55` in base64.
        ("basic_auth = \"me:env:PASS\"", vec!["authorization: Basic bWU6cGE1NQ=="]),
        ("bearer = \"env:TOKEN\"", vec!["authorization: Bearer s3cr3t"]),
    ] {
        let (result, _) = check(&env, &format!("{url}, {more}"));
        assert_eq!(result, "ok status=200", "{more}");
        let text = requests.recv().unwrap();
        for part in expected {
            assert!(
                text.to_ascii_lowercase().contains(&part.to_ascii_lowercase()),
                "{part}: {text}"
            );
        }
    }
    // A redirect to the same host keeps the credentials.
    let redirected = format!("url = \"http://127.0.0.1:{port}/to/body\", redirects = 1, bearer = \"env:TOKEN\"");
    assert_eq!(check(&env, &redirected).0, "ok status=200");
    for _ in 0..2 {
        let text = requests.recv().unwrap().to_ascii_lowercase();
        assert!(text.contains("authorization: bearer s3cr3t"), "{text}");
    }
    let big = format!("url = \"http://127.0.0.1:{port}/big\", body_contains = \"END\"");
    let (result, _) = check(&env, &big);
    assert!(
        result.ends_with("/big, of which only the first 1 MiB is checked, does not contain `END`"),
        "{result}"
    );
    requests.recv().unwrap();
    let (result, error) = check(&env, &format!("{url}, bearer = \"env:NOT_SET_ANYWHERE\""));
    assert_eq!(error, "Spawn");
    assert!(
        result.contains("`NOT_SET_ANYWHERE` is not set in tempo's environment"),
        "{result}"
    );
    // A server that says a secret back: it is masked in what is recorded.
    let echo = serve_with(|_| response(r#"{"token":"s3cr3t"}"#));
    let create = format!(
        "[[step]]\nname = \"p\"\nprobe = {{ url = \"http://127.0.0.1:{echo}/\", bearer = \"env:TOKEN\", json = {{ token = \"x\" }} }}\nretry = {{ maximum_attempts = 1 }}\n"
    );
    std::fs::write(env.path("steps.toml"), create).unwrap();
    env.tempo(&["workflow", "start", "--workflow-id", "w", "--steps", "steps.toml"])
        .ok();
    let _ = env.command(&["run", "--once"]).env("TOKEN", "s3cr3t").output().unwrap();
    let text = env.tempo(&["workflow", "describe", "w"]).ok();
    assert!(text.contains("***") && !text.contains("s3cr3t"), "{text}");
    for file in ["t.db", "t.db-wal"] {
        let bytes = std::fs::read(env.path(file)).unwrap_or_default();
        assert!(!bytes.windows(6).any(|w| w == b"s3cr3t"), "{file} contains the secret");
    }
}

#[test]
fn a_hanging_probe_stops_at_its_timeout_and_when_canceled() {
    let env = Env::new();
    // Servers that accept but never respond, for HTTP and for DNS.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let connections = Arc::new(Mutex::new(Vec::new()));
    let accepted = Arc::clone(&connections);
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            accepted.lock().unwrap().push(stream);
        }
    });
    let silent = UdpSocket::bind("127.0.0.1:0").unwrap();
    let server = silent.local_addr().unwrap();
    for probe in [
        format!("url = \"http://127.0.0.1:{port}/\", timeout = \"100ms\""),
        format!("dns = {{ name = \"a.test\", server = \"{server}\" }}, timeout = \"100ms\""),
    ] {
        let (result, error) = check(&env, &probe);
        assert_eq!(error, "Timeout", "{probe}: {result}");
        assert!(result.ends_with("within 100 ms"), "{result}");
    }
    std::fs::write(
        env.path("s.toml"),
        format!("[[step]]\nname = \"p\"\nprobe = {{ dns = {{ name = \"a.test\", server = \"{server}\" }} }}\n"),
    )
    .unwrap();
    env.tempo(&["workflow", "start", "--workflow-id", "w", "--steps", "s.toml"])
        .ok();
    let _server = env.serve(&[]);
    env.wait_for_json(&["workflow", "describe", "w"], |w| w["steps"][0]["status"] == "Running");
    env.tempo(&["workflow", "cancel", "w"]).ok();
    env.wait_for_json(&["workflow", "describe", "w"], |w| w["status"] == "Canceled");
}

#[test]
fn an_echoed_secret_is_masked_in_every_encoding() {
    let env = Env::new();
    let port = serve_with(|text| {
        let echo = text
            .lines()
            .find_map(|l| l.strip_prefix("authorization: "))
            .unwrap_or_default();
        let body = serde_json::json!({ "said": echo }).to_string();
        format!("{HEAD}x-echo: {echo}\r\ncontent-length: {}\r\n\r\n{body}", body.len())
    });
    let long = format!("to\"p\\{}", "s".repeat(90));
    for (more, parts) in [
        (
            "basic_auth = \"bob:env:SECRET\", header_matches = { X-Echo = \"^none\" }",
            ["Ym9iOnRvIn", "c3Nzc3Nz"],
        ),
        (
            "bearer = \"env:SECRET\", header_matches = { X-Echo = \"^none\" }",
            ["to\\\"p", "sss"],
        ),
        ("bearer = \"env:SECRET\", json = { said = \"x\" }", ["to\\\"p", "sss"]),
    ] {
        std::fs::write(
            env.path("s.toml"),
            format!("[[step]]\nname = \"p\"\nprobe = {{ url = \"http://127.0.0.1:{port}/\", {more} }}\n"),
        )
        .unwrap();
        let ran: crate::harness::CommandOutput = env
            .command(&["-o", "json", "check", "-f", "s.toml", "--attempts", "1"])
            .env("SECRET", &long)
            .output()
            .unwrap()
            .into();
        assert!(ran.stdout.contains("***"), "{more}: {ran:?}");
        assert!(parts.iter().all(|part| !ran.stdout.contains(part)), "{more}: {ran:?}");
    }
}

#[test]
fn redirects_stay_with_http_and_keep_the_body_for_status_307() {
    let env = Env::new();
    let port = serve_with(|text| {
        let path = text.split(' ').nth(1).unwrap_or_default();
        let to =
            |status: &str, location: &str| format!("HTTP/1.1 {status} R\r\nlocation: {location}\r\ncontent-length: 0\r\n\r\n");
        match path {
            "/file" => to("302", "file:///etc/passwd"),
            "/post" => to("307", "/end"),
            "/see" => to("303", "end"),
            _ => response(&text.replace("\r\n", "|")),
        }
    });
    for (probe, expected) in [
        (
            format!("url = \"http://127.0.0.1:{port}/file\", redirects = 3"),
            "not http or https",
        ),
        (
            format!(
                "url = \"http://127.0.0.1:{port}/post\", method = \"POST\", body = \"hello\", redirects = 1, body_matches = \"^POST /end.*[|]hello$\""
            ),
            "ok status=200",
        ),
        (
            format!(
                "url = \"http://127.0.0.1:{port}/see\", method = \"POST\", body = \"hello\", redirects = 1, body_matches = \"^GET /end.*[|][|]$\""
            ),
            "ok status=200",
        ),
    ] {
        let (result, _) = check(&env, &probe);
        assert!(result.contains(expected), "{probe}: {result}");
    }
}

#[test]
fn a_password_in_a_url_is_sent_and_never_shown() {
    let env = Env::new();
    let port = serve_with(|text| {
        let is_authorized = text.contains("authorization: Basic Ym9iOmh1c2g=");
        format!(
            "HTTP/1.1 {} R\r\ncontent-length: 0\r\n\r\n",
            if is_authorized { 500 } else { 401 }
        )
    });
    let url = format!("p=http://bob:h%75sh@127.0.0.1:{port}/");
    let ran = env.tempo(&["workflow", "start", "--workflow-id", "w", "--attempts", "1", "--probe", &url]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let (_, log) = env.serve(&["--once"]).wait();
    assert!(
        log.contains(&format!("unexpected status 500 from http://127.0.0.1:{port}/")),
        "{log}"
    );
    let shown = [
        env.tempo(&["incident", "list"]).ok(),
        env.tempo(&["workflow", "describe", "w"]).ok(),
        log,
    ]
    .concat();
    assert!(!shown.contains("h%75sh") && !shown.contains("hush"), "{shown}");
}

#[test]
fn oversized_headers_are_reported_as_a_limit_not_a_network_error() {
    let env = Env::new();
    for headers in [format!("x-long: {}", "x".repeat(90_000)), "x-more: y\r\n".repeat(900)] {
        let port = serve_with(move |_| format!("HTTP/1.1 200 OK\r\n{headers}"));
        let (result, error) = check(&env, &format!("url = \"http://127.0.0.1:{port}/\""));
        assert!(result.contains("the limit of"), "{error}: {result}");
    }
}
