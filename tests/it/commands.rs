//! Every command: its exit code, and only JSON on stdout, whatever the state of stdin, stdout, the terminal and the locale.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::harness::{CommandOutput, Env, Targets};

/// What a command writes to stdout with `-o json`.
pub(crate) enum Writes {
    /// One object with these fields.
    One(&'static str),
    /// An array of objects with these fields.
    List(&'static str),
    /// Not tempo's JSON data: a script, a page, the output of a command.
    Raw,
}
use Writes::{List, One, Raw};

const SCHEDULE: &str = "id note paused paused_since spec spec_text dst_note time_zone jitter overlap_policy catchup_window pause_on_failure \
    remaining_actions action num_actions num_actions_skipped_overlap num_actions_missed_catchup_window num_actions_buffer_dropped buffer_size \
    running_actions backfills recent_actions last_action_scheduled_at last_action_started_at next_action_at next_action_times statistics created_at updated_at";
const LISTED: &str = "id note paused paused_since spec_text time_zone jitter overlap_policy catchup_window pause_on_failure remaining_actions \
    num_actions num_actions_skipped_overlap num_actions_missed_catchup_window num_actions_buffer_dropped buffer_size running_actions backfills \
    last_action_scheduled_at last_action_started_at next_action_at created_at updated_at";
const RUN: &str =
    "workflow_id run_id schedule_id scheduled_at due_at started_at closed_at status reason waiting_for_worker_since result steps";
const LISTED_RUN: &str =
    "workflow_id run_id schedule_id scheduled_at due_at started_at closed_at status reason waiting_for_worker_since result";
const INCIDENT: &str = "id target_name target_url status_code error error_type elapsed_ms detected_at count first_detected_at status note \
    resolved_at schedule_id run_id";
const RECEIVER: &str = "name kind target events schedules labels min_severity source pending failed last_delivered_at last_error";
const CHANGE: &str = "id change fields line warnings";

/// Every command, ordered so that each finds what it needs: the command, its arguments, its exit code, its output.
pub(crate) const ALL: &[(&str, &[&str], i32, Writes)] = &[
    ("apply", &["-f", "jobs.toml"], 0, List(CHANGE)),
    ("diff", &["-f", "jobs.toml"], 0, List(CHANGE)),
    ("export", &[], 0, One("schedule")),
    (
        "import crontab",
        &["crontab"],
        0,
        List("id change fields line warnings spec_text next_action_times"),
    ),
    ("schema", &[], 0, Raw),
    (
        "schedule create",
        &["made", "--interval", "1h", "--", "true"],
        0,
        One(SCHEDULE),
    ),
    ("schedule update", &["made", "--note", "x"], 0, One(SCHEDULE)),
    ("schedule edit", &["nobody"], 3, Raw),
    ("schedule list", &[], 0, List(LISTED)),
    ("schedule describe", &["made"], 0, One(SCHEDULE)),
    ("schedule pause", &["made"], 0, List(SCHEDULE)),
    ("schedule unpause", &["made"], 0, List(SCHEDULE)),
    (
        "schedule next",
        &["made", "--count", "2"],
        0,
        List("scheduled_at due_at local note"),
    ),
    (
        "schedule simulate",
        &["made", "--takes", "2h", "--for", "5h"],
        0,
        List("scheduled_at at event reason"),
    ),
    ("schedule trigger", &["failing"], 0, One("schedule_id request_id runs")),
    (
        "schedule backfill",
        &["made", "--last", "3h"],
        0,
        One("schedule_id request_id runs start_time end_time times"),
    ),
    ("run", &["--once"], 1, Raw),
    (
        "schedule explain",
        &["made", "--to", "+3h"],
        0,
        List("from to count outcome reason run_id workflow_id"),
    ),
    ("workflow start", &["--workflow-id", "w", "--", "true"], 0, One(RUN)),
    ("workflow list", &[], 0, List(LISTED_RUN)),
    ("workflow describe", &["w"], 0, One(RUN)),
    ("workflow output", &["w"], 0, List("name kind status result steps attempts")),
    ("workflow cancel", &["w", "--reason", "x"], 0, List(LISTED_RUN)),
    ("workflow terminate", &["w"], 0, List(LISTED_RUN)),
    ("run", &["--once"], 1, Raw),
    ("workflow result", &["w"], 1, Raw),
    ("workflow retry", &["w"], 0, One(LISTED_RUN)),
    ("beat", &["made"], 0, One("schedule_id at ok exit_code elapsed_ms")),
    ("notify add", &["r", "--", "true"], 0, One(RECEIVER)),
    ("notify list", &[], 0, List(RECEIVER)),
    ("notify test", &["r"], 0, One("name delivered")),
    ("notify retry", &["r"], 0, One("retried")),
    ("notify remove", &["r"], 0, One(RECEIVER)),
    ("incident list", &[], 0, List(INCIDENT)),
    (
        "incident describe",
        &["1"],
        0,
        One(
            "id target_name target_url status_code error error_type elapsed_ms detected_at count first_detected_at \
        status note resolved_at schedule_id run_id occurrences",
        ),
    ),
    ("incident ack", &["1", "--note", "x"], 0, One(INCIDENT)),
    ("incident resolve", &["1"], 0, One(INCIDENT)),
    (
        "status",
        &[],
        0,
        One("up pid since running next queued incidents_open incidents_acked"),
    ),
    ("log", &["w", "--limit", "1"], 0, List("at event workflow_id run_id message")),
    ("open", &[], 5, Raw),
    ("service install", &["--print"], 0, Raw),
    ("service uninstall", &["--user"], 3, Raw),
    ("service status", &["--user"], 0, One("unit installed enabled active")),
    ("check", &["--", "true"], 0, One(RUN)),
    ("doctor", &["--backup", "copy.db"], 0, One("database faults backup findings")),
    (
        "upgrade",
        &["--check-db"],
        0,
        One("database from to backup schedules runs elapsed_ms"),
    ),
    ("step", &["x", "--", "true"], 2, Raw),
    ("sleep", &["1s", "--name", "x"], 2, Raw),
    ("help", &["cron"], 0, Raw),
    ("completions", &["bash"], 0, Raw),
    ("man", &[], 0, Raw),
    ("demo", &["--port", "not-a-port"], 2, Raw),
    ("schedule delete", &["made"], 0, List("id still_running")),
];

pub(super) fn prepare(targets: &Targets, env: &Env) {
    let jobs = format!(
        "[[schedule]]\nid = \"failing\"\ninterval = \"1h\"\n[[schedule.step]]\nname = \"broken\"\nprobe = \"{}\"\nretry = {{ maximum_attempts = 1 }}\n",
        targets.url("/status/500")
    );
    std::fs::write(env.path("jobs.toml"), jobs).unwrap();
    std::fs::write(env.path("crontab"), "0 5 * * * /srv/job\n").unwrap();
}

pub(crate) fn words<'a>(flags: &[&'a str], command: &'a str, args: &[&'a str]) -> Vec<&'a str> {
    [flags, &command.split(' ').collect::<Vec<_>>(), args].concat()
}

