//! Tests of the state machine of a run.

use chrono::{DateTime, Utc};

use super::outcome::{AttemptResult, Ending, ErrorType, Failure, Status};
use super::step::Workflow;
use super::{Event, Progress};
use crate::run::step_text::{Action, StepText};

fn workflow(names: &[&str]) -> Workflow {
    let steps = names.iter().map(|n| StepText {
        name: (*n).to_owned(),
        shell: Some("x".to_owned()),
        ..StepText::default()
    });
    Workflow::check(&Action {
        steps: steps.collect(),
        ..Action::default()
    })
    .unwrap()
}

fn at(s: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(s, 0).unwrap()
}

fn ended(ending: Ending) -> Event {
    Event::AttemptEnded(AttemptResult {
        exit_code: Some(0),
        ..AttemptResult::new(ending, 1)
    })
}

fn failed() -> Ending {
    Ending::Failed(Failure {
        error_type: ErrorType::NonZeroExit,
        message: "exit 3".to_owned(),
    })
}

#[test]
fn a_run_executes_its_steps_in_order_and_completes() {
    let w = workflow(&["a", "b"]);
    let mut p = Progress::default();
    for (position, last) in [(0, false), (1, true)] {
        p = p.on(&Event::AttemptStarted, &w, at(0), at(1)).unwrap().progress;
        let change = p.on(&ended(Ending::Ok), &w, at(0), at(2)).unwrap();
        assert_eq!(change.step.as_ref().unwrap().position, position);
        assert_eq!(change.run.is_some(), last);
        p = change.progress;
    }
}

#[test]
fn a_failed_command_fails_the_run_before_later_steps() {
    let w = workflow(&["a", "b"]);
    let p = Progress::default()
        .on(&Event::AttemptStarted, &w, at(0), at(1))
        .unwrap()
        .progress;
    let change = p.on(&ended(failed()), &w, at(0), at(2)).unwrap();
    assert_eq!(change.run.unwrap().status, Status::Failed);
    assert_eq!(change.step.unwrap().result, "incident: exit 3");
}

#[test]
fn lost_attempts_do_not_count_but_three_in_a_row_fail_the_step() {
    let w = workflow(&["a"]);
    let mut p = Progress::default();
    for n in 1..=3 {
        p = p.on(&Event::AttemptStarted, &w, at(0), at(n)).unwrap().progress;
        let change = p.on(&Event::WorkerLost, &w, at(0), at(n)).unwrap();
        assert_eq!(change.run.is_some(), n == 3, "lost {n} times");
        p = change.progress;
    }
}

#[test]
fn an_attempt_that_was_not_performed_leaves_no_trace() {
    let w = workflow(&["a"]);
    let new = Progress::default();
    let started = new.on(&Event::AttemptStarted, &w, at(0), at(1)).unwrap().progress;
    let lost = started.on(&Event::WorkerLost, &w, at(0), at(2)).unwrap().progress;
    for before in [new, lost] {
        let started = before.on(&Event::AttemptStarted, &w, at(0), at(3)).unwrap().progress;
        let change = started.on(&Event::NotPerformed, &w, at(0), at(4)).unwrap();
        assert_eq!((change.progress, change.step), (before, None));
    }
}

#[test]
fn an_impossible_event_is_an_error_that_names_event_and_phase() {
    let w = workflow(&["a"]);
    let e = Progress::default().on(&Event::WorkerLost, &w, at(0), at(1)).unwrap_err();
    assert_eq!(e.to_string(), "event WorkerLost is impossible in phase Ready");
}
