//! The types of the JSON contract. Fields are added, never renamed or removed; instants are RFC 3339 UTC.

use serde::Serialize;

use super::instant::Instant;
use super::run_views::RunView;
use crate::run::step_text::{Action, StepText};
use crate::schedule::Alerts;
use crate::spec::spec_text::SpecText;

/// A schedule; lists leave out the optional parts.
#[derive(Debug, Clone, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct ScheduleView {
    pub(crate) id: String,
    pub(crate) note: String,
    pub(crate) paused: bool,
    pub(crate) paused_since: Option<Instant>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) spec: Option<SpecText>,
    pub(crate) spec_text: String,
    /// The effect of daylight saving within a year.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) dst_note: Option<DstNote>,
    pub(crate) time_zone: String,
    pub(crate) jitter: Option<String>,
    pub(crate) overlap_policy: &'static str,
    pub(crate) catchup_window: String,
    pub(crate) pause_on_failure: bool,
    /// Failed runs in a row after which it is paused, if not after the first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) pause_after: Option<u32>,
    pub(crate) remaining_actions: Option<u64>,
    /// Maximum number of open runs under `allow-all`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) max_running: Option<u32>,
    /// The schedules after whose runs it starts.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) after: Vec<String>,
    /// The alert settings that are not the defaults.
    #[serde(flatten)]
    pub(crate) alerts: Alerts,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) action: Option<ActionView>,
    pub(crate) num_actions: u64,
    pub(crate) num_actions_skipped_overlap: u64,
    pub(crate) num_actions_missed_catchup_window: u64,
    pub(crate) num_actions_buffer_dropped: u64,
    pub(crate) buffer_size: u64,
    pub(crate) running_actions: Vec<RunningAction>,
    pub(crate) backfills: Vec<BackfillView>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) recent_actions: Option<Vec<RecentAction>>,
    pub(crate) last_action_scheduled_at: Option<Instant>,
    pub(crate) last_action_started_at: Option<Instant>,
    pub(crate) next_action_at: Option<Instant>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) next_action_times: Option<Vec<Instant>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) lateness: Option<LatenessView>,
    /// Of the last 30 days.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) statistics: Option<Vec<StatisticsView>>,
    pub(crate) created_at: Instant,
    pub(crate) updated_at: Instant,
}

/// The effect of daylight saving on a schedule, if any.
#[derive(Debug, Clone, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(transparent)]
pub(crate) struct DstNote(pub(crate) Option<String>);

/// The action of a schedule.
#[derive(Debug, Clone, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct ActionView {
    pub(crate) workflow_id: String,
    pub(crate) run_timeout: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) task_queue: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) lock: Option<String>,
    #[serde(rename = "if", skip_serializing_if = "Option::is_none")]
    pub(crate) condition: Option<String>,
    pub(crate) steps: Vec<StepText>,
}

impl ActionView {
    /// An action with its workflow id, or `default_id` if it has none.
    pub(crate) fn new(action: Action, default_id: &str) -> Self {
        let workflow_id = action.workflow_id.unwrap_or_else(|| default_id.to_owned());
        Self {
            workflow_id,
            run_timeout: action.run_timeout,
            task_queue: action.task_queue,
            lock: action.lock,
            condition: action.condition,
            steps: action.steps,
        }
    }
}

/// An open run of a schedule.
#[derive(Debug, Clone, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct RunningAction {
    pub(crate) workflow_id: String,
    pub(crate) run_id: String,
}

/// An unfinished backfill.
#[derive(Debug, Clone, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct BackfillView {
    pub(crate) start_time: Instant,
    pub(crate) end_time: Instant,
    pub(crate) times: u64,
    pub(crate) done: u64,
}

/// A run that a schedule started.
#[derive(Debug, Clone, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct RecentAction {
    pub(crate) scheduled_at: Instant,
    pub(crate) started_at: Instant,
    pub(crate) workflow_id: String,
    pub(crate) run_id: String,
    pub(crate) status: &'static str,
    /// Steps that failed in it, if any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) failed_steps: Option<u64>,
}

/// An upcoming time.
#[derive(Debug, Clone, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct NextView {
    pub(crate) scheduled_at: Instant,
    pub(crate) due_at: Instant,
    pub(crate) local: String,
    pub(crate) note: Option<String>,
}

/// Consecutive times with the same outcome.
#[derive(Debug, Clone, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct TimeRangeView {
    pub(crate) from: Instant,
    pub(crate) to: Instant,
    pub(crate) count: u64,
    pub(crate) outcome: &'static str,
    pub(crate) reason: String,
    pub(crate) run_id: Option<String>,
    pub(crate) workflow_id: Option<String>,
}

/// A simulated event.
#[derive(Debug, Clone, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct SimulatedView {
    pub(crate) scheduled_at: Instant,
    pub(crate) at: Instant,
    pub(crate) event: &'static str,
    pub(crate) reason: Option<String>,
}

/// The result of a trigger or backfill.
#[derive(Debug, Clone, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct RequestView {
    pub(crate) schedule_id: String,
    pub(crate) request_id: String,
    pub(crate) runs: Vec<RunView>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) start_time: Option<Instant>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) end_time: Option<Instant>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) times: Option<u64>,
}

/// The change to a schedule that a file defines.
#[derive(Debug, Clone, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct ChangeView {
    pub(crate) id: String,
    /// `notify` for a receiver of notifications; absent for a schedule.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) kind: Option<&'static str>,
    pub(crate) change: &'static str,
    pub(crate) fields: Vec<FieldChangeView>,
    pub(crate) line: Option<usize>,
    pub(crate) warnings: Vec<String>,
}

