//! Checks the definition of a receiver.

use super::notify_mail;
use super::notify_text::{CommandText, NotifyText, usage};
use crate::error::{Error, Kind};
use crate::names::ReceiverName;
use crate::notify::timing::{GROUP_WAIT, QuietHours};
use crate::notify::{Channel, Receiver, Template, Timing, Topic};
use crate::schedule::alerts::{Severity, check_label};
use crate::spec::text;
use crate::spec::zone::Zones;

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
            notify_mail::channel(self)?
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
