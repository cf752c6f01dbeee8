//! Deliveries: receivers that answer, fail, hang and come back; servers that are killed.

use std::net::TcpListener;

use serde_json::Value;

use super::webhook::{Webhook, failing_schedule, run_of};
use crate::harness::{Env, Targets, wait_until};

#[test]
fn a_webhook_gets_opened_and_resolved_and_a_retry_keeps_its_idempotency_key() {
    let env = Env::new();
    // The first answer is an error; the message is sent again.
    let hook = Webhook::start(|number| Some(if number == 1 { 503 } else { 204 }));
    failing_schedule(&env, "backup");
    env.tempo(&["notify", "add", "chat", "--webhook", &hook.url(), "--group-wait", "0s"])
        .ok();
    let mut server = env.serve(&[]);
    run_of(&env, "backup");
    let got = hook.wait_for(2);
    server.wait_for_log("unexpected status 503");
    let opened = got[1].json();
    assert_eq!(got[0].body, got[1].body);
    assert_eq!(got[1].header("idempotency-key"), opened["id"].as_str().unwrap());
    assert_eq!(got[1].path, "/hook/secret-path");
    for (pointer, value) in [
        ("/event", "opened"),
        ("/schedule_id", "backup"),
        ("/incident/target_name", "command"),
        ("/incident/error", "exit 3"),
        ("/incident/status", "open"),
    ] {
        assert_eq!(
            opened.pointer(pointer).and_then(Value::as_str),
            Some(value),
            "{pointer} of {opened}"
        );
    }
    let incident = env.json(&["incident", "describe", "1"]);
    for (field, value) in opened["incident"].as_object().unwrap() {
        assert_eq!(incident.get(field), Some(value), "{field}");
    }
    assert_eq!(opened["run_id"], incident["run_id"]);
    // A second failure of the same incident is not told.
    run_of(&env, "backup");
    std::fs::remove_file(env.path("broken")).unwrap();
    run_of(&env, "backup");
    let got = hook.wait_for(3);
    let resolved = got[2].json();
    assert_eq!(
        (resolved["event"].as_str(), resolved["incident"]["count"].as_u64()),
        (Some("resolved"), Some(2))
    );
    let listed = env.wait_for_json(&["notify", "list"], |list| list[0]["pending"] == 0);
    assert_eq!(
        (listed[0]["failed"].as_u64(), listed[0]["last_error"].as_str()),
        (Some(0), None)
    );
    assert_eq!(listed[0]["target"], format!("http://127.0.0.1:{}/…", hook.port));
}

#[test]
fn a_receiver_that_hangs_delays_neither_the_others_nor_a_start_nor_the_stop() {
    let env = Env::new();
    let (hanging, hook) = (Webhook::start(|_| None), Webhook::start(|_| Some(200)));
    failing_schedule(&env, "a");
    env.tempo(&["schedule", "create", "b", "--interval", "1s", "--shell", "echo x >> ticks"])
        .ok();
    for (name, receiver) in [("bad", &hanging), ("good", &hook)] {
        env.tempo(&["notify", "add", name, "--webhook", &receiver.url(), "--group-wait", "0s"])
            .ok();
    }
    let server = env.serve(&[]);
    run_of(&env, "a");
    hanging.wait_for(1);
    std::fs::remove_file(env.path("broken")).unwrap();
    run_of(&env, "a");
    assert_eq!(hook.wait_for(2)[1].json()["event"], "resolved");
    env.wait_for_lines("ticks", 2);
    // The hanging receiver gets its second message only after the first.
    assert_eq!(hanging.got().len(), 1);
    server.signal("TERM");
    assert_eq!(server.wait().0, Some(0));
    let pending = env.json(&["notify", "list", "--pending"]);
    let events: Vec<_> = pending
        .as_array()
        .unwrap()
        .iter()
        .map(|m| m["event"].as_str().unwrap())
        .collect();
    assert_eq!(events, ["opened", "resolved"]);
}

#[test]
fn a_message_survives_a_killed_server_and_a_receiver_that_was_down() {
    let env = Env::new();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    failing_schedule(&env, "a");
    let url = format!("http://127.0.0.1:{port}/");
    env.tempo(&[
        "notify",
        "add",
        "r",
        "--webhook",
        &url,
        "--group-wait",
        "0s",
        "--events",
        "opened,server-recovered",
    ])
    .ok();
    let mut server = env.serve(&[]);
    run_of(&env, "a");
    server.wait_for_log("connection refused");
    server.kill();
    let pending = env.json(&["notify", "list", "--pending"]);
    let hook = Webhook::on(TcpListener::bind(("127.0.0.1", port)).unwrap(), |_| Some(200));
    let _server = env.serve(&[]);
    env.tempo(&["notify", "retry", "r"]).ok();
    let mut events: Vec<_> = hook.wait_for(2).iter().map(|r| r.json()["event"].to_string()).collect();
    events.sort();
    assert_eq!(events, ["\"opened\"", "\"server-recovered\""]);
    let id = pending[0]["id"].as_str().unwrap();
    assert!(hook.got().iter().any(|r| r.header("idempotency-key") == id));
}

