//! Moves of schedules from this machine to a cluster, and back, so that each nominal time runs exactly once. Whatever is interrupted can be repeated.
//!
//! A move pauses the schedule here, at an instant of this machine's clock: times that are due later run there. The first of them is the start time of the
//! schedule there; those that have come due by the time it exists are backfilled, up to the instant at which the server says it was created.
//!
//! A return sets the end time of the schedule there to a moment that is still to come, which is exact too, and unpauses the schedule here after it.

use chrono::{DateTime, SubsecRound as _, TimeDelta, Utc};
use temporalio_client::grpc::WorkflowService;
use temporalio_client::tonic::IntoRequest as _;
use temporalio_common::protos::temporal::api::common::v1::WorkflowExecution;
use temporalio_common::protos::temporal::api::workflowservice::v1::DescribeWorkflowExecutionRequest;

use super::connection::Cluster;
use super::explain::last_run;
use super::limits::limits;
use super::schedule::{Existing, RunInput, to_cluster};
use super::schedules::{Described, backfill, create, describe, update};
use crate::clock::{Clock, Wakeup};
use crate::error::{Error, Kind};
use crate::names::ScheduleId;
use crate::ops;
use crate::schedule::Declared;
use crate::schedule::start::workflow_id_at;
use crate::spec::zone::Zones;
use crate::spec::{self, Spec};
use crate::store::Store;

/// How far ahead the last time on the cluster is: the update that sets it must arrive before.
const LEAD: TimeDelta = TimeDelta::seconds(3);
/// The longest wait for a time that the jitter delays.
const MAX_WAIT: TimeDelta = TimeDelta::minutes(1);

/// What moves need besides the cluster.
#[derive(Clone, Copy)]
pub(crate) struct Here<'a> {
    /// The task queue of schedules that name none.
    pub(crate) queue: &'a str,
    pub(crate) zones: &'a dyn Zones,
    pub(crate) clock: &'a dyn Clock,
}

/// A schedule that has moved to a cluster.
pub(crate) struct Moved {
    /// The first nominal time that runs there, if there is one.
    pub(crate) first: Option<DateTime<Utc>>,
    /// What the cluster does not support, each as a sentence.
    pub(crate) limits: Vec<String>,
}

