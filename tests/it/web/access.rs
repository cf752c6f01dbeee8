//! Who may see and change what.

use super::client::Page;
use crate::harness::Env;

fn create(env: &Env, id: &str) {
    env.tempo(&["schedule", "create", id, "--cron", "0 0 1 1 *", "--shell", "true"])
        .ok();
}

fn private(env: &Env, name: &str) {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::set_permissions(env.path(name), std::fs::Permissions::from_mode(0o600)).unwrap();
}

#[test]
fn tempo_open_signs_in_once_and_pages_need_the_session() {
    let env = Env::new();
    create(&env, "s");
    let page = Page::start(&env, &[]);
    let host = [("host", page.address.as_str())];
    for path in [
        "/",
        "/schedules",
        "/schedules/s",
        "/runs",
        "/incidents",
        "/status",
        "/api/v1/schedules",
        "/api/v1/events",
    ] {
        let answer = page.bare("GET", path, &host, "");
        assert_eq!(answer.status, 401, "{path}: {answer:?}");
        assert!(
            !answer.body.contains("every year") && !answer.body.contains("\"id\""),
            "{path}: {answer:?}"
        );
    }
    let url = env.tempo(&["open"]).ok();
    let path = url
        .trim()
        .strip_prefix(&format!("http://{}", page.address))
        .unwrap()
        .to_owned();
    let answer = page.bare("GET", &path, &host, "");
    assert!(
        answer.status == 200 && answer.body.contains("content=\"0;url=/\""),
        "{answer:?}"
    );
    let cookie = answer.header("set-cookie").unwrap();
    assert!(cookie.contains("HttpOnly") && cookie.contains("SameSite=Strict"), "{cookie}");
    let session = cookie.split(';').next().unwrap();
    let signed_in = page.bare("GET", "/schedules", &[host[0], ("cookie", session)], "");
    assert!(
        signed_in.status == 200 && signed_in.body.contains("/schedules/s"),
        "{signed_in:?}"
    );
    assert_eq!(page.bare("GET", &path, &host, "").status, 401, "a second time");
    let form = |token: &str| page.bare("POST", "/login", &host, &format!("token={token}")).status;
    assert_eq!((form(&page.token), form("wrong"), form("")), (303, 401, 401));
    assert_eq!(page.get("/schedules").status, 200);
    let bearer = format!("Bearer {}", page.token);
    assert_eq!(
        page.bare("GET", "/api/v1/schedules", &[host[0], ("authorization", &bearer)], "")
            .status,
        200
    );
}

#[test]
fn refuses_a_foreign_host_origin_and_site_and_a_missing_token() {
    let env = Env::new();
    create(&env, "s");
    let page = Page::start(&env, &[]);
    let (address, cookie) = (page.address.clone(), page.cookie());
    let own = format!("http://{address}");
    let port = address.rsplit(':').next().unwrap();
    let local = format!("localhost:{port}");
    let pause = "/api/v1/schedules/s/pause";
    for (method, path, headers, expected) in [
        ("GET", "/healthz", vec![("host", "evil.example")], 421),
        ("GET", "/schedules", vec![("host", "evil.example"), ("cookie", &cookie)], 421),
        (
            "GET",
            "/schedules",
            vec![("host", &address), ("host", "evil.example"), ("cookie", &cookie)],
            421,
        ),
        (
            "GET",
            "http://evil.example/schedules",
            vec![("host", &address), ("cookie", &cookie)],
            421,
        ),
        ("GET", "/schedules", vec![("host", "127.0.0.1:1"), ("cookie", &cookie)], 421),
        ("GET", "/schedules", vec![("cookie", &cookie)], 421),
        ("GET", "/schedules", vec![("host", &local), ("cookie", &cookie)], 200),
        ("POST", pause, vec![("host", &address)], 401),
        (
            "POST",
            pause,
            vec![
                ("host", &address),
                ("authorization", "Bearer 00000000000000000000000000000000"),
            ],
            401,
        ),
        ("POST", pause, vec![("host", &address), ("cookie", "tempo-session-1=x")], 401),
        (
            "POST",
            pause,
            vec![("host", &address), ("cookie", &cookie), ("origin", "http://evil.example")],
            403,
        ),
        (
            "POST",
            pause,
            vec![("host", &address), ("cookie", &cookie), ("origin", "null")],
            403,
        ),
        (
            "POST",
            pause,
            vec![("host", &address), ("cookie", &cookie), ("origin", "http://127.0.0.1:1")],
            403,
        ),
        (
            "POST",
            "/schedules/s",
            vec![("host", &address), ("cookie", &cookie), ("sec-fetch-site", "cross-site")],
            403,
        ),
        (
            "DELETE",
            "/api/v1/schedules/s",
            vec![("host", &address), ("cookie", &cookie), ("sec-fetch-site", "same-site")],
            403,
        ),
        ("POST", "/seen", vec![("host", &address)], 401),
        ("GET", pause, vec![("host", &address), ("cookie", &cookie)], 405),
    ] {
        let answer = page.bare(method, path, &headers, "");
        assert_eq!(answer.status, expected, "{method} {path} {headers:?}: {answer:?}");
    }
    assert_eq!(env.json(&["schedule", "describe", "s"])["paused"], false);
    let headers = [
        ("host", address.as_str()),
        ("cookie", &cookie),
        ("origin", &own),
        ("sec-fetch-site", "same-origin"),
    ];
    assert_eq!(page.bare("POST", pause, &headers, "").status, 200);
    assert_eq!(env.json(&["schedule", "describe", "s"])["paused"], true);
}

