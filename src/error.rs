//! What went wrong, in words a person can act on. No printing, no exit: `main` turns a [`Kind`] into a code.

use std::fmt;

/// What sort of failure it is; decides the exit code and the `kind` in JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A run, step or check failed: 1.
    Failed,
    /// The command line or a definition is wrong: 2.
    Usage,
    /// No such thing: 3.
    NotFound,
    /// It exists already, is locked, or a policy refused it: 4.
    Conflict,
    /// `tempo run` is not up and the command needs it: 5.
    ServerDown,
    /// The file or the system failed: 6.
    System,
    /// A deadline passed: 124.
    Timeout,
    /// A signal asked for the end: 130.
    Interrupted,
}

impl Kind {
    /// The process exit code that stands for this kind; see `cli.md`, "Exit codes".
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

    /// The name of the kind in JSON errors.
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

/// An error: what was attempted and why it failed (message), where (excerpt), what to try (hints), and the cause.
#[derive(Debug)]
pub struct Error {
    kind: Kind,
    message: String,
    excerpt: Option<String>,
    hints: Vec<String>,
    is_damage: bool,
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl Error {
    /// An error of `kind`; `message` is a lower-case fragment without a full stop, names in backticks.
    #[must_use]
    pub fn new(kind: Kind, message: impl fmt::Display) -> Self {
        Self {
            kind,
            message: message.to_string(),
            excerpt: None,
            hints: Vec::new(),
            is_damage: false,
            source: None,
        }
    }

    /// Adds a hint: a sentence that says what to try.
    #[must_use]
    pub fn hint(mut self, hint: impl fmt::Display) -> Self {
        self.hints.push(hint.to_string());
        self
    }

    /// Adds the lines that point into the text which is wrong.
    #[must_use]
    pub fn excerpt(mut self, excerpt: impl Into<String>) -> Self {
        self.excerpt = Some(excerpt.into());
        self
    }

    /// The same error, told with where it is: `jobs.toml:7:8`.
    #[must_use]
    pub fn within(mut self, place: impl fmt::Display) -> Self {
        self.message = format!("{place}: {}", self.message);
        self
    }

    /// Keeps the error that caused this one.
    #[must_use]
    pub fn because(mut self, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// Marks the error as damage to the database: trying again will not help.
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
            excerpt: None,
            hints: self.hints.clone(),
            is_damage: self.is_damage,
            source: None,
        }
    }

    /// Whether the database is damaged, so that trying again will not help.
    #[must_use]
    pub fn is_damage(&self) -> bool {
        self.is_damage
    }

    /// What sort of failure this is.
    #[must_use]
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// The hints, in the order they were added.
    #[must_use]
    pub fn hints(&self) -> &[String] {
        &self.hints
    }

    /// The lines that show where in a text the error is, if it is in a text.
    #[must_use]
    pub fn excerpt_lines(&self) -> Option<&str> {
        self.excerpt.as_deref()
    }
}

impl fmt::Display for Error {
    /// The message, then each cause after a colon.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        let mut cause = self.source.as_deref().map(|e| e as &dyn std::error::Error);
        while let Some(e) = cause {
            write!(f, ": {e}")?;
            cause = e.source();
        }
        Ok(())
    }
}

impl std::error::Error for Error {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_is_told_with_its_causes() {
        let e = Error::new(Kind::System, "cannot open `x`").because(std::io::Error::other("it is gone"));
        assert_eq!(e.to_string(), "cannot open `x`: it is gone");
        assert_eq!(e.kind().exit_code(), 6);
    }
}
