//! `tempo log`: everything that happened, in order, with and without a server.

use std::io::{BufRead as _, BufReader};
use std::process::Stdio;

use serde_json::Value;

use crate::harness::{Env, ended, wait_until};

/// The events, each as its kind and message.
fn messages(env: &Env, args: &[&str]) -> Vec<(String, String)> {
    let events = env.json(&[&["log"], args].concat());
    let text = |event: &Value, key: &str| event[key].as_str().unwrap_or_default().to_owned();
    let events = events.as_array().unwrap();
    events.iter().map(|e| (text(e, "event"), text(e, "message"))).collect()
}

fn kinds(env: &Env, args: &[&str]) -> Vec<String> {
    messages(env, args).into_iter().map(|(kind, _)| kind).collect()
}

fn create(env: &Env, id: &str, shell: &str) {
    let yearly = ["--cron", "0 0 1 1 *"];
    env.tempo(&[&["schedule", "create", id], &yearly[..], &["--shell", shell]].concat())
        .ok();
}

#[test]
fn shows_a_failure_with_its_retry_its_output_and_its_incident() {
    let env = Env::new();
    let action = [
        "--attempts",
        "2",
        "--retry-initial-interval",
        "20ms",
        "--shell",
        "echo one; echo two; exit 3",
    ];
    env.tempo(&[&["schedule", "create", "s", "--cron", "0 0 1 1 *"], &action[..]].concat())
        .ok();
    env.tempo(&["schedule", "trigger", "s"]).ok();
    assert_eq!(env.serve(&["--once"]).wait().0, Some(1));
    env.tempo(&["incident", "ack", "1", "--note", "known"]).ok();
    env.tempo(&["incident", "resolve", "1"]).ok();
    let messages = messages(&env, &["s"]);
    let kinds: Vec<&str> = messages.iter().map(|(kind, _)| kind.as_str()).collect();
    assert_eq!(
        kinds,
        ["create", "trigger", "start", "retry", "incident", "finish", "ack", "resolved"]
    );
    assert_eq!(messages[3].1, "attempt 1 failed: exit 3; retrying in 20 ms");
    assert_eq!(messages[4].1, "incident 1 opened: exit 3");
    assert!(messages[5].1.starts_with("Failed in "), "{}", messages[5].1);
    assert_eq!(messages[6].1, "incident 1 acknowledged: known");
    let failed = env.json(&["log", "--failed"]);
    let steps: Vec<&Value> = failed.as_array().unwrap().iter().map(|e| &e["step"]).collect();
    assert_eq!(
        steps,
        ["command", "command"]
            .map(Value::from)
            .iter()
            .chain([&Value::Null])
            .collect::<Vec<_>>()
    );
    assert_eq!(failed[0]["output"], serde_json::json!(["one", "two"]));
    let text = env.tempo(&["log", "--failed"]).ok();
    assert!(
        text.contains("command: attempt 1 failed: exit 3") && text.contains("| two\n"),
        "{text}"
    );
}

#[test]
fn shows_changes_of_receivers_without_their_values() {
    let env = Env::new();
    let file = |url: &str| {
        let text = format!("[[notify]]\nname = \"ops\"\nwebhook = \"http://127.0.0.1/{url}\"\n");
        std::fs::write(env.path("f.toml"), text).unwrap();
        env.tempo(&["apply", "-f", "f.toml"]).ok();
    };
    file("token-1");
    file("token-1");
    file("token-2");
    env.tempo(&["notify", "add", "mine", "--webhook", "http://127.0.0.1/token-3"])
        .ok();
    env.tempo(&["notify", "remove", "mine"]).ok();
    std::fs::write(env.path("f.toml"), "").unwrap();
    env.tempo(&["apply", "-f", "f.toml", "--prune"]).ok();
    let expected = [
        ("notify-add", "receiver ops added"),
        ("notify-update", "receiver ops changed: webhook"),
        ("notify-add", "receiver mine added"),
        ("notify-remove", "receiver mine removed"),
        ("notify-remove", "receiver ops removed"),
    ]
    .map(|(kind, message)| (kind.to_owned(), message.to_owned()));
    assert_eq!(messages(&env, &[]), expected);
}

