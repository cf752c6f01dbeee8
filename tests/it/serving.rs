//! `tempo run`: one server per database, reacts to changes, drains, and exits correctly.

use crate::harness::{Env, Targets, ended, wait_until};

#[test]
fn a_second_server_is_rejected_with_the_pid_of_the_first() {
    let env = Env::new();
    let server = env.serve(&[]);
    let ran = env.tempo(&["run"]);
    assert_eq!(ran.code, Some(4), "{ran:?}");
    assert!(ran.stderr.contains(&format!("pid {}", server.pid())), "{ran:?}");
    assert_eq!(env.tempo(&["status", "--check"]).code, Some(0));
    server.signal("TERM");
    assert_eq!(server.wait().0, Some(0));
    assert_eq!(env.tempo(&["status", "--check"]).code, Some(5));
    // It no longer names the files that it closed: commands would take them for lost.
    let lock = std::fs::read_to_string(env.path("t.db.lock")).unwrap();
    assert!(lock.trim_end().ends_with(" 0 0 0 0 0 0"), "{lock}");
    assert_eq!(env.json(&["status"])["up"], false);
}

#[test]
fn status_check_and_doctor_report_a_server_that_does_not_respond() {
    let env = Env::new();
    let server = env.serve(&[]);
    server.signal("STOP");
    let checks = [["status", "--check"].as_slice(), &["doctor"]];
    let started = checks.map(|args| {
        let piped = std::process::Stdio::piped;
        env.command(args).stdout(piped()).stderr(piped()).spawn().unwrap()
    });
    let [status, doctor] = started.map(ended);
    let silent = format!("the server (pid {}) has not responded for 25 s", server.pid());
    let told = String::from_utf8(status.stderr).unwrap();
    assert!(status.status.code() == Some(5) && told.contains(&silent), "{told}");
    let found = String::from_utf8(doctor.stdout).unwrap();
    assert!(doctor.status.success() && found.contains(&silent), "{found}");
    server.signal("CONT");
    // A lock file that is missing, empty or replaced when the server is asked, or while it is, is written again.
    let lock = env.path("t.db.lock");
    std::fs::remove_file(&lock).unwrap();
    env.tempo(&["status", "--check"]).ok();
    std::fs::write(&lock, "").unwrap();
    env.tempo(&["status", "--check"]).ok();
    for _ in 0..5 {
        let piped = std::process::Stdio::piped;
        let checking = env
            .command(&["status", "--check"])
            .stdout(piped())
            .stderr(piped())
            .spawn()
            .unwrap();
        std::fs::remove_file(&lock).unwrap();
        assert!(ended(checking).status.success());
        wait_until("the lock file", || lock.exists());
    }
}

#[test]
fn a_running_server_picks_up_created_and_changed_schedules() {
    let env = Env::new();
    let mut server = env.serve(&[]);
    env.tempo(&["schedule", "create", "s", "--interval", "1s", "--shell", "echo one >> log"])
        .ok();
    server.wait_for_log("tick");
    env.wait_for_lines("log", 1);
    env.tempo(&["schedule", "update", "s", "--shell", "echo two >> log"]).ok();
    let mut server_heard = Vec::new();
    while !server_heard.contains(&"two".to_owned()) {
        server.wait_for_log("finish");
        server_heard = env.wait_for_lines("log", 1);
    }
    env.tempo(&["schedule", "pause", "s"]).ok();
    assert_eq!(env.json(&["schedule", "describe", "s"])["paused"], true);
    env.tempo(&["schedule", "delete", "s"]).ok();
    assert_eq!(env.json(&["schedule", "list"]), serde_json::json!([]));
    assert!(
        !env.json(&["workflow", "list", "--schedule", "s"])
            .as_array()
            .unwrap()
            .is_empty(),
        "past runs stay readable"
    );
}

