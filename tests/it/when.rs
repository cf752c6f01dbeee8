//! Times in English on the command line and in definition files.

use serde_json::json;

use crate::harness::Env;

#[test]
fn when_creates_updates_and_previews_schedules() {
    let env = Env::new();
    let spec = |args: &[&str]| env.json(args)["spec"].clone();
    let create = [
        "schedule",
        "create",
        "s",
        "--when",
        "weekdays at 9am",
        "--time-zone",
        "Europe/Berlin",
        "--shell",
        "true",
    ];
    assert_eq!(spec(&create), json!({"cron": ["0 9 * * 1-5"], "time_zone": "Europe/Berlin"}));
    let text = env.json(&["schedule", "describe", "s"])["spec_text"]
        .as_str()
        .unwrap()
        .to_owned();
    assert_eq!(text, "every weekday at 09:00 (Europe/Berlin)");
    // What is shown can be typed; the times of another form are replaced.
    let update = ["schedule", "update", "s", "--when", "every 5 min, up to 10 s later"];
    assert_eq!(
        spec(&update),
        json!({"interval": ["5m"], "jitter": "10s", "time_zone": "Europe/Berlin"})
    );
    assert_eq!(
        spec(&["schedule", "update", "s", "--when", &text, "--clear", "jitter"]),
        json!({"cron": ["0 9 * * 1-5"], "time_zone": "Europe/Berlin"})
    );
    let next = env.json(&[
        "schedule",
        "next",
        "--when",
        "on the last friday at 17:00",
        "--count",
        "1",
        "--from",
        "2026-11-01",
    ]);
    assert_eq!(next[0]["scheduled_at"], "2026-11-27T17:00:00Z");
}

#[test]
fn when_in_a_file_defines_the_same_schedule_as_its_cron_string() {
    let env = Env::new();
    let file = |when: &str| {
        let text = format!("[[schedule]]\nid = 's'\n{when}\n[[schedule.step]]\nname = 'x'\nshell = 'true'\n");
        std::fs::write(env.path("jobs.toml"), text).unwrap();
        env.tempo(&["-o", "json", "apply", "-f", "jobs.toml"])
    };
    assert!(
        file("when = ['every weekday at 02:30', 'every 15 min']")
            .ok()
            .contains("\"create\"")
    );
    assert!(file("cron = '30 2 * * 1-5'\ninterval = '15m'").ok().contains("\"none\""));
    let ran = file("when = ['every weekday at 02:30', 'evry day']");
    assert_eq!(ran.code, Some(2));
    assert!(ran.stderr.contains("jobs.toml:3:35: `evry` is not understood"), "{ran:?}");
}

#[test]
fn an_ambiguous_time_is_rejected_with_its_meanings() {
    let env = Env::new();
    for (text, message) in [
        (
            "every other day",
            "`every other` is ambiguous: use an interval such as `every 48 h`, or list the days",
        ),
        ("at 2:30 and 4pm", "write `02:30` or `2:30pm`"),
        ("on the 1st and Monday at 09:00", "`on the 1st if a Monday`"),
        ("every day at 09:00 (Europe/Berlin)", "one time zone"),
    ] {
        let ran = env.tempo(&[
            "schedule",
            "create",
            "s",
            "--when",
            text,
            "--time-zone",
            "UTC",
            "--shell",
            "true",
        ]);
        assert_eq!(ran.code, Some(2), "{text}: {ran:?}");
        assert!(ran.stderr.contains(message), "{text}: {}", ran.stderr);
    }
    assert!(!env.database().exists());
}
