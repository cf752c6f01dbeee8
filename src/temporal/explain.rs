//! The times that a schedule has spent on a cluster, in `schedule explain`.

use std::collections::BTreeMap;

use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use temporalio_client::grpc::WorkflowService;
use temporalio_client::tonic::IntoRequest as _;
use temporalio_common::protos::temporal::api::common::v1::Payload;
use temporalio_common::protos::temporal::api::enums::v1::WorkflowExecutionStatus;
use temporalio_common::protos::temporal::api::workflow::v1::WorkflowExecutionInfo;
use temporalio_common::protos::temporal::api::workflowservice::v1::ListWorkflowExecutionsRequest;

use super::connection::{Cluster, Connection};
use super::workflow::SCHEDULED_TIME;
use crate::error::Error;
use crate::names::ScheduleId;
use crate::schedule::explain::{TimeOutcome, TimeRange};
use crate::schedule::not_started::Outcome;
use crate::spec::Spec;
use crate::store::MoveRow;

/// Number of runs that one request lists.
const PAGE: i32 = 1000;

/// Replaces the times of a schedule that were due while it was on a cluster with what happened to them there.
///
/// # Errors
/// `System` when a cluster cannot be reached; those of requests.
pub(crate) fn with_runs_there(
    ranges: Vec<TimeRange>,
    moves: &[MoveRow],
    id: &ScheduleId,
    spec: &Spec,
    (from, to): (DateTime<Utc>, DateTime<Utc>),
) -> Result<Vec<TimeRange>, Error> {
    let mut ranges = ranges;
    for there in moves {
        let until = there.last.or(there.returned).map_or(to, |last| last.min(to));
        let since = (there.at - spec.jitter()).max(from);
        let is_affected = |range: &TimeRange| {
            range.outcome == TimeOutcome::NotStarted(Outcome::Paused) && range.to >= since && range.from <= until
        };
        if !ranges.iter().any(is_affected) {
            continue;
        }
        let cluster = Cluster::connect(Connection {
            address: Some(there.address.clone()),
            namespace: Some(there.namespace.clone()),
        })?;
        let runs = runs(&cluster, id, (since, until))?;
        let is_there = |nominal: DateTime<Utc>| spec.due(nominal) > there.at && nominal <= until;
        ranges = ranges
            .into_iter()
            .flat_map(|range| {
                if is_affected(&range) {
                    split(&range, spec, is_there, &runs, there)
                } else {
                    vec![range]
                }
            })
            .collect();
    }
    Ok(ranges)
}

/// Splits a range of times, so that each that was due on the cluster says what happened there.
fn split(
    range: &TimeRange,
    spec: &Spec,
    is_there: impl Fn(DateTime<Utc>) -> bool,
    runs: &BTreeMap<DateTime<Utc>, WorkflowExecutionInfo>,
    there: &MoveRow,
) -> Vec<TimeRange> {
    let times = spec
        .times_after(range.from - TimeDelta::nanoseconds(1))
        .take_while(|nominal| *nominal <= range.to);
    let mut found: Vec<TimeRange> = Vec::new();
    for nominal in times {
        let one = |outcome, reason, run| TimeRange {
            from: nominal,
            to: nominal,
            count: 1,
            outcome,
            reason,
            run,
        };
        let told = match runs.get(&nominal) {
            Some(run) => {
                let execution = run.execution.clone().unwrap_or_default();
                let reason = format!("on Temporal at {}: {}", there.address, status(run));
                one(TimeOutcome::Started, reason, Some((execution.run_id, execution.workflow_id)))
            }
            None if is_there(nominal) => {
                let reason = format!("on Temporal at {}: no run was found", there.address);
                one(TimeOutcome::NotStarted(Outcome::Skipped), reason, None)
            }
            None => one(range.outcome, range.reason.clone(), None),
        };
        match found.last_mut() {
            Some(last) if told.run.is_none() && (last.outcome, &last.reason) == (told.outcome, &told.reason) => {
                (last.to, last.count) = (nominal, last.count + 1);
            }
            _ => found.push(told),
        }
    }
    found
}

/// The last nominal time in a period at which a schedule has started a run on a cluster.
///
/// # Errors
/// Those of the requests.
pub(super) fn last_run(
    cluster: &Cluster,
    id: &ScheduleId,
    period: (DateTime<Utc>, DateTime<Utc>),
) -> Result<Option<DateTime<Utc>>, Error> {
    Ok(runs(cluster, id, period)?.pop_last().map(|(nominal, _)| nominal))
}

/// The runs that a schedule has started on a cluster, by nominal time.
fn runs(
    cluster: &Cluster,
    id: &ScheduleId,
    (from, to): (DateTime<Utc>, DateTime<Utc>),
) -> Result<BTreeMap<DateTime<Utc>, WorkflowExecutionInfo>, Error> {
    let text = |at: DateTime<Utc>| at.to_rfc3339_opts(SecondsFormat::AutoSi, true);
    let query = format!(
        "TemporalScheduledById = \"{id}\" AND {SCHEDULED_TIME} >= \"{}\" AND {SCHEDULED_TIME} < \"{}\"",
        text(from),
        // Not every store of a server finds a time that is equal to the bound.
        text(to + TimeDelta::seconds(1))
    );
    let (mut found, mut next_page_token) = (BTreeMap::new(), Vec::new());
    loop {
        let request = ListWorkflowExecutionsRequest {
            namespace: cluster.namespace.clone(),
            page_size: PAGE,
            next_page_token,
            query: query.clone(),
        };
        let page = cluster.call(
            &format!("list the runs of schedule `{id}` on the cluster"),
            |mut client| async move { WorkflowService::list_workflow_executions(&mut client, request.into_request()).await },
        )?;
        found.extend(page.executions.into_iter().filter_map(|run| Some((nominal(&run)?, run))));
        next_page_token = page.next_page_token;
        if next_page_token.is_empty() {
            return Ok(found);
        }
    }
}

/// The nominal time of a run.
fn nominal(run: &WorkflowExecutionInfo) -> Option<DateTime<Utc>> {
    let attributes = &run.search_attributes.as_ref()?.indexed_fields;
    let Payload { data, .. } = attributes.get(SCHEDULED_TIME)?;
    serde_json::from_slice(data).ok()
}

/// The status of a run, as tempo names it.
fn status(run: &WorkflowExecutionInfo) -> &'static str {
    match run.status() {
        WorkflowExecutionStatus::Completed => "Completed",
        WorkflowExecutionStatus::Failed => "Failed",
        WorkflowExecutionStatus::Canceled => "Canceled",
        WorkflowExecutionStatus::Terminated => "Terminated",
        WorkflowExecutionStatus::TimedOut => "TimedOut",
        WorkflowExecutionStatus::Unspecified
        | WorkflowExecutionStatus::Running
        | WorkflowExecutionStatus::ContinuedAsNew
        | WorkflowExecutionStatus::Paused => "Running",
    }
}
