//! The output of commands: shown while they run, kept when they are killed, and limited.

use std::io::{BufRead as _, BufReader};
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
