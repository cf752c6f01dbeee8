//! Conversions between columns and values, and from SQLite's errors to ours.

use chrono::{DateTime, Utc};
use rusqlite::types::{FromSql, FromSqlResult, ValueRef};
use rusqlite::{ErrorCode, Row, RowIndex};

use crate::error::{Error, Kind};

/// The beginning of year 1 and the end of year 9999, in milliseconds since the epoch: times can be added to and shown in any zone.
const INSTANTS: std::ops::RangeInclusive<i64> = -62_135_596_800_000..=253_402_300_799_999;

/// Converts an instant to milliseconds since the epoch.
pub(super) fn ms(at: DateTime<Utc>) -> i64 {
    at.timestamp_millis()
}

/// Converts milliseconds since the epoch to an instant from year 1 to 9999; the first or last of them if out of range.
pub(super) fn at(ms: i64) -> DateTime<Utc> {
    DateTime::from_timestamp_millis(ms.clamp(*INSTANTS.start(), *INSTANTS.end())).unwrap_or_default()
}

/// Converts a nullable column to an instant.
pub(super) fn at_opt(ms: Option<i64>) -> Option<DateTime<Utc>> {
    ms.map(at)
}

/// Text whose bytes that are not UTF-8 are replaced.
struct Text(String);

impl FromSql for Text {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        if let ValueRef::Text(bytes) = value {
            return Ok(Self(String::from_utf8_lossy(bytes).into_owned()));
        }
        String::column_result(value).map(Self)
    }
}

/// Reads text that is shown, passed on or compared. A byte that is not UTF-8, which only damage leaves, is replaced: it must not make the whole row
/// unreadable.
pub(super) fn text(row: &Row<'_>, column: impl RowIndex) -> rusqlite::Result<String> {
    row.get(column).map(|Text(text)| text)
}

/// Like [`text`], for a nullable column.
pub(super) fn text_opt(row: &Row<'_>, column: impl RowIndex) -> rusqlite::Result<Option<String>> {
    let found: Option<Text> = row.get(column)?;
    Ok(found.map(|Text(text)| text))
}

/// Adds to SQLite's errors what was attempted.
pub(super) trait Context<T> {
    /// Converts the error; `what` completes the sentence "cannot ...".
    fn context(self, what: &str) -> Result<T, Error>;
}

impl<T> Context<T> for rusqlite::Result<T> {
    fn context(self, what: &str) -> Result<T, Error> {
        self.map_err(|e| {
            let extended = e.sqlite_error().map(|e| e.extended_code);
            let hint = match e.sqlite_error_code() {
                // The index of the log cannot grow.
                _ if extended == Some(rusqlite::ffi::SQLITE_IOERR_SHMSIZE) => {
                    Some("The disk is full: free some space. Changes acknowledged earlier are safe.")
                }
                Some(ErrorCode::DiskFull) => Some("The disk is full: free some space. Changes acknowledged earlier are safe."),
                Some(ErrorCode::ReadOnly) => {
                    Some("The database is read-only: check the permissions of the file and its directory.")
                }
                Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
                    Some("Another process is using the database; try again.")
                }
                Some(ErrorCode::NotADatabase) => Some("Choose another file."),
                Some(ErrorCode::DatabaseCorrupt) => Some("The database is damaged: keep a copy of it and restore a backup."),
                _ => None,
            };
            // Only the log can be too short, which another program has truncated; a short database file is corrupt.
            let is_truncated = extended == Some(rusqlite::ffi::SQLITE_IOERR_SHORT_READ);
            let message = e.to_string();
            let lacks = |what: &str| message.starts_with(&format!("no such {what}"));
            // Values that do not fit the schema or violate a constraint are damage too.
            let is_damage = is_truncated
                || lacks("table")
                || lacks("column")
                || lacks("index")
                || message.contains(" has no column named ")
                || match e.sqlite_error_code() {
                    Some(code) => matches!(
                        code,
                        ErrorCode::DatabaseCorrupt
                            | ErrorCode::NotADatabase
                            | ErrorCode::ConstraintViolation
                            | ErrorCode::TypeMismatch
                    ),
                    None => true,
                };
            let error = if e.sqlite_error_code() == Some(ErrorCode::NotADatabase) {
                Error::new(Kind::System, format_args!("cannot {what}: the file is not a SQLite database"))
            } else {
                Error::new(Kind::System, format_args!("cannot {what}")).because(e)
            };
            let error = if is_damage { error.damage() } else { error };
            match hint {
                Some(hint) => error.hint(hint),
                None => error,
            }
        })
    }
}

/// Converts a count to a column value; saturates.
pub(super) fn count(n: u64) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}

/// Checks a text column that must contain a known name.
pub(super) fn named<T>(what: &str, text: &str, found: Option<T>) -> Result<T, Error> {
    found.ok_or_else(|| {
        Error::new(
            Kind::System,
            format_args!("the database contains an unknown {what}: `{text}`"),
        )
        .damage()
    })
}

/// Parses a JSON column.
pub(super) fn json<T: serde::de::DeserializeOwned>(what: &str, text: &str) -> Result<T, Error> {
    serde_json::from_str(text).map_err(|e| {
        Error::new(Kind::System, format_args!("the database contains an invalid {what}"))
            .because(e)
            .damage()
    })
}

/// Serializes a value for a JSON column.
pub(super) fn to_json<T: serde::Serialize>(what: &str, value: &T) -> Result<String, Error> {
    serde_json::to_string(value).map_err(|e| Error::new(Kind::System, format_args!("cannot write the {what} as JSON")).because(e))
}
