//! Which receiver gets which events: by schedule, label, severity and event; and receivers that files define.

use serde_json::Value;

use super::webhook::{Webhook, failing_schedule, run_of};
use crate::harness::Env;

#[test]
fn receivers_are_routed_by_schedule_and_event() {
    let env = Env::new();
    let hook = Webhook::start(|_| Some(200));
    for id in ["db-main", "web"] {
        failing_schedule(&env, id);
    }
    let add = |name: &str, args: &[&str]| {
        let (url, wait) = (hook.url().replace("hook", name), ["--group-wait", "0s"]);
        env.tempo(&[&["notify", "add", name, "--webhook", &url], &wait[..], args].concat())
            .ok();
    };
    add("db", &["--schedule", "db-*"]);
    add("failed", &["--event", "run_failed"]);
    add("other", &["--schedule", "nothing"]);
    let _server = env.serve(&[]);
    run_of(&env, "db-main");
    run_of(&env, "web");
    let got = hook.wait_for(3);
    let mut told: Vec<_> = got
        .iter()
        .map(|r| {
            format!(
                "{} {}",
                r.path.split('/').nth(1).unwrap(),
                r.json()["message"].as_str().unwrap()
            )
        })
        .map(|text| text.split("Z:").next().unwrap().split("-20").next().unwrap().to_owned())
        .collect();
    told.sort();
    assert!(told[0].starts_with("db db-main: `if test"), "{told:?}");
    assert_eq!(told[1..], ["failed db-main: db-main", "failed web: web"]);
}

#[test]
fn receivers_are_routed_by_severity_and_by_label_even_when_the_schedule_is_deleted() {
    let env = Env::new();
    let hook = Webhook::start(|_| Some(200));
    failing_schedule(&env, "minor");
    failing_schedule(&env, "major");
    env.tempo(&["schedule", "update", "minor", "--severity", "warning"]).ok();
    env.tempo(&["schedule", "update", "major", "--severity", "Critical", "--label", "prod"])
        .ok();
    let add = |name: &str, args: &[&str]| {
        let (url, wait) = (hook.url().replace("hook", name), ["--group-wait", "0s"]);
        env.tempo(&[&["notify", "add", name, "--webhook", &url], &wait[..], args].concat())
            .ok();
    };
    add("pager", &["--min-severity", "error"]);
    add("prod", &["--label", "prod", "--event", "resolved"]);
    let server = env.serve(&[]);
    run_of(&env, "minor");
    run_of(&env, "major");
    hook.wait_for(1);
    server.signal("TERM");
    assert_eq!(server.wait().0, Some(0));
    // Receivers that were notified of the beginning are notified of the end.
    env.tempo(&["schedule", "update", "major", "--clear", "label"]).ok();
    env.tempo(&["schedule", "delete", "minor", "major"]).ok();
    let _server = env.serve(&[]);
    let got = hook.wait_for(3);
    let mut told: Vec<_> = got
        .iter()
        .map(|r| {
            let json = r.json();
            let text = |key: &str| json[key].as_str().unwrap().to_owned();
            let receiver = r.path.split('/').nth(1).unwrap();
            format!("{receiver} {} {} {}", text("schedule_id"), text("event"), text("severity"))
        })
        .collect();
    told.sort();
    assert_eq!(
        told,
        [
            "pager major opened critical",
            "pager major resolved critical",
            "prod major resolved critical"
        ]
    );
    let refused = env.tempo(&["notify", "add", "x", "--min-severity", "loud", "--", "true"]);
    assert!(
        refused.code == Some(2) && refused.stderr.contains("no severity is named `loud`"),
        "{refused:?}"
    );
}

