//! Definitions on paper made true: what is different is found out first, field by field, and then carried out, all or nothing.

use std::collections::HashMap;

use chrono::{DateTime, Utc};

use super::patch::Settings;
use super::schedules::{Never, change_to, check, insert, settings_of};
use crate::error::{Error, Kind};
use crate::files::definition::FileSchedule;
use crate::files::difference::{self, FieldChange};
use crate::files::schedule_text::ScheduleText;
use crate::names::ScheduleId;
use crate::schedule::{Declared, Definition, State};
use crate::spec::Spec;
use crate::spec::zone::Zones;
use crate::store::{Read, ScheduleRow, Write};

/// Whose a schedule is that somebody made by hand and a file holds now: what the file said last is kept, and nobody prunes it.
const BY_HAND: &str = "";

/// What becomes of a schedule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Change {
    Create,
    Update,
    Delete,
    None,
}

impl Change {
    /// Its name in JSON.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Update => "update",
            Self::Delete => "delete",
            Self::None => "none",
        }
    }
}

/// What is different about a schedule.
#[derive(Debug, Clone)]
pub(crate) struct Difference {
    pub(crate) id: ScheduleId,
    pub(crate) change: Change,
    pub(crate) fields: Vec<FieldChange>,
    /// Where its definition begins; none where there is none any more.
    pub(crate) line: Option<usize>,
    pub(crate) warnings: Vec<String>,
    /// Whether it starts nothing by itself.
    pub(crate) paused: bool,
    /// When it fires, in English.
    pub(crate) spec_text: String,
}

/// The definitions of one file.
#[derive(Debug)]
pub(crate) struct DefinitionFile {
    /// Which file.
    pub(crate) source: String,
    pub(crate) defined: Vec<FileSchedule>,
}

/// Whether schedules that the files do not hold any more are deleted.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Prune<'a> {
    /// They stay.
    No,
    /// Those that an earlier apply of these files, or of files in these folders, made.
    Of(&'a [String]),
}

/// What is to be done with a schedule.
struct Step<'a> {
    difference: Difference,
    row: Option<ScheduleRow>,
    /// What it is and what it will be; none: it goes.
    settings: Option<(Option<Settings>, Settings, Spec)>,
    /// Whose it is from now on, and what is said of its state there.
    owner: Option<(&'a str, &'a Declared)>,
}

/// Finds out what applying would change.
///
/// # Errors
/// `Usage` with the place of a definition that is wrong, or is there twice.
pub(crate) fn compare(
    read: &Read<'_>,
    zones: &dyn Zones,
    files: &[DefinitionFile],
    prune: Prune<'_>,
    now: DateTime<Utc>,
) -> Result<Vec<Difference>, Error> {
    let steps = steps(read, zones, files, prune, now)?;
    Ok(steps.into_iter().map(|step| step.difference).collect())
}

/// Makes what the files say true; what that changed.
///
/// # Errors
/// As [`compare`].
pub(crate) fn apply(
    write: &Write<'_>,
    zones: &dyn Zones,
    files: &[DefinitionFile],
    prune: Prune<'_>,
    now: DateTime<Utc>,
) -> Result<Vec<Difference>, Error> {
    let steps = steps(write, zones, files, prune, now)?;
    let mut differences = Vec::with_capacity(steps.len());
    for step in steps {
        let key = match (&step.row, &step.settings) {
            (Some(row), Some((Some(before), after, spec))) => {
                change_to(write, zones, row, before, after, spec, now)?;
                Some(row.key)
            }
            (None, Some((_, after, spec))) => Some(insert(write, &step.difference.id, after, spec, now)?),
            (Some(row), None) => {
                write.delete_schedule(row.key, now)?;
                None
            }
            (Some(_), Some((None, ..))) | (None, None) => None,
        };
        if let (Some(key), Some((source, declared))) = (key, step.owner) {
            write.record_source(key, source, declared)?;
        }
        differences.push(step.difference);
    }
    Ok(differences)
}

