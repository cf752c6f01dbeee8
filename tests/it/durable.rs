//! Recovery: SIGKILL during a step, and the next server.

use serde_json::Value;

use crate::harness::{Env, Targets, is_alive, is_long, wait_until};

fn outcomes(step: &Value) -> Vec<&str> {
    step["attempts"]
        .as_array()
        .unwrap()
        .iter()
        .map(|a| a["outcome"].as_str().unwrap_or("open"))
        .collect()
}

/// Waits for a number of whole seconds.
fn pass_seconds(env: &Env, seconds: i64) {
    let next = || -> chrono::DateTime<chrono::Utc> {
        let next = env.json(&["schedule", "next", "--interval", "1s", "--count", "1"]);
        next[0]["scheduled_at"].as_str().unwrap().parse().unwrap()
    };
    let end = next() + chrono::TimeDelta::seconds(seconds);
    wait_until("time to pass", || next() >= end);
}

/// Creates a schedule that fires every second, while no server is running.
fn every_second(env: &Env, more: &[&str]) {
    let create = ["schedule", "create", "s", "--interval", "1s"];
    env.tempo(&[&create, more].concat()).ok();
}

/// Replaces the spec with one that does not fire during the test.
fn once_a_year(env: &Env, more: &[&str]) {
    let update = ["schedule", "update", "s", "--clear", "interval", "--cron", "0 0 1 1 *"];
    env.tempo(&[&update, more].concat()).ok();
}

#[test]
fn resumes_at_the_interrupted_command_after_sigkill_and_kills_leftover_processes() {
    let env = Env::new();
    let steps = r#"
        [[step]]
        name = "dump"
        shell = "echo dump >> log"
        [[step]]
        name = "upload"
        shell = "echo upload >> log; test -e go || { sleep 300 & echo $! > child; echo $$ > leader; wait; }"
        [[step]]
        name = "report"
        shell = "echo report >> log"
    "#;
    std::fs::write(env.path("steps.toml"), steps).unwrap();
    env.tempo(&["schedule", "create", "s", "--interval", "1h", "--steps", "steps.toml"])
        .ok();
    env.tempo(&["schedule", "trigger", "s"]).ok();
    let before = env.json(&["schedule", "describe", "s"])["next_action_at"].clone();
    let server = env.serve(&[]);
    env.wait_for_lines("leader", 1);
    server.kill();
    let pid = |name: &str| std::fs::read_to_string(env.path(name)).unwrap().trim().to_owned();
    assert!(
        is_alive(&pid("leader")) && is_alive(&pid("child")),
        "the dead server's step is still running"
    );
    let run = env.json(&["workflow", "list"])[0]["run_id"].as_str().unwrap().to_owned();
    let interrupted = env.json(&["workflow", "describe", &run]);
    assert_eq!(
        (interrupted["status"].as_str(), outcomes(&interrupted["steps"][1])),
        (Some("Running"), vec!["open"])
    );
    std::fs::write(env.path("go"), "").unwrap();
    let mut server = env.serve(&[]);
    server.wait_for_log("processes it left running");
    assert!(
        !is_alive(&pid("leader")) && !is_alive(&pid("child")),
        "killed before the step is retried"
    );
    server.wait_for_log("resuming at step 2/3 upload");
    server.wait_for_log("Completed");
    assert_eq!(env.wait_for_lines("log", 4), ["dump", "upload", "upload", "report"]);
    let done = env.json(&["workflow", "describe", &run]);
    let all: Vec<_> = done["steps"].as_array().unwrap().iter().map(outcomes).collect();
    assert_eq!(all, [vec!["ok"], vec!["lost", "ok"], vec!["ok"]]);
    assert_eq!(
        env.json(&["schedule", "describe", "s"])["next_action_at"],
        before,
        "the next times are not lost"
    );
}

