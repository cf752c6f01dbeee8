//! Runs of a cluster, performed by workers.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use serde_json::Value;
use temporalio_client::grpc::WorkflowService;
use temporalio_common::protos::temporal::api::common::v1::{Payload, WorkflowExecution};
use temporalio_common::protos::temporal::api::enums::v1::{HistoryEventFilterType, ScheduleOverlapPolicy};
use temporalio_common::protos::temporal::api::failure::v1::failure::FailureInfo;
use temporalio_common::protos::temporal::api::history::v1::history_event::Attributes;
use temporalio_common::protos::temporal::api::schedule::v1::{SchedulePatch, TriggerImmediatelyRequest};
use temporalio_common::protos::temporal::api::workflowservice::v1::{
    DescribeScheduleRequest, GetWorkflowExecutionHistoryRequest, PatchScheduleRequest, RequestCancelWorkflowExecutionRequest,
};

use crate::cluster::{Cluster, cluster, request};
use crate::harness::{Env, wait_until};

/// A running worker; killed when dropped.
struct Worker {
    child: Child,
    log: Receiver<String>,
}

impl Worker {
    fn start(cluster: &Cluster, env: &Env, queue: &str, args: &[&str]) -> Self {
        let mut command = cluster.command(env, &[&["worker", "--task-queue", queue], args].concat());
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let (sender, log) = channel();
        let out = BufReader::new(child.stdout.take().unwrap());
        std::thread::spawn(move || out.lines().map_while(Result::ok).try_for_each(|line| sender.send(line)));
        let worker = Self { child, log };
        worker.wait_for("working on task queue");
        worker
    }

