//! Definitions on a cluster: apply, diff, export.

use serde_json::Value;
use temporalio_client::grpc::WorkflowService;
use temporalio_common::protos::temporal::api::common::v1::WorkflowType;
use temporalio_common::protos::temporal::api::enums::v1::ScheduleOverlapPolicy;
use temporalio_common::protos::temporal::api::schedule::v1::schedule_action::Action;
use temporalio_common::protos::temporal::api::schedule::v1::{Schedule, ScheduleAction, SchedulePatch};
use temporalio_common::protos::temporal::api::taskqueue::v1::TaskQueue;
use temporalio_common::protos::temporal::api::workflow::v1::NewWorkflowExecutionInfo;
use temporalio_common::protos::temporal::api::workflowservice::v1::{
    CreateScheduleRequest, DescribeScheduleRequest, PatchScheduleRequest, UpdateScheduleRequest,
};

use crate::cluster::{Cluster, cluster, request};
use crate::harness::Env;

const STEPS: &str = "[[schedule.step]]\nname = \"s\"\nshell = \"true\"\n";

fn described(cluster: &Cluster, id: &str) -> Schedule {
    let message = DescribeScheduleRequest {
        namespace: cluster.namespace.clone(),
        schedule_id: id.to_owned(),
    };
    let described =
        cluster.call(|mut client| async move { WorkflowService::describe_schedule(&mut client, request(message)).await });
    described.unwrap().schedule.unwrap()
}

#[test]
fn definitions_are_carried_over_exactly_and_applying_them_again_changes_nothing() {
    let Some(cluster) = cluster() else { return };
    let env = Env::new();
    let file = format!(
        r#"
[[schedule]]
id = "exact"
note = "a note"
interval = ["90m/15m", "1d"]
cron = ["30 2 * * MON-FRI", "0 9 L * *"]
calendar = {{ hour = "8-18/2", day_of_week = "Sat,Sun", comment = "weekend" }}
exclude_calendar = ["2026-12-25", {{ month = "8" }}]
time_zone = "Europe/Berlin"
start_time = "2026-05-05T09:00:00Z"
end_time = "2090-05-05T09:00:00Z"
jitter = "90s"
overlap_policy = "buffer-all"
catchup_window = "1h"
pause_on_failure = true
paused = true
remaining_actions = 7
workflow_id = "base"
run_timeout = "2h"
task_queue = "heavy"
{STEPS}"#
    );
    std::fs::write(env.path("jobs.toml"), &file).unwrap();
    let dry = cluster.tempo(&env, &["apply", "-f", "jobs.toml", "--dry-run"]).ok();
    assert!(dry.contains("+ create exact"), "{dry}");
    let diff = cluster.tempo(&env, &["diff", "-f", "jobs.toml"]);
    assert_eq!(diff.code, Some(1), "nothing was changed: {diff:?}");
    cluster.tempo(&env, &["apply", "-f", "jobs.toml"]).ok();
    let schedule = described(cluster, "exact");
    let spec = schedule.spec.unwrap();
    assert_eq!(
        (
            spec.structured_calendar.len(),
            spec.exclude_structured_calendar.len(),
            spec.interval.len()
        ),
        (6, 2, 2),
        "the last day of a month is a union of calendars"
    );
    assert_eq!(
        (spec.timezone_name.as_str(), spec.jitter.unwrap().seconds),
        ("Europe/Berlin", 90)
    );
    assert_eq!(
        (spec.start_time.unwrap().seconds, spec.end_time.unwrap().seconds),
        (1_777_971_600, 3_797_658_000)
    );
    let (policies, state) = (schedule.policies.unwrap(), schedule.state.unwrap());
    assert_eq!(policies.overlap_policy(), ScheduleOverlapPolicy::BufferAll);
    assert_eq!(
        (policies.catchup_window.unwrap().seconds, policies.pause_on_failure),
        (3600, true)
    );
    assert_eq!(
        (
            state.notes.as_str(),
            state.paused,
            state.limited_actions,
            state.remaining_actions
        ),
        ("a note", true, true, 7)
    );
    let Some(Action::StartWorkflow(start)) = schedule.action.unwrap().action else {
        panic!("it starts a workflow");
    };
    assert_eq!(
        (start.workflow_id.as_str(), start.task_queue.unwrap().name.as_str()),
        ("base", "heavy")
    );
    assert_eq!(start.workflow_run_timeout.unwrap().seconds, 7200);
    for args in [&["apply", "-f", "jobs.toml"][..], &["diff", "-f", "jobs.toml"]] {
        let again = cluster.tempo(&env, args).ok();
        assert!(again.contains("no changes"), "{args:?}: {again}");
    }
    // The export, applied here and exported again, is the same.
    let exported = cluster.tempo(&env, &["export"]).ok();
    let own = own_part(&exported, "exact");
    std::fs::write(env.path("exported.toml"), &own).unwrap();
    let again = cluster.tempo(&env, &["apply", "-f", "exported.toml"]).ok();
    assert!(again.contains("no changes"), "{again}");
    env.tempo(&["apply", "-f", "exported.toml"]).ok();
    assert_eq!(env.tempo(&["export", "exact"]).ok().trim(), own.trim());
}

