//! Messages: the events that a receiver gets at once, as JSON and as text. Pure.

use chrono::{DateTime, SecondsFormat, Utc};
use serde::{Deserialize, Serialize};

use super::Topic;
use crate::schedule::alerts::Severity;

/// Maximum number of events that the text of a message lists.
const MAX_LINES: usize = 20;

/// One event of a message, as it is stored in the outbox and sent.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Notice {
    /// The name of the topic.
    #[serde(rename = "event")]
    pub topic: String,
    /// When it happened: RFC 3339, UTC.
    pub at: String,
    /// The schedule that it is about, if it is about one.
    pub schedule_id: Option<String>,
    /// The labels of that schedule.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub labels: Vec<String>,
    /// The severity of that schedule; `warning` for an event of the server.
    #[serde(default)]
    pub severity: Severity,
    /// The run that it is about, if it is about one.
    pub run_id: Option<String>,
    /// The workflow id of that run.
    pub workflow_id: Option<String>,
    /// The incident, if it is about one.
    pub incident: Option<IncidentDetails>,
    /// What happened, in one sentence.
    pub message: String,
    /// What the run printed, if that is what the event is about; its end, if it is long.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output: Option<String>,
}

/// An incident with its latest failure, as in the JSON of `tempo incident describe`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the fields are those of the JSON of an incident")]
pub struct IncidentDetails {
    pub id: i64,
    pub target_name: String,
    pub target_url: String,
    pub status_code: Option<u16>,
    pub error: String,
    pub error_type: String,
    pub elapsed_ms: i64,
    pub detected_at: String,
    pub count: u64,
    pub first_detected_at: String,
    pub status: String,
    pub note: String,
    pub resolved_at: Option<String>,
    pub schedule_id: Option<String>,
    pub run_id: String,
}

impl Notice {
    /// An instant as it stands in messages.
    #[must_use]
    pub fn instant(at: DateTime<Utc>) -> String {
        at.to_rfc3339_opts(SecondsFormat::AutoSi, true)
    }

    /// The topic; `Test` if a newer tempo wrote the notice.
    pub(super) fn topic(&self) -> Topic {
        Topic::named(&self.topic).unwrap_or(Topic::Test)
    }
}

/// Returns a text without control characters, in lines that end in `\n`: what a command printed may contain anything.
#[must_use]
pub fn plain_text(text: &str) -> String {
    let lines = text.replace("\r\n", "\n").replace('\r', "\n");
    lines
        .chars()
        .filter(|c| !c.is_control() || matches!(c, '\n' | '\t'))
        .collect()
}

/// A message of the outbox.
#[derive(Debug, Clone, PartialEq)]
pub struct Message {
    /// The id by which the receiver recognizes a message that it already has.
    pub id: String,
    /// The name of this machine.
    pub host: String,
    /// The events, oldest first; at least one.
    pub notices: Vec<Notice>,
}

/// The JSON of a message: that of its first event, and the list of all if there are several.
#[derive(Serialize)]
struct MessageJson<'a> {
    id: &'a str,
    host: &'a str,
    #[serde(flatten)]
    first: Notice,
    #[serde(skip_serializing_if = "<[Notice]>::is_empty")]
    events: &'a [Notice],
}

impl Message {
    /// The first event.
    pub(super) fn first(&self) -> &Notice {
        &self.notices[0]
    }

    /// The name of the topic of all events, or `digest` if they differ.
    #[must_use]
    pub fn topic_name(&self) -> &str {
        let first = &self.first().topic;
        if self.notices.iter().all(|notice| notice.topic == *first) {
            first
        } else {
            "digest"
        }
    }

    /// The message in one line.
    #[must_use]
    pub fn headline(&self) -> String {
        match self.notices.as_slice() {
            [one] => one.message.clone(),
            several if self.topic_name() == "digest" => format!("{} events", several.len()),
            several => several[0].topic().several(several.len()),
        }
    }

    /// The message as text: the headline, and a line for each event if there are several.
    #[must_use]
    pub fn text(&self) -> String {
        if self.notices.len() == 1 {
            return self.headline();
        }
        let mut lines = vec![format!("{}:", self.headline())];
        lines.extend(
            self.notices
                .iter()
                .take(MAX_LINES)
                .map(|notice| format!("- {}", notice.message)),
        );
        if self.notices.len() > MAX_LINES {
            lines.push(format!("… and {} more", self.notices.len() - MAX_LINES));
        }
        lines.join("\n")
    }

    /// The message as JSON.
    #[must_use]
    #[expect(clippy::missing_panics_doc, reason = "text and numbers are always valid JSON")]
    pub fn json(&self) -> String {
        let json = MessageJson {
            id: &self.id,
            host: &self.host,
            first: Notice {
                topic: self.topic_name().to_owned(),
                message: self.text(),
                ..self.first().clone()
            },
            events: if self.notices.len() > 1 { &self.notices } else { &[] },
        };
        serde_json::to_string(&json).expect("text and numbers are valid JSON")
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(in super::super) fn notice(topic: Topic, message: &str) -> Notice {
        Notice {
            topic: topic.name().to_owned(),
            at: "2026-05-05T23:50:00Z".to_owned(),
            schedule_id: Some("health".to_owned()),
            labels: Vec::new(),
            severity: Severity::Error,
            run_id: Some("ab12".to_owned()),
            workflow_id: None,
            incident: None,
            message: message.to_owned(),
            output: None,
        }
    }

    #[test]
    fn several_events_are_sent_in_one_message() {
        let message = |notices| Message {
            id: "1".to_owned(),
            host: "h".to_owned(),
            notices,
        };
        let one = message(vec![notice(Topic::Opened, "a failed")]);
        let json: serde_json::Value = serde_json::from_str(&one.json()).unwrap();
        assert_eq!(
            (json["event"].as_str(), json["message"].as_str()),
            (Some("opened"), Some("a failed"))
        );
        assert!(json.get("events").is_none() && json["incident"].is_null());
        let two = message(vec![notice(Topic::Opened, "a failed"), notice(Topic::Opened, "b failed")]);
        assert_eq!(two.text(), "2 incidents opened:\n- a failed\n- b failed");
        let json: serde_json::Value = serde_json::from_str(&two.json()).unwrap();
        assert_eq!(json["events"][1]["message"], "b failed");
        let mixed = message(vec![
            notice(Topic::Opened, "a failed"),
            notice(Topic::Resolved, "a works again"),
        ]);
        assert_eq!((mixed.topic_name(), mixed.headline().as_str()), ("digest", "2 events"));
    }
}
