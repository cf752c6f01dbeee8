//! The JSON output of commands: exactly the documented fields.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::harness::{Env, Targets};

const SCHEDULE: &str = "id note paused paused_since spec spec_text dst_note time_zone jitter overlap_policy catchup_window pause_on_failure remaining_actions \
    action num_actions num_actions_skipped_overlap num_actions_missed_catchup_window num_actions_buffer_dropped buffer_size \
    running_actions backfills recent_actions last_action_scheduled_at last_action_started_at next_action_at next_action_times statistics \
    created_at updated_at";
const NOT_LISTED: [&str; 6] = [
    "spec",
    "dst_note",
    "action",
    "recent_actions",
    "next_action_times",
    "statistics",
];
const RUN: &str =
    "workflow_id run_id schedule_id scheduled_at due_at started_at closed_at status reason waiting_for_worker_since result steps";
pub(crate) const INCIDENT: &str = "id target_name target_url status_code error error_type elapsed_ms detected_at count first_detected_at status \
    note resolved_at schedule_id run_id";

#[track_caller]
pub(crate) fn assert_fields(value: &Value, fields: &str) {
    let got: BTreeSet<&str> = value
        .as_object()
        .unwrap_or_else(|| panic!("not an object: {value}"))
        .keys()
        .map(String::as_str)
        .collect();
    let expected: BTreeSet<&str> = fields.split_whitespace().collect();
    assert_eq!(got, expected);
}

#[track_caller]
fn is_instant(value: &Value) {
    let text = value.as_str().unwrap();
    assert!(
        text.ends_with('Z') && !text.contains(".000") && text.parse::<chrono::DateTime<chrono::Utc>>().is_ok(),
        "{text}"
    );
}

#[test]
fn explain_covers_every_time_once() {
    let env = Env::new();
    let args = [
        "schedule",
        "create",
        "s",
        "--interval",
        "1s",
        "--paused",
        "--note",
        "held for a test",
        "--overlap",
        "allow-all",
    ];
    env.tempo(&[&args[..], &["--", "true"]].concat()).ok();
    let explain = ["schedule", "explain", "s"];
    let paused = env.wait_for_json(&explain, |e| e[0]["count"].as_u64() >= Some(2));
    assert_fields(&paused[0], "from to count outcome reason run_id workflow_id");
    assert_eq!(paused[0]["outcome"], "paused");
    assert!(
        paused[0]["reason"].as_str().unwrap().ends_with(": held for a test"),
        "{paused}"
    );
    env.tempo(&["schedule", "unpause", "s"]).ok();
    env.wait_for_json(&explain, |e| e.as_array().unwrap().iter().any(|a| a["outcome"] == "pending"));
    env.tempo(&["run", "--once"]).ok();
    let now = env.json(&["schedule", "describe", "s"])["last_action_scheduled_at"].clone();
    let spans = env.json(&["schedule", "explain", "s", "--to", now.as_str().unwrap()]);
    let spans = spans.as_array().unwrap();
    let instant = |v: &Value| v.as_str().unwrap().parse::<chrono::DateTime<chrono::Utc>>().unwrap();
    let (first, last) = (&spans[0], &spans[spans.len() - 1]);
    let count: u64 = spans.iter().map(|a| a["count"].as_u64().unwrap()).sum();
    let seconds = (instant(&last["to"]) - instant(&first["from"])).num_seconds();
    assert_eq!(count, seconds.unsigned_abs() + 1, "each second once: {spans:?}");
    assert!(last["outcome"] == "started" && last["run_id"].is_string(), "{last}");
}

