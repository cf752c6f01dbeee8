//! Databases of earlier versions, each written by the tempo of that version: they open, and nothing in them is lost.

use std::path::Path;

use serde_json::json;

use crate::harness::Env;

#[test]
fn opens_a_version_1_database_with_all_its_data_and_serves_it() {
    let env = Env::new();
    let stored = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/data/v1.db");
    std::fs::copy(stored, env.database()).unwrap();
    let list = env.json(&["schedule", "list"]);
    let shown = |i: usize| -> Vec<_> {
        ["id", "spec_text", "time_zone", "jitter", "note", "paused", "num_actions"]
            .map(|key| list[i][key].clone())
            .into()
    };
    let english = "every day at 02:30 (Europe/Berlin), except 2026-12-25, up to 10 s later";
    assert_eq!(
        json!(shown(0)),
        json!([
            "nightly",
            english,
            "Europe/Berlin",
            "10s",
            "made by version 1 of the file",
            false,
            1
        ])
    );
    assert_eq!(
        json!(shown(1)),
        json!(["often", "every hour", "UTC", null, "held in version 1", true, 1])
    );
    let incident = &env.json(&["incident", "list"])[0];
    assert_eq!(
        (&incident["target_name"], &incident["error_type"]),
        (&json!("command"), &json!("NonZeroExit"))
    );
    env.tempo(&["schedule", "trigger", "often"]).ok();
    // Close to its due time, the other schedule runs too, and fails as intended.
    let _ = env.tempo(&["run", "--once"]);
    let often = env.json(&["schedule", "describe", "often"]);
    assert_eq!(
        (&often["num_actions"], &often["recent_actions"][0]["status"]),
        (&json!(2), &json!("Completed"))
    );
}

#[test]
fn opens_a_version_2_database_and_retries_a_failed_run() {
    let env = Env::new();
    let stored = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/data/v2.db");
    std::fs::copy(stored, env.database()).unwrap();
    let list = env.json(&["schedule", "list"]);
    let notes: Vec<_> = list.as_array().unwrap().iter().map(|s| s["note"].clone()).collect();
    assert_eq!(notes, ["made by version 2 of the file", "held in version 2"]);
    assert_eq!(env.json(&["incident", "list"])[0]["note"], "seen");
    let failed = env.json(&["workflow", "list", "--schedule", "nightly"])[0].clone();
    assert_eq!(failed["status"], "Failed");
    env.tempo(&["workflow", "retry", failed["run_id"].as_str().unwrap()]).ok();
    let _ = env.tempo(&["run", "--once"]);
    let again = env.json(&["workflow", "describe", failed["run_id"].as_str().unwrap()]);
    assert_eq!(again["steps"][0]["attempts"].as_array().unwrap().len(), 2);
    // Request numbers from any version are not reused.
    let request = env.json(&["schedule", "trigger", "often"]);
    assert_eq!(request["runs"], json!([]), "{request}");
}

#[test]
fn opens_a_version_3_database_and_resumes_its_script() {
    let env = Env::new();
    let stored = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/data/v3.db");
    std::fs::copy(stored, env.database()).unwrap();
    let failed = env.json(&["workflow", "list", "--schedule", "nightly"])[0].clone();
    let run = failed["run_id"].as_str().unwrap();
    assert_eq!(failed["status"], "Failed");
    env.tempo(&["workflow", "retry", run]).ok();
    // Requests pending since version 3 are carried out; completed script steps do not run again.
    let directory = Path::new(env!("CARGO_BIN_EXE_tempo")).parent().unwrap();
    let path = format!("{}:/usr/bin:/bin", directory.display());
    let _ = env.command(&["run", "--once"]).env("PATH", path).output().unwrap();
    let again = env.json(&["workflow", "describe", run]);
    let step = &again["steps"][0];
    assert_eq!(step["attempts"].as_array().unwrap().len(), 2);
    assert_eq!(
        (
            &step["steps"][0]["name"],
            step["steps"][0]["attempts"].as_array().unwrap().len()
        ),
        (&json!("dump"), 1)
    );
    assert_eq!(env.json(&["schedule", "describe", "often"])["num_actions"], 1);
    let exported = env.tempo(&["export"]).ok();
    assert!(exported.contains("note = \"made by version 3 of the file\""), "{exported}");
}

