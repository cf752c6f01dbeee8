//! Processes that outlive their step or their server.

use crate::harness::{Env, is_alive, wait_until};

#[test]
fn daemons_started_by_a_finished_step_are_not_killed() {
    let env = Env::new();
    let steps = "[[step]]\nname = \"daemon\"\nshell = \"setsid sleep 300 & echo $! > daemon\"\n[[step]]\nname = \"long\"\nshell = \"echo up >> log; test -e go || sleep 300\"\n";
    std::fs::write(env.path("steps.toml"), steps).unwrap();
    env.tempo(&["workflow", "start", "--workflow-id", "w", "--steps", "steps.toml"])
        .ok();
    let server = env.serve(&[]);
    env.wait_for_lines("log", 1);
    server.kill();
    std::fs::write(env.path("go"), "").unwrap();
    assert_eq!(env.serve(&["--once"]).wait().0, Some(0));
    let daemon = std::fs::read_to_string(env.path("daemon")).unwrap().trim().to_owned();
    assert!(is_alive(&daemon), "a daemon in its own session survives");
    let killed = std::process::Command::new("kill").arg(&daemon).status().unwrap();
    assert!(killed.success());
}

#[test]
fn a_leftover_process_in_its_own_session_is_killed_before_the_retry() {
    let env = Env::new();
    // The process group leader may or may not exit with the server's pipe; its child has its own session and no parent.
    let shell = "test -e go && exit 0; setsid sh -c 'echo $$ > away; exec sleep 300' & sleep 300";
    std::fs::write(env.path("s.toml"), format!("[[step]]\nname = \"x\"\nshell = \"{shell}\"\n")).unwrap();
    env.tempo(&["workflow", "start", "--workflow-id", "w", "--steps", "s.toml"])
        .ok();
    let server = env.serve(&[]);
    let away = env.wait_for_lines("away", 1).remove(0);
    server.kill();
    assert!(is_alive(&away));
    std::fs::write(env.path("go"), "").unwrap();
    let (code, log) = env.serve(&["--once"]).wait();
    assert_eq!(code, Some(0), "{log}");
    assert!(log.contains("processes it left running"), "{log}");
    assert!(!is_alive(&away), "{log}");
}

#[test]
fn kills_the_members_of_a_group_after_their_leader_has_died() {
    let env = Env::new();
    let shell = "test -e go && exit 0; env -i sh -c 'echo $$ > away; exec sleep 300' & echo $$ > leader; wait";
    env.tempo(&["workflow", "start", "--workflow-id", "w", "--shell", shell]).ok();
    let server = env.serve(&[]);
    let (away, leader) = (
        env.wait_for_lines("away", 1).remove(0),
        env.wait_for_lines("leader", 1).remove(0),
    );
    server.kill();
    let killed = std::process::Command::new("kill").args(["-9", &leader]).status().unwrap();
    assert!(killed.success());
    wait_until("the leader to go", || !is_alive(&leader));
    assert!(is_alive(&away));
    std::fs::write(env.path("go"), "").unwrap();
    assert_eq!(env.serve(&["--once"]).wait().0, Some(0));
    assert!(!is_alive(&away));
}

#[test]
fn timeouts_and_cancels_reach_a_process_in_a_session_of_its_own() {
    let env = Env::new();
    let shell = "setsid sh -c 'trap \"\" TERM; echo $$ >> away; while :; do sleep 1; done' & sleep 300";
    env.tempo(&[
        "workflow",
        "start",
        "--workflow-id",
        "late",
        "--start-to-close-timeout",
        "300ms",
        "--shell",
        shell,
    ])
    .ok();
    let _server = env.serve(&[]);
    let late = env.wait_for_lines("away", 1).remove(0);
    env.wait_for_json(&["workflow", "describe", "late"], |w| w["status"] == "Failed");
    assert!(!is_alive(&late));
    env.tempo(&["workflow", "start", "--workflow-id", "canceled", "--shell", shell])
        .ok();
    let canceled = env.wait_for_lines("away", 2).remove(1);
    env.tempo(&["workflow", "cancel", "canceled"]).ok();
    env.wait_for_json(&["workflow", "describe", "canceled"], |w| w["status"] == "Canceled");
    assert!(!is_alive(&canceled));
}
