//! Values for `{{ vars.NAME }}` in the strings of a definition file.

use std::collections::BTreeMap;

use super::document::Source;
use super::node::Node;
use serde_json::Value;

use super::notify_text::NotifyText;
use super::schedule_text::{File, ScheduleText, VarText};
use crate::error::{Error, Kind};
use crate::names::suggestion;
use crate::run::placeholder::fill;

/// The prefix of the name in a placeholder.
const VARS: &str = "vars.";
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
        let mut fill_in = |at, text: &str| {
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
        nodes.into_iter().try_for_each(|node| node.each_text(&mut fill_in))
    }

    /// Checks the table `[vars]`.
    ///
    /// # Errors
    /// `Usage` with line and column for a value that contains a variable.
    pub(super) fn check_vars(&self, vars: Option<&Node>) -> Result<(), Error> {
        let mut check = |at, text: &str| match filled_in(text, &BTreeMap::new()) {
            Ok(_) => Ok(None),
            Err(_) => Err(self.error_at(at, "the value of a variable cannot contain a variable")),
        };
        vars.map_or(Ok(()), |vars| vars.clone().each_text(&mut check))
    }
}

/// The variable for the braces of texts that only look like placeholders.
const BRACES: &str = "braces";

/// The file that defines schedules and receivers. Texts that look like placeholders are written so that reading the file gives these texts again.
///
/// # Errors
/// `System` when a text cannot be written.
pub(crate) fn file_of(schedule: Vec<ScheduleText>, notify: Vec<NotifyText>) -> Result<File, Error> {
    let file = File {
        schedule,
        notify,
        ..File::default()
    };
    let failed = |e| Error::new(Kind::System, "cannot write the definitions").because(e);
    let mut json = serde_json::to_value(&file).map_err(failed)?;
    if !protect(&mut json) {
        return Ok(file);
    }
    let mut file: File = serde_json::from_value(json).map_err(failed)?;
    file.vars.insert(BRACES.to_owned(), VarText::Text("{{".to_owned()));
    Ok(file)
}

/// Replaces the braces in texts that look like placeholders. Returns whether there are any.
fn protect(value: &mut Value) -> bool {
    match value {
        Value::String(text) if filled_in(text, &BTreeMap::new()).is_err() => {
            *text = text.replace("{{", &format!("{{{{ {VARS}{BRACES} }}}}"));
            true
        }
        Value::Array(items) => items.iter_mut().fold(false, |any, item| protect(item) | any),
        Value::Object(fields) => fields.iter_mut().fold(false, |any, (_, field)| protect(field) | any),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
    }
}

/// A text with the values of its placeholders, or the first name that has none.
fn filled_in(text: &str, vars: &BTreeMap<String, VarText>) -> Result<Option<String>, String> {
    fill(text, VARS, MAX_FILLED, |name| {
        vars.get(name).map(ToString::to_string).ok_or_else(|| name.to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::super::definition::{Definitions, parse};
    use super::super::schedule_text::toml;
    use super::*;
    use crate::schedule::State;
    use crate::zoneinfo::ZoneInfo;

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

    fn parse_text(text: &str) -> Result<Definitions, Error> {
        parse(&Source { name: "jobs.toml", text }, &ZoneInfo::compiled_in())
    }

    #[test]
    fn variables_are_filled_in_everywhere_and_unknown_ones_are_errors() {
        let file = |host: &str| {
            format!(
                "[vars]\nhost = 'db1'\nport = 5432\n[defaults]\nlabels = ['{{{{ vars.host }}}}']\n\
                [[notify]]\nname = 'r'\ncommand = 'mail {{{{ vars.host }}}}'\n\
                [[schedule]]\nid = 'dump-{{{{ vars.host }}}}'\ninterval = '1h'\n[[schedule.step]]\nname = 's'\n\
                command = ['pg_dump', '-h', '{{{{ vars.{host} }}}}', '-p', '{{{{vars.port}}}}', '{{{{.Names}}}}']\n"
            )
        };
        let source = Source {
            name: "jobs.toml",
            text: &file("host"),
        };
        let defined = parse(&source, &ZoneInfo::compiled_in()).unwrap();
        let one = &defined.schedules[0];
        let command = one.definition.action.steps[0].command.clone().unwrap();
        assert_eq!(
            (one.id.as_str(), one.definition.alerts.labels.concat().as_str()),
            ("dump-db1", "db1")
        );
        assert_eq!(command.join(" "), "pg_dump -h db1 -p 5432 {{.Names}}");
        assert_eq!(
            serde_json::to_value(&defined.receivers[0].text).unwrap()["command"],
            "mail db1"
        );
        for (text, message) in [
            (
                "[[schedule]]\nid = 'a'\nnote = '{{ vars.host }}'\n",
                "jobs.toml:3:8: `[vars]` has no variable `host`",
            ),
            (
                "[vars]\na = '{{ vars.b }}'\nb = 'x'\n",
                "jobs.toml:2:5: the value of a variable cannot contain a variable",
            ),
            (
                "[vars]\na = 1.10\n",
                "jobs.toml:2:5: expected a string, an integer or a boolean; write other numbers in quotes",
            ),
        ] {
            assert_eq!(parse_text(text).unwrap_err().to_string(), message);
        }
        let long = format!(
            "[vars]\nv = '{}'\n[[schedule]]\nid = 'a'\nnote = '{}'\n",
            "x".repeat(100_000),
            "{{vars.v}}".repeat(200)
        );
        assert!(parse_text(&long).unwrap_err().to_string().contains("fill more than 16 MiB"));
        let e = parse_text(&file("hots")).unwrap_err();
        assert_eq!(
            (e.to_string().as_str(), e.hints()),
            (
                "jobs.toml:14:29: `[vars]` has no variable `hots`",
                &["Did you mean `host`?".to_owned()][..]
            )
        );
    }

    #[test]
    fn texts_that_look_like_placeholders_are_written_so_that_they_read_back() {
        let text = "docker ps --format '{{ vars.name }} {{.Names}}'";
        let written = format!(
            "[vars]\nb = '{{{{'\n[[schedule]]\nid = 'a'\n[[schedule.step]]\nname = 's'\nshell = \"\"\"{}\"\"\"\n",
            text.replace("{{", "{{ vars.b }}")
        );
        let one = parse_text(&written).unwrap().schedules.remove(0);
        assert_eq!(one.definition.action.steps[0].shell.as_deref(), Some(text));
        let exported = ScheduleText::of(&one.id, &one.definition, &State::default());
        let file = file_of(vec![exported], Vec::new()).unwrap();
        for again in [toml(&file).unwrap(), serde_json::to_string(&file).unwrap()] {
            assert_eq!(parse_text(&again).unwrap().schedules[0].definition, one.definition, "{again}");
        }
    }
}