#[test]
fn resumes_at_the_interrupted_probe_after_sigkill() {
    let env = Env::new();
    let targets = Targets::start(&env);
    let probes = [
        format!("ok={}", targets.url("/status/200")),
        format!("slow={}", targets.url("/delay/2")),
        format!("last={}", targets.url("/status/200")),
    ];
    let args: Vec<&str> = ["workflow", "start", "--workflow-id", "w"]
        .into_iter()
        .chain(probes.iter().flat_map(|p| ["--probe", p.as_str()]))
        .collect();
    env.tempo(&args).ok();
    let server = env.serve(&[]);
    env.wait_for_json(&["workflow", "describe", "w"], |r| r["steps"][1]["status"] == "Running");
    server.kill();
    let mut server = env.serve(&["--once"]);
    server.wait_for_log("resuming at step 2/3 slow");
    assert_eq!(server.wait().0, Some(0));
    let run = env.json(&["workflow", "describe", "w"]);
    let all: Vec<_> = run["steps"].as_array().unwrap().iter().map(outcomes).collect();
    assert_eq!(all, [vec!["ok"], vec!["lost", "ok"], vec!["ok"]]);
    assert_eq!(
        run["result"],
        serde_json::json!({"ok": "ok status=200", "slow": "ok status=200", "last": "ok status=200"})
    );
}

#[test]
fn a_lost_step_with_on_lost_fail_is_not_retried() {
    let env = Env::new();
    let steps = "[[step]]\nname = \"once\"\nshell = \"echo once >> log; sleep 300\"\non_lost = \"fail\"\n";
    std::fs::write(env.path("steps.toml"), steps).unwrap();
    env.tempo(&["workflow", "start", "--workflow-id", "w", "--steps", "steps.toml"])
        .ok();
    let server = env.serve(&[]);
    env.wait_for_lines("log", 1);
    server.kill();
    let (_, log) = env.serve(&["--once"]).wait();
    assert!(log.contains("must not run twice"), "{log}");
    assert_eq!(env.wait_for_lines("log", 1), ["once"]);
    let run = env.json(&["workflow", "describe", "w"]);
    assert_eq!(
        (run["status"].as_str(), outcomes(&run["steps"][0])),
        (Some("Failed"), vec!["lost"])
    );
    assert_eq!(env.json(&["incident", "list"])[0]["error_type"], "WorkerLost");
}

#[test]
fn three_losses_in_a_row_fail_the_step() {
    let env = Env::new();
    env.tempo(&[
        "workflow",
        "start",
        "--workflow-id",
        "w",
        "--shell",
        "echo try >> log; sleep 300",
    ])
    .ok();
    for n in 1..=3 {
        let server = env.serve(&[]);
        env.wait_for_lines("log", n);
        server.kill();
    }
    assert!(env.serve(&["--once"]).wait().1.contains("three times in a row"));
    assert_eq!(env.json(&["workflow", "describe", "w"])["status"], "Failed");
    assert_eq!(env.wait_for_lines("log", 3).len(), 3);
}

#[test]
fn times_missed_during_an_outage_follow_the_catch_up_window() {
    let env = Env::new();
    every_second(&env, &["--catchup-window", "10m", "--shell", "true"]);
    pass_seconds(&env, 4);
    let (code, log) = env.serve(&["--once"]).wait();
    assert_eq!(code, Some(0), "{log}");
    let schedule = env.json(&["schedule", "describe", "s"]);
    assert_eq!(
        schedule["num_actions"], 1,
        "under skip, only the newest overdue time starts: {log}"
    );
    assert!(schedule["num_actions_skipped_overlap"].as_u64().unwrap() >= 2, "{schedule}");
    assert_eq!(schedule["num_actions_missed_catchup_window"], 0);
    assert!(log.contains("a newer time was due as well"), "{log}");
}

