//! The six overlap policies and their names. Pure.

use serde::{Deserialize, Serialize};

use crate::error::{Error, Kind};
use crate::names::suggestion;

/// What happens to a start while a run of the schedule is open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OverlapPolicy {
    /// The start is skipped.
    #[default]
    Skip,
    /// One start is buffered; further ones are skipped.
    BufferOne,
    /// All starts are buffered, in order.
    BufferAll,
    /// The run is canceled, then the newest start begins.
    CancelOther,
    /// The run is killed, then the newest start begins.
    TerminateOther,
    /// The start begins at once.
    AllowAll,
}

impl OverlapPolicy {
    /// Every policy.
    pub const ALL: [Self; 6] = [
        Self::Skip,
        Self::BufferOne,
        Self::BufferAll,
        Self::CancelOther,
        Self::TerminateOther,
        Self::AllowAll,
    ];

    /// The name, as in the database and in JSON.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Skip => "skip",
            Self::BufferOne => "buffer-one",
            Self::BufferAll => "buffer-all",
            Self::CancelOther => "cancel-other",
            Self::TerminateOther => "terminate-other",
            Self::AllowAll => "allow-all",
        }
    }

    /// The policy with exactly this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|p| p.name() == name)
    }

    /// Parses a policy name, ignoring case, `-` and `_`.
    ///
    /// # Errors
    /// `Usage`, with a hint that lists the names.
    pub fn parse(name: &str) -> Result<Self, Error> {
        let plain: String = name.chars().filter(|c| !matches!(c, '-' | '_')).collect();
        Self::ALL
            .into_iter()
            .find(|p| p.name().replace('-', "").eq_ignore_ascii_case(&plain))
            .ok_or_else(|| {
                Error::new(
                    Kind::Usage,
                    format_args!("no overlap policy is named `{}`", name.escape_debug()),
                )
                .hint(suggestion(name, &Self::ALL.map(Self::name)))
            })
    }

    pub(super) fn replaces_running(self) -> bool {
        match self {
            Self::CancelOther | Self::TerminateOther => true,
            Self::Skip | Self::BufferOne | Self::BufferAll | Self::AllowAll => false,
        }
    }
}
