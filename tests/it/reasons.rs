//! The reasons of times: ranges, backfills, pauses.

use serde_json::Value;

use crate::harness::Env;

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
fn unpause_restores_the_note_from_before_the_pause() {
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