    fn wait_for(&self, part: &str) -> String {
        loop {
            let line = self
                .log
                .recv_timeout(Duration::from_mins(1))
                .unwrap_or_else(|e| panic!("no `{part}`: {e}"));
            if line.contains(part) {
                return line;
            }
        }
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Applies a file with one schedule that only triggers start.
fn apply(cluster: &Cluster, env: &Env, id: &str, rest: &str) {
    let text = format!("[[schedule]]\nid = \"{id}\"\ncron = \"0 0 1 1 * 2099\"\ntask_queue = \"{id}\"\n{rest}");
    std::fs::write(env.path("jobs.toml"), text).unwrap();
    cluster.tempo(env, &["apply", "-f", "jobs.toml"]).ok();
}

/// Triggers a schedule, and returns the run once it has started.
fn trigger(cluster: &Cluster, id: &str) -> WorkflowExecution {
    let trigger = TriggerImmediatelyRequest {
        overlap_policy: ScheduleOverlapPolicy::AllowAll.into(),
        ..TriggerImmediatelyRequest::default()
    };
    let patch = PatchScheduleRequest {
        namespace: cluster.namespace.clone(),
        schedule_id: id.to_owned(),
        request_id: id.to_owned(),
        patch: Some(SchedulePatch {
            trigger_immediately: Some(trigger),
            ..SchedulePatch::default()
        }),
        ..PatchScheduleRequest::default()
    };
    cluster
        .call(|mut client| async move { WorkflowService::patch_schedule(&mut client, request(patch)).await })
        .unwrap();
    let mut run = None;
    wait_until("the run", || {
        let message = DescribeScheduleRequest {
            namespace: cluster.namespace.clone(),
            schedule_id: id.to_owned(),
        };
        let described =
            cluster.call(|mut client| async move { WorkflowService::describe_schedule(&mut client, request(message)).await });
        let recent = described.unwrap().info.unwrap().recent_actions;
        run = recent.into_iter().next_back().and_then(|action| action.start_workflow_result);
        run.is_some()
    });
    run.unwrap()
}

/// Waits until a run has closed, and returns its status and its record: the JSON of `workflow describe`.
fn closed(cluster: &Cluster, run: &WorkflowExecution) -> (&'static str, String, Value) {
    let mut last = None;
    // The server answers without the event after some time.
    wait_until("the end of the run", || {
        let message = GetWorkflowExecutionHistoryRequest {
            namespace: cluster.namespace.clone(),
            execution: Some(run.clone()),
            wait_new_event: true,
            history_event_filter_type: HistoryEventFilterType::CloseEvent.into(),
            ..GetWorkflowExecutionHistoryRequest::default()
        };
        let history = cluster.call(|mut client| async move {
            WorkflowService::get_workflow_execution_history(&mut client, request(message)).await
        });
        last = history.unwrap().history.unwrap().events.pop();
        last.is_some()
    });
    let last = last.unwrap();
    let json = |payloads: Vec<Payload>| {
        payloads
            .first()
            .map_or(Value::Null, |payload| serde_json::from_slice(&payload.data).unwrap())
    };
    let attributes = last.attributes.unwrap();
    if let Attributes::WorkflowExecutionCompletedEventAttributes(done) = attributes {
        return ("Completed", String::new(), json(done.result.unwrap().payloads));
    }
    if let Attributes::WorkflowExecutionCanceledEventAttributes(canceled) = attributes {
        return ("Canceled", String::new(), json(canceled.details.unwrap_or_default().payloads));
    }
    let Attributes::WorkflowExecutionFailedEventAttributes(failed) = attributes else {
        panic!("{attributes:?}")
    };
    let failure = failed.failure.unwrap();
    let Some(FailureInfo::ApplicationFailureInfo(info)) = failure.failure_info else {
        panic!("{failure:?}")
    };
    ("Failed", failure.message, json(info.details.unwrap_or_default().payloads))
}

#[test]
fn a_run_gives_the_same_record_as_here() {
    let Some(cluster) = cluster() else { return };
    let env = Env::new();
    let steps = r#"
[[schedule.step]]
name = "flaky"
shell = "echo try $TEMPO_ATTEMPT; test $TEMPO_ATTEMPT = 2 && echo size=7 > $TEMPO_OUTPUT"
retry = { maximum_attempts = 3, initial_interval = "100ms" }
[[schedule.step]]
name = "unimportant"
command = ["sh", "-c", "exit $0", "4"]
on_failure = "continue"
[[schedule.step]]
name = "last"
command = ["echo", "{{ steps.flaky.size }}"]
"#;
    apply(cluster, &env, "record", steps);
    let worker = Worker::start(cluster, &env, "record", &[]);
    let (status, _, there) = closed(cluster, &trigger(cluster, "record"));
    assert_eq!(status, "Completed");
    worker.wait_for("step `last` attempt 1: ok exit=0");
    // The same definition, run here.
    env.tempo(&["apply", "-f", "jobs.toml"]).ok();
    env.tempo(&["schedule", "trigger", "record"]).ok();
    assert_eq!(env.tempo(&["run", "--once"]).code, Some(1));
    let run = env.json(&["workflow", "list"])[0]["run_id"].as_str().unwrap().to_owned();
    let here = env.json(&["workflow", "describe", &run]);
    let comparable = |mut view: Value| {
        // What depends on the time and the machine.
        for key in ["run_id", "workflow_id", "scheduled_at", "due_at", "started_at", "closed_at"] {
            assert!(view[key].is_string(), "{key}: {view}");
            view[key].take();
        }
        for step in view["steps"].as_array_mut().unwrap() {
            for attempt in step["attempts"].as_array_mut().unwrap() {
                assert!(
                    attempt["started_at"].is_string() && attempt["elapsed_ms"].is_number(),
                    "{attempt}"
                );
                for key in ["started_at", "elapsed_ms"] {
                    attempt[key].take();
                }
            }
        }
        view
    };
    assert_eq!(comparable(there), comparable(here));
}

#[test]
fn a_failed_run_says_which_step_failed_and_why() {
    let Some(cluster) = cluster() else { return };
    let env = Env::new();
    let steps = "[[schedule.step]]\nname = \"first\"\nshell = \"echo why; exit 3\"\nretry = { maximum_attempts = 5, exit_codes = [75] }\n\
        [[schedule.step]]\nname = \"second\"\nshell = \"touch second\"\n";
    apply(cluster, &env, "failing", steps);
    let _worker = Worker::start(cluster, &env, "failing", &[]);
    let (status, message, record) = closed(cluster, &trigger(cluster, "failing"));
    assert_eq!((status, message.as_str()), ("Failed", "step `first` failed: exit 3"));
    assert_eq!(record["result"]["first"], "incident: exit 3");
    let attempts = record["steps"][0]["attempts"].as_array().unwrap();
    assert_eq!(attempts.len(), 1, "its exit code is not retried: {record}");
    assert_eq!(
        (attempts[0]["error_type"].as_str(), attempts[0]["output"].as_str()),
        (Some("NonZeroExit"), Some("why\n"))
    );
    assert!(!env.path("second").exists());
}

#[test]
fn canceling_a_run_reaches_its_processes() {
    let Some(cluster) = cluster() else { return };
    let env = Env::new();
    let shell = "trap 'echo canceled >> log; exit 1' TERM; echo up >> log; while :; do sleep 0.05; done";
    apply(
        cluster,
        &env,
        "canceled",
        &format!("[[schedule.step]]\nname = \"s\"\nshell = \"{shell}\"\n"),
    );
    let _worker = Worker::start(cluster, &env, "canceled", &[]);
    let run = trigger(cluster, "canceled");
    env.wait_for_lines("log", 1);
    let cancel = RequestCancelWorkflowExecutionRequest {
        namespace: cluster.namespace.clone(),
        workflow_execution: Some(run.clone()),
        request_id: "1".to_owned(),
        ..RequestCancelWorkflowExecutionRequest::default()
    };
    cluster
        .call(|mut client| async move { WorkflowService::request_cancel_workflow_execution(&mut client, request(cancel)).await })
        .unwrap();
    let (status, _, record) = closed(cluster, &run);
    assert_eq!((status, record["status"].as_str()), ("Canceled", Some("Canceled")));
    assert_eq!(env.wait_for_lines("log", 2), ["up", "canceled"]);
}

#[test]
fn another_worker_takes_over_the_step_of_one_that_was_killed() {
    let Some(cluster) = cluster() else { return };
    let env = Env::new();
    let steps = "[[schedule.step]]\nname = \"done\"\nshell = \"echo done >> log\"\n\
        [[schedule.step]]\nname = \"long\"\nshell = \"echo $TEMPO_ATTEMPT >> log; test $TEMPO_ATTEMPT = 2 || exec sleep 300\"\n";
    apply(cluster, &env, "killed", steps);
    let first = Worker::start(cluster, &env, "killed", &[]);
    let run = trigger(cluster, "killed");
    env.wait_for_lines("log", 2);
    let _second = Worker::start(cluster, &env, "killed", &[]);
    drop(first);
    let (status, _, record) = closed(cluster, &run);
    assert_eq!(
        status, "Completed",
        "a command that is tried once is tried again if its worker died"
    );
    assert_eq!(
        env.wait_for_lines("log", 3),
        ["done", "1", "2"],
        "the step that was done is not repeated"
    );
    let attempts = &record["steps"][1]["attempts"];
    assert_eq!(
        (attempts[0]["outcome"].as_str(), attempts[1]["outcome"].as_str()),
        (Some("lost"), Some("ok")),
        "{record}"
    );
}

#[test]
fn a_worker_that_is_stopped_leaves_its_steps_to_others() {
    let Some(cluster) = cluster() else { return };
    let env = Env::new();
    let shell = "echo $TEMPO_ATTEMPT >> log; test $TEMPO_ATTEMPT = 2 || exec sleep 300";
    apply(
        cluster,
        &env,
        "stopped",
        &format!("[[schedule.step]]\nname = \"s\"\nshell = \"{shell}\"\n"),
    );
    let mut first = Worker::start(cluster, &env, "stopped", &["--drain-timeout", "0s"]);
    let run = trigger(cluster, "stopped");
    env.wait_for_lines("log", 1);
    let pid = first.child.id().to_string();
    std::process::Command::new("kill").args(["-TERM", &pid]).status().unwrap();
    assert!(first.child.wait().unwrap().success());
    let _second = Worker::start(cluster, &env, "stopped", &[]);
    assert_eq!(closed(cluster, &run).0, "Completed");
    assert_eq!(env.wait_for_lines("log", 2), ["1", "2"]);
}

#[test]
fn status_shows_the_workers() {
    let Some(cluster) = cluster() else { return };
    let env = Env::new();
    let status = |args: &[&str]| {
        cluster
            .tempo(&env, &[&["status", "--task-queue", "shown"], args].concat())
            .ok()
    };
    assert!(
        status(&[]).contains("Workers     none; nothing is performed"),
        "{}",
        status(&[])
    );
    let worker = Worker::start(cluster, &env, "shown", &[]);
    let pid = worker.child.id().to_string();
    wait_until("the worker", || status(&[]).contains(&format!("tempo {pid}@")));
}

#[test]
fn the_deadline_of_all_attempts_ends_the_retries() {
    let Some(cluster) = cluster() else { return };
    let env = Env::new();
    let steps = "[[schedule.step]]\nname = \"s\"\nshell = \"exit 1\"\nschedule_to_close_timeout = \"3s\"\n\
        retry = { maximum_attempts = 50, initial_interval = \"1s\", backoff_coefficient = 1 }\n";
    apply(cluster, &env, "deadline", steps);
    let _worker = Worker::start(cluster, &env, "deadline", &[]);
    let (status, message, record) = closed(cluster, &trigger(cluster, "deadline"));
    assert_eq!((status, message.as_str()), ("Failed", "step `s` failed: exit 1"));
    let attempts = record["steps"][0]["attempts"].as_array().unwrap().len();
    assert!((2..=4).contains(&attempts), "{record}");
}

#[test]
fn much_output_never_fails_a_run() {
    let Some(cluster) = cluster() else { return };
    let env = Env::new();
    let mut steps = String::new();
    for n in 0..8 {
        steps += &format!("[[schedule.step]]\nname = \"s{n}\"\nseparate_stderr = true\n");
        steps += "shell = \"head -c 100000 /dev/zero; head -c 100000 /dev/zero >&2; test $TEMPO_ATTEMPT = 3\"\n";
        steps += "retry = { maximum_attempts = 3, initial_interval = \"100ms\" }\n";
    }
    apply(cluster, &env, "output", &steps);
    let _worker = Worker::start(cluster, &env, "output", &[]);
    let (status, message, record) = closed(cluster, &trigger(cluster, "output"));
    assert_eq!((status, message.as_str()), ("Completed", ""));
    let last = &record["steps"][7]["attempts"][2]["output"];
    assert!(last.as_str().unwrap().len() > 60_000, "the newest output is kept");
    assert!(
        record["steps"][0]["attempts"][0]["output"]
            .as_str()
            .unwrap()
            .contains("bytes left out")
    );
}

#[test]
fn a_step_that_must_not_run_twice_fails_if_its_worker_is_stopped() {
    let Some(cluster) = cluster() else { return };
    let env = Env::new();
    let steps = "[[schedule.step]]\nname = \"s\"\nshell = \"echo up >> log; exec sleep 300\"\non_lost = \"fail\"\n\
        retry = { maximum_attempts = 5 }\n";
    apply(cluster, &env, "once", steps);
    let mut first = Worker::start(cluster, &env, "once", &["--drain-timeout", "0s"]);
    let run = trigger(cluster, "once");
    env.wait_for_lines("log", 1);
    let pid = first.child.id().to_string();
    std::process::Command::new("kill").args(["-TERM", &pid]).status().unwrap();
    assert!(first.child.wait().unwrap().success());
    let _second = Worker::start(cluster, &env, "once", &[]);
    assert_eq!(closed(cluster, &run).0, "Failed");
    assert_eq!(env.wait_for_lines("log", 1), ["up"]);
}
