//! The pages of the API's lists.

use serde_json::{Value, json};

use super::api::create;
use super::client::{Answer, Page};
use crate::harness::Env;

/// The path of the next page of a list, if there is one.
fn next_page(answer: &Answer) -> Option<String> {
    let link = answer.header("link")?;
    Some(link.trim_start_matches('<').split('>').next().unwrap().to_owned())
}

#[test]
fn lists_are_paginated() {
    let env = Env::new();
    (1..=5).for_each(|n| create(&env, &format!("job-{n}"), "true"));
    let page = Page::start(&env, &[]);
    for n in 1..=5 {
        env.tempo(&["schedule", "trigger", &format!("job-{n}"), "--wait"]).ok();
    }
    for (first, key, all) in [
        ("/api/v1/schedules?limit=2", "id", env.json(&["schedule", "list"])),
        (
            "/api/v1/runs?limit=2&status=Completed",
            "run_id",
            env.json(&["workflow", "list"]),
        ),
    ] {
        let (mut path, mut found, mut pages) = (Some(first.to_owned()), Vec::new(), 0);
        while let Some(next) = path {
            let answer = page.get(&next);
            found.extend(answer.json().as_array().unwrap().iter().map(|item| item[key].clone()));
            pages += 1;
            path = next_page(&answer);
        }
        let expected: Vec<Value> = all.as_array().unwrap().iter().map(|item| item[key].clone()).collect();
        assert_eq!((found, pages), (expected, 3), "{first}");
    }
    // Each page of the log is in the order of the log; the next page is older.
    let (mut path, mut log) = (Some("/api/v1/log?limit=4&until=2999-01-01".to_owned()), Vec::new());
    while let Some(next) = path {
        let answer = page.get(&next);
        let older = answer.json().as_array().unwrap().clone();
        assert!(older.len() <= 4);
        log = [older, log].concat();
        path = next_page(&answer);
    }
    assert_eq!(Value::Array(log), page.get("/api/v1/log?limit=1000").json());
    let filtered = page.get("/api/v1/schedules?limit=1&q=ob&paused=false");
    let link = filtered.header("link").unwrap();
    assert!(link.contains("q=ob&paused=false&after=job-1"), "{link}");
    let found = page.get("/api/v1/schedules?q=OB-3").json();
    assert_eq!((found.as_array().unwrap().len(), &found[0]["id"]), (1, &json!("job-3")));
}

#[test]
fn incidents_are_paginated() {
    let env = Env::new();
    let steps =
        ["a", "b", "c"].map(|name| format!("[[step]]\nname = \"{name}\"\nshell = \"exit 3\"\non_failure = \"continue\"\n"));
    std::fs::write(env.path("steps.toml"), steps.concat()).unwrap();
    env.tempo(&["workflow", "start", "--workflow-id", "w", "--steps", "steps.toml"])
        .ok();
    assert_eq!(env.serve(&["--once"]).wait().0, Some(1));
    let page = Page::start(&env, &[]);
    let ids = |query: &str| -> Vec<i64> {
        let list = page.get(&format!("/api/v1/incidents?{query}")).json();
        list.as_array().unwrap().iter().map(|i| i["id"].as_i64().unwrap()).collect()
    };
    assert_eq!(ids("limit=2"), [3, 2]);
    assert_eq!(ids("limit=2&before=2"), [1]);
    env.tempo(&["incident", "resolve", "2"]).ok();
    assert_eq!(ids("before=3"), [1]);
    assert_eq!(ids("before=3&all=true"), [2, 1]);
    let shown = |query: &str| page.get(&format!("/incidents?{query}")).body;
    assert!(shown("before=3").contains("/incidents/1\"") && !shown("before=3").contains("/incidents/3\""));
    assert!(shown("show=resolved").contains("/incidents/2\"") && !shown("show=resolved").contains("/incidents/1\""));
}
