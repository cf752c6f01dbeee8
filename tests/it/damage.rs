//! Damaged data: it is reported once, everything readable is served, and the server exits with 6.

use std::process::Stdio;

use crate::harness::{Env, wait_until};

fn every_second(env: &Env, id: &str) {
    let shell = format!("echo {id} >> log");
    env.tempo(&["schedule", "create", id, "--interval", "1s", "--shell", &shell])
        .ok();
}

/// Runs SQL on the database, as a program unaware of tempo would.
fn sql(env: &Env, sql: &str) {
    let connection = rusqlite::Connection::open(env.database()).unwrap();
    connection.execute_batch(sql).unwrap();
}

#[test]
fn schedules_that_cannot_be_decided_do_not_delay_others() {
    let env = Env::new();
    let mut file = String::new();
    for n in 0..300 {
        file += &format!("[[schedule]]\nid = 'broken-{n}'\ninterval = '1s'\n[[schedule.step]]\nname = 's'\nshell = 'true'\n");
    }
    std::fs::write(env.path("jobs.toml"), file).unwrap();
    env.tempo(&["apply", "-f", "jobs.toml"]).ok();
    sql(&env, "UPDATE schedule SET spec = '{\"cron\":[\"x\"]}'");
    every_second(&env, "good");
    let server = env.command(&["run", "--for", "4s"]).output().unwrap();
    let ran: crate::harness::CommandOutput = server.into();
    assert_eq!(ran.code, Some(6), "{ran:?}");
    let times = env.wait_for_lines("log", 3);
    assert!(times.iter().all(|line| line == "good"), "{times:?}");
    let reported = ran
        .stderr
        .matches("the stored spec of the schedule `broken-7` is not valid")
        .count();
    assert_eq!(reported, 1, "{}", ran.stderr);
}

#[test]
fn serves_other_runs_if_the_steps_of_an_interrupted_run_cannot_be_read() {
    let env = Env::new();
    env.tempo(&[
        "workflow",
        "start",
        "--workflow-id",
        "w",
        "--shell",
        "echo up >> log; sleep 300",
    ])
    .ok();
    let server = env.serve(&[]);
    env.wait_for_lines("log", 1);
    server.kill();
    sql(&env, "UPDATE workflow SET json = '{\"steps\":[]}'");
    env.tempo(&["workflow", "start", "--shell", "echo other >> log"]).ok();
    let ran = env.tempo(&["run", "--once"]);
    assert_eq!(ran.code, Some(6), "{ran:?}");
    assert!(ran.stderr.contains("the stored steps are not valid"), "{ran:?}");
    assert_eq!(env.wait_for_lines("log", 2), ["up", "other"]);
    let left = std::process::Command::new("pkill")
        .args(["-f", "echo up >> log; sleep 300"])
        .status();
    drop(left);
}

#[test]
fn text_that_is_not_utf_8_makes_nothing_unreadable() {
    let env = Env::new();
    env.tempo(&[
        "schedule",
        "create",
        "a",
        "--interval",
        "1h",
        "--note",
        "n",
        "--shell",
        "exit 3",
    ])
    .ok();
    env.tempo(&[
        "notify",
        "add",
        "file",
        "--event",
        "run-failed",
        "--",
        "sh",
        "-c",
        "cat >> delivered",
    ])
    .ok();
    env.tempo(&["schedule", "trigger", "a"]).ok();
    assert_eq!(env.tempo(&["run", "--once"]).code, Some(1));
    env.tempo(&["workflow", "start", "--shell", "echo resumed >> log; sleep 300"])
        .ok();
    let server = env.serve(&[]);
    env.wait_for_lines("log", 1);
    server.kill();
    let not_utf_8 = "CAST(x'62ff' AS TEXT)";
    for column in [
        "run SET workflow_id",
        "run SET reason",
        "run SET stop_reason",
        "attempt SET error",
        "event SET detail",
        "incident SET note",
        "schedule SET note",
        "message SET error",
        "occurrence SET error",
        "occurrence SET target_url",
    ] {
        sql(&env, &format!("UPDATE {column} = {not_utf_8}"));
    }
    for args in [
        &["workflow", "list"][..],
        &["log"],
        &["incident", "list"],
        &["schedule", "list"],
        &["schedule", "describe", "a"],
        &["notify", "list"],
    ] {
        let shown = env.tempo(args).ok();
        assert!(args == ["notify", "list"] || shown.contains('\u{fffd}'), "{args:?}: {shown}");
    }
    let server = env.serve(&[]);
    env.wait_for_lines("log", 2);
    env.wait_for_lines("delivered", 1);
    server.kill();
    let checked = env.tempo(&["doctor"]);
    assert!(
        checked.code == Some(6) && checked.stderr.contains("contains text that is not UTF-8 (rows: "),
        "{checked:?}"
    );
}

