//! Applies definition files: compares each definition with the stored schedule, field by field, and creates, updates or deletes it.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use chrono::{DateTime, Utc};

use super::comparison::{Change, DefinedKind, Difference, FieldsOfNew, FileDefinition, Prune};
use super::notify::{change_receiver, compare_receivers};
use super::patch::Settings;
use super::schedules::{NO_TIME, change_to, check_targets, find_followed, insert, settings_of};
use crate::error::{Error, Kind};
use crate::files::definition::{Defined, FileReceiver, FileSchedule};
use crate::files::difference::{self, FieldChange};
use crate::files::schedule_text::ScheduleText;
use crate::names::ScheduleId;
use crate::schedule::after::{AfterOutcome, cycle, cycle_error, times_text};
use crate::schedule::{Definition, State};
use crate::spec::Spec;
use crate::spec::zone::Zones;
use crate::store::{Owner, Read, SchedulePage, ScheduleRow, Write};

/// The owner recorded for a schedule that was created by hand and is now defined in a file: its declared state is kept, but it is never pruned.
const BY_HAND: &str = "";

/// The step that applies one definition.
enum Step {
    Create(Box<New>),
    Update(Box<Update>),
    Keep { row: ScheduleRow },
    Delete { row: ScheduleRow },
}

/// A new schedule.
struct New {
    settings: Settings,
    spec: Spec,
    spec_text: String,
}

/// A schedule with a new definition.
struct Update {
    row: ScheduleRow,
    before: Settings,
    after: Settings,
    spec: Spec,
    fields: Vec<FieldChange>,
}

/// Returns what applying the definitions of files would change.
///
/// # Errors
/// The first of `definitions`; `Usage`, with its place, when one is invalid or a duplicate.
pub(crate) fn compare(
    read: &Read<'_>,
    definitions: impl Iterator<Item = Result<FileDefinition, Error>>,
    prune: Prune<'_>,
    fields: FieldsOfNew,
    now: DateTime<Utc>,
) -> Result<Vec<Difference>, Error> {
    let (mut differences, receivers) = walk(read, definitions, (prune, fields), now, |_, _, _| Ok(()))?;
    let receivers = compare_receivers(read, &receivers, prune)?;
    differences.extend(receivers.into_iter().map(|(difference, _)| difference));
    Ok(differences)
}

/// Creates, updates and deletes schedules so that they match the definitions of files; returns what changed. If it fails, the transaction must be rolled
/// back: each definition is applied when it has been read.
///
/// # Errors
/// As [`compare`].
pub(crate) fn apply(
    write: &Write<'_>,
    zones: &dyn Zones,
    definitions: impl Iterator<Item = Result<FileDefinition, Error>>,
    prune: Prune<'_>,
    fields: FieldsOfNew,
    now: DateTime<Utc>,
) -> Result<Vec<Difference>, Error> {
    let (mut differences, receivers) = walk(write, definitions, (prune, fields), now, |id, step, owner| {
        let key = match &step {
            Step::Create(new) => {
                let New {
                    settings,
                    spec,
                    spec_text,
                } = &**new;
                return insert(write, id, settings, (spec, spec_text), owner, now);
            }
            Step::Update(update) => {
                let Update {
                    row,
                    before,
                    after,
                    spec,
                    fields,
                } = &**update;
                change_to(write, zones, row, (before, after, fields), spec, now)?;
                row.key
            }
            Step::Keep { row } => row.key,
            Step::Delete { row } => return write.delete_schedule(row.key, now).map(|_| ()),
        };
        owner.map_or(Ok(()), |(source, declared)| write.record_source(key, source, declared))
    })?;
    for (difference, change) in compare_receivers(write, &receivers, prune)? {
        change_receiver(write, &change, now)?;
        differences.push(difference);
    }
    Ok(differences)
}