#[test]
fn sigterm_lets_the_running_step_finish_and_the_next_server_resumes() {
    let env = Env::new();
    let steps = "[[step]]\nname = \"a\"\nshell = \"echo a >> log; until test -e go; do sleep 0.02; done\"\n[[step]]\nname = \"b\"\nshell = \"echo b >> log\"\n";
    std::fs::write(env.path("steps.toml"), steps).unwrap();
    env.tempo(&["workflow", "start", "--steps", "steps.toml"]).ok();
    let mut server = env.serve(&[]);
    env.wait_for_lines("log", 1);
    server.signal("TERM");
    server.wait_for_log("drain");
    std::fs::write(env.path("go"), "").unwrap();
    let (code, log) = server.wait();
    assert_eq!(code, Some(0), "{log}");
    let run = &env.json(&["workflow", "list"])[0];
    assert_eq!(run["status"], "Running", "{log}");
    assert_eq!(run["result"]["a"], "ok exit=0");
    let (code, _) = env.serve(&["--once"]).wait();
    assert_eq!(code, Some(0));
    assert_eq!(env.wait_for_lines("log", 2), ["a", "b"]);
    assert_eq!(env.json(&["workflow", "list"])[0]["status"], "Completed");
}

#[test]
fn steps_interrupted_by_a_second_signal_or_the_drain_timeout_are_retried() {
    let env = Env::new();
    env.tempo(&["workflow", "start", "--shell", "echo try >> log; test -e go || sleep 300"])
        .ok();
    let mut server = env.serve(&[]);
    env.wait_for_lines("log", 1);
    server.signal("INT");
    server.wait_for_log("drain");
    server.signal("INT");
    server.wait_for_log("interrupt");
    assert_eq!(server.wait().0, Some(0));
    let mut server = env.serve(&["--drain-timeout", "50ms"]);
    server.wait_for_log("resume");
    env.wait_for_lines("log", 2);
    server.signal("TERM");
    server.wait_for_log("interrupt");
    assert_eq!(server.wait().0, Some(0));
    std::fs::write(env.path("go"), "").unwrap();
    assert_eq!(env.serve(&["--once"]).wait().0, Some(0));
    let run = env.json(&["workflow", "list"])[0]["run_id"].as_str().unwrap().to_owned();
    let attempts = env.json(&["workflow", "describe", &run])["steps"][0]["attempts"].clone();
    let outcomes: Vec<_> = attempts
        .as_array()
        .unwrap()
        .iter()
        .map(|a| a["outcome"].as_str().unwrap())
        .collect();
    assert_eq!(outcomes, ["lost", "lost", "ok"]);
}

#[test]
fn run_once_exits_with_the_outcome_of_due_runs() {
    let env = Env::new();
    assert_eq!(env.serve(&["--once"]).wait().0, Some(0), "nothing is due");
    env.tempo(&["workflow", "start", "--shell", "exit 1"]).ok();
    assert_eq!(env.serve(&["--once"]).wait().0, Some(1), "a run failed");
    let targets = Targets::start(&env);
    let probe = format!("x={}", targets.url("/status/500"));
    env.tempo(&["workflow", "start", "--probe", &probe]).ok();
    assert_eq!(env.serve(&["--once"]).wait().0, Some(1), "an incident was recorded");
    assert_eq!(env.serve(&["--for", "100ms"]).wait().0, Some(0));
}

#[test]
fn the_json_log_has_one_event_per_line() {
    let env = Env::new();
    env.tempo(&[
        "workflow",
        "start",
        "--workflow-id",
        "w",
        "--shell",
        "exit 3",
        "--attempts",
        "2",
        "--retry-initial-interval",
        "10ms",
    ])
    .ok();
    let ran = env.tempo(&["run", "--once", "--log-format", "json"]);
    let events: Vec<serde_json::Value> = ran.stdout.lines().map(|l| serde_json::from_str(l).unwrap()).collect();
    let names: Vec<_> = events.iter().map(|e| e["event"].as_str().unwrap()).collect();
    assert_eq!(
        names,
        ["serving", "start", "retry", "incident", "finish", "stopped"],
        "{ran:?}"
    );
    assert_eq!(events[2]["error"], "exit 3");
    assert_eq!(
        (events[4]["status"].as_str(), events[4]["workflow_id"].as_str()),
        (Some("Failed"), Some("w"))
    );
}

