//! Text output: tables, times, messages and untrusted text.

use std::process::Stdio;

use crate::commands::{assert_fields, prepare};
use crate::harness::{CommandOutput, Env, Targets};

#[test]
fn tables_show_their_header() {
    let env = Env::new();
    let targets = Targets::start(&env);
    prepare(&targets, &env);
    env.tempo(&["apply", "-f", "jobs.toml"]).ok();
    env.tempo(&["schedule", "trigger", "failing"]).ok();
    let _ = env.tempo(&["run", "--once"]);
    for (args, header) in [
        (&["schedule", "list"][..], "ID       WHEN        NEXT (UTC)"),
        (&["schedule", "next", "failing", "--count", "1"], "TIME (UTC)"),
        (&["schedule", "explain", "failing", "--to", "+2h"], "FROM (UTC)"),
        (
            &["schedule", "simulate", "failing", "--takes", "1s", "--for", "2h"],
            "AT (UTC)",
        ),
        (
            &["workflow", "list"],
            "RUN     WORKFLOW                      STATUS                    STARTED (UTC)   TOOK",
        ),
        (&["incident", "list"], "SCHEDULE  TARGET  STATUS  ERROR"),
        (&["incident", "describe", "1"], "Incident  1"),
        (&["workflow", "describe", "failing"], "error: "),
        (
            &["status"],
            "Server      not running; nothing starts until you run `tempo run`",
        ),
        (&["help"], "cron           When a schedule fires"),
    ] {
        let ran = env.tempo(args);
        let text = if header == "error: " { &ran.stderr } else { &ran.stdout };
        let lines: Vec<&str> = text.lines().collect();
        assert!(lines.first().is_some_and(|l| l.starts_with(header)), "{args:?}: {ran:?}");
        // Without a terminal, nothing is wrapped or colored, and no line ends in spaces.
        assert!(
            lines.iter().all(|l| !l.ends_with(' ') && !l.contains('\u{1b}')),
            "{args:?}: {ran:?}"
        );
    }
}