#[track_caller]
pub(super) fn assert_fields(value: &Value, fields: &str, command: &str) {
    let got: BTreeSet<&str> = value
        .as_object()
        .unwrap_or_else(|| panic!("{command}: {value}"))
        .keys()
        .map(String::as_str)
        .collect();
    assert_eq!(got, fields.split_whitespace().collect(), "{command}");
}

#[test]
fn every_command_prints_the_documented_json() {
    // The table covers every command: each manual page without subpages.
    let pages = std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/man")).unwrap();
    let pages: BTreeSet<String> = pages
        .filter_map(|p| {
            Some(
                p.unwrap()
                    .file_name()
                    .to_str()?
                    .strip_prefix("tempo-")?
                    .strip_suffix(".1")?
                    .replace('-', " "),
            )
        })
        .collect();
    let leaves: BTreeSet<&str> = pages
        .iter()
        .filter(|p| !pages.iter().any(|other| other.starts_with(&format!("{p} "))))
        .map(String::as_str)
        .collect();
    // They need a cluster.
    let is_here = |command: &&str| !command.starts_with("temporal ");
    let leaves: BTreeSet<&str> = leaves.into_iter().filter(is_here).collect();
    assert_eq!(leaves, ALL.iter().map(|(command, ..)| *command).collect());
    let env = Env::new();
    let targets = Targets::start(&env);
    prepare(&targets, &env);
    for (command, args, code, writes) in ALL {
        let ran = env.tempo(&words(&["-o", "json"], command, args));
        assert_eq!(ran.code, Some(*code), "{command}: {ran:?}");
        let parsed = serde_json::from_str::<Value>(&ran.stdout);
        match writes {
            Raw => assert_eq!(*code > 1, ran.stdout.is_empty(), "{command}: {ran:?}"),
            One(fields) => assert_fields(&parsed.unwrap(), fields, command),
            List(fields) => {
                let list = parsed.unwrap();
                assert_fields(list.get(0).unwrap_or_else(|| panic!("{command}: {list}")), fields, command);
            }
        }
        if *code > 1 {
            let error: Value = serde_json::from_str(&ran.stderr).unwrap_or_else(|_| panic!("{command}: {ran:?}"));
            assert_fields(&error["error"], "kind message hints", command);
        }
    }
    let lines = env.tempo(&["-o", "jsonl", "workflow", "list"]).ok();
    assert!(
        lines.lines().count() > 1 && lines.lines().all(|l| serde_json::from_str::<Value>(l).is_ok()),
        "{lines}"
    );
}

