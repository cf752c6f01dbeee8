//! Outcomes of attempts, steps and runs. Pure.

use std::fmt;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::outputs::Outputs;

/// The type of error that made an attempt fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the names are self-explanatory")]
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

    /// The name, as in the database and in JSON.
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

    /// Looks up an error type by name, ignoring case, `-` and `_`.
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

/// The reason why an attempt failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// The type of the error.
    pub error_type: ErrorType,
    /// A lower-case fragment with the actual values: `unexpected status 500 from http://…`.
    pub message: String,
}

/// The way an attempt ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ending {
    /// Succeeded.
    Ok,
    /// Failed.
    Failed(Failure),
    /// Stopped by a cancel request.
    Canceled,
    /// Killed by a terminate request.
    Terminated,
    /// tempo died during the attempt, or abandoned it at the end of a drain.
    Lost,
}

impl Ending {
    /// The name of the ending, as in the database and in JSON.
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

    /// The error of the attempt, if it did not succeed.
    #[must_use]
    pub fn failure(&self) -> Option<Failure> {
        let failure = |error_type, message: &str| {
            Some(Failure {
                error_type,
                message: message.to_owned(),
            })
        };
        match self {
            Self::Ok => None,
            Self::Failed(f) => Some(f.clone()),
            Self::Canceled => failure(ErrorType::Canceled, "canceled"),
            Self::Terminated => failure(ErrorType::Terminated, "terminated"),
            Self::Lost => failure(ErrorType::WorkerLost, "tempo exited during this attempt"),
        }
    }
}

/// The result of an attempt: its ending and measurements.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AttemptResult {
    /// The way it ended.
    pub ending: Ending,
    /// When it really began, if known: its start is recorded before.
    pub began: Option<DateTime<Utc>>,
    /// Elapsed time on the monotonic clock.
    pub elapsed_ms: i64,
    /// The HTTP status of the response, if there was one.
    pub status_code: Option<u16>,
    /// The exit code, if a command exited.
    pub exit_code: Option<i32>,
    /// The captured output of a command, truncated in the middle if it is too long.
    pub output: Vec<u8>,
    /// The captured stderr of a command, likewise, if its step keeps it separate from the output.
    pub stderr: Vec<u8>,
    /// The outputs of a command that succeeded.
    pub outputs: Outputs,
}

impl AttemptResult {
    /// A result with no measurements except the elapsed time.
    #[must_use]
    pub fn new(ending: Ending, elapsed_ms: i64) -> Self {
        Self {
            ending,
            began: None,
            elapsed_ms,
            status_code: None,
            exit_code: None,
            output: Vec::new(),
            stderr: Vec::new(),
            outputs: Outputs::new(),
        }
    }
}

/// The status of a run or a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are self-explanatory")]
pub enum Status {
    Running,
    Completed,
    Failed,
    Canceled,
    Terminated,
    TimedOut,
}

/// The result of a step that failed: `incident: exit 3`.
#[must_use]
pub fn failed_result(failure: &str) -> String {
    format!("incident: {failure}")
}

/// The result of a step that failed, but too rarely for an incident: `failed: exit 3`.
#[must_use]
pub fn early_failed_result(failure: &Failure) -> String {
    format!("failed: {}", failure.message)
}

/// The failure in the result of a step; `None` if it did not fail.
#[must_use]
pub fn failure_of(result: &str) -> Option<&str> {
    result.strip_prefix("incident: ").or_else(|| result.strip_prefix("failed: "))
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

    /// The name, as in the database and in JSON.
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

    /// Looks up a status by name, ignoring case, `-` and `_`.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        let plain: String = name.chars().filter(|c| !matches!(c, '-' | '_')).collect();
        Self::ALL.into_iter().find(|s| s.name().eq_ignore_ascii_case(&plain))
    }
}
