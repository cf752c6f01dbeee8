//! Ids and names, validated once at the edge, and suggestions for mistyped ones.

use std::fmt;

use crate::error::{Error, Kind, alternatives};

/// Maximum length of a name, in characters.
pub const MAX_NAME: usize = 200;

fn check(what: &str, text: &str) -> Result<(), Error> {
    let invalid = |rule: &str| {
        Err(
            Error::new(Kind::Usage, format_args!("{what} `{}` {rule}", text.escape_debug()))
                .hint("A name consists of 1 to 200 of the characters A-Z a-z 0-9 . _ : / @ + - and does not start with `-`."),
        )
    };
    if text.is_empty() {
        return invalid("is empty");
    }
    if text.chars().count() > MAX_NAME {
        return Err(
            Error::new(Kind::Usage, format_args!("{what} has {} characters", text.chars().count()))
                .hint("A name has at most 200 characters."),
        );
    }
    // As a path of the page, it would lead elsewhere.
    if [".", ".."].contains(&text) {
        return invalid("is reserved");
    }
    if text.starts_with('-') {
        return invalid("starts with `-`");
    }
    if let Some(bad) = text.chars().find(|c| !(c.is_ascii_alphanumeric() || "._:/@+-".contains(*c))) {
        return invalid(&match bad {
            ' ' => "may not contain a space".to_owned(),
            bad => format!("may not contain `{}`", bad.escape_debug()),
        });
    }
    Ok(())
}

macro_rules! name {
    ($(#[$doc:meta])* $type:ident, $what:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
        #[serde(transparent)]
        pub struct $type(String);

        impl $type {
            /// Parses a name.
            ///
            /// # Errors
            /// `Usage` when `text` is not a name: `[A-Za-z0-9._:/@+-]`, 1-200 characters, not starting with `-`.
            pub fn parse(text: &str) -> Result<Self, Error> {
                check($what, text)?;
                Ok(Self(text.to_owned()))
            }

            /// The name as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl TryFrom<String> for $type {
            type Error = Error;
            fn try_from(text: String) -> Result<Self, Error> {
                check($what, &text)?;
                Ok(Self(text))
            }
        }

        impl From<$type> for String {
            fn from(name: $type) -> Self {
                name.0
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl std::str::FromStr for $type {
            type Err = Error;
            fn from_str(text: &str) -> Result<Self, Error> {
                Self::parse(text)
            }
        }

        impl<'de> serde::Deserialize<'de> for $type {
            fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
                Self::try_from(String::deserialize(from)?).map_err(serde::de::Error::custom)
            }
        }
    };
}

name!(
    /// The id of a schedule; unique among existing schedules.
    ScheduleId,
    "the schedule id"
);
name!(
    /// The name of a step; unique within its workflow.
    StepName,
    "the step name"
);
name!(
    /// The id of a workflow: the base of its runs' workflow ids.
    WorkflowId,
    "the workflow id"
);

name!(
    /// The name of a task queue or of a lock.
    QueueName,
    "the name"
);
name!(
    /// The name of a receiver of notifications.
    ReceiverName,
    "the receiver name"
);

impl From<&ScheduleId> for WorkflowId {
    fn from(id: &ScheduleId) -> Self {
        Self(id.0.clone())
    }
}

/// Length in bytes of the longest name that is shown in full, or has suggestions.
const MAX_SHOWN: usize = 200;

/// The candidate closest to `name`, if any is close enough to suggest.
pub fn nearest<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    if name.len() > MAX_SHOWN {
        return None;
    }
    let lower = name.to_lowercase();
    candidates
        .into_iter()
        .map(|c| (strsim::jaro_winkler(&lower, &c.to_lowercase()), c))
        .filter(|(score, _)| *score >= 0.8)
        .max_by(|(a, x), (b, y)| a.total_cmp(b).then_with(|| y.cmp(x)))
        .map(|(_, c)| c)
}

/// A name or value as an error shows it: control characters escaped, and cut if it is long.
#[must_use]
pub fn shown(text: &str) -> String {
    let end = text.floor_char_boundary(MAX_SHOWN);
    let cut = if end < text.len() { "…" } else { "" };
    format!("{}{cut}", text[..end].escape_debug())
}

/// A hint for a name that is none of `names`: the closest of them, or else all.
#[must_use]
pub fn suggestion(name: &str, names: &[&str]) -> String {
    match nearest(name, names.iter().copied()) {
        Some(near) => format!("Did you mean `{near}`?"),
        None => format!("Expected {}.", alternatives(names)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_validated() {
        for good in ["a", "health-check", "etc/cron.d:1", "A@b+c_9", &"x".repeat(200)] {
            assert!(ScheduleId::parse(good).is_ok(), "{good}");
        }
        for bad in ["", "-x", "a b", "é", "a\n", &"x".repeat(201)] {
            assert!(ScheduleId::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn suggests_the_closest_name() {
        assert_eq!(nearest("helth", ["backup", "health"]), Some("health"));
        assert_eq!(nearest("zzz", ["backup", "health"]), None);
    }
}
