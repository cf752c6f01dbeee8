//! Reading the schedules of a cluster.

use temporalio_client::grpc::WorkflowService;
use temporalio_client::tonic::IntoRequest as _;
use temporalio_common::protos::temporal::api::schedule::v1::ScheduleListEntry;
use temporalio_common::protos::temporal::api::workflowservice::v1::{DescribeScheduleRequest, ListSchedulesRequest};

use super::connection::Cluster;
use super::schedule::{Existing, WORKFLOW_TYPE, from_cluster};
use crate::error::{Error, Kind};
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
    /// The schedule and its token, if tempo has made it.
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
    Ok(Some(match from_cluster(id, &schedule, queue, zones)? {
        Some(existing) => Described::Ours(Box::new(existing), described.conflict_token),
        None => Described::Foreign,
    }))
}

/// The schedules of the namespace that tempo has made, by id. The list lags a moment behind.
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

/// The definitions of the schedules of the namespace that tempo has made, by id.
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
