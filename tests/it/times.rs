//! `schedule next` and `schedule simulate`.

use crate::harness::Env;

#[test]
fn next_exits_with_1_for_a_spec_that_never_fires_and_includes_the_midnight_of_a_date() {
    let env = Env::new();
    let never = ["schedule", "next", "--cron", "0 0 30 2 *"];
    let ran = env.tempo(&never);
    assert_eq!(ran.code, Some(1), "{ran:?}");
    assert!(ran.stderr.contains("the spec never fires"), "{ran:?}");
    let json = env.tempo(&[&never[..], &["-o", "json"]].concat());
    assert_eq!((json.code, json.stdout.as_str()), (Some(1), "[]\n"));
    let first = |from: &str| {
        let times = env.json(&["schedule", "next", "--cron", "0 0 * * *", "--count", "1", "--from", from]);
        times[0]["scheduled_at"].as_str().unwrap().to_owned()
    };
    assert_eq!(first("2026-12-01"), "2026-12-01T00:00:00Z");
    assert_eq!(first("2026-12-01 00:00"), "2026-12-02T00:00:00Z");
    env.tempo(&["schedule", "create", "boot", "--at-boot", "--shell", "true"])
        .ok();
    env.tempo(&["schedule", "next", "boot"]).ok();
}

#[test]
fn simulate_takes_only_options_that_change_decisions_and_reads_times_in_the_zone_of_the_schedule() {
    let env = Env::new();
    env.tempo(&[
        "schedule",
        "create",
        "s",
        "--cron",
        "0 0 1 1 *",
        "--tz",
        "Europe/Berlin",
        "--",
        "true",
    ])
    .ok();
    let simulate = [
        "schedule",
        "simulate",
        "s",
        "--takes",
        "1s",
        "--from",
        "2099-05-05",
        "--for",
        "1d",
    ];
    let events = env.json(&[&simulate[..], &["--at", "2099-05-05 09:30"]].concat());
    assert_eq!(events[0]["scheduled_at"], "2099-05-05T07:30:00Z", "{events}");
    for option in ["--note=x", "--lock=x", "--severity=critical", "--if=true", "--pause-after=2"] {
        assert_eq!(env.tempo(&[&simulate[..], &[option]].concat()).code, Some(2), "{option}");
    }
}