#[test]
fn help_covers_topics_and_commands() {
    let env = Env::new();
    for topic in ["cron", "policies", "durability", "page", "cluster", "exit-codes"] {
        let text = env.tempo(&["help", topic]).ok();
        assert!(
            text.lines().count() > 10 && text.lines().all(|l| l.chars().count() <= 142),
            "{topic}"
        );
        let page = std::fs::read_to_string(format!("{}/man/tempo-{topic}.7", env!("CARGO_MANIFEST_DIR"))).unwrap();
        let last = text
            .trim_end()
            .lines()
            .last()
            .unwrap()
            .split(' ')
            .next_back()
            .unwrap()
            .replace('-', "\\-");
        assert!(page.contains(&last), "{topic}: {last}");
    }
    let help = env.tempo(&["help", "schedule", "create"]).ok();
    assert!(help.contains("Create a schedule") && help.contains("Examples:"), "{help}");
    let ran = env.tempo(&["help", "polices"]);
    assert_eq!(ran.code, Some(3));
    assert!(ran.stderr.contains("Did you mean `tempo help policies`?"), "{}", ran.stderr);
}

#[test]
fn completes_names_from_the_database() {
    let env = Env::new();
    for id in ["nightly", "night-watch", "health"] {
        env.tempo(&["schedule", "create", id, "--interval", "1h", "--", "false"]).ok();
    }
    env.tempo(&["schedule", "trigger", "health"]).ok();
    let _ = env.tempo(&["run", "--once"]);
    let run = env.json(&["workflow", "list"])[0]["run_id"].as_str().unwrap().to_owned();
    let directory = std::path::Path::new(env!("CARGO_BIN_EXE_tempo"))
        .parent()
        .unwrap()
        .display()
        .to_string();
    let script = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/completions/tempo.bash")).unwrap();
    std::fs::write(
        env.path("complete.bash"),
        format!(
            "PATH={directory}:$PATH\n{script}\nCOMP_WORDS=(\"$@\"); COMP_CWORD=$(($#-1)); COMP_TYPE=9; COMPREPLY=()\n\
            f=$(complete -p tempo | sed 's/.*-F \\([^ ]*\\).*/\\1/'); $f tempo \"${{COMP_WORDS[COMP_CWORD]}}\" x\nprintf '%s\\n' \"${{COMPREPLY[@]}}\"\n"
        ),
    )
    .unwrap();
    std::fs::create_dir(env.path("cron")).unwrap();
    std::fs::write(env.path("cron/a-crontab"), "").unwrap();
    for (typed, offered) in [
        (&["schedule", "describe", "nig"][..], vec!["night-watch", "nightly"]),
        (&["schedule", "pause", "nightly", "hea"], vec!["health"]),
        (&["workflow", "describe", &run[..3]], vec![run.as_str()]),
        (&["workflow", "list", "--schedule", "hea"], vec!["health"]),
        (&["incident", "list", "--target", "com"], vec!["command"]),
        (&["incident", "ack", ""], vec!["1"]),
        (
            &["schedule", "create", "x", "--overlap-policy", "cancel"],
            vec!["cancel-other"],
        ),
        (&["help", "pol"], vec!["policies"]),
        // Files in this directory and below.
        (&["apply", "-f", "compl"], vec!["complete.bash"]),
        (&["import", "crontab", "cron/a"], vec!["cron/a-crontab"]),
        (&["schedule", "create", "x", "--", "cron/a"], vec!["cron/a-crontab"]),
    ] {
        let mut command = std::process::Command::new("bash");
        command.arg("complete.bash").arg("tempo").args(typed);
        command.current_dir(env.path("")).env("TEMPO_DB", env.database());
        let ran: CommandOutput = command.output().unwrap().into();
        let got: Vec<&str> = ran.stdout.lines().filter(|l| !l.starts_with('-')).collect();
        assert_eq!(got, offered, "{typed:?}: {ran:?}");
    }
}

