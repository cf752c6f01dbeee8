//! The status of a cluster.

use std::collections::BTreeSet;

use temporalio_client::grpc::WorkflowService;
use temporalio_client::tonic::IntoRequest as _;
use temporalio_common::protos::temporal::api::enums::v1::TaskQueueType;
use temporalio_common::protos::temporal::api::schedule::v1::ScheduleListEntry;
use temporalio_common::protos::temporal::api::taskqueue::v1::TaskQueue;
use temporalio_common::protos::temporal::api::workflowservice::v1::{DescribeTaskQueueRequest, GetSystemInfoRequest};

use super::connection::Cluster;
use super::schedules::list;
use crate::error::Error;
use crate::output::views::ClusterView;

/// The version of a cluster, its schedules created by tempo, and the workers of a task queue.
///
/// # Errors
/// Those of the requests.
pub(crate) fn status(cluster: &Cluster, queue: &str) -> Result<ClusterView, Error> {
    let version = cluster.call("read the version of the cluster", |mut client| async move {
        WorkflowService::get_system_info(&mut client, GetSystemInfoRequest::default().into_request()).await
    })?;
    let schedules = list(cluster)?;
    let request = DescribeTaskQueueRequest {
        namespace: cluster.namespace.clone(),
        task_queue: Some(TaskQueue {
            name: queue.to_owned(),
            ..TaskQueue::default()
        }),
        task_queue_type: TaskQueueType::Activity.into(),
        ..DescribeTaskQueueRequest::default()
    };
    let pollers = cluster.call(&format!("read the task queue `{queue}`"), |mut client| async move {
        WorkflowService::describe_task_queue(&mut client, request.into_request()).await
    })?;
    // A worker polls more than once.
    let workers: BTreeSet<String> = pollers.pollers.into_iter().map(|poller| poller.identity).collect();
    let is_paused = |entry: &&ScheduleListEntry| entry.info.as_ref().is_some_and(|info| info.paused);
    Ok(ClusterView {
        address: cluster.address.clone(),
        namespace: cluster.namespace.clone(),
        server_version: version.server_version,
        task_queue: queue.to_owned(),
        schedules: schedules.len() as u64,
        paused: schedules.iter().filter(is_paused).count() as u64,
        workers: workers.into_iter().collect(),
    })
}
