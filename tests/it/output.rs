//! The output of commands: shown while they run, kept when they are killed, and limited.

use std::io::{BufRead as _, BufReader, Read as _};
use std::process::Stdio;

use crate::harness::Env;

fn start(env: &Env, shell: &str) {
    env.tempo(&["workflow", "start", "--workflow-id", "w", "--shell", shell]).ok();
}

#[test]
fn output_is_shown_while_the_command_runs() {
    let env = Env::new();
    start(&env, "echo first; until test -e go; do sleep 0.05; done; echo last");
    let _server = env.serve(&[]);
    let mut command = env.command(&["workflow", "output", "w", "--follow"]);
    let mut follower = command.stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(follower.stdout.take().unwrap()).lines().map(Result::unwrap);
    // The command waits until this line has been seen.
    assert_eq!(lines.next().as_deref(), Some("first"));
    assert_eq!(env.tempo(&["workflow", "output", "w"]).ok(), "first\n");
    std::fs::write(env.path("go"), "").unwrap();
    assert_eq!(lines.collect::<Vec<_>>(), ["last"], "each line is shown once");
    assert!(follower.wait().unwrap().success());
    assert_eq!(env.tempo(&["workflow", "output", "w"]).ok(), "first\nlast\n");
}

#[test]
fn a_killed_attempt_keeps_what_it_wrote() {
    let env = Env::new();
    start(&env, "echo before the crash; test -e go || exec sleep 300");
    let server = env.serve(&[]);
    let output = || env.tempo(&["workflow", "output", "w"]).ok();
    crate::harness::wait_until("the output", || !output().is_empty());
    server.kill();
    std::fs::write(env.path("go"), "").unwrap();
    assert_eq!(env.serve(&["--once"]).wait().0, Some(0));
    let attempts = env.json(&["workflow", "describe", "w"])["steps"][0]["attempts"].clone();
    let shown = |i: usize| (attempts[i]["outcome"].clone(), attempts[i]["output"].clone());
    let text = serde_json::json!("before the crash\n");
    assert_eq!((shown(0), shown(1)), (("lost".into(), text.clone()), ("ok".into(), text)));
}

#[test]
fn output_is_followed_across_a_restart_and_each_attempt_begins_on_a_line_of_its_own() {
    let env = Env::new();
    start(&env, "printf one; test -e go || exec sleep 300; echo two");
    let server = env.serve(&[]);
    let mut command = env.command(&["workflow", "output", "w", "--follow"]);
    let mut follower = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut out = follower.stdout.take().unwrap();
    let mut first = [0; 3];
    out.read_exact(&mut first).unwrap();
    server.kill();
    let mut hint = String::new();
    BufReader::new(follower.stderr.take().unwrap()).read_line(&mut hint).unwrap();
    assert_eq!(
        hint,
        "hint: The server is not running; the run continues when you run `tempo run`.\n"
    );
    std::fs::write(env.path("go"), "").unwrap();
    assert_eq!(env.serve(&["--once"]).wait().0, Some(0));
    let mut rest = String::new();
    out.read_to_string(&mut rest).unwrap();
    assert_eq!((&first, rest.as_str()), (b"one", "\nonetwo\n"));
    assert!(follower.wait().unwrap().success());
    assert_eq!(env.tempo(&["workflow", "output", "w"]).ok(), "one\nonetwo\n");
}