fn steps<'a>(
    read: &Read<'_>,
    zones: &dyn Zones,
    files: &'a [DefinitionFile],
    prune: Prune<'_>,
    now: DateTime<Utc>,
) -> Result<Vec<Step<'a>>, Error> {
    let mut places: HashMap<&ScheduleId, &str> = HashMap::new();
    let mut steps = Vec::new();
    for (file, one) in files.iter().flat_map(|f| f.defined.iter().map(move |d| (f, d))) {
        if let Some(other) = places.insert(&one.id, &one.place) {
            return Err(Error::new(
                Kind::Usage,
                format_args!("a schedule named `{}` is defined in {other} already", one.id),
            )
            .within(&one.place));
        }
        steps.push(step(read, zones, &file.source, one, now)?);
    }
    let Prune::Of(scopes) = prune else { return Ok(steps) };
    let in_scope = |source: &str| {
        // What stands in folders below is not read, and so it is not missed.
        let in_folder = |scope: &String| {
            let rest = source.strip_prefix(scope.as_str()).and_then(|rest| rest.strip_prefix('/'));
            rest.is_some_and(|file| !file.contains('/'))
        };
        scopes.iter().any(|scope| scope == source || in_folder(scope))
    };
    for (id, source) in read.sources()? {
        if in_scope(&source)
            && !places.contains_key(&id)
            && let Some(row) = read.schedule(&id)?
        {
            steps.push(Step {
                difference: Difference {
                    change: Change::Delete,
                    fields: Vec::new(),
                    line: None,
                    warnings: Vec::new(),
                    paused: true,
                    spec_text: row.shown.spec_text.clone(),
                    id,
                },
                row: Some(row),
                settings: None,
                owner: None,
            });
        }
    }
    Ok(steps)
}

fn step<'a>(
    read: &Read<'_>,
    zones: &dyn Zones,
    source: &'a str,
    one: &'a FileSchedule,
    now: DateTime<Utc>,
) -> Result<Step<'a>, Error> {
    let row = read.schedule(&one.id)?;
    let owner = row.as_ref().map(|row| read.owner(row.key)).transpose()?.flatten();
    let before = row.as_ref().map(|row| settings_of(read, row)).transpose()?;
    let state = before.as_ref().map_or_else(State::default, |w| w.state.clone());
    let declared_before = owner.as_ref().map(|(_, declared)| declared);
    let after = Settings {
        definition: one.definition.clone(),
        state: one.declared.over(&state, declared_before),
    };
    let spec = check(&one.id, &after, zones, Never::Allow, now).map_err(|e| e.within(&one.place))?;
    let mut warnings = one.warnings.clone();
    if after.definition.spec.is_empty() {
        warnings.push("no time is named: only a trigger starts it".to_owned());
    } else if !after.definition.spec.at_boot && spec.next_after(now).is_none() {
        warnings.push("it never fires: no time from now to the end of the year 2100 matches it".to_owned());
    }
    let text = |s: &Settings| ScheduleText::of(&one.id, &s.definition, &s.state);
    let fields = difference::between(before.as_ref().map(text).as_ref(), Some(&text(&after)));
    let change = match &before {
        None => Change::Create,
        Some(before) if *before == after => Change::None,
        Some(_) => Change::Update,
    };
    if change == Change::Update && after.state.paused && one.declared.paused.is_none() {
        warnings.push(format!(
            "it is paused, and stays so until `tempo schedule unpause {}`",
            one.id
        ));
    }
    let maker = owner.as_ref().map(|(maker, _)| maker.as_str());
    if let Some(other) = maker.filter(|maker| ![source, BY_HAND].contains(maker)) {
        warnings.push(format!("it was made from {other} before"));
    }
    let is_by_hand = row.is_some() && maker.is_none_or(|maker| maker == BY_HAND);
    Ok(Step {
        difference: Difference {
            id: one.id.clone(),
            change,
            fields,
            line: Some(one.line),
            warnings,
            paused: after.state.paused,
            spec_text: crate::spec::describe::spec(&after.definition.spec),
        },
        owner: Some((if is_by_hand { BY_HAND } else { source }, &one.declared)),
        settings: Some((before, after, spec)),
        row,
    })
}

/// Schedules as they are defined: those that are named, or all.
///
/// # Errors
/// `NotFound`.
pub(crate) fn export(read: &Read<'_>, ids: &[ScheduleId]) -> Result<Vec<(ScheduleId, Definition, State)>, Error> {
    let rows = if ids.is_empty() {
        read.schedules(None, None)?
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
