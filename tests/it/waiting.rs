//! `--wait` and its exit codes; backfills under each policy; cancel and terminate.

use crate::harness::{Env, Targets, is_alive, wait_until};

fn env_with(args: &[&str]) -> Env {
    let env = Env::new();
    // Paused, so that no scheduled time starts during the test.
    let create = [&["schedule", "create", "s", "--interval", "1m", "--paused"], args].concat();
    env.tempo(&create).ok();
    env
}

#[test]
fn waiting_without_a_server_records_nothing() {
    let env = env_with(&["--shell", "true"]);
    for args in [
        ["schedule", "trigger", "s", "--wait"].as_slice(),
        &["schedule", "backfill", "s", "--last", "5m", "--wait"],
    ] {
        let ran = env.tempo(args);
        assert_eq!(ran.code, Some(5), "{args:?}: {ran:?}");
        assert!(ran.stderr.contains("nothing was recorded"), "{ran:?}");
    }
    let (code, log) = env.serve(&["--for", "200ms"]).wait();
    assert_eq!(code, Some(0));
    assert!(!log.contains("triggered") && !log.contains("backfill"), "{log}");
}

#[test]
fn a_trigger_without_a_server_waits_for_the_next_one() {
    let env = env_with(&["--shell", "echo done"]);
    let ran = env.tempo(&["schedule", "trigger", "s"]);
    assert!(ran.stderr.contains("The server is not running"), "{ran:?}");
    let mut server = env.serve(&["--once"]);
    server.wait_for_log("triggered");
    let (code, _) = server.wait();
    assert_eq!(code, Some(0));
    assert_eq!(env.json(&["workflow", "list"])[0]["status"], "Completed");
}

#[test]
fn wait_exits_with_the_outcome_of_the_run() {
    let env = env_with(&["--shell", "exit $(cat code)"]);
    let _server = env.serve(&[]);
    for (code, expected) in [("0", 0), ("3", 1)] {
        std::fs::write(env.path("code"), code).unwrap();
        assert_eq!(
            env.tempo(&["schedule", "trigger", "s", "--wait"]).code,
            Some(expected),
            "exit {code}"
        );
    }
    env.tempo(&["schedule", "update", "s", "--shell", "sleep 30"]).ok();
    assert_eq!(
        env.tempo(&["schedule", "trigger", "s", "--wait", "--timeout", "100ms"]).code,
        Some(124)
    );
    let skipped = env.tempo(&["schedule", "trigger", "s", "--wait"]);
    assert_eq!(skipped.code, Some(4), "{skipped:?}");
    assert!(skipped.stderr.contains("the previous run was still running"), "{skipped:?}");
}

#[test]
fn a_backfill_runs_each_time_once_oldest_first() {
    let env = env_with(&["--shell", "echo $TEMPO_SCHEDULED_AT >> times"]);
    let _server = env.serve(&[]);
    let range = ["--start-time", "2026-01-01T00:00:00Z", "--end-time", "2026-01-01T00:04:00Z"];
    for policy in ["buffer-all", "allow-all"] {
        let args = [
            &["schedule", "backfill", "s"],
            &range[..],
            &["--overlap-policy", policy, "--wait"],
        ]
        .concat();
        let view = env.json(&args);
        assert_eq!(
            (view["times"].as_u64(), view["runs"].as_array().unwrap().len()),
            (Some(5), 5),
            "{policy}"
        );
    }
    let times = env.wait_for_lines("times", 10);
    let expected: Vec<String> = (0..5).map(|m| format!("2026-01-01T00:0{m}:00Z")).collect();
    assert_eq!(times[..5], expected, "buffer-all: in order");
    let mut parallel = times[5..].to_vec();
    parallel.sort();
    assert_eq!(parallel, expected, "allow-all: each once");
    let args = [
        &["schedule", "backfill", "s"],
        &range[..],
        &["--overlap-policy", "skip", "--wait"],
    ]
    .concat();
    assert_eq!(env.json(&args)["runs"].as_array().unwrap().len(), 1);
    assert_eq!(env.json(&["schedule", "describe", "s"])["num_actions_skipped_overlap"], 4);
}

