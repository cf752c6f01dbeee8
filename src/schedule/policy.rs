//! The six overlap policies, by their names. Pure.

use serde::{Deserialize, Serialize};

use crate::error::{Error, Kind};

/// What happens to a start while a run of the schedule is going.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OverlapPolicy {
    /// It does not happen.
    #[default]
    Skip,
    /// One start waits; further ones do not happen.
    BufferOne,
    /// All wait, in order.
    BufferAll,
    /// The run is cancelled, then the newest start begins.
    CancelOther,
    /// The run is killed, then the newest start begins.
    TerminateOther,
    /// It happens.
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

    /// The name, as in the file and in JSON.
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

    /// The policy that is called exactly so.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|p| p.name() == name)
    }

    /// The policy of that name, in any case, with `-`, `_` or nothing between words.
    ///
    /// # Errors
    /// `Usage` that lists the names.
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
                .hint(format_args!("They are {}.", Self::ALL.map(Self::name).join(", ")))
            })
    }

    pub(super) fn replaces_the_running(self) -> bool {
        match self {
            Self::CancelOther | Self::TerminateOther => true,
            Self::Skip | Self::BufferOne | Self::BufferAll | Self::AllowAll => false,
        }
    }
}
