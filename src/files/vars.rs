//! Values for `{{ vars.NAME }}` in the texts of a definition file.

use std::collections::BTreeMap;

use super::document::{Node, Source};
use super::schedule_text::VarText;
use crate::error::Error;
use crate::names::suggestion;

/// What a placeholder begins with, after spaces.
const VARS: &str = "vars.";

impl Source<'_> {
    /// Replaces `{{ vars.NAME }}` in all texts of a node. Other braces stay as they are: programs such as Docker have templates of their own.
    ///
    /// # Errors
    /// `Usage` with line and column for a name that is not in `vars`.
    pub(super) fn fill_in(&self, node: &mut Node, vars: &BTreeMap<String, VarText>) -> Result<(), Error> {
        node.each_text(&mut |at, text| {
            filled_in(text, vars).map_err(|name| {
                let names: Vec<&str> = vars.keys().map(String::as_str).collect();
                self.error_at(at, format_args!("`[vars]` has no `{}`", name.escape_debug()))
                    .hint(suggestion(&name, &names))
            })
        })
    }
}

/// A text with the values of its placeholders, or the first name that has none.
fn filled_in(text: &str, vars: &BTreeMap<String, VarText>) -> Result<Option<String>, String> {
    let mut filled = String::new();
    let mut rest = text;
    while let Some((before, placeholder)) = rest.split_once("{{") {
        filled += before;
        let name = placeholder.split_once("}}").map(|(name, after)| (name.trim(), after));
        if let Some((name, after)) = name
            && let Some(name) = name.strip_prefix(VARS)
        {
            filled += &vars.get(name).ok_or_else(|| name.to_owned())?.to_string();
            rest = after;
        } else {
            filled += "{{";
            rest = placeholder;
        }
    }
    filled += rest;
    Ok((filled != text).then_some(filled))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fills_in_placeholders_and_leaves_other_braces() {
        let vars = BTreeMap::from([
            ("host".to_owned(), VarText::Text("db1".to_owned())),
            ("port".to_owned(), VarText::Integer(5432)),
        ]);
        for (text, expected) in [
            ("http://{{ vars.host }}:{{vars.port}}/", Some("http://db1:5432/")),
            (
                "docker ps --format '{{.Names}}' -H {{ vars.host }}",
                Some("docker ps --format '{{.Names}}' -H db1"),
            ),
            ("{{ {{ vars.host }} }}", Some("{{ db1 }}")),
            ("{{ vars.host", None),
            ("{{ other.host }}", None),
            ("plain", None),
        ] {
            assert_eq!(filled_in(text, &vars), Ok(expected.map(str::to_owned)), "{text}");
        }
        assert_eq!(filled_in("{{ vars.hots }}", &vars), Err("hots".to_owned()));
    }
}
