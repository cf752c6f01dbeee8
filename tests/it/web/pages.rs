//! The pages and their forms, without a script.

use super::client::Page;
use crate::harness::{Env, wait_until};

const HOSTILE: &str = "<script>alert(1)</script> \"quoted\" 'single' & \u{202e}reversed";

#[test]
fn pages_escape_every_text_from_outside() {
    let env = Env::new();
    let output = "printf '<script>alert(2)</script> \\033]0;title\\007\\033[31mred\\033[0m javascript:alert(3)\\n'; head -c 1000000 /dev/zero | tr '\\0' x; exit 3";
    env.tempo(&[
        "schedule",
        "create",
        "s",
        "--cron",
        "0 0 1 1 *",
        "--note",
        HOSTILE,
        "--shell",
        output,
    ])
    .ok();
    let page = Page::start(&env, &[]);
    let _ = env.tempo(&["schedule", "trigger", "s", "--wait"]);
    env.tempo(&["incident", "ack", "1", "--note", HOSTILE]).ok();
    let run = env.json(&["workflow", "list"])[0]["run_id"].as_str().unwrap().to_owned();
    for path in [
        "/".to_owned(),
        "/schedules".to_owned(),
        "/schedules/s".to_owned(),
        format!("/runs/{run}"),
        format!("/runs/{run}?output=all"),
        "/runs?output=%3Cscript%3E".to_owned(),
        "/schedules?q=%22%3E%3Cscript%3Ealert(1)%3C/script%3E".to_owned(),
        "/incidents".to_owned(),
        "/incidents/1".to_owned(),
        "/status".to_owned(),
        "/%3Cscript%3Ealert(1)%3C/script%3E".to_owned(),
    ] {
        let answer = page.get(&path);
        assert!([200, 404].contains(&answer.status), "{path}: {}", answer.head);
        assert!(!answer.body.contains("<script>alert"), "{path}: {}", answer.body);
        // The hidden field of the editor contains the exact text.
        let outside_editor = answer.body.split("<input type=\"hidden\"").next().unwrap();
        let bad: Vec<char> = outside_editor
            .chars()
            .filter(|c| c.is_control() && *c != '\n' || *c == '\u{202e}')
            .collect();
        assert!(bad.is_empty(), "{path}: {bad:?}");
        assert!(answer.body.len() < 120_000, "{path}: {} bytes", answer.body.len());
    }
    let shown = page.get(&format!("/runs/{run}?output=all")).body;
    assert!(
        shown.contains("&lt;script&gt;alert(2)") && shown.contains("<span class=\"c1\">red</span>"),
        "{shown}"
    );
}

/// Sends a form and returns the message that the next page shows.
#[track_caller]
fn submit(page: &Page, path: &str, form: &str) -> String {
    let answer = page.ask("POST", path, form);
    assert_eq!(answer.status, 303, "{path} {form}: {answer:?}");
    let message = answer.header("set-cookie").unwrap().split(';').next().unwrap().to_owned();
    let cookies = format!("{}; {message}", page.cookie());
    let next = page.bare(
        "GET",
        answer.header("location").unwrap(),
        &[("host", &page.address), ("cookie", &cookies)],
        "",
    );
    assert!(
        next.status == 200 && next.header("set-cookie").unwrap().contains("Max-Age=0"),
        "{next:?}"
    );
    let text = next.body.split("<p class=\"box done\" role=\"status\">").nth(1).unwrap();
    text.split("</p>").next().unwrap().to_owned()
}

