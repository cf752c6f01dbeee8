//! The API: the same JSON as the commands, and the same changes.

use std::io::{BufRead as _, BufReader};

use serde_json::{Value, json};

use super::client::Page;
use crate::harness::Env;

pub(super) fn create(env: &Env, id: &str, shell: &str) {
    env.tempo(&["schedule", "create", id, "--cron", "0 0 1 1 *", "--shell", shell])
        .ok();
}

#[test]
fn answers_with_the_json_of_the_commands() {
    let env = Env::new();
    create(&env, "a", "echo out; exit 3");
    create(&env, "team/b", "true");
    let page = Page::start(&env, &[]);
    let _ = env.tempo(&["schedule", "trigger", "a", "--wait"]);
    env.tempo(&["schedule", "trigger", "team/b", "--wait"]).ok();
    let run = env.json(&["workflow", "list", "--schedule", "a"])[0]["run_id"]
        .as_str()
        .unwrap()
        .to_owned();
    for (path, args) in [
        ("/schedules".to_owned(), vec!["schedule", "list"]),
        ("/schedules/a".to_owned(), vec!["schedule", "describe", "a"]),
        ("/schedules/team%2Fb".to_owned(), vec!["schedule", "describe", "team/b"]),
        (
            "/schedules/a/next?count=3".to_owned(),
            vec!["schedule", "next", "a", "--count", "3"],
        ),
        ("/runs".to_owned(), vec!["workflow", "list"]),
        (
            "/runs?schedule=a&status=Failed".to_owned(),
            vec!["workflow", "list", "--schedule", "a"],
        ),
        (format!("/runs/{run}"), vec!["workflow", "describe", &run]),
        ("/incidents".to_owned(), vec!["incident", "list"]),
        ("/incidents/1".to_owned(), vec!["incident", "describe", "1"]),
        ("/log?failed=true".to_owned(), vec!["log", "--failed"]),
        ("/status".to_owned(), vec!["status"]),
    ] {
        let answer = page.get(&format!("/api/v1{path}"));
        assert_eq!(
            (answer.status, answer.header("content-type")),
            (200, Some("application/json")),
            "{path}: {answer:?}"
        );
        assert_eq!(answer.json(), env.json(&args), "{path}");
    }
}

#[test]
fn makes_the_changes_of_the_commands() {
    let env = Env::new();
    create(&env, "s", "test -e fixed || exit 3");
    env.tempo(&["schedule", "create", "long", "--cron", "0 0 1 1 *", "--shell", "sleep 300"])
        .ok();
    let page = Page::start(&env, &[]);
    let post = |path: &str, body: Value| {
        let answer = page.ask("POST", &format!("/api/v1{path}"), &body.to_string());
        assert_eq!(answer.status, 200, "{path}: {answer:?}");
        answer.json()
    };
    let paused = post("/schedules/s/pause", json!({"note": "holiday"}));
    assert_eq!((&paused[0]["paused"], &paused[0]["note"]), (&json!(true), &json!("holiday")));
    assert_eq!(post("/schedules/s/unpause", json!({}))[0]["paused"], false);
    assert_eq!(
        post("/schedules/s/trigger", json!({"overlap_policy": "allow-all"}))["schedule_id"],
        "s"
    );
    let failed = env.wait_for_json(&["workflow", "list", "--schedule", "s"], |runs| runs[0]["status"] == "Failed");
    let run = failed[0]["run_id"].as_str().unwrap();
    assert_eq!(post("/incidents/1/ack", json!({"note": "known"}))["status"], "acked");
    std::fs::write(env.path("fixed"), "").unwrap();
    assert_eq!(post(&format!("/runs/{run}/retry"), json!({}))["run_id"], run);
    env.wait_for_json(&["workflow", "describe", run], |run| run["status"] == "Completed");
    env.tempo(&["schedule", "trigger", "long"]).ok();
    let running = env.wait_for_json(&["workflow", "list", "--schedule", "long"], |runs| {
        runs[0]["status"] == "Running"
    });
    let run = running[0]["run_id"].as_str().unwrap();
    post(&format!("/runs/{run}/terminate"), json!({"reason": "enough"}));
    let ended = env.wait_for_json(&["workflow", "describe", run], |run| run["status"] == "Terminated");
    assert_eq!(ended["reason"], "terminated: enough");
    let backfill = post(
        "/schedules/s/backfill",
        json!({"start_time": "2024-01-01T00:00:00Z", "end_time": "2025-01-01T00:00:00Z"}),
    );
    assert_eq!(backfill["times"], 2);
    let deleted = page.ask("DELETE", "/api/v1/schedules/long", "");
    assert_eq!(
        (deleted.status, deleted.json()),
        (200, json!([{"id": "long", "still_running": 0}]))
    );
    assert_eq!(env.tempo(&["schedule", "describe", "long"]).code, Some(3));
}

