//! Pruning: the history that is deleted and the history that is kept.

use serde_json::{Value, json};

use crate::harness::Env;

/// Creates a schedule with six runs, the first four of which failed.
fn with_history(env: &Env) {
    let shell = "echo $TEMPO_SCHEDULED_AT; test -e go";
    env.tempo(&["schedule", "create", "s", "--cron", "0 0 1 1 *", "--shell", shell])
        .ok();
    for n in 0..6 {
        if n == 4 {
            std::fs::write(env.path("go"), "").unwrap();
        }
        env.tempo(&["schedule", "trigger", "s"]).ok();
        let _ = env.serve(&["--once"]).wait();
    }
}

fn statuses(env: &Env) -> Vec<Value> {
    let runs = env.json(&["workflow", "list", "--limit", "0"]);
    runs.as_array().unwrap().iter().map(|r| r["status"].clone()).collect()
}

fn count(env: &Env, table: &str) -> i64 {
    let file = rusqlite::Connection::open(env.database()).unwrap();
    let sql = format!("SELECT count(*) FROM {table}");
    file.query_row(&sql, [], |r| r.get(0)).unwrap()
}

#[test]
fn keeps_the_last_runs_and_failures_and_deletes_the_rest_with_all_its_rows() {
    let env = Env::new();
    with_history(&env);
    assert_eq!(statuses(&env).len(), 6, "nothing is a month old");
    assert_eq!(
        env.serve(&["--once", "--keep-for", "0s", "--keep-runs", "1"]).wait().0,
        Some(0)
    );
    assert_eq!(statuses(&env), ["Completed", "Failed"]);
    for (table, left) in [
        ("step", 2),
        ("attempt", 2),
        ("output", 2),
        ("incident", 0),
        ("occurrence", 0),
        ("request", 0),
    ] {
        assert_eq!(count(&env, table), left, "{table}");
    }
    let schedule = env.json(&["schedule", "describe", "s"]);
    assert_eq!(schedule["num_actions"], 6, "counters are unchanged");
    assert_eq!(
        env.serve(&["--once", "--keep-for", "0s", "--keep-runs", "0"]).wait().0,
        Some(0)
    );
    assert_eq!(
        statuses(&env),
        ["Completed"],
        "the last run stays, so that its key is not reused"
    );
    // The events of the run that is left, the start of the last server, by which the next one knows how it ended, and its stop, the newest.
    assert_eq!(kinds(&env), ["start", "step", "finish", "serving", "stopped"]);
}

fn kinds(env: &Env) -> Vec<Value> {
    let events = env.json(&["log", "--limit", "0"]);
    events.as_array().unwrap().iter().map(|e| e["event"].clone()).collect()
}

#[test]
fn events_are_pruned_with_their_runs_or_by_age() {
    let env = Env::new();
    with_history(&env);
    let before = kinds(&env);
    assert_eq!(before.iter().filter(|kind| *kind == "start").count(), 6);
    assert_eq!(
        env.serve(&["--once", "--keep-for", "0s", "--keep-runs", "2"]).wait().0,
        Some(0)
    );
    let after = kinds(&env);
    // Two runs, and two of the failures before them.
    assert_eq!(after.iter().filter(|kind| *kind == "start").count(), 4, "{after:?}");
    assert!(!after.contains(&json!("create")), "{after:?}");
}

#[test]
fn keeps_old_events_that_still_apply() {
    let env = Env::new();
    for id in ["s", "t"] {
        env.tempo(&["schedule", "create", id, "--interval", "1s", "--shell", "true"])
            .ok();
    }
    env.tempo(&["schedule", "pause", "s", "--note", "first"]).ok();
    env.tempo(&["schedule", "unpause", "s"]).ok();
    env.tempo(&["schedule", "pause", "s", "--note", "holiday"]).ok();
    env.tempo(&["schedule", "trigger", "t"]).ok();
    env.serve(&["--once"]).wait();
    env.tempo(&["schedule", "delete", "t"]).ok();
    env.serve(&["--once", "--keep-for", "0s", "--keep-runs", "1"]).wait();
    let events = env.json(&["log", "--limit", "0"]);
    let of = |kind: &str| {
        let events = events.as_array().unwrap().iter();
        let messages: Vec<_> = events.filter(|e| e["event"] == kind).map(|e| e["message"].clone()).collect();
        messages
    };
    assert_eq!(of("pause"), ["paused: holiday"], "{events:#}");
    assert_eq!(of("unpause"), Vec::<Value>::new());
    assert_eq!(of("delete").len(), 1, "runs of `t` are stored: {events:#}");
    assert!(env.tempo(&["log", "t"]).ok().contains("deleted"));
}

#[test]
fn a_server_prunes_while_running_and_keeps_open_runs() {
    let env = Env::new();
    with_history(&env);
    env.tempo(&["workflow", "start", "--workflow-id", "w", "--shell", "sleep 300"])
        .ok();
    let _server = env.serve(&["--keep-for", "0s", "--keep-runs", "0"]);
    env.wait_for_json(&["workflow", "list", "--limit", "0"], |runs| {
        let left = runs.as_array().unwrap();
        left.len() == 1 && left[0]["status"] == "Running"
    });
}

