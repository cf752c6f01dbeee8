//! Beats: schedules whose times must be met by a job that something else runs.

use serde_json::Value;

use crate::harness::{Env, wait_until};

fn runs(env: &Env) -> Vec<(String, String)> {
    let text = |run: &Value| {
        let result = run["result"]["beat"].as_str().unwrap_or_default().to_owned();
        (run["status"].as_str().unwrap().to_owned(), result)
    };
    env.json(&["workflow", "list"]).as_array().unwrap().iter().map(text).collect()
}

#[test]
fn a_heartbeat_within_the_grace_time_completes_the_run() {
    let env = Env::new();
    env.tempo(&["schedule", "create", "b", "--interval", "1h", "--grace", "30m"])
        .ok();
    env.tempo(&["schedule", "create", "short", "--interval", "1h", "--grace", "1s"])
        .ok();
    let mut server = env.serve(&[]);
    env.tempo(&["schedule", "trigger", "b"]).ok();
    env.wait_for_json(&["status"], |status| status["running"][0]["schedule_id"] == "b");
    assert_eq!(env.tempo(&["beat", "b"]).ok(), "Recorded a heartbeat for b\n");
    server.wait_for_log("ok heartbeat");
    assert_eq!(runs(&env), [("Completed".to_owned(), "ok heartbeat".to_owned())]);
    // Without a beat: an incident, which the next beat resolves, though nothing waits for it.
    let trigger = env.tempo(&["schedule", "trigger", "short", "--wait"]);
    assert_eq!(trigger.code, Some(1), "{trigger:?}");
    let incident = env.json(&["incident", "list"])[0].clone();
    assert_eq!(
        (incident["error"].as_str(), incident["error_type"].as_str()),
        (Some("no heartbeat within 1 s"), Some("Timeout"))
    );
    env.tempo(&["beat", "short"]).ok();
    assert_eq!(env.json(&["incident", "list"]), Value::Array(Vec::new()));
    // A run that waits survives a crash, and is met by a beat from before the restart.
    env.tempo(&["schedule", "trigger", "b"]).ok();
    env.wait_for_json(&["status"], |status| status["running"][0]["schedule_id"] == "b");
    server.kill();
    env.tempo(&["beat", "b"]).ok();
    let _server = env.serve(&[]);
    wait_until("the run", || {
        runs(&env)[0] == ("Completed".to_owned(), "ok heartbeat".to_owned())
    });
    let described = env.tempo(&["schedule", "describe", "b"]).ok();
    assert!(
        described.contains("expects a heartbeat (`tempo beat`) within 30m"),
        "{described}"
    );
}