#[test]
fn a_run_whose_position_is_damaged_does_not_end_the_server() {
    let env = Env::new();
    env.tempo(&["workflow", "start", "--shell", "true"]).ok();
    env.tempo(&["workflow", "start", "--shell", "echo other >> log"]).ok();
    sql(
        &env,
        "UPDATE run SET position = 7, attempts = 1, phase = 'running', phase_ms = 1 WHERE key = 1",
    );
    let ran = env.tempo(&["run", "--once"]);
    assert!(
        ran.code == Some(6) && ran.stderr.contains("the stored position 7 of run"),
        "{ran:?}"
    );
    assert_eq!(env.wait_for_lines("log", 1), ["other"]);
    let checked = env.tempo(&["doctor"]);
    assert!(
        checked.code == Some(6) && checked.stderr.contains("the stored position is not valid: 7"),
        "{checked:?}"
    );
}

#[test]
fn damage_after_the_log_was_emptied_by_sqlite_is_not_taken_for_an_overwritten_log() {
    use std::os::unix::fs::FileExt as _;
    let env = Env::new();
    env.tempo(&["schedule", "create", "a", "--interval", "1h", "--shell", "true"])
        .ok();
    let stderr = std::fs::File::create(env.path("stderr")).unwrap();
    let mut server = env.command(&["run"]).stdout(Stdio::null()).stderr(stderr).spawn().unwrap();
    let errors = || std::fs::read_to_string(env.path("stderr")).unwrap();
    env.wait_for_json(&["status"], |status| status["pid"].is_number());
    // The server writes nothing after that.
    env.tempo(&["schedule", "trigger", "a", "--wait"]).ok();
    let other = rusqlite::Connection::open(env.database()).unwrap();
    let emptied = "PRAGMA wal_checkpoint(TRUNCATE)";
    wait_until("a moment without a reader", || {
        other.query_row(emptied, [], |row| row.get("busy")) == Ok(false)
    });
    let due: u64 = other
        .query_row("SELECT rootpage FROM sqlite_schema WHERE name = 'due'", [], |row| row.get(0))
        .unwrap();
    let file = std::fs::OpenOptions::new().write(true).open(env.database()).unwrap();
    file.write_all_at(&[b'x'; 4096], (due - 1) * 4096).unwrap();
    other.execute_batch("CREATE TABLE beside (a)").unwrap();
    wait_until("the error", || errors().contains("malformed"));
    let stopped = std::process::Command::new("kill").arg(server.id().to_string()).status();
    assert!(stopped.unwrap().success());
    assert_eq!(server.wait().unwrap().code(), Some(6), "{}", errors());
    assert!(errors().contains("the server ran only what it could read"), "{}", errors());
}

#[test]
fn reports_a_truncated_database_even_if_the_missing_part_is_never_read() {
    for length in [0, 50, 40 * 1024] {
        let env = Env::new();
        for id in ["a", "b", "c"] {
            env.tempo(&["schedule", "create", id, "--interval", "1h", "--shell", "true"])
                .ok();
        }
        let mut server = env.serve(&[]);
        env.wait_for_json(&["status"], |status| status["pid"].is_number());
        let database = std::fs::OpenOptions::new().write(true).open(env.database()).unwrap();
        database.set_len(length).unwrap();
        server.signal("TERM");
        server.wait_for_log("the database is damaged");
        assert_eq!(server.wait().0, Some(6), "{length}");
    }
}

