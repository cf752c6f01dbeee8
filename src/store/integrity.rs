//! Checks a database for damage.

use rusqlite::types::ValueRef;
use rusqlite::{Connection, ErrorCode, OptionalExtension as _};
use serde_json::Value;

use super::rows::{Context as _, json};
use super::{Read, Store, migrations};
use crate::error::{Error, Kind};
use crate::run::step::Workflow;
use crate::schedule::Alerts;
use crate::spec::spec_text::SpecText;

impl Store {
    /// Checks the database; returns one line for each problem.
    pub(crate) fn check(&self) -> Result<Vec<String>, Error> {
        problems(&self.connection)
    }
}

/// Checks a database; returns one line for each problem. SQLite knows of no CHECK constraints if the connection can only read.
pub(super) fn problems(connection: &Connection) -> Result<Vec<String>, Error> {
    // One snapshot, because counts are compared; it ends when this is dropped.
    let _snapshot = connection.unchecked_transaction().context("check the database")?;
    let mut statement = connection.prepare("PRAGMA integrity_check").context("check the database")?;
    let rows = statement
        .query_map([], |r| r.get::<_, String>(0))
        .context("check the database")?;
    let lines: Vec<String> = rows.collect::<rusqlite::Result<_>>().context("check the database")?;
    let mut problems: Vec<String> = lines.into_iter().filter(|l| l != "ok").collect();
    problems.extend(further_problems(connection)?);
    // Older versions have other tables.
    if problems.is_empty() && migrations::version(connection)? == migrations::newest() {
        problems.extend(missing_tables(connection)?);
        if problems.is_empty() {
            problems.extend(missing_rows(connection)?);
            problems.extend(text_not_utf8(connection)?);
            problems.extend(unreadable_definitions(connection)?);
            let missing = Read(connection).missing_due_times()?;
            problems.extend(
                missing
                    .iter()
                    .map(|id| format!("schedule {id} is missing from the list of due times")),
            );
        }
    }
    Ok(problems)
}

/// The tables, columns and indexes that a database of the current version has, and this one has not.
fn missing_tables(connection: &Connection) -> Result<Vec<String>, Error> {
    const SQL: &str = "SELECT type || ' `' || name || '`' AS named FROM sqlite_schema WHERE type IN ('table', 'index')
        UNION ALL SELECT 'column `' || s.name || '.' || c.name || '`' FROM sqlite_schema s JOIN pragma_table_info(s.name) c WHERE s.type = 'table'
        ORDER BY named DESC";
    let what = "check the database";
    let names = |connection: &Connection| -> Result<Vec<String>, Error> {
        let mut statement = connection.prepare(SQL).context(what)?;
        let rows = statement.query_map([], |r| r.get("named")).context(what)?;
        let names: Vec<String> = rows.collect::<rusqlite::Result<_>>().context(what)?;
        // As SQLite compares names.
        Ok(names.iter().map(|name| name.to_ascii_lowercase()).collect())
    };
    let mut complete = Connection::open_in_memory().context(what)?;
    migrations::migrate(&mut complete, "a new database")?;
    let found = names(connection)?;
    let missing = names(&complete)?.into_iter().filter(|name| !found.contains(name));
    Ok(missing.map(|name| format!("the {name} is missing")).collect())
}

/// The rows whose parent is missing.
fn missing_rows(connection: &Connection) -> Result<Vec<String>, Error> {
    let what = "check the database";
    let mut statement = connection.prepare("PRAGMA foreign_key_check").context(what)?;
    let rows = statement.query_map([], |r| Ok((r.get::<_, String>("table")?, r.get::<_, String>("parent")?)));
    let rows: Vec<_> = rows.context(what)?.collect::<rusqlite::Result<_>>().context(what)?;
    let shown = |(table, parent)| format!("a row of the table `{table}` belongs to a row of `{parent}` that is missing");
    Ok(rows.into_iter().map(shown).collect())
}

/// The columns that contain text which is not UTF-8, each with its number of rows. SQLite stores any bytes.
fn text_not_utf8(connection: &Connection) -> Result<Vec<String>, Error> {
    const TABLES: &str = "SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name";
    let what = "check the database";
    let mut statement = connection.prepare(TABLES).context(what)?;
    let tables = statement.query_map([], |r| r.get::<_, String>("name")).context(what)?;
    let mut problems = Vec::new();
    for table in tables {
        let table = table.context(what)?;
        let sql = format!("SELECT * FROM \"{}\"", table.replace('"', "\"\""));
        let mut statement = connection.prepare(&sql).context(what)?;
        let columns: Vec<String> = statement.column_names().map(str::to_owned).collect();
        let mut rows_of = vec![0_u64; columns.len()];
        let mut rows = statement.query([]).context(what)?;
        while let Some(row) = rows.next().context(what)? {
            for (column, rows) in rows_of.iter_mut().enumerate() {
                if let ValueRef::Text(bytes) = row.get_ref(column).context(what)? {
                    *rows += u64::from(std::str::from_utf8(bytes).is_err());
                }
            }
        }
        for (column, rows) in columns.iter().zip(rows_of).filter(|(_, rows)| *rows > 0) {
            problems.push(format!(
                "the column `{table}.{column}` contains text that is not UTF-8 (rows: {rows})"
            ));
        }
    }
    Ok(problems)
}

