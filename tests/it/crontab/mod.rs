//! Crontabs: imported by cron's rules, run as cron would run them, and exported.

mod export;
mod times;

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::harness::Env;

pub(crate) fn import(env: &Env, text: &str, flags: &[&str]) -> Value {
    std::fs::write(env.path("crontab"), text).unwrap();
    env.json(&[&["import", "crontab", "crontab"], flags].concat())
}

fn ids(found: &Value) -> Vec<String> {
    let text = |v: &Value| format!("{} {}", v["change"].as_str().unwrap(), v["id"].as_str().unwrap());
    found.as_array().unwrap().iter().map(text).collect()
}

#[test]
fn a_repeated_import_changes_nothing_and_lines_keep_their_names_when_moved() {
    let env = Env::new();
    let two = "0 1 * * * /srv/backup.sh --home\n0 2 * * * /srv/backup.sh --mail\n";
    let first = import(&env, two, &[]);
    assert_eq!(
        import(&env, two, &[])
            .as_array()
            .unwrap()
            .iter()
            .filter(|c| c["change"] == "none")
            .count(),
        2
    );
    let second = first[1]["id"].as_str().unwrap();
    assert_eq!(first[0]["id"], "backup");
    assert!(
        second.starts_with("backup-") && second.len() == "backup-0000".len(),
        "{second}"
    );
    // A new line above with the same name: the others keep theirs. A line with new times is an update.
    let moved = format!("5 5 * * * /srv/backup.sh --etc\n{}", two.replace("0 1", "30 1"));
    let again = import(&env, &moved, &[]);
    assert_eq!(ids(&again)[1..], ["update backup".to_owned(), format!("none {second}")]);
    assert!(again[0]["change"] == "create" && again[0]["line"] == 1);
    // A schedule created by hand is not taken over.
    env.tempo(&["schedule", "create", "report", "--interval", "1h", "--", "true"])
        .ok();
    let beside = import(&env, "0 3 * * * /srv/report\n", &[]);
    assert!(beside[0]["id"].as_str().unwrap().starts_with("report-"), "{beside}");
}

#[test]
fn a_crontab_with_errors_imports_nothing_without_keep_going() {
    let env = Env::new();
    let text = "0 1 * * * good\n61 * * * * bad\n@never worse\n";
    std::fs::write(env.path("crontab"), text).unwrap();
    let ran = env.tempo(&["import", "crontab", "crontab"]);
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(2), ""));
    let starts = [
        "error: crontab:2:1: minute `61` is out of range 0-59",
        "error: crontab:3:1: unknown macro `@never`",
        "error: 2 of 3 lines cannot be imported; nothing was imported",
    ];
    let lines: Vec<&str> = ran.stderr.lines().collect();
    assert!(
        starts.iter().zip(&lines).all(|(start, line)| line.starts_with(start)),
        "{}",
        ran.stderr
    );
    let dry = env.tempo(&["import", "crontab", "crontab", "--dry-run"]);
    assert_eq!(dry.code, Some(2), "{dry:?}");
    assert!(dry.stdout.starts_with("+ crontab:1: good: "), "{dry:?}");
    assert_eq!(env.json(&["schedule", "list"]), json!([]));
    let ran = env.tempo(&["import", "crontab", "crontab", "--keep-going"]);
    assert_eq!(ran.code, Some(2), "{ran:?}");
    assert_eq!(env.json(&["schedule", "list"])[0]["id"], "good");
}

#[test]
fn lines_with_the_same_command_keep_their_settings_when_reordered() {
    let env = Env::new();
    let line = |hour: &u32| format!("0 {hour} * * * /x/same.sh\n");
    let text = |hours: &[u32]| hours.iter().map(line).collect::<String>();
    let created = import(&env, &text(&[1, 2, 3, 4, 5]), &[]);
    let fourth = created[3]["id"].as_str().unwrap().to_owned();
    env.tempo(&["schedule", "pause", &fourth, "--note", "no 04:00 runs"]).ok();
    let found = import(&env, &text(&[5, 3, 4, 1, 2]), &[]);
    assert!(found.as_array().unwrap().iter().all(|c| c["change"] == "none"), "{found}");
    assert_eq!((&found[2]["id"], &found[2]["line"]), (&json!(fourth), &json!(3)));
}

#[test]
fn the_note_of_a_pause_survives_a_repeated_import() {
    let env = Env::new();
    let text = "# Nightly\n0 1 * * * /x/nightly\n";
    import(&env, text, &[]);
    env.tempo(&["schedule", "pause", "nightly", "--note", "disk is full"]).ok();
    assert_eq!(ids(&import(&env, text, &[])), ["none nightly"]);
    // A changed comment replaces the note; the schedule stays paused.
    let found = import(&env, &text.replace("Nightly", "Each night"), &[]);
    assert_eq!(ids(&found), ["update nightly"]);
    assert!(found[0]["warnings"].to_string().contains("it stays paused"), "{found}");
    assert_eq!(found[0]["next_action_times"], json!([]));
    let now = env.json(&["schedule", "describe", "nightly"]);
    assert_eq!((&now["note"], &now["paused"]), (&json!("Each night"), &json!(true)));
}