#[test]
fn saves_a_copy_if_a_long_reader_keeps_the_log_from_being_checkpointed() {
    let env = Env::new();
    let create = |id| env.tempo(&["schedule", "create", id, "--interval", "1h", "--shell", "true"]);
    create("before").ok();
    let reader = rusqlite::Connection::open(env.database()).unwrap();
    let mut server = env.serve(&[]);
    reader.execute_batch("BEGIN; SELECT * FROM schedule").unwrap();
    create("beside").ok();
    let copy = format!("t.db.saved-{}", server.pid());
    std::fs::remove_file(env.path("t.db-wal")).unwrap();
    server.wait_for_log("overwritten; stopping");
    wait_until("the copy", || env.path(&copy).exists());
    assert_eq!(server.wait().0, Some(6));
    let listed = env.json(&["--db", &copy, "schedule", "list"]);
    let ids: Vec<_> = listed.as_array().unwrap().iter().map(|s| s["id"].as_str().unwrap()).collect();
    assert_eq!(ids, ["before", "beside"]);
    drop(reader);
}

#[test]
fn a_deleted_database_is_saved_with_everything_acknowledged() {
    for replace in [false, true] {
        let env = Env::new();
        every_second(&env, "a");
        std::fs::write(env.path("other.db"), "").unwrap();
        let server = env.serve(&["--drain-timeout", "1s"]);
        let saved = env.path(&format!("t.db.saved-{}", server.pid()));
        env.tempo(&["schedule", "create", "late", "--interval", "1h", "--shell", "true"])
            .ok();
        if replace {
            std::fs::rename(env.path("other.db"), env.database()).unwrap();
        } else {
            std::fs::remove_file(env.database()).unwrap();
        }
        let (code, log) = server.wait();
        assert_eq!(code, Some(6), "{log}");
        assert!(log.contains("the records of this server were saved"), "{log}");
        let list = env.json(&["--db", saved.to_str().unwrap(), "schedule", "list"]);
        assert_eq!((&list[0]["id"], &list[1]["id"]), (&"a".into(), &"late".into()));
    }
}

#[test]
fn doctor_finds_entries_in_a_partial_index_that_the_table_does_not_have() {
    let env = Env::new();
    env.tempo(&["schedule", "create", "s", "--interval", "1h", "--shell", "true"])
        .ok();
    env.tempo(&["doctor"]).ok();
    // As if an update of the row had not reached the index.
    sql(
        &env,
        "CREATE INDEX beside ON schedule (id) WHERE paused_ms IS NULL; PRAGMA writable_schema = ON;
        UPDATE sqlite_schema SET sql = replace(sql, 'IS NULL', 'IS NOT NULL') WHERE name = 'beside'",
    );
    let ran = env.tempo(&["doctor"]);
    assert_eq!(ran.code, Some(6), "{ran:?}");
    assert!(ran.stderr.contains("wrong number of entries in index beside"), "{ran:?}");
    let backup = env.tempo(&["doctor", "--backup", "b.db"]);
    assert_eq!(backup.code, Some(6), "{backup:?}");
    assert!(!env.path("b.db").exists());
}

#[test]
fn a_wrong_time_in_the_list_of_due_times_is_reported_and_does_not_keep_the_server_busy() {
    let env = Env::new();
    every_second(&env, "a");
    sql(&env, "UPDATE due SET at_ms = 0");
    let ran = env.tempo(&["doctor"]);
    assert_eq!(ran.code, Some(6), "{ran:?}");
    assert!(
        ran.stderr.contains("schedule a is missing from the list of due times"),
        "{ran:?}"
    );
    env.tempo(&["run", "--once"]).ok();
    env.tempo(&["doctor"]).ok();
}