#[test]
fn a_receiver_gets_earlier_events_once_its_definition_is_valid() {
    let env = Env::new();
    failing_schedule(&env, "a");
    let (chat, other) = (Webhook::start(|_| Some(200)), Webhook::start(|_| Some(200)));
    for (name, hook) in [("chat", &chat), ("other", &other)] {
        env.tempo(&["notify", "add", name, "--webhook", &hook.url(), "--group-wait", "0s"])
            .ok();
    }
    // As if the zone of its quiet hours were gone.
    let sql = "UPDATE receiver SET definition = json_set(definition, '$.quiet_hours', '22:00-07:00', '$.time_zone', 'Mars/Olympus') WHERE name = 'chat'";
    rusqlite::Connection::open(env.database()).unwrap().execute(sql, []).unwrap();
    let out = env.tempo(&["notify", "list"]);
    assert_eq!(out.code, Some(6));
    assert!(out.stdout.contains("other"), "{}", out.stdout);
    assert!(
        out.stderr.contains("receiver `chat`: the stored definition is not valid"),
        "{}",
        out.stderr
    );
    let server = env.serve_after(&format!("exec 2>'{}'", env.path("errors").display()), "");
    run_of(&env, "a");
    other.wait_for(1);
    std::fs::remove_file(env.path("broken")).unwrap();
    run_of(&env, "a");
    other.wait_for(2);
    server.signal("TERM");
    server.wait();
    let errors = std::fs::read_to_string(env.path("errors")).unwrap();
    assert_eq!(errors.matches("receiver `chat`").count(), 1, "{errors}");
    assert!(chat.got().is_empty());
    env.tempo(&["notify", "add", "bad", "--webhook", &other.url()]).ok();
    let sql = "UPDATE receiver SET definition = '{}' WHERE name = 'bad'";
    rusqlite::Connection::open(env.database()).unwrap().execute(sql, []).unwrap();
    assert_eq!(env.tempo(&["notify", "remove", "bad"]).ok(), "Removed receiver bad\n");
    let sql = "UPDATE receiver SET definition = json_remove(definition, '$.quiet_hours', '$.time_zone') WHERE name = 'chat'";
    rusqlite::Connection::open(env.database()).unwrap().execute(sql, []).unwrap();
    let _server = env.serve(&[]);
    let got = chat.wait_for(2);
    let events: Vec<_> = got.iter().map(|request| request.json()["event"].to_string()).collect();
    assert_eq!(events, ["\"opened\"", "\"resolved\""]);
    assert_eq!(other.got().len(), 2, "the other receiver gets it once");
}

#[test]
fn a_full_disk_while_deliveries_begin_withholds_no_message() {
    use rustix::process::{Pid, Resource, Rlimit, prlimit};
    let env = Env::new();
    let hook = Webhook::start(|_| Some(200));
    failing_schedule(&env, "s");
    for number in 0..12 {
        let (name, url) = (format!("n{number}"), hook.url());
        env.tempo(&["notify", "add", &name, "--webhook", &url, "--group-wait", "8s"])
            .ok();
    }
    let server = env.serve(&[]);
    run_of(&env, "s");
    let pending = || {
        let list = env.json(&["notify", "list", "--pending"]);
        list.as_array().unwrap().len()
    };
    wait_until("the messages", || pending() == 12);
    // Room for the beginnings of some deliveries.
    let log = std::fs::metadata(env.path("t.db-wal")).unwrap().len();
    let limit = |bytes: Option<u64>| {
        let limits = Rlimit {
            current: bytes,
            maximum: None,
        };
        prlimit(Pid::from_raw(server.pid().cast_signed()), Resource::Fsize, limits).unwrap();
    };
    limit(Some(log + 40_000));
    hook.wait_for(1);
    limit(None);
    let mut ids: Vec<String> = hook
        .wait_for(12)
        .iter()
        .map(|r| r.header("idempotency-key").to_owned())
        .collect();
    wait_until("all messages", || {
        ids = hook.got().iter().map(|r| r.header("idempotency-key").to_owned()).collect();
        ids.sort();
        ids.dedup();
        ids.len() == 12
    });
    wait_until("the acknowledgments", || pending() == 0);
}

