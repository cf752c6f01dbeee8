//! How a message is delivered: as a request, a mail or a command. Pure.

use std::collections::BTreeMap;

use super::{Channel, Message, Receiver};
use crate::error::{Error, Kind};
use crate::names::suggestion;

/// How a message is delivered to its receiver.
#[derive(Debug, Clone, PartialEq)]
pub enum Delivery {
    /// An HTTP request.
    Webhook(Webhook),
    /// A mail.
    Mail(Mail),
    /// A command.
    Command {
        /// Program and arguments.
        argv: Vec<String>,
        /// Environment variables, in addition to the server's.
        env: BTreeMap<String, String>,
        /// Its standard input: the message as JSON.
        stdin: String,
    },
}

/// A POST request, or a GET request without a body. The URL, the values of the headers and the bearer token may be references: `env:NAME` or `file:PATH`.
#[derive(Debug, Clone, PartialEq)]
pub struct Webhook {
    /// Absolute URL, or a reference to it.
    pub url: String,
    /// Appended to the URL.
    pub path: String,
    /// Request headers.
    pub headers: Vec<(String, String)>,
    /// Bearer token.
    pub bearer: Option<String>,
    /// Request body.
    pub body: Option<String>,
    /// A reference that headers and body contain, to be replaced by its value.
    pub key: Option<String>,
}

/// What a receiver acknowledged of a message: all of it, unless this says otherwise.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Receipt {
    /// The addresses that a mail server refuses for now: the mail is sent to them again.
    pub left: Vec<String>,
    /// Why those were refused.
    pub refusals: Vec<String>,
    /// Why other addresses were refused for good.
    pub refusals_for_good: Vec<String>,
}

impl Receipt {
    /// Why addresses were refused, for now or for good.
    #[must_use]
    pub fn all_refusals(&self) -> Vec<String> {
        [self.refusals.as_slice(), &self.refusals_for_good].concat()
    }
}

/// A mail.
#[derive(Debug, Clone, PartialEq)]
pub struct Mail {
    /// The id by which a mail server or a reader recognizes a mail that it already has.
    pub id: String,
    /// Addresses.
    pub to: Vec<String>,
    /// The addresses that have not got it yet; `None` for all.
    pub left: Option<Vec<String>>,
    /// The sender, unless it is the default.
    pub from: Option<String>,
    /// Subject, one line.
    pub subject: String,
    /// Body, plain text.
    pub body: String,
    /// The mail server; without one, the machine's `sendmail` is used.
    pub smtp: Option<Smtp>,
}

/// A mail server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Smtp {
    /// Host name or IP address.
    pub host: String,
    /// Port, 1-65535.
    pub port: u16,
    /// How the connection is encrypted.
    pub encryption: Encryption,
    /// User name and password, or references to them.
    pub login: Option<(String, String)>,
}

/// How a connection to a mail server is encrypted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encryption {
    /// By STARTTLS, which the server must offer.
    StartTls,
    /// From the beginning.
    Tls,
    /// Not at all.
    None,
}

impl Encryption {
    /// Parses a name: `starttls`, `tls` or `none`.
    ///
    /// # Errors
    /// `Usage` if it is none of these.
    pub fn parse(name: &str) -> Result<Self, Error> {
        match name.to_ascii_lowercase().as_str() {
            "starttls" => Ok(Self::StartTls),
            "tls" => Ok(Self::Tls),
            "none" => Ok(Self::None),
            _ => Err(
                Error::new(Kind::Usage, format_args!("invalid encryption `{}`", name.escape_debug()))
                    .hint(suggestion(name, &["starttls", "tls", "none"])),
            ),
        }
    }

    /// The usual port of a mail server.
    #[must_use]
    pub fn port(self) -> u16 {
        match self {
            Self::StartTls => 587,
            Self::Tls => 465,
            Self::None => 25,
        }
    }
}

