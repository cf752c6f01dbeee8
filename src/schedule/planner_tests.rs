//! Tests of the planner.

use chrono::{DateTime, Utc};

use super::plan_input::{Epoch, PlanInput};
use super::planner::plan;
use crate::schedule::overlap::Running;
use crate::schedule::plan_input::{Request, RequestKind};
use crate::schedule::start::{Origin, Start};
use crate::schedule::{OverlapPolicy, Policies};
use crate::spec::Spec;
use crate::spec::spec_text::SpecText;
use crate::zoneinfo::ZoneInfo;

fn every(interval: &str) -> Spec {
    let written = SpecText {
        interval: vec![interval.to_owned()],
        ..SpecText::default()
    };
    Spec::compile(&written, "s", &ZoneInfo::compiled_in()).unwrap()
}

fn at(s: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_000_000_000 + s, 0).unwrap()
}

fn epoch(spec: &Spec, remaining: Option<u64>, until: DateTime<Utc>) -> Epoch<'_> {
    Epoch {
        spec,
        policies: Policies {
            overlap: OverlapPolicy::AllowAll,
            ..Policies::default()
        },
        paused: false,
        remaining,
        until,
    }
}

fn input<'a>(past: Vec<Epoch<'a>>, current: Epoch<'a>) -> PlanInput<'a> {
    PlanInput {
        current,
        past,
        cursor: at(0),
        floor: at(10),
        waiting: Vec::new(),
        running: Vec::new(),
        open_runs: 0,
        requests: Vec::new(),
        max_buffer: 4,
    }
}

#[test]
fn a_definition_decides_the_times_due_after_the_floor_and_up_to_its_end() {
    let (old, new) = (every("10s"), every("5s"));
    let input = input(vec![epoch(&old, None, at(30))], epoch(&new, None, at(40)));
    let plan = plan(&input, at(42));
    let begun: Vec<_> = plan.begin.iter().map(|b| (b.start.nominal, b.epoch)).collect();
    let want = [(at(20), Some(0)), (at(30), Some(0)), (at(35), None), (at(40), None)];
    assert_eq!(begun, want, "10 is at the floor; 30 belongs to the old definition only");
    assert_eq!((plan.cursor, plan.floor, plan.next_due), (at(40), at(30), Some(at(45))));
}

#[test]
fn a_start_that_waited_is_refused_apart_from_the_times_after_the_missed_ones() {
    let spec = every("1s");
    let mut current = epoch(&spec, None, at(63));
    current.policies.overlap = OverlapPolicy::CancelOther;
    current.policies.catchup_window_ms = 10_000;
    let waiting = Start {
        nominal: at(50),
        due: at(50),
        origin: Origin::Scheduled,
        overlap: None,
        waiting_as: Some(1),
    };
    let input = PlanInput {
        cursor: at(50),
        floor: at(50),
        waiting: vec![waiting],
        running: vec![Running {
            run: 1,
            begun: true,
            stopping: Some(crate::run::Stop::Cancel),
        }],
        open_runs: 1,
        ..input(Vec::new(), current)
    };
    let mut ranges: Vec<_> = plan(&input, at(63))
        .not_started
        .iter()
        .map(|r| (r.from, r.to, r.count))
        .collect();
    ranges.sort_unstable();
    assert_eq!(ranges, [(at(50), at(50), 1), (at(51), at(52), 2), (at(53), at(62), 10)]);
}

#[test]
fn a_cursor_far_behind_takes_no_longer() {
    let spec = every("1s");
    let input = PlanInput {
        cursor: at(-60_000_000_000),
        ..input(Vec::new(), epoch(&spec, None, at(12)))
    };
    let plan = plan(&input, at(12));
    let begun: Vec<_> = plan.begin.iter().map(|b| b.start.nominal).collect();
    assert_eq!(begun, [at(11), at(12)]);
}

#[test]
fn earlier_starts_do_not_count_after_the_remaining_actions_are_reset() {
    let spec = every("10s");
    for (before, after, begun, left) in [
        (Some(3), Some(5), 4, Some(3)),
        (Some(3), Some(3), 3, Some(0)),
        (None, Some(1), 3, Some(0)),
    ] {
        let input = input(vec![epoch(&spec, before, at(30))], epoch(&spec, after, at(50)));
        let plan = plan(&input, at(50));
        assert_eq!(
            (plan.begin.len(), plan.remaining),
            (begun, left),
            "{before:?}, then {after:?}"
        );
    }
}

#[test]
fn a_backfill_leaves_half_of_the_buffer_to_scheduled_times() {
    let spec = every("10s");
    let mut input = input(Vec::new(), epoch(&spec, None, at(5)));
    input.running = vec![Running {
        run: 1,
        begun: true,
        stopping: None,
    }];
    input.requests = vec![Request {
        key: 1,
        kind: RequestKind::Backfill {
            start: at(-100),
            end: at(0),
            done_to: None,
        },
        overlap: Some(OverlapPolicy::BufferAll),
        spec: None,
    }];
    let plan = plan(&input, at(5));
    assert_eq!((plan.waiting.len(), plan.requests[0].finished), (2, false));
}

#[test]
fn a_run_that_begins_ahead_of_its_replacement_is_stopped_by_the_next_plan() {
    let spec = every("1h");
    let mut input = input(Vec::new(), epoch(&spec, None, at(5)));
    let trigger = |key, overlap| Request {
        key,
        kind: RequestKind::Trigger(at(5)),
        overlap: Some(overlap),
        spec: None,
    };
    input.requests = vec![trigger(1, OverlapPolicy::AllowAll), trigger(2, OverlapPolicy::CancelOther)];
    let plan = plan(&input, at(5));
    assert_eq!(
        (plan.begin.len(), plan.waiting.len(), plan.cancel, plan.more),
        (1, 1, true, true)
    );
}