#[test]
fn a_run_with_a_pending_retry_is_not_pruned() {
    let env = Env::new();
    env.tempo(&["workflow", "start", "--workflow-id", "w", "--shell", "test -e go"])
        .ok();
    env.tempo(&["workflow", "start", "--workflow-id", "last", "--shell", "true"])
        .ok();
    let _ = env.serve(&["--once"]).wait();
    std::fs::write(env.path("go"), "").unwrap();
    env.tempo(&["workflow", "retry", "w"]).ok();
    let mut server = env.serve(&["--keep-for", "0s", "--keep-runs", "0"]);
    server.wait_for_log("w  Completed");
}

#[test]
fn explain_notes_that_reasons_were_pruned() {
    let env = Env::new();
    let create = [
        "schedule",
        "create",
        "s",
        "--interval",
        "1s",
        "--paused",
        "--note",
        "x",
        "--shell",
        "true",
    ];
    env.tempo(&create).ok();
    let created = env.json(&["schedule", "describe", "s"])["created_at"]
        .as_str()
        .unwrap()
        .to_owned();
    let first = env.wait_for_json(&["schedule", "explain", "s"], |a| !a.as_array().unwrap().is_empty())[0].clone();
    assert_eq!(first["outcome"], json!("paused"), "{first}");
    env.tempo(&["schedule", "update", "s", "--clear", "interval", "--cron", "0 0 1 1 *"])
        .ok();
    env.tempo(&["schedule", "unpause", "s"]).ok();
    assert_eq!(env.serve(&["--once"]).wait().0, Some(0));
    assert!(count(&env, "refused") > 0);
    let explained = || env.tempo(&["schedule", "explain", "s", "--from", &created]);
    assert!(!explained().stderr.contains("is incomplete"));
    assert_eq!(env.serve(&["--once", "--keep-for", "0s"]).wait().0, Some(0));
    assert_eq!(count(&env, "refused"), 0);
    let ran = explained();
    assert!(ran.stderr.contains("is incomplete"), "{ran:?}");
}

#[test]
fn a_lost_attempt_counts_with_the_time_that_it_took() {
    let env = Env::new();
    let shell = "echo up >> log; sleep 0.3; echo still >> log; exec sleep 300";
    std::fs::write(
        env.path("s.toml"),
        format!("[[step]]\nname = 's'\nshell = '{shell}'\non_lost = 'fail'\n"),
    )
    .unwrap();
    env.tempo(&["schedule", "create", "s", "--cron", "0 0 1 1 *", "--steps", "s.toml"])
        .ok();
    env.tempo(&["schedule", "trigger", "s"]).ok();
    let server = env.serve(&[]);
    env.wait_for_lines("log", 2);
    server.kill();
    assert_eq!(env.serve(&["--once"]).wait().0, Some(1));
    let took = env.json(&["incident", "list"])[0]["elapsed_ms"].as_u64().unwrap();
    assert!(took > 0);
    assert_eq!(env.json(&["schedule", "describe", "s"])["statistics"][0]["slowest_ms"], took);
}

#[test]
fn statistics_include_recent_runs_and_survive_pruning() {
    let env = Env::new();
    env.tempo(&["schedule", "create", "s", "--cron", "0 0 1 1 *", "--shell", "test -e go"])
        .ok();
    let of_schedule = || env.json(&["schedule", "describe", "s"])["statistics"][0].clone();
    let numbers = |statistics: &Value| ["ok", "failed"].map(|key| statistics[key].as_u64().unwrap());
    env.tempo(&["schedule", "trigger", "s"]).ok();
    // The server sums at its start and once a minute: what it runs now is counted from the events.
    let server = env.serve(&[]);
    env.wait_for_json(&["workflow", "list"], |runs| runs[0]["status"] == "Failed");
    assert_eq!(numbers(&of_schedule()), [0, 1]);
    server.kill();
    std::fs::write(env.path("go"), "").unwrap();
    for _ in 0..2 {
        env.tempo(&["schedule", "trigger", "s"]).ok();
        assert_eq!(
            env.serve(&["--once", "--keep-for", "0s", "--keep-runs", "0"]).wait().0,
            Some(0)
        );
    }
    assert_eq!(count(&env, "run"), 1, "the others are pruned");
    let statistics = of_schedule();
    assert_eq!((numbers(&statistics), &statistics["step"]), ([2, 1], &json!("command")));
    assert!(
        statistics["p50_ms"].as_u64() <= statistics["slowest_ms"].as_u64(),
        "{statistics}"
    );
    let text = env.tempo(&["schedule", "describe", "s"]).ok();
    assert!(text.contains("last 30 days: 2 of 3 ok (66.66%), p50 "), "{text}");
    env.tempo(&["schedule", "delete", "s"]).ok();
    assert_eq!(count(&env, "rollup"), 0);
}
