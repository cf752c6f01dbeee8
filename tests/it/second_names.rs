//! A database with a second name while a server uses it by the first: `SQLite` would keep another log beside the second, and lose changes.

use crate::harness::{CommandOutput, Env};

fn create(env: &Env, database: &str, id: &str) -> CommandOutput {
    env.tempo(&[
        "--db",
        database,
        "schedule",
        "create",
        id,
        "--interval",
        "1h",
        "--shell",
        "true",
    ])
}

fn ids(env: &Env, database: &str) -> Vec<String> {
    let all = env.json(&["--db", database, "schedule", "list"]);
    all.as_array()
        .unwrap()
        .iter()
        .map(|s| s["id"].as_str().unwrap().to_owned())
        .collect()
}

#[test]
fn commands_refuse_a_hard_link_to_a_served_database() {
    let env = Env::new();
    create(&env, "t.db", "before").ok();
    // Also with the lock file of a server that used that name.
    for leftover in [false, true] {
        let server = env.serve(&[]);
        create(&env, "t.db", if leftover { "b" } else { "a" }).ok();
        std::fs::hard_link(env.database(), env.path("second.db")).unwrap();
        if leftover {
            std::fs::write(env.path("second.db.lock"), "1 1\n").unwrap();
        }
        for args in [
            &["schedule", "list"][..],
            &["schedule", "create", "lost", "--interval", "1h", "--shell", "true"],
        ] {
            let refused = env.tempo(&[&["--db", "second.db"], args].concat());
            assert_eq!(refused.code, Some(4), "{refused:?}");
            assert!(refused.stderr.contains("by another name"), "{refused:?}");
        }
        assert!(!env.path("second.db-wal").exists());
        std::fs::remove_file(env.path("second.db")).unwrap();
        create(&env, "t.db", if leftover { "d" } else { "c" }).ok();
        server.signal("TERM");
        assert_eq!(server.wait().0, Some(0));
    }
    assert_eq!(ids(&env, "t.db"), ["a", "b", "before", "c", "d"]);
}

#[test]
fn a_served_database_that_is_moved_and_replaced_by_a_link_loses_nothing() {
    let env = Env::new();
    create(&env, "t.db", "before").ok();
    let mut server = env.serve(&[]);
    create(&env, "t.db", "beside").ok();
    server.signal("STOP");
    std::fs::rename(env.database(), env.path("moved.db")).unwrap();
    std::os::unix::fs::symlink(env.path("moved.db"), env.database()).unwrap();
    let refused = create(&env, "t.db", "lost");
    assert_eq!(refused.code, Some(4), "{refused:?}");
    server.signal("CONT");
    server.wait_for_log("overwritten; stopping");
    assert_eq!(server.wait().0, Some(6));
    assert_eq!(ids(&env, "moved.db"), ["before", "beside"]);
    create(&env, "t.db", "after").ok();
    assert_eq!(ids(&env, "moved.db"), ["after", "before", "beside"]);
}

#[test]
fn a_log_that_is_moved_and_replaced_by_a_link_stops_the_server() {
    for suffix in ["-wal", "-shm"] {
        let env = Env::new();
        create(&env, "t.db", "before").ok();
        let mut server = env.serve(&[]);
        let (from, to) = (env.path(&format!("t.db{suffix}")), env.path("moved"));
        server.signal("STOP");
        std::fs::rename(&from, &to).unwrap();
        std::os::unix::fs::symlink(&to, &from).unwrap();
        assert_eq!(create(&env, "t.db", "lost").code, Some(6), "{suffix}");
        server.signal("CONT");
        server.wait_for_log("overwritten; stopping");
        assert_eq!(server.wait().0, Some(6), "{suffix}");
        // SQLite removes what it finds at the name of its log.
        let _ = std::fs::remove_file(&from);
        assert_eq!(ids(&env, "t.db"), ["before"], "{suffix}");
    }
}