/// The definitions of schedules and receivers that cannot be read.
fn unreadable_definitions(connection: &Connection) -> Result<Vec<String>, Error> {
    let what = "check the database";
    let mut problems = Vec::new();
    let mut read = |sql: &str, check: &dyn Fn(&str) -> Result<(), Error>| -> Result<(), Error> {
        let mut statement = connection.prepare(sql).context(what)?;
        let mut rows = statement.query([]).context(what)?;
        while let Some(row) = rows.next().context(what)? {
            let owner = row.get_ref("owner").context(what)?;
            let owner = owner.as_bytes_or_null().ok().flatten().unwrap_or_default();
            let text = row.get::<_, Option<String>>("text").context(what);
            if let Err(e) = text.and_then(|text| text.as_deref().map_or(Ok(()), check)) {
                problems.push(format!("{}: {e}", String::from_utf8_lossy(owner).escape_debug()));
            }
        }
        Ok(())
    };
    read("SELECT 'schedule ' || id AS owner, spec AS text FROM schedule", &|text| {
        json::<SpecText>("spec", text).map(drop)
    })?;
    read("SELECT 'schedule ' || id AS owner, alerts AS text FROM schedule", &|text| {
        json::<Alerts>("alert settings", text).map(drop)
    })?;
    read(
        "SELECT 'schedule ' || s.id AS owner, w.json AS text FROM schedule s JOIN workflow w ON w.key = s.workflow
        UNION ALL SELECT 'run ' || r.run_id, w.json FROM run r JOIN workflow w ON w.key = r.workflow WHERE r.closed_ms IS NULL",
        &|text| Workflow::check(&json("action", text)?).map(drop),
    )?;
    read(
        "SELECT 'run ' || r.run_id AS owner, CAST(r.position AS TEXT) AS text FROM run r JOIN workflow w ON w.key = r.workflow
        WHERE r.closed_ms IS NULL
            AND CASE WHEN json_valid(w.json) THEN r.position NOT BETWEEN 0 AND json_array_length(w.json, '$.steps') - 1 END",
        &|position| {
            Err(Error::new(
                Kind::System,
                format_args!("the stored position is not valid: {position}"),
            ))
        },
    )?;
    read(
        "SELECT 'receiver ' || name AS owner, definition AS text FROM receiver",
        &|text| json::<Value>("receiver", text).map(drop),
    )?;
    Ok(problems)
}

/// What SQLite's check does not find: tables and indexes without entries that cannot be read at all, and partial indexes with entries that their table
/// does not have.
fn further_problems(connection: &Connection) -> Result<Vec<String>, Error> {
    const SQL: &str = "SELECT type, name, tbl_name, sql FROM sqlite_schema WHERE rootpage > 0";
    let what = "check the database";
    let mut statement = connection.prepare(SQL).context(what)?;
    let rows = statement.query_map([], |r| {
        let (kind, name, table): (String, String, String) = (r.get("type")?, r.get("name")?, r.get("tbl_name")?);
        // A partial index serves only queries with its condition.
        let sql = r.get::<_, Option<String>>("sql")?.unwrap_or_default();
        let condition = sql.to_ascii_uppercase().find("WHERE").filter(|_| kind == "index");
        let condition = condition.map_or("", |at| &sql[at..]).to_owned();
        Ok((kind, name, table, condition))
    });
    let all: Vec<_> = rows.context(what)?.collect::<rusqlite::Result<_>>().context(what)?;
    let mut problems = Vec::new();
    for (kind, name, table, condition) in all {
        let quoted = |name: &str| name.replace('"', "\"\"");
        let by = if kind == "index" {
            format!("INDEXED BY \"{}\"", quoted(&name))
        } else {
            String::new()
        };
        let what = if condition.is_empty() { "1" } else { "count(*)" };
        let select = |by: &str| format!("SELECT {what} AS n FROM \"{}\" {by} {condition} LIMIT 1", quoted(&table));
        let ask = |sql: &str| connection.query_row(sql, [], |row| row.get::<_, i64>("n")).optional();
        match ask(&select(&by)) {
            // An index that somebody else has made may not serve this query; that is no damage.
            Err(e) if e.sqlite_error_code() == Some(ErrorCode::DatabaseCorrupt) => {
                problems.push(format!("the {kind} `{name}` cannot be read: {e}"));
            }
            Ok(indexed) if !condition.is_empty() => {
                // If the table cannot be read, that is found, too.
                if ask(&select("NOT INDEXED")).is_ok_and(|rows| rows != indexed) {
                    problems.push(format!("wrong number of entries in index {name}"));
                }
            }
            Ok(_) | Err(_) => {}
        }
    }
    Ok(problems)
}
