//! Values for `{{ vars.NAME }}` in the strings of a definition file.

use std::collections::BTreeMap;

use super::document::{Node, Source};
use super::schedule_text::VarText;
use crate::error::Error;
use crate::names::suggestion;

/// The prefix of the name in a placeholder.
const VARS: &str = "vars.";
/// Maximum length of a placeholder, in bytes.
const MAX_PLACEHOLDER: usize = 256;
/// Maximum size of all strings of a file in which variables are filled in.
const MAX_FILLED: usize = 16 * 1024 * 1024;

/// Whether a file may have a placeholder.
pub(super) fn may_occur(text: &str) -> bool {
    text.contains("{{") && text.contains(VARS)
}

impl Source<'_> {
    /// Replaces `{{ vars.NAME }}` in all strings of some nodes, but not in keys. Other braces stay as they are: programs such as Docker have templates of their own.
    ///
    /// # Errors
    /// `Usage` with line and column for a name that is not in `vars`.
    pub(super) fn fill_in<'n>(
        &self,
        nodes: impl IntoIterator<Item = &'n mut Node>,
        vars: &BTreeMap<String, VarText>,
    ) -> Result<(), Error> {
        let mut total = 0;
        let mut fill = |at, text: &str| {
            let filled = filled_in(text, vars);
            total += filled.as_ref().map_or(0, |filled| filled.as_ref().map_or(0, String::len));
            if total > MAX_FILLED {
                let message = format!("the variables of the file fill more than {} MiB", MAX_FILLED / (1024 * 1024));
                return Err(self.error_at(at, message));
            }
            filled.map_err(|name| {
                let names: Vec<&str> = vars.keys().map(String::as_str).collect();
                let error = self.error_at(at, format_args!("`[vars]` has no variable `{}`", name.escape_debug()));
                if names.is_empty() {
                    return error.hint("Add a table `[vars]` to the file.");
                }
                error.hint(suggestion(&name, &names))
            })
        };
        nodes.into_iter().try_for_each(|node| node.each_text(&mut fill))
    }
}

/// A text with the values of its placeholders, or the first name that has none.
fn filled_in(text: &str, vars: &BTreeMap<String, VarText>) -> Result<Option<String>, String> {
    let mut filled = String::new();
    let mut rest = text;
    while let Some((before, placeholder)) = rest.split_once("{{") {
        filled += before;
        let nearby = &placeholder[..placeholder.floor_char_boundary(MAX_PLACEHOLDER)];
        let name = nearby
            .find("}}")
            .map(|end| (placeholder[..end].trim(), &placeholder[end + 2..]));
        if let Some((name, after)) = name
            && let Some(name) = name.strip_prefix(VARS)
        {
            filled += &vars.get(name).ok_or_else(|| name.to_owned())?.to_string();
            rest = after;
            if filled.len() > MAX_FILLED {
                break;
            }
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
