//! A `[[notify]]` table of a definition file: a receiver of notifications as users write it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::one_or_many::one_or_many;
use crate::error::{Error, Kind};
use crate::names::ReceiverName;
use crate::notify::timing::{GROUP_WAIT, QuietHours};
use crate::notify::{Channel, Receiver, Template, Timing, Topic};
use crate::schedule::alerts::{Severity, check_label};
use crate::spec::text;
use crate::spec::zone::Zones;

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
    /// Parses the stored definition of a receiver.
    ///
    /// # Errors
    /// `System` when it is not valid.
    pub(crate) fn stored((name, json): (&str, &str), zones: &dyn Zones) -> Result<Receiver, Error> {
        let what = format_args!("receiver `{name}`: the stored definition is not valid");
        let invalid = |e: Error| Error::new(Kind::System, what).because(e);
        Self::of_json(json).and_then(|text| text.check(zones)).map_err(invalid)
    }

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

    /// Checks the definition.
    ///
    /// # Errors
    /// `Usage`, naming the key and the rule.
    pub(crate) fn check(&self, zones: &dyn Zones) -> Result<Receiver, Error> {
        if self.name.is_empty() {
            return Err(usage(format_args!("the receiver has no `name`")));
        }
        let name = ReceiverName::parse(&self.name)?;
        self.reject_foreign_keys(&name)?;
        let channel = if let Some(url) = &self.webhook {
            self.webhook(url)?
        } else if let Some(command) = &self.command {
            let argv = match command {
                CommandText::Line(line) => vec!["/bin/sh".to_owned(), "-c".to_owned(), line.clone()],
                CommandText::Argv(argv) => argv.clone(),
            };
            if argv.iter().all(|word| word.trim().is_empty()) || argv.iter().any(|word| word.contains('\0')) {
                return Err(usage(format_args!(
                    "the command of the receiver `{name}` is empty or invalid"
                )));
            }
            if let Some((key, _)) = self.env.iter().find(|(_, value)| value.starts_with("file:")) {
                return Err(usage(format_args!(
                    "the variable `{}` of the receiver `{name}` cannot be read from a file",
                    key.escape_debug()
                ))
                .hint("Use `env:NAME`, or let the command read the file."));
            }
            Channel::Command {
                argv,
                env: self.env.clone(),
            }
        } else {
            self.mail()?
        };
        let topics = if self.events.is_empty() {
            Topic::DEFAULT.into()
        } else {
            self.events
                .iter()
                .map(|event| Topic::parse(event))
                .collect::<Result<_, _>>()?
        };
        self.labels.iter().try_for_each(|label| check_label(label))?;
        if self.schedules.iter().any(|id| id.trim().is_empty()) {
            return Err(usage(format_args!("the id of a schedule is empty"))
                .of_setting("schedules")
                .of_value(""));
        }
        let zone = self.time_zone.as_deref();
        zone.map(|zone| zones.zone(zone)).transpose()?;
        let quiet = self.quiet_hours.as_deref().map(|hours| QuietHours::parse(hours, zone, zones));
        Ok(Receiver {
            name,
            channel,
            topics,
            schedules: self.schedules.clone(),
            labels: self.labels.clone(),
            min_severity: self
                .min_severity
                .as_deref()
                .map_or(Ok(Severity::Info), Severity::parse)
                .map_err(|e| e.of_setting("min_severity"))?,
            timing: Timing {
                group_wait: match self.group_wait.as_deref() {
                    Some(wait) => text::duration(wait).map_err(|e| Error::from(e).of_setting("group_wait"))?,
                    None => GROUP_WAIT,
                },
                limit: self
                    .rate_limit
                    .as_deref()
                    .map(Timing::parse_limit)
                    .transpose()
                    .map_err(|e| e.of_setting("rate_limit"))?,
                quiet: quiet.transpose().map_err(|e| e.of_setting("quiet_hours"))?,
            },
        })
    }

    /// Rejects a receiver with no channel or several, and keys of a channel that it does not have.
    fn reject_foreign_keys(&self, name: &ReceiverName) -> Result<(), Error> {
        let channels = [
            ("webhook", self.webhook.is_some()),
            ("email", !self.email.is_empty()),
            ("command", self.command.is_some()),
        ];
        let chosen: Vec<&str> = channels
            .iter()
            .filter(|(_, is_set)| *is_set)
            .map(|(channel, _)| *channel)
            .collect();
        let [chosen] = chosen[..] else {
            let number = if chosen.is_empty() { "none" } else { "more than one" };
            return Err(usage(format_args!(
                "the receiver `{name}` has {number} of `webhook`, `email` and `command`"
            ))
            .hint("Set exactly one of them."));
        };
        let keys = [
            ("webhook", "template", self.template.is_some()),
            ("webhook", "headers", !self.headers.is_empty()),
            ("webhook", "bearer", self.bearer.is_some()),
            ("webhook", "key", self.key.is_some()),
            ("email", "from", self.from.is_some()),
            ("email", "smtp", self.smtp.is_some()),
            ("email", "smtp_encryption", self.smtp_encryption.is_some()),
            ("email", "smtp_user", self.smtp_user.is_some()),
            ("email", "smtp_password", self.smtp_password.is_some()),
            ("command", "env", !self.env.is_empty()),
        ];
        match keys.iter().find(|(channel, _, is_set)| *is_set && *channel != chosen) {
            Some((channel, key, _)) => {
                let of = if *channel == "email" {
                    "an email"
                } else {
                    &format!("a {channel}")
                };
                Err(usage(format_args!("applies only to {of}")).of_setting(*key))
            }
            None => Ok(()),
        }
    }

    fn webhook(&self, url: &str) -> Result<Channel, Error> {
        let is_reference = ["env:", "file:"]
            .iter()
            .any(|kind| url.strip_prefix(kind).is_some_and(|name| !name.trim().is_empty()));
        let has_host = url::Url::parse(url).is_ok_and(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
        if !(is_reference || has_host) {
            return Err(usage(format_args!(
                "the webhook `{}` is not an http or https URL",
                url.escape_debug()
            ))
            .hint("Write an absolute URL, or `env:NAME` or `file:PATH` to keep it out of the definition."));
        }
        for (name, value) in &self.headers {
            if name.is_empty()
                || !name.chars().all(|c| c.is_ascii_alphanumeric() || "-_".contains(c))
                || value.contains(char::is_control)
            {
                return Err(usage(format_args!("invalid header `{}`", name.escape_debug()))
                    .hint("A name has ASCII letters, digits, `-` and `_`; a value has no control characters."));
            }
        }
        let template = self.template.as_deref().map_or(Ok(Template::Json), Template::parse)?;
        if !template.needs_key() && self.key.is_some() {
            let unused = format_args!("the template `{}` uses no integration key", template.name());
            return Err(usage(unused)
                .of_setting("key")
                .hint("Only `pagerduty` and `opsgenie` use one."));
        }
        if template.needs_key() && self.key.as_deref().unwrap_or_default().is_empty() {
            return Err(usage(format_args!("`{}` needs an integration key", template.name()))
                .of_setting("template")
                .hint(
                    "Set `--key` (`key` in a file), for example to `env:NAME`; the key is then read from the variable `NAME` when a message is sent.",
                ));
        }
        Ok(Channel::Webhook {
            url: url.to_owned(),
            headers: self.headers.clone(),
            bearer: self.bearer.clone(),
            key: self.key.clone(),
            template,
        })
    }
}