/// Replaces the definition of one schedule, and the parts of its state that `before` and `after` declare differently.
///
/// # Errors
/// `NotFound`; `Conflict` if the schedule is no longer as in `before`; `Usage` if the new definition is invalid.
pub(crate) fn redefine(
    write: &Write<'_>,
    zones: &dyn Zones,
    before: &FileSchedule,
    after: FileSchedule,
    now: DateTime<Utc>,
) -> Result<Difference, Error> {
    let row = super::find(write, &after.id)?;
    let stored = settings_of(write, &row)?;
    let text = |definition: &Definition, state: &State| ScheduleText::of(&before.id, definition, state);
    let expected = text(&before.definition, &before.declared.over(&stored.state, None));
    if text(&stored.definition, &stored.state) != expected {
        return Err(Error::new(
            Kind::Conflict,
            format_args!("the schedule `{}` was changed in the meantime", after.id),
        )
        .hint("Edit it again to see its new definition."));
    }
    let file = write
        .owner(row.key)?
        .map(|(source, _)| source)
        .filter(|source| source != BY_HAND);
    let settings = Settings {
        state: after.declared.over(&stored.state, Some(&before.declared)),
        definition: after.definition,
    };
    let spec = after.spec;
    let fields = difference::between(Some(&expected), Some(&text(&settings.definition, &settings.state)));
    if settings.definition.after != stored.definition.after {
        check_targets(write, &after.id, &settings.definition.after).map_err(|e| e.within(&after.place))?;
    }
    change_to(write, zones, &row, (&stored, &settings, &fields), &spec, now)?;
    let mut warnings = after.warnings;
    warnings.extend(never_fires(&settings, &spec, now));
    warnings.extend(file.map(|file| format!("it is defined in {file}: the next `tempo apply` of that file replaces this edit")));
    Ok(Difference {
        change: if stored == settings { Change::None } else { Change::Update },
        fields,
        line: None,
        warnings,
        paused: settings.state.paused,
        spec_text: times_text(&settings.definition.spec, &settings.definition.after),
        kind: DefinedKind::Schedule,
        id: after.id.into(),
    })
}

/// The receivers that files define, each with the path of its file.
type Receivers = Vec<(Arc<str>, FileReceiver)>;