#[test]
fn a_wrapped_command_passes_its_output_on_and_its_exit_code_is_recorded() {
    let env = Env::new();
    env.tempo(&["schedule", "create", "b", "--interval", "1h", "--grace", "30m"])
        .ok();
    let mut server = env.serve(&[]);
    env.tempo(&["schedule", "trigger", "b"]).ok();
    env.wait_for_json(&["status"], |status| status["running"][0]["schedule_id"] == "b");
    let ran = env.tempo(&["beat", "b", "--", "sh", "-c", "echo out; echo err >&2; exit 7"]);
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(7), "out\n"), "{ran:?}");
    assert!(ran.stderr.starts_with("err\n"), "{ran:?}");
    server.wait_for_log("incident");
    let run = env.json(&["workflow", "list"])[0]["run_id"].as_str().unwrap().to_owned();
    let attempt = env.json(&["workflow", "describe", &run])["steps"][0]["attempts"][0].clone();
    assert_eq!(
        (attempt["exit_code"].as_i64(), attempt["error"].as_str()),
        (Some(7), Some("exit 7"))
    );
    let mut lines: Vec<_> = attempt["output"].as_str().unwrap().lines().collect();
    lines.sort_unstable();
    assert_eq!(lines, ["err", "out"]);
    // Nothing waits: the failure is counted in the incident, and the success after it resolves it.
    assert_eq!(env.tempo(&["beat", "b", "--", "false"]).code, Some(1));
    assert_eq!(env.json(&["incident", "list"])[0]["count"], 2);
    assert_eq!(env.tempo(&["beat", "b", "--", "true"]).code, Some(0));
    assert_eq!(env.json(&["incident", "list"]), Value::Array(Vec::new()));
    let log: Vec<_> = env.json(&["log", "b"]).as_array().unwrap().clone();
    let beats = log
        .iter()
        .filter(|e| e["event"] == "beat")
        .map(|e| e["message"].as_str().unwrap().split(" after ").next().unwrap());
    assert_eq!(beats.collect::<Vec<_>>(), ["failed", "failed", "succeeded"]);
    assert_eq!(env.tempo(&["beat", "b", "--", "sh", "-c", "kill -9 $$"]).code, Some(137));
    std::fs::write(env.path("text"), "").unwrap();
    assert_eq!(env.tempo(&["beat", "b", "--", "./text"]).code, Some(126));
    // A process that it leaves behind, and that writes on, does not keep it.
    let left = env.tempo(&["beat", "b", "--", "sh", "-c", "(while sleep 0.05; do echo x; done) & exit 0"]);
    assert_eq!(left.code, Some(0));
    let missing = env.tempo(&["beat", "b", "--", "/no/such/program"]);
    assert!(
        missing.code == Some(127) && missing.stderr.contains("cannot start `/no/such/program`"),
        "{missing:?}"
    );
}

#[test]
fn a_signal_reaches_the_wrapped_command() {
    let env = Env::new();
    env.tempo(&["schedule", "create", "b", "--interval", "1h", "--grace", "30m"])
        .ok();
    let script = "trap 'echo caught > caught; exit 3' TERM; echo ready > ready; while :; do sleep 0.05; done";
    let mut child = env.command(&["beat", "b", "--", "sh", "-c", script]).spawn().unwrap();
    wait_until("the command", || env.path("ready").exists());
    let killed = std::process::Command::new("kill")
        .arg(child.id().to_string())
        .status()
        .unwrap();
    assert!(killed.success());
    assert_eq!(child.wait().unwrap().code(), Some(3));
    assert!(env.path("caught").exists());
    assert_eq!(env.json(&["incident", "list"])[0]["error"], "exit 3");
}

#[test]
fn beats_satisfy_a_schedule_that_must_succeed_and_wrong_names_are_refused() {
    let env = Env::new();
    // Without steps and without times.
    env.tempo(&["schedule", "create", "any", "--expect-within", "1s"]).ok();
    let mut server = env.serve(&[]);
    server.wait_for_log("has not succeeded for");
    env.tempo(&["beat", "any"]).ok();
    assert_eq!(env.json(&["incident", "list"]), Value::Array(Vec::new()));
    let unknown = env.tempo(&["beat", "ani"]);
    assert!(
        unknown.code == Some(3) && unknown.stderr.contains("Did you mean `any`?"),
        "{unknown:?}"
    );
    // A wrong name keeps the command from running.
    assert_eq!(env.tempo(&["beat", "ani", "--", "touch", "ran"]).code, Some(3));
    assert!(!env.path("ran").exists());
    // A database that cannot be used does not.
    let mut broken = env.command(&["beat", "any", "--", "touch", "ran"]);
    std::fs::write(env.path("other.db"), "not a database").unwrap();
    broken.env("TEMPO_DB", env.path("other.db"));
    let broken = broken.output().unwrap();
    assert_eq!(broken.status.code(), Some(0), "{broken:?}");
    assert!(env.path("ran").exists() && !broken.stderr.is_empty());
    std::fs::remove_file(env.path("ran")).unwrap();
    let mut missing = env.command(&["beat", "any", "--", "touch", "ran"]);
    assert_eq!(
        missing
            .env("TEMPO_DB", env.path("no/such/t.db"))
            .output()
            .unwrap()
            .status
            .code(),
        Some(0)
    );
    assert!(env.path("ran").exists());
    for (args, part) in [
        (&["schedule", "create", "x", "--interval", "1h"][..], "nothing to run"),
        (
            &["schedule", "create", "x", "--interval", "1h", "--grace", "0s"],
            "must be greater than zero",
        ),
        (&["schedule", "create", "x", "--grace", "1h"], "no times are given"),
        (
            &[
                "schedule",
                "create",
                "x",
                "--interval",
                "1h",
                "--grace",
                "1h",
                "--shell",
                "true",
            ],
            "cannot be used with",
        ),
    ] {
        let ran = env.tempo(args);
        assert!(ran.code == Some(2) && ran.stderr.contains(part), "{args:?}: {ran:?}");
    }
}

