//! ON PAPER: definitions in files, with line and column. Never sees the file that tempo keeps.

pub(crate) mod crontab;
pub(crate) mod definition;
pub(crate) mod difference;
pub(crate) mod document;
mod parse_error;
pub(crate) mod schedule_text;
pub(crate) mod source_file;
pub(crate) mod steps;

/// The JSON Schema of a definitions file, made from its types.
pub(crate) const SCHEMA: &str = include_str!("schema.json");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_schema_is_that_of_the_types() {
        let schema = schemars::schema_for!(schedule_text::File);
        let made = serde_json::to_string_pretty(&schema).unwrap() + "\n";
        if crate::machine::variable("BLESS").is_some() {
            let committed = concat!(env!("CARGO_MANIFEST_DIR"), "/src/files/schema.json");
            std::fs::write(committed, &made).unwrap();
            return;
        }
        assert!(made == SCHEMA, "stale: run `BLESS=1 cargo test --lib the_schema`");
    }
}
