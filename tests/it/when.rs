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
    // A zone in the text replaces the stored one, `UTC` as well.
    assert_eq!(
        spec(&["schedule", "update", "s", "--when", "every weekday at 09:00 (UTC)"]),
        json!({"cron": ["0 9 * * 1-5"], "time_zone": "UTC"})
    );
    let calendar = r#"{"comment":"a, except b, up to 5 s later","hour":"3"}"#;
    let create = [
        "--when",
        "every 2 h",
        "--exclude-calendar",
        calendar,
        "--jitter",
        "5s",
        "--shell",
        "true",
    ];
    let text = |args: &[&str]| env.json(args)["spec_text"].as_str().unwrap().to_owned();
    let shown = text(&[&["schedule", "create", "t"][..], &create].concat());
    assert_eq!(text(&["schedule", "create", "u", "--when", &shown, "--shell", "true"]), shown);
    assert_eq!(
        spec(&[
            "schedule",
            "create",
            "v",
            "--when",
            "Every 2 h, Up to 10 minutes later",
            "--shell",
            "true"
        ]),
        json!({"interval": ["2h"], "jitter": "10m"})
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
    assert!(
        ran.stderr.contains("jobs.toml:3:35: `evry day`: `evry` is not understood"),
        "{ran:?}"
    );
}

