//! Bad input: the documented exit code, a message that names the input and the rule, and an unchanged database.

use serde_json::Value;

use crate::harness::Env;

/// Arguments, exit code, and the parts that the message must contain.
type Case<'a> = (&'a [&'a str], i32, &'a [&'a str]);

#[track_caller]
pub(crate) fn assert_rejected(env: &Env, (args, code, parts): &Case<'_>) {
    let ran = env.tempo(args);
    assert_eq!(ran.code, Some(*code), "{args:?}: {ran:?}");
    for part in *parts {
        assert!(ran.stderr.contains(part), "{args:?}: no `{part}` in: {}", ran.stderr);
    }
    assert!(!ran.stderr.contains("panicked"), "{args:?}: {}", ran.stderr);
    let json = env.tempo(&[&["-o", "json"], *args].concat());
    assert_eq!(json.code, Some(*code), "{args:?} in JSON");
    let error: serde_json::Value =
        serde_json::from_str(&json.stderr).unwrap_or_else(|e| panic!("{args:?}: {e}: {}", json.stderr));
    assert!(error["error"]["message"].is_string(), "{error}");
}

#[test]
#[expect(clippy::too_many_lines, reason = "a table")]
fn an_invalid_schedule_is_rejected_and_no_database_is_created() {
    let env = Env::new();
    let create = |rest: &[&'static str]| -> Vec<&'static str> { [&["schedule", "create", "x"], rest].concat() };
    let table: Vec<(Vec<&str>, &[&str])> = vec![
        (
            create(&["--interval", "2m", "--tz", "Europe/Berln", "--shell", "x"]),
            &["Europe/Berln", "Did you mean `Europe/Berlin`?"],
        ),
        (
            create(&["--cron", "0 25 * * *", "--shell", "x"]),
            &["hour `25` is out of range 0-23", "           ^^"],
        ),
        (create(&["--cron", "0 0 9 ? * MON-FRI", "--shell", "x"]), &["--quartz"]),
        (create(&["--interval", "500ms", "--shell", "x"]), &["500ms", "at least 1s"]),
        (create(&["--interval", "1.5s", "--shell", "x"]), &["whole seconds"]),
        (
            create(&["--interval", "10s/10s", "--shell", "x"]),
            &["the offset is too long"],
        ),
        (
            create(&["--interval", "2m", "--catchup-window", "5s", "--shell", "x"]),
            &["catch-up window `5s` is under 10s"],
        ),
        (
            create(&["--interval", "2m", "--probe", "=http://127.0.0.1/"]),
            &["no name before `=`"],
        ),
        (
            create(&[
                "--interval",
                "2m",
                "--probe",
                "a=http://127.0.0.1/",
                "--probe",
                "a=http://127.0.0.1/",
            ]),
            &["two steps are named `a`"],
        ),
        (create(&["--interval", "2m", "--probe", "a"]), &["no `NAME=URL`"]),
        (create(&["--interval", "2m", "--probe", "a="]), &["no URL after `a=`"]),
        (
            create(&["--interval", "2m", "--probe", "a=ftp://127.0.0.1/"]),
            &["scheme `ftp`", "http or https"],
        ),
        (create(&["--interval", "2m", "--probe", "a=127.0.0.1"]), &["a"]),
        (
            create(&["--interval", "2m", "--probe", "a=http://127.0.0.1/ status=99"]),
            &["status `99`", "from 100 to 599"],
        ),
        (
            create(&["--interval", "2m", "--probe", "a=http://127.0.0.1/ timeout=5"]),
            &["missing unit after `5`"],
        ),
        (
            create(&["--interval", "2m", "--probe", "a=http://127.0.0.1/ tiemout=5s"]),
            &["`tiemout`"],
        ),
        (
            create(&["--interval", "2m", "--overlap-policy", "skipp", "--shell", "x"]),
            &["skipp", "Did you mean `skip`?"],
        ),
        (
            create(&[
                "--interval",
                "2m",
                "--start-time",
                "2027-01-02",
                "--end-time",
                "2027-01-01",
                "--shell",
                "x",
            ]),
            &["is after the end time"],
        ),
        (create(&["--interval", "2m"]), &["nothing to run"]),
        (create(&["--shell", "x"]), &["no times are given"]),
        (
            create(&["--cron", "0 0 30 2 *", "--shell", "x"]),
            &["never fires", "--allow-never"],
        ),
        (
            create(&["--calendar", "{\"huor\":\"9\"}", "--shell", "x"]),
            &["unknown field `huor`"],
        ),
        (
            create(&["--calendar", "{\"hour\":\"25\",\"month\":\"0\"}", "--shell", "x"]),
            &["hour `25`", "month `0`"],
        ),
        (
            create(&["--exclude", "2026-13-01", "--interval", "2m", "--shell", "x"]),
            &["2026-13-01", "expected a valid date"],
        ),
        (
            create(&["--interval", "2m", "--remaining-actions", "few", "--shell", "x"]),
            &["number of remaining actions `few`"],
        ),
        (
            create(&["--interval", "2m", "--non-retryable", "Timeuot", "--shell", "x"]),
            &["Did you mean `Timeout`?"],
        ),
        (create(&["--interval", "2m", "--steps", "/no/such/file"]), &["/no/such/file"]),
        (
            create(&["--interval", "2m", "--shell", "x", "--probe", "a=http://127.0.0.1/"]),
            &["cannot be used with"],
        ),
        (
            vec!["schedule", "create", "a b", "--interval", "2m", "--shell", "x"],
            &["a b"],
        ),
        (
            vec![
                "schedule",
                "create",
                "x",
                "--interval",
                "2m",
                "--dst-gap",
                "jump",
                "--shell",
                "x",
            ],
            &["`jump`", "`skip` or `shift`"],
        ),
    ];
    for (args, parts) in &table {
        assert_rejected(&env, &(args, 2, parts));
        assert!(!env.database().exists(), "{args:?} created a database");
    }
}

#[test]
fn reports_what_does_not_exist_or_already_exists() {
    let env = Env::new();
    env.tempo(&["schedule", "create", "health", "--interval", "2m", "--shell", "true"])
        .ok();
    // The next times change as time passes.
    let without_next_times = |mut described: Value| {
        for next in ["next_action_at", "next_action_times"] {
            described[next].take();
        }
        described
    };
    let describe = || without_next_times(env.json(&["schedule", "describe", "health"]));
    let before = describe();
    let table: &[Case<'_>] = &[
        (
            &["schedule", "describe", "helth"],
            3,
            &["no schedule is named `helth`", "Did you mean `health`?"],
        ),
        (&["schedule", "pause", "helth"], 3, &["Did you mean `health`?"]),
        (&["schedule", "pause", "health", "helth", "--note", "x"], 3, &["helth"]),
        (&["schedule", "trigger", "helth"], 3, &["helth"]),
        (&["schedule", "delete", "health", "nope"], 3, &["nope"]),
        (&["schedule", "update", "helth", "--note", "x"], 3, &["helth"]),
        (&["schedule", "update", "health", "--cron", "61 * * * *"], 2, &["minute `61`"]),
        (
            &["schedule", "update", "health", "--clear", "intervall"],
            2,
            &["Did you mean `interval`?"],
        ),
        (
            &["schedule", "create", "health", "--interval", "2m", "--shell", "true"],
            4,
            &["already exists", "--if-not-exists"],
        ),
        (
            &["schedule", "backfill", "health", "--start-time", "now", "--end-time", "-1h"],
            2,
            &["is after the end time"],
        ),
        (
            &["schedule", "backfill", "health", "--start-time", "now", "--end-time", "+1h"],
            2,
            &["in the future"],
        ),
        (
            &["schedule", "backfill", "health", "--start-time", "tomorrow"],
            2,
            &["`tomorrow` is not a time"],
        ),
        (&["workflow", "describe", "abc123"], 3, &["no run is named `abc123`"]),
        (&["workflow", "list", "--status", "Done"], 2, &["no status is named `Done`"]),
        (&["incident", "describe", "7"], 3, &["no incident has the number 7"]),
        (&["run", "--workers", "0"], 2, &["`--workers` must be at least 1"]),
        (&["run", "--for", "soon"], 2, &["soon"]),
        (&["no-such-command"], 2, &["no-such-command"]),
    ];
    for case in table {
        assert_rejected(&env, case);
    }
    assert_eq!(describe(), before);
    assert_eq!(
        without_next_times(env.json(&[
            "schedule",
            "create",
            "health",
            "--interval",
            "9m",
            "--shell",
            "x",
            "--if-not-exists"
        ])),
        before
    );
}

#[test]
fn a_missing_program_fails_the_run_but_not_its_creation() {
    let env = Env::new();
    env.tempo(&["workflow", "start", "--workflow-id", "w", "--", "no-such-program"])
        .ok();
    assert_eq!(env.serve(&["--once"]).wait().0, Some(1));
    let attempt = env.json(&["workflow", "describe", "w"])["steps"][0]["attempts"][0].clone();
    assert_eq!(
        (attempt["error_type"].as_str(), attempt["error"].as_str()),
        (Some("Spawn"), Some("program `no-such-program` not found"))
    );
}

#[test]
fn a_variable_that_is_not_utf_8_is_not_treated_as_unset() {
    use std::os::unix::ffi::OsStrExt as _;
    let env = Env::new();
    let name = std::ffi::OsStr::from_bytes(b"named-\xff.db");
    let create = ["schedule", "create", "s", "--interval", "1h", "--shell", "true"];
    let done = env.command(&create).env("TEMPO_DB", name).output().unwrap();
    assert!(done.status.success(), "{done:?}");
    assert!(env.path(".").join(name).exists());
    assert!(!env.path(".local").exists() && !env.database().exists());

    let bad = std::ffi::OsStr::from_bytes(b"\xff");
    let zone = env
        .command(&[&create[..], &["--time-zone", "local"]].concat())
        .env("TZ", bad)
        .output()
        .unwrap();
    assert_eq!(zone.status.code(), Some(2), "{zone:?}");
    assert!(
        String::from_utf8_lossy(&zone.stderr).contains("the environment variable `TZ` is not valid UTF-8"),
        "{zone:?}"
    );
    std::fs::write(
        env.path("s.toml"),
        "[[step]]\nname = \"x\"\nshell = \"true\"\nenv = { A = \"env:SECRET\" }\n",
    )
    .unwrap();
    let check = env.command(&["check", "-f", "s.toml"]).env("SECRET", bad).output().unwrap();
    assert_eq!(check.status.code(), Some(1), "{check:?}");
    assert!(
        String::from_utf8_lossy(&check.stdout).contains("`SECRET` is not valid UTF-8"),
        "{check:?}"
    );
}

/// Fills a database, overwrites a range of bytes chosen by `seed`, and serves it.
fn serve_damaged(seed: u64) -> (Option<i32>, String) {
    let env = Env::new();
    for n in 0..40 {
        let id = format!("s{n}");
        let create = [
            "schedule",
            "create",
            id.as_str(),
            "--interval",
            "1h",
            "--note",
            "a note that fills some of the page it is on",
        ];
        env.tempo(&[&create[..], &["--shell", "true"]].concat()).ok();
        env.tempo(&["schedule", "trigger", &id]).ok();
    }
    let mut random = fastrand::Rng::with_seed(seed);
    let mut bytes = std::fs::read(env.database()).unwrap();
    // The header is kept: without it, SQLite does not open the file.
    let at = random.usize(200..bytes.len() - 600);
    bytes[at..at + random.usize(20..600)].fill_with(|| random.u8(..));
    std::fs::write(env.database(), bytes).unwrap();
    let mut command = env.command(&["run", "--once"]);
    let child = command
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let done = crate::harness::ended(child);
    let text = [done.stdout, done.stderr].concat();
    (done.status.code(), String::from_utf8_lossy(&text).into_owned())
}

#[test]
fn run_once_exits_on_a_damaged_database() {
    let rounds = if crate::harness::is_long() { 120 } else { 4 };
    for seed in 0..rounds {
        let (code, log) = serve_damaged(seed);
        assert!(matches!(code, Some(0 | 1 | 6)), "seed {seed}: {code:?}\n{log}");
        for n in 0..40 {
            let is_logged = log.contains(&format!("s{n}-")) || log.contains(&format!("s{n} "));
            assert!(is_logged || code == Some(6), "seed {seed}: s{n} is not in the log\n{log}");
        }
    }
}

#[test]
fn a_duplicate_key_in_json_is_rejected() {
    let env = Env::new();
    let steps = r#"[{"name": "x", "shell": "true", "env": {"A": "1", "A": "2"}}]"#;
    std::fs::write(env.path("s.json"), steps).unwrap();
    let ran = env.tempo(&["schedule", "create", "s", "--interval", "1h", "--steps", "s.json"]);
    assert_eq!(ran.code, Some(2), "{ran:?}");
    assert!(ran.stderr.contains("duplicate key `A`"), "{ran:?}");
}

#[test]
fn a_backfill_of_too_many_times_is_rejected_without_counting_them_all() {
    let env = Env::new();
    let seconds = r#"{"second":"*","minute":"*","hour":"*"}"#;
    env.tempo(&["schedule", "create", "s", "--calendar", seconds, "--", "true"])
        .ok();
    let range = ["--start-time", "0001-01-01", "--end-time", "2026-01-01"];
    for yes in [&[][..], &["--yes"]] {
        let ran = env.tempo(&[&["schedule", "backfill", "s"], &range[..], yes].concat());
        assert_eq!(ran.code, Some(2), "{ran:?}");
        assert!(ran.stderr.contains("more than 1,000,000 times"), "{ran:?}");
    }
}
