//! The options for policies, limits, alerts and the state of a schedule.

use clap_complete::engine::ArgValueCandidates;

use super::super::complete;
use crate::run::threshold::ThresholdText;
use crate::schedule::Alerts;
use crate::schedule::alerts::Severity;

/// Options on which the decision about each time depends.
#[derive(Debug, Clone, Default, clap::Args)]
#[command(next_help_heading = "Policies and state")]
pub(in crate::cli) struct DecisionArgs {
    /// What to do while another run is still running: skip (the default), buffer-one, buffer-all,
    /// cancel-other, terminate-other or allow-all
    #[arg(long, visible_alias = "overlap", value_name = "POLICY", add = ArgValueCandidates::new(complete::policies))]
    pub(super) overlap_policy: Option<String>,
    /// How late a run may start after an outage; at least 10s, defaults to 10m
    #[arg(long, visible_alias = "catchup", value_name = "DURATION")]
    pub(super) catchup_window: Option<String>,
    /// Under allow-all, have at most this many runs open, from 1 to 1000; further starts wait; defaults to no limit
    #[arg(long, value_name = "N")]
    pub(super) max_running: Option<u32>,
    /// Number of scheduled starts left, or `unlimited` (the default)
    #[arg(long, value_name = "N")]
    pub(super) remaining_actions: Option<String>,
    /// Pause the schedule when a run fails; same as `--pause-after 1`
    #[arg(long, num_args = 0..=1, default_missing_value = "true", require_equals = true, value_name = "BOOL")]
    pub(super) pause_on_failure: Option<bool>,
}

/// Options for the policies and the state of a schedule.
#[derive(Debug, Default, clap::Args)]
#[command(next_help_heading = "Policies and state")]
pub(in crate::cli) struct PolicyArgs {
    #[command(flatten)]
    pub(super) decisions: DecisionArgs,
    /// Start after each run of another schedule that completes, or that fails: `backup`, `backup:failed`; may be repeated
    #[arg(long, value_name = "SCHEDULE[:failed]", value_delimiter = ',')]
    pub(super) after: Vec<String>,
    /// Run a command line with `/bin/sh -c` before each run; if it fails, the run is skipped
    #[arg(long = "if", value_name = "LINE")]
    pub(super) condition: Option<String>,
    /// Task queue of its runs, whose limit `tempo run --queue` sets; defaults to `default`
    #[arg(long, visible_alias = "queue", value_name = "NAME")]
    pub(super) task_queue: Option<String>,
    /// Allow only one open run at a time across all schedules with this lock
    #[arg(long, value_name = "NAME")]
    pub(super) lock: Option<String>,
    /// Pause the schedule after this many failed runs in a row, from 1 to 1000; defaults to none
    #[arg(long, value_name = "N")]
    pub(super) pause_after: Option<u32>,
    /// Note for people
    #[arg(long, value_name = "TEXT")]
    pub(super) note: Option<String>,
    /// Pause the schedule: no scheduled run starts until it is unpaused
    #[arg(long, num_args = 0..=1, default_missing_value = "true", require_equals = true, value_name = "BOOL")]
    pub(super) paused: Option<bool>,
    #[command(flatten)]
    pub(super) alerts: AlertArgs,
}

/// Options for incidents and notifications.
#[derive(Debug, Default, clap::Args)]
#[command(next_help_heading = "Incidents and notifications")]
pub(super) struct AlertArgs {
    /// Open an incident only after this many failures in a row, or after failing for this long: `3`, `5m`; defaults to 1
    #[arg(long, value_name = "N|DURATION")]
    pub(super) open_after: Option<String>,
    /// Resolve an incident only after this many successes in a row; defaults to 1
    #[arg(long, value_name = "N")]
    pub(super) resolve_after: Option<u32>,
    /// Send a reminder of an open incident this often; at least 1s, defaults to none
    #[arg(long, value_name = "DURATION")]
    pub(super) remind: Option<String>,
    /// Open an incident when the schedule has not succeeded for this long, whatever the reason; at least 1s, defaults to none
    #[arg(long, value_name = "DURATION")]
    pub(super) expect_within: Option<String>,
    /// Label for selecting schedules in notification receivers, of 1 to 200 characters; may be repeated
    #[arg(long, value_name = "LABEL")]
    pub(super) label: Vec<String>,
    /// How much its failures matter to notification receivers: info, warning, error or critical; defaults to error
    #[arg(long, value_name = "SEVERITY", value_parser = Severity::parse)]
    pub(super) severity: Option<Severity>,
}

impl AlertArgs {
    pub(super) fn alerts(&self) -> Alerts {
        Alerts {
            labels: self.label.clone(),
            severity: self.severity,
            open_after: self.open_after.as_deref().map(ThresholdText::of),
            resolve_after: self.resolve_after,
            remind: self.remind.clone(),
            expect_within: self.expect_within.clone(),
        }
    }
}

impl From<DecisionArgs> for PolicyArgs {
    fn from(decisions: DecisionArgs) -> Self {
        Self {
            decisions,
            ..Self::default()
        }
    }
}
