//! Incidents that open after several failures, close after several successes, and reminders of them; schedules that do not succeed.

use serde_json::Value;

use crate::harness::{Env, wait_until};

/// Runs the schedule `s` once; its step fails while the file `broken` exists.
fn run_once(env: &Env, broken: bool) {
    if broken {
        std::fs::write(env.path("broken"), "").unwrap();
    } else {
        let _ = std::fs::remove_file(env.path("broken"));
    }
    env.tempo(&["schedule", "trigger", "s"]).ok();
    let code = env.tempo(&["run", "--once"]).code;
    assert_eq!(code, Some(i32::from(broken)));
}

fn open_incidents(env: &Env) -> Value {
    env.json(&["incident", "list"])
}

#[test]
fn an_incident_opens_after_several_failures_and_is_resolved_after_several_successes() {
    let env = Env::new();
    let steps = "[[step]]\nname = \"a\"\nshell = \"test ! -e broken\"\nresolve_after = 2\n";
    std::fs::write(env.path("steps.toml"), steps).unwrap();
    let cwd = env.path(".").display().to_string();
    env.tempo(&[
        "schedule",
        "create",
        "s",
        "--allow-never",
        "--steps",
        "steps.toml",
        "--cwd",
        &cwd,
        "--open-after",
        "3",
    ])
    .ok();
    env.tempo(&[
        "notify",
        "add",
        "log",
        "--event",
        "opened,resolved",
        "--",
        "/bin/sh",
        "-c",
        "cat >> told",
    ])
    .ok();
    // A success in between begins anew.
    for broken in [true, true, false, true, true] {
        run_once(&env, broken);
        assert_eq!(open_incidents(&env), Value::Array(Vec::new()));
    }
    let log = env.json(&["log", "s", "--failed"]);
    let last = log
        .as_array()
        .unwrap()
        .iter()
        .rev()
        .find(|e| e["event"] == "failing")
        .unwrap();
    assert_eq!(last["message"], "failed 2 times in a row; no incident yet: exit 1");
    run_once(&env, true);
    let incident = env.json(&["incident", "describe", "1"]);
    assert_eq!(
        (incident["count"].as_u64(), incident["occurrences"].as_array().map(Vec::len)),
        (Some(3), Some(3))
    );
    assert_eq!(incident["first_detected_at"], incident["occurrences"][0]["detected_at"]);
    // One success is too few, and a failure begins anew.
    for broken in [false, true, false] {
        run_once(&env, broken);
        assert_eq!(open_incidents(&env)[0]["status"], "open");
    }
    run_once(&env, false);
    assert_eq!(open_incidents(&env), Value::Array(Vec::new()));
    let told = std::fs::read_to_string(env.path("told")).unwrap();
    let events: Vec<Value> = told.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let events: Vec<_> = events
        .iter()
        .map(|e| (e["event"].as_str().unwrap(), e["incident"]["count"].as_u64().unwrap()))
        .collect();
    assert_eq!(events, [("opened", 3), ("resolved", 4)]);
}

