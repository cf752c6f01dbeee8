//! A server whose files are moved, replaced or removed.

use crate::harness::{Env, is_alive, wait_until};

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
            stderr.contains("was deleted, moved, replaced or overwritten while the server was running"),
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
        server.wait_for_log("overwritten; stopping");
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
fn a_server_whose_log_is_overwritten_stops_with_an_error_and_leaves_the_database_intact() {
    // Emptied, or other contents.
    for contents in [vec![], vec![b'x'; 100_000], b"ab".to_vec()] {
        let env = Env::new();
        let create = |id| env.tempo(&["schedule", "create", id, "--interval", "1s", "--shell", "true"]);
        create("before").ok();
        let mut server = env.serve(&[]);
        create("beside").ok();
        server.wait_for_log("finish");
        let log = std::fs::OpenOptions::new().write(true).open(env.path("t.db-wal")).unwrap();
        log.set_len(0).unwrap();
        std::io::Write::write_all(&mut &log, &contents).unwrap();
        server.wait_for_log("overwritten; stopping");
        assert_eq!(server.wait().0, Some(6));
        assert!(env.tempo(&["doctor"]).ok().contains("integrity check passed"));
        let ids = env.json(&["schedule", "list"]);
        assert_eq!(ids[0]["id"], "before", "{ids}");
    }
}

#[test]
fn a_log_that_is_deleted_while_the_server_drains_is_saved_without_waiting_for_steps() {
    for running in [true, false] {
        let env = Env::new();
        env.tempo(&["schedule", "create", "before", "--interval", "1h", "--shell", "sleep 300"])
            .ok();
        let mut server = env.serve(&[]);
        if running {
            env.tempo(&["schedule", "trigger", "before"]).ok();
            env.wait_for_json(&["workflow", "list"], |runs| runs[0]["status"] == "Running");
        }
        env.tempo(&["schedule", "create", "beside", "--interval", "1h", "--shell", "true"])
            .ok();
        if !running {
            server.signal("STOP");
        }
        server.signal("TERM");
        if running {
            server.wait_for_log("waiting for 1 run");
        }
        std::fs::remove_file(env.path("t.db-wal")).unwrap();
        server.signal("CONT");
        server.wait_for_log("overwritten; stopping");
        assert_eq!(server.wait().0, Some(6));
        let listed = env.json(&["schedule", "list"]);
        assert_eq!(listed.as_array().unwrap().len(), 2, "{listed}");
        assert!(env.tempo(&["doctor"]).ok().contains("integrity check passed"));
    }
}

#[test]
fn a_server_whose_log_is_replaced_by_another_file_saves_what_it_has_recorded() {
    for contents in [String::new(), "x".repeat(100_000)] {
        let env = Env::new();
        env.tempo(&["schedule", "create", "a", "--interval", "1h", "--shell", "true"])
            .ok();
        let mut server = env.serve(&[]);
        env.tempo(&["schedule", "create", "beside", "--interval", "1h", "--shell", "true"])
            .ok();
        std::fs::write(env.path("other"), contents).unwrap();
        std::fs::rename(env.path("other"), env.path("t.db-wal")).unwrap();
        server.wait_for_log("overwritten; stopping");
        let saved = format!("t.db.saved-{}", server.pid());
        assert_eq!(server.wait().0, Some(6));
        let listed = env.json(&["--db", &saved, "schedule", "list"]);
        assert_eq!(listed.as_array().unwrap().len(), 2, "{listed}");
    }
}

#[test]
fn a_server_whose_log_is_truncated_stops_and_leaves_the_database_intact() {
    // By this process or others; in the middle, or to nothing; while it runs, drains or is about to stop.
    for (others, length, when) in [
        (true, 0, "stops"),
        (true, 4000, "stops"),
        (false, 4000, "runs"),
        (false, 20_000, "stops"),
        (false, 4000, "drains"),
    ] {
        let env = Env::new();
        let create = |id, shell| env.tempo(&["schedule", "create", id, "--interval", "1s", "--shell", shell]);
        create("before", if when == "drains" { "sleep 300" } else { "true" }).ok();
        let mut server = env.serve(&[]);
        server.wait_for_log("start");
        server.wait_for_log(if when == "drains" { "skip" } else { "finish" });
        if others {
            for id in ["a", "b", "c", "d", "e", "f"] {
                create(id, "true").ok();
            }
        }
        if when == "drains" {
            server.signal("TERM");
            server.wait_for_log("waiting for 1 run");
        } else {
            server.signal("STOP");
        }
        let log = std::fs::OpenOptions::new().write(true).open(env.path("t.db-wal")).unwrap();
        log.set_len(length).unwrap();
        if when == "stops" {
            server.signal("TERM");
        }
        server.signal("CONT");
        server.wait_for_log("overwritten; stopping");
        assert_eq!(server.wait().0, Some(6), "{others}, {length}, {when}");
        let checked = env.tempo(&["doctor"]);
        assert!(checked.code == Some(0), "{others}, {length}, {when}: {checked:?}");
    }
}

#[test]
fn a_named_pipe_in_place_of_the_log_holds_nobody_up() {
    let env = Env::new();
    env.tempo(&["schedule", "create", "s", "--interval", "1h", "--shell", "true"])
        .ok();
    let server = env.serve(&[]);
    assert!(env.shell("mkfifo pipe && mv pipe t.db-wal").status().unwrap().success());
    assert_eq!(server.wait().0, Some(6));
    let listed = env.tempo(&["schedule", "list"]);
    assert!(
        listed.code == Some(6) && listed.stderr.contains("is not a regular file"),
        "{listed:?}"
    );
}
