//! Receivers of notifications: defined by files or by hand; and their messages that were given up.

use std::collections::HashMap;
use std::sync::Arc;

use chrono::{DateTime, Utc};

use super::comparison::{Change, DefinedKind, Difference, Prune};
use crate::error::{Error, Kind};
use crate::files::definition::FileReceiver;
use crate::files::difference::{self, FieldChange};
use crate::files::notify_text::NotifyText;
use crate::names::{ReceiverName, nearest};
use crate::store::{EventKind, MessageRow, Read, ReceiverRow, Write};

/// Minimum length of a prefix that names a message.
const MIN_PREFIX: usize = 6;

/// A change to a receiver.
pub(super) enum ReceiverChange {
    Put {
        text: Box<NotifyText>,
        source: String,
        /// The event of the change, if the definition itself changes.
        event: Option<(EventKind, String)>,
    },
    Delete(Box<ReceiverRow>),
    None,
}

/// Finds a receiver.
///
/// # Errors
/// `NotFound`, with the closest name as a hint.
pub(crate) fn find_receiver(read: &Read<'_>, name: &ReceiverName) -> Result<ReceiverRow, Error> {
    if let Some(row) = read.receiver(name.as_str())? {
        return Ok(row);
    }
    let error = Error::new(Kind::NotFound, format_args!("no receiver is named `{name}`"));
    let names: Vec<String> = read.receivers()?.into_iter().map(|row| row.name).collect();
    Err(match nearest(name.as_str(), names.iter().map(String::as_str)) {
        Some(near) => error.hint(format_args!("Did you mean `{near}`?")),
        None if names.is_empty() => {
            error.hint("There are no receivers yet. Add one with `tempo notify add`, or as `[[notify]]` in a definition file.")
        }
        None => error.hint("Run `tempo notify list` to see them all."),
    })
}

/// Adds a receiver, which has been checked; it gets the events from now on.
///
/// # Errors
/// `Conflict` when the name is taken.
pub(crate) fn add_receiver(write: &Write<'_>, text: &NotifyText, now: DateTime<Utc>) -> Result<(), Error> {
    if write.receiver(&text.name)?.is_some() {
        return Err(Error::new(
            Kind::Conflict,
            format_args!("a receiver named `{}` already exists", text.name),
        )
        .hint(format_args!(
            "Choose another name, or remove it with `tempo notify remove {}`, which also deletes its undelivered messages.",
            text.name
        )));
    }
    let event = (EventKind::NotifyAdd, text.name.as_str());
    write.put_receiver(&text.name, (&text.json(), None), Some(event), now)
}

/// Removes a receiver with its messages.
///
/// # Errors
/// `NotFound` when there is no such receiver.
pub(crate) fn remove_receiver(write: &Write<'_>, name: &ReceiverName, now: DateTime<Utc>) -> Result<(), Error> {
    let row = find_receiver(write, name)?;
    write.delete_receiver(&row, now)
}

/// Sends messages again that are not delivered: those of a receiver, the one with an id or a prefix of it, or all that were given up if `names` is
/// empty. Returns how many.
///
/// # Errors
/// `NotFound` when a name is neither a receiver nor such a message.
pub(crate) fn retry_messages(write: &Write<'_>, names: &[String], now: DateTime<Utc>) -> Result<u64, Error> {
    let mut chosen: Vec<MessageRow> = Vec::new();
    if names.is_empty() {
        chosen = write.messages(None, true)?;
    }
    for name in names {
        if write.receiver(name)?.is_some() {
            chosen.extend(write.messages(Some(name), false)?);
            continue;
        }
        let all = write.messages(None, false)?;
        let found: Vec<MessageRow> = all
            .into_iter()
            .filter(|message| name.len() >= MIN_PREFIX && message.id.starts_with(name.as_str()))
            .collect();
        if found.is_empty() {
            return Err(Error::new(
                Kind::NotFound,
                format_args!("no receiver or undelivered message is named `{}`", name.escape_debug()),
            )
            .hint("Run `tempo notify list --failed` to see the messages that failed."));
        }
        chosen.extend(found);
    }
    for message in &chosen {
        write.retry_message(message.key, now)?;
    }
    Ok(chosen.len() as u64)
}

/// Returns what the receivers of files would change, and each change; each receiver is given with the path of its file.
pub(super) fn compare_receivers(
    read: &Read<'_>,
    receivers: &[(Arc<str>, FileReceiver)],
    prune: Prune<'_>,
) -> Result<Vec<(Difference, ReceiverChange)>, Error> {
    let mut places: HashMap<&str, &str> = HashMap::new();
    let mut changes = Vec::new();
    for (source, one) in receivers {
        let name = one.text.name.as_str();
        if let Some(other) = places.insert(name, &one.place) {
            let twice = format_args!("receiver `{name}` is already defined in {other}");
            return Err(Error::new(Kind::Usage, twice).within(&one.place));
        }
        let stored = read.receiver(name)?;
        let before = stored.as_ref().map(|row| NotifyText::of_json(&row.definition)).transpose()?;
        let fields = difference::between_receivers(before.as_ref(), Some(&one.text));
        let is_same_source = stored.as_ref().is_some_and(|row| row.source.as_deref() == Some(&**source));
        let change = match &before {
            None => Change::Create,
            Some(before) if *before == one.text => Change::None,
            Some(_) => Change::Update,
        };
        let step = if change == Change::None && is_same_source {
            ReceiverChange::None
        } else {
            ReceiverChange::Put {
                text: Box::new(one.text.clone()),
                source: source.to_string(),
                event: event_of(name, change, &fields),
            }
        };
        let mut difference = difference_of(name, change);
        (difference.fields, difference.line) = (fields, Some(one.line));
        changes.push((difference, step));
    }
    for row in read.receivers()? {
        if row.source.as_deref().is_some_and(|source| prune.covers(source)) && !places.contains_key(row.name.as_str()) {
            changes.push((
                difference_of(&row.name, Change::Delete),
                ReceiverChange::Delete(Box::new(row)),
            ));
        }
    }
    Ok(changes)
}

/// Makes a change that [`compare_receivers`] found.
pub(super) fn change_receiver(write: &Write<'_>, change: &ReceiverChange, now: DateTime<Utc>) -> Result<(), Error> {
    match change {
        ReceiverChange::Put { text, source, event } => {
            let event = event.as_ref().map(|(kind, detail)| (*kind, detail.as_str()));
            write.put_receiver(&text.name, (&text.json(), Some(source)), event, now)
        }
        ReceiverChange::Delete(row) => write.delete_receiver(row, now),
        ReceiverChange::None => Ok(()),
    }
}

fn event_of(name: &str, change: Change, fields: &[FieldChange]) -> Option<(EventKind, String)> {
    match change {
        Change::Create => Some((EventKind::NotifyAdd, name.to_owned())),
        Change::Update => {
            let fields: Vec<&str> = fields.iter().map(|field| field.name.as_str()).collect();
            Some((EventKind::NotifyUpdate, format!("{name}: {}", fields.join(", "))))
        }
        Change::Delete | Change::None => None,
    }
}

fn difference_of(name: &str, change: Change) -> Difference {
    Difference {
        id: name.to_owned(),
        kind: DefinedKind::Receiver,
        change,
        fields: Vec::new(),
        line: None,
        warnings: Vec::new(),
        paused: true,
        spec_text: String::new(),
    }
}
