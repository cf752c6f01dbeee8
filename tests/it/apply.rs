//! Definition files: apply, diff, prune, export.

use serde_json::{Value, json};

use crate::harness::Env;

pub(crate) const TWO: &str = r#"
[[schedule]]
id = "health"
interval = "2m"
jitter = "10s"
[[schedule.step]]
name = "site"
probe = "http://127.0.0.1:1/"

[[schedule]]
id = "backup"
note = "nightly"
cron = "30 2 * * *"
time_zone = "Europe/Berlin"
remaining_actions = 5
[[schedule.step]]
name = "dump"
command = ["true"]
"#;

pub(crate) fn write(env: &Env, name: &str, text: &str) {
    std::fs::write(env.path(name), text).unwrap();
}

/// Returns each change as `change id`, in order.
pub(crate) fn changes(found: &Value) -> Vec<String> {
    let text = |v: &Value| format!("{} {}", v["change"].as_str().unwrap(), v["id"].as_str().unwrap());
    found.as_array().unwrap().iter().map(text).collect()
}

pub(crate) fn ids(env: &Env) -> Vec<String> {
    let list = env.json(&["schedule", "list"]);
    list.as_array()
        .unwrap()
        .iter()
        .map(|s| s["id"].as_str().unwrap().to_owned())
        .collect()
}

#[test]
fn apply_is_idempotent_and_an_export_applies_without_changes() {
    let env = Env::new();
    write(&env, "jobs.toml", TWO);
    let dry = env.json(&["apply", "-f", "jobs.toml", "--dry-run"]);
    assert_eq!(
        (changes(&dry), ids(&env).len()),
        (vec!["create health".to_owned(), "create backup".to_owned()], 0)
    );
    assert_eq!(
        changes(&env.json(&["apply", "-f", "jobs.toml"])),
        ["create health", "create backup"]
    );
    assert_eq!(
        changes(&env.json(&["apply", "-f", "jobs.toml"])),
        ["none health", "none backup"]
    );
    for (file, format) in [("all.toml", "text"), ("all.json", "json")] {
        let exported = env.tempo(&["-o", format, "export"]).ok();
        write(&env, file, &exported);
        assert_eq!(
            changes(&env.json(&["diff", "-f", file])),
            ["none backup", "none health"],
            "{exported}"
        );
    }
}

#[test]
fn diff_shows_each_changed_field_with_its_line_and_exits_with_1() {
    let env = Env::new();
    write(&env, "jobs.toml", TWO);
    env.tempo(&["apply", "-f", "jobs.toml"]).ok();
    let changed = TWO
        .replace("10s", "20s")
        .replace("[\"true\"]", "[\"false\"]\non_failure = \"continue\"");
    write(&env, "jobs.toml", &changed);
    let ran = env.tempo(&["diff", "-f", "jobs.toml", "-o", "json"]);
    assert_eq!(ran.code, Some(1), "{ran:?}");
    let found: Value = serde_json::from_str(&ran.stdout).unwrap();
    let expected = json!([
        {"id": "health", "change": "update", "line": 2, "warnings": [],
            "fields": [{"name": "jitter", "old": "10s", "new": "20s"}]},
        {"id": "backup", "change": "update", "line": 10, "warnings": [], "fields": [
            {"name": "step.dump.command", "old": ["true"], "new": ["false"]},
            {"name": "step.dump.on_failure", "old": null, "new": "continue"}]},
    ]);
    assert_eq!(found, expected);
    assert_eq!(env.json(&["schedule", "describe", "health"])["jitter"], "10s");
    env.tempo(&["apply", "-f", "jobs.toml"]).ok();
    assert_eq!(env.json(&["schedule", "describe", "health"])["jitter"], "20s");
}

/// `count` schedules, each of which starts after the next one if `after`; without a last header.
fn many(count: usize, after: bool) -> String {
    let schedule = |n: usize| {
        let after = if after {
            format!("after = \"s{}\"\n", n + 1)
        } else {
            String::new()
        };
        format!("[[schedule]]\nid = \"s{n}\"\ninterval = \"1h\"\n{after}step = [{{ name = \"a\", shell = \"true\" }}]\n")
    };
    (0..count).map(schedule).collect::<Vec<_>>().concat()
}

