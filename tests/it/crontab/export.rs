//! Crontabs that tempo exports.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::import;
use crate::harness::Env;

#[test]
fn an_exported_crontab_keeps_the_notes_and_reports_labels_that_no_mailto_expresses() {
    let env = Env::new();
    let create = |id: &str, more: &[&str]| {
        let always = ["schedule", "create", id, "--cron", "0 5 * * *", "--note"];
        let note = format!("note of {id}");
        env.tempo(&[&always[..], &[&note, "--shell", "true"], more].concat()).ok();
    };
    create("a", &["--tz", "Europe/Berlin", "--label", "mailto:ops"]);
    create("b", &["--label", "mailto:ops", "--label", "mailto:root"]);
    create("c", &["--label", "mailto:'q'"]);
    create("d", &["--label", "mailto:env:HOME"]);
    let exported = env.tempo(&["export", "--crontab"]);
    for id in ["b", "c", "d"] {
        let lost = format!("{id}: cannot be expressed in a crontab: alerts and labels");
        assert!(exported.stderr.contains(&lost), "{exported:?}");
    }
    let other = Env::new();
    import(&other, &exported.stdout, &[]);
    let list = other.json(&["export"]);
    let all = list["schedule"].as_array().unwrap();
    let notes: Vec<_> = all.iter().map(|s| s["note"].as_str().unwrap_or_default()).collect();
    assert_eq!(notes.len(), 4);
    for id in ["a", "b", "c", "d"] {
        assert!(notes.contains(&format!("note of {id}").as_str()), "{notes:?}");
    }
}

#[test]
fn an_exported_crontab_imports_with_the_same_times_and_reports_what_it_omits() {
    let env = Env::new();
    let text = "CRON_TZ=Europe/Berlin\n# Nightly\n30 2 * * 1-5 /srv/backup.sh 100\\%\n0 0 1 * 1 /srv/either\n@reboot /srv/start%one%two\n*/7 9-17 * * * /srv/often\n";
    import(&env, text, &[]);
    let create = |args: &[&str]| env.tempo(&[&["schedule", "create"], args].concat()).ok();
    create(&[
        "every",
        "--interval",
        "15m",
        "--overlap-policy",
        "buffer-one",
        "--",
        "/srv/every",
        "a b",
    ]);
    create(&["probing", "--interval", "1h", "--probe", "x=http://127.0.0.1/"]);
    let exported = env.tempo(&["export", "--crontab"]);
    assert!(
        exported
            .stderr
            .contains("every: cannot be expressed in a crontab: overlap policy `buffer-one`"),
        "{}",
        exported.stderr
    );
    assert!(
        exported.stderr.contains("probing: not exported: its step is a probe"),
        "{}",
        exported.stderr
    );
    let crontab = exported.ok();
    for line in [
        "30 2 * * 1-5 ",
        "0 0 1 * 1 ",
        "@reboot ",
        "*/15 * * * * /srv/every 'a b'",
        "# probing: not exported: its step is a probe",
    ] {
        assert!(crontab.lines().any(|l| l.starts_with(line)), "{line}\n{crontab}");
    }
    // cron runs commands in the home directory anyway.
    assert!(!crontab.contains("cd "), "{crontab}");
    let other = Env::new();
    import(&other, &crontab, &[]);
    let specs = |env: &Env| -> Vec<Value> {
        let all = env.json(&["export"]);
        let mut found: Vec<Value> = all["schedule"]
            .as_array()
            .unwrap()
            .iter()
            .map(|s| json!([s["cron"], s["at_boot"], s["step"][0]["stdin"]]))
            .collect();
        found.sort_by_key(Value::to_string);
        found
    };
    let before: Vec<Value> = specs(&env).into_iter().filter(|s| !s[0].is_null() || s[1] == true).collect();
    assert!(
        before.iter().all(|s| specs(&other).contains(s)),
        "{before:?}\n{:?}",
        specs(&other)
    );
}

#[test]
fn exports_two_lines_when_cron_would_require_both_day_fields() {
    let env = Env::new();
    let create = |id: &str, a: &str, b: &str| {
        env.tempo(&["schedule", "create", id, "--cron", a, "--cron", b, "--", "/srv/x"])
            .ok();
    };
    create("a", "0 0 */2 * *", "0 0 * * 1");
    create("b", "0 0 1 * *", "0 0 * * *");
    let text = env.tempo(&["export", "--crontab"]).ok();
    let lines: Vec<&str> = text.lines().filter(|l| l.ends_with("/srv/x")).collect();
    assert_eq!(
        lines,
        [
            "0 0 */2 * * /srv/x",
            "0 0 * * 1 /srv/x",
            "0 0 1 * * /srv/x",
            "0 0 * * * /srv/x"
        ]
    );
}

#[test]
fn an_exported_crontab_keeps_line_feeds_at_the_end_of_stdin_and_reports_one_that_cron_adds() {
    let env = Env::new();
    let texts = [
        ("a", "x"),
        ("b", "x\n"),
        ("c", "x\n\n"),
        ("d", "\n"),
        ("e", "\n\n"),
        ("f", "x\n\ny\n"),
    ];
    let schedule = |(id, text): &(&str, &str)| {
        format!(
            "[[schedule]]\nid = \"{id}\"\ncron = \"0 5 * * *\"\n[[schedule.step]]\nname = \"s\"\nshell = \"cat # {id}\"\nstdin = {text:?}\n"
        )
    };
    let file = texts.iter().map(schedule).collect::<Vec<_>>().concat();
    std::fs::write(env.path("jobs.toml"), file).unwrap();
    env.tempo(&["apply", "-f", "jobs.toml"]).ok();
    let exported = env.tempo(&["export", "--crontab"]);
    assert!(
        exported
            .stderr
            .contains("a: cannot be expressed in a crontab: stdin without a newline at its end, which cron adds"),
        "{exported:?}"
    );
    let other = Env::new();
    import(&other, &exported.stdout, &[]);
    let imported = other.json(&["export"]);
    let step = |s: &Value| [&s["step"][0]["shell"], &s["step"][0]["stdin"]].map(|text| text.as_str().unwrap().to_owned());
    let found: BTreeSet<[String; 2]> = imported["schedule"].as_array().unwrap().iter().map(step).collect();
    let expected = texts.map(|(id, text)| {
        [
            format!("cat # {id}"),
            format!("{}\n", text.strip_suffix('\n').unwrap_or(text)),
        ]
    });
    assert_eq!(found, BTreeSet::from(expected));
}