/// Compares one schedule after another and passes each step to `perform` at once: files may define hundreds of thousands of schedules.
fn walk(
    read: &Read<'_>,
    definitions: impl Iterator<Item = Result<FileDefinition, Error>>,
    (prune, fields): (Prune<'_>, FieldsOfNew),
    now: DateTime<Utc>,
    perform: impl Fn(&ScheduleId, Step, Owner<'_>) -> Result<(), Error>,
) -> Result<(Vec<Difference>, Receivers), Error> {
    let mut differences = Vec::new();
    let mut receivers = Vec::new();
    let mut places: HashMap<ScheduleId, String> = HashMap::new();
    let mut followers = Followers::default();
    for definition in definitions {
        let FileDefinition {
            source,
            defined,
            spec_text,
        } = definition?;
        let one = match defined {
            Defined::Schedule(one) => *one,
            Defined::Receiver(one) => {
                receivers.push((source, *one));
                continue;
            }
        };
        followers.add(read, &one)?;
        let (id, declared) = (one.id.clone(), one.declared.clone());
        if let Some(other) = places.insert(id.clone(), one.place.clone()) {
            return Err(
                Error::new(Kind::Usage, format_args!("schedule `{id}` is already defined in {other}")).within(&one.place),
            );
        }
        let (difference, step, is_by_hand) = step(read, &source, (one, spec_text), fields, now)?;
        let owner = if is_by_hand { BY_HAND } else { &source };
        perform(&id, step, Some((owner, &declared)))?;
        differences.push(difference);
    }
    followers.check(read, &places)?;
    if let Prune::No = prune {
        return Ok((differences, receivers));
    }
    for (id, source) in read.sources()? {
        if prune.covers(&source)
            && !places.contains_key(&id)
            && let Some(row) = read.schedule(&id)?
        {
            let difference = Difference {
                change: Change::Delete,
                fields: Vec::new(),
                line: None,
                warnings: Vec::new(),
                paused: true,
                spec_text: row.shown.spec_text.clone(),
                kind: DefinedKind::Schedule,
                id: id.to_string(),
            };
            perform(&id, Step::Delete { row }, None)?;
            differences.push(difference);
        }
    }
    Ok((differences, receivers))
}

/// The schedules of files that start after others.
#[derive(Default)]
struct Followers {
    /// The schedules after which each stored schedule starts, read when they are first needed.
    stored: Option<BTreeMap<String, Vec<String>>>,
    /// Each schedule that starts after others, with its targets; the flag says whether it already starts after that target.
    defined: Vec<(ScheduleId, Vec<(ScheduleId, bool)>)>,
}

impl Followers {
    /// Adds a schedule, before its definition is stored.
    fn add(&mut self, read: &Read<'_>, one: &FileSchedule) -> Result<(), Error> {
        if one.definition.after.is_empty() {
            return Ok(());
        }
        let stored = match &mut self.stored {
            Some(stored) => stored,
            none => none.insert(read.all_followed()?),
        };
        let stored = stored.get(one.id.as_str());
        let mut targets = Vec::new();
        for after in &one.definition.after {
            let (target, _) = AfterOutcome::parse(after)?;
            let is_stored = stored.is_some_and(|stored| stored.iter().any(|one| *one == target.as_str()));
            targets.push((target, is_stored));
        }
        self.defined.push((one.id.clone(), targets));
        Ok(())
    }

    /// Rejects schedules that start after one that does not exist, or after themselves; `places` are those of all schedules in the files.
    fn check(self, read: &Read<'_>, places: &HashMap<ScheduleId, String>) -> Result<(), Error> {
        let Some(mut edges) = self.stored else { return Ok(()) };
        edges.retain(|id, _| ScheduleId::parse(id).is_ok_and(|id| !places.contains_key(&id)));
        for (id, targets) in &self.defined {
            for (target, is_stored) in targets {
                // A schedule that already starts after one that has been deleted may still be changed.
                if !is_stored && !places.contains_key(target) {
                    find_followed(read, target).map_err(|e| e.within(&places[id]))?;
                }
            }
            edges.insert(id.to_string(), targets.iter().map(|(target, _)| target.to_string()).collect());
        }
        let Some(found) = cycle(self.defined.iter().map(|(id, _)| id.as_str()), &edges) else {
            return Ok(());
        };
        let error = cycle_error(&found);
        Err(match self.defined.iter().find(|(id, _)| found.contains(&id.as_str())) {
            Some((id, _)) => error.within(&places[id]),
            None => error,
        })
    }
}

/// The warning for a schedule that the clock never starts.
fn never_fires(settings: &Settings, spec: &Spec, now: DateTime<Utc>) -> Option<String> {
    let times = &settings.definition.spec;
    if times.is_empty() && !settings.definition.after.is_empty() {
        return None;
    }
    if times.is_empty() {
        return Some("it has no times; it starts only when triggered".to_owned());
    }
    (!times.at_boot && spec.next_after(now).is_none()).then(|| format!("it never fires: {NO_TIME}"))
}

/// Compares a definition with the stored schedule. Returns the difference, the step to perform, and whether the schedule was created by hand.
fn step(
    read: &Read<'_>,
    source: &str,
    (one, spec_text): (FileSchedule, String),
    fields: FieldsOfNew,
    now: DateTime<Utc>,
) -> Result<(Difference, Step, bool), Error> {
    let row = read.schedule(&one.id)?;
    let owner = row.as_ref().map(|row| read.owner(row.key)).transpose()?.flatten();
    let before = row.as_ref().map(|row| settings_of(read, row)).transpose()?;
    let state = before.as_ref().map_or_else(State::default, |s| s.state.clone());
    let declared_before = owner.as_ref().map(|(_, declared)| declared);
    let after = Settings {
        definition: one.definition,
        state: one.declared.over(&state, declared_before),
    };
    let mut warnings = one.warnings;
    warnings.extend(never_fires(&after, &one.spec, now));
    let text = |s: &Settings| ScheduleText::of(&one.id, &s.definition, &s.state);
    let fields = match (&before, fields) {
        (None, FieldsOfNew::Omitted) => Vec::new(),
        (before, FieldsOfNew::Omitted | FieldsOfNew::Listed) => {
            difference::between(before.as_ref().map(text).as_ref(), Some(&text(&after)))
        }
    };
    let maker = owner.as_ref().map(|(maker, _)| maker.as_str());
    if let Some(other) = maker.filter(|maker| ![source, BY_HAND].contains(maker)) {
        warnings.push(format!("it was previously defined in {other}"));
    }
    let is_by_hand = row.is_some() && maker.is_none_or(|maker| maker == BY_HAND);
    let paused = after.state.paused;
    let (change, step) = match (row, before) {
        (Some(row), Some(before)) if before == after => (Change::None, Step::Keep { row }),
        (Some(row), Some(before)) => {
            if paused && one.declared.paused.is_none() {
                warnings.push(format!("it stays paused until you run `tempo schedule unpause {}`", one.id));
            }
            let update = Update {
                row,
                before,
                after,
                spec: one.spec,
                fields: fields.clone(),
            };
            (Change::Update, Step::Update(Box::new(update)))
        }
        (Some(_) | None, None) | (None, Some(_)) => {
            let new = New {
                settings: after,
                spec: one.spec,
                spec_text: spec_text.clone(),
            };
            (Change::Create, Step::Create(Box::new(new)))
        }
    };
    let difference = Difference {
        id: one.id.into(),
        kind: DefinedKind::Schedule,
        change,
        fields,
        line: Some(one.line),
        warnings,
        paused,
        spec_text,
    };
    Ok((difference, step, is_by_hand))
}

/// Returns the definitions of the given schedules, or of all if `ids` is empty.
///
/// # Errors
/// `NotFound` when one of the ids does not exist.
pub(crate) fn export(read: &Read<'_>, ids: &[ScheduleId]) -> Result<Vec<(ScheduleId, Definition, State)>, Error> {
    let rows = if ids.is_empty() {
        read.schedules(&SchedulePage::default())?
    } else {
        ids.iter().map(|id| super::find(read, id)).collect::<Result<_, _>>()?
    };
    rows.iter()
        .map(|row| {
            let settings = settings_of(read, row)?;
            Ok((row.id.clone(), settings.definition, settings.state))
        })
        .collect()
}