#[test]
fn canceling_a_run_sends_sigterm_and_ends_its_process_group() {
    let env = env_with(&[
        "--overlap-policy",
        "allow-all",
        "--shell",
        "trap 'echo term >> log' TERM; sleep 300 & echo $! > child; echo up >> log; wait",
    ]);
    let mut server = env.serve(&[]);
    env.tempo(&["schedule", "trigger", "s"]).ok();
    assert_eq!(env.wait_for_lines("log", 1), ["up"]);
    let run = env.json(&["workflow", "list"])[0]["run_id"].as_str().unwrap().to_owned();
    let pid = std::fs::read_to_string(env.path("child")).unwrap();
    env.tempo(&["workflow", "cancel", &run]).ok();
    server.wait_for_log("finish");
    assert_eq!(env.json(&["workflow", "describe", &run])["status"], "Canceled");
    assert_eq!(env.wait_for_lines("log", 2), ["up", "term"]);
    wait_until("the grandchild to exit", || !is_alive(pid.trim()));
    assert_eq!(
        env.json(&["incident", "list"]),
        serde_json::json!([]),
        "canceling is not an incident"
    );
}

#[test]
fn a_probe_waiting_for_a_response_can_be_canceled() {
    let env = Env::new();
    let targets = Targets::start(&env);
    let mut server = env.serve(&[]);
    let probe = format!("slow={} timeout=50s", targets.url("/delay/50"));
    env.tempo(&[
        "workflow",
        "start",
        "--workflow-id",
        "w",
        "--start-to-close-timeout",
        "50s",
        "--probe",
        &probe,
    ])
    .ok();
    server.wait_for_log("start");
    env.tempo(&["workflow", "cancel", "w"]).ok();
    server.wait_for_log("Canceled");
    assert_eq!(
        env.json(&["workflow", "describe", "w"])["steps"][0]["attempts"][0]["outcome"],
        "canceled"
    );
}

#[test]
fn cancel_other_cancels_the_running_run_and_starts_the_newest() {
    let env = env_with(&["--overlap-policy", "cancel-other", "--shell", "echo up >> log; sleep 300"]);
    let mut server = env.serve(&[]);
    env.tempo(&["schedule", "trigger", "s"]).ok();
    env.wait_for_lines("log", 1);
    env.tempo(&["schedule", "trigger", "s"]).ok();
    server.wait_for_log("Canceled");
    env.wait_for_lines("log", 2);
    let runs = env.wait_for_json(&["workflow", "list"], |r| {
        r[0]["status"] == "Running" && r[1]["status"] == "Canceled"
    });
    assert_eq!(runs.as_array().unwrap().len(), 2);
    let newest = runs[0]["run_id"].as_str().unwrap();
    env.tempo(&["workflow", "terminate", newest]).ok();
    env.wait_for_json(&["workflow", "list"], |r| r[0]["status"] == "Terminated");
}

#[test]
fn a_run_waiting_for_a_retry_uses_no_worker_and_can_be_canceled() {
    let env = env_with(&["--shell", "exit 1", "--attempts", "3", "--retry-initial-interval", "1h"]);
    let mut server = env.serve(&["--workers", "1"]);
    env.tempo(&["schedule", "trigger", "s"]).ok();
    server.wait_for_log("retry");
    env.tempo(&["workflow", "start", "--workflow-id", "other", "--wait", "--shell", "true"])
        .ok();
    let run = env.json(&["workflow", "list", "--schedule", "s"])[0]["run_id"]
        .as_str()
        .unwrap()
        .to_owned();
    env.tempo(&["workflow", "cancel", &run]).ok();
    env.wait_for_json(&["workflow", "list", "--schedule", "s"], |r| r[0]["status"] == "Canceled");
}