#[test]
fn opens_a_version_4_database_with_its_history_as_events() {
    let env = Env::new();
    let stored = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/data/v4.db");
    std::fs::copy(stored, env.database()).unwrap();
    let events = env.json(&["log"]);
    let told: Vec<(&str, &str, &str)> = events
        .as_array()
        .unwrap()
        .iter()
        .map(|e| {
            let text = |key: &str| e[key].as_str().unwrap_or_default();
            (text("event"), text("schedule_id"), text("message"))
        })
        .collect();
    assert_eq!(
        told,
        [
            ("create", "applied", "created: every hour"),
            ("create", "nightly", "created: every day at 02:30 (Europe/Berlin)"),
            ("create", "often", "created: every second"),
            ("start", "nightly", "triggered"),
            ("start", "applied", "triggered"),
            ("retry", "nightly", "attempt 1 failed: exit 3; retrying in 12 ms"),
            ("step", "applied", "ok exit=0"),
            ("finish", "applied", "Completed in 4 ms"),
            ("incident", "nightly", "incident 1 opened: exit 3"),
            ("finish", "nightly", "Failed in 17 ms: step `command` failed: exit 3"),
            ("start", "often", "due 2026-11-25T19:18:47Z"),
            (
                "skip",
                "often",
                "2 times from 2026-11-25T19:18:48Z to 2026-11-25T19:18:49Z: the previous run was still running"
            ),
            ("step", "often", "ok exit=0"),
            ("finish", "often", "Completed in 2 s 505 ms"),
            ("start", "often", "due 2026-11-25T19:18:50Z"),
            ("skip", "often", "2026-11-25T19:18:51Z: the previous run was still running"),
            ("step", "often", "ok exit=0"),
            ("finish", "often", "Completed in 2 s 506 ms"),
            ("pause", "often", "paused: held in version 4"),
        ]
    );
    assert_eq!(env.json(&["incident", "list"])[0]["note"], "seen");
    let applied = &env.json(&["schedule", "list"])[0];
    assert_eq!(applied["note"], "made by version 4 of the file");
    env.tempo(&["schedule", "unpause", "often"]).ok();
    assert_eq!(env.json(&["log"])[19]["message"], "unpaused");
}

#[test]
fn opens_a_version_6_database_whose_incident_ends_for_the_receiver_of_its_label() {
    let env = Env::new();
    let stored = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/data/v6.db");
    std::fs::copy(stored, env.database()).unwrap();
    let note = |id: &str| env.json(&["schedule", "describe", id])["note"].clone();
    assert_eq!((note("held"), note("often")), (json!("held in version 6"), json!("own note")));
    assert_eq!(env.json(&["incident", "list"])[0]["status"], "open");
    for id in ["held", "often"] {
        env.tempo(&["schedule", "unpause", id]).ok();
    }
    assert_eq!((note("held"), note("often")), (json!("made by version 6"), json!("own note")));
    env.tempo(&["schedule", "delete", "often"]).ok();
    let _ = env.tempo(&["run", "--once"]);
    let told = std::fs::read_to_string(env.path("told")).unwrap();
    assert!(
        told.contains("\"event\":\"resolved\"") && told.contains("\"severity\":\"error\""),
        "{told}"
    );
}

#[test]
fn opens_a_version_7_database_with_its_alerts_and_pauses() {
    let env = Env::new();
    let stored = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/data/v7.db");
    std::fs::copy(stored, env.database()).unwrap();
    let nightly = env.json(&["schedule", "describe", "nightly"]);
    assert_eq!(
        (&nightly["pause_after"], &nightly["severity"], &nightly["expect_within"]),
        (&json!(3), &json!("critical"), &json!("25h"))
    );
    assert_eq!(env.json(&["schedule", "describe", "paused"])["paused"], true);
    assert_eq!(env.json(&["incident", "list"])[0]["count"], 1);
    assert_eq!(env.json(&["workflow", "list"])[0]["status"], "Failed");
    assert!(env.tempo(&["doctor"]).ok().contains("integrity check passed"));
}