#[test]
fn a_schedule_that_never_fires_is_found_and_reminders_end_with_an_acknowledgment() {
    let env = Env::new();
    let create = [
        "schedule",
        "create",
        "s",
        "--allow-never",
        "--expect-within",
        "1s",
        "--remind",
        "1s",
        "--label",
        "prod",
        "--shell",
        "true",
    ];
    env.tempo(&create).ok();
    let add = |name: &str, label: &str| {
        let line = format!("cat >> {name}");
        env.tempo(&[
            "notify",
            "add",
            name,
            "--label",
            label,
            "--group-wait",
            "0s",
            "--",
            "/bin/sh",
            "-c",
            &line,
        ])
        .ok();
    };
    add("prod", "prod");
    add("test", "test");
    let mut server = env.serve(&[]);
    server.wait_for_log("has not succeeded for");
    let told = || std::fs::read_to_string(env.path("prod")).unwrap_or_default();
    wait_until("two reminders", || told().matches("\"event\":\"reminded\"").count() >= 2);
    let incident = env.json(&["incident", "list"])[0].clone();
    assert_eq!(
        (incident["target_name"].as_str(), incident["schedule_id"].as_str()),
        (Some("(no success)"), Some("s"))
    );
    assert!(
        incident["run_id"].is_null() && incident["error"].as_str().unwrap().contains("expected within 1 s"),
        "{incident}"
    );
    env.tempo(&["incident", "ack", "1"]).ok();
    env.tempo(&["schedule", "trigger", "s", "--wait"]).ok();
    server.wait_for_log("the schedule has succeeded again");
    wait_until("the end", || told().contains("\"event\":\"resolved\""));
    assert!(
        told().lines().all(|line| line.contains("\"labels\":[\"prod\"]")),
        "{}",
        told()
    );
    assert!(!env.path("test").exists());
    let described = env.json(&["schedule", "describe", "s"]);
    assert_eq!(
        (described["expect_within"].as_str(), described["labels"][0].as_str()),
        (Some("1s"), Some("prod"))
    );
    env.tempo(&["schedule", "update", "s", "--clear", "expect-within", "--clear", "label"])
        .ok();
    assert!(env.json(&["schedule", "describe", "s"]).get("expect_within").is_none());
    for (flag, value, part) in [
        ("--open-after", "0", "`--open-after`: must be greater than zero"),
        ("--open-after", "soon", "soon"),
        ("--resolve-after", "0", "`--resolve-after`: must be at least 1"),
        ("--remind", "1ms", "must be at least 1s"),
        ("--expect-within", "x", "`x`"),
        ("--label", " ", "invalid label"),
    ] {
        let ran = env.tempo(&["schedule", "update", "s", flag, value]);
        assert!(ran.code == Some(2) && ran.stderr.contains(part), "{flag} {value}: {ran:?}");
    }
}

#[test]
fn resolving_an_overdue_incident_restarts_expect_within() {
    let env = Env::new();
    env.tempo(&[
        "schedule",
        "create",
        "s",
        "--allow-never",
        "--expect-within",
        "1s",
        "--shell",
        "true",
    ])
    .ok();
    env.tempo(&[
        "notify",
        "add",
        "log",
        "--group-wait",
        "0s",
        "--",
        "/bin/sh",
        "-c",
        "cat >> told",
    ])
    .ok();
    let mut server = env.serve(&[]);
    server.wait_for_log("has not succeeded for");
    env.tempo(&["incident", "resolve", "1"]).ok();
    server.wait_for_log("has not succeeded for");
    wait_until("three messages", || {
        std::fs::read_to_string(env.path("told")).unwrap_or_default().lines().count() >= 3
    });
    let told = std::fs::read_to_string(env.path("told")).unwrap();
    let message = |line: &str| {
        serde_json::from_str::<Value>(line).unwrap()["message"]
            .as_str()
            .unwrap()
            .to_owned()
    };
    let told: Vec<String> = told.lines().map(message).collect();
    assert!(
        told[0].starts_with("s has not succeeded for") && told[1].contains("incident resolved after"),
        "{told:?}"
    );
    // The log of the schedule has all of it.
    let events = env.json(&["log", "s"]);
    assert!(
        events.as_array().unwrap().iter().any(|e| e["event"] == "resolved"),
        "{events}"
    );
    // A longer time that has not passed yet resolves it.
    env.tempo(&["schedule", "update", "s", "--expect-within", "1h"]).ok();
    assert_eq!(open_incidents(&env), Value::Array(Vec::new()));
}

#[test]
fn a_failure_that_opens_no_incident_yet_is_not_counted_as_a_success() {
    let env = Env::new();
    let create = [
        "schedule",
        "create",
        "s",
        "--allow-never",
        "--shell",
        "exit 1",
        "--open-after",
        "3",
    ];
    env.tempo(&create).ok();
    let _server = env.serve(&[]);
    for number in 1..=4 {
        assert_eq!(env.tempo(&["schedule", "trigger", "s", "--wait"]).code, Some(1));
        let statistics = &env.json(&["schedule", "describe", "s"])["statistics"][0];
        assert_eq!(
            (&statistics["ok"], &statistics["failed"]),
            (&0.into(), &number.into()),
            "{statistics}"
        );
    }
}