/// Moves a schedule to a cluster.
///
/// # Errors
/// `NotFound`; `Conflict` when it is on another cluster, or when this one has a schedule with its id that is active or not created by tempo.
pub(crate) fn migrate(cluster: &Cluster, store: &mut Store, id: &ScheduleId, here: Here<'_>) -> Result<Moved, Error> {
    let there = ours(cluster, id, here)?;
    let may_begin = there.as_ref().is_none_or(|(there, _)| there.input.last.is_some());
    let now = here.clock.now();
    // The jitter of the cluster may still delay the last times of an earlier move.
    if let Some((there, _)) = &there
        && let Some(last) = there.input.last
        && let Some(free) = Some(last + jitter_of(there, id, here)?).filter(|free| *free > now)
    {
        let message = format_args!("the cluster may start a time of schedule `{id}` until {free}");
        return Err(Error::new(Kind::Conflict, message).hint("Nothing was changed. Run the command again after that."));
    }
    let moving = store.write(|write| {
        let to = (cluster.address(), cluster.namespace(), here.queue);
        let moving = ops::begin_move(write, here.zones, id, to, now)?;
        if moving.is_repeated || may_begin {
            return Ok(moving);
        }
        Err(
            Error::new(Kind::Conflict, format_args!("the cluster already runs schedule `{id}`"))
                .hint("Nothing was changed. Delete it there first, or pause it here."),
        )
    })?;
    let here = Here {
        queue: &moving.row.task_queue,
        ..here
    };
    let at = moving.row.at;
    let spec = Spec::compile(&moving.definition.spec, id.as_str(), here.zones)?;
    let first = spec
        .times_after(at - spec.jitter() - TimeDelta::seconds(1))
        .find(|nominal| spec.due(*nominal) > at);
    let input = RunInput {
        schedule_id: id.to_string(),
        declared: Declared::default(),
        source: None,
        moved: Some(at),
        first,
        last: None,
        definition: moving.definition,
    };
    let paused_here = |e: Error| {
        e.hint(format_args!(
            "The schedule is paused here: run the command again, or `tempo temporal return {id}`."
        ))
    };
    let schedule = to_cluster(&input, &moving.state, here.queue, here.zones)?;
    match there {
        None => create(cluster, id.as_str(), &schedule).map_err(paused_here)?,
        Some((there, token)) if there.input.moved != Some(at) => {
            update(cluster, id.as_str(), &schedule, &token).map_err(paused_here)?;
        }
        // Moved by an earlier command, which may have been interrupted.
        Some(_) => {}
    }
    // The server drops an update that comes too late, without an error.
    let there = ours(cluster, id, here)?.map(|(there, _)| there);
    let there = there.filter(|there| there.input.moved == Some(at));
    let there = there.ok_or_else(|| {
        paused_here(Error::new(
            Kind::Conflict,
            format_args!("schedule `{id}` was changed on the cluster at the same time"),
        ))
    })?;
    if let (Some(first), Some(changed), false) = (first, there.changed, moving.state.paused) {
        let base = input.definition.action.workflow_id.as_deref().unwrap_or(id.as_str());
        let window = TimeDelta::milliseconds(i64::try_from(input.definition.policies.catchup_window_ms).unwrap_or(i64::MAX));
        if first <= changed && !has_run(cluster, &workflow_id_at(base, first))? {
            let until = if there.is_updated {
                changed
            } else {
                end_of_nominal_times(&spec, changed)
            };
            let times = (first.max(changed - window), until);
            let request_id = format!("tempo-move-{id}-{}", at.timestamp_millis());
            backfill(cluster, id.as_str(), times, request_id).map_err(paused_here)?;
        }
    }
    let parts = spec::parts(&input.definition.spec, here.zones)?;
    Ok(Moved {
        first,
        limits: limits(&input.definition, &parts, &spec, at),
    })
}

/// Takes a schedule back from a cluster. Returns the last nominal time that runs there.
///
/// # Errors
/// `NotFound`; `Conflict` when it has not been moved, or not to this cluster, or when the jitter delays a time for longer than a minute.
pub(crate) fn take_back(cluster: &Cluster, store: &mut Store, id: &ScheduleId, here: Here<'_>) -> Result<DateTime<Utc>, Error> {
    let moved = store.write(|write| ops::moved(write, id))?;
    if (moved.address.as_str(), moved.namespace.as_str()) != (cluster.address(), cluster.namespace()) {
        let message = format_args!(
            "schedule `{id}` runs on Temporal at {}, namespace {}",
            moved.address, moved.namespace
        );
        return Err(Error::new(Kind::Conflict, message).hint("Name that cluster with `--address` and `--namespace`."));
    }
    let here = Here {
        queue: &moved.task_queue,
        ..here
    };
    let there = ours(cluster, id, here)?.filter(|(there, _)| there.input.moved == Some(moved.at));
    let Some((there, token)) = there else {
        // It was never created there, or has been deleted: later times than those that have run there run here.
        let now = here.clock.now();
        let last = last_run(cluster, id, (moved.at, now))?.unwrap_or(moved.at);
        let state = store.write(|write| ops::state_before_move(write, id))?;
        store.write(|write| ops::end_move(write, here.zones, id, (last, &state), now))?;
        return Ok(last);
    };
    let spec = Spec::compile(&there.input.definition.spec, id.as_str(), here.zones)?;
    let last = if let Some(last) = there.input.last {
        // An earlier command may have been interrupted before it saw that its update came late.
        moved.last.into_iter().chain(there.changed).fold(last, DateTime::max)
    } else {
        let planned = here.clock.now().trunc_subsecs(0) + LEAD;
        store.write(|write| write.set_last_of_move(moved.key, planned))?;
        let input = RunInput {
            last: Some(planned),
            ..there.input
        };
        let schedule = to_cluster(&input, &there.state, here.queue, here.zones)?;
        update(cluster, id.as_str(), &schedule, &token)?;
        // The server drops an update that comes too late, without an error.
        let ended = ours(cluster, id, here)?.filter(|(there, _)| there.input.last == Some(planned));
        let Some((ended, _)) = ended else {
            let message = format_args!("schedule `{id}` was changed on the cluster at the same time");
            return Err(Error::new(Kind::Conflict, message).hint("It still runs there: run the command again."));
        };
        // If the update came late, the cluster has started later times too.
        ended.changed.map_or(planned, |changed| changed.max(planned))
    };
    store.write(|write| write.set_last_of_move(moved.key, last))?;
    // A time that runs there must not be due here after the return.
    let delayed = spec.times_after(last - spec.jitter() - TimeDelta::seconds(1));
    let delayed = delayed
        .take_while(|nominal| *nominal <= last)
        .map(|nominal| spec.due(nominal))
        .max();
    let free = delayed.map_or(last, |due| due.max(last));
    if free - last > MAX_WAIT {
        let message = format_args!("the jitter of schedule `{id}` delays a time that runs on the cluster until {free}");
        return Err(Error::new(Kind::Conflict, message)
            .hint("Nothing runs twice or is lost until then. Run the command again after that."));
    }
    let never = Wakeup::default();
    while here.clock.now() <= free {
        here.clock.wait(&never, free + TimeDelta::milliseconds(1));
    }
    let state = ours(cluster, id, here)?.map_or(there.state, |(there, _)| there.state);
    let now = here.clock.now();
    store.write(|write| ops::end_move(write, here.zones, id, (last, &state), now))?;
    Ok(last)
}