#[test]
fn errors_have_a_status_and_the_form_of_the_commands() {
    let env = Env::new();
    create(&env, "nightly", "true");
    let page = Page::start(&env, &[]);
    for (method, path, body, status, kind, part) in [
        (
            "GET",
            "/schedules/nihgtly",
            "",
            404,
            "not_found",
            "no schedule is named `nihgtly`",
        ),
        ("GET", "/schedules/a%20b", "", 400, "usage", "a b"),
        ("GET", "/runs/ffff", "", 404, "not_found", "no run"),
        ("GET", "/runs?status=Done", "", 400, "usage", "no status is named `Done`"),
        ("GET", "/runs?nonsense=1", "", 400, "usage", "nonsense"),
        ("GET", "/runs?limit=x", "", 400, "usage", "query"),
        ("GET", "/incidents/x", "", 404, "not_found", "no incident"),
        ("GET", "/nowhere", "", 404, "not_found", "/api/v1/nowhere"),
        ("POST", "/schedules/nightly/pause", "{", 400, "usage", "JSON"),
        ("POST", "/schedules/nightly/pause", "{\"nte\": \"x\"}", 400, "usage", "nte"),
        (
            "POST",
            "/schedules/nightly/trigger",
            "{\"overlap_policy\": \"sikp\"}",
            400,
            "usage",
            "sikp",
        ),
        ("POST", "/schedules/nightly/backfill", "{}", 400, "usage", "start_time"),
        ("POST", "/incidents/7/ack", "", 404, "not_found", "7"),
    ] {
        let answer = page.ask(method, &format!("/api/v1{path}"), body);
        assert_eq!(answer.status, status, "{method} {path}: {answer:?}");
        let error = &answer.json()["error"];
        assert_eq!(error["kind"], kind, "{path}");
        assert!(error["message"].as_str().unwrap().contains(part), "{path}: {error}");
    }
    let large = page.ask(
        "POST",
        "/api/v1/schedules/nightly/pause",
        &format!("{{\"note\": \"{}\"}}", "x".repeat(300_000)),
    );
    assert_eq!(large.status, 413, "{}", large.head);
}