#[test]
fn a_followed_step_is_printed_as_json_when_it_closes() {
    let env = Env::new();
    let steps = r#"
        [[step]]
        name = "a"
        shell = "echo first"
        [[step]]
        name = "b"
        shell = "until test -e go; do sleep 0.05; done; exit 3"
        [[step]]
        name = "c"
        shell = "echo never"
    "#;
    std::fs::write(env.path("steps.toml"), steps).unwrap();
    env.tempo(&["workflow", "start", "--workflow-id", "w", "--steps", "steps.toml"])
        .ok();
    let _server = env.serve(&[]);
    let mut command = env.command(&["workflow", "output", "w", "--follow", "-o", "jsonl"]);
    let mut follower = command.stdout(Stdio::piped()).spawn().unwrap();
    let lines = BufReader::new(follower.stdout.take().unwrap()).lines();
    let mut steps = lines.map(|line| serde_json::from_str::<serde_json::Value>(&line.unwrap()).unwrap());
    assert_eq!(steps.next().unwrap()["attempts"][0]["output"], "first\n");
    std::fs::write(env.path("go"), "").unwrap();
    let rest: Vec<_> = steps.map(|step| step["status"].clone()).collect();
    assert_eq!(rest, ["Failed", "Pending"]);
    assert!(follower.wait().unwrap().success());
}

#[test]
fn an_interrupted_attempt_keeps_its_last_output() {
    let env = Env::new();
    start(&env, "echo at once > /dev/stdout; touch up; exec sleep 300");
    let server = env.serve(&["--drain-timeout", "0s"]);
    crate::harness::wait_until("the command", || env.path("up").exists());
    server.signal("TERM");
    assert_eq!(server.wait().0, Some(0));
    assert_eq!(env.tempo(&["workflow", "output", "w"]).ok(), "at once\n");
}

#[test]
fn the_limit_of_output_can_be_set() {
    let env = Env::new();
    start(&env, "seq 1 10000");
    assert_eq!(env.serve(&["--once", "--keep-output", "2k"]).wait().0, Some(0));
    let kept = env.tempo(&["workflow", "output", "w"]).ok();
    assert!(kept.starts_with("1\n2\n") && kept.ends_with("9999\n10000\n"), "{kept}");
    assert!(kept.contains("bytes omitted") && kept.len() < 2200, "{}", kept.len());
    for size in ["0", "1g", "many", "65m"] {
        let refused = env.tempo(&["run", "--once", "--keep-output", size]);
        assert_eq!(refused.code, Some(2), "{size}: {refused:?}");
    }
}

#[test]
fn stderr_is_recorded_apart_if_the_step_says_so_while_it_runs_and_when_it_is_killed() {
    let env = Env::new();
    let step = r#"
        [[step]]
        name = "x"
        shell = "echo one; echo two >&2; test -e go || { touch up; exec sleep 300; }; echo $KEY >&2; exit 3"
        env = { KEY = "env:TEMPO_TEST_KEY" }
        separate_stderr = true
    "#;
    std::fs::write(env.path("steps.toml"), step).unwrap();
    env.tempo(&["workflow", "start", "--workflow-id", "w", "--steps", "steps.toml"])
        .ok();
    let server = env.serve_after("export TEMPO_TEST_KEY=sesame-open-up", "");
    let shown = || env.tempo(&["workflow", "output", "w"]);
    crate::harness::wait_until("the output", || !shown().stderr.is_empty());
    assert_eq!((shown().stdout.as_str(), shown().stderr.as_str()), ("one\n", "two\n"));
    server.kill();
    std::fs::write(env.path("go"), "").unwrap();
    let _server = env.serve_after("export TEMPO_TEST_KEY=sesame-open-up", "");
    let all = env.tempo(&["workflow", "output", "w", "--follow"]);
    assert_eq!((all.stdout.as_str(), all.stderr.as_str()), ("one\none\n", "two\ntwo\n***\n"));
    let run = env.json(&["workflow", "describe", "w"]);
    let attempt = &run["steps"][0]["attempts"][1];
    assert_eq!(
        (&attempt["output"], &attempt["stderr"]),
        (&"one\n".into(), &"two\n***\n".into())
    );
    let described = env.tempo(&["workflow", "describe", "w"]).ok();
    assert!(described.contains("| one\n") && described.contains("! ***\n"), "{described}");
    let log = env.tempo(&["log", "--failed"]).ok();
    assert!(
        log.contains("two") && !log.contains("| one"),
        "the log shows why it failed: {log}"
    );
}
