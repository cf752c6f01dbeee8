//! Outputs of a command: the lines `KEY=VALUE` that it writes to the file whose path is in `TEMPO_OUTPUT`. Later steps of the run have them in place of
//! `{{ steps.STEP.KEY }}`. Pure.

use std::collections::BTreeMap;
use std::convert::Infallible;

use super::command::Command;
use super::placeholder;

/// The prefix of the name in a placeholder.
const STEPS: &str = "steps.";
/// Maximum size of the file, in bytes.
pub const MAX_FILE: usize = 64 * 1024;
/// Maximum size of a text after its placeholders have been replaced, in bytes; about the longest argument that Linux passes to a program.
const MAX_FILLED: usize = 128 * 1024;
/// Maximum length of a key.
const MAX_KEY: usize = 100;

/// The values that a step has given, by key.
pub type Outputs = BTreeMap<String, String>;

/// A placeholder: the value that a step has given for a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reference {
    /// The name of the step.
    pub step: String,
    /// The key.
    pub key: String,
}

impl Reference {
    /// A step's name may contain dots, a key does not.
    fn of(name: &str) -> Self {
        let (step, key) = name.rsplit_once('.').unwrap_or((name, ""));
        Self {
            step: step.to_owned(),
            key: key.to_owned(),
        }
    }
}

/// Whether a text is a key: 1 to 100 of the characters `A-Z a-z 0-9 _ -`.
#[must_use]
pub fn is_key(text: &str) -> bool {
    let is_valid = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
    (1..=MAX_KEY).contains(&text.len()) && text.chars().all(is_valid)
}

/// Parses the file that a command has written. Empty lines are skipped; of several values for a key, the last counts.
///
/// # Errors
/// A fragment that names the line which is not `KEY=VALUE`.
pub fn parse(text: &str) -> Result<Outputs, String> {
    let lines = text.lines().zip(1..).filter(|(line, _)| !line.trim().is_empty());
    lines
        .map(|(line, number)| match line.split_once('=') {
            Some((key, value)) if is_key(key) => Ok((key.to_owned(), value.to_owned())),
            _ => Err(format!("line {number} is not `KEY=VALUE`")),
        })
        .collect()
}

/// What a text with placeholders is for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Use {
    /// A line for a shell.
    Shell,
    /// The value of a variable, which may name a secret.
    Variable,
    /// Anything else.
    Other,
}

/// The texts of a command that may have placeholders.
fn texts(command: &mut Command) -> impl Iterator<Item = (&mut String, Use)> {
    let is_shell = matches!(command.argv.as_slice(), [shell, flag, _] if shell == "/bin/sh" && flag == "-c");
    let word = if is_shell { Use::Shell } else { Use::Other };
    let argv = command.argv.iter_mut().map(move |text| (text, word));
    let variables = command.env.values_mut().map(|text| (text, Use::Variable));
    let others = command
        .cwd
        .iter_mut()
        .chain(&mut command.stdin)
        .map(|text| (text, Use::Other));
    argv.chain(variables).chain(others)
}

/// The placeholders of a command.
#[must_use]
pub fn references(command: &Command) -> Vec<Reference> {
    let others = command.env.values().chain(&command.cwd).chain(&command.stdin);
    let mut found = Vec::new();
    // Nearly all commands have none.
    if !command.argv.iter().chain(others).any(|text| text.contains("{{")) {
        return found;
    }
    for (text, _) in texts(&mut command.clone()) {
        let filled: Result<_, Infallible> = placeholder::fill(text, STEPS, MAX_FILLED, |name| {
            found.push(Reference::of(name));
            Ok(String::new())
        });
        drop(filled);
    }
    found
}

/// Replaces the placeholders of a command; in a line for a shell, each value is quoted as one word.
///
/// # Errors
/// That of `value`; a fragment for a text that becomes too long, or would be read as the name of a secret.
pub fn fill(command: &mut Command, mut value: impl FnMut(&Reference) -> Result<String, String>) -> Result<(), String> {
    for (text, used) in texts(command) {
        let filled = placeholder::fill(text, STEPS, MAX_FILLED, |name| {
            let value = value(&Reference::of(name))?;
            Ok::<_, String>(if used == Use::Shell { quoted(&value) } else { value })
        })?;
        let Some(filled) = filled else { continue };
        if filled.len() > MAX_FILLED {
            return Err(format!("the outputs make a text of more than {} KiB", MAX_FILLED / 1024));
        }
        if used == Use::Variable && filled.starts_with("env:") && !text.starts_with("env:") {
            return Err("the value of a variable cannot begin with an output that begins with `env:`".to_owned());
        }
        *text = filled;
    }
    Ok(())
}

/// A text as one word of a shell.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "'\\''"))
}

#[cfg(test)]
mod tests {
    use super::super::command::condition;
    use super::*;

    #[test]
    fn reads_lines_and_rejects_others() {
        let outputs = parse("path=/tmp/a b\n\nsize=1=2\npath=/tmp/c\r\n").unwrap();
        assert_eq!(
            outputs,
            Outputs::from([("path".into(), "/tmp/c".into()), ("size".into(), "1=2".into())])
        );
        assert_eq!(parse("a=1\nb").unwrap_err(), "line 2 is not `KEY=VALUE`");
        assert_eq!(parse("a b=1").unwrap_err(), "line 1 is not `KEY=VALUE`");
    }

    #[test]
    fn fills_in_values_and_quotes_them_in_a_shell() {
        let mut command = condition("gzip {{ steps.a.b.path }} {{ .Names }} {{steps.x.n}}").unwrap();
        command.env.insert("OUT".to_owned(), "{{ steps.x.n }}!".to_owned());
        let of = |step: &str, key: &str| Reference {
            step: step.to_owned(),
            key: key.to_owned(),
        };
        let all = [of("a.b", "path"), of("x", "n"), of("x", "n")];
        assert_eq!(references(&command), all);
        fill(&mut command, |r| Ok(format!("it's {}", r.key))).unwrap();
        assert_eq!(command.argv[2], "gzip 'it'\\''s path' {{ .Names }} 'it'\\''s n'");
        assert_eq!(command.env["OUT"], "it's n!");
        command.env.insert("OUT".to_owned(), "{{ steps.x.n }}".to_owned());
        fill(&mut command, |_| Ok("env:TOKEN".to_owned())).unwrap_err();
    }
}