#[test]
fn forms_change_schedules_and_name_the_command_that_does_the_same() {
    let env = Env::new();
    for id in ["a", "b"] {
        env.tempo(&["schedule", "create", id, "--cron", "0 0 1 1 *", "--shell", "true"])
            .ok();
    }
    let page = Page::start(&env, &[]);
    let schedule = |id: &str| env.json(&["schedule", "describe", id]);
    assert_eq!(
        submit(&page, "/schedules/a", "do=pause&note=it's off"),
        "Paused. Same as: tempo schedule pause a --note 'it'\\''s off'"
    );
    assert_eq!(
        (&schedule("a")["paused"], &schedule("a")["note"]),
        (&true.into(), &"it's off".into())
    );
    let home = page.get("/").body;
    assert!(home.contains("has been paused since") && home.contains("it's off"), "{home}");
    submit(&page, "/schedules/a", "do=unpause");
    submit(&page, "/schedules/a", "do=trigger&overlap_policy=allow-all");
    env.wait_for_json(&["workflow", "list", "--schedule", "a"], |runs| {
        runs[0]["status"] == "Completed"
    });
    assert!(
        submit(&page, "/schedules/a", "do=backfill&start_time=2024-01-01&end_time=2024-06-01")
            .starts_with("Backfill of 1 time requested.")
    );
    assert!(
        submit(&page, "/schedules", "do=pause&id=a&id=b&note=both")
            .starts_with("Paused 2 schedules. Same as: tempo schedule pause a b --note both")
    );
    assert_eq!(
        (&schedule("a")["paused"], &schedule("b")["paused"]),
        (&true.into(), &true.into())
    );
    assert!(submit(&page, "/schedules", "do=unpause").contains("Select at least one"));
    assert!(submit(&page, "/schedules", "do=delete&id=b").starts_with("Nothing was deleted"));
    assert!(submit(&page, "/schedules/b", "do=delete&sure=a").starts_with("Nothing was deleted"));
    submit(&page, "/schedules/b", "do=delete&sure=b");
    assert_eq!(env.tempo(&["schedule", "describe", "b"]).code, Some(3));
    assert_eq!(page.ask("POST", "/schedules/a", "do=nonsense").status, 400);
    assert_eq!(page.ask("POST", "/schedules/none", "do=pause").status, 404);
    assert_eq!(page.get("/schedules/none").status, 404);
}