#[test]
fn output_is_stored_with_secrets_masked() {
    let env = env_with(&[
        "--env",
        "TOKEN=env:SECRET",
        "--shell",
        "echo token $TOKEN; echo to stderr >&2; echo $TEMPO_SCHEDULE_ID $TEMPO_ATTEMPT",
    ]);
    let mut command = env.command(&["run", "--once"]);
    env.tempo(&["schedule", "trigger", "s"]).ok();
    let ran = command.env("SECRET", "hunter2").output().unwrap();
    assert!(ran.status.success());
    let run = env.json(&["workflow", "list"])[0]["run_id"].as_str().unwrap().to_owned();
    assert_eq!(env.tempo(&["workflow", "output", &run]).ok(), "token ***\nto stderr\ns 1\n");
    assert!(!String::from_utf8_lossy(&std::fs::read(env.database()).unwrap()).contains("hunter2"));
}

#[test]
fn a_failing_command_fails_the_run_unless_on_failure_is_continue() {
    let env = Env::new();
    let _server = env.serve(&[]);
    for (on_failure, status, last) in [("fail", "Failed", "Pending"), ("continue", "Completed", "Completed")] {
        let steps = format!(
            "[[step]]\nname = \"a\"\nshell = \"exit 3\"\non_failure = \"{on_failure}\"\n[[step]]\nname = \"b\"\ncommand = [\"true\"]\n"
        );
        std::fs::write(env.path("steps.toml"), steps).unwrap();
        let ran = env.tempo(&["-o", "json", "workflow", "start", "--wait", "--steps", "steps.toml"]);
        assert_eq!(ran.code, Some(1));
        let run: serde_json::Value = serde_json::from_str(&ran.stdout).unwrap();
        assert_eq!(
            (run["status"].as_str(), run["steps"][1]["status"].as_str()),
            (Some(status), Some(last)),
            "{on_failure}"
        );
        assert_eq!(run["result"]["a"], "incident: exit 3");
    }
}

#[test]
fn a_request_is_not_confused_with_one_of_a_deleted_schedule() {
    let env = Env::new();
    let _server = env.serve(&[]);
    env.tempo(&["schedule", "create", "a", "--interval", "1h", "--shell", "false"])
        .ok();
    env.tempo(&["schedule", "create", "b", "--interval", "1h", "--shell", "true"])
        .ok();
    assert_eq!(env.tempo(&["schedule", "trigger", "a", "--wait"]).code, Some(1));
    assert_eq!(env.json(&["status"])["incidents_open"], 1);
    env.tempo(&["schedule", "delete", "a"]).ok();
    assert_eq!(
        env.json(&["status"])["incidents_open"],
        0,
        "incidents of a deleted schedule are closed"
    );
    assert_eq!(
        env.json(&["schedule", "trigger", "b", "--wait"])["runs"]
            .as_array()
            .unwrap()
            .len(),
        1
    );
}

/// Creates a schedule with short runs, and a backfill of one time per second over two days.
fn with_a_large_backfill(env: &Env) {
    env.tempo(&[
        "schedule",
        "create",
        "big",
        "--interval",
        "1s",
        "--paused",
        "--shell",
        "sleep 0.2",
    ])
    .ok();
    env.tempo(&["schedule", "create", "small", "--interval", "1h", "--shell", "true"])
        .ok();
    env.tempo(&[
        "schedule",
        "backfill",
        "big",
        "--last",
        "48h",
        "--overlap-policy",
        "allow-all",
    ])
    .ok();
}

#[test]
fn a_large_backfill_does_not_delay_other_schedules() {
    let env = Env::new();
    with_a_large_backfill(&env);
    let _server = env.serve(&["--workers", "4"]);
    env.wait_for_json(&["schedule", "describe", "big"], |s| s["num_actions"].as_u64() > Some(4));
    env.tempo(&["schedule", "trigger", "small", "--wait", "--timeout", "20s"])
        .ok();
    let big = env.json(&["schedule", "describe", "big"]);
    let open = big["running_actions"].as_array().unwrap().len();
    assert!(open <= 500, "{open} runs are open");
    assert_eq!(big["backfills"][0]["times"], 172_800);
}