#[test]
fn many_schedules_due_at_once_all_start_exactly_once() {
    let env = Env::new();
    for i in 0..40 {
        env.tempo(&[
            "schedule",
            "create",
            &format!("s{i}"),
            "--interval",
            "1s",
            "--overlap-policy",
            "allow-all",
            "--shell",
            "true",
        ])
        .ok();
    }
    assert_eq!(env.serve(&["--for", "3s"]).wait().0, Some(0));
    // Times due at the very end may leave runs for the next server.
    assert_eq!(env.serve(&["--once"]).wait().0, Some(0));
    let runs = env.json(&["workflow", "list", "--limit", "0"]);
    let mut ids: Vec<_> = runs
        .as_array()
        .unwrap()
        .iter()
        .map(|r| r["workflow_id"].as_str().unwrap().to_owned())
        .collect();
    let all = ids.len();
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), all, "each nominal time once");
    assert!(all >= 80, "at least two times for each of 40 schedules: {all}");
    assert!(runs.as_array().unwrap().iter().all(|r| r["status"] == "Completed"));
}

#[test]
fn a_database_has_one_server_even_through_a_symlink() {
    let env = Env::new();
    let _server = env.serve(&[]);
    std::os::unix::fs::symlink(env.database(), env.path("other.db")).unwrap();
    let other = env.path("other.db").display().to_string();
    assert_eq!(env.tempo(&["--db", &other, "run", "--once"]).code, Some(4));
    assert_eq!(env.json(&["--db", &other, "status"])["up"], true);
}

#[test]
fn signals_reach_a_server_blocked_on_a_full_log_pipe() {
    let env = Env::new();
    env.tempo(&["schedule", "create", "s", "--interval", "1s", "--shell", "echo up >> log"])
        .ok();
    let mut command = env.command(&["run"]);
    let (reader, writer) = std::io::pipe().unwrap();
    // A pipe that is full from the start.
    fill(&writer);
    let mut child = command.stdout(writer).spawn().unwrap();
    env.wait_for_lines("log", 1);
    let kill = std::process::Command::new("kill")
        .arg(child.id().to_string())
        .status()
        .unwrap();
    assert!(kill.success());
    assert_eq!(child.wait().unwrap().code(), Some(0));
    drop(reader);
}

/// Fills a pipe until writes block.
fn fill(pipe: &std::io::PipeWriter) {
    use std::io::Write as _;
    let mut pipe = pipe.try_clone().unwrap();
    let (wrote, writes) = std::sync::mpsc::channel();
    // The last write blocks until the reader is dropped.
    std::thread::spawn(move || while pipe.write_all(&[b'\n'; 4096]).is_ok() && wrote.send(()).is_ok() {});
    while writes.recv_timeout(std::time::Duration::from_millis(300)).is_ok() {}
}

#[test]
fn a_run_waiting_for_a_worker_can_be_terminated() {
    let env = Env::new();
    let mut server = env.serve(&["--workers", "1"]);
    env.tempo(&[
        "workflow",
        "start",
        "--workflow-id",
        "long",
        "--shell",
        "echo up >> log; sleep 300",
    ])
    .ok();
    env.wait_for_lines("log", 1);
    env.tempo(&["workflow", "start", "--workflow-id", "queued", "--shell", "true"])
        .ok();
    env.tempo(&["workflow", "terminate", "queued", "--reason", "not needed"]).ok();
    server.wait_for_log("queued");
    let run = env.wait_for_json(&["workflow", "describe", "queued"], |r| r["status"] == "Terminated");
    assert_eq!(run["reason"], "terminated: not needed");
    assert_eq!(env.json(&["workflow", "describe", "long"])["status"], "Running");
}

