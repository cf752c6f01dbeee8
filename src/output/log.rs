//! The words of the server's log: one line for each thing that happens.

use chrono::{DateTime, Utc};
use serde_json::{Value, json};

use super::times::Times;
use super::ui::{Style, tame};
use super::views::rfc3339;

/// A line of the log, before it is put in text or JSON.
#[derive(Debug, Clone)]
pub(crate) struct Line {
    /// When it happened.
    pub(crate) at: DateTime<Utc>,
    /// One word: `tick`, `start`, `retry`, `incident` …
    pub(crate) word: &'static str,
    /// What the word means.
    pub(crate) style: Option<Style>,
    /// Whom it is about: a schedule or a run.
    pub(crate) subject: String,
    /// What is said of it.
    pub(crate) text: String,
    /// The same for machines; absent where it is for people.
    pub(crate) fields: Option<Value>,
}

impl Line {
    /// For people: `14:02:07.120 retry     health-2026… httpbin-ok: …`.
    pub(crate) fn text(&self, times: &Times, painted: impl Fn(Style, &str) -> String) -> String {
        let clock = format!("{}.{:03}", &times.full(self.at)[11..], self.at.timestamp_subsec_millis());
        let word = format!("{:<9}", self.word);
        let word = self.style.map_or_else(|| word.clone(), |style| painted(style, &word));
        let said = if self.subject.is_empty() {
            self.text.clone()
        } else {
            format!("{}  {}", self.subject, self.text)
        };
        format!("{clock} {word} {}", tame(&said).replace('\n', " "))
    }

    /// For machines: one JSON object.
    pub(crate) fn json(&self) -> String {
        let mut object = json!({"at": rfc3339(self.at), "event": self.word});
        if let (Value::Object(to), Some(Value::Object(from))) = (&mut object, &self.fields) {
            to.extend(from.clone());
        }
        object.to_string()
    }
}