#[test]
fn simultaneous_failures_are_sent_as_one_message() {
    let env = Env::new();
    let targets = Targets::start(&env);
    let hook = Webhook::start(|_| Some(200));
    let url = targets.url("/status/500");
    let probe = |n: i32| format!("[[schedule.step]]\nname = \"t{n}\"\nprobe = \"{url}\"\nretry = {{ maximum_attempts = 1 }}\n");
    let probes = (1..=40).map(probe).collect::<Vec<_>>().concat();
    let jobs = format!(
        "[[notify]]\nname = \"chat\"\nwebhook = \"{}\"\n[[schedule]]\nid = \"all\"\ninterval = \"1h\"\n{probes}",
        hook.url()
    );
    std::fs::write(env.path("jobs.toml"), jobs).unwrap();
    env.tempo(&["apply", "-f", "jobs.toml"]).ok();
    let _server = env.serve(&[]);
    run_of(&env, "all");
    let message = hook.wait_for(1)[0].json();
    assert_eq!(message["events"].as_array().map(Vec::len), Some(40));
    let text = message["message"].as_str().unwrap();
    assert!(
        text.starts_with("40 incidents opened:\n- all: `t1` failed: ") && text.ends_with("… and 20 more"),
        "{text}"
    );
    assert_eq!(hook.got().len(), 1);
}

#[test]
fn run_once_delivers_before_it_exits_and_a_command_gets_the_message_on_its_input() {
    let env = Env::new();
    failing_schedule(&env, "a");
    let script = "cat > got.json; printf '%s %s' \"$TEMPO_EVENT\" \"$TEMPO_SCHEDULE_ID\" > got.env";
    env.tempo(&["notify", "add", "file", "--", "/bin/sh", "-c", script]).ok();
    env.tempo(&[
        "notify",
        "add",
        "broken",
        "--",
        "/bin/sh",
        "-c",
        "echo no space left >&2; exit 1",
    ])
    .ok();
    env.tempo(&["schedule", "trigger", "a"]).ok();
    let ran = env.tempo(&["run", "--once"]);
    assert_eq!(ran.code, Some(1), "{ran:?}");
    assert!(ran.stdout.contains("exit 1: no space left; retrying"), "{ran:?}");
    let got: Value = serde_json::from_str(&std::fs::read_to_string(env.path("got.json")).unwrap()).unwrap();
    assert_eq!(
        (got["event"].as_str(), got["incident"]["id"].as_i64()),
        (Some("opened"), Some(1))
    );
    assert_eq!(std::fs::read_to_string(env.path("got.env")).unwrap(), "opened a");
    let state = env.json(&["notify", "list"]);
    let pending: Vec<_> = state
        .as_array()
        .unwrap()
        .iter()
        .map(|r| (r["name"].as_str(), r["pending"].as_u64()))
        .collect();
    assert_eq!(pending, [(Some("broken"), Some(1)), (Some("file"), Some(0))]);
}

#[test]
fn an_alerting_service_never_gets_the_end_of_an_incident_before_its_beginning() {
    let env = Env::new();
    let hook = Webhook::start(|number| Some(if number < 3 { 500 } else { 202 }));
    failing_schedule(&env, "a");
    let url = hook.url();
    env.tempo(&[
        "notify",
        "add",
        "pd",
        "--webhook",
        &url,
        "--template",
        "pagerduty",
        "--key",
        "K",
        "--group-wait",
        "0s",
    ])
    .ok();
    let _server = env.serve(&[]);
    run_of(&env, "a");
    hook.wait_for(1);
    std::fs::remove_file(env.path("broken")).unwrap();
    run_of(&env, "a");
    let actions: Vec<_> = hook
        .wait_for(4)
        .iter()
        .map(|r| r.json()["event_action"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(actions, ["trigger", "trigger", "trigger", "resolve"]);
}

#[test]
fn a_receiver_that_is_removed_during_a_delivery_takes_no_message_of_another_with_it() {
    let env = Env::new();
    let hook = Webhook::start(|_| Some(200));
    for id in ["a", "b"] {
        failing_schedule(&env, id);
    }
    let wait = format!(
        "cat > /dev/null; touch {0}/begun; while ! test -e {0}/go; do sleep 0.05; done",
        env.path("").display()
    );
    env.tempo(&[
        "notify",
        "add",
        "slow",
        "--schedule",
        "a",
        "--group-wait",
        "0s",
        "--",
        "/bin/sh",
        "-c",
        &wait,
    ])
    .ok();
    let url = hook.url();
    env.tempo(&[
        "notify",
        "add",
        "good",
        "--schedule",
        "b",
        "--group-wait",
        "3s",
        "--webhook",
        &url,
    ])
    .ok();
    let _server = env.serve(&[]);
    run_of(&env, "a");
    wait_until("the delivery", || env.path("begun").exists());
    assert!(
        env.tempo(&["notify", "remove", "slow"])
            .ok()
            .contains("1 undelivered message")
    );
    run_of(&env, "b");
    env.wait_for_json(&["notify", "list"], |list| list[0]["pending"] == 1);
    std::fs::write(env.path("go"), "").unwrap();
    assert_eq!(hook.wait_for(1)[0].json()["schedule_id"], "b");
}
