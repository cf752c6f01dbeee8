//! Incidents: opened, acknowledged, resolved.

use crate::contract::{INCIDENT, assert_fields};
use crate::harness::Env;

#[test]
fn an_open_incident_is_resolved_when_its_step_next_succeeds() {
    let env = Env::new();
    let _server = env.serve(&[]);
    env.tempo(&["schedule", "create", "s", "--interval", "1h", "--shell", "test -e there"])
        .ok();
    assert_eq!(env.tempo(&["schedule", "trigger", "s", "--wait"]).code, Some(1));
    assert_eq!(env.tempo(&["schedule", "trigger", "s", "--wait"]).code, Some(1));
    let open = env.json(&["incident", "list"]);
    assert_eq!(
        (open[0]["count"].as_i64(), open[0]["error_type"].as_str()),
        (Some(2), Some("NonZeroExit"))
    );
    assert_eq!(open[0]["target_url"], "test -e there");
    env.tempo(&["schedule", "update", "s", "--shell", "true"]).ok();
    let _ = env.tempo(&["schedule", "trigger", "s", "--wait"]).ok();
    assert_eq!(env.json(&["incident", "list"]), serde_json::json!([]));
    assert_eq!(env.json(&["incident", "list", "--all"])[0]["status"], "resolved");
}

#[test]
fn an_incident_is_acknowledged_and_resolved_and_the_next_failure_opens_another() {
    let env = Env::new();
    env.tempo(&["schedule", "create", "s", "--interval", "1h", "--shell", "exit 3"])
        .ok();
    let fail = || {
        env.tempo(&["schedule", "trigger", "s"]).ok();
        assert_eq!(env.tempo(&["run", "--once"]).code, Some(1));
    };
    fail();
    let acked = env.json(&["incident", "ack", "1", "--note", "on it"]);
    assert_fields(&acked, INCIDENT);
    assert_eq!(
        (acked["status"].as_str(), acked["note"].as_str()),
        (Some("acked"), Some("on it"))
    );
    fail();
    let counted = &env.json(&["incident", "list"])[0];
    assert_eq!(
        (counted["status"].as_str(), counted["count"].as_i64()),
        (Some("acked"), Some(2)),
        "it stays acknowledged and counts the failure"
    );
    let resolved = env.json(&["incident", "resolve", "1"]);
    assert_eq!(
        (resolved["status"].as_str(), resolved["note"].as_str()),
        (Some("resolved"), Some("on it"))
    );
    assert!(resolved["resolved_at"].is_string());
    assert_eq!(env.tempo(&["incident", "ack", "1"]).code, Some(4), "it is already resolved");
    assert_eq!(env.tempo(&["incident", "resolve", "7"]).code, Some(3), "no such incident");
    fail();
    let another = &env.json(&["incident", "list"])[0];
    assert_eq!((another["id"].as_i64(), another["status"].as_str()), (Some(2), Some("open")));
}

#[test]
fn an_incident_shows_what_its_latest_failure_printed_and_failed_runs_are_listed() {
    let env = Env::new();
    let shell = "if test -e mended; then echo fine; else printf 'one\\ntwo \\033[31m\\n'; exit 3; fi";
    env.tempo(&["schedule", "create", "s", "--allow-never", "--shell", shell])
        .ok();
    let run = |env: &Env| {
        env.tempo(&["schedule", "trigger", "s"]).ok();
        env.tempo(&["run", "--once", "--no-web"])
    };
    assert_eq!(run(&env).code, Some(1));
    let shown = env.tempo(&["incident", "describe", "1"]).ok();
    let (_, output) = shown.split_once("Output of the latest failure:\n").unwrap();
    assert!(
        output.starts_with("  | one\n  | two ") && !output.contains('\u{1b}'),
        "{shown}"
    );
    std::fs::write(env.path("mended"), "").unwrap();
    assert_eq!(run(&env).code, Some(0));
    let listed = |args: &[&str]| {
        let runs = env.json(&[&["workflow", "list"], args].concat());
        let statuses = runs
            .as_array()
            .unwrap()
            .iter()
            .map(|run| run["status"].as_str().unwrap().to_owned());
        statuses.collect::<Vec<_>>()
    };
    assert_eq!(listed(&["s"]), ["Completed", "Failed"]);
    assert_eq!(listed(&["s", "--failed"]), ["Failed"]);
    assert!(listed(&["other"]).is_empty());
    assert_eq!(env.tempo(&["workflow", "list", "s", "--schedule", "s"]).code, Some(2));
}
