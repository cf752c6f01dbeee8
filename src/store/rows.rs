//! From columns to values and back, and from SQLite's errors to ours.

use chrono::{DateTime, Utc};
use rusqlite::ErrorCode;

use crate::error::{Error, Kind};

/// Milliseconds since the epoch.
pub(super) fn ms(at: DateTime<Utc>) -> i64 {
    at.timestamp_millis()
}

/// The instant of so many milliseconds; the end of time where there is none.
pub(super) fn at(ms: i64) -> DateTime<Utc> {
    DateTime::from_timestamp_millis(ms).unwrap_or(DateTime::<Utc>::MAX_UTC)
}

/// The instant in a column that may be null.
pub(super) fn at_opt(ms: Option<i64>) -> Option<DateTime<Utc>> {
    ms.map(at)
}

/// Says what was attempted when SQLite fails.
pub(super) trait Context<T> {
    /// `what` follows "cannot".
    fn context(self, what: &str) -> Result<T, Error>;
}

impl<T> Context<T> for rusqlite::Result<T> {
    fn context(self, what: &str) -> Result<T, Error> {
        self.map_err(|e| {
            let hint = match e.sqlite_error_code() {
                Some(ErrorCode::DiskFull) => Some("The disk is full: free some space; what was acknowledged before is safe."),
                Some(ErrorCode::ReadOnly) => Some("The database is read-only: check who owns the file and its folder."),
                Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
                    Some("Another process holds the database; try again.")
                }
                Some(ErrorCode::NotADatabase) => Some("This is not a database of tempo's: name another file with `--db`."),
                Some(ErrorCode::DatabaseCorrupt) => Some("The database is damaged: keep a copy of it, and restore a backup."),
                _ => None,
            };
            // What cannot be read as the schema has it, or is refused by it, is damage as well.
            let is_damage = match e.sqlite_error_code() {
                Some(code) => matches!(
                    code,
                    ErrorCode::DatabaseCorrupt
                        | ErrorCode::NotADatabase
                        | ErrorCode::ConstraintViolation
                        | ErrorCode::TypeMismatch
                ),
                None => true,
            };
            let error = Error::new(Kind::System, format_args!("cannot {what}")).because(e);
            let error = if is_damage { error.damage() } else { error };
            match hint {
                Some(hint) => error.hint(hint),
                None => error,
            }
        })
    }
}

/// A count as the file keeps it.
pub(super) fn count(n: u64) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}

/// Reads a text column that must be one of our names.
pub(super) fn named<T>(what: &str, text: &str, found: Option<T>) -> Result<T, Error> {
    found.ok_or_else(|| Error::new(Kind::System, format_args!("the database holds the unknown {what} `{text}`")).damage())
}

/// Reads a JSON column.
pub(super) fn json<T: serde::de::DeserializeOwned>(what: &str, text: &str) -> Result<T, Error> {
    serde_json::from_str(text).map_err(|e| {
        Error::new(Kind::System, format_args!("the database holds a broken {what}"))
            .because(e)
            .damage()
    })
}

/// Writes a JSON column.
pub(super) fn to_json<T: serde::Serialize>(what: &str, value: &T) -> Result<String, Error> {
    serde_json::to_string(value).map_err(|e| Error::new(Kind::System, format_args!("cannot write the {what} as JSON")).because(e))
}
