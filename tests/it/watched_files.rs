//! `tempo run -f`: definition files are applied at startup and whenever they change.

use crate::harness::{Env, wait_until};

fn schedule(id: &str, interval: &str) -> String {
    format!("[[schedule]]\nid = \"{id}\"\ninterval = \"{interval}\"\nstep = [{{ name = \"x\", command = [\"true\"] }}]\n")
}

fn ids(env: &Env) -> Vec<String> {
    let all = env.json(&["schedule", "list"]);
    let text = |s: &serde_json::Value| format!("{} {}", s["id"].as_str().unwrap(), s["spec_text"].as_str().unwrap());
    all.as_array().unwrap().iter().map(text).collect()
}

#[test]
fn applies_a_directory_at_startup_and_after_every_kind_of_change() {
    let env = Env::new();
    let file = |name: &str| env.path("jobs").join(name);
    std::fs::create_dir(env.path("jobs")).unwrap();
    std::fs::write(file("a.toml"), schedule("a", "1h")).unwrap();
    env.tempo(&["schedule", "create", "by-hand", "--interval", "1h", "--shell", "true"])
        .ok();
    let mut server = env.serve(&["-f", "jobs", "--prune", "--log-format", "json"]);
    let line = server.wait_for_log("\"event\":\"apply\"");
    assert!(line.contains("\"changed\":[\"a\"],\"created\":1"), "{line}");
    assert_eq!(ids(&env), ["a every hour", "by-hand every hour"]);
    // A new file, a file that is replaced as editors do, and one that is written in place.
    std::fs::write(file("b.toml"), schedule("b", "1h")).unwrap();
    wait_until("the new file", || ids(&env).len() == 3);
    std::fs::write(file("b.tmp"), schedule("b", "2h")).unwrap();
    std::fs::rename(file("b.tmp"), file("b.toml")).unwrap();
    wait_until("the replaced file", || ids(&env).contains(&"b every 2 h".to_owned()));
    std::fs::write(file("b.toml"), schedule("b", "3h")).unwrap();
    wait_until("the changed file", || ids(&env).contains(&"b every 3 h".to_owned()));
    // Other files in the directory do not count, and one that changes all the time is not waited for.
    let busy = env
        .shell("while :; do date +%N > jobs/log; echo \"# $(date +%N)\" >> jobs/c.toml; sleep 0.2; done")
        .spawn();
    let mut busy = busy.unwrap();
    std::fs::write(file("b.toml"), schedule("b", "150m")).unwrap();
    wait_until("the file beside one that changes", || {
        ids(&env).contains(&"b every 2 h 30 min".to_owned())
    });
    busy.kill().unwrap();
    busy.wait().unwrap();
    // If one file is broken, no file is applied.
    std::fs::write(file("b.toml"), schedule("b", "3h")).unwrap();
    wait_until("the changed file again", || ids(&env).contains(&"b every 3 h".to_owned()));
    std::fs::write(file("a.toml"), schedule("a", "5h")).unwrap();
    std::fs::write(file("b.toml"), schedule("b", "3x")).unwrap();
    server.wait_for_log("\"event\":\"error\"");
    assert_eq!(ids(&env), ["a every hour", "b every 3 h", "by-hand every hour"]);
    std::fs::write(file("b.toml"), schedule("b", "4h")).unwrap();
    wait_until("the mended file", || {
        ids(&env) == ["a every 5 h", "b every 4 h", "by-hand every hour"]
    });
    std::fs::remove_file(file("a.toml")).unwrap();
    wait_until("the deleted file", || ids(&env) == ["b every 4 h", "by-hand every hour"]);
    server.signal("TERM");
    assert_eq!(server.wait().0, Some(0));
}

