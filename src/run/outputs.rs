//! Outputs of a command: the lines `KEY=VALUE` that it writes to the file whose path is in `TEMPO_OUTPUT`. In later steps of the run, they replace `{{ steps.STEP.KEY }}`: in the arguments of a program, the values of variables and the text on stdin. Not in a line for a shell, where a value could
//! become a command, nor where the name of a secret is expected. Pure.

use std::collections::BTreeMap;
use std::convert::Infallible;

use super::command::Command;
use super::placeholder;

/// The prefix of the name in a placeholder.
const STEPS: &str = "steps.";
/// Maximum size of the file, in bytes.
pub const MAX_FILE: usize = 64 * 1024;
/// Maximum size of an argument or of a variable, in bytes; Linux has the same limit.
const MAX_ARGUMENT: usize = 128 * 1024;
/// Maximum length of a key.
const MAX_KEY: usize = 100;
/// Programs that read commands from an argument.
const SHELLS: [&str; 8] = ["sh", "ash", "bash", "dash", "ksh", "zsh", "fish", "busybox"];

/// The values that a step wrote, by key.
pub type Outputs = BTreeMap<String, String>;

/// The step and the key that a placeholder names.
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

/// Whether the program of a command is a shell.
fn is_shell(command: &Command) -> bool {
    let program = command.argv.first().and_then(|program| program.rsplit('/').next());
    program.is_some_and(|program| SHELLS.contains(&program))
}

/// The placeholders of a text.
fn in_text(text: &str) -> Vec<Reference> {
    let mut found = Vec::new();
    // Nearly all texts have none.
    if text.contains("{{") {
        let filled: Result<_, Infallible> = placeholder::fill(text, STEPS, usize::MAX, |name| {
            found.push(Reference::of(name));
            Ok(String::new())
        });
        drop(filled);
    }
    found
}

/// The placeholders that are replaced.
#[must_use]
pub fn references(command: &Command) -> Vec<Reference> {
    let argv = command.argv.iter().filter(|_| !is_shell(command));
    let variables = command.env.values().filter(|value| !value.starts_with("env:"));
    let texts = argv.chain(variables).chain(&command.stdin);
    texts.flat_map(|text| in_text(text)).collect()
}

/// A placeholder that is not replaced, because its value could become a command or the name of a secret.
#[must_use]
pub fn misplaced(command: &Command) -> Option<Reference> {
    let argv = command.argv.iter().filter(|_| is_shell(command));
    let variables = command.env.values().filter(|value| value.starts_with("env:"));
    let texts = argv.chain(variables).chain(&command.cwd);
    texts.flat_map(|text| in_text(text)).next()
}

/// Replaces the placeholders of a command.
///
/// # Errors
/// That of `value`; a fragment for a text that becomes too long, or would be read as the name of a secret.
pub fn fill(command: &mut Command, mut value: impl FnMut(&Reference) -> Result<String, String>) -> Result<(), String> {
    let is_shell = is_shell(command);
    let mut filled = |text: &str| placeholder::fill(text, STEPS, usize::MAX, |name| value(&Reference::of(name)));
    let argv = command.argv.iter_mut().filter(|_| !is_shell);
    let variables = command.env.values_mut().filter(|value| !value.starts_with("env:"));
    for text in argv.chain(variables) {
        let Some(new) = filled(text)? else { continue };
        if new.len() > MAX_ARGUMENT {
            return Err(format!(
                "with its outputs filled in, an argument has more than {} KiB",
                MAX_ARGUMENT / 1024
            ));
        }
        if new.starts_with("env:") {
            return Err("with its outputs filled in, the value of a variable begins with `env:`".to_owned());
        }
        *text = new;
    }
    if let Some(text) = &mut command.stdin
        && let Some(new) = filled(text)?
    {
        *text = new;
    }
    Ok(())
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
    fn fills_in_arguments_variables_and_stdin_but_no_line_for_a_shell() {
        let of = |step: &str, key: &str| Reference {
            step: step.to_owned(),
            key: key.to_owned(),
        };
        let mut command = condition("echo {{ steps.a.b }}").unwrap();
        command.stdin = Some("{{steps.x.n}}".to_owned());
        assert_eq!(
            (references(&command), misplaced(&command)),
            (vec![of("x", "n")], Some(of("a", "b")))
        );
        command.argv = vec!["gzip".into(), "{{ steps.a.b.path }} {{ .Names }}".into()];
        command.env.insert("OUT".to_owned(), "<{{ steps.x.n }}>".to_owned());
        assert_eq!(references(&command), [of("a.b", "path"), of("x", "n"), of("x", "n")]);
        assert_eq!(misplaced(&command), None);
        fill(&mut command, |r| Ok(format!("it's {}", r.key))).unwrap();
        assert_eq!(command.argv[1], "it's path {{ .Names }}");
        assert_eq!(
            (command.env["OUT"].as_str(), command.stdin.as_deref()),
            ("<it's n>", Some("it's n"))
        );
        command.env.insert("OUT".to_owned(), "{{ steps.x.n }}".to_owned());
        fill(&mut command, |_| Ok("env:TOKEN".to_owned())).unwrap_err();
        command.env.insert("OUT".to_owned(), "env:{{ steps.x.n }}".to_owned());
        assert_eq!(misplaced(&command), Some(of("x", "n")));
        command.argv[0] = "/usr/bin/bash".to_owned();
        command.argv[1] = "{{ steps.x.n }}".to_owned();
        assert!(misplaced(&command).is_some() && references(&command).is_empty());
    }
}
