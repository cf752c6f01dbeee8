//! The times of a cluster: what `tempo temporal apply` says of them is what the server does.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use serde_json::{Value, json};
use tempo::clock::{Clock as _, SystemClock};
use tempo::spec::Spec;
use tempo::spec::spec_text::SpecText;
use tempo::zoneinfo::ZoneInfo;
use temporalio_client::grpc::WorkflowService;
use temporalio_common::protos::temporal::api::workflowservice::v1::ListScheduleMatchingTimesRequest;

use crate::cluster::{Cluster, cluster, request};
use crate::harness::Env;

/// The fields of a spec, as in a definition file and in the stored text.
fn specs() -> Vec<Value> {
    let mut specs = Vec::new();
    // Where clocks change by an hour, by half an hour, by two hours, at midnight, backwards in winter, and by a whole day once.
    let zones = [
        "Europe/Berlin",
        "America/New_York",
        "Australia/Lord_Howe",
        "Antarctica/Troll",
        "America/Havana",
        "Europe/Dublin",
        "Africa/Casablanca",
        "Pacific/Apia",
        "Asia/Kolkata",
        "America/Santiago",
    ];
    for zone in zones {
        for cron in [
            "*/30 0-3 * * SUN,SAT",
            "30 2 * * *",
            "30 1 * * *",
            "0 0 * * *",
            "15,45 * * * SUN",
        ] {
            specs.push(json!({"cron": [cron], "time_zone": zone}));
        }
    }
    specs.push(json!({"interval": ["45m"], "exclude_calendar": [{"hour": "1-2"}], "time_zone": "Europe/Berlin"}));
    specs.push(json!({"interval": ["36h/7m"], "cron": ["0 12 L * *", "@weekly"], "time_zone": "America/New_York"}));
    specs.push(json!({"calendar": [{"second": "*/20", "minute": "59", "hour": "23", "day_of_month": "29-31", "month": "2,3"}]}));
    specs
}

#[test]
fn the_server_starts_exactly_the_times_that_are_announced() {
    let Some(cluster) = cluster() else { return };
    let env = Env::new();
    let zones = ZoneInfo::of_machine();
    let mut files = Vec::new();
    for (n, spec) in specs().into_iter().enumerate() {
        let mut schedule = spec.clone();
        schedule["id"] = json!(format!("times-{n}"));
        schedule["paused"] = json!(true);
        schedule["step"] = json!([{"name": "s", "shell": "true"}]);
        files.push((spec, schedule));
    }
    let file = json!({"schedule": files.iter().map(|(_, schedule)| schedule).collect::<Vec<_>>()});
    std::fs::write(env.path("jobs.json"), file.to_string()).unwrap();
    let now = SystemClock.now();
    let applied = cluster.tempo(&env, &["-o", "json", "apply", "-f", "jobs.json"]).ok();
    let applied: Vec<Value> = serde_json::from_str(&applied).unwrap();
    let mut differences = 0;
    for ((spec, schedule), view) in files.iter().zip(&applied) {
        let id = schedule["id"].as_str().unwrap();
        let text: SpecText = serde_json::from_value(spec.clone()).unwrap();
        let ours = Spec::compile(&text, id, &zones).unwrap();
        let mut times: BTreeSet<DateTime<Utc>> = ours.times_after(now).take(1000).collect();
        let last = *times.last().unwrap();
        for warning in view["warnings"].as_array().unwrap() {
            let warning = warning.as_str().unwrap();
            let at = warning.rsplit_once('(').unwrap().1.trim_end_matches(')').parse().unwrap();
            differences += 1;
            if warning.starts_with("Temporal starts nothing at ") {
                assert!(times.remove(&at), "{id}: {warning}");
            } else {
                assert!(
                    warning.starts_with("Temporal also starts a run at ") && times.insert(at),
                    "{id}: {warning}"
                );
            }
        }
        let theirs = matching_times(cluster, id, now, last);
        let wrong: Vec<_> = times.symmetric_difference(&theirs).take(5).collect();
        assert!(wrong.is_empty(), "{spec}: {wrong:?}");
    }
    assert!(differences > 20, "{differences} differences");
}

/// The times of a schedule after `from` and up to `to`, as the server computes them.
fn matching_times(cluster: &Cluster, id: &str, from: DateTime<Utc>, to: DateTime<Utc>) -> BTreeSet<DateTime<Utc>> {
    let mut found = BTreeSet::new();
    let mut from = from;
    loop {
        let message = ListScheduleMatchingTimesRequest {
            namespace: cluster.namespace.clone(),
            schedule_id: id.to_owned(),
            start_time: Some(std::time::SystemTime::from(from).into()),
            end_time: Some(std::time::SystemTime::from(to).into()),
        };
        let times = cluster
            .call(|mut client| async move { WorkflowService::list_schedule_matching_times(&mut client, request(message)).await });
        let times = times.unwrap().start_time;
        let page = times
            .iter()
            .filter_map(|at| DateTime::from_timestamp(at.seconds, 0))
            .filter(|at| *at > from);
        let before = found.len();
        found.extend(page);
        match found.last().copied() {
            Some(last) if found.len() > before => from = last,
            _ => return found,
        }
    }
}
