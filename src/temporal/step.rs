//! A step as an activity: one attempt, made by the same `actions` as those of `tempo run`.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

use chrono::{DateTime, SecondsFormat, Utc};
use serde::{Deserialize, Serialize};
use temporalio_macros::activities;
use temporalio_sdk::ApplicationFailure;
use temporalio_sdk::activities::{ActivityContext, ActivityError, ActivityInfo};

use crate::actions::{Actions as _, Control, Live, StopKind, Task};
use crate::clock::{Clock as _, SystemClock};
use crate::output::instant::Instant;
use crate::output::run_views::AttemptView;
use crate::run::ok_result;
use crate::run::outcome::{AttemptResult, Ending, ErrorType, Failure};
use crate::run::outputs::{self, Outputs};
use crate::run::step::{Step, Work};
use crate::run::step_text::StepText;

/// How often a worker reports that it is still performing a step.
pub(super) const HEARTBEAT: Duration = Duration::from_secs(1);

/// Maximum number of bytes of the output of all attempts of a run that its record has; in JSON, a byte may become six.
pub(super) const MAX_OUTPUT: usize = 256 * 1024;

/// The input of the activity.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct StepTask {
    pub(super) schedule_id: String,
    pub(super) step: StepText,
    /// The nominal time of the run.
    pub(super) scheduled_at: DateTime<Utc>,
    /// Whether a later step uses its outputs.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(super) gives_outputs: bool,
    /// The outputs of earlier steps, by step, if this one uses any.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) outputs: BTreeMap<String, Outputs>,
    /// The attempts of earlier activities of this step.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) attempts: Vec<AttemptView>,
}

/// The output of the activity.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct StepEnd {
    pub(super) attempts: Vec<AttemptView>,
    pub(super) result: String,
    #[serde(default, skip_serializing_if = "Outputs::is_empty")]
    pub(super) outputs: Outputs,
}

/// Takes a line that says how an attempt has ended.
pub(crate) type Log = Box<dyn Fn(&str) + Send + Sync>;

/// The activities of a worker.
pub(crate) struct Steps {
    pub(super) log: Log,
    pub(super) output_limit: usize,
    /// Whether the worker is stopping, so that steps are left to other workers.
    pub(super) is_stopping: Arc<AtomicBool>,
}

#[activities]
impl Steps {
    /// Makes one attempt of a step.
    #[activity(name = "step")]
    pub(crate) async fn step(self: Arc<Self>, ctx: ActivityContext, task: StepTask) -> Result<StepEnd, ActivityError> {
        let clock = SystemClock;
        let started = clock.now();
        let heartbeat: Option<Vec<AttemptView>> = ctx.heartbeat_details().deserialize()?;
        let mut attempts = heartbeat.unwrap_or_else(|| task.attempts.clone());
        close_lost(&mut attempts);
        let number = u32::try_from(attempts.len()).unwrap_or(u32::MAX).saturating_add(1);
        attempts.push(open_attempt(number, started));
        ctx.record_heartbeat(attempts.clone()).await?;
        let step = Step::check(&task.step).map_err(|e| e.to_string());
        let step = match step.and_then(|step| filled_in(step, &task)) {
            Ok(step) => Arc::new(step),
            Err(why) => {
                (self.log)(&format!("{} step `{}`: {why}", workflow_id(ctx.info()), task.step.name));
                let failed = ApplicationFailure::builder(why)
                    .type_name(ErrorType::Spawn.name().to_owned())
                    .non_retryable(true)
                    .build();
                return Err(ActivityError::application(failed));
            }
        };
        let control = Arc::new(Control::default());
        let attempt = Attempt {
            step: Arc::clone(&step),
            time_left: time_left(&step, ctx.info(), started),
            environment: environment(&task, ctx.info(), number),
            output_limit: self.output_limit,
        };
        let here = Arc::clone(&control);
        let mut performing = tokio::task::spawn_blocking(move || attempt.perform(&here));
        let result = loop {
            tokio::select! {
                result = &mut performing => break result?,
                () = ctx.cancelled(), if control.requested().is_none() => {
                    let is_stopping = self.is_stopping.load(Ordering::SeqCst);
                    control.stop(if is_stopping { StopKind::Abandon } else { StopKind::Cancel });
                }
                () = tokio::time::sleep(HEARTBEAT) => ctx.record_heartbeat(attempts.clone()).await?,
            }
        };
        attempts.pop();
        attempts.push(attempt_view(number, started, &result));
        limit_output(attempts.iter_mut(), MAX_OUTPUT);
        let told = match result.ending.failure() {
            Some(failure) => failure.message,
            None => ok_result(&step.work, &result),
        };
        let workflow_id = workflow_id(ctx.info());
        (self.log)(&format!("{workflow_id} step `{}` attempt {number}: {told}", step.name));
        let failure = match &result.ending {
            Ending::Ok => {
                return Ok(StepEnd {
                    attempts,
                    result: ok_result(&step.work, &result),
                    outputs: result.outputs,
                });
            }
            Ending::Canceled | Ending::Terminated => return Err(ActivityError::cancelled_with_details(attempts)),
            Ending::Failed(failure) => failure.clone(),
            Ending::Lost => Failure {
                error_type: ErrorType::WorkerLost,
                message: "the worker was stopped during this attempt".to_owned(),
            },
        };
        let made = ctx.info().attempt;
        let wait = step.retry.wait_after(made, failure.error_type, result.exit_code);
        // As `tempo run`: a retry must begin before the deadline of all attempts.
        let left = time_left_for_all(&step, ctx.info(), clock.now());
        let wait = wait.filter(|wait| left.is_none_or(|left| *wait < left));
        ctx.record_heartbeat(attempts.clone()).await?;
        let failed = ApplicationFailure::builder(failure.message)
            .type_name(failure.error_type.name().to_owned())
            .non_retryable(wait.is_none())
            .maybe_next_retry_delay(wait)
            .details(attempts)
            .build();
        Err(ActivityError::application(failed))
    }
}

