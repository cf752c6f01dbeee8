//! Steps as people write them and as the file keeps them; [`super::step::Step`] is what they mean. Pure.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// What a schedule starts: a workflow.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Action {
    /// The base of the ids of its runs; absent: the schedule's id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub workflow_id: Option<String>,
    /// How long a run may take: a duration.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub run_timeout: Option<String>,
    /// The steps, in order.
    pub steps: Vec<StepText>,
}

/// One step, as in a `[[step]]` table.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct StepText {
    /// What it is called.
    pub name: String,
    /// A request.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub probe: Option<ProbeText>,
    /// A program with its arguments; no shell.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub command: Option<Vec<String>>,
    /// A line for `/bin/sh -c`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shell: Option<String>,
    /// The folder a command runs in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cwd: Option<String>,
    /// Variables of a command; `env:NAME` is read when the step runs.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub env: BTreeMap<String, String>,
    /// What a command reads.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stdin: Option<String>,
    /// Whom a command runs as; only where tempo runs as root.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// Exit codes that are a success; absent: 0.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ok_exit_codes: Option<Vec<i32>>,
    /// How long one attempt may take.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub start_to_close_timeout: Option<String>,
    /// How long all attempts may take, waits included.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub schedule_to_close_timeout: Option<String>,
    /// When it is tried again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry: Option<RetryText>,
    /// What its failure means for the run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub on_failure: Option<OnFailure>,
    /// What becomes of it when tempo dies in it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub on_lost: Option<OnLost>,
}

/// A probe: a URL, or a table.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged, expecting = "a URL, or a table with `url`, `status`, `timeout`, `method`")]
pub enum ProbeText {
    /// Just the URL.
    Url(String),
    /// With more.
    Table(ProbeTable),
}

/// What a probe can be told.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ProbeTable {
    /// What is asked for.
    pub url: String,
    /// The status that is right; absent: 200.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// The deadline of one request.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeout: Option<String>,
    /// The method; absent: GET.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub method: Option<String>,
}

/// A retry policy; what is left out has the default of the step's kind.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RetryText {
    /// The wait after the first attempt.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub initial_interval: Option<String>,
    /// How much longer each wait is than the one before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub backoff_coefficient: Option<f64>,
    /// The longest wait.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub maximum_interval: Option<String>,
    /// How many attempts; 0 is no limit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub maximum_attempts: Option<u32>,
    /// Error types that end it at once.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub non_retryable: Option<Vec<String>>,
}

/// What the failure of a step means for its run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OnFailure {
    /// The run fails.
    Fail,
    /// The run goes on.
    Continue,
}

/// What becomes of a step when tempo dies in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OnLost {
    /// It is tried again.
    Retry,
    /// It has failed.
    Fail,
}
