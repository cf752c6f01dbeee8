//! The differences between two definitions of a schedule, field by field.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::notify_text::NotifyText;
use super::schedule_text::ScheduleText;

/// A field that differs; null where it is absent.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct FieldChange {
    /// `jitter`, or `step.NAME.retry` for a field of a step.
    pub(crate) name: String,
    pub(crate) old: Value,
    pub(crate) new: Value,
}

/// Returns the fields in which two definitions differ.
pub(crate) fn between(old: Option<&ScheduleText>, new: Option<&ScheduleText>) -> Vec<FieldChange> {
    between_fields(&fields(old), &fields(new))
}

/// Returns the fields in which two receivers differ.
pub(crate) fn between_receivers(old: Option<&NotifyText>, new: Option<&NotifyText>) -> Vec<FieldChange> {
    let fields = |text: Option<&NotifyText>| match text.map(serde_json::to_value) {
        Some(Ok(Value::Object(mut fields))) => {
            fields.remove("name");
            for key in SECRET_KEYS {
                fields.entry(key).and_modify(hide);
            }
            fields
        }
        _ => Map::new(),
    };
    between_fields(&fields(old), &fields(new))
}

/// The keys of a receiver that may hold secrets.
const SECRET_KEYS: [&str; 5] = ["webhook", "headers", "bearer", "key", "smtp_password"];

/// Replaces a value that is not a reference to a secret with a digest, so that a change is still visible.
fn hide(value: &mut Value) {
    match value {
        Value::String(text) if !text.starts_with("env:") && !text.starts_with("file:") => {
            let digest = farmhash::hash64(text.as_bytes()) & 0xffff;
            *text = format!("*** ({digest:04x})");
        }
        Value::Object(values) => values.values_mut().for_each(hide),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {}
    }
}

fn between_fields(old: &Map<String, Value>, new: &Map<String, Value>) -> Vec<FieldChange> {
    let names: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
    let value = |fields: &Map<String, Value>, name: &str| fields.get(name).cloned().unwrap_or(Value::Null);
    names
        .into_iter()
        .map(|name| FieldChange {
            old: value(old, name),
            new: value(new, name),
            name: name.clone(),
        })
        .filter(|change| change.old != change.new)
        .collect()
}

/// Returns all fields of a definition except its id; those of a step are prefixed with the step's name.
fn fields(text: Option<&ScheduleText>) -> Map<String, Value> {
    let Some(Ok(Value::Object(mut fields))) = text.map(serde_json::to_value) else {
        return Map::new();
    };
    fields.remove("id");
    let Some(Value::Array(steps)) = fields.remove("step") else {
        return fields;
    };
    let mut order = Vec::new();
    for step in steps {
        let Value::Object(mut parts) = step else { continue };
        let Some(Value::String(name)) = parts.remove("name") else {
            continue;
        };
        for (key, value) in parts {
            fields.insert(format!("step.{name}.{key}"), value);
        }
        order.push(Value::String(name));
    }
    fields.insert("step".to_owned(), Value::Array(order));
    fields
}
