//! Definitions in files, with errors that show line and column. No access to the database.

pub(crate) mod crontab;
pub(crate) mod definition;
mod deserialize;
pub(crate) mod difference;
pub(crate) mod document;
mod node;
mod notify_check;
mod notify_mail;
pub(crate) mod notify_text;
mod one_or_many;
mod parse_error;
mod schedule_table;
pub(crate) mod schedule_text;
pub(crate) mod shell_words;
pub(crate) mod source_file;
pub(crate) mod steps;
pub(crate) mod vars;

/// The JSON Schema of a definition file, generated from its types.
pub(crate) const SCHEMA: &str = include_str!("schema.json");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_schema_matches_the_types() {
        let schema = schemars::schema_for!(schedule_text::File);
        let generated = serde_json::to_string_pretty(&schema).unwrap() + "\n";
        if crate::machine::variable("BLESS").is_some() {
            let committed = concat!(env!("CARGO_MANIFEST_DIR"), "/src/files/schema.json");
            std::fs::write(committed, &generated).unwrap();
            return;
        }
        assert!(generated == SCHEMA, "stale: run `BLESS=1 cargo test --lib the_schema`");
    }
}