#[test]
fn run_for_exits_on_time_with_work_left() {
    let env = Env::new();
    with_a_large_backfill(&env);
    let (code, log) = env.serve(&["--for", "1s", "--workers", "4"]).wait();
    assert_eq!(code, Some(0), "{log}");
    let big = env.json(&["schedule", "describe", "big"]);
    assert!(big["backfills"][0]["done"].as_u64() < Some(172_800), "{big}");
}

#[test]
fn a_huge_backfill_requires_yes_and_shows_the_count() {
    let env = Env::new();
    env.tempo(&["schedule", "create", "s", "--interval", "1s", "--paused", "--shell", "true"])
        .ok();
    let backfill = [
        "schedule",
        "backfill",
        "s",
        "--start-time",
        "2000-01-01",
        "--end-time",
        "2026-01-01",
    ];
    let ran = env.tempo(&backfill);
    assert_eq!(ran.code, Some(2), "{ran:?}");
    assert!(
        ran.stderr.contains("820,540,801 times") && ran.stderr.contains("--yes"),
        "{ran:?}"
    );
    assert_eq!(env.json(&["schedule", "describe", "s"])["backfills"], serde_json::json!([]));
    env.tempo(&[&backfill[..], &["--yes"]].concat()).ok();
}

#[test]
fn waiting_for_a_worker_is_shown_for_the_run_and_the_times_it_skips() {
    let env = Env::new();
    env.tempo(&[
        "workflow",
        "start",
        "--workflow-id",
        "long",
        "--shell",
        "until test -e go; do sleep 0.1; done",
    ])
    .ok();
    let _server = env.serve(&["--workers", "1"]);
    env.wait_for_json(&["workflow", "describe", "long"], |run| {
        run["waiting_for_worker_since"].is_null()
    });
    env.tempo(&["schedule", "create", "s", "--interval", "1s", "--shell", "true"])
        .ok();
    let times = env.wait_for_json(&["schedule", "explain", "s"], |times| times[1]["outcome"] == "skipped");
    assert_eq!(times[1]["reason"], "the previous run was still waiting for a worker");
    let run = times[0]["run_id"].as_str().unwrap();
    let waiting = env.json(&["workflow", "describe", run]);
    assert_eq!(waiting["waiting_for_worker_since"], waiting["started_at"]);
    assert_eq!(waiting.get("lateness_ms"), None);
    assert!(
        env.tempo(&["workflow", "describe", run])
            .ok()
            .contains("Running, waiting for a worker since")
    );
    std::fs::write(env.path("go"), "").unwrap();
    let done = env.wait_for_json(&["workflow", "describe", run], |run| run["status"] == "Completed");
    assert_eq!(done["waiting_for_worker_since"], serde_json::Value::Null);
    let ms = |at: &serde_json::Value| {
        at.as_str()
            .unwrap()
            .parse::<chrono::DateTime<chrono::Utc>>()
            .unwrap()
            .timestamp_millis()
    };
    let began = ms(&done["steps"][0]["attempts"][0]["started_at"]);
    // The second time was skipped before the first run began.
    assert_eq!(done["lateness_ms"].as_i64(), Some(began - ms(&done["due_at"])));
    assert!(began > ms(&times[1]["from"]), "{done}");
    let text = env.tempo(&["workflow", "describe", run]).ok();
    assert!(text.contains(" late\n"), "{text}");
}

#[test]
fn a_command_that_waits_while_the_database_is_moved_fails_as_the_server_does() {
    let env = env_with(&["--shell", "touch up; sleep 300"]);
    let server = env.serve(&[]);
    let mut waiting = env.command(&["schedule", "trigger", "s", "--wait"]);
    let waiting = waiting
        .stderr(std::process::Stdio::piped())
        .stdout(std::process::Stdio::null())
        .spawn()
        .unwrap();
    wait_until("the run", || env.path("up").exists());
    std::fs::rename(env.database(), env.path("away.db")).unwrap();
    assert_eq!(server.wait().0, Some(6));
    let ended = waiting.wait_with_output().unwrap();
    let stderr = String::from_utf8_lossy(&ended.stderr);
    assert_eq!(ended.status.code(), Some(6), "{stderr}");
    assert!(stderr.contains("was deleted, moved, replaced or overwritten"), "{stderr}");
}