/// The table of one schedule in a file.
fn own_part(file: &str, id: &str) -> String {
    let begins = |table: &&str| table.starts_with(&format!("id = \"{id}\"\n"));
    let own = file.split("[[schedule]]\n").find(begins);
    ["[[schedule]]\n", own.expect("it is exported")].concat()
}

#[test]
fn changes_made_on_the_cluster_are_shown_exported_and_kept_where_the_file_says_nothing() {
    let Some(cluster) = cluster() else { return };
    let env = Env::new();
    std::fs::write(
        env.path("jobs.toml"),
        format!("[[schedule]]\nid = \"changed\"\ncron = \"0 9 * * *\"\n{STEPS}"),
    )
    .unwrap();
    cluster.tempo(&env, &["apply", "-f", "jobs.toml"]).ok();
    let patch = PatchScheduleRequest {
        namespace: cluster.namespace.clone(),
        schedule_id: "changed".to_owned(),
        patch: Some(SchedulePatch {
            pause: "on holiday".to_owned(),
            ..SchedulePatch::default()
        }),
        ..PatchScheduleRequest::default()
    };
    cluster
        .call(|mut client| async move { WorkflowService::patch_schedule(&mut client, request(patch)).await })
        .unwrap();
    // A pause belongs to people, and the file does not mention it.
    let again = cluster.tempo(&env, &["apply", "-f", "jobs.toml"]).ok();
    assert!(
        again.contains("no changes") && described(cluster, "changed").state.unwrap().paused,
        "{again}"
    );
    let mut schedule = described(cluster, "changed");
    let spec = schedule.spec.as_mut().unwrap();
    spec.structured_calendar[0].hour[0].start = 10;
    spec.structured_calendar[0].hour[0].end = 10;
    let update = UpdateScheduleRequest {
        namespace: cluster.namespace.clone(),
        schedule_id: "changed".to_owned(),
        schedule: Some(schedule),
        ..UpdateScheduleRequest::default()
    };
    cluster
        .call(|mut client| async move { WorkflowService::update_schedule(&mut client, request(update)).await })
        .unwrap();
    let diff = cluster.tempo(&env, &["diff", "-f", "jobs.toml"]);
    assert!(
        diff.code == Some(1) && diff.stdout.contains("cron: (none) → 0 9 * * *"),
        "{diff:?}"
    );
    let exported = own_part(&cluster.tempo(&env, &["export"]).ok(), "changed");
    assert!(
        exported.contains("hour = \"10\"") && exported.contains("note = \"on holiday\""),
        "{exported}"
    );
    cluster.tempo(&env, &["apply", "-f", "jobs.toml"]).ok();
    assert_eq!(
        described(cluster, "changed").spec.unwrap().structured_calendar[0].hour[0].start,
        9
    );
}