#[test]
fn doctor_reports_each_check_with_advice() {
    let env = Env::new();
    env.tempo(&[
        "schedule",
        "create",
        "over",
        "--cron",
        "0 0 30 2 *",
        "--allow-never",
        "--",
        "true",
    ])
    .ok();
    // One that has done its work is no problem.
    env.tempo(&["schedule", "create", "done", "--at", "+1s", "--", "true"]).ok();
    env.wait_for_json(&["schedule", "describe", "done"], |s| s["next_action_at"].is_null());
    env.tempo(&["schedule", "create", "fine", "--interval", "1h", "--", "true"])
        .ok();
    let server = env.serve(&["--once"]);
    let _ = server.wait();
    // A leftover process of a run that no longer exists.
    let mut leftover = std::process::Command::new("sleep")
        .arg("300")
        .env("TEMPO_DB", std::fs::canonicalize(env.database()).unwrap())
        .env("TEMPO_RUN_ID", "gone")
        .spawn()
        .unwrap();
    let found = env.json(&["doctor"]);
    leftover.kill().unwrap();
    leftover.wait().unwrap();
    let finding = |name: &str| {
        let all = found["findings"].as_array().unwrap();
        all.iter()
            .find(|f| f["name"] == name)
            .unwrap_or_else(|| panic!("{name}: {found}"))
            .clone()
    };
    for (name, level, message) in [
        ("file", "ok", "3 schedules"),
        ("log", "ok", "KiB"),
        ("server", "warn", "the server is not running"),
        ("clock", "ok", "UTC"),
        ("never", "warn", "1 schedule will never fire: over"),
        ("processes", "warn", &leftover.id().to_string()),
    ] {
        let finding = finding(name);
        assert_eq!(
            (finding["level"].as_str(), finding["advice"].is_null()),
            (Some(level), level == "ok"),
            "{finding}"
        );
        assert!(finding["message"].as_str().unwrap().contains(message), "{finding}");
    }
    finding("zones");
    finding("disk");
}
