//! Errors in a definition file, in the terms of TOML and JSON rather than Rust's.

use std::fmt;

use serde::de::{self, Unexpected};

use crate::error::alternatives;
use crate::names::{nearest, shown, suggestion};

/// An error in a document, and its place.
#[derive(Debug)]
pub(crate) struct ParseError {
    /// Byte offset in the text; absent until a caller that knows it sets it.
    pub(super) at: Option<usize>,
    pub(super) message: String,
    pub(super) hint: Option<String>,
}

impl ParseError {
    /// Sets the place unless an inner one is already set.
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
    fn invalid_type(found: Unexpected<'_>, expected: &dyn de::Expected) -> Self {
        let expected = expected.to_string();
        let expected = match expected.as_str() {
            "a sequence" => "a list",
            "a map" => "a table",
            "a boolean" => "true or false",
            "u8" | "u16" | "u32" | "u64" | "i8" | "i16" | "i32" | "i64" => "an integer",
            kind if kind.starts_with("struct ") => "a table",
            other => other,
        };
        let is_number = matches!(found, Unexpected::Unsigned(_) | Unexpected::Signed(_) | Unexpected::Float(_));
        let error = Self::custom(match found {
            Unexpected::Seq => format!("expected {expected}, found a list"),
            Unexpected::Map => format!("expected {expected}, found a table"),
            Unexpected::Bool(b) => format!("expected {expected}, found `{b}`"),
            Unexpected::Unsigned(n) => format!("expected {expected}, found `{n}`"),
            Unexpected::Signed(n) => format!("expected {expected}, found `{n}`"),
            Unexpected::Float(n) => format!("expected {expected}, found `{n}`"),
            Unexpected::Str(text) => format!("expected {expected}, found the string `{}`", shown(text)),
            other => format!("expected {expected}, found {other}"),
        });
        Self {
            hint: (is_number && expected.starts_with("a string"))
                .then(|| "Write the value in quotes; a duration has a unit, as in `\"60s\"`.".to_owned()),
            ..error
        }
    }

    fn invalid_value(found: Unexpected<'_>, expected: &dyn de::Expected) -> Self {
        Self::custom(match (found, expected.to_string().as_str()) {
            (Unexpected::Signed(n), "u8" | "u16" | "u32" | "u64") if n < 0 => {
                format!("expected a whole number of at least 0, found `{n}`")
            }
            (Unexpected::Signed(n), _) => format!("the number `{n}` is too large"),
            (Unexpected::Unsigned(n), _) => format!("the number `{n}` is too large"),
            (found, expected) => format!("expected {expected}, found {found}"),
        })
    }

    fn unknown_variant(variant: &str, expected: &'static [&'static str]) -> Self {
        // Spellings in other cases are accepted too, but are not worth listing.
        let plain = |name: &&&str| name.chars().all(|c| c.is_ascii_lowercase() || c == '-');
        let names: Vec<&str> = expected.iter().filter(plain).copied().collect();
        Self {
            hint: Some(suggestion(variant, &names)),
            ..Self::custom(format_args!("`{}` is not a valid value", shown(variant)))
        }
    }

    fn missing_field(field: &'static str) -> Self {
        Self::custom(format_args!("the key `{field}` is missing"))
    }

    fn unknown_field(field: &str, expected: &'static [&'static str]) -> Self {
        let hint = match nearest(field, expected.iter().copied()) {
            _ if field == "step" && expected.contains(&"schedule") => {
                "A step belongs to a schedule: write `[[schedule.step]]` below `[[schedule]]`. A file of steps only is for `--steps` or `tempo check -f`.".to_owned()
            }
            Some(near) => format!("Did you mean `{near}`?"),
            // `timeout` is part of two keys.
            None if expected.iter().any(|key| field.len() > 3 && key.contains(field)) => {
                let parts: Vec<&str> = expected.iter().copied().filter(|key| key.contains(field)).collect();
                format!("Did you mean {}?", alternatives(&parts))
            }
            None if expected.len() == 1 => format!("The only key is `{}`.", expected[0]),
            None => format!("Valid keys: {}.", expected.join(", ")),
        };
        Self {
            hint: Some(hint),
            ..Self::custom(format_args!("unknown key `{}`", shown(field)))
        }
    }
}
