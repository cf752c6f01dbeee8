//! Backups: complete, taken while the server runs, and usable as a database.

use crate::harness::Env;

#[test]
fn a_backup_from_a_busy_server_contains_everything_acknowledged_before_it() {
    let env = Env::new();
    let create = [
        "schedule",
        "create",
        "busy",
        "--interval",
        "1s",
        "--overlap-policy",
        "allow-all",
        "--shell",
        "true",
    ];
    env.tempo(&create).ok();
    let mut server = env.serve(&[]);
    server.wait_for_log("finish");
    env.tempo(&[
        "schedule",
        "create",
        "last",
        "--interval",
        "1h",
        "--note",
        "before the backup",
        "--shell",
        "true",
    ])
    .ok();
    let report = env.json(&["doctor", "--backup", "copy.db"]);
    assert_eq!(
        (&report["faults"], &report["backup"]),
        (&serde_json::json!([]), &serde_json::json!("copy.db"))
    );
    let runs = env.json(&["--db", "copy.db", "workflow", "list"]);
    assert_eq!(runs[0]["schedule_id"], "busy");
    assert_eq!(
        env.json(&["--db", "copy.db", "schedule", "describe", "last"])["note"],
        "before the backup"
    );
    env.tempo(&["--db", "copy.db", "doctor"]).ok();
    let mode = std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(env.path("copy.db")).unwrap().permissions());
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn a_backup_overwrites_no_file_and_doctor_reports_damage() {
    let env = Env::new();
    env.tempo(&["schedule", "create", "s", "--interval", "1h", "--shell", "true"])
        .ok();
    std::fs::write(env.path("there"), "mine").unwrap();
    let ran = env.tempo(&["doctor", "--backup", "there"]);
    assert_eq!(ran.code, Some(4), "{ran:?}");
    assert_eq!(std::fs::read_to_string(env.path("there")).unwrap(), "mine");
    assert_eq!(
        env.tempo(&["doctor", "--backup", "no/such/directory/x"]).code,
        Some(0),
        "its directory is created"
    );
    let mut bytes = std::fs::read(env.database()).unwrap();
    let page = 4096;
    bytes[3 * page..6 * page].fill(0xff);
    std::fs::write(env.database(), bytes).unwrap();
    let damaged = env.tempo(&["doctor"]);
    assert_eq!(damaged.code, Some(6), "{damaged:?}");
    let left: Vec<_> = std::fs::read_dir(env.path("."))
        .unwrap()
        .map(|e| e.unwrap().file_name())
        .collect();
    assert!(left.iter().all(|n| !n.to_string_lossy().ends_with(".part")), "{left:?}");
}

#[test]
fn backs_up_to_a_path_that_is_not_utf_8() {
    use std::os::unix::ffi::OsStrExt as _;
    use std::os::unix::fs::PermissionsExt as _;
    let env = Env::new();
    env.tempo(&["schedule", "create", "s", "--interval", "1h", "--shell", "true"])
        .ok();
    let copy = env.path(".").join(std::ffi::OsStr::from_bytes(b"copy-\xfe.db"));
    let done = env.command(&["doctor", "--backup"]).arg(&copy).output().unwrap();
    assert!(done.status.success(), "{done:?}");
    let listed = env.command(&["schedule", "list", "--db"]).arg(&copy).output().unwrap();
    assert!(String::from_utf8_lossy(&listed.stdout).contains("every hour"), "{listed:?}");
    for entry in std::fs::read_dir(env.path(".")).unwrap().map(Result::unwrap) {
        let mode = entry.metadata().unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, 0o600, "{:?}", entry.file_name());
        assert!(!entry.file_name().as_bytes().ends_with(b".part"), "{:?}", entry.file_name());
    }
}