#[test]
fn a_deletion_reports_the_starts_and_backfills_that_it_drops() {
    let env = Env::new();
    let create = ["schedule", "create", "s", "--cron", "0 0 1 1 *", "--overlap", "buffer-all"];
    env.tempo(&[&create[..], &["--shell", "until [ -e stop ]; do sleep 0.05; done"]].concat())
        .ok();
    let server = env.serve(&[]);
    env.tempo(&["schedule", "trigger", "s"]).ok();
    env.wait_for_json(&["status"], |status| status["running"].as_array().unwrap().len() == 1);
    env.tempo(&["schedule", "trigger", "s"]).ok();
    env.wait_for_json(&["schedule", "describe", "s"], |s| s["buffer_size"] == 1);
    let list = env.tempo(&["schedule", "list"]).ok();
    assert!(list.lines().next().unwrap().ends_with("RUNNING  WAITING"), "{list}");
    server.kill();
    env.tempo(&["schedule", "trigger", "s"]).ok();
    env.tempo(&[
        "schedule",
        "backfill",
        "s",
        "--start-time",
        "2020-01-01",
        "--end-time",
        "2024-01-01",
    ])
    .ok();
    std::fs::write(env.path("stop"), "").unwrap();
    let deleted = env.tempo(&["schedule", "delete", "s"]).ok();
    assert_eq!(
        deleted,
        "Deleted schedule s; 1 run still running, 2 starts dropped, 1 backfill canceled\n"
    );
    let messages = messages(&env, &["s"]);
    assert_eq!(messages[messages.len() - 2].1, "backfill canceled");
    assert_eq!(
        messages[messages.len() - 1].1,
        "deleted; 1 run still running, 2 starts dropped"
    );
}

#[test]
fn shows_changes_pauses_skips_and_deletion_even_when_the_schedule_is_gone() {
    let env = Env::new();
    create(&env, "s", "sleep 30");
    env.tempo(&["schedule", "update", "s", "--interval", "1s", "--overlap", "skip"])
        .ok();
    let mut server = env.serve(&[]);
    server.wait_for_log("skip");
    env.tempo(&["schedule", "pause", "s", "--note", "holiday"]).ok();
    let run = env.json(&["workflow", "list"])[0]["run_id"].as_str().unwrap().to_owned();
    env.tempo(&["workflow", "terminate", &run, "--reason", "enough"]).ok();
    server.wait_for_log("finish");
    env.tempo(&["schedule", "delete", "s"]).ok();
    let messages = messages(&env, &["s"]);
    let message = |kind: &str| {
        let found = messages.iter().find(|(k, _)| k == kind);
        found.unwrap_or_else(|| panic!("no {kind} in {messages:?}")).1.as_str()
    };
    assert_eq!(message("update"), "interval: none → 1s");
    assert!(
        message("skip").starts_with("from 2") && message("skip").ends_with("Z: the previous run was still running"),
        "{messages:?}"
    );
    // The range of another schedule may take the key of the deleted one.
    env.tempo(&["schedule", "create", "other", "--interval", "1s", "--shell", "sleep 30"])
        .ok();
    server.wait_for_log("skip");
    let again: Vec<_> = env
        .json(&["log", "s"])
        .as_array()
        .unwrap()
        .iter()
        .map(|e| e["message"].clone())
        .collect();
    assert_eq!(
        again,
        messages
            .iter()
            .map(|(_, message)| Value::from(message.as_str()))
            .collect::<Vec<_>>()
    );
    let all = env.json(&["log", "s"]);
    assert!(all.as_array().unwrap().iter().all(|e| e["schedule_id"] == "s"), "{all:#}");
    assert!(
        kinds(&env, &["--failed"]).is_empty(),
        "a run that was terminated on request did not fail"
    );
    assert_eq!(message("pause"), "paused: holiday");
    assert_eq!(message("terminate"), "termination requested: enough");
    assert!(message("finish").starts_with("Terminated in "), "{messages:?}");
    assert_eq!(messages.last().unwrap().1, "deleted");
    // By run, only what that run did.
    assert_eq!(kinds(&env, &[&run]), ["start", "terminate", "step", "finish"]);
    let missing = env.tempo(&["log", "t"]);
    assert_eq!((missing.code, missing.stdout.as_str()), (Some(3), ""), "{}", missing.stderr);
}

