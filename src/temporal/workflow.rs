//! A run as a workflow of a cluster: its steps in order, each an activity with its retry policy and timeouts. Deterministic, as every workflow.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use chrono::{DateTime, Utc};
use serde_json::Value;
use temporalio_common::error::{ActivityExecutionError, IncomingError, TimeoutType};
use temporalio_common::search_attributes::{SearchAttributeKey, Timestamp};
use temporalio_common::{ActivityCloseTimeouts, RetryPolicy};
use temporalio_macros::{workflow, workflow_methods};
use temporalio_sdk::{
    ActivityCancellationType, ActivityOptions, ApplicationFailure, WorkflowContext, WorkflowContextView, WorkflowResult,
    WorkflowTermination,
};

use super::schedule::RunInput;
use super::step::{MAX_OUTPUT, StepEnd, StepTask, Steps, close_lost, limit_output};
use crate::output::instant::Instant;
use crate::output::run_views::{AttemptView, Results, RunView, StepView};
use crate::run::MAX_LOST_IN_A_ROW;
use crate::run::outcome::{ErrorType, Status, failed_result};
use crate::run::outputs::Outputs;
use crate::run::step::{Step, Workflow};
use crate::run::step_text::{OnFailure, OnLost};

/// After how long without a report a worker counts as dead.
const HEARTBEAT_TIMEOUT: Duration = Duration::from_secs(5);
/// How much longer than the timeout of a step its activity may take: the worker ends the step itself, and reports how.
const GRACE: Duration = Duration::from_secs(30);
/// The timeout of an activity whose step has none: the server demands one.
const NO_TIMEOUT: Duration = Duration::from_hours(10 * 366 * 24);

/// The search attribute with the nominal time of a run, which its schedule sets; absent if somebody has started the workflow by hand.
pub(super) const SCHEDULED_TIME: &str = "TemporalScheduledStartTime";
const SCHEDULED: SearchAttributeKey<Timestamp> = SearchAttributeKey::datetime(SCHEDULED_TIME);

/// A run.
#[workflow]
pub(crate) struct Run {
    input: RunInput,
}

#[workflow_methods]
impl Run {
    #[init]
    fn new(_ctx: &WorkflowContextView, input: RunInput) -> Self {
        Self { input }
    }

    #[run(name = "tempo")]
    pub(crate) async fn run(ctx: &mut WorkflowContext<Self>) -> WorkflowResult<Value> {
        let input = ctx.state(|state| state.input.clone());
        let action = &input.definition.action;
        let workflow = Workflow::check(action).map_err(|e| ApplicationFailure::non_retryable(e.to_string()))?;
        let mut record = Record::new(ctx, &input);
        let mut outputs: BTreeMap<String, Outputs> = BTreeMap::new();
        for (step, text) in workflow.steps.iter().zip(&action.steps) {
            let mut task = StepTask {
                schedule_id: input.schedule_id.clone(),
                step: text.clone(),
                scheduled_at: record.scheduled,
                gives_outputs: step.gives_outputs,
                outputs: if step.reads_outputs {
                    outputs.clone()
                } else {
                    BTreeMap::new()
                },
                attempts: Vec::new(),
            };
            let ended = perform(ctx, step, &mut task).await;
            match ended {
                StepResult::Ok(end) => {
                    outputs.insert(step.name.to_string(), end.outputs.clone());
                    record.close(step, Status::Completed, end.result, end.attempts, end.outputs);
                }
                StepResult::Failed(failure, attempts) => {
                    let result = failed_result(&failure.message);
                    record.close(step, Status::Failed, result, attempts, Outputs::new());
                    if step.on_failure == OnFailure::Fail {
                        let reason = format!("step `{}` failed: {}", step.name, failure.message);
                        let failed = ApplicationFailure::builder(reason.clone())
                            .type_name(failure.error_type)
                            .non_retryable(true)
                            .details(record.end(ctx, Status::Failed, Some(reason)))
                            .build();
                        return Err(failed.into());
                    }
                }
                StepResult::Canceled => {
                    let record = record.end(ctx, Status::Canceled, None);
                    return Err(WorkflowTermination::cancelled_with_details(record));
                }
            }
        }
        Ok(record.end(ctx, Status::Completed, None))
    }
}

/// The failure of a step, as a workflow knows it.
struct StepFailure {
    error_type: String,
    message: String,
}

enum StepResult {
    Ok(StepEnd),
    Failed(StepFailure, Vec<AttemptView>),
    Canceled,
}

/// Performs a step. An activity whose worker died is started again, whatever its retry policy, as `tempo run` does.
async fn perform(ctx: &WorkflowContext<Run>, step: &Step, task: &mut StepTask) -> StepResult {
    let mut lost = 0;
    loop {
        let failed = match ctx.execute_activity(Steps::step, task.clone(), options(step)).await {
            Ok(end) => return StepResult::Ok(end),
            Err(ActivityExecutionError::Cancelled(_)) => return StepResult::Canceled,
            Err(failed) => failed,
        };
        let (failure, attempts) = failure_of(&failed);
        task.attempts = attempts;
        let is_lost = failure.error_type == ErrorType::WorkerLost.name();
        lost += u32::from(is_lost);
        if !is_lost || step.on_lost == OnLost::Fail || lost >= MAX_LOST_IN_A_ROW {
            return StepResult::Failed(failure, std::mem::take(&mut task.attempts));
        }
    }
}