#[test]
fn a_file_defines_a_schedule_with_a_grace_time_and_exports_it_unchanged() {
    let env = Env::new();
    std::fs::write(
        env.path("jobs.toml"),
        "[[schedule]]\nid = \"b\"\ncron = \"0 2 * * *\"\ngrace = \"30m\"\n",
    )
    .unwrap();
    env.tempo(&["apply", "-f", "jobs.toml"]).ok();
    let exported = env.tempo(&["export"]).ok();
    assert!(
        exported.contains("grace = \"30m\"") && !exported.contains("step"),
        "{exported}"
    );
    std::fs::write(env.path("again.toml"), exported).unwrap();
    env.tempo(&["diff", "-f", "again.toml"]).ok();
    let with_steps = "[[schedule]]\nid = \"b\"\ngrace = \"30m\"\n[[schedule.step]]\nname = \"x\"\nshell = \"true\"\n";
    std::fs::write(env.path("jobs.toml"), with_steps).unwrap();
    let ran = env.tempo(&["apply", "-f", "jobs.toml"]);
    assert!(
        ran.code == Some(2)
            && ran
                .stderr
                .contains("jobs.toml:3:9: `grace` and `step` cannot be used together"),
        "{ran:?}"
    );
    // `run --once` leaves a run that waits to the next server.
    env.tempo(&["schedule", "trigger", "b"]).ok();
    assert_eq!(env.tempo(&["run", "--once"]).code, Some(0));
    assert_eq!(runs(&env)[0].0, "Running");
}

#[test]
fn open_after_applies_to_unexpected_heartbeats_and_a_late_one_does_not_complete_the_run() {
    let env = Env::new();
    let args = [
        "schedule",
        "create",
        "b",
        "--interval",
        "1h",
        "--grace",
        "5m",
        "--open-after",
        "2",
        "--resolve-after",
        "2",
    ];
    env.tempo(&args).ok();
    let counts = || {
        let list = env.json(&["incident", "list"]);
        list.as_array()
            .unwrap()
            .iter()
            .map(|i| i["count"].as_u64().unwrap())
            .collect::<Vec<_>>()
    };
    for (command, expected) in [("false", vec![]), ("false", vec![2]), ("true", vec![2]), ("true", vec![])] {
        let _ = env.tempo(&["beat", "b", "--", command]).code;
        assert_eq!(counts(), expected, "{command}");
    }
    // The server is down when the grace time ends; the beat comes after it.
    env.tempo(&["schedule", "create", "late", "--interval", "1h", "--grace", "1s"])
        .ok();
    env.tempo(&["schedule", "trigger", "late"]).ok();
    let before = tempo::clock::Stopwatch::start();
    wait_until("the end of the grace time", || before.elapsed().as_millis() > 1200);
    env.tempo(&["beat", "late"]).ok();
    assert_eq!(env.tempo(&["run", "--no-web", "--once"]).code, Some(1));
    assert_eq!(env.json(&["incident", "list"])[0]["error"], "no heartbeat within 1 s");
}