/// The result of importing a crontab line.
#[derive(Debug, Clone, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct ImportView {
    #[serde(flatten)]
    pub(crate) change: ChangeView,
    pub(crate) spec_text: String,
    pub(crate) next_action_times: Vec<Instant>,
}

/// A field that differs.
#[derive(Debug, Clone, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct FieldChangeView {
    pub(crate) name: String,
    pub(crate) old: serde_json::Value,
    pub(crate) new: serde_json::Value,
}

/// The definition of a schedule as a file has it.
#[derive(Debug, Clone, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct DefinitionView {
    /// TOML.
    pub(crate) definition: String,
}

/// A heartbeat.
#[derive(Debug, Clone, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct BeatView {
    pub(crate) schedule_id: String,
    pub(crate) at: Instant,
    /// Whether the job succeeded.
    pub(crate) ok: bool,
    pub(crate) exit_code: Option<i32>,
    pub(crate) elapsed_ms: Option<i64>,
}

/// A deleted schedule.
#[derive(Debug, Clone, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct DeletedView {
    pub(crate) id: String,
    pub(crate) still_running: u64,
    /// Buffered and requested starts that had not begun.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) starts_dropped: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) backfills_canceled: Option<u64>,
}

/// How long after their due times the last scheduled runs of a schedule began.
#[derive(Debug, Clone, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct LatenessView {
    /// Number of runs, at most 100.
    pub(crate) runs: usize,
    pub(crate) p50_ms: i64,
    pub(crate) p99_ms: i64,
}

/// How often a step succeeded, and how long its last attempts took.
#[derive(Debug, Clone, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct StatisticsView {
    pub(crate) step: String,
    pub(crate) ok: u64,
    pub(crate) failed: u64,
    pub(crate) p50_ms: Option<u64>,
    pub(crate) p95_ms: Option<u64>,
    pub(crate) slowest_ms: u64,
}

/// A failure in an incident.
#[derive(Debug, Clone, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct OccurrenceView {
    pub(crate) id: i64,
    pub(crate) target_name: String,
    pub(crate) target_url: String,
    pub(crate) status_code: Option<u16>,
    pub(crate) error: String,
    pub(crate) error_type: String,
    pub(crate) elapsed_ms: i64,
    pub(crate) detected_at: Instant,
}

/// An incident, with its latest failure.
#[derive(Debug, Clone, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct IncidentView {
    #[serde(flatten)]
    pub(crate) latest: OccurrenceView,
    pub(crate) count: u64,
    pub(crate) first_detected_at: Instant,
    pub(crate) status: String,
    pub(crate) note: String,
    pub(crate) resolved_at: Option<Instant>,
    pub(crate) schedule_id: Option<String>,
    /// Null for an incident that no run caused.
    pub(crate) run_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) occurrences: Option<Vec<OccurrenceView>>,
}

/// A receiver of notifications, with its messages summed.
#[derive(Debug, Clone, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct ReceiverView {
    pub(crate) name: String,
    /// `webhook`, `email` or `command`.
    pub(crate) kind: &'static str,
    /// Where messages go, without anything secret.
    pub(crate) target: String,
    pub(crate) events: Vec<&'static str>,
    pub(crate) schedules: Vec<String>,
    pub(crate) labels: Vec<String>,
    pub(crate) min_severity: &'static str,
    /// The file that defines it.
    pub(crate) source: Option<String>,
    pub(crate) pending: u64,
    /// Number of messages that were given up.
    pub(crate) failed: u64,
    pub(crate) last_delivered_at: Option<Instant>,
    /// Why the last attempt failed of a message that is not delivered, or why the last mail did not reach all addresses.
    pub(crate) last_error: Option<String>,
}

/// A message of the outbox.
#[derive(Debug, Clone, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct MessageView {
    pub(crate) id: String,
    pub(crate) receiver: String,
    pub(crate) event: String,
    pub(crate) message: String,
    /// `pending`, `delivered` or `failed`.
    pub(crate) status: String,
    pub(crate) created_at: Instant,
    pub(crate) attempts: u32,
    pub(crate) last_attempt_at: Option<Instant>,
    pub(crate) next_attempt_at: Option<Instant>,
    pub(crate) error: Option<String>,
}

/// The status of the server, its runs and incidents.
#[derive(Debug, Clone, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct StatusView {
    pub(crate) up: bool,
    pub(crate) pid: Option<u32>,
    pub(crate) since: Option<Instant>,
    pub(crate) running: Vec<RunView>,
    pub(crate) next: Vec<ComingView>,
    pub(crate) queued: u64,
    pub(crate) incidents_open: u64,
    pub(crate) incidents_acked: u64,
}

/// The status of a Temporal cluster.
#[cfg(feature = "temporal")]
#[derive(Debug, Clone, Serialize)]
pub(crate) struct ClusterView {
    pub(crate) address: String,
    pub(crate) namespace: String,
    pub(crate) server_version: String,
    pub(crate) task_queue: String,
    /// Number of schedules that tempo has made.
    pub(crate) schedules: u64,
    pub(crate) paused: u64,
    /// The identities of the workers of the task queue.
    pub(crate) workers: Vec<String>,
}

/// The next time of a schedule.
#[derive(Debug, Clone, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct ComingView {
    pub(crate) schedule_id: String,
    pub(crate) due_at: Instant,
}

/// An event of the log; absent fields are left out.
#[derive(Debug, Clone, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct EventView {
    pub(crate) at: Instant,
    pub(crate) event: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) schedule_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) workflow_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) run_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) step: Option<String>,
    pub(crate) message: String,
    /// The last lines of the output of an attempt that failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) output: Option<Vec<String>>,
}