#[test]
fn simulate_prints_the_documented_json_and_records_nothing() {
    let env = Env::new();
    let policies = [
        "--overlap-policy",
        "buffer-one",
        "--catchup-window",
        "1m",
        "--remaining-actions",
        "5",
    ];
    let span = [
        "--takes",
        "3m",
        "--from",
        "2026-01-01T00:00:00Z",
        "--for",
        "20m",
        "--down",
        "2026-01-01T00:09:00Z..2026-01-01T00:13:00Z",
    ];
    let spec = ["--interval", "2m", "--exclude", r#"{"minute":"16"}"#];
    let views = env.json(&[&["schedule", "simulate"][..], &spec, &policies, &span].concat());
    let views = views.as_array().unwrap();
    assert_fields(&views[0], "scheduled_at at event reason");
    let events: Vec<_> = views
        .iter()
        .map(|v| {
            let minute = |key: &str| v[key].as_str().unwrap()[14..16].to_owned();
            format!("{} {} {}", minute("at"), v["event"].as_str().unwrap(), minute("scheduled_at"))
        })
        .collect();
    let expected = "02 start 02, 04 buffered 04, 05 close 02, 05 start 04, 06 buffered 06, 08 close 04, 08 start 06, 08 buffered 08, \
        13 missed 10, 13 skipped 12, 14 skipped 14, 16 close 06, 16 start 08, 16 excluded 16, 18 buffered 18, 19 close 08, 19 start 18, \
        20 exhausted 20";
    assert_eq!(events.join(", "), expected);
    assert!(!env.database().exists(), "nothing is recorded");
}

#[test]
fn schedule_json_has_the_documented_fields() {
    let env = Env::new();
    let created = env.json(&[
        "schedule",
        "create",
        "health",
        "--interval",
        "2m",
        "--jitter",
        "10s",
        "--overlap-policy",
        "BUFFER_ONE",
        "--catchup-window",
        "10m",
        "--note",
        "n",
        "--probe",
        "site=http://127.0.0.1:1/status/200 status=204 timeout=5s",
    ]);
    assert_fields(&created, SCHEDULE);
    assert_eq!(created["overlap_policy"], "buffer-one");
    assert_eq!(created["catchup_window"], "10m");
    assert_eq!(created["jitter"], "10s");
    assert_eq!(created["time_zone"], "UTC");
    assert_eq!(created["spec"], serde_json::json!({"interval": ["2m"], "jitter": "10s"}));
    assert_eq!(created["spec_text"], "every 2 min, up to 10 s later");
    assert_fields(&created["action"], "workflow_id run_timeout steps");
    assert_eq!(created["action"]["workflow_id"], "health");
    let step = &created["action"]["steps"][0];
    assert_eq!(
        step["probe"],
        serde_json::json!({"url": "http://127.0.0.1:1/status/200", "status": 204, "timeout": "5s"})
    );
    assert_eq!(created["next_action_times"].as_array().unwrap().len(), 10);
    is_instant(&created["next_action_at"]);
    assert_eq!(created["next_action_at"], created["next_action_times"][0]);
    assert_eq!(env.json(&["schedule", "describe", "health"]), created);
    let listed = env.json(&["schedule", "list"]);
    let brief: Vec<_> = SCHEDULE.split_whitespace().filter(|f| !NOT_LISTED.contains(f)).collect();
    assert_fields(&listed[0], &brief.join(" "));
    let updated = env.json(&[
        "schedule",
        "update",
        "health",
        "--note",
        "m",
        "--overlap",
        "AllowAll",
        "--cron",
        "0 9 * * *",
    ]);
    assert_eq!(
        (updated["note"].as_str(), updated["overlap_policy"].as_str()),
        (Some("m"), Some("allow-all"))
    );
    assert_eq!(updated["spec"]["interval"], serde_json::json!(["2m"]));
    assert_eq!(updated["spec"]["cron"], serde_json::json!(["0 9 * * *"]));
    let paused = env.json(&["schedule", "pause", "health", "--note", "w"]);
    assert_eq!(
        (paused[0]["paused"].as_bool(), paused[0]["note"].as_str()),
        (Some(true), Some("w"))
    );
    assert_eq!(paused[0]["next_action_times"], serde_json::json!([]));
    let unpaused = env.json(&["schedule", "unpause", "health"]);
    assert_eq!(
        (unpaused[0]["paused"].as_bool(), unpaused[0]["note"].as_str()),
        (Some(false), Some("m")),
        "the note of the pause goes with it"
    );
    assert_eq!(
        env.json(&["schedule", "delete", "health"]),
        serde_json::json!([{"id": "health", "still_running": 0}])
    );
    assert_eq!(env.json(&["schedule", "list"]), serde_json::json!([]));
}

#[test]
fn next_times_json_has_the_documented_fields() {
    let env = Env::new();
    let next = env.json(&[
        "schedule",
        "next",
        "--cron",
        "30 1 * * *",
        "--tz",
        "America/New_York",
        "--from",
        "2026-10-31T12:00:00Z",
        "--count",
        "3",
    ]);
    assert_fields(&next[0], "scheduled_at due_at local note");
    let at: Vec<_> = next
        .as_array()
        .unwrap()
        .iter()
        .map(|n| n["scheduled_at"].as_str().unwrap())
        .collect();
    assert_eq!(at, ["2026-11-01T05:30:00Z", "2026-11-01T06:30:00Z", "2026-11-02T06:30:00Z"]);
    assert_eq!(next[0]["local"], "2026-11-01T01:30:00-04:00");
    assert!(next[1]["note"].as_str().unwrap().contains("second of two times"));
    assert_eq!(next[2]["note"], Value::Null);
    let spring = [
        "schedule",
        "next",
        "--cron",
        "30 2 * * *",
        "--tz",
        "Europe/Berlin",
        "--from",
        "2026-03-28T12:00:00Z",
        "--count",
        "1",
    ];
    let note = env.json(&spring)[0]["note"].as_str().unwrap().to_owned();
    assert_eq!(note, "clocks go forward: 2026-03-29 02:30 does not exist; it is skipped");
}

#[test]
fn run_and_incident_json_has_the_documented_fields() {
    let env = Env::new();
    let targets = Targets::start(&env);
    let mut server = env.serve(&[]);
    let probes = [
        format!("ok={}", targets.url("/status/200")),
        format!("flaky={}", targets.url("/status/500")),
        format!("shaky={}", targets.url("/reset-twice")),
    ];
    let args: Vec<&str> = [
        "schedule",
        "create",
        "h",
        "--interval",
        "1h",
        "--retry-initial-interval",
        "10ms",
    ]
    .into_iter()
    .chain(probes.iter().flat_map(|p| ["--probe", p.as_str()]))
    .collect();
    env.tempo(&args).ok();
    let ran = env.tempo(&["-o", "json", "schedule", "trigger", "h", "--wait"]);
    assert_eq!(ran.code, Some(1), "an incident is not a success: {ran:?}");
    let request: Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_fields(&request, "schedule_id request_id runs");
    let error: Value = serde_json::from_str(&ran.stderr).unwrap();
    assert_fields(&error["error"], "kind message hints");
    assert_eq!(error["error"]["kind"], "failed");
    let run = &request["runs"][0];
    assert_eq!(run["status"], "Completed");
    assert_eq!(run["result"]["ok"], "ok status=200");
    assert_eq!(
        run["result"]["flaky"],
        format!("incident: unexpected status 500 from {}", targets.url("/status/500"))
    );
    let run_id = run["run_id"].as_str().unwrap();
    let described = env.json(&["workflow", "describe", &run_id[..8]]);
    assert_fields(&described, RUN);
    assert_fields(&described["steps"][0], "name kind status result steps attempts");
    let attempt = &described["steps"][0]["attempts"][0];
    assert_fields(
        attempt,
        "number started_at elapsed_ms outcome error_type error status_code exit_code output",
    );
    assert_eq!(
        (attempt["outcome"].as_str(), attempt["status_code"].as_i64()),
        (Some("ok"), Some(200))
    );
    let shaky = described["steps"][2]["attempts"].as_array().unwrap();
    let outcomes: Vec<_> = shaky
        .iter()
        .map(|a| (a["outcome"].as_str().unwrap(), a["error_type"].as_str()))
        .collect();
    assert_eq!(
        outcomes,
        [("failed", Some("Network")), ("failed", Some("Network")), ("ok", None)]
    );
    let listed = env.json(&["workflow", "list", "--schedule", "h"]);
    assert_fields(&listed[0], RUN.trim_end_matches(" steps"));
    assert_eq!(env.json(&["workflow", "result", run_id]), run["result"]);
    let incidents = env.json(&["incident", "list"]);
    assert_fields(&incidents[0], INCIDENT);
    assert_eq!(incidents[0]["target_url"], targets.url("/status/500"));
    assert_eq!(
        (incidents[0]["status_code"].as_i64(), incidents[0]["count"].as_i64()),
        (Some(500), Some(1))
    );
    let incident = env.json(&["incident", "describe", &incidents[0]["id"].to_string()]);
    assert_fields(&incident, &format!("{INCIDENT} occurrences"));
    assert_fields(
        &incident["occurrences"][0],
        "id target_name target_url status_code error error_type elapsed_ms detected_at",
    );
    let status = env.json(&["status"]);
    assert_fields(&status, "up pid since running next queued incidents_open incidents_acked");
    assert_eq!(
        (status["pid"].as_u64(), status["incidents_open"].as_i64()),
        (Some(u64::from(server.pid())), Some(1))
    );
    is_instant(&status["since"]);
    let backfill = env.json(&[
        "schedule",
        "backfill",
        "h",
        "--start-time",
        "2026-01-01T00:00:00Z",
        "--end-time",
        "2026-01-01T02:00:00Z",
    ]);
    assert_fields(&backfill, "schedule_id request_id runs start_time end_time times");
    assert_eq!(backfill["times"], 3);
    server.wait_for_log("finish");
}

#[test]
fn jsonl_prints_one_object_per_line_and_a_closed_pipe_exits_quietly() {
    let env = Env::new();
    for id in ["a", "b"] {
        env.tempo(&["schedule", "create", id, "--interval", "1h", "--shell", "true"])
            .ok();
    }
    let lines = env.tempo(&["-o", "jsonl", "schedule", "list"]).ok();
    let ids: Vec<Value> = lines
        .lines()
        .map(|l| serde_json::from_str::<Value>(l).unwrap()["id"].clone())
        .collect();
    assert_eq!(ids, ["a", "b"]);
    let piped = "\"$0\" man | head -c 1; exit ${PIPESTATUS[0]}";
    let ran = std::process::Command::new("bash")
        .args(["-c", piped, env!("CARGO_BIN_EXE_tempo")])
        .output()
        .unwrap();
    assert_eq!(
        (ran.status.code(), String::from_utf8_lossy(&ran.stderr).as_ref()),
        (Some(0), "")
    );
}

#[test]
fn a_relative_outage_is_relative_to_the_start_of_the_simulation() {
    let env = Env::new();
    let simulated = |down: &str| {
        let args = [
            "schedule",
            "simulate",
            "--interval",
            "1m",
            "--takes",
            "90s",
            "--from",
            "2026-12-01",
            "--for",
            "5m",
            "--down",
            down,
        ];
        env.json(&args)
    };
    let outage = simulated("+90s..+210s");
    assert_eq!(outage, simulated("2026-12-01T00:01:30Z..2026-12-01T00:03:30Z"));
    assert_ne!(outage, simulated("+1h..+2h"));
}