/// Runs a schedule here again from `now` on, whatever the cluster to which it has moved does.
///
/// # Errors
/// `NotFound`; `Conflict` when it has not been moved.
pub(crate) fn abandon(store: &mut Store, id: &ScheduleId, zones: &dyn Zones, now: DateTime<Utc>) -> Result<(), Error> {
    store.write(|write| {
        let state = ops::state_before_move(write, id)?;
        ops::end_move(write, zones, id, (now, &state), now)
    })
}

/// The jitter of a schedule on the cluster.
fn jitter_of(there: &Existing, id: &ScheduleId, here: Here<'_>) -> Result<TimeDelta, Error> {
    Ok(Spec::compile(&there.input.definition.spec, id.as_str(), here.zones)?.jitter())
}

/// The end of a backfill that includes all nominal times up to `until` and no later one, however the cluster's jitter delays them: a new schedule takes up
/// later nominal times only.
fn end_of_nominal_times(spec: &Spec, until: DateTime<Utc>) -> DateTime<Utc> {
    let following = spec.next_after(until);
    let end = until + spec.jitter();
    following.map_or(end, |following| end.min(following - TimeDelta::milliseconds(1)))
}

/// The schedule with an id on the cluster.
///
/// # Errors
/// `Conflict` if tempo did not create it.
fn ours(cluster: &Cluster, id: &ScheduleId, here: Here<'_>) -> Result<Option<(Existing, Vec<u8>)>, Error> {
    match describe(cluster, id.as_str(), (here.queue, here.zones))? {
        None => Ok(None),
        Some(Described::Ours(there, token)) => Ok(Some((*there, token))),
        Some(Described::Foreign) => {
            let message = format_args!("the cluster has a schedule `{id}` not created by tempo");
            Err(Error::new(Kind::Conflict, message).hint("Choose another namespace, or delete that schedule."))
        }
    }
}

/// Whether the cluster has a run with a workflow id.
fn has_run(cluster: &Cluster, workflow_id: &str) -> Result<bool, Error> {
    let request = DescribeWorkflowExecutionRequest {
        namespace: cluster.namespace.clone(),
        execution: Some(WorkflowExecution {
            workflow_id: workflow_id.to_owned(),
            run_id: String::new(),
        }),
    };
    let call =
        |mut client| async move { WorkflowService::describe_workflow_execution(&mut client, request.into_request()).await };
    match cluster.call(&format!("look for run `{workflow_id}`"), call) {
        Ok(_) => Ok(true),
        Err(e) if e.kind() == Kind::NotFound => Ok(false),
        Err(e) => Err(e),
    }
}