#[test]
fn a_name_that_sqlite_would_read_as_a_uri_is_a_name() {
    let env = Env::new();
    env.tempo(&["schedule", "create", "s", "--interval", "1h", "--shell", "true"])
        .ok();
    env.tempo(&["doctor", "--backup", "file:copy.db?mode=memory"]).ok();
    let copy = env.path("file:copy.db?mode=memory");
    assert_eq!(env.json(&["--db", copy.to_str().unwrap(), "schedule", "list"])[0]["id"], "s");
    let left = std::fs::read_dir(env.path(".")).unwrap();
    let left: Vec<_> = left
        .map(|e| e.unwrap().file_name())
        .filter(|n| n.to_string_lossy().contains("part"))
        .collect();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn restore_replaces_the_database_by_a_backup_and_keeps_the_old_one() {
    let env = Env::new();
    let create = |id| {
        env.tempo(&["schedule", "create", id, "--interval", "1h", "--shell", "true"])
            .ok()
    };
    let ids = |database: &str| -> Vec<String> {
        let listed = env.json(&["--db", database, "schedule", "list"]);
        let ids = listed.as_array().unwrap().iter();
        ids.map(|s| s["id"].as_str().unwrap().to_owned()).collect()
    };
    create("a");
    env.tempo(&["doctor", "--backup", "copy.db"]).ok();
    create("b");
    let server = env.serve(&[]);
    let refused = env.tempo(&["doctor", "--restore", "copy.db"]);
    assert_eq!(refused.code, Some(4), "{refused:?}");
    server.kill();
    for (file, code) in [("none.db", 3), ("other.db", 6), ("damaged.db", 6)] {
        rusqlite::Connection::open(env.path("other.db"))
            .unwrap()
            .execute_batch("CREATE TABLE IF NOT EXISTS x (y)")
            .unwrap();
        let copy = std::fs::read(env.path("copy.db")).unwrap();
        std::fs::write(env.path("damaged.db"), &copy[..copy.len() / 2]).unwrap();
        let refused = env.tempo(&["doctor", "--restore", file]);
        assert_eq!(refused.code, Some(code), "{file}: {refused:?}");
        assert_eq!(ids("t.db"), ["a", "b"], "{file}");
    }
    let restored = env.json(&["doctor", "--restore", "copy.db"]);
    assert_eq!(ids("t.db"), ["a"]);
    assert_eq!(ids(restored["replaced"].as_str().unwrap()), ["a", "b"]);
    assert_eq!(ids("copy.db"), ["a"], "the backup stays");
    // An older version is migrated; where there is no database, there is nothing to keep.
    let old = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/data/v2.db");
    let restored = env.json(&["--db", "new/t.db", "doctor", "--restore", old]);
    assert_eq!(restored["replaced"], serde_json::Value::Null);
    assert!(!ids("new/t.db").is_empty());
    let left = std::fs::read_dir(env.path(".")).unwrap().map(|e| e.unwrap().file_name());
    assert!(left.map(|n| n.to_string_lossy().into_owned()).all(|n| !n.contains(".part")));
}

#[test]
fn the_log_of_a_database_that_was_moved_away_is_neither_deleted_nor_applied_to_another() {
    let env = Env::new();
    let create = ["schedule", "create", "a", "--interval", "1h", "--shell", "true"];
    env.tempo(&create).ok();
    env.tempo(&["doctor", "--backup", "copy.db"]).ok();
    let server = env.serve(&[]);
    env.tempo(&["schedule", "pause", "a", "--note", "in the log"]).ok();
    server.kill();
    let log = std::fs::read(env.path("t.db-wal")).unwrap();
    std::fs::rename(env.database(), env.path("moved.db")).unwrap();
    for is_empty in [false, true] {
        if is_empty {
            std::fs::write(env.database(), "").unwrap();
        }
        for args in [
            &["schedule", "list"][..],
            &create,
            &["run", "--once"],
            &["doctor"],
            &["doctor", "--restore", "copy.db"],
        ] {
            let refused = env.tempo(args);
            assert_eq!(refused.code, Some(6), "{args:?}: {refused:?}");
            assert!(refused.stderr.contains("t.db-wal` of one that was moved"), "{refused:?}");
            let database = std::fs::metadata(env.database()).ok().map(|file| file.len());
            assert_eq!(database, is_empty.then_some(0), "{args:?}");
            assert_eq!(std::fs::read(env.path("t.db-wal")).unwrap(), log, "{args:?}");
        }
    }
    std::fs::remove_file(env.database()).unwrap();
    // As the hint says.
    std::fs::rename(env.path("t.db-wal"), env.path("moved.db-wal")).unwrap();
    env.tempo(&["doctor", "--restore", "copy.db"]).ok();
    let note = |database: &str| env.json(&["--db", database, "schedule", "describe", "a"])["note"].clone();
    assert_eq!((note("moved.db"), note("t.db")), ("in the log".into(), "".into()));
}

#[test]
fn no_backup_is_written_beside_the_log_of_another_database() {
    let env = Env::new();
    env.tempo(&["schedule", "create", "a", "--interval", "1h", "--shell", "true"])
        .ok();
    let server = env.serve(&[]);
    env.tempo(&["schedule", "pause", "a", "--note", "in the log"]).ok();
    server.kill();
    std::fs::copy(env.path("t.db-wal"), env.path("b.db-wal")).unwrap();
    let refused = env.tempo(&["doctor", "--backup", "b.db"]);
    assert_eq!(refused.code, Some(6), "{refused:?}");
    assert!(refused.stderr.contains("b.db-wal` of one that was moved"), "{refused:?}");
    assert!(!env.path("b.db").exists());
    std::fs::rename(env.path("b.db-wal"), env.path("b.db-journal")).unwrap();
    assert_eq!(
        env.tempo(&["doctor", "--backup", "b.db"]).code,
        Some(6),
        "nor beside a journal"
    );
    std::fs::remove_file(env.path("b.db-journal")).unwrap();
    env.tempo(&["doctor", "--backup", "b.db"]).ok();
    let backed_up = env.json(&["--db", "b.db", "schedule", "describe", "a"]);
    assert_eq!(backed_up["note"], "in the log");
}

#[test]
fn rejects_a_database_or_backup_that_is_not_a_regular_file() {
    let env = Env::new();
    env.tempo(&["schedule", "create", "a", "--interval", "1h", "--shell", "true"])
        .ok();
    env.tempo(&["doctor", "--backup", "b.db"]).ok();
    std::fs::write(env.path("empty.db"), "").unwrap();
    std::fs::create_dir(env.path("dir")).unwrap();
    assert!(
        std::process::Command::new("mkfifo")
            .arg(env.path("pipe"))
            .status()
            .unwrap()
            .success()
    );
    for (args, message) in [
        (&["--db", "pipe", "schedule", "list"][..], "`pipe` is not a regular file"),
        (
            &["--db", "/dev/null", "schedule", "list"],
            "`/dev/null` is not a regular file",
        ),
        (&["doctor", "--restore", "pipe"], "`pipe` is not a regular file"),
        (&["doctor", "--restore", "empty.db"], "`empty.db` is empty"),
        (
            &["--db", "dir", "doctor", "--restore", "b.db"],
            "the database `dir` is not a regular file",
        ),
    ] {
        let refused = env.tempo(args);
        assert_eq!(refused.code, Some(6), "{args:?}: {refused:?}");
        assert!(refused.stderr.contains(message), "{args:?}: {refused:?}");
    }
}

/// The id of the database.
fn identity(env: &Env) -> String {
    let database = rusqlite::Connection::open(env.database()).unwrap();
    database.query_row("SELECT id FROM identity", [], |r| r.get(0)).unwrap()
}

#[test]
fn backups_of_other_databases_and_served_ones_are_not_deleted() {
    let env = Env::new();
    env.tempo(&["schedule", "create", "s", "--allow-never", "--shell", "true"])
        .ok();
    let id = identity(&env);
    let directory = env.path("backups");
    std::fs::create_dir(&directory).unwrap();
    // Of a database with another name, and of another one with this name.
    let others = [
        format!("o-{id}-20200101T000000Z.db"),
        "t-01234567-20200101T000000Z.db".to_owned(),
    ];
    for name in &others {
        std::fs::write(directory.join(name), "").unwrap();
    }
    let backup = directory.join(format!("t-{id}-20200101T000000Z.db")).display().to_string();
    let other = env.serve(&["--db", &backup]);
    let mut server = env.serve(&["--backup-dir", "backups", "--backup-every", "1s", "--backup-keep", "1"]);
    for _ in 0..3 {
        server.wait_for_log("backup ");
    }
    for server in [server, other] {
        server.signal("TERM");
        assert_eq!(server.wait().0, Some(0));
    }
    assert!(others.iter().all(|name| directory.join(name).exists()));
    env.tempo(&["--db", &backup, "schedule", "list"]).ok();
}

#[test]
fn the_server_backs_up_regularly_and_keeps_the_newest() {
    let env = Env::new();
    env.tempo(&["schedule", "create", "s", "--interval", "1h", "--shell", "true"])
        .ok();
    let directory = env.path("backups");
    std::fs::create_dir(&directory).unwrap();
    let id = identity(&env);
    let of_database = |rest: &str| format!("t-{id}-{rest}");
    let old = &of_database("20200101T000000Z.db");
    // From before the clock was corrected: older than all that are written now.
    let future = &of_database("20990101T000000Z.db");
    let unfinished = [
        &of_database("20200101T000001Z.db.77.part"),
        &of_database("20200101T000001Z.db.77.part-journal"),
    ];
    let [other, mine] = ["other.db", "tempo-of-mine.db"].map(str::to_owned);
    for name in [old, future, unfinished[0], unfinished[1], &other, &mine] {
        std::fs::write(directory.join(name), "").unwrap();
    }
    std::fs::create_dir(directory.join(of_database("20190101T000000Z.db"))).unwrap();
    let names = || -> Vec<String> {
        let files = std::fs::read_dir(&directory).unwrap();
        let mut names: Vec<_> = files.map(|f| f.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    };
    let mut server = env.serve(&["--backup-dir", "backups", "--backup-every", "1s", "--backup-keep", "2"]);
    for _ in 0..3 {
        server.wait_for_log("backup ");
    }
    server.signal("TERM");
    assert_eq!(server.wait().0, Some(0));
    let left = names();
    assert_eq!(left.len(), 5, "{left:?}");
    assert!(left.iter().all(|name| ![old, future].contains(&name)), "{left:?}");
    assert!(left.contains(&other) && left.contains(&mine), "{left:?}");
    let newest = left.iter().filter(|name| name.starts_with(&of_database("2"))).max().unwrap();
    let copy = directory.join(newest).display().to_string();
    assert_eq!(env.json(&["--db", &copy, "schedule", "list"])[0]["id"], "s");
    // A day has not passed since the newest that is not from the future: the next server writes none.
    std::fs::write(directory.join(future), "").unwrap();
    let mut server = env.serve(&["--backup-dir", "backups"]);
    let other = env.tempo(&["--db", "o.db", "run", "--no-web", "--backup-dir", "backups"]);
    assert!(
        other.code == Some(4) && other.stderr.contains("is used by another `tempo run`"),
        "{other:?}"
    );
    let same = env.tempo(&["run", "--no-web", "--backup-dir", "backups"]);
    assert!(same.code == Some(4) && same.stderr.contains("already running"), "{same:?}");
    for _ in 0..100 {
        server.signal("USR1");
    }
    server.wait_for_log("state");
    // One thread answers them all.
    let threads = std::fs::read_dir(format!("/proc/{}/task", server.pid())).unwrap().count();
    assert!(threads < 50, "{threads}");
    server.signal("TERM");
    assert_eq!(server.wait().0, Some(0));
    assert_eq!(names().len(), 6);
    for args in [
        &["--backup-dir", "missing"][..],
        &["--backup-every", "1d"],
        &["--backup-dir", "backups", "--backup-keep", "0"],
    ] {
        assert_eq!(env.tempo(&[&["run", "--no-web"], args].concat()).code, Some(2), "{args:?}");
    }
}
