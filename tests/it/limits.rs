//! Limits of runs: task queues, locks, the number of open runs, conditions, and schedules that follow others.

use serde_json::Value;

use crate::harness::{Env, wait_until};

/// A command that notes its begin and its end, and lasts until the file `go` exists.
fn waiting(env: &Env, name: &str) -> String {
    let log = env.path("log").display().to_string();
    let go = env.path("go").display().to_string();
    format!("echo begin {name} >> {log}; while ! test -e {go}; do sleep 0.02; done; echo end {name} >> {log}")
}

fn create(env: &Env, id: &str, args: &[&str]) {
    let command = waiting(env, id);
    env.tempo(&[&["schedule", "create", id, "--allow-never"], args, &["--shell", &command]].concat())
        .ok();
}

fn lines(env: &Env) -> Vec<String> {
    let text = std::fs::read_to_string(env.path("log")).unwrap_or_default();
    text.lines().map(str::to_owned).collect()
}

#[test]
fn a_slow_task_queue_does_not_delay_another() {
    let env = Env::new();
    for n in 1..=3 {
        create(&env, &format!("heavy{n}"), &["--task-queue", "heavy"]);
    }
    create(&env, "light", &[]);
    let _server = env.serve(&["--queue", "default=1,heavy=1"]);
    for n in 1..=3 {
        env.tempo(&["schedule", "trigger", &format!("heavy{n}")]).ok();
    }
    wait_until("the first heavy run", || lines(&env).len() == 1);
    env.tempo(&["schedule", "trigger", "light"]).ok();
    wait_until("the light run", || lines(&env).contains(&"begin light".to_owned()));
    assert_eq!(lines(&env).len(), 2, "{:?}", lines(&env));
    std::fs::write(env.path("go"), "").unwrap();
    wait_until("all runs", || lines(&env).len() == 8);
    // One heavy run after the other.
    let heavy: Vec<_> = lines(&env).into_iter().filter(|line| line.contains("heavy")).collect();
    let order: Vec<_> = heavy.iter().map(|line| line.split(' ').next().unwrap()).collect();
    assert_eq!(order, ["begin", "end", "begin", "end", "begin", "end"]);
    for (queues, part) in [
        ("heavy", "expected `NAME=N`"),
        ("heavy=0", "expected a limit from 1 to 10000"),
        ("a=1,a=2", "two limits for `a`"),
    ] {
        let ran = env.tempo(&["run", "--no-web", "--once", "--queue", queues]);
        assert!(ran.code == Some(2) && ran.stderr.contains(part), "{queues}: {ran:?}");
    }
}

#[test]
fn a_lock_is_held_by_one_run_of_all_schedules_even_after_a_crash() {
    for while_down in [false, true] {
        let env = Env::new();
        create(&env, "a", &["--lock", "db"]);
        create(&env, "b", &["--lock", "db"]);
        let server = env.serve(&[]);
        env.tempo(&["schedule", "trigger", "b"]).ok();
        wait_until("the first run", || lines(&env) == ["begin b"]);
        if !while_down {
            env.tempo(&["schedule", "trigger", "a"]).ok();
            env.wait_for_json(&["status"], |status| {
                status["running"].as_array().is_some_and(|runs| runs.len() == 2)
            });
        }
        server.kill();
        if while_down {
            // Decided in the first tick of the next server, like a time that has come due.
            env.tempo(&["schedule", "trigger", "a"]).ok();
        }
        let _server = env.serve(&[]);
        wait_until("the resumed run", || lines(&env).len() == 2);
        std::fs::write(env.path("go"), "").unwrap();
        wait_until("both runs", || lines(&env).iter().any(|line| line == "end a"));
        assert_eq!(lines(&env), ["begin b", "begin b", "end b", "begin a", "end a"]);
        let described = env.tempo(&["schedule", "describe", "a"]).ok();
        assert!(described.contains("lock db"), "{described}");
    }
}

#[test]
fn a_run_that_is_retried_while_no_server_is_running_does_not_take_the_lock_of_a_begun_one() {
    let env = Env::new();
    create(&env, "a", &["--lock", "db"]);
    create(&env, "b", &["--lock", "db"]);
    let server = env.serve(&[]);
    env.tempo(&["schedule", "trigger", "a"]).ok();
    wait_until("the first run", || lines(&env) == ["begin a"]);
    let run = env.json(&["workflow", "list"])[0]["run_id"].as_str().unwrap().to_owned();
    env.tempo(&["workflow", "terminate", &run]).ok();
    env.tempo(&["schedule", "trigger", "b"]).ok();
    wait_until("the second run", || lines(&env) == ["begin a", "begin b"]);
    server.kill();
    env.tempo(&["workflow", "retry", &run]).ok();
    let _server = env.serve(&[]);
    wait_until("the resumed run", || lines(&env).len() == 3);
    std::fs::write(env.path("go"), "").unwrap();
    wait_until("both runs", || lines(&env).iter().any(|line| line == "end a"));
    assert_eq!(lines(&env), ["begin a", "begin b", "begin b", "end b", "begin a", "end a"]);
}