#[test]
fn an_error_late_in_a_large_file_applies_nothing_and_late_definitions_count() {
    let env = Env::new();
    let last = "[[schedule]]\nid = \"s2000\"\ninterval = \"1h\"\nstep = [{ name = \"a\", shell = \"true\" }]\n";
    for (end, error) in [
        (
            "[[schedule]]\nid = \"s2000\"\njiter = \"1s\"\n",
            "jobs.toml:10003:1: unknown key `jiter`",
        ),
        (
            "[[schedule]]\nid = \"s7\"\ninterval = \"1h\"\nstep = [{ name = \"a\", shell = \"true\" }]\n",
            "jobs.toml:10001: schedule `s7` is already defined",
        ),
        ("[[schedule\n", "jobs.toml:10001:11: unclosed array table"),
        ("", "jobs.toml:9996: `after`: no schedule is named `s2000`"),
        (
            &last.replace("step", "after = \"s0\"\nstep"),
            "jobs.toml:1: `after`: these schedules form a cycle: s0 after s1",
        ),
    ] {
        write(&env, "jobs.toml", &format!("{}{end}", many(2000, true)));
        let ran = env.tempo(&["apply", "-f", "jobs.toml"]);
        assert!(ran.code == Some(2) || ran.code == Some(3), "{ran:?}");
        assert!(ran.stderr.starts_with(&format!("error: {error}")), "{error}: {}", ran.stderr);
        assert_eq!(env.json(&["schedule", "list"]), serde_json::json!([]), "{error}");
    }
    // What stands at the end applies to the whole file.
    let end = "[defaults]\nseverity = \"critical\"\n[[notify]]\nname = \"r\"\ncommand = \"true\"\n";
    write(&env, "jobs.toml", &format!("{}{last}{end}", many(2000, true)));
    let applied = env.tempo(&["apply", "-f", "jobs.toml"]).ok();
    assert!(applied.ends_with("2001 schedules, 1 receiver: 2002 created\n"), "{applied}");
    assert_eq!(env.json(&["schedule", "describe", "s0"])["severity"], "critical");
    write(&env, "jobs.toml", &many(1, false));
    let pruned = env.tempo(&["apply", "--prune", "-f", "jobs.toml"]).ok();
    assert!(pruned.contains("1 updated, 2001 deleted"), "{pruned}");
}

#[test]
fn errors_show_their_place_and_nothing_is_applied() {
    let env = Env::new();
    write(&env, "good.toml", TWO);
    for (text, message) in [
        (
            "[[schedule]]\nid = \"x\"\ninterval = \"2m\"\njiter = \"1s\"\n",
            "bad.toml:4:1: unknown key `jiter`",
        ),
        (
            "[[schedule]]\nid = \"x\"\ncron = \"0 25 * * *\"\n",
            "bad.toml:3:8: hour `25` is out of range 0-23",
        ),
        (
            "[[schedule]]\nid = \"x\"\ninterval = \"2m\"\n",
            "bad.toml:1: nothing to run: the workflow has no steps",
        ),
        (
            "[[schedule]]\nid = \"health\"\ninterval = \"2m\"\n[[schedule.step]]\nname = \"a\"\nshell = \"x\"\n",
            "bad.toml:1: schedule `health` is already defined in good.toml:2",
        ),
        ("{ \"schedule\": 5 }", "bad.toml:1:15: expected an array, found `5`"),
        (
            "[[schedule]]\nid = \"a\"\nstep = [5]",
            "bad.toml:3:9: expected a table, found `5`",
        ),
        ("\u{0}", "bad.toml:1:2: key with no value"),
    ] {
        write(&env, "bad.toml", text);
        let ran = env.tempo(&["apply", "-f", "good.toml", "bad.toml"]);
        assert_eq!(ran.code, Some(2), "{ran:?}");
        assert!(
            ran.stderr.starts_with(&format!("error: {message}")),
            "{message}: {}",
            ran.stderr
        );
    }
    assert_eq!(env.tempo(&["apply", "-f", "none.toml"]).code, Some(2));
    assert!(ids(&env).is_empty());
}

#[test]
fn state_that_a_file_omits_is_unchanged() {
    let env = Env::new();
    write(&env, "jobs.toml", TWO);
    env.tempo(&["apply", "-f", "jobs.toml"]).ok();
    env.tempo(&["schedule", "pause", "health", "--note", "mending"]).ok();
    // A counter is not reset while its value in the file is unchanged.
    env.tempo(&["schedule", "update", "backup", "--remaining-actions", "2"]).ok();
    assert_eq!(
        changes(&env.json(&["apply", "-f", "jobs.toml"])),
        ["none health", "none backup"]
    );
    write(
        &env,
        "jobs.toml",
        &TWO.replace("remaining_actions = 5", "remaining_actions = 9")
            .replace("note = \"nightly\"\n", ""),
    );
    let found = env.json(&["apply", "-f", "jobs.toml"]);
    let fields = json!([{"name": "note", "old": "nightly", "new": null}, {"name": "remaining_actions", "old": 2, "new": 9}]);
    assert_eq!(found[1]["fields"], fields);
    let health = env.json(&["schedule", "describe", "health"]);
    assert_eq!((&health["paused"], &health["note"]), (&json!(true), &json!("mending")));
    write(
        &env,
        "jobs.toml",
        &TWO.replace("id = \"health\"", "id = \"health\"\npaused = false"),
    );
    assert_eq!(env.json(&["apply", "-f", "jobs.toml"])[0]["fields"][0]["new"], Value::Null);
    assert_eq!(env.json(&["schedule", "describe", "health"])["paused"], false);
}

