//! `tempo workflow retry`: a failed run resumes at the step that failed.

use serde_json::{Value, json};

use crate::harness::Env;

const STEPS: &str = r#"
    [[step]]
    name = "dump"
    shell = "echo dump >> log"
    [[step]]
    name = "upload"
    shell = "echo upload >> log; test -e go"
    retry = { maximum_attempts = 2, initial_interval = "10ms" }
    [[step]]
    name = "report"
    shell = "echo report >> log"
"#;

fn failed(env: &Env, more: &[&str]) -> String {
    std::fs::write(env.path("steps.toml"), STEPS).unwrap();
    let start = ["workflow", "start", "--workflow-id", "w", "--steps", "steps.toml"];
    env.tempo(&[&start, more].concat()).ok();
    assert_eq!(env.serve(&["--once"]).wait().0, Some(1));
    assert_eq!(env.wait_for_lines("log", 3), ["dump", "upload", "upload"]);
    env.json(&["workflow", "describe", "w"])["run_id"]
        .as_str()
        .unwrap()
        .to_owned()
}

fn attempts(run: &Value) -> Vec<Vec<&str>> {
    let attempts = |step: &Value| step["attempts"].as_array().unwrap().clone();
    let outcome = |a: &Value| a["outcome"].as_str().unwrap().to_owned();
    let steps: Vec<Vec<String>> = run["steps"]
        .as_array()
        .unwrap()
        .iter()
        .map(|s| attempts(s).iter().map(outcome).collect())
        .collect();
    steps
        .into_iter()
        .map(|s| s.into_iter().map(|o| if o == "ok" { "ok" } else { "failed" }).collect())
        .collect()
}

#[test]
fn a_retried_run_resumes_at_the_failed_step_with_a_full_set_of_attempts() {
    let env = Env::new();
    let run = failed(&env, &[]);
    env.tempo(&["workflow", "retry", "w"]).ok();
    assert_eq!(env.serve(&["--once"]).wait().0, Some(1), "it fails again");
    assert_eq!(env.wait_for_lines("log", 5), ["dump", "upload", "upload", "upload", "upload"]);
    assert_eq!(env.json(&["incident", "list"])[0]["count"], 2);
    std::fs::write(env.path("go"), "").unwrap();
    let mut server = env.serve(&[]);
    let done = env.json(&["workflow", "retry", &run[..8], "--wait"]);
    assert_eq!((&done["status"], &done["reason"]), (&json!("Completed"), &json!(null)));
    server.wait_for_log("resuming at step 2/3 upload");
    assert_eq!(env.wait_for_lines("log", 7)[5..], ["upload", "report"]);
    let view = env.json(&["workflow", "describe", "w"]);
    assert_eq!(view["run_id"], run, "the same run");
    let all = ["failed", "failed", "failed", "failed", "ok"];
    assert_eq!(attempts(&view), [vec!["ok"], all.to_vec(), vec!["ok"]]);
    assert_eq!(
        view["result"],
        json!({"dump": "ok exit=0", "upload": "ok exit=0", "report": "ok exit=0"})
    );
    assert_eq!(env.json(&["incident", "list", "--all"])[0]["status"], "resolved");
}

#[test]
fn a_retried_run_gets_its_full_timeout_again() {
    let env = Env::new();
    let shell = "echo try >> log; test -e go || sleep 300";
    env.tempo(&[
        "workflow",
        "start",
        "--workflow-id",
        "w",
        "--run-timeout",
        "300ms",
        "--shell",
        shell,
    ])
    .ok();
    assert_eq!(env.serve(&["--once"]).wait().0, Some(1));
    assert_eq!(env.json(&["workflow", "describe", "w"])["status"], "TimedOut");
    std::fs::write(env.path("go"), "").unwrap();
    env.tempo(&["workflow", "retry", "w"]).ok();
    assert_eq!(env.serve(&["--once"]).wait().0, Some(0));
    assert_eq!(env.wait_for_lines("log", 2).len(), 2);
}