#[test]
fn a_pipe_is_rejected_and_a_temporary_failure_is_retried() {
    let env = Env::new();
    assert!(env.shell("mkfifo pipe").status().unwrap().success());
    let refused = env.tempo(&["run", "--no-web", "-f", "pipe"]);
    assert!(
        refused.code == Some(2) && refused.stderr.contains("neither a file nor a directory"),
        "{refused:?}"
    );
    std::fs::write(env.path("jobs.toml"), schedule("a", "1h")).unwrap();
    let mut server = env.serve(&["-f", "jobs.toml", "--log-format", "json"]);
    server.wait_for_log("\"event\":\"apply\"");
    // Replaced by a pipe, and then by a file again.
    std::fs::rename(env.path("pipe"), env.path("jobs.toml")).unwrap();
    server.wait_for_log("neither a file nor a directory");
    std::fs::write(env.path("new"), schedule("a", "2h")).unwrap();
    std::fs::rename(env.path("new"), env.path("jobs.toml")).unwrap();
    wait_until("the file", || ids(&env) == ["a every 2 h"]);
    // Another program holds the database for longer than a change waits, and then lets it go.
    let other = rusqlite::Connection::open(env.database()).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    std::fs::write(env.path("jobs.toml"), schedule("a", "3h")).unwrap();
    server.wait_for_log("locked");
    other.execute_batch("ROLLBACK").unwrap();
    wait_until("another try", || ids(&env) == ["a every 3 h"]);
    server.signal("TERM");
    assert_eq!(server.wait().0, Some(0));
}

#[test]
fn a_broken_file_at_startup_is_logged_and_the_schedules_stay() {
    let env = Env::new();
    std::fs::write(env.path("jobs.toml"), schedule("a", "1h")).unwrap();
    env.tempo(&["apply", "-f", "jobs.toml"]).ok();
    env.tempo(&[
        "notify",
        "add",
        "r",
        "--group-wait",
        "0s",
        "--",
        "sh",
        "-c",
        "cat >> messages",
    ])
    .ok();
    std::fs::write(env.path("jobs.toml"), schedule("a", "1x")).unwrap();
    let mut server = env.serve(&["-f", "jobs.toml", "--prune", "--log-format", "json"]);
    let line = server.wait_for_log("\"event\":\"error\"");
    assert!(line.contains("jobs.toml:3") && line.contains("1x"), "{line}");
    assert_eq!(ids(&env), ["a every hour"]);
    // It is an incident until the files can be applied, also by a later server.
    let incident = || env.json(&["incident", "list", "--all"])[0].clone();
    let open = incident();
    assert_eq!(
        (&open["target_name"], &open["target_url"], &open["status"]),
        (&"(definitions)".into(), &"jobs.toml".into(), &"open".into())
    );
    assert!(open["error"].as_str().unwrap().contains("jobs.toml:3"), "{open}");
    assert!(env.wait_for_lines("messages", 1)[0].contains("the definition files cannot be applied: jobs.toml:3"));
    server.signal("TERM");
    assert_eq!(server.wait().0, Some(0));
    let mut server = env.serve(&["-f", "jobs.toml", "--prune", "--log-format", "json"]);
    server.wait_for_log("\"event\":\"error\"");
    assert_eq!(incident()["count"], 2);
    std::fs::write(env.path("jobs.toml"), schedule("a", "2h")).unwrap();
    server.wait_for_log("\"event\":\"apply\"");
    assert_eq!(ids(&env), ["a every 2 h"]);
    assert_eq!(incident()["status"], "resolved");
    assert!(env.wait_for_lines("messages", 2)[1].contains("the definition files were applied"));
    let log = env.tempo(&["log", "--failed"]).ok();
    assert!(log.contains("incident 1 opened"), "{log}");
    for args in [
        &["run", "-f", "-"][..],
        &["run", "--prune"],
        &["run", "--once", "-f", "jobs.toml"],
    ] {
        assert_eq!(env.tempo(args).code, Some(2), "{args:?}");
    }
}

#[test]
fn sighup_applies_the_files_again_and_sigusr1_logs_the_state() {
    let env = Env::new();
    std::fs::write(env.path("jobs.toml"), schedule("a", "1h")).unwrap();
    let mut server = env.serve(&["-f", "jobs.toml", "--log-format", "json"]);
    server.wait_for_log("\"event\":\"apply\"");
    env.tempo(&["schedule", "delete", "a"]).ok();
    server.signal("HUP");
    let line = server.wait_for_log("\"event\":\"apply\"");
    assert!(line.contains("\"created\":1"), "{line}");
    server.signal("USR1");
    let line = server.wait_for_log("\"event\":\"state\"");
    assert!(
        line.contains("\"schedules\":1") && line.contains("\"schedule_id\":\"a\""),
        "{line}"
    );
    server.signal("TERM");
    assert_eq!(server.wait().0, Some(0));
    // Without files, too, it does not end a server that has no terminal.
    let mut server = env.serve(&[]);
    server.signal("HUP");
    server.signal("USR1");
    server.wait_for_log("1 schedule, 0 open runs, 0 queued, 0 incidents open, next a ");
    server.signal("TERM");
    assert_eq!(server.wait().0, Some(0));
}
