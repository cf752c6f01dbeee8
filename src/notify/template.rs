//! The bodies that chat and alerting services expect. Pure.

use serde_json::{Value, json};

use super::message::IncidentDetails;
use super::{Message, Notice, Topic};
use crate::error::{Error, Kind};
use crate::names::suggestion;
use crate::schedule::alerts::Severity;

/// The form of the body of a webhook's request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Template {
    /// tempo's own JSON.
    #[default]
    Json,
    /// An incoming webhook of Slack.
    Slack,
    /// An incoming webhook of Mattermost.
    Mattermost,
    /// A webhook of Discord.
    Discord,
    /// A topic of ntfy.
    Ntfy,
    /// The Events API v2 of `PagerDuty`.
    Pagerduty,
    /// The Alert API of Opsgenie.
    Opsgenie,
    /// The API v2 of Alertmanager.
    Alertmanager,
}

/// The request that a template makes of a message.
pub(super) struct Rendered {
    /// Appended to the URL.
    pub(super) path: String,
    pub(super) headers: Vec<(&'static str, String)>,
    pub(super) body: String,
}

/// The maximum length of a text that Discord accepts, in characters.
const DISCORD_LIMIT: usize = 2000;

impl Template {
    /// Every template.
    pub const ALL: [Self; 8] = [
        Self::Json,
        Self::Slack,
        Self::Mattermost,
        Self::Discord,
        Self::Ntfy,
        Self::Pagerduty,
        Self::Opsgenie,
        Self::Alertmanager,
    ];

    /// The name, as in definition files.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Json => "json",
            Self::Slack => "slack",
            Self::Mattermost => "mattermost",
            Self::Discord => "discord",
            Self::Ntfy => "ntfy",
            Self::Pagerduty => "pagerduty",
            Self::Opsgenie => "opsgenie",
            Self::Alertmanager => "alertmanager",
        }
    }

    /// Parses a name, in any case.
    ///
    /// # Errors
    /// `Usage`, with the closest name as a hint.
    pub fn parse(name: &str) -> Result<Self, Error> {
        let found = Self::ALL.into_iter().find(|t| t.name().eq_ignore_ascii_case(name));
        found.ok_or_else(|| {
            let names = Self::ALL.map(Self::name);
            Error::new(Kind::Usage, format_args!("no template is named `{}`", name.escape_debug())).hint(suggestion(name, &names))
        })
    }

    /// Whether the service identifies a team by a key.
    #[must_use]
    pub fn needs_key(self) -> bool {
        matches!(self, Self::Pagerduty | Self::Opsgenie)
    }

    /// Whether one request may contain several events. The services that follow incidents by themselves take one at a time.
    pub(super) fn takes_groups(self) -> bool {
        !self.needs_key()
    }

    /// Renders a message; `key` is the key of the team or a reference to it.
    pub(super) fn render(self, message: &Message, key: &str) -> Rendered {
        let text = || format!("[tempo on {}] {}", message.host, message.text());
        let plain = |body: Value| Rendered {
            path: String::new(),
            headers: vec![("content-type", "application/json".to_owned())],
            body: body.to_string(),
        };
        match self {
            Self::Json => Rendered {
                body: message.json(),
                ..plain(Value::Null)
            },
            Self::Slack | Self::Mattermost => plain(json!({"text": escape_markup(&text())})),
            Self::Discord => {
                let content: String = text().chars().take(DISCORD_LIMIT).collect();
                plain(json!({"content": content, "allowed_mentions": {"parse": []}}))
            }
            Self::Ntfy => Rendered {
                path: String::new(),
                headers: vec![
                    ("content-type", "text/plain; charset=utf-8".to_owned()),
                    ("title", format!("tempo on {}: {}", message.host, message.topic_name())),
                    ("priority", if is_good(message) { "default" } else { "high" }.to_owned()),
                    (
                        "tags",
                        if is_good(message) {
                            "white_check_mark"
                        } else {
                            "rotating_light"
                        }
                        .to_owned(),
                    ),
                ],
                body: message.text(),
            },
            Self::Pagerduty => plain(pagerduty(message, key)),
            Self::Opsgenie => {
                let alias = alias(message.first(), message);
                let headers = vec![
                    ("content-type", "application/json".to_owned()),
                    ("authorization", format!("GenieKey {key}")),
                ];
                if is_good(message) {
                    Rendered {
                        path: format!("/{alias}/close?identifierType=alias"),
                        headers,
                        body: json!({"note": message.text()}).to_string(),
                    }
                } else {
                    let headline: String = message.headline().chars().take(130).collect();
                    let body = json!({
                        "message": headline, "alias": alias, "description": message.text(), "source": message.host,
                        "priority": opsgenie_priority(message.first().severity),
                    });
                    Rendered {
                        path: String::new(),
                        headers,
                        body: body.to_string(),
                    }
                }
            }
            Self::Alertmanager => plain(message.notices.iter().map(|notice| alert(notice, message)).collect()),
        }
    }
}

