//! Errors that say what failed and what to try. No printing, no exit: `main` maps a [`Kind`] to an exit code.

use std::borrow::Cow;
use std::fmt;

/// The kind of an error; determines the exit code and `kind` in JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A run, step or check failed; exit code 1.
    Failed,
    /// The command line or a definition is invalid; exit code 2.
    Usage,
    /// The named object does not exist; exit code 3.
    NotFound,
    /// The object already exists, is locked, or a policy did not allow the start; exit code 4.
    Conflict,
    /// The command needs `tempo run`, which is not running; exit code 5.
    ServerDown,
    /// A file or system operation failed; exit code 6.
    System,
    /// A deadline passed; exit code 124.
    Timeout,
    /// A signal interrupted the command; exit code 130.
    Interrupted,
}

impl Kind {
    /// The process exit code for this kind.
    #[must_use]
    pub fn exit_code(self) -> u8 {
        match self {
            Self::Failed => 1,
            Self::Usage => 2,
            Self::NotFound => 3,
            Self::Conflict => 4,
            Self::ServerDown => 5,
            Self::System => 6,
            Self::Timeout => 124,
            Self::Interrupted => 130,
        }
    }

    /// The name of this kind in JSON errors.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Failed => "failed",
            Self::Usage => "usage",
            Self::NotFound => "not_found",
            Self::Conflict => "conflict",
            Self::ServerDown => "server_down",
            Self::System => "system",
            Self::Timeout => "timeout",
            Self::Interrupted => "interrupted",
        }
    }
}

/// An error: a message (what was attempted and why it failed), an excerpt (where), hints (what to try), and a cause.
#[derive(Debug)]
pub struct Error {
    kind: Kind,
    message: String,
    /// What only errors of invalid values have.
    invalid: Option<Box<Invalid>>,
    hints: Vec<String>,
    is_damage: bool,
    /// The exit code, if it is not that of the kind.
    exit_code: Option<u8>,
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

/// Where an invalid value was found.
#[derive(Debug, Default)]
struct Invalid {
    excerpt: Option<Box<str>>,
    /// The value, while nothing says where it was given.
    value: Option<Box<str>>,
    /// The setting with this value, while the message does not name it.
    setting: Option<Box<str>>,
}

impl Error {
    /// Creates an error; `message` is a lower-case fragment without a full stop, names in backticks.
    #[must_use]
    pub fn new(kind: Kind, message: impl fmt::Display) -> Self {
        Self {
            kind,
            message: message.to_string(),
            invalid: None,
            hints: Vec::new(),
            is_damage: false,
            exit_code: None,
            source: None,
        }
    }

    /// Adds a hint: a sentence that suggests what to try.
    #[must_use]
    pub fn hint(mut self, hint: impl fmt::Display) -> Self {
        self.hints.push(hint.to_string());
        self
    }

    /// Adds the lines that show the error in the text.
    #[must_use]
    pub fn excerpt(mut self, excerpt: impl Into<Box<str>>) -> Self {
        self.invalid.get_or_insert_default().excerpt = Some(excerpt.into());
        self
    }

    /// Adds the value that is invalid, so that the option can be named with which it was given.
    #[must_use]
    pub fn of_value(mut self, value: &str) -> Self {
        self.invalid.get_or_insert_default().value = Some(value.into());
        self
    }

    /// Names the setting whose value is invalid, by its key in definition files or by its option; replaces another name of it.
    #[must_use]
    pub fn of_setting(mut self, name: impl Into<Box<str>>) -> Self {
        self.invalid.get_or_insert_default().setting = Some(name.into());
        self
    }

    /// Prefixes the message with a location: `jobs.toml:7:8`.
    #[must_use]
    pub fn within(mut self, location: impl fmt::Display) -> Self {
        self.message = format!("{location}: {}", self.named_message());
        if let Some(invalid) = &mut self.invalid {
            (invalid.value, invalid.setting) = (None, None);
        }
        self
    }

