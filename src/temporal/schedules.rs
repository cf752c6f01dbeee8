//! Requests for the schedules of a cluster.

use std::time::SystemTime;

use chrono::{DateTime, Utc};
use temporalio_client::grpc::WorkflowService;
use temporalio_client::tonic::IntoRequest as _;
use temporalio_common::protos::temporal::api::schedule::v1::{BackfillRequest, Schedule, ScheduleListEntry, SchedulePatch};
use temporalio_common::protos::temporal::api::workflowservice::v1::{
    CreateScheduleRequest, DeleteScheduleRequest, DescribeScheduleRequest, ListSchedulesRequest, PatchScheduleRequest,
    UpdateScheduleRequest,
};

use super::connection::Cluster;
use super::schedule::{Existing, WORKFLOW_TYPE, from_cluster, instant};
use crate::error::{Error, Kind};
use crate::machine::random_hex;
use crate::names::ScheduleId;
use crate::schedule::{Definition, State};
use crate::spec::zone::Zones;

/// Number of schedules that one request lists.
const PAGE: i32 = 1000;

/// A schedule with an id on a cluster.
pub(super) enum Described {
    Ours(Box<Existing>, Vec<u8>),
    /// Its workflows are not those of tempo.
    Foreign,
}

impl Described {
    /// The schedule and its token, if tempo created it.
    pub(super) fn ours(self) -> Option<(Existing, Vec<u8>)> {
        match self {
            Self::Ours(existing, token) => Some((*existing, token)),
            Self::Foreign => None,
        }
    }
}

/// The schedule with an id, if there is one; `queue` is the task queue of those that name none.
///
/// # Errors
/// `System` when it cannot be read; those of the request.
pub(super) fn describe(cluster: &Cluster, id: &str, (queue, zones): (&str, &dyn Zones)) -> Result<Option<Described>, Error> {
    let request = DescribeScheduleRequest {
        namespace: cluster.namespace.clone(),
        schedule_id: id.to_owned(),
    };
    let described = cluster.call(&format!("read schedule `{id}` of the cluster"), |mut client| async move {
        WorkflowService::describe_schedule(&mut client, request.into_request()).await
    });
    let described = match described {
        Ok(described) => described,
        Err(e) if e.kind() == Kind::NotFound && !e.to_string().contains("amespace") => return Ok(None),
        Err(e) => return Err(e),
    };
    let schedule = described.schedule.unwrap_or_default();
    let info = described.info.unwrap_or_default();
    Ok(Some(match from_cluster(id, &schedule, queue, zones)? {
        Some(existing) => {
            let existing = Existing {
                is_updated: info.update_time.is_some(),
                changed: instant(info.update_time).or(instant(info.create_time)),
                ..existing
            };
            Described::Ours(Box::new(existing), described.conflict_token)
        }
        None => Described::Foreign,
    }))
}

/// The schedules of the namespace created by tempo, by id. The list lags a moment behind.
///
/// # Errors
/// Those of the requests.
pub(super) fn list(cluster: &Cluster) -> Result<Vec<ScheduleListEntry>, Error> {
    let (mut found, mut next_page_token) = (Vec::new(), Vec::new());
    loop {
        let request = ListSchedulesRequest {
            namespace: cluster.namespace.clone(),
            maximum_page_size: PAGE,
            next_page_token,
            ..ListSchedulesRequest::default()
        };
        let page = cluster.call("list the schedules of the cluster", |mut client| async move {
            WorkflowService::list_schedules(&mut client, request.into_request()).await
        })?;
        let is_ours = |entry: &ScheduleListEntry| {
            let kind = entry.info.as_ref().and_then(|info| info.workflow_type.as_ref());
            kind.is_some_and(|kind| kind.name == WORKFLOW_TYPE)
        };
        found.extend(page.schedules.into_iter().filter(is_ours));
        next_page_token = page.next_page_token;
        if next_page_token.is_empty() {
            found.sort_by(|a, b| a.schedule_id.cmp(&b.schedule_id));
            return Ok(found);
        }
    }
}

