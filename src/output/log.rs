//! Lines of the server log: one for each event.

use chrono::{DateTime, Utc};
use serde_json::{Value, json};

use super::instant::rfc3339;
use super::times::Times;
use super::ui::{Style, sanitize};

/// A log line, before it is formatted as text or JSON.
#[derive(Debug, Clone)]
pub(crate) struct Line {
    /// The time of the event.
    pub(crate) at: DateTime<Utc>,
    /// The event in one word: `tick`, `start`, `retry`, `incident` …
    pub(crate) word: &'static str,
    /// The style of the word.
    pub(crate) style: Option<Style>,
    /// The schedule or run concerned.
    pub(crate) subject: String,
    /// The message.
    pub(crate) text: String,
    /// The fields of the event in JSON; `None` for lines meant for people only.
    pub(crate) fields: Option<Value>,
}

impl Line {
    /// Formats the line for people: `14:02:07.120 retry     health-2026… httpbin-ok: …`.
    pub(crate) fn text(&self, times: &Times, paint: impl Fn(Style, &str) -> String) -> String {
        let clock = format!("{}.{:03}", &times.full(self.at)[11..], self.at.timestamp_subsec_millis());
        let word = format!("{:<9}", self.word);
        let word = self.style.map_or_else(|| word.clone(), |style| paint(style, &word));
        let message = if self.subject.is_empty() {
            self.text.clone()
        } else {
            format!("{}  {}", self.subject, self.text)
        };
        format!("{clock} {word} {}", sanitize(&message).replace('\n', " "))
    }

    /// Formats the line as one JSON object.
    pub(crate) fn json(&self) -> String {
        let mut object = json!({"at": rfc3339(self.at), "event": self.word});
        if let (Value::Object(to), Some(Value::Object(from))) = (&mut object, &self.fields) {
            to.extend(from.clone());
        }
        object.to_string()
    }
}
