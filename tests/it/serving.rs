//! `tempo run`: one server per database, reacts to changes, drains, and exits correctly.

use serde_json::Value;

use crate::harness::{Env, Targets, is_alive, wait_until};

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
    assert_eq!(env.json(&["status"])["up"], false);
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
fn a_server_exits_with_an_error_when_its_database_is_moved_or_replaced() {
    for replaced in [false, true] {
        let env = Env::new();
        env.tempo(&[
            "workflow",
            "start",
            "--workflow-id",
            "w",
            "--shell",
            "echo $$ > pid; sleep 300",
        ])
        .ok();
        let mut command = env.command(&["run"]);
        let mut child = command
            .stdout(std::process::Stdio::null())
            .stderr(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        let pid = env.wait_for_lines("pid", 1).remove(0);
        if replaced {
            env.tempo(&[
                "--db",
                "other.db",
                "schedule",
                "create",
                "s",
                "--interval",
                "1h",
                "--shell",
                "true",
            ])
            .ok();
            std::fs::rename(env.path("other.db"), env.database()).unwrap();
        } else {
            std::fs::rename(env.database(), env.path("away.db")).unwrap();
            // While the old server runs, its write-ahead log exists and blocks a new database.
            let create = ["schedule", "create", "s", "--interval", "1h", "--shell", "true"];
            wait_until("a new file", || match env.tempo(&create).code {
                Some(0) => true,
                Some(6) => false,
                other => panic!("{other:?}"),
            });
        }
        assert_eq!(child.wait().unwrap().code(), Some(6));
        let mut stderr = String::new();
        std::io::Read::read_to_string(&mut child.stderr.take().unwrap(), &mut stderr).unwrap();
        assert!(
            stderr.contains("was deleted, moved or replaced while the server was running"),
            "{stderr}"
        );
        assert!(!is_alive(&pid), "its running step is killed too");
        assert!(
            env.tempo(&["doctor"]).ok().contains("integrity check passed"),
            "the log of the old file is not applied to the new one"
        );
        assert_eq!(env.json(&["schedule", "list"])[0]["id"], "s");
    }
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
fn rejects_a_new_file_in_place_of_one_that_is_still_served() {
    for by_link in [false, true] {
        let env = Env::new();
        env.tempo(&["schedule", "create", "s", "--interval", "1h", "--shell", "true"])
            .ok();
        std::os::unix::fs::symlink(env.database(), env.path("link.db")).unwrap();
        let name = if by_link { "link.db" } else { "t.db" };
        let server = env.serve(&[]);
        // The stopped server does not notice until it continues.
        server.signal("STOP");
        std::fs::rename(env.database(), env.path("away.db")).unwrap();
        let create = [
            "--db",
            name,
            "schedule",
            "create",
            "new",
            "--interval",
            "1h",
            "--shell",
            "true",
        ];
        let ran = env.tempo(&create);
        assert_eq!(ran.code, Some(6), "{name}: {ran:?}");
        assert!(
            ran.stderr
                .contains(&format!("moved or replaced while `tempo run` (pid {})", server.pid())),
            "{ran:?}"
        );
        env.tempo(&[
            "--db",
            "other.db",
            "schedule",
            "create",
            "o",
            "--interval",
            "1h",
            "--shell",
            "true",
        ])
        .ok();
        std::fs::rename(env.path("other.db"), env.database()).unwrap();
        assert_eq!(
            env.tempo(&["--db", name, "schedule", "list"]).code,
            Some(6),
            "{name}: another file is in its place"
        );
        server.signal("CONT");
        assert_eq!(server.wait().0, Some(6));
        assert_eq!(env.json(&["--db", name, "schedule", "list"])[0]["id"], "o");
    }
}

#[test]
fn a_server_whose_wal_or_shm_is_removed_stops_without_losing_data() {
    for suffix in ["-wal", "-shm"] {
        let env = Env::new();
        let create = |id| env.tempo(&["schedule", "create", id, "--interval", "1h", "--shell", "true"]);
        create("before").ok();
        let mut server = env.serve(&[]);
        create("beside").ok();
        // The stopped server does not notice until it continues.
        server.signal("STOP");
        std::fs::remove_file(env.path(&format!("t.db{suffix}"))).unwrap();
        let ran = create("after");
        assert_eq!(ran.code, Some(6), "{ran:?}");
        assert!(
            ran.stderr
                .contains(&format!("t.db{suffix}` was deleted or replaced while `tempo run`")),
            "{ran:?}"
        );
        server.signal("CONT");
        server.wait_for_log("replaced; stopping");
        assert_eq!(server.wait().0, Some(6), "{suffix}");
        let ids: Vec<_> = env
            .json(&["schedule", "list"])
            .as_array()
            .unwrap()
            .iter()
            .map(|s| s["id"].clone())
            .collect();
        assert_eq!(ids, ["before", "beside"], "{suffix}");
        assert!(env.tempo(&["doctor"]).ok().contains("integrity check passed"));
        create("after").ok();
    }
}

#[test]
fn a_server_keeps_its_lock_and_steps_when_its_lock_file_is_removed() {
    let env = Env::new();
    env.tempo(&[
        "workflow",
        "start",
        "--workflow-id",
        "w",
        "--shell",
        "echo $$ > pid; sleep 300",
    ])
    .ok();
    let mut server = env.serve(&[]);
    let pid = env.wait_for_lines("pid", 1).remove(0);
    server.signal("STOP");
    std::fs::remove_file(env.path("t.db.lock")).unwrap();
    let second = env.tempo(&["run", "--for", "1s"]);
    assert_eq!(second.code, Some(4), "{second:?}");
    server.signal("CONT");
    server.wait_for_log("t.db.lock` was deleted or replaced; created it again");
    assert_eq!(env.json(&["status"])["pid"], server.pid());
    assert!(is_alive(&pid), "its step goes on");
    // A symbolic link in its place is not followed, and a named pipe is not waited for.
    std::fs::write(env.path("other"), "mine").unwrap();
    server.signal("STOP");
    std::fs::remove_file(env.path("t.db.lock")).unwrap();
    std::os::unix::fs::symlink(env.path("other"), env.path("t.db.lock")).unwrap();
    let second = env.tempo(&["run", "--for", "1s"]);
    assert!(matches!(second.code, Some(4 | 6)), "{second:?}");
    assert_eq!(std::fs::read_to_string(env.path("other")).unwrap(), "mine");
    std::fs::remove_file(env.path("t.db.lock")).unwrap();
    assert!(
        std::process::Command::new("mkfifo")
            .arg(env.path("t.db.lock"))
            .status()
            .unwrap()
            .success()
    );
    assert_eq!(env.json(&["status"])["pid"], server.pid());
    server.signal("CONT");
    // A directory in its place cannot be replaced; the lock on the database itself shows which server is running.
    std::fs::remove_file(env.path("t.db.lock")).unwrap();
    std::fs::create_dir(env.path("t.db.lock")).unwrap();
    assert_eq!(env.json(&["status"])["pid"], server.pid());
    let second = env.tempo(&["run", "--for", "1s"]);
    assert!(matches!(second.code, Some(4 | 6)), "{second:?}");
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
fn ranges_of_skipped_times_hold_no_time_that_started() {
    let env = Env::new();
    let create = [
        "schedule",
        "create",
        "s",
        "--interval",
        "1s",
        "--overlap",
        "buffer-one",
        "--shell",
        "sleep 2.4",
    ];
    env.tempo(&create).ok();
    let _ = env.serve(&["--for", "8s", "--drain-timeout", "10s"]).wait();
    let explained = env.json(&["schedule", "explain", "s"]);
    let time = |range: &serde_json::Value, key: &str| {
        let text = range[key].as_str().unwrap();
        text.parse::<chrono::DateTime<chrono::Utc>>().unwrap()
    };
    let skipped: Vec<_> = explained
        .as_array()
        .unwrap()
        .iter()
        .filter(|r| r["outcome"] == "skipped")
        .collect();
    assert!(skipped.len() > 1, "{explained}");
    for range in skipped {
        let seconds = (time(range, "to") - time(range, "from")).num_seconds() + 1;
        assert_eq!(range["count"], seconds, "{explained:#}");
    }
}

#[test]
fn explain_shows_backfilled_times_from_before_the_creation() {
    let env = Env::new();
    env.tempo(&["schedule", "create", "s", "--interval", "1h", "--shell", "true"])
        .ok();
    let range = ["--start-time", "2026-01-01T01:00:00Z", "--end-time", "2026-01-01T02:00:00Z"];
    // Run again, a time is still one time.
    for _ in 0..2 {
        env.tempo(&[&["schedule", "backfill", "s", "--overlap", "allow-all"], &range[..]].concat())
            .ok();
        assert_eq!(env.serve(&["--once"]).wait().0, Some(0));
    }
    let explained = env.json(&["schedule", "explain", "s", "--from", "2026-01-01", "--to", "2026-01-02"]);
    let told: Vec<_> = explained
        .as_array()
        .unwrap()
        .iter()
        .map(|r| {
            (
                r["from"].as_str().unwrap(),
                r["count"].as_u64(),
                r["reason"].as_str().unwrap(),
            )
        })
        .collect();
    let reason = "backfilled: Completed";
    assert_eq!(
        told,
        [
            ("2026-01-01T01:00:00Z", Some(1), reason),
            ("2026-01-01T02:00:00Z", Some(1), reason)
        ]
    );
    let last = env.json(&["workflow", "list", "--limit", "1"])[0]["run_id"].clone();
    assert!(
        explained.as_array().unwrap().iter().any(|r| r["run_id"] == last),
        "the newest run of each time"
    );
}

#[test]
fn explain_and_backfill_show_times_that_wait_to_start() {
    let env = Env::new();
    let shell = "until [ -e stop ]; do sleep 0.05; done";
    env.tempo(&[
        "schedule",
        "create",
        "s",
        "--interval",
        "1h",
        "--overlap",
        "buffer-all",
        "--shell",
        shell,
    ])
    .ok();
    let _server = env.serve(&[]);
    let range = ["--start-time", "2025-06-01T00:00:00Z", "--end-time", "2025-08-01T00:00:00Z"];
    let text = env.tempo(&[&["schedule", "backfill", "s"], &range[..]].concat()).ok();
    assert!(
        text.contains("\n1464 times waiting to start\n") && text.contains("1 run: 0 completed, 1 running"),
        "{text}"
    );
    let explain = ["schedule", "explain", "s", "--from", "2025-06-01", "--to", "2025-09-01"];
    let explained = env.wait_for_json(&explain, |all| {
        all.as_array().unwrap().iter().filter(|r| r["outcome"] == "buffered").count() == 500
    });
    let explained = explained.as_array().unwrap();
    assert_eq!(explained[0]["outcome"], "started");
    assert_eq!(explained[1]["reason"], "waiting for the current run to finish");
    let last = explained.last().unwrap();
    assert_eq!(
        (last["outcome"].as_str(), last["count"].as_u64()),
        (Some("pending"), Some(964)),
        "{last}"
    );
    assert_eq!(last["reason"], "the backfill has not reached it yet");
    // Only what lies in the window is counted.
    let later = env.json(&[
        "schedule",
        "explain",
        "s",
        "--from",
        "2025-07-31T23:00:00Z",
        "--to",
        "2025-09-01",
    ]);
    assert_eq!(
        later
            .as_array()
            .unwrap()
            .iter()
            .map(|r| r["count"].as_u64())
            .collect::<Vec<_>>(),
        [Some(2)]
    );
    std::fs::write(env.path("stop"), "").unwrap();
}

#[test]
fn the_note_of_a_pause_comes_and_goes_with_it() {
    let env = Env::new();
    let shell = ["--pause-on-failure", "--shell", "false"];
    env.tempo(
        &[
            &["schedule", "create", "s", "--interval", "1h", "--note", "what it is"],
            &shell[..],
        ]
        .concat(),
    )
    .ok();
    let note = || env.json(&["schedule", "describe", "s"])["note"].clone();
    let set = |args: &[&str]| env.tempo(&[&["schedule"], args].concat()).ok();
    set(&["pause", "s", "--note", "holiday"]);
    assert_eq!(note(), "holiday");
    set(&["pause", "s"]);
    set(&["unpause", "s"]);
    assert_eq!(note(), "what it is");
    set(&["pause", "s", "--note", "holiday"]);
    set(&["pause", "s", "--note", "longer holiday"]);
    set(&["unpause", "s"]);
    assert_eq!(note(), "what it is");
    // A pause without a note leaves it; a note given to `unpause` stays; one set during the pause, too.
    set(&["pause", "s"]);
    set(&["unpause", "s", "--note", "again"]);
    assert_eq!(note(), "again");
    set(&["pause", "s", "--note", "holiday"]);
    set(&["update", "s", "--note", "new"]);
    set(&["unpause", "s"]);
    assert_eq!(note(), "new");
    env.tempo(&["schedule", "trigger", "s"]).ok();
    assert_eq!(env.serve(&["--once"]).wait().0, Some(1));
    assert!(note().as_str().unwrap().starts_with("paused due to "), "{}", note());
    set(&["unpause", "s"]);
    assert_eq!(note(), "new");
}

#[test]
fn the_reason_of_paused_times_has_the_note_of_the_pause_only() {
    let env = Env::new();
    let create = |id: &str, rest: &[&str]| {
        let always = [
            "schedule",
            "create",
            id,
            "--interval",
            "1s",
            "--note",
            "own note",
            "--shell",
            "true",
        ];
        env.tempo(&[&always[..], rest].concat()).ok();
    };
    create("without", &[]);
    create("with", &[]);
    create("same", &[]);
    create("from-the-start", &["--paused"]);
    env.tempo(&["schedule", "pause", "without"]).ok();
    env.tempo(&["schedule", "pause", "with", "--note", "holiday"]).ok();
    env.tempo(&["schedule", "pause", "same", "--note", "own note"]).ok();
    let _server = env.serve(&[]);
    for (id, end) in [
        ("without", "Z"),
        ("with", "Z: holiday"),
        ("same", "Z: own note"),
        ("from-the-start", "Z: own note"),
    ] {
        let is_paused = |range: &Value| range["outcome"] == "paused";
        let explained = env.wait_for_json(&["schedule", "explain", id, "--from", "-1m"], |all| {
            all.as_array().unwrap().iter().any(is_paused)
        });
        let paused = explained.as_array().unwrap().iter().find(|range| is_paused(range)).unwrap();
        let reason = paused["reason"].as_str().unwrap();
        assert!(
            reason.starts_with("the schedule had been paused since ") && reason.ends_with(end),
            "{id}: {reason}"
        );
    }
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
