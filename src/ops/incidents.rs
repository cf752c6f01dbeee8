//! Finds, acknowledges and resolves incidents.

use chrono::{DateTime, Utc};

use crate::error::{Error, Kind};
use crate::run::outcome::{ErrorType, Failure};
use crate::store::{IncidentPolicy, IncidentRow, NewFailure, Read, Subject, Write};

/// Finds an incident.
///
/// # Errors
/// `NotFound` when there is no such incident.
pub(crate) fn find_incident(read: &Read<'_>, id: i64) -> Result<IncidentRow, Error> {
    read.incident(id)?.ok_or_else(|| {
        Error::new(Kind::NotFound, format_args!("no incident has the number {id}"))
            .hint("Run `tempo incident list --all` to see them all.")
    })
}

/// Acknowledges an incident; it stays open until its step succeeds.
///
/// # Errors
/// `NotFound`; `Conflict` when it is already resolved.
pub(crate) fn ack(write: &Write<'_>, id: i64, note: Option<&str>, now: DateTime<Utc>) -> Result<(), Error> {
    reject_resolved(&find_incident(write, id)?)?;
    write.ack_incident(id, note, now)
}

/// Resolves an incident; the next failure of its step opens a new one.
///
/// # Errors
/// `NotFound`; `Conflict` when it is already resolved.
pub(crate) fn resolve(write: &Write<'_>, id: i64, note: Option<&str>, now: DateTime<Utc>) -> Result<(), Error> {
    reject_resolved(&find_incident(write, id)?)?;
    write.close_incident(id, note, now)
}

/// Counts a failure to apply the definition files of the server in their incident, which it opens if there is none.
///
/// # Errors
/// `System` when it cannot be recorded.
pub(crate) fn definitions_failed(write: &Write<'_>, files: &str, message: &str, now: DateTime<Utc>) -> Result<(), Error> {
    let failure = Failure {
        error_type: ErrorType::UnexpectedBody,
        message: message.to_owned(),
    };
    let new = NewFailure {
        subject: Subject::Definitions,
        target_url: files,
        status_code: None,
        failure: &failure,
        elapsed_ms: 0,
    };
    write.count_failure(&new, &IncidentPolicy::default(), now).map(|_| ())
}

/// Resolves the incident of the definition files, if there is one: they have been applied.
///
/// # Errors
/// `System` when it cannot be recorded.
pub(crate) fn definitions_applied(write: &Write<'_>, now: DateTime<Utc>) -> Result<(), Error> {
    match write.incident_of_success(Subject::Definitions)? {
        Some(id) => write.count_success(Subject::Definitions, id, 1, now).map(|_| ()),
        None => Ok(()),
    }
}

fn reject_resolved(row: &IncidentRow) -> Result<(), Error> {
    if row.resolved.is_none() {
        return Ok(());
    }
    Err(
        Error::new(Kind::Conflict, format_args!("incident {} is already resolved", row.id))
            .hint("The next failure opens a new incident."),
    )
}
