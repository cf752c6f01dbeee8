//! A server under load that is killed and drained repeatedly: the effects of its commands match the database.
//!
//! `TEMPO_LONG=1` runs a hundred rounds.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::harness::{Env, Targets, is_long};

const SECONDLY: [&str; 5] = ["--interval", "1s", "--overlap-policy", "allow-all", "--shell"];
/// Appends a line to a file that survives kills, and syncs it to disk.
const EFFECT: &str = "echo $TEMPO_RUN_ID $TEMPO_STEP $TEMPO_ATTEMPT >> effects; sync effects";

/// Run id, step name, attempt number.
type Effect = (String, String, u64);

fn load(env: &Env, targets: &Targets) {
    for id in ["a", "b", "c"] {
        env.tempo(&[&["schedule", "create", id], &SECONDLY[..], &[EFFECT]].concat())
            .ok();
    }
    let steps = format!(
        "[[step]]\nname = \"first\"\nshell = '{EFFECT}'\n[[step]]\nname = \"probe\"\nprobe = \"{}\"\n
        [[step]]\nname = \"last\"\nshell = 'echo some output; {EFFECT}'\n",
        targets.url("/status/200")
    );
    std::fs::write(env.path("steps.toml"), steps).unwrap();
    let create = [
        "schedule",
        "create",
        "steps",
        "--interval",
        "1s",
        "--overlap-policy",
        "buffer-all",
        "--steps",
        "steps.toml",
    ];
    env.tempo(&create).ok();
}

fn effects(env: &Env) -> Vec<Effect> {
    let text = std::fs::read_to_string(env.path("effects")).unwrap();
    let effect = |line: &str| {
        let words: Vec<&str> = line.split(' ').collect();
        (words[0].to_owned(), words[1].to_owned(), words[2].parse().unwrap())
    };
    text.lines().map(effect).collect()
}

/// Returns the outcome of every attempt and the status of every run in the database.
fn recorded(env: &Env) -> (BTreeMap<Effect, Option<String>>, BTreeMap<String, Value>) {
    let file = rusqlite::Connection::open(env.database()).unwrap();
    let mut statement = file
        .prepare("SELECT run_id, a.position, number, outcome, workflow_id FROM attempt a JOIN run r ON r.key = a.run")
        .unwrap();
    let rows = statement.query_map([], |r| {
        let of_steps = r.get::<_, String>(4)?.starts_with("steps-");
        let name = if of_steps {
            ["first", "probe", "last"][r.get::<_, usize>(1)?]
        } else {
            "command"
        };
        Ok(((r.get(0)?, name.to_owned(), r.get(2)?), r.get(3)?))
    });
    let attempts = rows.unwrap().collect::<Result<_, _>>().unwrap();
    let runs = env.json(&["workflow", "list", "--limit", "0"]);
    let runs = runs
        .as_array()
        .unwrap()
        .iter()
        .map(|r| (r["run_id"].as_str().unwrap().to_owned(), r["status"].clone()));
    (attempts, runs.collect())
}

fn compare(env: &Env) {
    let (attempts, runs) = recorded(env);
    let effects = effects(env);
    let mut done: BTreeSet<(&str, &str)> = BTreeSet::new();
    let mut seen: BTreeSet<&Effect> = BTreeSet::new();
    for effect in &effects {
        assert!(seen.insert(effect), "{effect:?}: an attempt runs once");
        let outcome = attempts
            .get(effect)
            .unwrap_or_else(|| panic!("{effect:?} happened but is not recorded"));
        let step = (effect.0.as_str(), effect.1.as_str());
        assert!(!done.contains(&step), "{effect:?} ran again after its step completed");
        if outcome.as_deref() == Some("ok") {
            done.insert(step);
        }
    }
    for (attempt, outcome) in &attempts {
        assert!(outcome.is_some(), "{attempt:?} is still open");
        let happened = attempt.1 == "probe" || seen.contains(attempt);
        assert!(
            happened || outcome.as_deref() != Some("ok"),
            "{attempt:?} is recorded as ok but never happened"
        );
    }
    for (run, status) in &runs {
        assert_eq!(status, "Completed", "{run}");
    }
    for schedule in env.json(&["schedule", "list"]).as_array().unwrap() {
        let id = schedule["id"].as_str().unwrap();
        let explained = env.json(&["schedule", "explain", id]);
        let spans = explained.as_array().unwrap();
        let count: u64 = spans.iter().map(|a| a["count"].as_u64().unwrap()).sum();
        let time = |i: usize, key: &str| {
            spans[i][key]
                .as_str()
                .unwrap()
                .parse::<chrono::DateTime<chrono::Utc>>()
                .unwrap()
        };
        let span = (time(spans.len() - 1, "to") - time(0, "from")).num_seconds().unsigned_abs();
        assert_eq!(count, span + 1, "{id}: each second is counted once");
        let started = spans.iter().filter(|a| a["outcome"] == "started").count() as u64;
        assert_eq!(Some(started), schedule["num_actions"].as_u64(), "{id}: the counter matches");
    }
    assert!(env.tempo(&["doctor"]).ok().contains("integrity check passed"));
}

/// Checks that the events record each start, close, lost attempt and completed step exactly once, and of every server.
fn compare_events(env: &Env, kills: i64) {
    let file = rusqlite::Connection::open(env.database()).unwrap();
    let count = |sql: &str| -> i64 { file.query_row(sql, [], |r| r.get(0)).unwrap() };
    let events = |kind: &str| count(&format!("SELECT count(*) FROM event WHERE kind = '{kind}'"));
    for (kind, rows) in [
        ("start", "SELECT count(*) FROM run"),
        ("finish", "SELECT count(*) FROM run WHERE closed_ms IS NOT NULL"),
        ("lost", "SELECT count(*) FROM attempt WHERE outcome = 'lost'"),
        ("step", "SELECT count(*) FROM step"),
        ("miss", "SELECT count(*) FROM refused WHERE outcome = 'missed'"),
        ("skip", "SELECT count(*) FROM refused WHERE outcome = 'skipped'"),
    ] {
        assert_eq!(events(kind), count(rows), "{kind}");
    }
    assert_eq!(events("crash"), kills);
    assert_eq!(events("serving"), events("stopped") + events("crash"));
}

#[test]
fn effects_match_the_database_after_a_kill_at_any_moment() {
    let env = Env::new();
    let targets = Targets::start(&env);
    load(&env, &targets);
    let rounds = if is_long() { 100 } else { 6 };
    let mut rng = fastrand::Rng::with_seed(7);
    let mut kills = 0;
    for round in 0..rounds {
        let mut server = env.serve(&["--drain-timeout", "5s"]);
        for _ in 0..rng.usize(1..60) {
            server.wait_for_log("");
        }
        // Every fifth server drains.
        if round % 5 == 4 {
            server.signal("TERM");
            assert_eq!(server.wait().0, Some(0));
        } else {
            server.kill();
            kills += 1;
        }
    }
    // Nothing more becomes due; open runs finish.
    env.tempo(&["schedule", "pause", "--all"]).ok();
    let (code, log) = env.serve(&["--once"]).wait();
    assert_eq!(code, Some(0), "{log}");
    compare(&env);
    compare_events(&env, kills);
}
