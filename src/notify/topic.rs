//! Topics: the kinds of events that receivers are notified of. Pure.

use crate::error::{Error, Kind};
use crate::names::suggestion;

/// What a notification is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Topic {
    /// An incident was opened.
    Opened,
    /// An incident was resolved, by its step or by hand.
    Resolved,
    /// An incident is still open.
    Reminded,
    /// A run failed or timed out.
    RunFailed,
    /// A run failed, or printed something: what cron mails.
    Output,
    /// Times were missed: later than the catch-up window.
    Missed,
    /// A failed run paused its schedule.
    PausedOnFailure,
    /// A server started after one that had not stopped cleanly.
    ServerRecovered,
    /// A test by `tempo notify test`; every receiver gets it.
    Test,
}

impl Topic {
    /// Every topic that a receiver can choose.
    pub const ALL: [Self; 8] = [
        Self::Opened,
        Self::Resolved,
        Self::Reminded,
        Self::RunFailed,
        Self::Output,
        Self::Missed,
        Self::PausedOnFailure,
        Self::ServerRecovered,
    ];

    /// The topics of a receiver that does not choose. Without failed runs and output: the failure of a step has opened an incident already.
    pub const DEFAULT: [Self; 6] = [
        Self::Opened,
        Self::Resolved,
        Self::Reminded,
        Self::Missed,
        Self::PausedOnFailure,
        Self::ServerRecovered,
    ];

    /// The name, as in definition files, the database and JSON.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Opened => "opened",
            Self::Resolved => "resolved",
            Self::Reminded => "reminded",
            Self::RunFailed => "run-failed",
            Self::Output => "output",
            Self::Missed => "missed",
            Self::PausedOnFailure => "paused-on-failure",
            Self::ServerRecovered => "server-recovered",
            Self::Test => "test",
        }
    }

    /// The topic with exactly this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().chain([Self::Test]).find(|topic| topic.name() == name)
    }

    /// Parses a name, in any case, with `-`, `_`, `.` or nothing between words; `incident-opened` is the same as `opened`.
    ///
    /// # Errors
    /// `Usage`, with the closest name as a hint.
    pub fn parse(name: &str) -> Result<Self, Error> {
        let plain = |text: &str| text.to_ascii_lowercase().replace(['-', '_', '.', ' '], "");
        let written = plain(name);
        let bare = written.strip_prefix("incident").unwrap_or(&written);
        let found = Self::ALL.into_iter().find(|topic| plain(topic.name()) == bare);
        found.ok_or_else(|| {
            let names = Self::ALL.map(Self::name);
            Error::new(Kind::Usage, format_args!("no event is named `{}`", name.escape_debug())).hint(suggestion(name, &names))
        })
    }

    /// Names several events of this topic: `3 incidents opened`.
    pub(super) fn several(self, count: usize) -> String {
        match self {
            Self::Opened => format!("{count} incidents opened"),
            Self::Resolved => format!("{count} incidents resolved"),
            Self::Reminded => format!("{count} incidents are still open"),
            Self::RunFailed => format!("{count} runs failed"),
            Self::Output => format!("{count} runs printed something or failed"),
            Self::Missed => format!("{count} schedules missed times"),
            Self::PausedOnFailure => format!("{count} schedules were paused by a failure"),
            Self::ServerRecovered => format!("the server recovered {count} times"),
            Self::Test => format!("{count} tests"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn topics_are_recognized_in_any_spelling() {
        for (written, topic) in [
            ("opened", Topic::Opened),
            ("incident_opened", Topic::Opened),
            ("incident.resolved", Topic::Resolved),
            ("RunFailed", Topic::RunFailed),
            ("PAUSED_ON_FAILURE", Topic::PausedOnFailure),
        ] {
            assert_eq!(Topic::parse(written).unwrap(), topic, "{written}");
        }
        let e = Topic::parse("resolve").unwrap_err();
        assert!(format!("{e:?}").contains("resolved"), "{e:?}");
    }
}
