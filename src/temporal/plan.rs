//! Comparing definitions with the schedules of a cluster, and applying them.

use std::collections::HashSet;

use chrono::{DateTime, Utc};
use temporalio_common::protos::temporal::api::schedule::v1::Schedule;

use super::connection::Cluster;
use super::limits::limits;
use super::schedule::{Existing, RunInput, to_cluster};
use super::schedules::{Described, create, delete, describe, list, update};
use crate::error::{Error, Kind};
use crate::files::definition::{Defined, FileSchedule};
use crate::files::difference;
use crate::files::schedule_text::ScheduleText;
use crate::ops::{Change, DefinedKind, Difference, FileDefinition, Prune};
use crate::schedule::after::times_text;
use crate::spec;
use crate::spec::zone::Zones;

/// What definitions would change on a cluster.
#[derive(Default)]
pub(crate) struct Plan {
    changes: Vec<(Difference, Request)>,
    /// The ids of schedules with something that a cluster cannot express, each with the first.
    limits: Vec<(String, String)>,
    receivers: u64,
}

enum Request {
    Nothing,
    Create(Box<Schedule>),
    /// The token makes it fail if the schedule has changed since it was read.
    Update(Box<Schedule>, Vec<u8>),
    Delete,
}

impl Plan {
    /// The differences, one for each definition and each schedule to delete.
    pub(crate) fn differences(&self) -> Vec<Difference> {
        self.changes.iter().map(|(difference, _)| difference.clone()).collect()
    }

    /// The first schedule with something that a cluster cannot express, and what that is.
    pub(crate) fn first_limit(&self) -> Option<&(String, String)> {
        self.limits.first()
    }

    /// Whether the files define receivers of notifications, which a cluster does not have.
    pub(crate) fn has_receivers(&self) -> bool {
        self.receivers > 0
    }
}

/// Compares definitions with the schedules of a cluster; `queue` is the task queue of those that name none.
///
/// # Errors
/// `Conflict` when a schedule with the same id was not made by tempo; those of the definitions and of requests.
pub(crate) fn plan(
    cluster: &Cluster,
    definitions: impl Iterator<Item = Result<FileDefinition, Error>>,
    prune: Prune<'_>,
    (queue, zones, now): (&str, &dyn Zones, DateTime<Utc>),
) -> Result<Plan, Error> {
    let mut plan = Plan::default();
    let mut defined = HashSet::new();
    for definition in definitions {
        let definition = definition?;
        let Defined::Schedule(one) = definition.defined else {
            plan.receivers += 1;
            continue;
        };
        if !defined.insert(one.id.to_string()) {
            return Err(Error::new(Kind::Usage, format_args!("schedule `{}` is defined twice", one.id)).within(&one.place));
        }
        let source = Some(definition.source.to_string()).filter(|source| source != "-");
        let parts = spec::parts(&one.definition.spec, zones)?;
        let limits = limits(&one.definition, &parts, &one.spec, now);
        plan.limits
            .extend(limits.first().map(|first| (one.id.to_string(), first.clone())));
        let (mut difference, request) = compare(cluster, *one, source, definition.spec_text, (queue, zones))?;
        difference.warnings.extend(limits);
        plan.changes.push((difference, request));
    }
    if let Prune::Of(_) = prune {
        for entry in list(cluster)? {
            let id = entry.schedule_id;
            if defined.contains(&id) {
                continue;
            }
            if let Some((existing, _)) = describe(cluster, &id, (queue, zones))?.and_then(Described::ours)
                && existing.input.source.as_deref().is_some_and(|source| prune.covers(source))
            {
                plan.changes.push((deletion(&existing)?, Request::Delete));
            }
        }
    }
    Ok(plan)
}

