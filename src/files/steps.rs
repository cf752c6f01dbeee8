//! Steps from a file: `[[step]]` tables in TOML, or the same as JSON.

use serde::Deserialize;

use crate::error::{Error, Kind};
use crate::run::written::StepText;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct StepsFile {
    step: Vec<StepText>,
}

/// Reads steps; `name` is what the file is called in errors.
///
/// # Errors
/// `Usage` with line and column.
pub(crate) fn parse(text: &str, name: &str) -> Result<Vec<StepText>, Error> {
    let hint = "Write `[[step]]` tables with `name` and `probe`, `command` or `shell`; or the same as JSON.";
    if text.trim_start().starts_with(['{', '[']) && !text.trim_start().starts_with("[[") {
        let parsed = if text.trim_start().starts_with('[') {
            serde_json::from_str::<Vec<StepText>>(text)
        } else {
            serde_json::from_str::<StepsFile>(text).map(|f| f.step)
        };
        return parsed.map_err(|e| Error::new(Kind::Usage, format_args!("{name}: {e}")).hint(hint));
    }
    toml::from_str::<StepsFile>(text).map(|f| f.step).map_err(|e| {
        let (line, column) = e.span().map_or((1, 1), |s| place(text, s.start));
        Error::new(Kind::Usage, format_args!("{name}:{line}:{column}: {}", e.message())).hint(hint)
    })
}

/// Line and column, counted from 1, of a byte.
fn place(text: &str, at: usize) -> (usize, usize) {
    let before = &text[..at.min(text.len())];
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().map_or(0, |l| l.chars().count()) + 1;
    (line, column)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn toml_and_json_say_the_same() {
        let toml = "[[step]]\nname = \"a\"\nprobe = { url = \"http://x/\", status = 204 }\n[[step]]\nname = \"b\"\ncommand = [\"true\"]\n";
        let json = r#"{"step":[{"name":"a","probe":{"url":"http://x/","status":204}},{"name":"b","command":["true"]}]}"#;
        assert_eq!(parse(toml, "f").unwrap(), parse(json, "f").unwrap());
    }

    #[test]
    fn what_is_wrong_is_told_with_line_and_column() {
        let e = parse("[[step]]\nname = \"a\"\nprobes = 1\n", "steps.toml").unwrap_err();
        assert!(e.to_string().starts_with("steps.toml:3:1: unknown field `probes`"), "{e}");
    }
}