#[test]
fn opens_a_version_8_database_and_retries_its_failed_run() {
    let env = Env::new();
    let stored = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/data/v8.db");
    std::fs::copy(stored, env.database()).unwrap();
    assert_eq!(env.json(&["schedule", "describe", "paused"])["note"], "for now");
    assert_eq!(env.json(&["notify", "list"])[0]["name"], "ops");
    env.tempo(&["notify", "remove", "ops"]).ok();
    env.tempo(&["workflow", "retry", "w"]).ok();
    assert_eq!(env.tempo(&["run", "--once"]).code, Some(1));
    let run = env.json(&["workflow", "describe", "w"]);
    assert_eq!(
        (&run["steps"][0]["status"], run["steps"][0].get("outputs")),
        (&json!("Completed"), None)
    );
    assert_eq!(run["steps"][1]["attempts"].as_array().unwrap().len(), 2);
    assert!(env.tempo(&["doctor"]).ok().contains("integrity check passed"));
}

#[test]
fn opens_a_version_9_database_with_the_outputs_of_a_run() {
    let env = Env::new();
    let stored = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/data/v9.db");
    std::fs::copy(stored, env.database()).unwrap();
    assert_eq!(env.json(&["schedule", "describe", "paused"])["note"], "for now");
    env.tempo(&["workflow", "retry", "w"]).ok();
    assert_eq!(env.tempo(&["run", "--once"]).code, Some(1));
    let run = env.json(&["workflow", "describe", "w"]);
    assert_eq!(run["steps"][0]["outputs"], json!({"size": "7"}));
    assert_eq!(run["steps"][1]["result"], "incident: exit 1");
    env.tempo(&["schedule", "unpause", "paused"]).ok();
    assert!(env.tempo(&["doctor"]).ok().contains("integrity check passed"));
}

#[test]
fn an_upgrade_is_tried_on_a_copy_and_leaves_the_database_as_it_is() {
    let env = Env::new();
    let stored = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/data/v4.db");
    std::fs::copy(&stored, env.database()).unwrap();
    let upgrade = ["upgrade", "--check-db"];
    // Left by a check that was killed, and in use by one that is not.
    let mut ended = std::process::Command::new("true").spawn().unwrap();
    ended.wait().unwrap();
    let [dead, live] = [ended.id(), std::process::id()];
    let suffixes = ["part", "part-journal", "upgrade", "upgrade-wal"];
    for (pid, suffix) in [dead, live].into_iter().flat_map(|pid| suffixes.map(|s| (pid, s))) {
        std::fs::write(env.path(&format!("t.db.{pid}.{suffix}")), "").unwrap();
    }
    let checked = env.json(&upgrade);
    let backup = env.path("t.db.version4");
    assert_eq!(
        (&checked["from"], &checked["backup"]),
        (&json!(4), &json!(backup.display().to_string()))
    );
    assert_eq!(std::fs::read(env.database()).unwrap(), std::fs::read(&stored).unwrap());
    let version = |file: &Path| -> i64 {
        let file = rusqlite::Connection::open(file).unwrap();
        file.pragma_query_value(None, "user_version", |r| r.get(0)).unwrap()
    };
    assert_eq!((version(&env.database()), version(&backup)), (4, 4));
    let files = std::fs::read_dir(env.path(".")).unwrap().map(|f| f.unwrap().file_name());
    let left: Vec<String> = files.map(|name| name.to_string_lossy().into_owned()).collect();
    let mut temporary: Vec<&String> = left
        .iter()
        .filter(|n| n.contains(".part") || n.contains(".upgrade"))
        .collect();
    temporary.sort();
    assert_eq!(temporary, suffixes.map(|suffix| format!("t.db.{live}.{suffix}")).each_ref());
    // The backup of an earlier check is not replaced.
    let again = env.tempo(&upgrade);
    assert!(
        again.code == Some(4) && again.stderr.contains("t.db.version4` already exists"),
        "{again:?}"
    );
    env.tempo(&["schedule", "list"]).ok();
    assert!(env.tempo(&upgrade).ok().contains("nothing to migrate"));
    std::fs::write(env.path("other.db"), "not a database").unwrap();
    assert_eq!(env.tempo(&[&["--db", "other.db"], &upgrade[..]].concat()).code, Some(6));
    assert_eq!(env.tempo(&[&["--db", "missing.db"], &upgrade[..]].concat()).code, Some(3));
    assert!(env.shell("mkfifo pipe").status().unwrap().success());
    assert_eq!(env.tempo(&[&["--db", "pipe"], &upgrade[..]].concat()).code, Some(6));
}