#[test]
fn a_schedule_without_progress_is_damage_and_a_vacuum_is_not() {
    let env = Env::new();
    every_second(&env, "a");
    env.tempo(&["schedule", "create", "b", "--interval", "1h", "--shell", "true"])
        .ok();
    let server = env.serve(&[]);
    sql(
        &env,
        "CREATE TABLE large (a); INSERT INTO large VALUES (randomblob(1000000)); DROP TABLE large",
    );
    for _ in 0..10 {
        let lines = env.wait_for_lines("log", 1).len();
        sql(&env, "VACUUM; PRAGMA wal_checkpoint(TRUNCATE)");
        env.wait_for_lines("log", lines + 1);
    }
    server.signal("TERM");
    assert_eq!(server.wait().0, Some(0));
    env.tempo(&["doctor"]).ok();
    sql(
        &env,
        "DELETE FROM progress WHERE schedule = (SELECT key FROM schedule WHERE id = 'b')",
    );
    let ran = env.tempo(&["doctor"]);
    assert!(ran.code == Some(6) && ran.stderr.contains("schedule b is missing"), "{ran:?}");
    std::fs::copy(env.database(), env.path("b.db")).unwrap();
    let restored = env.tempo(&["--db", "r.db", "doctor", "--restore", "b.db"]);
    assert!(
        restored.code == Some(6) && restored.stderr.contains("schedule b is missing"),
        "{restored:?}"
    );
    sql(&env, "DROP TABLE due");
    let ran = env.tempo(&["doctor"]);
    assert!(
        ran.code == Some(6) && ran.stderr.contains("the table `due` is missing"),
        "{ran:?}"
    );
    assert_eq!(env.tempo(&["run", "--for", "1s"]).code, Some(6));
}

#[test]
fn restores_no_backup_that_is_damaged() {
    use std::os::unix::fs::FileExt as _;
    let env = Env::new();
    for id in ["a", "b", "c"] {
        env.tempo(&["schedule", "create", id, "--interval", "1h", "--shell", "true"])
            .ok();
    }
    env.tempo(&["doctor", "--backup", "b.db"]).ok();
    let backup = rusqlite::Connection::open(env.path("b.db")).unwrap();
    let query = "SELECT (rootpage - 1) * page_size FROM sqlite_schema, pragma_page_size WHERE name = 'progress'";
    let at: u64 = backup.query_row(query, [], |row| row.get(0)).unwrap();
    drop(backup);
    // The number of cells of the page: two instead of three.
    let file = std::fs::OpenOptions::new().write(true).open(env.path("b.db")).unwrap();
    file.write_all_at(&[0, 2], at + 3).unwrap();
    let ran = env.tempo(&["doctor", "--restore", "b.db"]);
    assert!(
        ran.code == Some(6) && ran.stderr.contains("the backup `b.db` is damaged"),
        "{ran:?}"
    );
    assert_eq!(env.json(&["schedule", "list"]).as_array().unwrap().len(), 3);
    // What a backup of an older version lacks is found in the migrated copy.
    let old = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/data/v7.db");
    std::fs::copy(old, env.path("v7.db")).unwrap();
    let file = rusqlite::Connection::open(env.path("v7.db")).unwrap();
    file.execute_batch("DELETE FROM due").unwrap();
    drop(file);
    let ran = env.tempo(&["doctor", "--restore", "v7.db"]);
    assert!(
        ran.code == Some(6) && ran.stderr.contains("is missing from the list of due times"),
        "{ran:?}"
    );
    assert_eq!(env.json(&["schedule", "list"]).as_array().unwrap().len(), 3);
}

#[test]
fn a_missing_column_is_damage_that_ends_the_server() {
    let env = Env::new();
    env.tempo(&["schedule", "create", "s", "--interval", "1h", "--shell", "exit 3"])
        .ok();
    env.tempo(&["schedule", "trigger", "s"]).ok();
    sql(
        &env,
        "PRAGMA writable_schema = ON; UPDATE sqlite_schema SET sql = replace(sql, 'error_type', 'error_tipe') WHERE name = 'occurrence'",
    );
    let ran = env.tempo(&["run", "--once"]);
    assert!(
        ran.code == Some(6) && ran.stderr.contains("has no column named error_type"),
        "{ran:?}"
    );
    let ran = env.tempo(&["doctor"]);
    assert!(
        ran.code == Some(6) && ran.stderr.contains("the column `occurrence.error_type` is missing"),
        "{ran:?}"
    );
}

#[test]
fn times_out_of_range_are_shown_as_the_nearest_possible() {
    let env = Env::new();
    env.tempo(&[
        "schedule",
        "create",
        "s",
        "--interval",
        "1h",
        "--tz",
        "Pacific/Auckland",
        "--shell",
        "true",
    ])
    .ok();
    for (ms, shown) in [
        ("9223372036854775807", "9999-12-31T23:59:59.999Z"),
        ("-9223372036854775808", "0001-01-01T00:00:00Z"),
    ] {
        sql(&env, &format!("UPDATE schedule SET created_ms = {ms}"));
        assert_eq!(env.json(&["schedule", "describe", "s"])["created_at"], shown);
        env.tempo(&["schedule", "describe", "s"]).ok();
        env.tempo(&["schedule", "explain", "s"]).ok();
    }
}

