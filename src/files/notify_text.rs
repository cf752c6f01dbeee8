//! A `[[notify]]` table of a definition file: a receiver of notifications as users write it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::one_or_many::one_or_many;
use crate::error::{Error, Kind};

/// A `[[notify]]` table. The values `env:NAME` and `file:PATH` of `webhook`, `headers`, `bearer`, `key`, `smtp_user` and `smtp_password` are read
/// when a message is sent.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub(crate) struct NotifyText {
    /// Unique name of the receiver.
    #[cfg_attr(test, schemars(required, length(min = 1, max = 200)))]
    pub(crate) name: String,
    /// URL to which messages are posted. Exactly one of `webhook`, `email` and `command` is required.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) webhook: Option<String>,
    /// Format of the body: `json` (default), `slack`, `mattermost`, `discord`, `ntfy`, `pagerduty`, `opsgenie` or `alertmanager`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) template: Option<String>,
    /// Request headers of the webhook.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) headers: BTreeMap<String, String>,
    /// Bearer token for the webhook.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) bearer: Option<String>,
    /// Integration key, for the templates `pagerduty` and `opsgenie`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) key: Option<String>,
    /// Mail addresses.
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "one_or_many")]
    #[cfg_attr(test, schemars(with = "super::one_or_many::OneOrMany<String>"))]
    pub(crate) email: Vec<String>,
    /// Sender of the emails; default: `tempo@` and the name of the machine.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) from: Option<String>,
    /// Mail server, `host` or `host:port`; default: the machine's `sendmail`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) smtp: Option<String>,
    /// Encryption of the connection to the mail server: `starttls` (default), `tls` or `none`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) smtp_encryption: Option<String>,
    /// User name for the mail server.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) smtp_user: Option<String>,
    /// Password for the mail server.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) smtp_password: Option<String>,
    /// Command that gets each message as JSON on its standard input: program and arguments, or a line for `/bin/sh -c`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) command: Option<CommandText>,
    /// Environment variables of the command.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) env: BTreeMap<String, String>,
    /// Events to send: `opened`, `resolved`, `reminded`, `run-failed`, `output`, `missed`, `paused-on-failure`, `server-recovered`; default: all but `run-failed` and `output`.
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "one_or_many")]
    #[cfg_attr(test, schemars(with = "super::one_or_many::OneOrMany<String>"))]
    pub(crate) events: Vec<String>,
    /// Send only events of these schedules, by id; `*` stands for any characters; default: all.
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "one_or_many")]
    #[cfg_attr(test, schemars(with = "super::one_or_many::OneOrMany<String>"))]
    pub(crate) schedules: Vec<String>,
    /// Send only events of schedules with one of these labels; default: all. With `schedules`, either may match.
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "one_or_many")]
    #[cfg_attr(test, schemars(with = "super::one_or_many::OneOrMany<String>"))]
    pub(crate) labels: Vec<String>,
    /// Send only events of schedules with at least this severity: `info`, `warning`, `error` or `critical`; default: all. Events of the server are `warning`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) min_severity: Option<String>,
    /// How long a message waits for further events of its kind, such as `10s`; default: 2s.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) group_wait: Option<String>,
    /// Maximum number of messages in a period, such as `10/1h`; later ones wait, and are sent together.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) rate_limit: Option<String>,
    /// When nothing is sent, such as `22:00-07:00`; events in that time are sent as one message afterwards.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) quiet_hours: Option<String>,
    /// Time zone of the quiet hours (default: UTC).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) time_zone: Option<String>,
}

/// A command: a line for the shell, or program and arguments.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(untagged, expecting = "expected a command line, or a list of program and arguments")]
pub(crate) enum CommandText {
    /// A line for `/bin/sh -c`.
    Line(String),
    /// Program and arguments.
    Argv(Vec<String>),
}

impl NotifyText {
    /// Parses a stored definition without checking it.
    ///
    /// # Errors
    /// `System` when it is not valid JSON.
    pub(crate) fn of_json(json: &str) -> Result<Self, Error> {
        serde_json::from_str(json).map_err(|e| Error::new(Kind::System, "cannot parse the receiver as JSON").because(e))
    }

    /// The definition as it is stored.
    pub(crate) fn json(&self) -> String {
        serde_json::to_string(self).expect("text is valid JSON")
    }
}

pub(super) fn usage(message: std::fmt::Arguments<'_>) -> Error {
    Error::new(Kind::Usage, message)
}