#[test]
fn a_failed_step_without_an_incident_is_not_called_one() {
    let env = Env::new();
    let steps = "[[step]]\nname = \"a\"\nshell = \"test ! -e broken\"\non_failure = \"continue\"\n";
    std::fs::write(env.path("steps.toml"), steps).unwrap();
    let cwd = env.path(".").display().to_string();
    let create = [
        "schedule",
        "create",
        "s",
        "--allow-never",
        "--steps",
        "steps.toml",
        "--cwd",
        &cwd,
        "--open-after",
        "2",
    ];
    env.tempo(&create).ok();
    for result in ["failed: exit 1", "incident: exit 1"] {
        run_once(&env, true);
        let run = &env.json(&["workflow", "list"])[0];
        assert_eq!(run["result"]["a"], result);
        let status = "  Completed, 1 failed step  ";
        let list = env.tempo(&["workflow", "list"]).ok();
        assert!(
            list.lines().nth(1).unwrap().contains(status) && list.contains("  a: exit 1"),
            "{list}"
        );
        let described = env.tempo(&["schedule", "describe", "s"]).ok();
        assert!(described.contains(status), "{described}");
    }
    assert_eq!(
        env.json(&["schedule", "describe", "s"])["recent_actions"][0]["failed_steps"],
        1
    );
}

#[test]
fn a_schedule_is_paused_after_several_failed_runs_in_a_row() {
    let env = Env::new();
    let shell = format!("test ! -e {}", env.path("broken").display());
    let create = [
        "schedule",
        "create",
        "s",
        "--allow-never",
        "--note",
        "own",
        "--pause-after",
        "2",
        "--shell",
        &shell,
    ];
    env.tempo(&create).ok();
    let paused = || env.json(&["schedule", "describe", "s"])["paused"] == true;
    // A success in between begins anew, and so does unpausing.
    for broken in [true, false, true] {
        run_once(&env, broken);
        assert!(!paused());
    }
    run_once(&env, true);
    assert!(paused());
    let described = env.json(&["schedule", "describe", "s"]);
    let note = described["note"].as_str().unwrap();
    assert!(note.starts_with("paused after 2 failed runs in a row: s-"), "{note}");
    env.tempo(&["schedule", "unpause", "s"]).ok();
    run_once(&env, true);
    assert!(!paused());
    assert_eq!(env.json(&["schedule", "describe", "s"])["note"], "own");
    // A run that fails again when it is retried is one failed run.
    let run = env.json(&["workflow", "list", "--limit", "1"])[0]["run_id"]
        .as_str()
        .unwrap()
        .to_owned();
    env.tempo(&["workflow", "retry", &run]).ok();
    assert_eq!(env.tempo(&["run", "--once"]).code, Some(1));
    assert!(!paused());
    env.tempo(&["schedule", "update", "s", "--clear", "pause-after"]).ok();
    run_once(&env, true);
    assert!(!paused());
    let both = env.tempo(&["schedule", "update", "s", "--pause-after", "3", "--pause-on-failure"]);
    assert!(
        both.code == Some(2) && both.stderr.contains("cannot be used together"),
        "{both:?}"
    );
    let probe = [
        "schedule",
        "create",
        "p",
        "--interval",
        "1h",
        "--pause-after",
        "3",
        "--probe",
        "a=http://127.0.0.1:9/",
    ];
    assert!(env.tempo(&probe).stderr.contains("no step fails its run"));
    let refused = env.tempo(&["schedule", "update", "s", "--pause-after", "0"]);
    assert!(
        refused.code == Some(2) && refused.stderr.contains("must be from 1 to 1000"),
        "{refused:?}"
    );
}