#[test]
fn definitions_are_edited_and_policies_are_simulated() {
    let env = Env::new();
    env.tempo(&["schedule", "create", "s", "--interval", "1m", "--shell", "true"])
        .ok();
    let page = Page::start(&env, &[]);
    let path = "/api/v1/schedules/s/definition";
    let original = page.get(path).json()["definition"].as_str().unwrap().to_owned();
    assert_eq!(original, env.tempo(&["export", "s"]).ok());
    let edit = json!({"original": original, "definition": original.replace("1m", "2m")}).to_string();
    for (query, interval) in [("?dry_run=true", "every minute"), ("", "every 2 min")] {
        let answer = page.ask("PUT", &format!("{path}{query}"), &edit);
        let change = answer.json();
        assert_eq!(
            (answer.status, &change["fields"][0]["name"], &change["fields"][0]["new"]),
            (200, &json!("interval"), &json!(["2m"])),
            "{change}"
        );
        assert_eq!(env.json(&["schedule", "describe", "s"])["spec_text"], interval);
    }
    assert_eq!(page.ask("PUT", path, &edit).status, 409, "it is no longer the original");
    let simulate = "simulate?takes=3m&overlap_policy=skip&from=2026-05-05T00:00:00Z&for=10m";
    let command = [
        "schedule",
        "simulate",
        "s",
        "--takes",
        "3m",
        "--overlap-policy",
        "skip",
        "--from",
        "2026-05-05T00:00:00Z",
        "--for",
        "10m",
    ];
    assert_eq!(
        page.get(&format!("/api/v1/schedules/s/{simulate}")).json(),
        env.json(&command)
    );
    for (query, part) in [("takes=x", "x"), ("for=5000000d", "too long"), ("from=never", "never")] {
        let answer = page.get(&format!("/api/v1/schedules/s/simulate?{query}"));
        assert!(answer.status == 400 && answer.body.contains(part), "{query}: {answer:?}");
    }
    let refused = env.tempo(&["schedule", "simulate", "s", "--takes", "1s", "--for", "5000000d"]);
    assert!(refused.code == Some(2) && refused.stderr.contains("too long"), "{refused:?}");
}

#[test]
fn streams_events_as_they_are_committed_and_resumes_after_the_last() {
    let env = Env::new();
    create(&env, "s", "true");
    let page = Page::start(&env, &[]);
    let open = |extra: &str| {
        let request = format!(
            "GET /api/v1/events{extra} HTTP/1.1\r\nhost: {}\r\ncookie: {}\r\n\r\n",
            page.address,
            page.cookie()
        );
        BufReader::new(page.send(request.as_bytes())).lines().map(Result::unwrap)
    };
    let mut lines = open("");
    assert_eq!(lines.next().unwrap(), "HTTP/1.1 200 OK");
    lines.by_ref().find(|line| line.is_empty());
    env.tempo(&["schedule", "pause", "s", "--note", "why"]).ok();
    // In whichever order the fields come.
    let mut seen = Vec::new();
    while seen.len() < 2 {
        let line = lines.next().unwrap();
        if line.starts_with("id: ") || line.starts_with("data: {") {
            seen.push(line);
        }
    }
    let data = seen.iter().find(|line| line.starts_with("data: ")).unwrap();
    let told: Value = serde_json::from_str(&data[6..]).unwrap();
    assert_eq!((&told["event"], &told["message"]), (&json!("pause"), &json!("paused: why")));
    let mut again = open("?after=0");
    env.tempo(&["schedule", "unpause", "s"]).ok();
    let kinds: Vec<Value> = again
        .by_ref()
        .filter(|line| line.starts_with("data: {"))
        .take(4)
        .map(|line| serde_json::from_str::<Value>(&line[6..]).unwrap()["event"].clone())
        .collect();
    assert_eq!(kinds, ["create", "serving", "pause", "unpause"]);
}