#[test]
fn the_list_of_schedules_is_filtered_ordered_and_comes_in_pages() {
    let env = Env::new();
    let (mut toml, mut ids) = (String::new(), Vec::new());
    for n in 10..100 {
        toml += &format!(
            "[[schedule]]\nid = \"job-{n}\"\ninterval = \"{}h\"\nstep = [{{ name = \"x\", command = [\"true\"] }}]\n",
            200 - n
        );
        ids.push(format!("job-{n}"));
    }
    std::fs::write(env.path("jobs.toml"), toml).unwrap();
    env.tempo(&["apply", "-f", "jobs.toml"]).ok();
    let page = Page::start(&env, &[]);
    let by_next = {
        let mut all: Vec<_> = env.json(&["schedule", "list"]).as_array().unwrap().clone();
        all.sort_by_key(|s| {
            (
                s["next_action_at"].as_str().unwrap().to_owned(),
                s["id"].as_str().unwrap().to_owned(),
            )
        });
        all.iter().map(|s| s["id"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    for (first, expected) in [
        ("/schedules", ids.clone()),
        ("/schedules?sort=next", by_next),
        ("/schedules?q=job-5&sort=last", ids[40..50].to_vec()),
    ] {
        let (mut path, mut found) = (Some(first.to_owned()), Vec::new());
        while let Some(next) = path {
            let body = page.get(&next).body;
            found.extend(
                body.split("aria-label=\"Select ")
                    .skip(1)
                    .map(|rest| rest.split('"').next().unwrap().to_owned()),
            );
            let link = body
                .split("rel=\"next\" href=\"")
                .nth(1)
                .map(|rest| rest.split('"').next().unwrap().replace("&amp;", "&"));
            path = link;
        }
        assert_eq!(found, expected, "{first}");
    }
    assert!(page.get("/schedules?q=nothing").body.contains("No schedules match."));
}

#[test]
fn the_log_continues_on_older_pages() {
    let env = Env::new();
    let job = |n| format!("[[schedule]]\nid = 'job-{n:03}'\ninterval = '1h'\nstep = [{{ name = 'x', command = ['true'] }}]\n");
    let jobs: String = (1..=201).map(job).collect();
    std::fs::write(env.path("jobs.toml"), &jobs).unwrap();
    env.tempo(&["apply", "-f", "jobs.toml"]).ok();
    let page = Page::start(&env, &[]);
    let newest = page.get("/log?since=yesterday&schedule=").body;
    assert!(newest.contains("job-201") && !newest.contains("job-001"), "{newest}");
    let link = newest.split("rel=\"next\" href=\"").nth(1).unwrap();
    let older = page.get(&link.split('"').next().unwrap().replace("&amp;", "&")).body;
    assert!(older.contains("job-001") && !older.contains("job-201"), "{older}");
    assert!(older.contains(">Newest<") && !older.contains(">Older<"), "{older}");
}

#[test]
fn the_editor_shows_what_would_change_and_saves_it() {
    let env = Env::new();
    env.tempo(&["schedule", "create", "s", "--interval", "1h", "--shell", "true"])
        .ok();
    let page = Page::start(&env, &[]);
    let original = env.tempo(&["export", "s"]).ok();
    let shown = page.get("/schedules/s").body;
    assert!(shown.contains("interval = [&quot;1h&quot;]"), "{shown}");
    let form = |text: &str, extra: &str| {
        let mut form = url::form_urlencoded::Serializer::new(String::new());
        form.append_pair("original", &original.replace('\n', "\r\n"))
            .append_pair("definition", text);
        form.finish() + extra
    };
    let edited = original.replace("1h", "30m").replace('\n', "\r\n");
    let preview = page.ask("POST", "/schedules/s/preview", &form(&edited, ""));
    assert!(
        preview.status == 200 && preview.body.contains("<del>[&quot;1h&quot;]</del>") && preview.body.contains("Next times:"),
        "{preview:?}"
    );
    let invalid = page.ask("POST", "/schedules/s/preview", &form(&original.replace("1h", "1x"), ""));
    assert!(
        invalid.status == 200 && invalid.body.contains("role=\"alert\"") && invalid.body.contains("1x"),
        "{invalid:?}"
    );
    assert_eq!(
        page.ask("POST", "/schedules/s", &form(&original.replace("1h", "1x"), "&do=save"))
            .status,
        400
    );
    assert!(submit(&page, "/schedules/s", &form(&edited, "&do=save")).starts_with("Saved 1 change."));
    assert_eq!(env.json(&["schedule", "describe", "s"])["spec_text"], "every 30 min");
    // The definition has changed since the editor was opened.
    assert_eq!(page.ask("POST", "/schedules/s", &form(&edited, "&do=save")).status, 409);
}

#[test]
fn pages_show_failures_attempts_and_incidents_and_resolve_them() {
    let env = Env::new();
    let shell = "echo attempt; test -e fixed || exit 3";
    let retry = ["--attempts", "2", "--retry-initial-interval", "10ms"];
    env.tempo(
        &[
            &["schedule", "create", "s", "--cron", "0 0 1 1 *", "--shell", shell],
            &retry[..],
        ]
        .concat(),
    )
    .ok();
    let page = Page::start(&env, &[]);
    let _ = env.tempo(&["schedule", "trigger", "s", "--wait"]);
    let run = env.json(&["workflow", "list"])[0]["run_id"].as_str().unwrap().to_owned();
    let home = page.get("/").body;
    assert!(home.contains("href=\"/incidents/1\"") && home.contains("exit 3"), "{home}");
    let shown = page.get(&format!("/runs/{run}")).body;
    assert!(
        shown.contains("attempt 1: failed") && shown.contains("attempt 2: failed") && shown.contains("Output of attempt 2"),
        "{shown}"
    );
    let failures = page.get("/runs?status=failures&output=attempt").body;
    assert!(failures.contains(&run), "{failures}");
    assert!(page.get("/runs?output=absent").body.contains("No runs match."));
    assert_eq!(
        submit(&page, "/incidents/1", "do=ack&note=known"),
        "Incident 1 acknowledged. Same as: tempo incident ack 1 --note known"
    );
    std::fs::write(env.path("fixed"), "").unwrap();
    submit(&page, &format!("/runs/{run}"), "do=retry");
    env.wait_for_json(&["workflow", "describe", &run], |run| run["status"] == "Completed");
    wait_until("the incident is resolved", || {
        page.get("/incidents?show=resolved").body.contains("/incidents/1")
    });
    assert_eq!(page.ask("POST", "/incidents/1", "do=resolve").status, 409);
    let status = page.get("/status").body;
    assert!(status.contains("class=\"status good\">up"), "{status}");
    for span in ["hour", "week", "month"] {
        let history = page.get(&format!("/schedules/s?span={span}&policy=allow-all"));
        assert_eq!(history.status, 200, "{span}: {history:?}");
    }
    let seen = page.ask("POST", "/seen", "");
    assert!(seen.head.contains("tempo-seen="), "{seen:?}");
}

#[test]
fn a_bulk_trigger_is_one_change_and_a_stopped_run_is_no_failure() {
    let env = Env::new();
    env.tempo(&["schedule", "create", "s", "--cron", "0 0 1 1 *", "--shell", "sleep 300"])
        .ok();
    let page = Page::start(&env, &[]);
    let status = page.get("/status").body;
    assert!(
        status.contains("some have not run") && !status.contains("All targets"),
        "{status}"
    );
    assert_eq!(page.ask("POST", "/schedules", "do=trigger&id=s&id=gone").status, 404);
    assert_eq!(env.json(&["workflow", "list"]), serde_json::json!([]), "nothing was started");
    env.tempo(&["schedule", "trigger", "s"]).ok();
    let running = env.wait_for_json(&["workflow", "list"], |runs| runs[0]["status"] == "Running");
    let run = running[0]["run_id"].as_str().unwrap();
    assert!(submit(&page, &format!("/runs/{run}"), "do=terminate&reason=enough").starts_with("Termination requested."));
    env.wait_for_json(&["workflow", "list"], |runs| runs[0]["status"] == "Terminated");
    assert!(page.get("/runs?status=failures").body.contains("No runs match."));
    assert_eq!(page.get("/api/v1/runs?failed=true").json(), serde_json::json!([]));
    assert!(!page.get("/").body.contains("has failed"));
}

#[test]
fn a_definition_that_cannot_be_saved_stays_in_the_editor() {
    let env = Env::new();
    env.tempo(&["schedule", "create", "s", "--interval", "1h", "--shell", "true"])
        .ok();
    let page = Page::start(&env, &[]);
    let form = url::form_urlencoded::Serializer::new(String::new())
        .append_pair("do", "save")
        .append_pair("original", &env.tempo(&["export", "s"]).ok())
        .append_pair("definition", "# what I typed")
        .finish();
    let answer = page.ask("POST", "/schedules/s", &form);
    assert!(
        answer.status == 400 && answer.body.contains("# what I typed</textarea>"),
        "{answer:?}"
    );
    assert!(answer.body.contains("must define the schedule <code>s</code>"), "{answer:?}");
}

#[test]
fn pages_show_limits_alerts_and_receivers_that_do_not_get_their_messages() {
    let env = Env::new();
    let limits = [
        "--lock",
        "disk",
        "--task-queue",
        "heavy",
        "--if",
        "true",
        "--pause-after",
        "3",
    ];
    let alerts = [
        "--severity",
        "critical",
        "--label",
        "prod",
        "--open-after",
        "2",
        "--remind",
        "4h",
    ];
    let create = ["schedule", "create", "s", "--cron", "0 0 1 1 *", "--shell", "exit 3"];
    env.tempo(&[&create[..], &limits, &alerts].concat()).ok();
    env.tempo(&["schedule", "create", "once", "--at", "+1s", "--shell", "true"])
        .ok();
    let gone = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let url = format!("http://{gone}/secret");
    env.tempo(&[
        "notify",
        "add",
        "chat",
        "--webhook",
        &url,
        "--label",
        "prod",
        "--group-wait",
        "0s",
    ])
    .ok();
    let page = Page::start(&env, &[]);
    for _ in 0..2 {
        let _ = env.tempo(&["schedule", "trigger", "s", "--wait"]);
    }
    let shown = page.get("/schedules/s").body;
    for text in [
        "The schedule is paused after 3 failed runs in a row.",
        "Limits: task queue heavy, lock disk, only if <code>true</code> succeeds.",
        "severity critical, incident after 2 failures, reminder every 4h.",
        "Labels: prod",
    ] {
        assert!(shown.contains(text), "{text}: {shown}");
    }
    wait_until("the receiver", || page.get("/").body.contains("1 message not delivered"));
    let receivers = page.get("/incidents").body;
    assert!(
        receivers.contains("label prod") && receivers.contains("connection refused") && !receivers.contains("secret"),
        "{receivers}"
    );
    // A schedule that has had its only run needs no attention.
    wait_until("the only run", || {
        env.json(&["schedule", "describe", "once"])["num_actions"] == 1
    });
    assert!(!page.get("/").body.contains("never starts"));
}