#[test]
fn starts_beyond_max_running_wait() {
    let env = Env::new();
    create(&env, "a", &["--overlap-policy", "allow-all", "--max-running", "2"]);
    let _server = env.serve(&[]);
    for _ in 0..5 {
        env.tempo(&["schedule", "trigger", "a"]).ok();
    }
    let view = env.wait_for_json(&["schedule", "describe", "a"], |view| view["buffer_size"] == 3);
    assert_eq!(
        (view["running_actions"].as_array().map(Vec::len), view["max_running"].as_u64()),
        (Some(2), Some(2))
    );
    std::fs::write(env.path("go"), "").unwrap();
    wait_until("all runs", || {
        lines(&env).iter().filter(|line| line.starts_with("end")).count() == 5
    });
    let refused = env.tempo(&["schedule", "update", "a", "--max-running", "0"]);
    assert!(
        refused.code == Some(2) && refused.stderr.contains("must be from 1 to 1000"),
        "{refused:?}"
    );
    env.tempo(&["schedule", "update", "a", "--clear", "max-running"]).ok();
    assert!(env.json(&["schedule", "describe", "a"]).get("max_running").is_none());
}

#[test]
fn a_run_is_skipped_when_its_condition_fails() {
    let env = Env::new();
    let condition = format!("test -e {}", env.path("ready").display());
    env.tempo(&[
        "schedule",
        "create",
        "s",
        "--interval",
        "1h",
        "--if",
        &condition,
        "--shell",
        "echo ran >> ran",
    ])
    .ok();
    let _server = env.serve(&[]);
    let trigger = || env.tempo(&["schedule", "trigger", "s", "--wait"]);
    let skipped = trigger();
    assert_eq!(skipped.code, Some(4), "{skipped:?}");
    assert!(
        skipped.stderr.contains("the condition `test -e ") && skipped.stderr.contains("failed: exit 1"),
        "{skipped:?}"
    );
    assert!(!env.path("ran").exists());
    let run = env.json(&["workflow", "list"])[0]["run_id"].as_str().unwrap().to_owned();
    let retried = env.tempo(&["workflow", "retry", &run]);
    assert_eq!(retried.code, Some(4), "{retried:?}");
    assert!(retried.stderr.contains("was skipped by its condition"), "{retried:?}");
    let view = env.json(&["schedule", "describe", "s"]);
    assert_eq!(
        (view["num_actions"].as_u64(), view["num_actions_skipped_overlap"].as_u64()),
        (Some(0), Some(1))
    );
    std::fs::write(env.path("ready"), "").unwrap();
    assert_eq!(trigger().code, Some(0));
    assert!(env.path("ran").exists());
    assert_eq!(env.json(&["incident", "list"]), Value::Array(Vec::new()));
    let events = env.json(&["log", "s"]);
    let finished: Vec<_> = events.as_array().unwrap().iter().filter(|e| e["event"] == "finish").collect();
    assert!(
        finished[0]["message"].as_str().unwrap().contains("skipped: the condition"),
        "{finished:?}"
    );
}