fn workflow_id(info: &ActivityInfo) -> &str {
    info.workflow_id.as_deref().unwrap_or_default()
}

/// Closes an attempt whose worker died.
pub(super) fn close_lost(attempts: &mut [AttemptView]) {
    if let Some(last) = attempts.last_mut().filter(|attempt| attempt.outcome.is_none()) {
        last.outcome = Some(Ending::Lost.name().to_owned());
        last.error_type = Some(ErrorType::WorkerLost.name().to_owned());
        last.error = Some("the worker died during this attempt".to_owned());
    }
}

fn open_attempt(number: u32, started: DateTime<Utc>) -> AttemptView {
    AttemptView {
        number,
        started_at: Instant(started),
        elapsed_ms: None,
        outcome: None,
        error_type: None,
        error: None,
        status_code: None,
        exit_code: None,
        output: None,
        stderr: None,
    }
}

fn attempt_view(number: u32, started: DateTime<Utc>, result: &AttemptResult) -> AttemptView {
    let failure = result.ending.failure();
    let text = |bytes: &[u8]| (!bytes.is_empty()).then(|| String::from_utf8_lossy(bytes).into_owned());
    AttemptView {
        elapsed_ms: Some(result.elapsed_ms),
        outcome: Some(result.ending.name().to_owned()),
        error_type: failure.as_ref().map(|failure| failure.error_type.name().to_owned()),
        error: failure.map(|failure| failure.message),
        status_code: result.status_code,
        exit_code: result.exit_code,
        output: text(&result.output),
        stderr: text(&result.stderr),
        ..open_attempt(number, started)
    }
}

/// The step with the outputs of earlier steps in place of its placeholders.
fn filled_in(mut step: Step, task: &StepTask) -> Result<Step, String> {
    step.gives_outputs = task.gives_outputs;
    if let Work::Command(command) = &mut step.work
        && !task.outputs.is_empty()
    {
        outputs::fill(command, |reference| {
            let given = task
                .outputs
                .get(&reference.step)
                .and_then(|outputs| outputs.get(&reference.key));
            let missing = || format!("step `{}` did not write an output `{}`", reference.step, reference.key);
            given.cloned().ok_or_else(missing)
        })?;
    }
    Ok(step)
}

/// The time left for all attempts of a step.
fn time_left_for_all(step: &Step, info: &ActivityInfo, now: DateTime<Utc>) -> Option<Duration> {
    let passed = |since: SystemTime| SystemTime::from(now).duration_since(since).unwrap_or_default();
    let limit = step.schedule_to_close.zip(info.scheduled_time);
    limit.map(|(limit, scheduled)| limit.saturating_sub(passed(scheduled)))
}

/// The time left until the deadline of an attempt that starts now.
fn time_left(step: &Step, info: &ActivityInfo, now: DateTime<Utc>) -> Option<Duration> {
    step.start_to_close
        .into_iter()
        .chain(time_left_for_all(step, info, now))
        .min()
}

/// Leaves out the output of the oldest attempts, so that all together have at most `limit` bytes: the server refuses larger messages.
pub(super) fn limit_output<'a>(attempts: impl DoubleEndedIterator<Item = &'a mut AttemptView>, limit: usize) {
    let mut left = limit;
    for attempt in attempts.rev() {
        for text in [&mut attempt.output, &mut attempt.stderr] {
            let length = text.as_ref().map_or(0, String::len);
            if length > left {
                *text = Some(format!("[{length} bytes left out]"));
            } else {
                left -= length;
            }
        }
    }
}

/// The environment variables that a command gets besides the worker's own.
fn environment(task: &StepTask, info: &ActivityInfo, number: u32) -> Vec<(&'static str, OsString)> {
    let id = |id: &Option<String>| OsString::from(id.clone().unwrap_or_default());
    let scheduled_at = task.scheduled_at.to_rfc3339_opts(SecondsFormat::AutoSi, true);
    vec![
        ("TEMPO_SCHEDULE_ID", task.schedule_id.clone().into()),
        ("TEMPO_WORKFLOW_ID", id(&info.workflow_id)),
        ("TEMPO_RUN_ID", id(&info.workflow_run_id)),
        ("TEMPO_STEP", task.step.name.clone().into()),
        ("TEMPO_ATTEMPT", number.to_string().into()),
        ("TEMPO_SCHEDULED_AT", scheduled_at.into()),
    ]
}

struct Attempt {
    step: Arc<Step>,
    time_left: Option<Duration>,
    environment: Vec<(&'static str, OsString)>,
    output_limit: usize,
}

impl Attempt {
    fn perform(&self, control: &Control) -> AttemptResult {
        // They identify its processes.
        let marks = self
            .environment
            .iter()
            .filter(|(name, _)| matches!(*name, "TEMPO_RUN_ID" | "TEMPO_STEP" | "TEMPO_ATTEMPT"));
        let marks: Vec<String> = marks
            .map(|(name, value)| format!("{name}={}", value.to_string_lossy()))
            .collect();
        let task = Task {
            step: &self.step,
            time_left: self.time_left,
            limit: self.time_left,
            environment: &self.environment,
            marks: &marks,
            spawned: &|_| {},
            output_limit: self.output_limit,
            output: &|_| {},
            notice: &|_| {},
        };
        Live.perform(&task, control)
    }
}