#[test]
fn remembers_the_state_a_file_set_on_a_schedule_created_by_hand() {
    let env = Env::new();
    env.tempo(&["schedule", "create", "backup", "--interval", "1h", "--", "true"])
        .ok();
    write(&env, "jobs.toml", TWO);
    env.tempo(&["apply", "-f", "jobs.toml"]).ok();
    // Meanwhile the counter went down and somebody paused the schedule.
    env.tempo(&["schedule", "update", "backup", "--remaining-actions", "2"]).ok();
    env.tempo(&["schedule", "pause", "backup", "--note", "nightly"]).ok();
    for _ in 0..2 {
        assert_eq!(
            changes(&env.json(&["apply", "-f", "jobs.toml"])),
            ["none health", "none backup"]
        );
    }
    // The schedule is still not owned by the file, so pruning does not delete it.
    write(&env, "jobs.toml", "");
    assert_eq!(
        changes(&env.json(&["apply", "-f", "jobs.toml", "--prune"])),
        ["delete health"]
    );
    assert_eq!(ids(&env), ["backup"]);
}

#[test]
fn changing_only_a_note_keeps_the_next_times() {
    let env = Env::new();
    write(&env, "jobs.toml", TWO);
    env.tempo(&["apply", "-f", "jobs.toml"]).ok();
    let next = |id| env.json(&["schedule", "describe", id])["next_action_times"].clone();
    let before = (next("health"), next("backup"));
    write(
        &env,
        "jobs.toml",
        &TWO.replace("nightly", "every night")
            .replace("interval", "note = \"new\"\ninterval"),
    );
    assert_eq!(
        changes(&env.json(&["apply", "-f", "jobs.toml"])),
        ["update health", "update backup"]
    );
    assert_eq!((next("health"), next("backup")), before);
}

#[test]
fn the_schema_has_every_key_of_a_file() {
    let env = Env::new();
    let schema: Value = serde_json::from_str(&env.tempo(&["schema"]).ok()).unwrap();
    let keys = |name: &str| schema["$defs"][name]["properties"].as_object().unwrap().clone();
    let schedule = keys("ScheduleText");
    let expected =
        "id note interval cron calendar quartz exclude_calendar at_boot time_zone dst_gap dst_repeat start_time end_time jitter
        overlap_policy catchup_window pause_on_failure paused remaining_actions workflow_id run_timeout step";
    for key in expected.split_whitespace() {
        assert!(schedule.contains_key(key), "{key}");
    }
    let probe = keys("ProbeTable");
    let expected = "url status timeout method headers body basic_auth bearer redirects body_contains body_matches json header_matches max_elapsed
        min_certificate_days ca_file insecure tcp dns";
    for key in expected.split_whitespace() {
        assert!(probe.contains_key(key), "{key}");
    }
}

#[test]
fn rejects_values_that_a_file_cannot_represent() {
    let env = Env::new();
    let deep = format!("{{\"schedule\": {}{}}}", "[".repeat(5000), "]".repeat(5000));
    let null = r#"{"schedule":[{"id":"x","interval":"1h","step":[{"name":"p","probe":{"url":"http://h/","json":{"a":null}}}]}]}"#;
    for (text, message) in [
        (deep.as_str(), "more than 64 levels deep"),
        (null, "is null, which is not supported"),
    ] {
        write(&env, "x.json", text);
        let ran = env.tempo(&["apply", "-f", "x.json"]);
        assert_eq!(ran.code, Some(2), "{ran:?}");
        assert!(ran.stderr.contains(message), "{}", ran.stderr);
    }
    write(
        &env,
        "x.toml",
        "[[schedule]]\nid = \"x\"\ninterval = \"1h\"\nremaining_actions = -3\n",
    );
    let ran = env.tempo(&["apply", "-f", "x.toml"]);
    assert!(ran.stderr.starts_with("error: x.toml:4:21: "), "{}", ran.stderr);
}

#[test]
fn a_file_that_is_too_large_is_rejected_and_a_name_stays_on_one_line() {
    let env = Env::new();
    std::fs::File::create(env.path("large.toml"))
        .unwrap()
        .set_len(129 << 20)
        .unwrap();
    let large = env.tempo(&["apply", "-f", "large.toml"]);
    assert!(
        large.code == Some(2) && large.stderr.contains("`large.toml` is larger than 128 MiB"),
        "{large:?}"
    );
    write(&env, "a\nforged.toml", "bad [");
    let named = env.tempo(&["apply", "-f", "a\nforged.toml"]);
    assert!(
        named.code == Some(2) && named.stderr.contains("a\\nforged.toml:1:"),
        "{named:?}"
    );
}