/// Returns the delivery of a message to a receiver.
#[must_use]
pub fn delivery(receiver: &Receiver, message: &Message) -> Delivery {
    match &receiver.channel {
        Channel::Webhook {
            url,
            headers,
            bearer,
            key,
            template,
        } => {
            let rendered = template.render(message, key.as_deref().unwrap_or_default());
            // Headers of the definition come last: they replace those of the template.
            let own = |(name, value): (&'static str, String)| (name.to_owned(), value);
            let is_replaced = |name: &str| headers.keys().any(|written| written.eq_ignore_ascii_case(name));
            let mut all: Vec<(String, String)> = rendered.headers.into_iter().map(own).collect();
            all.push(("idempotency-key".to_owned(), message.id.clone()));
            all.retain(|(name, _)| !is_replaced(name));
            all.extend(headers.iter().map(|(name, value)| (name.clone(), value.clone())));
            Delivery::Webhook(Webhook {
                url: url.clone(),
                path: rendered.path,
                headers: all,
                bearer: bearer.clone(),
                body: Some(rendered.body),
                key: key.clone(),
            })
        }
        Channel::Email { to, from, smtp } => Delivery::Mail(Mail {
            id: message.id.clone(),
            to: to.clone(),
            left: None,
            from: from.clone(),
            subject: subject(message),
            body: mail_body(message),
            smtp: smtp.clone(),
        }),
        Channel::Command { argv, env } => {
            let first = message.first();
            let mut env = env.clone();
            let own = [
                ("TEMPO_EVENT", message.topic_name()),
                ("TEMPO_MESSAGE_ID", message.id.as_str()),
                ("TEMPO_SCHEDULE_ID", first.schedule_id.as_deref().unwrap_or_default()),
                ("TEMPO_RUN_ID", first.run_id.as_deref().unwrap_or_default()),
            ];
            env.extend(own.map(|(name, value)| (name.to_owned(), value.to_owned())));
            Delivery::Command {
                argv: argv.clone(),
                env,
                stdin: message.json() + "\n",
            }
        }
    }
}

/// The subject of a mail: the headline, in one line of a length that mail programs show.
fn subject(message: &Message) -> String {
    let line = format!("[tempo on {}] {}", message.host, message.headline());
    line.split(|c: char| c.is_whitespace() || c.is_control())
        .filter(|word| !word.is_empty())
        .collect::<Vec<_>>()
        .join(" ")
        .chars()
        .take(150)
        .collect()
}

/// The body of a mail: each event with its details.
fn mail_body(message: &Message) -> String {
    let mut body = String::new();
    if message.notices.len() > 1 {
        body += &format!("{}\n\n", message.headline());
    }
    for notice in &message.notices {
        let mut lines = vec![notice.message.clone(), format!("  at: {}", notice.at)];
        let mut add = |name: &str, value: Option<&str>| {
            lines.extend(value.filter(|v| !v.is_empty()).map(|value| format!("  {name}: {value}")));
        };
        add("schedule", notice.schedule_id.as_deref());
        add("run", notice.run_id.as_deref());
        if let Some(incident) = &notice.incident {
            add("target", Some(&incident.target_url));
            add("error", Some(&incident.error));
            add("first failure", Some(&incident.first_detected_at));
            let count = incident.count.to_string();
            add("failures", Some(&count));
            add("note", Some(&incident.note));
            let command = format!("tempo incident describe {}", incident.id);
            add("details", Some(&command));
        } else if let Some(run) = &notice.run_id {
            let command = format!("tempo workflow describe {run}");
            add("details", Some(&command));
        }
        body += &lines.join("\n");
        body += "\n\n";
        if let Some(output) = &notice.output {
            body += output.trim_end();
            body += "\n\n";
        }
    }
    body.trim_end().to_owned() + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::notify::Topic;
    use crate::notify::message::tests::notice;

    #[test]
    fn the_subject_of_a_mail_is_one_line_without_control_characters() {
        let message = Message {
            id: "1".to_owned(),
            host: "host".to_owned(),
            notices: vec![notice(Topic::Resolved, "resolved (a\u{1b}[31mred\u{7}\r\nBcc: x)")],
        };
        assert_eq!(subject(&message), "[tempo on host] resolved (a [31mred Bcc: x)");
    }
}