#[test]
fn a_drain_leaves_buffered_starts_to_the_next_server() {
    let env = Env::new();
    let shell = "echo up >> log; until test -e go; do sleep 0.02; done";
    env.tempo(&[
        "schedule",
        "create",
        "s",
        "--interval",
        "1h",
        "--overlap-policy",
        "buffer-all",
        "--shell",
        shell,
    ])
    .ok();
    let mut server = env.serve(&[]);
    env.tempo(&["schedule", "trigger", "s"]).ok();
    env.tempo(&["schedule", "trigger", "s"]).ok();
    env.wait_for_lines("log", 1);
    server.signal("TERM");
    server.wait_for_log("drain");
    std::fs::write(env.path("go"), "").unwrap();
    assert_eq!(server.wait().0, Some(0));
    assert_eq!(
        env.json(&["workflow", "list"]).as_array().unwrap().len(),
        1,
        "no other run started"
    );
    assert_eq!(env.json(&["schedule", "describe", "s"])["buffer_size"], 1);
    assert_eq!(env.serve(&["--once"]).wait().0, Some(0));
    assert_eq!(
        env.json(&["workflow", "list", "--status", "completed"])
            .as_array()
            .unwrap()
            .len(),
        2
    );
}

#[test]
fn run_once_finishes_a_long_backfill() {
    let env = Env::new();
    let create = ["schedule", "create", "s", "--interval", "1s", "--paused", "--shell", "true"];
    env.tempo(&create).ok();
    let range = ["--start-time", "2026-01-01T00:00:01Z", "--end-time", "2026-01-01T00:20:00Z"];
    env.tempo(&[&["schedule", "backfill", "s", "--overlap-policy", "allow-all"], &range[..]].concat())
        .ok();
    assert_eq!(env.serve(&["--once"]).wait().0, Some(0));
    let schedule = env.json(&["schedule", "describe", "s"]);
    assert_eq!(
        (&schedule["num_actions"], &schedule["backfills"]),
        (&1200.into(), &serde_json::json!([]))
    );
}

#[test]
fn a_step_cannot_change_what_identifies_its_attempt() {
    let env = Env::new();
    let own = [
        "--env",
        "TEMPO_RUN_ID=fake",
        "--env",
        "TEMPO_STEP=fake",
        "--env",
        "TEMPO_DB=fake",
        "--env",
        "OTHER=kept",
    ];
    let shell = ["--shell", "echo $TEMPO_RUN_ID $TEMPO_STEP $OTHER > log; test -e $TEMPO_DB"];
    env.tempo(&[&["workflow", "start", "--workflow-id", "w"], &own[..], &shell].concat())
        .ok();
    assert_eq!(env.serve(&["--once"]).wait().0, Some(0));
    let run = env.json(&["workflow", "list"])[0]["run_id"].as_str().unwrap().to_owned();
    assert_eq!(env.wait_for_lines("log", 1), [format!("{run} command kept")]);
}

#[test]
fn a_server_that_cannot_record_a_result_says_so_when_it_stops_and_runs_the_step_again() {
    let env = Env::new();
    let shell = "echo ran >> ran; head -c 3000000 /dev/zero | tr '\\0' x";
    env.tempo(&["workflow", "start", "--workflow-id", "w", "--shell", shell]).ok();
    // The log of the database reaches the limit on the size of files, in blocks of 512 bytes, as on a full disk.
    let arguments = "--log-format json --keep-output 8m --drain-timeout 0s";
    let mut server = env.serve_after("trap '' XFSZ; ulimit -f 2000", arguments);
    server.wait_for_log("\"event\":\"error\"");
    server.signal("TERM");
    let line = server.wait_for_log("stopped");
    assert!(line.contains("\"unrecorded\":1"), "{line}");
    assert_eq!(server.wait().0, Some(6));
    assert_eq!(env.serve(&["--once"]).wait().0, Some(0));
    assert_eq!(env.wait_for_lines("ran", 2).len(), 2);
    assert_eq!(env.json(&["workflow", "describe", "w"])["status"], "Completed");
}
