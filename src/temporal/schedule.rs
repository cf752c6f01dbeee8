//! Definitions as schedules of a cluster, and back.

use std::collections::HashMap;
use std::time::{Duration, SystemTime};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use temporalio_common::protos::temporal::api::common::v1::{Payload, Payloads, WorkflowType};
use temporalio_common::protos::temporal::api::enums::v1::ScheduleOverlapPolicy;
use temporalio_common::protos::temporal::api::schedule::v1::{
    IntervalSpec, Schedule, ScheduleAction, SchedulePolicies, ScheduleSpec, ScheduleState, schedule_action::Action,
};
use temporalio_common::protos::temporal::api::taskqueue::v1::TaskQueue;
use temporalio_common::protos::temporal::api::workflow::v1::NewWorkflowExecutionInfo;

use super::calendar_ranges::{to_cluster as calendar_of, to_text};
use crate::error::{Error, Kind};
use crate::names::ScheduleId;
use crate::run::step::Workflow;
use crate::schedule::{Declared, Definition, OverlapPolicy, Policies, State};
use crate::spec::exclusion::Exclusion;
use crate::spec::spec_text::SpecText;
use crate::spec::text::duration_text;
use crate::spec::zone::Zones;
use crate::spec::{self, Parts};

/// The type of the workflows that a worker of tempo runs: by it, a schedule of tempo is told from those of others.
pub(crate) const WORKFLOW_TYPE: &str = "tempo";

/// The input of a workflow: the definition from which its schedule was made.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct RunInput {
    pub(crate) schedule_id: String,
    pub(crate) definition: Definition,
    /// The state that the file declares.
    #[serde(default)]
    pub(crate) declared: Declared,
    /// The path of the file; `None` if the definition was read from stdin.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) source: Option<String>,
    /// When the schedule moved to the cluster, if it did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) moved: Option<DateTime<Utc>>,
    /// The first nominal time that runs on the cluster after a move.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) first: Option<DateTime<Utc>>,
    /// The last nominal time that runs on the cluster, if the schedule has returned.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) last: Option<DateTime<Utc>>,
}

impl RunInput {
    pub(super) fn id(&self) -> Result<ScheduleId, Error> {
        ScheduleId::parse(&self.schedule_id)
    }
}

/// A schedule of a cluster created by tempo.
#[derive(Debug, Clone)]
pub(super) struct Existing {
    /// Its definition, with changes that were made on the cluster.
    pub(super) input: RunInput,
    pub(super) state: State,
    /// Until when the cluster has decided its times by an earlier definition, or by none: when it was created or last updated.
    pub(super) changed: Option<DateTime<Utc>>,
    /// Whether it has been updated since it was created.
    pub(super) is_updated: bool,
}

/// Converts a definition.
///
/// # Errors
/// `Usage` when it is not valid.
pub(super) fn to_cluster(input: &RunInput, state: &State, queue: &str, zones: &dyn Zones) -> Result<Schedule, Error> {
    let Definition {
        spec, action, policies, ..
    } = &input.definition;
    let workflow = Workflow::check(action)?;
    let queue = action.task_queue.as_deref().unwrap_or(queue);
    let start = NewWorkflowExecutionInfo {
        workflow_id: action.workflow_id.clone().unwrap_or_else(|| input.schedule_id.clone()),
        workflow_type: Some(WorkflowType {
            name: WORKFLOW_TYPE.to_owned(),
        }),
        task_queue: Some(TaskQueue {
            name: queue.to_owned(),
            ..TaskQueue::default()
        }),
        input: Some(Payloads {
            payloads: vec![json_payload(input)?],
        }),
        workflow_run_timeout: workflow.run_timeout.and_then(proto),
        ..NewWorkflowExecutionInfo::default()
    };
    let mut parts = spec::parts(spec, zones)?;
    parts.start = parts.start.max(input.first);
    parts.end = parts.end.into_iter().chain(input.last).min();
    Ok(Schedule {
        spec: Some(spec_of(&parts)),
        action: Some(ScheduleAction {
            action: Some(Action::StartWorkflow(start)),
        }),
        policies: Some(SchedulePolicies {
            overlap_policy: overlap_of(policies.overlap).into(),
            catchup_window: proto(Duration::from_millis(policies.catchup_window_ms)),
            pause_on_failure: pauses_on_first_failure(policies),
            keep_original_workflow_id: false,
        }),
        state: Some(ScheduleState {
            notes: state.note.clone(),
            paused: state.paused,
            limited_actions: state.remaining_actions.is_some(),
            remaining_actions: state.remaining_actions.map_or(0, |n| i64::try_from(n).unwrap_or(i64::MAX)),
        }),
    })
}