#[test]
fn notifies_the_same_receivers_when_an_incident_opens_and_is_resolved() {
    let env = Env::new();
    let hook = Webhook::start(|_| Some(200));
    failing_schedule(&env, "s");
    let add = |name: &str, args: &[&str]| {
        let (url, wait) = (hook.url().replace("hook", name), ["--group-wait", "0s"]);
        env.tempo(&[&["notify", "add", name, "--webhook", &url], &wait[..], args].concat())
            .ok();
    };
    add("pager", &["--min-severity", "error"]);
    add("prod", &["--label", "prod"]);
    let _server = env.serve(&[]);
    run_of(&env, "s");
    hook.wait_for(1);
    env.tempo(&["schedule", "update", "s", "--severity", "info", "--label", "prod"])
        .ok();
    std::fs::remove_file(env.path("broken")).unwrap();
    run_of(&env, "s");
    let got = hook.wait_for(2);
    env.wait_for_json(&["notify", "list"], |list| {
        list.as_array().unwrap().iter().all(|receiver| receiver["pending"] == 0)
    });
    let told: Vec<_> = got
        .iter()
        .map(|r| (r.path.split('/').nth(1).unwrap(), r.json()["event"].clone()))
        .collect();
    assert_eq!(told, [("pager", "opened".into()), ("pager", "resolved".into())]);
}

#[test]
fn routes_a_run_of_a_deleted_schedule_by_its_labels() {
    let env = Env::new();
    let hook = Webhook::start(|_| Some(200));
    let shell = "until [ -e go ]; do sleep 0.05; done; echo done";
    env.tempo(&[
        "schedule",
        "create",
        "s",
        "--allow-never",
        "--label",
        "prod",
        "--shell",
        shell,
    ])
    .ok();
    let route = ["--label", "prod", "--event", "output"];
    env.tempo(&[&["notify", "add", "prod", "--webhook", &hook.url()], &route[..]].concat())
        .ok();
    let _server = env.serve(&[]);
    env.tempo(&["schedule", "trigger", "s"]).ok();
    env.wait_for_json(&["status"], |status| status["running"].as_array().unwrap().len() == 1);
    env.tempo(&["schedule", "delete", "s"]).ok();
    // A new schedule of that id has nothing to do with the run.
    let other = [
        "schedule",
        "create",
        "s",
        "--allow-never",
        "--label",
        "other",
        "--shell",
        "true",
    ];
    env.tempo(&other).ok();
    std::fs::write(env.path("go"), "").unwrap();
    let got = hook.wait_for(1)[0].json();
    assert_eq!(
        (&got["output"], &got["labels"]),
        (&"done\n".into(), &serde_json::json!(["prod"]))
    );
}