#[test]
fn only_schedules_that_the_same_files_created_are_pruned() {
    let Some(cluster) = cluster() else { return };
    let env = Env::new();
    let table = |id: &str| format!("[[schedule]]\nid = \"{id}\"\ninterval = \"1h\"\n{STEPS}");
    std::fs::write(env.path("a.toml"), table("pruned-a") + &table("pruned-b")).unwrap();
    std::fs::write(env.path("other.toml"), table("pruned-other")).unwrap();
    cluster.tempo(&env, &["apply", "-f", "a.toml", "other.toml"]).ok();
    std::fs::write(env.path("a.toml"), table("pruned-a")).unwrap();
    crate::harness::wait_until("the list of schedules", || {
        let pruned = cluster.tempo(&env, &["diff", "-f", "a.toml", "--prune"]);
        pruned.stdout.contains("- delete pruned-b")
    });
    let pruned = cluster.tempo(&env, &["apply", "-f", "a.toml", "--prune"]).ok();
    assert!(pruned.contains("1 deleted") && !pruned.contains("pruned-other"), "{pruned}");
    crate::harness::wait_until("the deletion", || {
        let exported = cluster.tempo(&env, &["export"]).ok();
        !exported.contains("\"pruned-b\"") && exported.contains("\"pruned-a\"") && exported.contains("\"pruned-other\"")
    });
}

#[test]
fn nothing_is_changed_if_something_is_wrong() {
    let Some(cluster) = cluster() else { return };
    let env = Env::new();
    let foreign = NewWorkflowExecutionInfo {
        workflow_id: "w".to_owned(),
        workflow_type: Some(WorkflowType {
            name: "Other".to_owned(),
        }),
        task_queue: Some(TaskQueue {
            name: "q".to_owned(),
            ..TaskQueue::default()
        }),
        ..NewWorkflowExecutionInfo::default()
    };
    let create = CreateScheduleRequest {
        namespace: cluster.namespace.clone(),
        schedule_id: "wrong-foreign".to_owned(),
        request_id: "1".to_owned(),
        schedule: Some(Schedule {
            action: Some(ScheduleAction {
                action: Some(Action::StartWorkflow(foreign)),
            }),
            ..Schedule::default()
        }),
        ..CreateScheduleRequest::default()
    };
    cluster
        .call(|mut client| async move { WorkflowService::create_schedule(&mut client, request(create)).await })
        .unwrap();
    let table = |id: &str, more: &str| format!("[[schedule]]\nid = \"{id}\"\ninterval = \"1h\"\n{more}\n{STEPS}");
    std::fs::write(env.path("jobs.toml"), table("wrong-first", "") + &table("wrong-foreign", "")).unwrap();
    std::fs::write(env.path("strict.toml"), table("wrong-first", "lock = \"db\"\nif = \"true\"")).unwrap();
    let cases: [(&[&str], i32, &str); 5] = [
        (
            &["apply", "-f", "jobs.toml"],
            4,
            "a schedule `wrong-foreign` not created by tempo",
        ),
        (
            &["apply", "-f", "strict.toml", "--strict"],
            2,
            "schedule `wrong-first`: `lock` has no effect on a Temporal cluster",
        ),
        (
            &["apply", "-f", "strict.toml", "--namespace", "nobodys"],
            3,
            "has no such namespace",
        ),
        (
            &["apply", "-f", "strict.toml", "--address", "127.0.0.1:1"],
            6,
            "cannot connect to Temporal at `127.0.0.1:1`",
        ),
        (
            &["apply", "-f", "strict.toml", "--address", ":::"],
            2,
            "cannot use the settings of Temporal",
        ),
    ];
    for (args, code, part) in cases {
        let ran = cluster.tempo(&env, args);
        assert!(ran.code == Some(code) && ran.stderr.contains(part), "{args:?}: {ran:?}");
    }
    assert!(!cluster.tempo(&env, &["export"]).ok().contains("wrong-first"));
    let json = cluster
        .tempo(&env, &["-o", "json", "apply", "-f", "strict.toml", "--dry-run"])
        .ok();
    let view: Value = serde_json::from_str(&json).unwrap();
    assert_eq!(
        view[0]["warnings"],
        serde_json::json!([
            "`lock` has no effect on a Temporal cluster",
            "`if` has no effect on a Temporal cluster"
        ])
    );
}