/// Converts a schedule of a cluster; `None` if it is not one created by tempo. Changes that were made on the cluster are part of the result.
///
/// # Errors
/// `System` when it contains a definition that this version cannot read.
pub(super) fn from_cluster(id: &str, schedule: &Schedule, queue: &str, zones: &dyn Zones) -> Result<Option<Existing>, Error> {
    let Some(Action::StartWorkflow(start)) = schedule.action.as_ref().and_then(|action| action.action.as_ref()) else {
        return Ok(None);
    };
    if start.workflow_type.as_ref().is_none_or(|kind| kind.name != WORKFLOW_TYPE) {
        return Ok(None);
    }
    let unreadable = |why: &dyn std::fmt::Display| {
        Error::new(
            Kind::System,
            format_args!("schedule `{id}` of the cluster contains a definition that cannot be read: {why}"),
        )
        .hint("Another version of tempo may have made it: use that, or delete the schedule and apply it again.")
    };
    let payload = start.input.as_ref().and_then(|input| input.payloads.first());
    let payload = payload.ok_or_else(|| unreadable(&"it has no input"))?;
    let mut input: RunInput = serde_json::from_slice(&payload.data).map_err(|e| unreadable(&e))?;
    id.clone_into(&mut input.schedule_id);
    let own = to_cluster(&input, &State::default(), queue, zones).map_err(|e| unreadable(&e))?;
    let definition = &mut input.definition;
    let found = schedule.spec.clone().map(in_short).unwrap_or_default();
    if own.spec.map(in_short).unwrap_or_default() != found {
        definition.spec = spec_text(&found).ok_or_else(|| unreadable(&"a calendar without values"))?;
    } else if let Some(last) = input.last {
        definition.spec.end_time = Some(definition.spec.end_time.map_or(last, |end| end.min(last)));
    }
    if let Some(policies) = &schedule.policies {
        let before = definition.policies;
        definition.policies = Policies {
            overlap: overlap_named(policies.overlap_policy()),
            catchup_window_ms: std_duration(policies.catchup_window).map_or(before.catchup_window_ms, |window| {
                u64::try_from(window.as_millis()).unwrap_or(u64::MAX)
            }),
            ..before
        };
        if policies.pause_on_failure != pauses_on_first_failure(&before) {
            definition.policies.pause_on_failure = policies.pause_on_failure;
            definition.policies.pause_after = None;
        }
    }
    let action = &mut definition.action;
    let workflow_id = Some(start.workflow_id.clone()).filter(|base| base != id || action.workflow_id.is_some());
    action.workflow_id = workflow_id;
    let task_queue = start.task_queue.as_ref().map(|queue| queue.name.clone()).unwrap_or_default();
    action.task_queue = Some(task_queue).filter(|name| name != queue || action.task_queue.is_some());
    let timeout = std_duration(start.workflow_run_timeout).filter(|timeout| !timeout.is_zero());
    let timeout_before = Workflow::check(action).ok().and_then(|workflow| workflow.run_timeout);
    if timeout != timeout_before {
        action.run_timeout = timeout.map(duration_text);
    }
    let state = schedule.state.clone().unwrap_or_default();
    Ok(Some(Existing {
        input,
        state: State {
            note: state.notes,
            paused: state.paused,
            remaining_actions: state.limited_actions.then(|| state.remaining_actions.max(0).unsigned_abs()),
        },
        changed: None,
        is_updated: false,
    }))
}

/// Whether the first failed run pauses the schedule. A cluster knows nothing else.
fn pauses_on_first_failure(policies: &Policies) -> bool {
    policies
        .pause_after
        .map_or(policies.pause_on_failure, |failures| failures == 1)
}

fn spec_of(parts: &Parts) -> ScheduleSpec {
    let interval = |interval: &spec::interval::Interval| IntervalSpec {
        interval: proto(Duration::from_secs(interval.every_s.unsigned_abs())),
        phase: proto(Duration::from_secs(interval.offset_s.unsigned_abs())),
    };
    ScheduleSpec {
        structured_calendar: parts.calendars.iter().map(calendar_of).collect(),
        exclude_structured_calendar: parts.exclusions.iter().map(calendar_of).collect(),
        interval: parts.intervals.iter().map(interval).collect(),
        start_time: parts.start.map(|at| SystemTime::from(at).into()),
        end_time: parts.end.map(|at| SystemTime::from(at).into()),
        jitter: proto(parts.jitter),
        timezone_name: parts.zone.name().to_owned(),
        ..ScheduleSpec::default()
    }
}