#[test]
fn explain_shows_why_a_condition_skipped_a_time() {
    let env = Env::new();
    env.tempo(&[
        "schedule",
        "create",
        "s",
        "--interval",
        "1s",
        "--if",
        "false",
        "--shell",
        "true",
    ])
    .ok();
    let ran = env.tempo(&["run", "--no-web", "--for", "3s"]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let explained = env.json(&["schedule", "explain", "s"]);
    let first = &explained[0];
    assert_eq!(first["outcome"], "skipped", "{explained}");
    assert!(
        first["reason"]
            .as_str()
            .unwrap()
            .contains("the condition `false` failed: exit 1"),
        "{explained}"
    );
}

#[test]
fn schedules_start_after_the_runs_of_others() {
    let env = Env::new();
    std::fs::write(env.path("broken"), "").unwrap();
    env.tempo(&["schedule", "create", "first", "--allow-never", "--shell", "test ! -e broken"])
        .ok();
    env.tempo(&[
        "schedule",
        "create",
        "then",
        "--after",
        "first",
        "--shell",
        "echo then >> log",
    ])
    .ok();
    env.tempo(&["schedule", "create", "last", "--after", "then", "--shell", "echo last >> log"])
        .ok();
    env.tempo(&[
        "schedule",
        "create",
        "alarm",
        "--after",
        "first:failed",
        "--shell",
        "echo alarm >> log",
    ])
    .ok();
    env.tempo(&[
        "schedule",
        "create",
        "idle",
        "--after",
        "first:failed",
        "--paused",
        "--shell",
        "echo idle >> log",
    ])
    .ok();
    let _server = env.serve(&[]);
    env.tempo(&["schedule", "trigger", "first"]).ok();
    wait_until("the alarm", || lines(&env) == ["alarm"]);
    let events = env.json(&["log", "idle"]);
    let paused = events.as_array().unwrap().iter().find(|e| e["event"] == "paused");
    assert!(
        paused.unwrap()["message"]
            .as_str()
            .unwrap()
            .contains("failed: the schedule was paused"),
        "{events}"
    );
    std::fs::remove_file(env.path("broken")).unwrap();
    env.tempo(&["schedule", "trigger", "first"]).ok();
    wait_until("the others", || lines(&env) == ["alarm", "then", "last"]);
    let events = env.json(&["log", "last"]);
    let requested = events.as_array().unwrap().iter().find(|e| e["event"] == "trigger").unwrap();
    assert!(
        requested["message"]
            .as_str()
            .unwrap()
            .starts_with("trigger requested: after then-"),
        "{events}"
    );
    assert_eq!(
        env.json(&["schedule", "describe", "alarm"])["after"],
        serde_json::json!(["first:failed"])
    );
    let listed = env.tempo(&["schedule", "list"]).ok();
    assert!(
        listed.contains("after each failed run of first") && listed.contains("after another run"),
        "{listed}"
    );
    let next = env.tempo(&["schedule", "next", "alarm"]);
    assert!(
        next.code == Some(1) && next.stderr.contains("it starts after each failed run of first"),
        "{next:?}"
    );
    for (args, code, part) in [
        (
            &["schedule", "update", "first", "--after", "last"][..],
            2,
            "`--after`: these schedules form a cycle: first after last after then after first",
        ),
        (&["schedule", "update", "first", "--after", "first"], 2, "first after first"),
        (&["schedule", "update", "first", "--after", "thn"], 3, "Did you mean `then`?"),
    ] {
        let ran = env.tempo(args);
        assert!(ran.code == Some(code) && ran.stderr.contains(part), "{args:?}: {ran:?}");
    }
    let deleted = env.tempo(&["schedule", "delete", "then"]);
    assert!(deleted.stderr.contains("`last` starts after runs of `then`"), "{deleted:?}");
}

#[test]
fn a_file_whose_schedules_start_after_themselves_or_a_missing_one_changes_nothing() {
    let env = Env::new();
    env.tempo(&["schedule", "create", "last", "--allow-never", "--shell", "true"])
        .ok();
    let file = "[[schedule]]\nid = \"x\"\nafter = [\"y\"]\nstep = [{ name = \"s\", shell = \"true\" }]\n[[schedule]]\nid = \"y\"\nafter = \"x:failed\"\nstep = [{ name = \"s\", shell = \"true\" }]\n";
    std::fs::write(env.path("jobs.toml"), file).unwrap();
    let refused = env.tempo(&["apply", "-f", "jobs.toml"]);
    assert!(
        refused.code == Some(2)
            && refused
                .stderr
                .contains("jobs.toml:1: `after`: these schedules form a cycle: x after y after x"),
        "{refused:?}"
    );
    std::fs::write(env.path("jobs.toml"), file.replace("x:failed", "lst")).unwrap();
    let refused = env.tempo(&["apply", "-f", "jobs.toml"]);
    assert!(
        refused.code == Some(3) && refused.stderr.contains("no schedule is named `lst`"),
        "{refused:?}"
    );
    std::fs::write(env.path("jobs.toml"), file.replace("x:failed", "last")).unwrap();
    let applied = env.tempo(&["apply", "-f", "jobs.toml"]).ok();
    assert!(applied.contains("x: after each completed run of y"), "{applied}");
    env.tempo(&["diff", "-f", "jobs.toml"]).ok();
    // One that starts after a deleted schedule can still be changed.
    env.tempo(&["schedule", "delete", "last"]).ok();
    env.tempo(&["diff", "-f", "jobs.toml"]).ok();
}