#[test]
fn reports_how_each_server_ended_and_what_it_left() {
    let env = Env::new();
    create(&env, "s", "test -e go || { touch go; sleep 300; }");
    env.tempo(&["schedule", "trigger", "s"]).ok();
    let server = env.serve(&[]);
    let pid = server.pid();
    wait_until("the command", || env.path("go").exists());
    server.kill();
    assert_eq!(env.serve(&["--once"]).wait().0, Some(0));
    let messages = messages(&env, &[]);
    let kinds: Vec<&str> = messages.iter().map(|(kind, _)| kind.as_str()).collect();
    assert_eq!(
        kinds,
        [
            "create", "trigger", "serving", "start", "crash", "serving", "lost", "resume", "step", "finish", "stopped"
        ]
    );
    let crash = format!("the server with pid {pid} did not stop cleanly; the last event before was at ");
    assert!(messages[4].1.starts_with(&crash), "{}", messages[4].1);
    assert_eq!(messages[6].1, "the server stopped during attempt 1");
    assert_eq!(messages[7].1, "resumed with attempt 2");
}

#[test]
fn shows_the_steps_of_a_script() {
    let env = Env::new();
    let tempo = env!("CARGO_BIN_EXE_tempo");
    let script = format!("{tempo} step one -- true && {tempo} sleep 10ms --name nap && {tempo} step two -- sh -c 'exit 4'");
    create(&env, "s", &script);
    env.tempo(&["schedule", "trigger", "s"]).ok();
    assert_eq!(env.serve(&["--once"]).wait().0, Some(1));
    let scripts: Vec<_> = messages(&env, &["s"])
        .into_iter()
        .filter(|(kind, _)| kind == "script")
        .collect();
    let messages: Vec<&str> = scripts.iter().map(|(_, message)| message.as_str()).collect();
    assert_eq!(
        messages,
        [
            "script step `one`: ok",
            "script step `nap`: slept 10ms",
            "script step `two`: attempt 1 failed: exit 4"
        ]
    );
    assert_eq!(kinds(&env, &["--failed"]), ["script", "incident", "finish"]);
}

#[test]
fn a_restored_backup_of_a_live_server_reports_no_crash() {
    let env = Env::new();
    create(&env, "s", "true");
    let server = env.serve(&[]);
    env.tempo(&["doctor", "--backup", "b.db"]).ok();
    server.signal("TERM");
    assert_eq!(server.wait().0, Some(0));
    env.tempo(&["doctor", "--restore", "b.db"]).ok();
    assert_eq!(env.serve(&["--once"]).wait().0, Some(0));
    let messages = messages(&env, &[]);
    let kinds: Vec<&str> = messages.iter().map(|(kind, _)| kind.as_str()).collect();
    assert_eq!(kinds, ["create", "serving", "stopped", "serving", "stopped"]);
    assert_eq!(messages[2].1, "restored from a backup");
}