#[test]
fn every_answer_has_the_headers_that_protect_a_page() {
    let env = Env::new();
    let page = Page::start(&env, &[]);
    let answers = [
        page.get("/"),
        page.get("/assets/page.js"),
        page.get("/nowhere"),
        page.get("/api/v1/nowhere"),
        page.bare("GET", "/", &[("host", "x")], ""),
    ];
    for answer in answers {
        let policy = answer.header("content-security-policy").unwrap();
        assert!(
            policy.contains("default-src 'none'") && policy.contains("frame-ancestors 'none'") && !policy.contains("unsafe"),
            "{policy}"
        );
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
        assert!(answer.header("cache-control").is_some());
    }
    for path in [
        "/../../etc/passwd",
        "/assets/../t.db",
        "/assets/%2e%2e/t.db",
        "//etc/passwd",
        "/schedules/..%2f..%2ft.db",
    ] {
        let answer = page.get(path);
        assert!([400, 404].contains(&answer.status), "{path}: {answer:?}");
    }
}

#[test]
fn an_address_that_others_can_reach_needs_a_token_file() {
    let env = Env::new();
    let refused = env.tempo(&["run", "--web", "0.0.0.0:0", "--for", "0s"]);
    assert_eq!(refused.code, Some(2), "{refused:?}");
    assert!(
        refused.stderr.contains("--web-token-file") && refused.stderr.contains("reverse proxy"),
        "{}",
        refused.stderr
    );
    std::fs::write(env.path("short"), "secret\n").unwrap();
    private(&env, "short");
    let short = env.tempo(&["run", "--web", "0.0.0.0:0", "--web-token-file", "short", "--for", "0s"]);
    assert_eq!(short.code, Some(2), "{short:?}");
    let missing = env.tempo(&["run", "--web-token-file", "none", "--for", "0s"]);
    assert_eq!(missing.code, Some(6), "{missing:?}");
    std::fs::write(env.path("token"), "a-long-random-token-of-a-team\n").unwrap();
    private(&env, "token");
    let mut server = env.serve(&[
        "--web",
        "0.0.0.0:0",
        "--web-token-file",
        "token",
        "--web-host",
        "tempo.example",
    ]);
    let line = server.wait_for_log("http://");
    let port = line.split("0.0.0.0:").nth(1).unwrap().split('/').next().unwrap().to_owned();
    let page = Page {
        server,
        address: format!("127.0.0.1:{port}"),
        token: "a-long-random-token-of-a-team".to_owned(),
    };
    assert_eq!(page.get("/").status, 200);
    let proxied = [
        ("host", "tempo.example"),
        ("authorization", "Bearer a-long-random-token-of-a-team"),
    ];
    assert_eq!(page.bare("GET", "/", &proxied, "").status, 200);
    assert_eq!(
        page.bare("GET", "/", &[("host", "tempo.example.evil"), proxied[1]], "")
            .status,
        421
    );
}

