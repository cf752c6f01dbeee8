//! Edits one schedule as text: its definition in TOML, as files have it.

use chrono::{DateTime, Utc};

use super::{DefinitionFile, Difference, FieldsOfNew, Prune, compare, export, redefine};
use crate::error::{Error, Kind};
use crate::files::definition::{self, FileSchedule};
use crate::files::document::Source;
use crate::files::schedule_text::{self, ScheduleText};
use crate::files::vars;
use crate::names::ScheduleId;
use crate::spec::Spec;
use crate::spec::zone::Zones;
use crate::store::{Read, Write};

/// Returns the definition of a schedule as TOML.
///
/// # Errors
/// `NotFound` when there is no such schedule.
pub(crate) fn definition_text(read: &Read<'_>, id: &ScheduleId) -> Result<String, Error> {
    let exported = export(read, std::slice::from_ref(id))?;
    let texts = exported
        .iter()
        .map(|(id, definition, state)| ScheduleText::of(id, definition, state));
    schedule_text::toml(&vars::file_of(texts.collect(), Vec::new())?)
}

/// Replaces the definition of a schedule: `edited` in place of `original`, which must still be its definition.
///
/// # Errors
/// `Usage`, with its place, when the text is invalid or defines another schedule; `Conflict` when the schedule has changed; `NotFound`.
pub(crate) fn edit(
    write: &Write<'_>,
    zones: &dyn Zones,
    id: &ScheduleId,
    (original, edited): (&Source<'_>, &Source<'_>),
    now: DateTime<Utc>,
) -> Result<Difference, Error> {
    let after = parse(id, edited, zones)?;
    redefine(write, zones, &parse(id, original, zones)?, after, now)
}

/// Checks an edited definition; returns what it would change, and its compiled spec.
///
/// # Errors
/// As [`edit`].
pub(crate) fn check_edit(
    read: &Read<'_>,
    zones: &dyn Zones,
    id: &ScheduleId,
    edited: &Source<'_>,
    now: DateTime<Utc>,
) -> Result<(Difference, Spec), Error> {
    let after = parse(id, edited, zones)?;
    let spec = after.spec.clone();
    let file = DefinitionFile {
        source: edited.name.to_owned(),
        defined: vec![after],
        receivers: Vec::new(),
    };
    let file = DefinitionFile::definitions(vec![file]);
    let difference = compare(read, file, Prune::No, FieldsOfNew::Listed, now)?.pop();
    let difference = difference.ok_or_else(|| Error::new(Kind::NotFound, "the text defines no schedule"))?;
    Ok((difference, spec))
}

/// Parses a text that must define this schedule and no other.
fn parse(id: &ScheduleId, source: &Source<'_>, zones: &dyn Zones) -> Result<FileSchedule, Error> {
    let mut defined = definition::parse(source, zones)?;
    match defined.schedules.pop() {
        Some(one) if defined.schedules.is_empty() && defined.receivers.is_empty() && one.id == *id => Ok(one),
        _ => Err(Error::new(
            Kind::Usage,
            format_args!("the file must define the schedule `{id}` and no other"),
        )
        .hint("To rename a schedule, create one with the new id and delete the old one.")),
    }
}