#[test]
fn a_retried_run_is_not_canceled_again_by_the_old_request() {
    let env = Env::new();
    env.tempo(&["workflow", "start", "--workflow-id", "w", "--shell", "echo try >> log"])
        .ok();
    env.tempo(&["workflow", "cancel", "w", "--reason", "not now"]).ok();
    assert_eq!(env.serve(&["--once"]).wait().0, Some(1));
    assert_eq!(env.json(&["workflow", "describe", "w"])["status"], "Canceled");
    env.tempo(&["workflow", "retry", "w"]).ok();
    assert_eq!(env.serve(&["--once"]).wait().0, Some(0));
    assert_eq!(env.wait_for_lines("log", 1), ["try"]);
}

#[test]
fn rejects_retrying_a_running_or_completed_run() {
    let env = Env::new();
    env.tempo(&["workflow", "start", "--workflow-id", "w", "--shell", "true"])
        .ok();
    let assert_rejected = |message: &str, code: i32, run: &str| {
        let ran = env.tempo(&["workflow", "retry", run]);
        assert_eq!(ran.code, Some(code), "{ran:?}");
        assert!(ran.stderr.contains(message), "{ran:?}");
    };
    assert_rejected("is still running", 4, "w");
    assert_rejected("no run is named `v`", 3, "v");
    assert_eq!(env.serve(&["--once"]).wait().0, Some(0));
    assert_rejected("has completed", 4, "w");
    let down = env.tempo(&["workflow", "retry", "w", "--wait"]);
    assert_eq!(down.code, Some(5));
}

#[test]
fn only_the_exit_codes_that_are_named_are_retried() {
    let env = Env::new();
    let start = |id: &str, code: &str| {
        let retry = [
            "--attempts",
            "3",
            "--retry-initial-interval",
            "10ms",
            "--retry-exit-code",
            "75",
        ];
        env.tempo(
            &[
                &["workflow", "start", "--workflow-id", id, "--shell", &format!("exit {code}")],
                &retry[..],
            ]
            .concat(),
        )
        .ok();
    };
    start("busy", "75");
    start("wrong", "1");
    assert_eq!(env.serve(&["--once"]).wait().0, Some(1));
    let attempts_of = |id: &str| attempts(&env.json(&["workflow", "describe", id]))[0].len();
    assert_eq!((attempts_of("busy"), attempts_of("wrong")), (3, 1));
    let described = {
        let create = [
            "schedule",
            "create",
            "s",
            "--allow-never",
            "--attempts",
            "3",
            "--retry-exit-code",
            "75,111",
        ];
        env.tempo(&[&create[..], &["--", "true"]].concat()).ok();
        env.tempo(&["schedule", "describe", "s"]).ok()
    };
    assert!(
        described.contains("(3 attempts; retried only for exit codes 75, 111)"),
        "{described}"
    );
    env.tempo(&["schedule", "delete", "s"]).ok();
    let gone = env.tempo(&["schedule", "explain", "s"]);
    assert!(
        gone.code == Some(3) && gone.stderr.contains("It was deleted; `tempo log s` shows"),
        "{gone:?}"
    );
    for (args, said) in [
        (&["--shell", "exit 1"][..], "step `command`, which has only one attempt"),
        (
            &["--attempts", "2", "--probe", "a=http://127.0.0.1/"],
            "every step is a probe",
        ),
        (
            &["--attempts", "2", "--retry-exit-code", "0", "--shell", "exit 1"],
            "exit code 0 of step `command` cannot be retried",
        ),
    ] {
        let refused = env.tempo(&[&["workflow", "start", "--retry-exit-code", "75"], args].concat());
        assert_eq!(refused.code, Some(2));
        assert!(refused.stderr.contains(said), "{refused:?}");
    }
}