    /// The message with the setting, if there is one that it does not name yet.
    fn named_message(&self) -> Cow<'_, str> {
        match self.setting() {
            Some(setting) => format!("`{setting}`: {}", self.message).into(),
            None => self.message.as_str().into(),
        }
    }

    /// Adds the error that caused this one.
    #[must_use]
    pub fn because(mut self, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// Marks the error as damage to the database: a retry will not help.
    #[must_use]
    pub fn damage(mut self) -> Self {
        self.is_damage = true;
        self
    }

    /// The same error for another caller: everything but the excerpt and the cause, which the message already names.
    #[must_use]
    pub fn repeated(&self) -> Self {
        Self {
            kind: self.kind,
            message: self.to_string(),
            invalid: None,
            hints: self.hints.clone(),
            is_damage: self.is_damage,
            exit_code: self.exit_code,
            source: None,
        }
    }

    /// Whether the database is damaged, so that trying again will not help.
    #[must_use]
    pub fn is_damage(&self) -> bool {
        self.is_damage
    }

    /// Sets the exit code, for a command that passes on that of another program.
    #[must_use]
    pub fn exit_with(mut self, code: u8) -> Self {
        self.exit_code = Some(code);
        self
    }

    /// The exit code of the process.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        self.exit_code.unwrap_or_else(|| self.kind.exit_code())
    }

    /// The kind of this error.
    #[must_use]
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// The invalid value, if it is known and the message does not say where it was given.
    #[must_use]
    pub fn value(&self) -> Option<&str> {
        self.invalid.as_ref()?.value.as_deref()
    }

    /// The setting whose value is invalid, if it is known and the message does not name it.
    #[must_use]
    pub fn setting(&self) -> Option<&str> {
        self.invalid.as_ref()?.setting.as_deref()
    }

    /// The hints, in the order they were added.
    #[must_use]
    pub fn hints(&self) -> &[String] {
        &self.hints
    }

    /// The lines that show the error in the text, if there is a text.
    #[must_use]
    pub fn excerpt_lines(&self) -> Option<&str> {
        self.invalid.as_ref()?.excerpt.as_deref()
    }
}

impl fmt::Display for Error {
    /// Writes the message, then each cause after a colon.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.named_message())?;
        let mut cause = self.source.as_deref().map(|e| e as &dyn std::error::Error);
        while let Some(e) = cause {
            write!(f, ": {e}")?;
            cause = e.source();
        }
        Ok(())
    }
}

impl std::error::Error for Error {}

/// A text on one line, for messages: control characters are escaped.
#[must_use]
pub fn one_line(text: &str) -> String {
    let escaped = |c: char| {
        if c.is_control() {
            c.escape_default().to_string()
        } else {
            c.to_string()
        }
    };
    text.chars().map(escaped).collect()
}

/// Names as a choice in a sentence: "`a`, `b` or `c`".
#[must_use]
pub fn alternatives(names: &[&str]) -> String {
    let quoted: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    match quoted.as_slice() {
        [first @ .., last] if !first.is_empty() => format!("{} or {last}", first.join(", ")),
        few => few.concat(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_setting_is_named_once() {
        let e = Error::new(Kind::Usage, "must be at least 1").of_setting("max_running");
        assert_eq!(e.to_string(), "`max_running`: must be at least 1");
        let e = e.of_setting("--max-running").within("here");
        assert_eq!(e.to_string(), "here: `--max-running`: must be at least 1");
        assert_eq!(
            e.within("there").to_string(),
            "there: here: `--max-running`: must be at least 1"
        );
    }

    #[test]
    fn display_includes_the_causes() {
        let e = Error::new(Kind::System, "cannot open `x`").because(std::io::Error::other("it is gone"));
        assert_eq!(e.to_string(), "cannot open `x`: it is gone");
        assert_eq!(e.kind().exit_code(), 6);
    }
}