fn compare(
    cluster: &Cluster,
    one: FileSchedule,
    source: Option<String>,
    spec_text: String,
    (queue, zones): (&str, &dyn Zones),
) -> Result<(Difference, Request), Error> {
    let id = one.id;
    let existing = match describe(cluster, id.as_str(), (queue, zones))? {
        None => None,
        Some(Described::Ours(existing, token)) => Some((*existing, token)),
        Some(Described::Foreign) => {
            let message = format_args!("the cluster has a schedule `{id}` not created by tempo");
            return Err(Error::new(Kind::Conflict, message)
                .within(&one.place)
                .hint("Nothing was changed. Choose another id, another namespace, or delete that schedule."));
        }
    };
    let before = existing.as_ref().map(|(existing, _)| existing);
    if let Some(last) = before.and_then(|before| before.input.last) {
        let message = format_args!("schedule `{id}` has returned from the cluster to a machine, where it runs after {last}");
        return Err(Error::new(Kind::Conflict, message).within(&one.place).hint(format_args!(
            "Nothing was changed. Move it again with `tempo temporal migrate {id}`, or delete the schedule of the cluster."
        )));
    }
    let input = RunInput {
        schedule_id: id.to_string(),
        definition: one.definition,
        declared: one.declared,
        source,
        moved: before.and_then(|before| before.input.moved),
        first: before.and_then(|before| before.input.first),
        last: None,
    };
    let same_file = before.filter(|before| before.input.source == input.source);
    let state_before = before.map(|before| before.state.clone()).unwrap_or_default();
    let state = input
        .declared
        .over(&state_before, same_file.map(|before| &before.input.declared));
    let schedule = Box::new(to_cluster(&input, &state, queue, zones)?);
    let new = ScheduleText::of(&id, &input.definition, &state);
    let old = before.map(|before| ScheduleText::of(&id, &before.input.definition, &before.state));
    let fields = difference::between(old.as_ref(), Some(&new));
    let (change, request) = match existing {
        None => (Change::Create, Request::Create(schedule)),
        Some((existing, _)) if fields.is_empty() && existing.input == input => (Change::None, Request::Nothing),
        // Only the file from which it is applied has changed, which is not shown.
        Some((_, token)) if fields.is_empty() => (Change::None, Request::Update(schedule, token)),
        Some((_, token)) => (Change::Update, Request::Update(schedule, token)),
    };
    let difference = Difference {
        id: id.to_string(),
        kind: DefinedKind::Schedule,
        change,
        fields,
        line: Some(one.line),
        warnings: one.warnings,
        paused: state.paused,
        spec_text,
    };
    Ok((difference, request))
}

fn deletion(existing: &Existing) -> Result<Difference, Error> {
    let (id, definition) = (existing.input.id()?, &existing.input.definition);
    let old = ScheduleText::of(&id, definition, &existing.state);
    Ok(Difference {
        id: id.to_string(),
        kind: DefinedKind::Schedule,
        change: Change::Delete,
        fields: difference::between(Some(&old), None),
        line: None,
        warnings: Vec::new(),
        paused: true,
        spec_text: times_text(&definition.spec, &definition.after),
    })
}

/// Makes the changes of a plan, one after another.
///
/// # Errors
/// Those of the first request that fails, with the number of changes made before it.
pub(crate) fn apply(cluster: &Cluster, plan: &Plan) -> Result<(), Error> {
    let changes = plan
        .changes
        .iter()
        .filter(|(_, request)| !matches!(request, Request::Nothing));
    for (made, (difference, request)) in changes.enumerate() {
        carry_out(cluster, &difference.id, request).map_err(|e| match made {
            0 => e,
            made => e.hint(format_args!(
                "{made} of the changes had been made before: apply the files again to make the others."
            )),
        })?;
    }
    Ok(())
}

fn carry_out(cluster: &Cluster, id: &str, request: &Request) -> Result<(), Error> {
    match request {
        Request::Nothing => Ok(()),
        Request::Create(schedule) => create(cluster, id, schedule),
        Request::Update(schedule, token) => update(cluster, id, schedule, token),
        Request::Delete => delete(cluster, id),
    }
}