#[test]
fn a_read_only_page_refuses_changes_and_an_open_status_needs_no_session() {
    let env = Env::new();
    create(&env, "s");
    let page = Page::start(&env, &["--web-read-only", "--web-open-status"]);
    let answer = page.ask("POST", "/api/v1/schedules/s/pause", "");
    assert_eq!(answer.status, 403, "{answer:?}");
    assert_eq!(page.ask("POST", "/schedules/s", "do=pause").status, 403);
    assert_eq!(env.json(&["schedule", "describe", "s"])["paused"], false);
    let host = [("host", page.address.as_str())];
    let status = page.bare("GET", "/status", &host, "");
    assert!(status.status == 200 && status.body.contains("unknown"), "{status:?}");
    assert_eq!(
        status.header("refresh"),
        Some("30"),
        "without a stream of events it is loaded again"
    );
    assert_eq!(page.get("/status").header("refresh"), None, "renewed by the events");
    let badge = page.bare("GET", "/status/s/command.svg", &host, "");
    assert_eq!(
        (badge.status, badge.header("content-type")),
        (200, Some("image/svg+xml")),
        "{badge:?}"
    );
    assert_eq!(page.bare("GET", "/status/s/none.svg", &host, "").status, 404);
    assert_eq!(page.bare("GET", "/schedules", &host, "").status, 401);
}

#[test]
fn a_taken_port_is_logged_and_tempo_open_says_that_there_is_no_page() {
    let env = Env::new();
    assert_eq!(env.tempo(&["open"]).code, Some(5));
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let mut server = env.serve(&["--web", &address]);
    let line = server.wait_for_log("no page");
    assert!(line.contains(&address), "{line}");
    assert_eq!(env.tempo(&["open"]).code, Some(4));
    create(&env, "s");
    env.tempo(&["schedule", "trigger", "s", "--wait"]).ok();
}

#[test]
fn a_token_that_others_could_have_written_is_refused() {
    use std::os::unix::fs::PermissionsExt as _;
    let env = Env::new();
    create(&env, "s");
    let token = env.path("t.db.web-token");
    std::fs::write(&token, "attackerattackerattacker").unwrap();
    for mode in [0o666, 0o644, 0o640] {
        std::fs::set_permissions(&token, std::fs::Permissions::from_mode(mode)).unwrap();
        let refused = env.tempo(&["run", "--web", "127.0.0.1:0", "--for", "0s"]);
        assert!(
            refused.code == Some(6) && refused.stderr.contains("chmod 600"),
            "{mode:o}: {refused:?}"
        );
    }
    std::fs::remove_file(&token).unwrap();
    std::os::unix::fs::symlink(env.path("elsewhere"), &token).unwrap();
    std::fs::write(env.path("elsewhere"), "attackerattackerattacker").unwrap();
    assert_eq!(env.tempo(&["run", "--web", "127.0.0.1:0", "--for", "0s"]).code, Some(6));
    std::fs::remove_file(&token).unwrap();
    let page = Page::start(&env, &[]);
    assert_eq!(page.get("/schedules").status, 200);
}

#[test]
fn a_heartbeat_token_only_sends_heartbeats_of_its_schedule() {
    let env = Env::new();
    for id in ["job/a", "other"] {
        env.tempo(&["schedule", "create", id, "--expect-within", "1d"]).ok();
    }
    let token = env.tempo(&["beat", "job/a", "--token"]).ok();
    std::fs::write(env.path("token"), "0123456789abcdef").unwrap();
    private(&env, "token");
    for args in [&[][..], &["--web-token-file", "token"]] {
        let page = Page::start(&env, args);
        let bearer = format!("Bearer {}", token.trim());
        let headers = [("host", page.address.as_str()), ("authorization", &bearer)];
        let status = |method: &str, path: &str| page.bare(method, path, &headers, "").status;
        let answer = page.bare("POST", "/api/v1/beat/job%2Fa", &headers, "{\"exit_code\": 3}");
        assert_eq!((answer.status, &answer.json()["ok"]), (200, &false.into()), "{answer:?}");
        for (method, path) in [
            ("POST", "/api/v1/beat/other"),
            ("POST", "/api/v1/schedules/job%2Fa/pause"),
            ("GET", "/api/v1/schedules/job%2Fa"),
            ("GET", "/"),
        ] {
            assert_eq!(status(method, path), 401, "{method} {path}");
        }
        assert_eq!(status("GET", "/api/v1/beat/job%2Fa"), 401);
        drop(page);
    }
    // Nor does it reveal which other schedules there are.
    env.tempo(&["schedule", "create", "job/ab", "--expect-within", "1d"]).ok();
    env.tempo(&["schedule", "delete", "job/a"]).ok();
    let page = Page::start(&env, &[]);
    let bearer = format!("Bearer {}", token.trim());
    let headers = [("host", page.address.as_str()), ("authorization", &bearer)];
    let answer = page.bare("POST", "/api/v1/beat/job%2Fa", &headers, "");
    assert!(answer.status == 404 && !answer.body.contains("job/ab"), "{answer:?}");
    assert_eq!(env.tempo(&["beat", "unknown", "--token"]).code, Some(3));
}