/// A spec with the defaults in place of absent values, so that two can be compared.
fn in_short(mut spec: ScheduleSpec) -> ScheduleSpec {
    for interval in &mut spec.interval {
        interval.phase.get_or_insert_default();
    }
    spec.jitter.get_or_insert_default();
    if spec.timezone_name.is_empty() {
        "UTC".clone_into(&mut spec.timezone_name);
    }
    let calendars = spec
        .structured_calendar
        .iter_mut()
        .chain(&mut spec.exclude_structured_calendar);
    for calendar in calendars {
        let ranges = [
            &mut calendar.second,
            &mut calendar.minute,
            &mut calendar.hour,
            &mut calendar.day_of_month,
            &mut calendar.month,
            &mut calendar.year,
            &mut calendar.day_of_week,
        ];
        for range in ranges.into_iter().flatten() {
            range.end = range.end.max(range.start);
            range.step = range.step.max(1);
        }
    }
    spec
}

/// Converts a spec to text; `None` if no text says the same.
fn spec_text(spec: &ScheduleSpec) -> Option<SpecText> {
    let interval = |interval: &IntervalSpec| {
        let every = duration_text(std_duration(interval.interval)?);
        let phase = std_duration(interval.phase).filter(|phase| !phase.is_zero());
        Some(phase.map_or(every.clone(), |phase| format!("{every}/{}", duration_text(phase))))
    };
    let exclusions = spec.exclude_structured_calendar.iter();
    let exclusions = exclusions.map(|calendar| to_text(calendar).map(Exclusion::Calendar));
    Some(SpecText {
        interval: spec.interval.iter().map(interval).collect::<Option<_>>()?,
        calendar: spec.structured_calendar.iter().map(to_text).collect::<Option<_>>()?,
        exclude_calendar: exclusions.collect::<Option<_>>()?,
        time_zone: Some(spec.timezone_name.clone()).filter(|zone| zone != "UTC"),
        start_time: instant(spec.start_time),
        end_time: instant(spec.end_time),
        jitter: std_duration(spec.jitter)
            .filter(|jitter| !jitter.is_zero())
            .map(duration_text),
        ..SpecText::default()
    })
}

fn overlap_of(policy: OverlapPolicy) -> ScheduleOverlapPolicy {
    match policy {
        OverlapPolicy::Skip => ScheduleOverlapPolicy::Skip,
        OverlapPolicy::BufferOne => ScheduleOverlapPolicy::BufferOne,
        OverlapPolicy::BufferAll => ScheduleOverlapPolicy::BufferAll,
        OverlapPolicy::CancelOther => ScheduleOverlapPolicy::CancelOther,
        OverlapPolicy::TerminateOther => ScheduleOverlapPolicy::TerminateOther,
        OverlapPolicy::AllowAll => ScheduleOverlapPolicy::AllowAll,
    }
}

fn overlap_named(policy: ScheduleOverlapPolicy) -> OverlapPolicy {
    match policy {
        ScheduleOverlapPolicy::Unspecified | ScheduleOverlapPolicy::Skip => OverlapPolicy::Skip,
        ScheduleOverlapPolicy::BufferOne => OverlapPolicy::BufferOne,
        ScheduleOverlapPolicy::BufferAll => OverlapPolicy::BufferAll,
        ScheduleOverlapPolicy::CancelOther => OverlapPolicy::CancelOther,
        ScheduleOverlapPolicy::TerminateOther => OverlapPolicy::TerminateOther,
        ScheduleOverlapPolicy::AllowAll => OverlapPolicy::AllowAll,
    }
}

fn json_payload(value: &impl Serialize) -> Result<Payload, Error> {
    let data =
        serde_json::to_vec(value).map_err(|e| Error::new(Kind::System, "cannot write the definition as JSON").because(e))?;
    Ok(Payload {
        metadata: HashMap::from([("encoding".to_owned(), b"json/plain".to_vec())]),
        data,
        ..Payload::default()
    })
}

/// Converts a duration; the longest there if it is longer.
fn proto<T: TryFrom<Duration>>(duration: Duration) -> Option<T> {
    T::try_from(duration).ok()
}

/// Converts a duration that is not negative.
fn std_duration<T>(duration: Option<T>) -> Option<Duration>
where
    Duration: TryFrom<T>,
{
    duration.and_then(|duration| Duration::try_from(duration).ok())
}

/// Converts a timestamp.
pub(super) fn instant<T>(at: Option<T>) -> Option<DateTime<Utc>>
where
    SystemTime: TryFrom<T>,
{
    at.and_then(|at| SystemTime::try_from(at).ok()).map(DateTime::from)
}