#[test]
fn a_change_during_an_outage_keeps_times_due_before_it() {
    let env = Env::new();
    every_second(&env, &["--overlap-policy", "allow-all", "--shell", "echo old >> log"]);
    pass_seconds(&env, 2);
    once_a_year(&env, &["--shell", "echo new >> log"]);
    assert_eq!(env.serve(&["--once"]).wait().0, Some(0));
    let log = env.wait_for_lines("log", 1);
    assert!(
        log.len() >= 2 && log.iter().all(|l| l == "old"),
        "due times before the change belong to the old definition: {log:?}"
    );
}

#[test]
fn two_changes_during_an_outage_keep_times_due_before_them() {
    let env = Env::new();
    every_second(&env, &["--overlap-policy", "allow-all", "--shell", "echo old >> log"]);
    pass_seconds(&env, 2);
    once_a_year(&env, &["--shell", "echo new >> log"]);
    env.tempo(&[
        "schedule",
        "update",
        "s",
        "--cron",
        "0 0 2 1 *",
        "--shell",
        "echo newer >> log",
    ])
    .ok();
    assert_eq!(env.serve(&["--once"]).wait().0, Some(0));
    let log = env.wait_for_lines("log", 1);
    assert!(log.iter().all(|l| l == "old"), "{log:?}");
}

#[test]
fn no_time_runs_twice_after_repeated_kills() {
    let env = Env::new();
    every_second(
        &env,
        &["--overlap-policy", "allow-all", "--shell", "echo $TEMPO_SCHEDULED_AT >> log"],
    );
    for _ in 0..4 {
        let mut server = env.serve(&[]);
        server.wait_for_log("tick");
        server.kill();
    }
    assert_eq!(env.serve(&["--once"]).wait().0, Some(0));
    let runs = env.json(&["workflow", "list", "--limit", "0"]);
    let mut times: Vec<_> = runs
        .as_array()
        .unwrap()
        .iter()
        .map(|r| r["scheduled_at"].as_str().unwrap())
        .collect();
    let all = times.len();
    times.sort_unstable();
    times.dedup();
    assert_eq!(times.len(), all);
    assert!(runs.as_array().unwrap().iter().all(|r| r["status"] == "Completed"), "{runs}");
}

#[test]
fn the_schedule_to_close_timeout_includes_outages() {
    let env = Env::new();
    env.tempo(&[
        "workflow",
        "start",
        "--workflow-id",
        "w",
        "--schedule-to-close-timeout",
        "2s",
        "--attempts",
        "5",
        "--shell",
        "echo try >> log; sleep 300",
    ])
    .ok();
    let server = env.serve(&[]);
    env.wait_for_lines("log", 1);
    server.kill();
    pass_seconds(&env, 3);
    assert_eq!(env.serve(&["--once"]).wait().0, Some(1));
    assert_eq!(
        env.wait_for_lines("log", 1).len(),
        1,
        "not started again only to time out at once"
    );
    let step = env.json(&["workflow", "describe", "w"])["steps"][0].clone();
    assert_eq!(step["result"], "incident: did not finish within 2 s, including retries");
}

#[test]
fn times_due_before_a_change_use_the_old_remaining_actions() {
    let env = Env::new();
    every_second(
        &env,
        &[
            "--overlap-policy",
            "allow-all",
            "--remaining-actions",
            "1",
            "--shell",
            "echo run >> log",
        ],
    );
    pass_seconds(&env, 3);
    once_a_year(&env, &["--remaining-actions", "9"]);
    assert_eq!(env.serve(&["--once"]).wait().0, Some(0));
    assert_eq!(env.wait_for_lines("log", 1).len(), 1);
    assert_eq!(env.json(&["schedule", "describe", "s"])["remaining_actions"], 9);
}

#[test]
fn unpause_offers_a_backfill_of_the_paused_span_only() {
    let env = Env::new();
    every_second(&env, &["--shell", "true"]);
    pass_seconds(&env, 2);
    let paused = env.json(&["schedule", "pause", "s"])[0]["updated_at"]
        .as_str()
        .unwrap()
        .to_owned();
    pass_seconds(&env, 2);
    let hint = env.tempo(&["schedule", "unpause", "s"]).stderr;
    let first = hint
        .split("--start-time ")
        .nth(1)
        .and_then(|h| h.split(' ').next())
        .unwrap_or_else(|| panic!("{hint}"));
    let instant = |t: &str| t.parse::<chrono::DateTime<chrono::Utc>>().unwrap();
    assert!(instant(first) > instant(&paused), "{hint} (paused at {paused})");
}