#[test]
fn doctor_finds_damage_in_indexes_without_entries() {
    let env = Env::new();
    env.tempo(&["schedule", "create", "s", "--interval", "1h", "--shell", "true"])
        .ok();
    let file = rusqlite::Connection::open(env.database()).unwrap();
    let query = "SELECT name, (rootpage - 1) * (SELECT page_size FROM pragma_page_size) FROM sqlite_schema WHERE type = 'index'";
    let mut statement = file.prepare(query).unwrap();
    let rows = statement.query_map([], |r| Ok((r.get::<_, String>(0)?, r.get::<_, usize>(1)?)));
    let indexes: Vec<_> = rows.unwrap().map(Result::unwrap).collect();
    drop(statement);
    drop(file);
    let whole = std::fs::read(env.database()).unwrap();
    for (name, at) in indexes
        .iter()
        .filter(|(name, _)| ["incident_open", "message_open", "run_open"].contains(&name.as_str()))
    {
        let mut damaged = whole.clone();
        // A page of a table, not of an index.
        damaged[*at] = 0x0d;
        std::fs::write(env.database(), damaged).unwrap();
        let ran = env.tempo(&["doctor"]);
        assert_eq!(ran.code, Some(6), "{name}: {ran:?}");
        assert!(ran.stderr.contains(&format!("the index `{name}` cannot be read")), "{ran:?}");
    }
    std::fs::write(env.database(), whole).unwrap();
    // Those that somebody else has made are no damage.
    sql(
        &env,
        "create index \"my \"\"index\" on schedule (note) where note is not null; create table \"a \"\"b\" (c)",
    );
    env.tempo(&["doctor"]).ok();
}

#[test]
fn doctor_finds_what_cannot_be_read_and_no_backup_of_it_is_restored() {
    const IGNORED: &str = "PRAGMA ignore_check_constraints = ON; PRAGMA foreign_keys = OFF;";
    for (change, problem) in [
        ("UPDATE schedule SET spec = '{' WHERE id = 'bad'", "schedule bad: "),
        ("UPDATE schedule SET alerts = 'x' WHERE id = 'bad'", "schedule bad: "),
        (
            "UPDATE schedule SET note = CAST(x'ff' AS TEXT) WHERE id = 'bad'",
            "the column `schedule.note` contains text that is not UTF-8 (rows: 1)",
        ),
        (
            "UPDATE workflow SET json = '{' WHERE key = (SELECT workflow FROM schedule WHERE id = 'bad')",
            "schedule bad: ",
        ),
        (
            "DELETE FROM schedule WHERE id = 'bad'",
            "a row of the table `progress` belongs to a row of `schedule` that is missing",
        ),
        (
            "UPDATE schedule SET pause_on_failure = 7 WHERE id = 'bad'",
            "CHECK constraint failed in schedule",
        ),
    ] {
        let env = Env::new();
        env.tempo(&["schedule", "create", "bad", "--interval", "1h", "--shell", "exit 3"])
            .ok();
        env.tempo(&["schedule", "create", "good", "--interval", "1h", "--shell", "true"])
            .ok();
        env.tempo(&["doctor"]).ok();
        sql(&env, &format!("{IGNORED} {change}"));
        let checked = env.tempo(&["doctor"]);
        assert!(
            checked.code == Some(6) && checked.stderr.contains(problem),
            "{change}: {checked:?}"
        );
        let before = std::fs::read(env.database()).unwrap();
        let _ = env.tempo(&["upgrade", "--check-db"]);
        assert_eq!(
            std::fs::read(env.database()).unwrap(),
            before,
            "{change}: a check changes nothing"
        );
        let restored = env.tempo(&["--db", "other.db", "doctor", "--restore", "t.db"]);
        assert!(
            restored.code == Some(6) && restored.stderr.contains(problem),
            "{change}: {restored:?}"
        );
        assert!(!env.path("other.db").exists());
    }
}