#[test]
fn log_since_shows_times_that_did_not_run() {
    let env = Env::new();
    env.tempo(&["schedule", "create", "s", "--interval", "1s", "--shell", "sleep 300"])
        .ok();
    let mut server = env.serve(&["--drain-timeout", "0s"]);
    server.wait_for_log("skip");
    let later = tempo::clock::Clock::now(&tempo::clock::SystemClock);
    let since = later.to_rfc3339();
    server.wait_for_log("skip");
    server.wait_for_log("skip");
    // One event for all of them, from before.
    let events = env.json(&["log", "s", "--since", &since]);
    assert_eq!(
        (events[0]["event"].as_str(), events.as_array().unwrap().len()),
        (Some("skip"), 1),
        "{events:#}"
    );
    assert!(
        events[0]["at"]
            .as_str()
            .unwrap()
            .parse::<chrono::DateTime<chrono::Utc>>()
            .unwrap()
            < later
    );
}

#[test]
fn selects_by_time_and_number_and_rejects_invalid_times() {
    let env = Env::new();
    create(&env, "a", "true");
    create(&env, "b", "true");
    assert_eq!(kinds(&env, &["--since", "yesterday", "--until", "+1m"]), ["create", "create"]);
    assert_eq!(kinds(&env, &["--since", "-1h", "--limit", "1"]), ["create"]);
    assert_eq!(env.json(&["log", "--limit", "1"])[0]["schedule_id"], "b");
    assert!(kinds(&env, &["--until", "yesterday 18:00"]).is_empty());
    for args in [
        &["log", "--since", "noonish"][..],
        &["log", "--since", "now", "--until", "-1h"],
        &["log", "--follow", "-o", "json"],
    ] {
        let refused = env.tempo(args);
        assert_eq!(refused.code, Some(2), "{args:?}: {}", refused.stderr);
    }
    let nothing = Env::new();
    assert_eq!(nothing.json(&["log"]), serde_json::json!([]));
    assert_eq!(nothing.tempo(&["log", "--follow"]).code, Some(3));
}

#[test]
fn follows_events_as_they_are_committed_by_other_processes() {
    let env = Env::new();
    create(&env, "a", "true");
    let mut follower = env
        .command(&["log", "--follow", "-o", "jsonl"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(follower.stdout.take().unwrap()).lines();
    let mut next = || -> Value { serde_json::from_str(&lines.next().unwrap().unwrap()).unwrap() };
    assert_eq!(next()["schedule_id"], "a");
    create(&env, "b", "true");
    env.tempo(&["schedule", "pause", "a", "--note", "why"]).ok();
    assert_eq!(next()["schedule_id"], "b");
    assert_eq!(next()["message"], "paused: why");
    follower.kill().unwrap();
    follower.wait().unwrap();
}

#[test]
fn following_ends_with_an_error_when_the_database_is_moved_away() {
    let env = Env::new();
    env.tempo(&["schedule", "create", "s", "--interval", "1h", "--", "true"]).ok();
    let mut follower = env.command(&["log", "--follow"]);
    let mut follower = follower.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut first = String::new();
    BufReader::new(follower.stdout.as_mut().unwrap())
        .read_line(&mut first)
        .unwrap();
    assert!(first.contains("create"), "{first}");
    std::fs::rename(env.database(), env.path("moved.db")).unwrap();
    let output = ended(follower);
    assert_eq!(output.status.code(), Some(6));
    assert!(
        String::from_utf8_lossy(&output.stderr).contains("was deleted, moved, replaced or overwritten"),
        "{output:?}"
    );
}

#[test]
fn other_commands_take_the_same_times() {
    let env = Env::new();
    env.tempo(&["schedule", "create", "s", "--interval", "1h", "--shell", "true"])
        .ok();
    for args in [
        &["schedule", "explain", "s", "--from", "yesterday 18:00", "--to", "today"][..],
        &["schedule", "backfill", "s", "--start-time", "today", "--end-time", "today"],
        &["workflow", "list", "--since", "mon 09:00"],
    ] {
        env.tempo(args).ok();
    }
    let refused = env.tempo(&["workflow", "list", "--since", "someday"]);
    assert!(
        refused.code == Some(2) && refused.stderr.contains("`yesterday 18:00`"),
        "{refused:?}"
    );
}
