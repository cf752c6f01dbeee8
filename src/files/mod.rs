//! ON PAPER: definitions in files, with line and column. Never sees the file that tempo keeps.

pub(crate) mod crontab;
pub(crate) mod definition;
pub(crate) mod difference;
mod fault;
pub(crate) mod paper;
pub(crate) mod steps;
pub(crate) mod tree;
pub(crate) mod written;

/// The JSON Schema of a definitions file, made from its types.
pub(crate) const SCHEMA: &str = include_str!("schema.json");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_schema_is_that_of_the_types() {
        let schema = schemars::schema_for!(written::File);
        let made = serde_json::to_string_pretty(&schema).unwrap() + "\n";
        if crate::machine::variable("BLESS").is_some() {
            let committed = concat!(env!("CARGO_MANIFEST_DIR"), "/src/files/schema.json");
            std::fs::write(committed, &made).unwrap();
            return;
        }
        assert!(made == SCHEMA, "stale: run `BLESS=1 cargo test --lib the_schema`");
    }
}