#[test]
fn reports_schedules_whose_file_was_removed_from_a_directory() {
    let env = Env::new();
    std::fs::create_dir(env.path("cron.d")).unwrap();
    std::fs::write(env.path("cron.d/a"), "0 1 * * * root /x/a\n").unwrap();
    std::fs::write(env.path("cron.d/b"), "0 2 * * * root /x/b\n").unwrap();
    env.tempo(&["import", "crontab", "--system", "cron.d"]).ok();
    std::fs::remove_file(env.path("cron.d/b")).unwrap();
    let again = env.tempo(&["import", "crontab", "--system", "cron.d"]);
    assert!(again.stderr.contains("note: b is no longer in the crontab"), "{again:?}");
    assert!(!again.stderr.contains("note: a is no longer"), "{again:?}");
}

#[test]
fn rejects_lines_below_an_invalid_time_zone() {
    let env = Env::new();
    std::fs::write(
        env.path("crontab"),
        "CRON_TZ=Mars/X\n0 9 * * * a\nCRON_TZ=Asia/Tokyo\n0 9 * * * b\n",
    )
    .unwrap();
    let ran = env.tempo(&["import", "crontab", "crontab", "--keep-going"]);
    assert!(
        ran.stderr
            .contains("error: crontab:2:1: the time zone set on line 1 is invalid"),
        "{ran:?}"
    );
    assert_eq!(env.json(&["schedule", "list"])[0]["id"], "b");
}

#[test]
fn a_crontab_under_another_name_warns_about_duplicate_lines() {
    let env = Env::new();
    let text = "0 3 * * * /srv/report\n";
    import(&env, text, &[]);
    std::fs::write(env.path("other"), text).unwrap();
    let found = env.json(&["import", "crontab", "other", "--dry-run"]);
    let warning = "`report` also runs this command at these times; delete one of the two";
    assert_eq!(found[0]["warnings"], json!([warning]));
    // With other times, it is a different schedule.
    std::fs::write(env.path("other"), "0 4 * * * /srv/report\n").unwrap();
    assert_eq!(
        env.json(&["import", "crontab", "other", "--dry-run"])[0]["warnings"],
        json!([])
    );
}

#[test]
fn mailto_becomes_a_receiver_of_what_its_lines_print() {
    let env = Env::new();
    std::fs::create_dir(env.path("bin")).unwrap();
    let sendmail = format!("#!/bin/sh\ncat >> '{}'\n", env.path("mails").display());
    std::fs::write(env.path("bin/sendmail"), sendmail).unwrap();
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(env.path("bin/sendmail"), mode).unwrap();
    let crontab = "0 4 * * * echo nobody reads this\nMAILTO=ops@example.org, root\n0 5 * * * echo hello\n0 6 * * * true\nMAILTO=\n0 7 * * * echo not mailed\n";
    std::fs::write(env.path("crontab"), crontab).unwrap();
    let imported = env.tempo(&["import", "crontab", "crontab"]).ok();
    assert!(imported.contains("the receiver `mailto:ops@example.org+root-"), "{imported}");
    let receivers = env.json(&["notify", "list"]);
    assert_eq!(receivers.as_array().unwrap().len(), 1);
    assert_eq!(receivers[0]["labels"], json!(["mailto:ops@example.org,root"]));
    for schedule in env.json(&["schedule", "list"]).as_array().unwrap() {
        env.tempo(&["schedule", "trigger", schedule["id"].as_str().unwrap()]).ok();
    }
    let path = format!("{}:/usr/bin:/bin", env.path("bin").display());
    let ran = env
        .command(&["run", "--no-web", "--once"])
        .env("PATH", path)
        .output()
        .unwrap();
    assert!(ran.status.success(), "{ran:?}");
    let mails = std::fs::read_to_string(env.path("mails")).unwrap();
    assert_eq!(mails.matches("Subject: ").count(), 1, "{mails}");
    assert!(
        mails.contains("To: ops@example.org, root@") && mails.contains("\nhello\n"),
        "{mails}"
    );
    // So is the mail server of its receiver.
    let name = receivers[0]["name"].as_str().unwrap();
    env.tempo(&["notify", "remove", name]).ok();
    let add = [
        "notify",
        "add",
        name,
        "--email",
        "ops@example.org",
        "--smtp",
        "localhost:25",
        "--event",
        "output",
    ];
    env.tempo(&[&add[..], &["--label", "mailto:ops@example.org,root"]].concat())
        .ok();
    env.tempo(&["import", "crontab", "crontab"]).ok();
    assert!(env.tempo(&["export"]).ok().contains("smtp = \"localhost:25\""));
    // What a crontab cannot express is kept when it is imported again.
    let id = schedule_of(&env, "echo hello");
    let settings = [
        "--lock",
        "disk",
        "--label",
        "prod",
        "--label",
        "mailto:ops",
        "--expect-within",
        "25h",
    ];
    env.tempo(&[&["schedule", "update", &id], &settings[..]].concat()).ok();
    env.tempo(&["import", "crontab", "crontab"]).ok();
    let view = env.json(&["schedule", "describe", &id]);
    assert_eq!(view["action"]["lock"], "disk", "{view}");
    assert_eq!(view["expect_within"], "25h", "{view}");
    assert_eq!(view["labels"], json!(["prod", "mailto:ops@example.org,root"]), "{view}");
    env.tempo(&["schedule", "delete", "--all"]).ok();
    env.tempo(&["import", "crontab", "crontab"]).ok();
    let exported = env.tempo(&["export", "--crontab"]);
    assert!(!exported.stderr.contains("labels"), "{}", exported.stderr);
    let lines: Vec<&str> = exported
        .stdout
        .lines()
        .filter(|l| !l.starts_with('#') && !l.is_empty())
        .collect();
    let other = Env::new();
    import(&other, &exported.stdout, &[]);
    let labels = |env: &Env| -> Vec<Value> {
        let all = env.json(&["export"]);
        let of = |s: &Value| json!([s["id"], s["labels"]]);
        all["schedule"].as_array().unwrap().iter().map(of).collect()
    };
    assert_eq!(labels(&env), labels(&other), "{lines:?}");
}