#[test]
fn the_openapi_document_names_every_path_and_health_and_metrics_answer() {
    let env = Env::new();
    create(&env, "secret-name", "true");
    let page = Page::start(&env, &[]);
    env.tempo(&["schedule", "trigger", "secret-name", "--wait"]).ok();
    let document = page.get("/api/v1/openapi.json").json();
    assert_eq!(document["openapi"], "3.1.0");
    for path in [
        "/api/v1/schedules/{id}/pause",
        "/api/v1/runs/{id}/retry",
        "/api/v1/incidents/{id}/ack",
        "/api/v1/events",
    ] {
        assert!(document["paths"].get(path).is_some(), "{path}");
    }
    let host = [("host", page.address.as_str())];
    for path in ["/healthz", "/readyz"] {
        let answer = page.bare("GET", path, &host, "");
        assert_eq!((answer.status, answer.body.as_str()), (200, "ok\n"), "{path}");
    }
    let metrics = page.bare("GET", "/metrics", &host, "");
    assert!(
        metrics
            .header("content-type")
            .unwrap()
            .starts_with("application/openmetrics-text")
    );
    for line in [
        "tempo_schedules 1",
        "tempo_runs_closed_total{status=\"Completed\"} 1",
        "tempo_times_total{outcome=\"started\"} 1",
        "tempo_attempts_total{outcome=\"ok\"} 1",
    ] {
        assert!(metrics.body.lines().any(|l| l == line), "{line} in {}", metrics.body);
    }
    assert!(
        metrics.body.ends_with("# EOF\n") && !metrics.body.contains("secret-name"),
        "{}",
        metrics.body
    );
    let names = metrics.body.lines().filter(|line| line.starts_with("# TYPE")).count();
    assert!(
        names >= 15
            && ["tick", "run"].iter().all(|of| metrics
                .body
                .contains(&format!("tempo_{of}_lateness_seconds_bucket{{le=\"+Inf\"}}"))),
        "{}",
        metrics.body
    );
}

#[test]
fn a_stream_begins_with_everything_that_is_recorded_already() {
    let env = Env::new();
    create(&env, "s", "true");
    for _ in 0..110 {
        env.tempo(&["schedule", "pause", "s"]).ok();
        env.tempo(&["schedule", "unpause", "s"]).ok();
    }
    let page = Page::start(&env, &[]);
    let newest = env.json(&["log", "--limit", "0"]).as_array().unwrap().len();
    // Nothing changes meanwhile; and an id from another database is not waited for.
    for (after, expected) in [("?after=0", newest), ("?after=3", newest - 3)] {
        let request = format!(
            "GET /api/v1/events{after} HTTP/1.1\r\nhost: {}\r\ncookie: {}\r\n\r\n",
            page.address,
            page.cookie()
        );
        let lines = BufReader::new(page.send(request.as_bytes())).lines().map(Result::unwrap);
        let events = lines.filter(|line| line.starts_with("data: {")).take(expected);
        assert_eq!(events.count(), expected, "{after}");
    }
    let request = format!(
        "GET /api/v1/events HTTP/1.1\r\nhost: {}\r\ncookie: {}\r\nlast-event-id: 99999\r\n\r\n",
        page.address,
        page.cookie()
    );
    let mut lines = BufReader::new(page.send(request.as_bytes())).lines().map(Result::unwrap);
    lines.by_ref().find(|line| line == "event: change").unwrap();
    env.tempo(&["schedule", "pause", "s", "--note", "seen"]).ok();
    let event = lines.find(|line| line.starts_with("data: {")).unwrap();
    assert!(event.contains("paused: seen"), "{event}");
}

#[test]
fn health_fails_within_seconds_while_the_database_cannot_be_written() {
    let env = Env::new();
    create(&env, "s", "true");
    let page = Page::start(&env, &[]);
    let health = || page.bare("GET", "/healthz", &[("host", page.address.as_str())], "").status;
    assert_eq!(health(), 200);
    let other = rusqlite::Connection::open(env.database()).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    crate::harness::wait_until("health to fail", || health() == 503);
    assert_eq!(page.get("/schedules").status, 200, "others are still answered");
    other.execute_batch("ROLLBACK").unwrap();
    crate::harness::wait_until("health again", || health() == 200);
}

#[test]
fn a_server_exits_with_6_after_damage_that_only_the_page_finds() {
    let env = Env::new();
    create(&env, "bad", "true");
    let page = Page::start(&env, &[]);
    let connection = rusqlite::Connection::open(env.database()).unwrap();
    connection.execute("UPDATE schedule SET alerts = 'x'", []).unwrap();
    drop(connection);
    for path in ["/schedules", "/api/v1/schedules", "/schedules"] {
        assert_eq!(page.get(path).status, 500, "{path}");
    }
    page.server.signal("TERM");
    assert_eq!(page.server.wait().0, Some(6));
}
