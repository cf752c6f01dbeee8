//! How an attempt, a step and a run can end. Pure.

use std::fmt;

use serde::{Deserialize, Serialize};

/// What went wrong in an attempt; the names are those of design.md, "error types".
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the names say it")]
pub enum ErrorType {
    UnexpectedStatus,
    UnexpectedBody,
    TooSlow,
    Dns,
    Connect,
    Tls,
    Timeout,
    Network,
    NonZeroExit,
    Signal,
    Spawn,
    Canceled,
    Terminated,
    WorkerLost,
}

impl ErrorType {
    /// Every error type.
    pub const ALL: [Self; 14] = [
        Self::UnexpectedStatus,
        Self::UnexpectedBody,
        Self::TooSlow,
        Self::Dns,
        Self::Connect,
        Self::Tls,
        Self::Timeout,
        Self::Network,
        Self::NonZeroExit,
        Self::Signal,
        Self::Spawn,
        Self::Canceled,
        Self::Terminated,
        Self::WorkerLost,
    ];

    /// The name, as in the file and in JSON.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::UnexpectedStatus => "UnexpectedStatus",
            Self::UnexpectedBody => "UnexpectedBody",
            Self::TooSlow => "TooSlow",
            Self::Dns => "Dns",
            Self::Connect => "Connect",
            Self::Tls => "Tls",
            Self::Timeout => "Timeout",
            Self::Network => "Network",
            Self::NonZeroExit => "NonZeroExit",
            Self::Signal => "Signal",
            Self::Spawn => "Spawn",
            Self::Canceled => "Canceled",
            Self::Terminated => "Terminated",
            Self::WorkerLost => "WorkerLost",
        }
    }

    /// The error type of that name, in any case and with `-` or `_` between words.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        let plain: String = name.chars().filter(|c| !matches!(c, '-' | '_')).collect();
        Self::ALL.into_iter().find(|t| t.name().eq_ignore_ascii_case(&plain))
    }
}

impl fmt::Display for ErrorType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Why an attempt failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// Which sort of error.
    pub error_type: ErrorType,
    /// A lower-case fragment with the real values: `unexpected status 500 from http://…`.
    pub message: String,
}

/// How an attempt ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ending {
    /// It did what it should.
    Ok,
    /// It failed.
    Failed(Failure),
    /// It was asked to stop, and did.
    Canceled,
    /// It was killed on request.
    Terminated,
    /// tempo died in it, or gave it up at the end of a drain.
    Lost,
}

impl Ending {
    /// The name of the ending, as in the file and in JSON.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Failed(_) => "failed",
            Self::Canceled => "canceled",
            Self::Terminated => "terminated",
            Self::Lost => "lost",
        }
    }

    /// The error that goes with it, if any.
    #[must_use]
    pub fn failure(&self) -> Option<Failure> {
        let of = |error_type, message: &str| {
            Some(Failure {
                error_type,
                message: message.to_owned(),
            })
        };
        match self {
            Self::Ok => None,
            Self::Failed(f) => Some(f.clone()),
            Self::Canceled => of(ErrorType::Canceled, "canceled"),
            Self::Terminated => of(ErrorType::Terminated, "terminated"),
            Self::Lost => of(ErrorType::WorkerLost, "tempo ended in this attempt"),
        }
    }
}

/// What an attempt came to: its ending and what was measured.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AttemptResult {
    /// How it ended.
    pub ending: Ending,
    /// How long it took, on the monotonic clock.
    pub elapsed_ms: i64,
    /// The status of the response, where there was one.
    pub status_code: Option<u16>,
    /// The exit code, where a command exited.
    pub exit_code: Option<i32>,
    /// What a command wrote, capped.
    pub output: Vec<u8>,
}

impl AttemptResult {
    /// A result without anything measured but the time.
    #[must_use]
    pub fn new(ending: Ending, elapsed_ms: i64) -> Self {
        Self {
            ending,
            elapsed_ms,
            status_code: None,
            exit_code: None,
            output: Vec::new(),
        }
    }
}

/// What a run or a step has come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Status {
    Running,
    Completed,
    Failed,
    Canceled,
    Terminated,
    TimedOut,
}

impl Status {
    /// Every status.
    pub const ALL: [Self; 6] = [
        Self::Running,
        Self::Completed,
        Self::Failed,
        Self::Canceled,
        Self::Terminated,
        Self::TimedOut,
    ];

    /// The name, as in the file and in JSON.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Running => "Running",
            Self::Completed => "Completed",
            Self::Failed => "Failed",
            Self::Canceled => "Canceled",
            Self::Terminated => "Terminated",
            Self::TimedOut => "TimedOut",
        }
    }

    /// The status of that name, in any case.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        let plain: String = name.chars().filter(|c| !matches!(c, '-' | '_')).collect();
        Self::ALL.into_iter().find(|s| s.name().eq_ignore_ascii_case(&plain))
    }
}
