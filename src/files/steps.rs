//! Steps in a file: `[[step]]` tables in TOML, or the same in JSON.

use serde::Deserialize;

use super::document::Source;
use super::node::Node;
use crate::error::Error;
use crate::run::step_text::StepText;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    step: Vec<StepText>,
}

/// Whether a document contains steps rather than schedules.
pub(crate) fn are_in(tree: &Node) -> bool {
    let is_step = |node: &Node| node.field("name").is_some() && node.field("id").is_none();
    tree.field("step").is_some() || (tree.is_list() && tree.items().first().is_some_and(is_step))
}

/// Reads the steps of a file.
///
/// # Errors
/// `Usage` with line and column.
pub(crate) fn parse(source: &Source<'_>) -> Result<Vec<StepText>, Error> {
    let tree = source.tree()?;
    let steps = if tree.is_list() {
        source.read(&tree)
    } else {
        source.read::<File>(&tree).map(|f| f.step)
    };
    steps.map_err(|e| e.hint("Write `[[step]]` tables with `name` and `probe`, `command` or `shell`; or the same in JSON."))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Vec<StepText>, Error> {
        parse(&Source {
            name: "steps.toml",
            text,
        })
    }

    #[test]
    fn toml_and_json_are_equivalent() {
        let toml = "[[step]]\nname = \"a\"\nprobe = { url = \"http://x/\", status = 204 }\n[[step]]\nname = \"b\"\ncommand = [\"true\"]\n";
        let list = r#"[{"name":"a","probe":{"url":"http://x/","status":204}},{"name":"b","command":["true"]}]"#;
        let json = format!("{{\"step\":{list}}}");
        assert_eq!(read(toml).unwrap(), read(&json).unwrap());
        assert_eq!(read(toml).unwrap(), read(list).unwrap());
    }

    #[test]
    fn errors_show_line_column_and_a_suggestion() {
        let e = read("[[step]]\nname = \"a\"\nprobes = 1\n").unwrap_err();
        assert!(e.to_string().starts_with("steps.toml:3:1: unknown key `probes`"), "{e}");
        assert_eq!(e.hints()[0], "Did you mean `probe`?");
    }
}