#[test]
fn status_watch_repeats_until_the_reader_closes() {
    let env = Env::new();
    env.tempo(&["schedule", "create", "s", "--interval", "1h", "--", "true"]).ok();
    let mut child = env
        .command(&["-o", "jsonl", "status", "--watch"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut out = std::io::BufReader::new(child.stdout.take().unwrap());
    for _ in 0..2 {
        let mut line = String::new();
        std::io::BufRead::read_line(&mut out, &mut line).unwrap();
        assert_fields(
            &serde_json::from_str(&line).unwrap(),
            "up pid since running next queued incidents_open incidents_acked",
            "status --watch",
        );
    }
    drop(out);
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

#[test]
fn untrusted_text_cannot_control_the_terminal() {
    let env = Env::new();
    let hostile = "a\u{1b}]0;owned\u{7}\u{202e}z";
    let database = env.path(&format!("{hostile}.db"));
    let create = [
        "schedule",
        "create",
        "s",
        "--interval",
        "1h",
        "--note",
        hostile,
        "--shell",
        "true",
    ];
    let run = |args: &[&str]| -> CommandOutput { env.command(args).env("TEMPO_DB", &database).output().unwrap().into() };
    for ran in [
        run(&["schedule", "list", "--color", "always"]),
        run(&["schedule", "list", "-o", "json"]),
        run(&create),
        run(&["schedule", "describe", "s", "--color", "always"]),
        run(&["doctor"]),
        run(&["schedule", "describe", hostile]),
    ] {
        let shown = format!("{}{}", ran.stdout, ran.stderr);
        assert!(
            !shown.contains("\u{1b}]") && !shown.contains(['\u{7}', '\u{202e}']),
            "{shown:?}"
        );
    }
    let listed = run(&["schedule", "list", "-o", "json"]);
    assert_eq!(
        serde_json::from_str::<serde_json::Value>(&listed.stdout).unwrap()[0]["note"],
        hostile
    );
}

#[test]
fn color_codes_from_outside_are_removed() {
    let env = Env::new();
    let database = env.path("\u{1b}[31mred.db");
    let tempo = |args: &[&str]| -> CommandOutput { env.command(args).env("TEMPO_DB", &database).output().unwrap().into() };
    let shell = "cd '/x\u{1b}[31mRED'";
    let create = [
        "workflow",
        "start",
        "--workflow-id",
        "w",
        "--cwd",
        "/x\u{1b}[31mRED",
        "--shell",
        shell,
    ];
    tempo(&["--color", "always", "status"]).ok();
    tempo(&create).ok();
    assert_eq!(tempo(&["run", "--once"]).code, Some(1));
    for args in [
        &["status"][..],
        &["doctor"],
        &["schedule", "list"],
        &["workflow", "list"],
        &["workflow", "describe", "w"],
        &["workflow", "result", "w"],
        &["incident", "list"],
        &["incident", "describe", "1"],
        &["log"],
        &["schedule", "describe", "none"],
        &["check", "--shell", shell],
    ] {
        let printed = tempo(&[&["--color", "always"], args].concat());
        for text in [&printed.stdout, &printed.stderr] {
            assert!(
                !text.contains("\u{1b}[31mred") && !text.contains("\u{1b}[31mRED"),
                "{args:?}: {printed:?}"
            );
        }
    }
}

#[test]
fn output_is_unchanged_in_a_pipe_and_escaped_on_a_terminal() {
    let env = Env::new();
    env.tempo(&[
        "workflow",
        "start",
        "--workflow-id",
        "w",
        "--shell",
        r"printf 'a\033]0;owned\007\033[2Jb\n'",
    ])
    .ok();
    assert_eq!(env.serve(&["--once"]).wait().0, Some(0));
    assert_eq!(
        env.tempo(&["workflow", "output", "w"]).ok(),
        "a\u{1b}]0;owned\u{7}\u{1b}[2Jb\n"
    );
    // `script` runs a command in a new terminal.
    let line = format!("{} workflow output w", env!("CARGO_BIN_EXE_tempo"));
    let mut command = std::process::Command::new("script");
    command.args(["-qec", &line, "/dev/null"]).env("TEMPO_DB", env.database());
    let shown: CommandOutput = command.stdin(Stdio::null()).output().unwrap().into();
    assert!(shown.stdout.contains("a\u{fffd}]0;owned\u{fffd}\u{fffd}[2Jb"), "{shown:?}");
    assert!(!shown.stdout.contains('\u{1b}'), "{shown:?}");
    // Nor can a mistyped argument.
    for arguments in ["\u{1b}]0;owned\u{7}", "-o \u{1b}]0;owned\u{7} status"] {
        let line = format!("{} {arguments}", env!("CARGO_BIN_EXE_tempo")).replace(';', "\\;");
        let mut command = std::process::Command::new("script");
        command.args(["-qec", &line, "/dev/null"]).stdin(Stdio::null());
        let shown: CommandOutput = command.output().unwrap().into();
        assert!(shown.stdout.contains("error"), "{shown:?}");
        assert!(
            !shown.stdout.contains("\u{1b}]") && !shown.stdout.contains('\u{7}'),
            "{shown:?}"
        );
    }
}

#[test]
fn incident_list_shows_commands_and_status_counts_acknowledged_incidents_separately() {
    let env = Env::new();
    for id in ["a", "b"] {
        env.tempo(&["schedule", "create", id, "--interval", "1h", "--shell", "exit 3"])
            .ok();
        env.tempo(&["schedule", "trigger", id]).ok();
    }
    assert_eq!(env.tempo(&["run", "--once"]).code, Some(1));
    let listed = env.tempo(&["incident", "list"]).ok();
    assert!(listed.lines().nth(1).unwrap().contains("exit 3  open"), "{listed}");
    env.tempo(&["incident", "ack", "1"]).ok();
    let status = env.json(&["status"]);
    assert_eq!(
        (status["incidents_open"].as_u64(), status["incidents_acked"].as_u64()),
        (Some(1), Some(1))
    );
    assert!(env.tempo(&["status"]).ok().contains("1 open, 1 acknowledged"));
}

#[test]
fn an_empty_list_says_whether_a_filter_is_the_reason() {
    let env = Env::new();
    env.tempo(&["schedule", "create", "s", "--interval", "1h", "--", "false"])
        .ok();
    env.tempo(&["schedule", "trigger", "s"]).ok();
    assert_eq!(env.serve(&["--once"]).wait().0, Some(1));
    for (args, message) in [
        (&["schedule", "list", "--paused"][..], "No schedules match."),
        (&["incident", "list", "--target", "x"], "No incidents match."),
        (
            &["schedule", "next", "--at-boot"],
            "No fixed times: it starts after each boot.",
        ),
    ] {
        let ran = env.tempo(args);
        assert!(ran.stdout.is_empty() && ran.stderr.contains(message), "{args:?}: {ran:?}");
    }
    // What the table shows as the target selects it, and so does the name of the step.
    for target in ["false", "command"] {
        assert_eq!(env.json(&["incident", "list", "--target", target])[0]["id"], 1, "{target}");
    }
    assert_eq!(env.json(&["schedule", "list", "--limit", "0"])[0]["id"], "s");
    assert_eq!(env.json(&["schedule", "delete", "--all"])[0]["id"], "s");
    assert!(
        env.tempo(&["schedule", "list"])
            .stderr
            .starts_with("No schedules. Create one")
    );
}

#[test]
fn tables_show_times_in_the_zone_of_the_reader_or_in_utc_and_no_empty_columns() {
    let env = Env::new();
    let create = [
        "schedule",
        "create",
        "s",
        "--cron",
        "30 2 * * *",
        "--time-zone",
        "Asia/Tokyo",
        "--",
        "false",
    ];
    env.tempo(&create).ok();
    let shown = |args: &[&str]| -> String {
        let output: CommandOutput = env.command(args).env("TZ", "America/New_York").output().unwrap().into();
        output.ok()
    };
    let header = |text: &str| {
        text.lines()
            .next()
            .unwrap_or_default()
            .split_whitespace()
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    let list = shown(&["schedule", "list"]);
    assert_eq!(
        header(&list),
        ["ID", "WHEN", "NEXT", "(America/New_York)"],
        "no column holds only zeros"
    );
    assert!(list.contains("02:30:00 Asia/Tokyo"), "the schedule's own clock: {list}");
    assert_eq!(header(&shown(&["--utc", "schedule", "list"]))[3], "(UTC)");
    let explained = ["schedule", "explain", "s", "--from", "-2d", "--to", "now"];
    assert_eq!(env.tempo(&explained).code, Some(0));
    env.tempo(&["schedule", "trigger", "s"]).ok();
    assert_eq!(env.serve(&["--once"]).wait().0, Some(1));
    let runs = shown(&["workflow", "list"]);
    assert!(runs.contains("command: exit 3") || runs.contains("command: exit 1"), "{runs}");
    assert!(header(&shown(&["schedule", "list"])).contains(&"RUNS".to_owned()));
}

#[test]
fn changes_that_change_nothing_say_so() {
    let env = Env::new();
    env.tempo(&["schedule", "create", "s", "--interval", "1h", "--shell", "true"])
        .ok();
    for (args, told) in [
        (&["schedule", "unpause", "s"][..], "Schedule s is not paused"),
        (&["schedule", "pause", "s"], "Paused schedule s"),
        (&["schedule", "pause", "s"], "Schedule s is already paused"),
        (
            &["schedule", "pause", "s", "--note", "n"],
            "Schedule s is already paused; its note was changed",
        ),
        (&["schedule", "pause", "s", "--note", "n"], "Schedule s is already paused\n"),
        (&["schedule", "unpause", "s"], "Unpaused schedule s"),
        (
            &["schedule", "unpause", "s", "--note", "m"],
            "Schedule s is not paused; its note was changed",
        ),
        (&["schedule", "update", "s", "--interval", "2h"], "Updated schedule s"),
        (&["schedule", "update", "s", "--interval", "2h"], "Schedule s is unchanged"),
        (&["schedule", "update", "s"], "Schedule s is unchanged: no options were given"),
    ] {
        let ran = env.tempo(args).ok();
        assert!(ran.starts_with(told), "{args:?}: {ran}");
    }
}

#[test]
fn utc_applies_to_the_times_of_a_schedule_in_another_zone() {
    let env = Env::new();
    let create = "schedule create s --at 2098-12-24T18:00 --time-zone Europe/Berlin --shell true";
    env.tempo(&create.split(' ').collect::<Vec<_>>()).ok();
    for (utc, header, time) in [
        (false, "TIME (Europe/Berlin)", "2098-12-24 18:00:00"),
        (true, "TIME (UTC)", "2098-12-24 17:00:00"),
    ] {
        let args = ["schedule", "next", "s", "--utc"];
        let next = env.tempo(&args[..3 + usize::from(utc)]).ok();
        assert!(next.contains(header) && next.contains(time), "{next}");
        let args = ["schedule", "describe", "s", "--utc"];
        let described = env.tempo(&args[..3 + usize::from(utc)]).ok();
        assert!(described.contains(time), "{described}");
    }
}

#[test]
fn describe_shows_the_start_and_end_of_a_schedule_and_the_last_run_of_an_incident() {
    let env = Env::new();
    let times = ["--start-time", "2026-12-01T00:00:00Z", "--end-time", "2099-12-01T00:00:00Z"];
    env.tempo(
        &[
            &["schedule", "create", "a", "--interval", "1h", "--shell", "exit 3"],
            &times[..],
        ]
        .concat(),
    )
    .ok();
    let described = env.tempo(&["schedule", "describe", "a"]).ok();
    assert!(described.contains("Starts    2026-12-01 00:00:00 UTC"), "{described}");
    assert!(described.contains("Ends      2099-12-01 00:00:00 UTC"), "{described}");
    env.tempo(&["schedule", "trigger", "a"]).ok();
    assert_eq!(env.tempo(&["run", "--once"]).code, Some(1));
    let run = env.json(&["workflow", "list", "a"])[0]["run_id"].as_str().unwrap().to_owned();
    let described = env.tempo(&["incident", "describe", "1"]).ok();
    assert!(described.contains(&format!("Last run  {run}")), "{described}");
    // Of a schedule that was deleted, but not of one that never existed.
    env.tempo(&["schedule", "delete", "a"]).ok();
    assert!(env.tempo(&["workflow", "list", "a"]).ok().contains("exit 3"));
    let unknown = env.tempo(&["workflow", "list", "b"]);
    assert!(
        unknown.code == Some(0) && unknown.stderr.contains("There is no schedule named `b`."),
        "{unknown:?}"
    );
}

#[test]
fn a_receiver_that_needs_a_missing_sendmail_is_reported() {
    let env = Env::new();
    let mut directories = [
        "/usr/sbin",
        "/usr/lib",
        "/usr/local/sbin",
        "/usr/local/bin",
        "/usr/bin",
        "/sbin",
        "/bin",
    ]
    .iter();
    let is_missing = !directories.any(|directory| std::path::Path::new(directory).join("sendmail").exists());
    let added = env.tempo(&["notify", "add", "ops", "--email", "a@example.org"]);
    assert_eq!(added.stderr.contains("has no `sendmail`"), is_missing, "{added:?}");
    let checked = env.tempo(&["doctor"]).ok();
    assert_eq!(checked.contains("which these receivers use: ops"), is_missing, "{checked}");
    env.tempo(&["notify", "add", "other", "--email", "a@example.org", "--smtp", "localhost"])
        .ok();
    assert!(!env.tempo(&["doctor"]).ok().contains("other"));
}