fn is_good(message: &Message) -> bool {
    message.notices.iter().all(|notice| notice.topic() == Topic::Resolved)
}

/// Escapes what Slack and Mattermost take for markup.
fn escape_markup(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// The key by which an alerting service recognizes the incident of a notice.
fn alias(notice: &Notice, message: &Message) -> String {
    match &notice.incident {
        Some(incident) => format!("tempo-{}-{}", message.host, incident.id),
        None => format!("tempo-{}", message.id),
    }
}

fn opsgenie_priority(severity: Severity) -> &'static str {
    match severity {
        Severity::Critical => "P1",
        Severity::Error => "P3",
        Severity::Warning => "P4",
        Severity::Info => "P5",
    }
}

fn pagerduty(message: &Message, key: &str) -> Value {
    let notice = message.first();
    let action = if is_good(message) { "resolve" } else { "trigger" };
    let summary: String = message.headline().chars().take(1024).collect();
    json!({
        "routing_key": key,
        "event_action": action,
        "dedup_key": alias(notice, message),
        "payload": {
            "summary": summary,
            "source": message.host,
            "severity": notice.severity,
            "timestamp": notice.at,
            "component": notice.schedule_id,
            "custom_details": notice,
        },
    })
}

fn alert(notice: &Notice, message: &Message) -> Value {
    let name = notice.schedule_id.as_deref().unwrap_or("tempo");
    let target = |field: fn(&IncidentDetails) -> &str| notice.incident.as_ref().map_or("", field);
    let mut alert = json!({
        "labels": {
            "alertname": format!("tempo {name}"),
            "schedule": name,
            "step": target(|i| &i.target_name),
            "instance": message.host,
            "severity": notice.severity,
        },
        "annotations": {"summary": notice.message, "target": target(|i| &i.target_url)},
        "startsAt": notice.incident.as_ref().map_or(&notice.at, |i| &i.first_detected_at),
    });
    if notice.topic() == Topic::Resolved {
        alert["endsAt"] = json!(notice.at);
    }
    alert
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::notify::message::tests::notice;

    fn message(topic: Topic) -> Message {
        let incident = IncidentDetails {
            id: 7,
            target_name: "site".to_owned(),
            target_url: "http://127.0.0.1/".to_owned(),
            status_code: Some(500),
            error: "unexpected status 500".to_owned(),
            error_type: "UnexpectedStatus".to_owned(),
            elapsed_ms: 3,
            detected_at: "2026-05-05T23:50:00Z".to_owned(),
            count: 1,
            first_detected_at: "2026-05-05T23:50:00Z".to_owned(),
            status: "open".to_owned(),
            note: String::new(),
            resolved_at: None,
            schedule_id: Some("health".to_owned()),
            run_id: "ab12".to_owned(),
        };
        Message {
            id: "abc".to_owned(),
            host: "h".to_owned(),
            notices: vec![Notice {
                incident: Some(incident),
                ..notice(topic, "site <b> failed")
            }],
        }
    }

    #[test]
    fn each_service_gets_the_form_that_it_expects() {
        let body =
            |template: Template, topic| -> Value { serde_json::from_str(&template.render(&message(topic), "KEY").body).unwrap() };
        assert_eq!(
            body(Template::Slack, Topic::Opened)["text"],
            "[tempo on h] site &lt;b&gt; failed"
        );
        assert_eq!(
            body(Template::Discord, Topic::Opened)["content"],
            "[tempo on h] site <b> failed"
        );
        for (topic, action) in [(Topic::Opened, "trigger"), (Topic::Resolved, "resolve")] {
            let body = body(Template::Pagerduty, topic);
            assert_eq!(body["event_action"], action);
            assert_eq!(
                (&body["dedup_key"], &body["routing_key"]),
                (&json!("tempo-h-7"), &json!("KEY"))
            );
        }
        let close = Template::Opsgenie.render(&message(Topic::Resolved), "KEY");
        assert_eq!(close.path, "/tempo-h-7/close?identifierType=alias");
        let alert = &body(Template::Alertmanager, Topic::Resolved)[0];
        assert_eq!(
            (&alert["labels"]["step"], &alert["endsAt"]),
            (&json!("site"), &json!("2026-05-05T23:50:00Z"))
        );
        assert_eq!(Template::Ntfy.render(&message(Topic::Opened), "").body, "site <b> failed");
    }
}
