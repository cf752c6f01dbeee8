//! Receivers: where messages go, about which events. Pure.

use std::collections::{BTreeMap, BTreeSet};

use super::{Message, Notice, Smtp, Template, Timing, Topic};
use crate::names::ReceiverName;
use crate::schedule::alerts::Severity;

/// A receiver of notifications.
#[derive(Debug, Clone)]
pub struct Receiver {
    /// Its name.
    pub name: ReceiverName,
    /// How messages reach it.
    pub channel: Channel,
    /// The topics that it wants.
    pub topics: BTreeSet<Topic>,
    /// Patterns of the schedules that it wants; empty for all.
    pub schedules: Vec<String>,
    /// Labels of the schedules that it wants; empty for all.
    pub labels: Vec<String>,
    /// The least severity of the events that it wants.
    pub min_severity: Severity,
    /// When messages are sent.
    pub timing: Timing,
}

/// How messages reach a receiver. Values of the form `env:NAME` and `file:PATH` are read when a message is sent.
#[derive(Debug, Clone, PartialEq)]
pub enum Channel {
    /// An HTTP request.
    Webhook {
        /// Absolute URL, or a reference to it.
        url: String,
        /// Request headers.
        headers: BTreeMap<String, String>,
        /// Bearer token.
        bearer: Option<String>,
        /// The key by which an alerting service identifies a team.
        key: Option<String>,
        /// The form of the body.
        template: Template,
    },
    /// A mail.
    Email {
        /// Addresses; at least one.
        to: Vec<String>,
        /// The sender; by default `tempo@` and the name of the host.
        from: Option<String>,
        /// The mail server; without one, the machine's `sendmail` is used.
        smtp: Option<Smtp>,
    },
    /// A command that gets the message as JSON on its standard input.
    Command {
        /// Program and arguments.
        argv: Vec<String>,
        /// Environment variables, in addition to the server's.
        env: BTreeMap<String, String>,
    },
}

impl Receiver {
    /// Whether the receiver gets notices of this topic. Events without a schedule go to receivers of all schedules; a receiver that
    /// chooses by id and by label gets them if either matches.
    #[must_use]
    pub fn wants(&self, topic: Topic, notice: &Notice) -> bool {
        let id = notice.schedule_id.as_deref();
        let is_chosen = self.schedules.is_empty() && self.labels.is_empty()
            || id.is_some_and(|id| self.schedules.iter().any(|pattern| matches(pattern, id)))
            || self.labels.iter().any(|label| notice.labels.contains(label));
        topic == Topic::Test || self.topics.contains(&topic) && is_chosen && notice.severity >= self.min_severity
    }

    /// Whether one message may contain several events.
    #[must_use]
    pub fn takes_groups(&self) -> bool {
        match &self.channel {
            Channel::Webhook { template, .. } => template.takes_groups(),
            Channel::Email { .. } | Channel::Command { .. } => true,
        }
    }

    /// `webhook`, `email` or `command`.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self.channel {
            Channel::Webhook { .. } => "webhook",
            Channel::Email { .. } => "email",
            Channel::Command { .. } => "command",
        }
    }

    /// Where messages go, without anything secret: a webhook's path often is.
    #[must_use]
    pub fn target(&self) -> String {
        match &self.channel {
            Channel::Webhook { url, .. } => shown_url(url),
            Channel::Email { to, .. } => to.join(", "),
            Channel::Command { argv, .. } => match argv.as_slice() {
                [shell, flag, line] if shell == "/bin/sh" && flag == "-c" => line.clone(),
                argv => argv.join(" "),
            },
        }
    }

    /// The message of `tempo notify test`.
    #[must_use]
    pub fn test_message(&self, id: String, host: String, at: chrono::DateTime<chrono::Utc>) -> Message {
        let notice = Notice {
            output: None,
            topic: Topic::Test.name().to_owned(),
            at: Notice::instant(at),
            schedule_id: None,
            labels: Vec::new(),
            severity: Severity::Info,
            run_id: None,
            workflow_id: None,
            incident: None,
            message: format!("this is a test of the receiver `{}`", self.name),
        };
        Message {
            id,
            host,
            notices: vec![notice],
        }
    }
}

/// A URL without its path, query and password, which are often secret.
#[must_use]
pub fn shown_url(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else {
        return url.to_owned();
    };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let host = authority.rsplit('@').next().unwrap_or_default();
    let path = if rest.len() > authority.len() + 1 { "/…" } else { "" };
    format!("{scheme}://{host}{path}")
}

/// Whether an id matches a pattern, in which `*` stands for any characters.
fn matches(pattern: &str, id: &str) -> bool {
    let mut parts = pattern.split('*');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = id.strip_prefix(first) else {
        return false;
    };
    let mut last = None;
    for part in parts {
        if let Some(middle) = last.replace(part) {
            let Some((_, after)) = rest.split_once(middle) else {
                return false;
            };
            rest = after;
        }
    }
    last.map_or(rest.is_empty(), |last| rest.ends_with(last))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_in_a_pattern_stands_for_any_characters() {
        for (pattern, id, want) in [
            ("db", "db", true),
            ("db", "db-1", false),
            ("db-*", "db-1", true),
            ("*-db", "main-db", true),
            ("*", "x", true),
            ("a*b*c", "a-b-b-c", true),
            ("a*b*c", "a-c", false),
            ("ab*b", "ab", false),
        ] {
            assert_eq!(matches(pattern, id), want, "{pattern} {id}");
        }
    }
}