#[test]
fn an_ambiguous_time_is_rejected_with_its_meanings() {
    let env = Env::new();
    for (text, message) in [
        (
            "every other day",
            "`every other` is ambiguous: use an interval such as `every 48 h`, or list the days",
        ),
        ("at 2:30 and 4pm", "write `14:30` or `2:30pm`"),
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

#[test]
#[expect(clippy::too_many_lines, reason = "one row for each text")]
fn rejects_ambiguous_and_merged_sentences() {
    let env = Env::new();
    let next = |text: &str| {
        env.tempo(&[
            "-o",
            "json",
            "schedule",
            "next",
            "--when",
            text,
            "--count",
            "8",
            "--from",
            "2027-01-01",
        ])
    };
    for (text, message) in [
        (
            "every day at 09:00 and every Monday at 10:00",
            "separate the sentences with `;`",
        ),
        (
            "every weekday at 9am and every Saturday at 10am",
            "separate the sentences with `;`",
        ),
        ("every 15 min every 20 min", "separate the sentences with `;`"),
        (
            "at 09:00 on May 5, 2027 and June 6, 2028",
            "a date with a year cannot be combined with another date",
        ),
        ("on Jan 1 and Jul 4 at 09:00", "each date needs its own sentence"),
        ("every third day at 09:00", "ambiguous"),
        ("every 2nd Friday at 09:00", "ambiguous"),
        ("every hour from 9 to 5", "ambiguous window"),
        ("twice daily at 9 and 5", "ambiguous times"),
        ("every 15 min from 1 to 5pm", "ambiguous window"),
        (
            "every 15 min from 09:00 to 10:00 from 12:00 to 13:00",
            "only one window can be given",
        ),
        ("every hour at :05 at :10", "only one minute can be given"),
        ("every hour at :30 from 09:00 to 17:00", "include the minute in the window"),
        ("every 15 min at :05", "a minute needs whole hours"),
        ("every second Monday at 09:00", "ambiguous"),
        ("every second weekday", "ambiguous"),
        ("every 2 day at 09:00", "use an interval such as `every 48 h`"),
        (
            "every 1 day 12 h at 09:00",
            "a frequency and a time of day cannot be combined",
        ),
        ("every 48 h from 09:00", "must be at most 24 h"),
        ("every month on Monday at 09:00", "no day of the month is given"),
        ("every week on the 15th at 09:00", "no day of the week is given"),
        ("every week on the 2nd Friday at 09:00", "no day of the week is given"),
        ("on the last Friday and Saturday of the month at 09:00", "ambiguous days"),
        ("on the second Monday and Tuesday of the month at 09:00", "ambiguous days"),
        ("every night at 11", "expected a time at night"),
        ("nightly at 10", "expected a time at night"),
        ("nightly every minute", "a frequency needs a window at night"),
        (
            "every night every 15 min from 09:00 to 11:00",
            "a frequency needs a window at night",
        ),
        ("every evening at 7", "a time in the evening"),
        ("every morning at 13:00", "a time in the morning"),
        ("every afternoon at 3", "a time in the afternoon"),
        ("every Sunday night at 01:00", "name the day on which it is"),
        ("on the 1st morning at 09:00", "morning"),
        ("every night at noon", "expected a time at night"),
        ("every month on the 1st of March at 09:00", "contradict each other"),
        ("every week every month on 24 December at 9pm", "only one period"),
        ("every day at 09:00; only when triggered", "cannot be combined with times"),
        (
            "every day twice a day on Monday at 09:00 and 17:00",
            "separate the sentences with `;`",
        ),
        ("every day at 09:00 ()", "the time zone in the parentheses is missing"),
        ("every day at 09:00, up to 1 0 s later", "expected a duration"),
        ("every day at 9:5", "write minutes and seconds with two digits"),
    ] {
        let ran = next(text);
        assert_eq!(ran.code, Some(2), "{text}: {ran:?}");
        assert!(ran.stderr.contains(message), "{text}: {}", ran.stderr);
    }
    for (text, times) in [
        (
            "every day at 09:00; and every Monday at 10:00",
            ["2027-01-01T09:00:00Z", "2027-01-02T09:00:00Z"],
        ),
        (
            "on 1 January and 1 July at 09:00",
            ["2027-01-01T09:00:00Z", "2027-07-01T09:00:00Z"],
        ),
        ("24 and 25 December at noon", ["", ""]),
        (
            "on the 24th December and the 25th December at noon",
            ["2027-12-24T12:00:00Z", "2027-12-25T12:00:00Z"],
        ),
        ("every hour from 9am to 5pm", ["2027-01-01T09:00:00Z", "2027-01-01T10:00:00Z"]),
        (
            "every 2nd Friday of the month at 09:00",
            ["2027-01-08T09:00:00Z", "2027-02-12T09:00:00Z"],
        ),
        (
            "every second Monday of the month at 09:00",
            ["2027-01-11T09:00:00Z", "2027-02-08T09:00:00Z"],
        ),
        ("every 2 h at minute 30", ["2027-01-01T00:30:00Z", "2027-01-01T02:30:00Z"]),
        ("every 1 day 12 h", ["2027-01-02T00:00:00Z", "2027-01-03T12:00:00Z"]),
        (
            "every year on the last Monday of May at 09:00",
            ["2027-05-31T09:00:00Z", "2028-05-29T09:00:00Z"],
        ),
        ("mondays 18:30, 19:30", ["2027-01-04T18:30:00Z", "2027-01-04T19:30:00Z"]),
    ] {
        let ran = next(text);
        if times[0].is_empty() {
            assert_eq!(ran.code, Some(2), "{text}: {ran:?}");
            continue;
        }
        let found: serde_json::Value = serde_json::from_str(&ran.ok()).unwrap();
        for (index, time) in times.iter().enumerate() {
            assert_eq!(found[index]["scheduled_at"], *time, "{text}");
        }
    }
}

#[test]
fn rejected_texts_say_what_to_write_instead() {
    let env = Env::new();
    for (text, message) in [
        ("every second Friday at 09:00", "write `on the second friday`"),
        ("every 15 minuts", "`minuts` is not a unit"),
        ("every day at 09:00 except Friday", "`except` needs a comma"),
        (
            "at 09:00 Europe/Berlin",
            "`Europe/Berlin` is not understood; a time zone goes in parentheses",
        ),
        ("once a day at 6 and 18", "expected 1 time of day, found 2"),
        ("every monday", "error: `every monday`: no time of day is given"),
    ] {
        let ran = env.tempo(&["schedule", "next", "--when", text]);
        assert_eq!(ran.code, Some(2), "{text}: {ran:?}");
        assert!(ran.stderr.contains(message), "{text}: {}", ran.stderr);
    }
}

#[test]
fn parts_of_the_day_agree_with_the_times_that_follow() {
    let env = Env::new();
    for (number, (text, cron)) in [
        ("every morning at 7", json!(["0 7 * * *"])),
        ("every Friday afternoon at 3pm", json!(["0 15 * * 5"])),
        ("on Monday and Friday evenings at 20:30", json!(["30 20 * * 1,5"])),
        ("every Sunday night at 23:00", json!(["0 23 * * 0"])),
        ("weekday mornings at 09:00", json!(["0 9 * * 1-5"])),
        ("every night at 2am", json!(["0 2 * * *"])),
    ]
    .into_iter()
    .enumerate()
    {
        let id = format!("s{number}");
        let created = env.json(&["schedule", "create", &id, "--when", text, "--shell", "true"]);
        assert_eq!(created["spec"]["cron"], cron, "{text}");
    }
    let window = [
        "schedule",
        "create",
        "w",
        "--when",
        "every 15 min from 22:00 to 04:00 every night",
        "--shell",
        "true",
    ];
    let plain = [
        "schedule",
        "create",
        "p",
        "--when",
        "every 15 min from 22:00 to 04:00",
        "--shell",
        "true",
    ];
    assert_eq!(env.json(&window)["spec"], env.json(&plain)["spec"]);
}

#[test]
fn a_single_time_fires_once_in_the_zone_of_its_schedule() {
    let env = Env::new();
    let spec = |id: &str| env.json(&["schedule", "describe", id])["spec"].clone();
    let calendar =
        |hour: &str, minute: &str| json!([{"minute": minute, "hour": hour, "day_of_month": "5", "month": "5", "year": "2099"}]);
    env.tempo(&[
        "schedule",
        "create",
        "s",
        "--at",
        "2099-05-05 09:30",
        "--tz",
        "Europe/Berlin",
        "--",
        "true",
    ])
    .ok();
    assert_eq!(spec("s")["calendar"], calendar("9", "30"));
    let next = env.json(&["schedule", "describe", "s"])["next_action_times"].clone();
    assert_eq!(next, json!(["2099-05-05T07:30:00Z"]));
    let shown = env.json(&["schedule", "describe", "s"])["spec_text"].clone();
    assert_eq!(shown, "at 09:30 on May 5, 2099 (Europe/Berlin)");
    for when in [
        shown.as_str().unwrap(),
        "09:30 on 5 May 2099 (Europe/Berlin)",
        "at 09:30 on May 5 in 2099 (Europe/Berlin)",
    ] {
        let next = env.json(&["schedule", "next", "--when", when]);
        assert_eq!(
            (next.as_array().unwrap().len(), &next[0]["scheduled_at"]),
            (1, &json!("2099-05-05T07:30:00Z")),
            "{when}"
        );
    }
    // An instant, shown by the wall clock of the schedule's own zone.
    env.tempo(&["schedule", "update", "s", "--at", "2099-05-05T20:15:00Z"]).ok();
    assert_eq!(spec("s")["calendar"], calendar("22", "15"));
    let file = "[[schedule]]\nid = \"f\"\ntime_zone = \"Europe/Berlin\"\nat = \"2099-05-05 22:15\"\n[[schedule.step]]\nname = \"a\"\nshell = \"true\"\n";
    std::fs::write(env.path("f.toml"), file).unwrap();
    env.tempo(&["apply", "-f", "f.toml"]).ok();
    assert_eq!(spec("f")["calendar"], calendar("22", "15"));
    std::fs::write(env.path("f.toml"), file.replace("2099-05-05 22:15", "fri 17:00")).unwrap();
    let refused = env.tempo(&["apply", "-f", "f.toml"]);
    assert!(
        refused.code == Some(2) && refused.stderr.contains("`fri 17:00` is not a time with a date"),
        "{refused:?}"
    );
    std::fs::write(env.path("f.toml"), file.replace("2099-05-05 22:15", "+2h")).unwrap();
    for (args, said) in [
        (
            &["apply", "-f", "f.toml"][..],
            "f.toml:4:6: `+2h` is relative to the current time",
        ),
        (
            &["schedule", "next", "--at", "2027-10-31 02:30", "--tz", "Europe/Berlin"],
            "2027-10-31 02:30:00 occurs twice in Europe/Berlin",
        ),
        (
            &["schedule", "next", "--at", "2027-03-28 02:30", "--tz", "Europe/Berlin"],
            "2027-03-28 02:30:00 does not exist in Europe/Berlin",
        ),
        (&["schedule", "next", "--at", "noon"], "`noon` is not a time"),
        (
            &["schedule", "create", "p", "--at", "today 00:00", "--", "true"],
            "the time `today 00:00` has passed",
        ),
    ] {
        let refused = env.tempo(args);
        assert!(
            refused.code == Some(2) && refused.stderr.contains(said),
            "{args:?}: {refused:?}"
        );
    }
}
