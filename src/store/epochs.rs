//! Definitions of a schedule in the order of their times: those not yet decided to their end, and the current one.

use chrono::{DateTime, Utc};
use rusqlite::named_params;

use super::Read;
use super::rows::{Context as _, at, at_opt, json, named, text};
use crate::error::Error;
use crate::schedule::not_started::ReasonDetails;
use crate::schedule::plan_input::Epoch;
use crate::schedule::{OverlapPolicy, Policies};
use crate::spec::Spec;
use crate::spec::spec_text::SpecText;

/// A definition that is or was in force for a period, as stored.
#[derive(Debug, Clone)]
pub(crate) struct EpochRow {
    /// The spec as JSON, not compiled here because callers cache compiled specs.
    pub(crate) spec: String,
    pub(crate) workflow: i64,
    pub(crate) workflow_id: String,
    pub(crate) policies: Policies,
    pub(crate) paused: bool,
    pub(crate) paused_since: Option<DateTime<Utc>>,
    /// The note of the pause; empty if it has none.
    pub(crate) note: String,
    pub(crate) remaining: Option<u64>,
    pub(crate) until: DateTime<Utc>,
}

impl EpochRow {
    /// Converts the row to the input of a plan.
    pub(super) fn epoch<'a>(&self, spec: &'a Spec) -> Epoch<'a> {
        Epoch {
            spec,
            policies: self.policies,
            paused: self.paused,
            remaining: self.remaining,
            until: self.until,
        }
    }

    /// The spec as written.
    pub(crate) fn stored_spec(&self) -> Result<SpecText, Error> {
        json("spec", &self.spec)
    }

    /// What the reasons of its times that did not start tell about it.
    pub(crate) fn reason_details(&self) -> ReasonDetails<'_> {
        ReasonDetails {
            catchup_window_ms: self.policies.catchup_window_ms,
            paused_since: self.paused_since,
            note: &self.note,
        }
    }
}

impl Read<'_> {
    /// The earlier definitions that are not yet decided to their end, oldest first.
    pub(super) fn epochs(&self, schedule: i64) -> Result<Vec<EpochRow>, Error> {
        const SQL: &str =
            "SELECT until_ms, spec, workflow, workflow_id, overlap, catchup_window_ms, max_running, paused, paused_ms, note, remaining
            FROM epoch WHERE schedule = :key ORDER BY key";
        let mut statement = self.0.prepare_cached(SQL).context("read earlier definitions")?;
        let rows = statement.query_map(named_params! {":key": schedule}, |r| {
            let epoch = EpochRow {
                spec: r.get("spec")?,
                workflow: r.get("workflow")?,
                workflow_id: text(r, "workflow_id")?,
                policies: Policies {
                    catchup_window_ms: r.get::<_, i64>("catchup_window_ms")?.unsigned_abs(),
                    max_running: r.get("max_running")?,
                    ..Policies::default()
                },
                paused: r.get("paused")?,
                paused_since: at_opt(r.get("paused_ms")?),
                note: text(r, "note")?,
                remaining: r.get("remaining")?,
                until: at(r.get("until_ms")?),
            };
            Ok((epoch, r.get::<_, String>("overlap")?))
        });
        let rows = rows
            .context("read earlier definitions")?
            .collect::<rusqlite::Result<Vec<_>>>()
            .context("read earlier definitions")?;
        rows.into_iter()
            .map(|(mut epoch, overlap)| {
                epoch.policies.overlap = policy(&overlap)?;
                Ok(epoch)
            })
            .collect()
    }
}

pub(super) fn policy(name: &str) -> Result<OverlapPolicy, Error> {
    named("overlap policy", name, OverlapPolicy::named(name))
}