pub(super) fn usage(message: std::fmt::Arguments<'_>) -> Error {
    Error::new(Kind::Usage, message)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::zoneinfo::ZoneInfo;

    #[test]
    fn a_mail_server_is_a_host_or_an_address_and_perhaps_a_port() {
        for (written, expected) in [
            ("mail.example.org", Some(("mail.example.org", 587))),
            ("mail.example.org:25", Some(("mail.example.org", 25))),
            ("[::1]:25", Some(("::1", 25))),
            ("[::1]", Some(("::1", 587))),
            ("::1", Some(("::1", 587))),
            ("", None),
            (":25", None),
            ("exa mple:25", None),
            ("me@host:25", None),
            ("host:0", None),
            ("host:99999", None),
        ] {
            let text = NotifyText {
                name: "m".to_owned(),
                email: vec!["a@example.org".to_owned()],
                smtp: Some(written.to_owned()),
                ..NotifyText::default()
            };
            let checked = text.check(&ZoneInfo::compiled_in()).ok().map(|receiver| receiver.channel);
            let found = checked.and_then(|channel| match channel {
                Channel::Email { smtp, .. } => smtp.map(|smtp| (smtp.host, smtp.port)),
                Channel::Webhook { .. } | Channel::Command { .. } => None,
            });
            assert_eq!(
                found.as_ref().map(|(host, port)| (host.as_str(), *port)),
                expected,
                "{written}"
            );
        }
    }
}