/// The definitions of the schedules of the namespace created by tempo, by id.
///
/// # Errors
/// `System` when one cannot be read; those of requests.
pub(crate) fn exported(cluster: &Cluster, queue: &str, zones: &dyn Zones) -> Result<Vec<(ScheduleId, Definition, State)>, Error> {
    let mut found = Vec::new();
    for entry in list(cluster)? {
        // Deleted meanwhile, or replaced by somebody else.
        let Some((existing, _)) = describe(cluster, &entry.schedule_id, (queue, zones))?.and_then(Described::ours) else {
            continue;
        };
        found.push((existing.input.id()?, existing.input.definition, existing.state));
    }
    Ok(found)
}

/// Creates a schedule.
///
/// # Errors
/// `Conflict` if there is one with this id; those of the request.
pub(super) fn create(cluster: &Cluster, id: &str, schedule: &Schedule) -> Result<(), Error> {
    let request = CreateScheduleRequest {
        namespace: cluster.namespace.clone(),
        schedule_id: id.to_owned(),
        schedule: Some(schedule.clone()),
        identity: cluster.identity.clone(),
        request_id: random_hex(16)?,
        ..CreateScheduleRequest::default()
    };
    let call = |mut client| async move { WorkflowService::create_schedule(&mut client, request.into_request()).await };
    cluster
        .call(&format!("create schedule `{id}` on the cluster"), call)
        .map(drop)
}

/// Updates a schedule, unless it has changed since `token` was read.
///
/// # Errors
/// `Conflict` if it has changed; those of the request.
pub(super) fn update(cluster: &Cluster, id: &str, schedule: &Schedule, token: &[u8]) -> Result<(), Error> {
    let request = UpdateScheduleRequest {
        namespace: cluster.namespace.clone(),
        schedule_id: id.to_owned(),
        schedule: Some(schedule.clone()),
        conflict_token: token.to_vec(),
        identity: cluster.identity.clone(),
        request_id: random_hex(16)?,
        ..UpdateScheduleRequest::default()
    };
    let call = |mut client| async move { WorkflowService::update_schedule(&mut client, request.into_request()).await };
    cluster
        .call(&format!("update schedule `{id}` on the cluster"), call)
        .map(drop)
}

/// Deletes a schedule.
///
/// # Errors
/// Those of the request.
pub(super) fn delete(cluster: &Cluster, id: &str) -> Result<(), Error> {
    let request = DeleteScheduleRequest {
        namespace: cluster.namespace.clone(),
        schedule_id: id.to_owned(),
        identity: cluster.identity.clone(),
    };
    let call = |mut client| async move { WorkflowService::delete_schedule(&mut client, request.into_request()).await };
    cluster
        .call(&format!("delete schedule `{id}` of the cluster"), call)
        .map(drop)
}

/// Starts the times of a schedule that were due from `from` to `to`, both included. With the same `request_id` again, does nothing.
///
/// # Errors
/// Those of the request.
pub(super) fn backfill(
    cluster: &Cluster,
    id: &str,
    (from, to): (DateTime<Utc>, DateTime<Utc>),
    request_id: String,
) -> Result<(), Error> {
    let times = BackfillRequest {
        start_time: Some(SystemTime::from(from).into()),
        end_time: Some(SystemTime::from(to).into()),
        ..BackfillRequest::default()
    };
    let request = PatchScheduleRequest {
        namespace: cluster.namespace.clone(),
        schedule_id: id.to_owned(),
        identity: cluster.identity.clone(),
        request_id,
        patch: Some(SchedulePatch {
            backfill_request: vec![times],
            ..SchedulePatch::default()
        }),
    };
    let call = |mut client| async move { WorkflowService::patch_schedule(&mut client, request.into_request()).await };
    cluster
        .call(&format!("start the first times of schedule `{id}` on the cluster"), call)
        .map(drop)
}
