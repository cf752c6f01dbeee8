//! The options that define a schedule or a workflow, and the patch that they make.

mod policy_args;
mod what_args;
mod when_args;

pub(super) use policy_args::{DecisionArgs, PolicyArgs};
pub(super) use what_args::WhatArgs;
pub(super) use when_args::WhenArgs;

use super::Context;
use crate::error::Error;
use crate::names::ScheduleId;
use crate::ops::{self, Clearable, Patch};
use crate::run::step_text::StepText;
use crate::schedule::{OverlapPolicy, Policies, Remaining};
use crate::store::Read;

/// Parses an overlap policy, if one is given.
pub(super) fn overlap(named: Option<&str>) -> Result<Option<OverlapPolicy>, Error> {
    named.map(OverlapPolicy::parse).transpose()
}

/// The parts of a schedule on which the meaning of options depends when it is updated.
pub(super) struct Existing {
    steps: Vec<StepText>,
    time_zone: Option<String>,
}

impl Existing {
    /// Those of the schedule with an id.
    ///
    /// # Errors
    /// `NotFound` when there is no such schedule.
    pub(super) fn of(read: &Read<'_>, id: &ScheduleId) -> Result<Self, Error> {
        let row = ops::find(read, id)?;
        Ok(Self {
            steps: read.action(row.workflow)?.steps,
            time_zone: row.stored_spec()?.time_zone,
        })
    }
}

/// Builds a patch from the options. If no steps are given, the step defaults apply to the `existing` steps.
pub(super) fn patch(
    context: &Context,
    when: &WhenArgs,
    what: &WhatArgs,
    policies: &PolicyArgs,
    clear: &[String],
    existing: Option<Existing>,
) -> Result<Patch, Error> {
    let remaining_actions = policies
        .decisions
        .remaining_actions
        .as_deref()
        .map(Remaining::parse)
        .transpose()?;
    let (existing, zone) = existing.map_or((None, None), |e| (Some(e.steps), e.time_zone));
    let steps = match (what.steps()?, existing) {
        (Some(steps), _) => Some(steps),
        // On an update, a step default applies to the existing steps.
        (None, Some(mut existing)) if what.names_defaults() => {
            for step in &mut existing {
                *step = what.defaults.over(step)?;
            }
            Some(existing)
        }
        (None, _) => None,
    };
    let spec = when.spec_text_in(context, zone.as_deref())?;
    let mut clear = clear.iter().map(|c| Clearable::parse(c)).collect::<Result<Vec<_>, _>>()?;
    if !when.when.is_empty() {
        // The sentence defines all times of the schedule: it replaces those given in any other form.
        clear.extend([
            Clearable::Interval,
            Clearable::Cron,
            Clearable::Calendar,
            Clearable::Quartz,
            Clearable::AtBoot,
        ]);
    }
    Ok(Patch {
        at_boot: spec.at_boot.then_some(true),
        spec,
        dst_gap: when.gap()?,
        dst_repeat: when.repeat()?,
        steps,
        workflow_id: what.workflow_id.clone(),
        run_timeout: what.run_timeout.clone(),
        overlap: overlap(policies.decisions.overlap_policy.as_deref())?,
        catchup_window_ms: policies
            .decisions
            .catchup_window
            .as_deref()
            .map(Policies::parse_catchup_window)
            .transpose()?,
        pause_on_failure: policies.decisions.pause_on_failure,
        pause_after: policies.pause_after,
        note: policies.note.clone(),
        paused: policies.paused,
        remaining_actions,
        task_queue: policies.task_queue.clone(),
        lock: policies.lock.clone(),
        condition: policies.condition.clone(),
        max_running: policies.decisions.max_running,
        after: policies.after.clone(),
        alerts: policies.alerts.alerts(),
        clear,
    })
}
