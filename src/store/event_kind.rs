//! The kinds of events, and what the columns of each hold.

use crate::schedule::not_started::Outcome;

/// The kind of an event. The comments name the contents of the columns `number`, `value` and `detail`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum EventKind {
    /// A server started. Number: its process id.
    Serving,
    /// A server stopped after its drain. Detail: what happened instead, for a restored database.
    Stopped,
    /// A server started and found that the one before it had not stopped cleanly. Number: the process id of that server; value: the time of the last
    /// event before.
    Crash,
    /// A receiver of notifications was added, changed or removed. Detail: its name; for a change, also the names of the changed fields, whose values
    /// may be secret.
    NotifyAdd,
    NotifyUpdate,
    NotifyRemove,
    /// A schedule was created. Detail: its spec in English.
    Create,
    /// The definition of a schedule changed. Detail: the changed fields, as JSON.
    Update,
    /// Detail: the note. Number: 1 if a failed run paused it.
    Pause,
    /// Detail: the note.
    Unpause,
    /// Number: how many of its runs were still running; value: how many of its starts had not begun, and were dropped; detail:
    /// its alert settings as JSON, for messages about it.
    Delete,
    /// A heartbeat arrived. Number: the exit code, if a command was wrapped; value: how long it took, in milliseconds; detail: the error, if it failed.
    Beat,
    /// A start was requested. Detail: what set it off, if no person did.
    Trigger,
    /// The starts of past times were requested. Number and value: the first and the last time.
    Backfill,
    /// Number: how many backfills were canceled.
    CancelBackfill,
    /// A start was buffered. Value: its nominal time.
    Buffer,
    /// Times were skipped. Number: the first of them; value: the key of the row in `refused`, which may cover later times too; detail: the reason.
    /// The same holds for the next five.
    Skip,
    Miss,
    Drop,
    Superseded,
    Paused,
    Exhausted,
    /// A run started.
    Start,
    /// An attempt started after one that was lost, or after a retry request. Number: the attempt.
    Resume,
    /// An attempt failed and will be retried. Number: the attempt; value: when it is retried.
    Retry,
    /// The server died during an attempt. Number: the attempt.
    Lost,
    /// A step closed without an incident. Detail: its result, unless it completed.
    Step,
    /// A step of a script ended an attempt. Number: the attempt, absent for a sleep; value: the key of the row in `script_step`; detail: the
    /// error, if it failed.
    Script,
    /// A step failed for good, too rarely for an incident. Number: the failures in a row; detail: the error.
    Failing,
    /// A step failed for good. Number: the failure; value: the incident; detail: `opened` if this failure opened it.
    Incident,
    /// An incident is still open. Value: the incident.
    Remind,
    /// An incident was acknowledged. Value: the incident; detail: the note.
    Ack,
    /// An incident was resolved, by its step or by hand. Value: the incident; detail: the note.
    Resolved,
    /// A run was asked to stop. Detail: the reason.
    Cancel,
    Terminate,
    /// A closed run was reopened by a retry request.
    Reopen,
    /// A run closed. Number: its incidents; value: how long it took, in milliseconds; detail: its status and reason, unless it completed.
    Finish,
}

impl EventKind {
    const ALL: [(Self, &'static str); 37] = [
        (Self::Serving, "serving"),
        (Self::Stopped, "stopped"),
        (Self::Crash, "crash"),
        (Self::NotifyAdd, "notify-add"),
        (Self::NotifyUpdate, "notify-update"),
        (Self::NotifyRemove, "notify-remove"),
        (Self::Create, "create"),
        (Self::Update, "update"),
        (Self::Pause, "pause"),
        (Self::Unpause, "unpause"),
        (Self::Delete, "delete"),
        (Self::Beat, "beat"),
        (Self::Trigger, "trigger"),
        (Self::Backfill, "backfill"),
        (Self::CancelBackfill, "cancel-backfill"),
        (Self::Buffer, "buffer"),
        (Self::Skip, "skip"),
        (Self::Miss, "miss"),
        (Self::Drop, "drop"),
        (Self::Superseded, "superseded"),
        (Self::Paused, "paused"),
        (Self::Exhausted, "exhausted"),
        (Self::Start, "start"),
        (Self::Resume, "resume"),
        (Self::Retry, "retry"),
        (Self::Lost, "lost"),
        (Self::Step, "step"),
        (Self::Script, "script"),
        (Self::Failing, "failing"),
        (Self::Incident, "incident"),
        (Self::Remind, "remind"),
        (Self::Ack, "ack"),
        (Self::Resolved, "resolved"),
        (Self::Cancel, "cancel"),
        (Self::Terminate, "terminate"),
        (Self::Reopen, "reopen"),
        (Self::Finish, "finish"),
    ];

    /// The name, as in the database and in JSON.
    pub(crate) fn name(self) -> &'static str {
        Self::ALL.iter().find(|(kind, _)| *kind == self).map_or("", |(_, name)| name)
    }

    pub(super) fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().find(|(_, n)| *n == name).map(|(kind, _)| *kind)
    }

    /// The event of times that did not start.
    pub(super) fn of_outcome(outcome: Outcome) -> Self {
        match outcome {
            Outcome::Skipped => Self::Skip,
            Outcome::Missed => Self::Miss,
            Outcome::Dropped => Self::Drop,
            Outcome::Superseded => Self::Superseded,
            Outcome::Paused => Self::Paused,
            Outcome::Exhausted => Self::Exhausted,
        }
    }
}