/// The id of the schedule that runs this line.
fn schedule_of(env: &Env, line: &str) -> String {
    let all = env.json(&["export"]);
    let mut schedules = all["schedule"].as_array().unwrap().iter();
    let found = schedules.find(|s| s["step"][0]["shell"] == line).unwrap();
    found["id"].as_str().unwrap().to_owned()
}

#[test]
fn a_dry_run_shows_each_schedule_and_changes_nothing() {
    let env = Env::new();
    let text = "MAILTO=ops\n# Every weekday\n30 2 * * 1-5 /srv/backup.sh >/dev/null 2>&1\n0 0 1 * 1 /srv/either\n";
    std::fs::write(env.path("crontab"), text).unwrap();
    let stdout = env.tempo(&["import", "crontab", "crontab", "--dry-run"]).ok();
    let mut lines = stdout.lines();
    assert_eq!(lines.next(), Some("+ crontab:3: backup: every weekday at 02:30 (UTC)"));
    let next = lines.next().unwrap();
    assert!(
        next.starts_with("    next: ") && next.matches("02:30:00").count() == 3,
        "{next}"
    );
    assert!(
        lines
            .next()
            .unwrap()
            .starts_with("    note: `MAILTO=ops`: the receiver `mailto:ops` mails the output of the job")
    );
    assert!(stdout.contains("it fires when either matches, as in cron"), "{stdout}");
    let last = format!(
        "2 schedules in {}: 2 would be created, 0 would be updated, 0 unchanged\n",
        env.database().display()
    );
    assert!(stdout.ends_with(&last), "{stdout}");
    assert!(!env.database().exists());
}

#[test]
fn a_command_runs_as_cron_would_run_it() {
    let env = Env::new();
    let text = "SHELL=/bin/bash\nMAILTO=ops\nGREETING = \"good  day\"\n* * * * * echo \"$GREETING\" $MAILTO ${BASH_VERSION:+bash}; pwd; date +\\%Y | wc -c; cat%a%b\\%\n";
    import(&env, text, &[]);
    let id = env.json(&["schedule", "list"])[0]["id"].as_str().unwrap().to_owned();
    env.tempo(&["schedule", "trigger", &id]).ok();
    let _ = env.tempo(&["run", "--once"]).ok();
    let runs = env.json(&["workflow", "list"]);
    let run = runs[0]["run_id"].as_str().unwrap();
    let home = env.path("").display().to_string();
    let expected = format!("good  day ops bash\n{}\n5\na\nb%\n", home.trim_end_matches('/'));
    assert_eq!(env.tempo(&["workflow", "output", run]).ok(), expected);
}