#[test]
fn times_older_than_the_catch_up_window_are_missed_after_a_suspend() {
    if !is_long() {
        return;
    }
    let env = Env::new();
    every_second(
        &env,
        &["--overlap-policy", "allow-all", "--catchup-window", "10s", "--shell", "true"],
    );
    let mut server = env.serve(&[]);
    server.wait_for_log("finish");
    server.signal("STOP");
    pass_seconds(&env, 15);
    server.signal("CONT");
    server.wait_for_log("miss");
    server.wait_for_log("finish");
    server.signal("TERM");
    assert_eq!(server.wait().0, Some(0));
    let schedule = env.json(&["schedule", "describe", "s"]);
    assert!(
        schedule["num_actions_missed_catchup_window"].as_u64().unwrap() >= 3,
        "{schedule}"
    );
    let explained = env.json(&["schedule", "explain", "s"]);
    let count = |outcome: &str| -> u64 {
        let spans = explained
            .as_array()
            .unwrap()
            .iter()
            .filter(|a| outcome.is_empty() || a["outcome"] == outcome);
        spans.map(|a| a["count"].as_u64().unwrap()).sum()
    };
    assert_eq!(count("missed"), schedule["num_actions_missed_catchup_window"]);
    assert_eq!(count("started"), schedule["num_actions"]);
    assert_eq!(
        count("started") + count("missed") + count("pending"),
        count(""),
        "{explained}"
    );
}

#[test]
fn waits_that_were_recorded_before_the_clock_was_set_back_do_not_last_longer() {
    let env = Env::new();
    let start = |id: &str, more: &[&str]| {
        env.tempo(&[&["workflow", "start", "--workflow-id", id], more].concat()).ok();
    };
    let retry = ["--attempts", "2", "--retry-initial-interval", "3s", "--shell", "test -e go"];
    start("retried", &retry);
    let sleep = format!("{} sleep 3s --name nap", env!("CARGO_BIN_EXE_tempo"));
    start("asleep", &["--shell", &sleep]);
    start("failed", &["--shell", "false"]);
    let receiver = [
        "notify",
        "add",
        "r",
        "--group-wait",
        "0s",
        "--",
        "sh",
        "-c",
        "test -e go && cat >> told",
    ];
    env.tempo(&receiver).ok();
    let server = env.serve(&[]);
    let file = rusqlite::Connection::open(env.database()).unwrap();
    let waits = "SELECT (SELECT count(*) FROM run WHERE phase = 'waiting') + (SELECT count(*) FROM script_step)
        + (SELECT count(*) FROM message WHERE status = 'pending' AND attempts > 0)";
    wait_until("three waits", || file.query_row(waits, [], |r| r.get(0)) == Ok(3));
    server.kill();
    // As if the clock had been a day ahead.
    file.execute_batch(
        "UPDATE run SET phase_ms = phase_ms + 86400000 WHERE phase = 'waiting';
        UPDATE script_step SET wake_ms = wake_ms + 86400000;
        UPDATE message SET created_ms = created_ms + 86400000, due_ms = due_ms + 86400000, attempted_ms = attempted_ms + 86400000",
    )
    .unwrap();
    drop(file);
    std::fs::write(env.path("go"), "").unwrap();
    let _server = env.serve(&[]);
    for id in ["retried", "asleep"] {
        let status = || env.json(&["workflow", "describe", id])["status"].clone();
        wait_until("the run to complete", || status() == "Completed");
    }
    assert!(env.wait_for_lines("told", 1)[0].contains("opened"));
}
