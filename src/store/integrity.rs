//! Checks a database for damage.

use rusqlite::{ErrorCode, OptionalExtension as _};

use super::Store;
use super::rows::Context as _;
use crate::error::Error;

impl Store {
    /// Runs SQLite's integrity check; returns one line for each problem.
    pub(crate) fn check(&self) -> Result<Vec<String>, Error> {
        let mut statement = self
            .connection
            .prepare("PRAGMA integrity_check")
            .context("check the database")?;
        let rows = statement
            .query_map([], |r| r.get::<_, String>(0))
            .context("check the database")?;
        let lines: Vec<String> = rows.collect::<rusqlite::Result<_>>().context("check the database")?;
        let mut problems: Vec<String> = lines.into_iter().filter(|l| l != "ok").collect();
        problems.extend(self.unreadable()?);
        Ok(problems)
    }

    /// The tables and indexes that cannot be read at all: SQLite's check does not look into those without entries.
    fn unreadable(&self) -> Result<Vec<String>, Error> {
        const SQL: &str = "SELECT type, name, tbl_name, sql FROM sqlite_schema WHERE rootpage > 0";
        let what = "check the database";
        let mut statement = self.connection.prepare(SQL).context(what)?;
        let rows = statement.query_map([], |r| {
            let (kind, name, table): (String, String, String) = (r.get("type")?, r.get("name")?, r.get("tbl_name")?);
            // A partial index serves only queries with its condition.
            let sql = r.get::<_, Option<String>>("sql")?.unwrap_or_default();
            let condition = sql
                .find("WHERE")
                .filter(|_| kind == "index")
                .map_or("", |at| &sql[at..])
                .to_owned();
            Ok((kind, name, table, condition))
        });
        let all: Vec<_> = rows.context(what)?.collect::<rusqlite::Result<_>>().context(what)?;
        let mut problems = Vec::new();
        for (kind, name, table, condition) in all {
            let by = if kind == "index" {
                format!("INDEXED BY \"{name}\"")
            } else {
                String::new()
            };
            let sql = format!("SELECT 1 FROM \"{table}\" {by} {condition} LIMIT 1");
            match self.connection.query_row(&sql, [], |_| Ok(())).optional() {
                Ok(_) => {}
                Err(e) if e.sqlite_error_code() == Some(ErrorCode::DatabaseCorrupt) => {
                    problems.push(format!("the {kind} `{name}` cannot be read: {e}"));
                }
                Err(e) => return Err(e).context(what),
            }
        }
        Ok(problems)
    }
}