#[test]
fn root_keeps_the_user_of_a_system_crontab_and_others_get_a_note() {
    let env = Env::new();
    let found = import(&env, "0 5 * * * daemon /srv/job\n", &["--system"]);
    let root = tempo::machine::is_root();
    let step = &env.json(&["export"])["schedule"][0]["step"][0];
    assert_eq!(step["user"], if root { json!("daemon") } else { Value::Null });
    let has_note = found[0]["warnings"]
        .as_array()
        .unwrap()
        .iter()
        .any(|w| w.as_str().unwrap().contains("the user `daemon` is ignored"));
    assert_eq!(has_note, !root);
}

#[test]
fn a_directory_of_crontabs_is_read_as_cron_does_and_skipped_files_are_reported() {
    let env = Env::new();
    std::fs::create_dir(env.path("cron.d")).unwrap();
    let write = |name: &str, text: &[u8]| std::fs::write(env.path("cron.d").join(name), text).unwrap();
    // A comment may be in any encoding, and the last line may lack a newline.
    write("first", b"# caf\xe9\r\n0 1 * * * root /srv/first\r\n");
    write("second", b"\t0\t2 * * *\troot\t/srv/second");
    write("second.dpkg-old", b"0 3 * * * root /srv/old\n");
    let ran = env.tempo(&["-o", "json", "import", "crontab", "--system", "cron.d"]);
    let found: Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!(ids(&found), ["create first", "create second"]);
    assert_eq!(ran.stderr, "", "in JSON, stderr holds nothing but an error");
    let ran = env.tempo(&["import", "crontab", "--system", "cron.d"]);
    assert!(
        ran.stderr.starts_with(
            "note: skipped cron.d/second.dpkg-old: cron ignores files with such names too, for example with a dot\n"
        ),
        "{}",
        ran.stderr
    );
    write("third", b"0 1 * * * root /srv/caf\xe9\n");
    let ran = env.tempo(&["import", "crontab", "--system", "cron.d"]);
    assert_eq!(ran.code, Some(2));
    assert!(
        ran.stderr.contains("cron.d/third:1:24: the line is not valid UTF-8"),
        "{}",
        ran.stderr
    );
}

#[test]
fn thousands_of_identical_lines_each_become_a_schedule() {
    let env = Env::new();
    let text = "0 5 * * * /srv/same\n".repeat(3000);
    let first = import(&env, &text, &[]);
    let names: BTreeSet<&str> = first.as_array().unwrap().iter().map(|c| c["id"].as_str().unwrap()).collect();
    assert_eq!(names.len(), 3000);
    let again = import(&env, &text, &[]);
    assert!(again.as_array().unwrap().iter().all(|c| c["change"] == "none"));
}

#[test]
fn a_repeated_import_keeps_settings_and_reports_schedules_without_a_line() {
    let env = Env::new();
    let two = "0 1 * * * /srv/backup.sh\n0 2 * * * /srv/report.sh\n";
    import(&env, two, &[]);
    let update = [
        "schedule",
        "update",
        "backup",
        "--attempts",
        "3",
        "--overlap-policy",
        "buffer-one",
        "--jitter",
        "5m",
    ];
    env.tempo(&update).ok();
    env.tempo(&["schedule", "pause", "backup"]).ok();
    assert_eq!(ids(&import(&env, two, &[])), ["none backup", "none report"]);
    let found = import(&env, &two.replace("0 1", "30 1"), &[]);
    assert_eq!(found[0]["fields"].as_array().unwrap().len(), 1, "{found}");
    let backup = env.json(&["schedule", "describe", "backup"]);
    assert_eq!(
        (&backup["overlap_policy"], &backup["jitter"], &backup["paused"]),
        (&json!("buffer-one"), &json!("5m"), &json!(true))
    );
    assert_eq!(backup["action"]["steps"][0]["retry"]["maximum_attempts"], 3);
    std::fs::write(env.path("crontab"), "30 1 * * * /srv/backup.sh\n").unwrap();
    let ran = env.tempo(&["import", "crontab", "crontab"]);
    let note = "note: report is no longer in the crontab but stays active; delete it with `tempo schedule delete report`";
    assert!(ran.stderr.lines().any(|l| l == note), "{}", ran.stderr);
}

#[test]
fn lines_with_the_same_command_keep_their_schedules_when_swapped_or_removed() {
    let env = Env::new();
    let two = ["0 1 * * * /srv/job\n", "0 2 * * * /srv/job\n"];
    let first = import(&env, &two.concat(), &[]);
    let swapped = import(&env, &[two[1], two[0]].concat(), &[]);
    assert!(swapped.as_array().unwrap().iter().all(|c| c["change"] == "none"), "{swapped}");
    assert_eq!((&swapped[0]["id"], &swapped[1]["id"]), (&first[1]["id"], &first[0]["id"]));
    let one = import(&env, two[1], &[]);
    assert_eq!((&one[0]["change"], &one[0]["id"]), (&json!("none"), &first[1]["id"]));
}
