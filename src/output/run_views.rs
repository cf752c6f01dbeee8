//! The JSON types of runs, their steps and attempts.

use std::collections::BTreeMap;

use serde::{Serialize, Serializer};

use super::instant::Instant;

/// A run; lists leave out `steps`.
#[derive(Debug, Clone, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct RunView {
    pub(crate) workflow_id: String,
    pub(crate) run_id: String,
    pub(crate) schedule_id: Option<String>,
    pub(crate) scheduled_at: Instant,
    pub(crate) due_at: Instant,
    pub(crate) started_at: Instant,
    /// How long after `due_at` the first attempt of a scheduled run began.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) lateness_ms: Option<i64>,
    pub(crate) closed_at: Option<Instant>,
    pub(crate) status: &'static str,
    pub(crate) reason: Option<String>,
    /// The time since which the run has waited for a worker, if none has picked it up.
    pub(crate) waiting_for_worker_since: Option<Instant>,
    pub(crate) result: Results,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) steps: Option<Vec<StepView>>,
}

/// The results of the steps of a run, by name, in step order.
#[derive(Debug, Clone)]
pub(crate) struct Results(pub(crate) Vec<(String, String)>);

#[cfg(test)]
impl schemars::JsonSchema for Results {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Results".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({"type": "object", "additionalProperties": {"type": "string"}})
    }
}

impl Serialize for Results {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_map(self.0.iter().map(|(step, result)| (step, result)))
    }
}

/// A step of a run.
#[derive(Debug, Clone, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct StepView {
    pub(crate) name: String,
    pub(crate) kind: &'static str,
    pub(crate) status: &'static str,
    pub(crate) result: Option<String>,
    /// The outputs that later steps use.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) outputs: BTreeMap<String, String>,
    pub(crate) steps: Vec<StepView>,
    pub(crate) attempts: Vec<AttemptView>,
}

/// An attempt of a step.
#[derive(Debug, Clone, Serialize)]
#[cfg_attr(feature = "temporal", derive(serde::Deserialize))]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct AttemptView {
    pub(crate) number: u32,
    pub(crate) started_at: Instant,
    pub(crate) elapsed_ms: Option<i64>,
    pub(crate) outcome: Option<String>,
    pub(crate) error_type: Option<String>,
    pub(crate) error: Option<String>,
    pub(crate) status_code: Option<u16>,
    pub(crate) exit_code: Option<i32>,
    pub(crate) output: Option<String>,
    /// If the step keeps it separate from its output.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) stderr: Option<String>,
}
