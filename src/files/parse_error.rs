//! What is wrong with a file of definitions, in its writer's words rather than in Rust's.

use std::fmt;

use serde::de::{self, Unexpected};

use crate::names::nearest;

/// What is wrong with a tree, and where.
#[derive(Debug)]
pub(crate) struct ParseError {
    /// Bytes from the beginning; absent until somebody on the way out knows.
    pub(super) at: Option<usize>,
    pub(super) message: String,
    pub(super) hint: Option<String>,
}

impl ParseError {
    /// The innermost place counts.
    pub(super) fn at(mut self, at: usize) -> Self {
        self.at.get_or_insert(at);
        self
    }
}

impl fmt::Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for ParseError {}

impl de::Error for ParseError {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self {
            at: None,
            message: message.to_string(),
            hint: None,
        }
    }

    #[expect(clippy::wildcard_enum_match_arm, reason = "kinds that neither TOML nor JSON has")]
    fn invalid_type(found: Unexpected<'_>, wanted: &dyn de::Expected) -> Self {
        let wanted = wanted.to_string();
        let wanted = match wanted.as_str() {
            "a sequence" => "a list",
            "a map" => "a table",
            "a boolean" => "true or false",
            "a string" => "a text",
            "u8" | "u16" | "u32" | "u64" | "i8" | "i16" | "i32" | "i64" => "a whole number",
            kind if kind.starts_with("struct ") => "a table",
            other => other,
        };
        Self::custom(match found {
            Unexpected::Seq => format!("{wanted} is expected, not a list"),
            Unexpected::Map => format!("{wanted} is expected, not a table"),
            Unexpected::Bool(b) => format!("{wanted} is expected, not `{b}`"),
            Unexpected::Unsigned(n) => format!("{wanted} is expected, not `{n}`"),
            Unexpected::Signed(n) => format!("{wanted} is expected, not `{n}`"),
            Unexpected::Float(n) => format!("{wanted} is expected, not `{n}`"),
            Unexpected::Str(text) => format!("{wanted} is expected, not the text `{}`", text.escape_debug()),
            other => format!("{wanted} is expected, not {other}"),
        })
    }

    fn unknown_field(field: &str, expected: &'static [&'static str]) -> Self {
        let hint = match nearest(field, expected.iter().copied()) {
            Some(near) => format!("Did you mean `{near}`?"),
            None if expected.len() == 1 => format!("There is only `{}`.", expected[0]),
            None => format!("There are {}.", expected.join(", ")),
        };
        Self {
            hint: Some(hint),
            ..Self::custom(format_args!("unknown key `{}`", field.escape_debug()))
        }
    }
}