#[test]
fn receivers_of_files_are_compared_applied_exported_and_pruned() {
    let env = Env::new();
    let file = |text: &str| std::fs::write(env.path("jobs.toml"), text).unwrap();
    file("[[notify]]\nname = \"a\"\ncommand = [\"true\"]\n[[notify]]\nname = \"b\"\nemail = \"x@example.org\"\n");
    let changes = |args: &[&str]| -> Vec<String> {
        let list: Value = serde_json::from_str(&env.tempo(&[&["-o", "json"], args].concat()).stdout).unwrap();
        let text = |c: &Value| {
            format!(
                "{} {} {}",
                c["kind"].as_str().unwrap_or("schedule"),
                c["id"].as_str().unwrap(),
                c["change"].as_str().unwrap()
            )
        };
        list.as_array().unwrap().iter().map(text).collect()
    };
    assert_eq!(changes(&["diff", "-f", "jobs.toml"]), ["notify a create", "notify b create"]);
    assert_eq!(changes(&["apply", "-f", "jobs.toml"]), ["notify a create", "notify b create"]);
    assert_eq!(changes(&["apply", "-f", "jobs.toml"]), ["notify a none", "notify b none"]);
    let exported = env.tempo(&["export"]).ok();
    std::fs::write(env.path("exported.toml"), exported).unwrap();
    assert_eq!(changes(&["diff", "-f", "exported.toml"]), ["notify a none", "notify b none"]);
    env.tempo(&["notify", "add", "by-hand", "--", "true"]).ok();
    file("[[notify]]\nname = \"a\"\ncommand = \"true\"\nevents = \"opened\"\n");
    assert_eq!(
        changes(&["apply", "-f", "jobs.toml", "--prune"]),
        ["notify a update", "notify b delete"]
    );
    let names: Vec<_> = env
        .json(&["notify", "list"])
        .as_array()
        .unwrap()
        .iter()
        .map(|r| r["name"].to_string())
        .collect();
    assert_eq!(names, ["\"a\"", "\"by-hand\""]);
    for (text, message) in [
        (
            "[[notify]]\nname = \"x\"\n",
            "jobs.toml:1: the receiver `x` has none of `webhook`, `email` and `command`",
        ),
        (
            "[[notify]]\nname = \"x\"\nemail = \"a@b\"\nbearer = \"t\"\n",
            "jobs.toml:4:10: `bearer`: applies only to a webhook",
        ),
        (
            "[[notify]]\nname = \"x\"\nwebhok = \"http://x/\"\n",
            "jobs.toml:3:1: unknown key `webhok`",
        ),
        (
            "[[notify]]\nname = \"x\"\nwebhook = \"ftp://x/\"\n",
            "is not an http or https URL",
        ),
        (
            "[[notify]]\nname = \"x\"\ncommand = \"true\"\nevents = [\"resolve\"]\n",
            "no event is named `resolve`",
        ),
        (
            "[[notify]]\nname = \"x\"\ncommand = \"true\"\n[[notify]]\nname = \"x\"\ncommand = \"true\"\n",
            "already defined on line 1",
        ),
    ] {
        file(text);
        let ran = env.tempo(&["apply", "-f", "jobs.toml"]);
        assert_eq!(ran.code, Some(2), "{text}: {ran:?}");
        assert!(ran.stderr.contains(message), "{text}: {ran:?}");
    }
    assert_eq!(env.tempo(&["notify", "test", "c"]).code, Some(3));
    assert_eq!(env.tempo(&["notify", "remove", "nobody"]).code, Some(3));
    assert_eq!(env.tempo(&["notify", "add", "a", "--", "true"]).code, Some(4));
}

#[test]
fn an_invalid_receiver_is_rejected_with_the_option_that_is_wrong() {
    let env = Env::new();
    for (args, message) in [
        (&[][..], "the receiver `r` has nowhere to send to"),
        (&["--bearer", "x"], "`--bearer` needs `--webhook`"),
        (
            &["--email", "a@b.example", "--smtp-user", "x"],
            "`--smtp-user` needs `--smtp-password`",
        ),
        (&["--email", "a@b.example", "--", "true"], "cannot be used with"),
        (
            &["--webhook", "http://127.0.0.1:9/", "--template", "pagerduty"],
            "`--template`: `pagerduty` needs an integration key",
        ),
        (
            &["--webhook", "http://127.0.0.1:9/", "--key", "x"],
            "`--key`: the template `json` uses no integration key",
        ),
        (
            &["--quiet-hours", "22:00", "--", "true"],
            "`--quiet-hours`: invalid quiet hours `22:00`",
        ),
        (&["--rate-limit", "3", "--", "true"], "`--rate-limit`: invalid rate limit `3`"),
        (&["--group-wait", "3", "--", "true"], "`--group-wait`: missing unit"),
        (&["--label", "", "--", "true"], "invalid label ``"),
        (&["--schedule", "", "--", "true"], "the id of a schedule is empty"),
        (&["--email", "a@b.example,c@d.example"], "is not an email address"),
        (&["--email", "Name (c) <a@b.example>"], "is not an email address"),
    ] {
        let ran = env.tempo(&[&["notify", "add", "r"], args].concat());
        assert!(ran.code == Some(2) && ran.stderr.contains(message), "{args:?}: {ran:?}");
    }
    assert!(!env.database().exists(), "nothing is recorded");
    for args in [
        &["--email", "root"][..],
        &["--email", "The team <team@b.example>", "--smtp", "127.0.0.1:9"],
    ] {
        env.tempo(&[&["notify", "add", args[1].split(' ').next().unwrap()], args].concat())
            .ok();
    }
}
