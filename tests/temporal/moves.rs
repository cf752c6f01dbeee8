//! Moves of schedules to a cluster, and back: each nominal time runs exactly once.

use std::collections::BTreeMap;
use std::process::{Child, Stdio};

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::Value;

use crate::cluster::{Cluster, cluster};
use crate::harness::{Env, wait_until};

struct Worker(Child);

impl Worker {
    fn start(cluster: &Cluster, env: &Env, queue: &str) -> Self {
        let mut command = cluster.command(env, &["worker", "--task-queue", queue]);
        Self(command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap())
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The nominal times in a log, each with the number of runs.
fn runs(env: &Env, log: &str) -> BTreeMap<DateTime<Utc>, u32> {
    let mut found = BTreeMap::new();
    for line in std::fs::read_to_string(env.path(log)).unwrap_or_default().lines() {
        *found.entry(line.parse().unwrap()).or_insert(0) += 1;
    }
    found
}

#[test]
fn each_time_runs_exactly_once_on_the_way_to_a_cluster_and_back() {
    let Some(cluster) = cluster() else { return };
    let env = Env::new();
    let id = "moving";
    let shell = "echo $TEMPO_SCHEDULED_AT >> log; test -n \"$TEMPO_DB\" || echo $TEMPO_SCHEDULED_AT >> there";
    let create = [
        "schedule",
        "create",
        id,
        "--interval",
        "1s",
        "--overlap-policy",
        "allow-all",
        "--note",
        "mine",
        "--shell",
        shell,
    ];
    env.tempo(&create).ok();
    let _server = env.serve(&[]);
    let worker = Worker::start(cluster, &env, id);
    env.wait_for_lines("log", 2);
    let moved = cluster.tempo(&env, &["migrate", id, "--task-queue", id]).ok();
    assert!(moved.contains("Moved schedule moving to Temporal at"), "{moved}");
    // Again: as if the first command had been interrupted at its end.
    cluster.tempo(&env, &["migrate", id, "--task-queue", id]).ok();
    env.wait_for_lines("there", 3);
    let refused = env.tempo(&["schedule", "unpause", id]);
    assert!(
        refused.code == Some(4) && refused.stderr.contains("tempo temporal return moving"),
        "{refused:?}"
    );
    let kept = env.tempo(&["schedule", "delete", id]);
    assert_eq!(kept.code, Some(4), "{kept:?}");
    cluster.tempo(&env, &["return", id]).ok();
    // Applying its definition there would make it run twice.
    let exported = env.tempo(&["export", id]).ok();
    std::fs::write(env.path("moving.toml"), exported).unwrap();
    let applied = cluster.tempo(&env, &["apply", "-f", "moving.toml"]);
    assert!(
        applied.code == Some(4) && applied.stderr.contains("has returned from the cluster"),
        "{applied:?}"
    );
    let described = env.json(&["schedule", "describe", id]);
    assert_eq!(
        (&described["paused"], &described["note"]),
        (&Value::Bool(false), &Value::from("mine"))
    );
    let lines = env.wait_for_lines("log", 3).len();
    env.wait_for_lines("log", lines + 4);
    let all = runs(&env, "log");
    let (first, last) = (*all.keys().next().unwrap(), *all.keys().next_back().unwrap());
    let mut nominal = first;
    while nominal < last - TimeDelta::seconds(2) {
        assert_eq!(all.get(&nominal), Some(&1), "{nominal}: {all:?}");
        nominal += TimeDelta::seconds(1);
    }
    // The times of both sides in one list, each once.
    let there = runs(&env, "there");
    let from = first.to_rfc3339();
    let mut explained = Value::Null;
    wait_until("the list of runs", || {
        let ran = env.tempo(&["-o", "json", "schedule", "explain", id, "--from", &from]).ok();
        explained = serde_json::from_str(&ran).unwrap();
        let on_cluster =
            |range: &&Value| range["reason"].as_str().unwrap().starts_with("on Temporal at") && range["outcome"] == "started";
        explained.as_array().unwrap().iter().filter(on_cluster).count() == there.len()
    });
    let mut expected = first;
    for range in explained.as_array().unwrap() {
        let at = |key: &str| range[key].as_str().unwrap().parse::<DateTime<Utc>>().unwrap();
        assert_eq!(at("from"), expected, "{explained}");
        assert!(
            ["started", "pending"].contains(&range["outcome"].as_str().unwrap())
                || range["reason"].as_str().unwrap().contains("backfilled"),
            "{range}"
        );
        expected = at("to") + TimeDelta::seconds(1);
    }
    drop(worker);
}

/// Whether three seconds have passed since a move.
const PASSED: &str = "SELECT unixepoch('subsec') * 1000 > at_ms + 3000 FROM move";

#[test]
fn a_move_that_was_interrupted_after_the_pause_loses_nothing() {
    let Some(cluster) = cluster() else { return };
    let env = Env::new();
    let id = "interrupted";
    env.tempo(&[
        "schedule",
        "create",
        id,
        "--interval",
        "1s",
        "--overlap-policy",
        "allow-all",
        "--shell",
        "echo $TEMPO_SCHEDULED_AT >> log",
    ])
    .ok();
    let server = env.serve(&[]);
    env.wait_for_lines("log", 1);
    // As if the command had been killed right after it paused the schedule.
    let mut database = rusqlite::Connection::open(env.database()).unwrap();
    env.tempo(&["schedule", "pause", id, "--note", "moved"]).ok();
    let change = database.transaction().unwrap();
    let insert = "INSERT INTO move (schedule, at_ms, address, namespace, task_queue, was_paused)
        SELECT key, paused_ms, ?1, ?2, ?3, 0 FROM schedule";
    change.execute(insert, [&cluster.address, &cluster.namespace, id]).unwrap();
    change.commit().unwrap();
    drop(server);
    let before = runs(&env, "log").len();
    wait_until("some times to pass", || database.query_row(PASSED, [], |r| r.get(0)).unwrap());
    let _worker = Worker::start(cluster, &env, id);
    // Without ids, too: it is paused here by the first command.
    cluster.tempo(&env, &["migrate", "--task-queue", id]).ok();
    cluster.tempo(&env, &["migrate", id, "--task-queue", id]).ok();
    env.wait_for_lines("log", before + 6);
    let all = runs(&env, "log");
    let (mut nominal, last) = (*all.keys().next().unwrap(), *all.keys().next_back().unwrap());
    while nominal < last - TimeDelta::seconds(1) {
        assert_eq!(all.get(&nominal), Some(&1), "{nominal}: {all:?}");
        nominal += TimeDelta::seconds(1);
    }
}

#[test]
fn a_schedule_that_runs_on_the_cluster_already_is_not_moved() {
    let Some(cluster) = cluster() else { return };
    let env = Env::new();
    let text = "[[schedule]]\nid = \"twice\"\ninterval = \"1h\"\n[[schedule.step]]\nname = \"s\"\nshell = \"true\"\n";
    std::fs::write(env.path("jobs.toml"), text).unwrap();
    env.tempo(&["apply", "-f", "jobs.toml"]).ok();
    cluster.tempo(&env, &["apply", "-f", "jobs.toml"]).ok();
    let refused = cluster.tempo(&env, &["migrate", "twice"]);
    assert!(
        refused.code == Some(4) && refused.stderr.contains("already runs schedule `twice`"),
        "{refused:?}"
    );
    assert_eq!(env.json(&["schedule", "describe", "twice"])["paused"], Value::Bool(false));
    let refused = cluster.tempo(&env, &["return", "twice"]);
    assert!(
        refused.code == Some(4) && refused.stderr.contains("has not been moved"),
        "{refused:?}"
    );
    let missing = cluster.tempo(&env, &["migrate", "nobody"]);
    assert_eq!(missing.code, Some(3), "{missing:?}");
}

#[test]
fn each_time_runs_exactly_once_whatever_the_jitter_on_both_sides() {
    let Some(cluster) = cluster() else { return };
    let env = Env::new();
    let id = "jittered";
    let shell = "echo $TEMPO_SCHEDULED_AT >> log";
    let create = [
        "schedule",
        "create",
        id,
        "--interval",
        "2s",
        "--jitter",
        "2s",
        "--overlap-policy",
        "allow-all",
        "--shell",
        shell,
    ];
    env.tempo(&create).ok();
    let _server = env.serve(&[]);
    let _worker = Worker::start(cluster, &env, id);
    env.wait_for_lines("log", 1);
    for round in 0..3 {
        wait_until("the last times of the cluster", || {
            let moved = cluster.tempo(&env, &["migrate", id, "--task-queue", id]);
            assert!(
                moved.code == Some(0) || moved.stderr.contains("may start a time"),
                "{round}: {moved:?}"
            );
            moved.code == Some(0)
        });
        env.wait_for_lines("log", runs(&env, "log").len() + 1);
        cluster.tempo(&env, &["return", id]).ok();
    }
    env.wait_for_lines("log", runs(&env, "log").len() + 3);
    let all = runs(&env, "log");
    let (mut nominal, last) = (*all.keys().next().unwrap(), *all.keys().next_back().unwrap());
    while nominal < last - TimeDelta::seconds(6) {
        assert_eq!(all.get(&nominal), Some(&1), "{nominal}: {all:?}");
        nominal += TimeDelta::seconds(2);
    }
}

#[test]
fn a_schedule_whose_cluster_is_gone_or_has_lost_it_runs_here_again() {
    let Some(cluster) = cluster() else { return };
    let env = Env::new();
    let id = "lost";
    env.tempo(&[
        "schedule",
        "create",
        id,
        "--interval",
        "1h",
        "--note",
        "mine",
        "--remaining-actions",
        "5",
        "--shell",
        "true",
    ])
    .ok();
    let state = || {
        let view = env.json(&["schedule", "describe", id]);
        (
            view["paused"].clone(),
            view["note"].clone(),
            view["remaining_actions"].clone(),
        )
    };
    let before = state();
    cluster.tempo(&env, &["migrate", id]).ok();
    let gone = cluster.tempo(&env, &["return", id, "--address", "127.0.0.1:1"]);
    assert_eq!(gone.code, Some(6), "{gone:?}");
    cluster.tempo(&env, &["return", id, "--abandon"]).ok();
    assert_eq!(state(), before);
}