/// The failure of an activity, and the attempts that were made.
fn failure_of(error: &ActivityExecutionError) -> (StepFailure, Vec<AttemptView>) {
    let of = |error_type: ErrorType, message: &str| StepFailure {
        error_type: error_type.name().to_owned(),
        message: message.to_owned(),
    };
    match error.cause() {
        Some(IncomingError::Application(failed)) => {
            let failure = StepFailure {
                error_type: failed.type_name().unwrap_or_default().to_owned(),
                message: failed.to_string(),
            };
            (failure, failed.details().ok().flatten().unwrap_or_default())
        }
        Some(IncomingError::Timeout(timeout)) => {
            let mut attempts: Vec<AttemptView> = timeout.last_heartbeat_details().ok().flatten().unwrap_or_default();
            close_lost(&mut attempts);
            let failure = if timeout.timeout_type() == TimeoutType::Heartbeat {
                of(ErrorType::WorkerLost, "the worker died during this step")
            } else {
                of(ErrorType::Timeout, "the step did not end in time")
            };
            (failure, attempts)
        }
        _ => (of(ErrorType::WorkerLost, &error.to_string()), Vec::new()),
    }
}

fn options(step: &Step) -> ActivityOptions {
    let start_to_close = step.start_to_close.map_or(NO_TIMEOUT, |timeout| timeout + GRACE);
    let timeouts = match step.schedule_to_close {
        Some(timeout) => ActivityCloseTimeouts::ScheduleAndStartToClose {
            schedule_to_close: timeout + GRACE,
            start_to_close: start_to_close.min(timeout + GRACE),
        },
        None => ActivityCloseTimeouts::StartToClose(start_to_close),
    };
    let retry = &step.retry;
    let mut not_retried: Vec<String> = retry.non_retryable.iter().map(|kind| kind.name().to_owned()).collect();
    if step.on_lost == OnLost::Fail {
        not_retried.push(ErrorType::WorkerLost.name().to_owned());
        // The death of a worker, as the server names it.
        not_retried.push("TemporalTimeout:Heartbeat".to_owned());
    }
    let policy = RetryPolicy::builder()
        .initial_interval(retry.initial_interval)
        .backoff_coefficient(retry.backoff_coefficient)
        .maximum_interval(retry.maximum_interval)
        .maximum_attempts(retry.maximum_attempts)
        .non_retryable_error_types(not_retried)
        .build();
    ActivityOptions::with_close_timeouts(timeouts)
        .heartbeat_timeout(HEARTBEAT_TIMEOUT)
        .cancellation_type(ActivityCancellationType::WaitCancellationCompleted)
        .retry_policy(policy)
        .summary(step.name.to_string())
        .build()
}

/// What `workflow describe` shows of a run.
struct Record {
    scheduled: DateTime<Utc>,
    view: RunView,
}

impl Record {
    fn new(ctx: &WorkflowContext<Run>, input: &RunInput) -> Self {
        let started = now(ctx);
        let scheduled = ctx.search_attributes().get(&SCHEDULED);
        let scheduled = scheduled.and_then(|at| DateTime::from_timestamp(at.seconds(), at.nanos().unsigned_abs()));
        let scheduled = scheduled.unwrap_or(started);
        Self {
            scheduled,
            view: RunView {
                workflow_id: ctx.workflow_id().to_owned(),
                run_id: ctx.run_id().to_owned(),
                schedule_id: Some(input.schedule_id.clone()),
                scheduled_at: Instant(scheduled),
                due_at: Instant(scheduled),
                started_at: Instant(started),
                lateness_ms: None,
                closed_at: None,
                status: Status::Running.name(),
                reason: None,
                waiting_for_worker_since: None,
                result: Results(Vec::new()),
                steps: Some(Vec::new()),
            },
        }
    }

    fn close(&mut self, step: &Step, status: Status, result: String, attempts: Vec<AttemptView>, outputs: Outputs) {
        self.view.result.0.push((step.name.to_string(), result.clone()));
        self.view.steps.get_or_insert_default().push(StepView {
            name: step.name.to_string(),
            kind: step.kind(),
            status: status.name(),
            result: Some(result),
            outputs,
            steps: Vec::new(),
            attempts,
        });
        let attempts = self.view.steps.iter_mut().flatten().flat_map(|step| &mut step.attempts);
        limit_output(attempts, MAX_OUTPUT);
    }

    fn end(mut self, ctx: &WorkflowContext<Run>, status: Status, reason: Option<String>) -> Value {
        self.view.closed_at = Some(Instant(now(ctx)));
        self.view.status = status.name();
        self.view.reason = reason;
        serde_json::to_value(&self.view).unwrap_or_default()
    }
}

fn now(ctx: &WorkflowContext<Run>) -> DateTime<Utc> {
    ctx.workflow_time().unwrap_or(SystemTime::UNIX_EPOCH).into()
}
