//! Checks a response against the expectation of a probe: status, headers, body and response time. Pure.

use std::time::Duration;

use regex_lite::Regex;
use serde_json::Value;

use crate::run::outcome::{ErrorType, Failure};
use crate::run::probe::Expectation;
use crate::spec::describe::human_duration;

/// The parts of a response that are checked.
pub(super) struct Response {
    pub(super) status: u16,
    pub(super) headers: http::HeaderMap,
    /// The beginning of the body; empty if no condition needs it.
    pub(super) body: Vec<u8>,
    /// Whether the body is longer than `body`.
    pub(super) is_cut: bool,
}

impl Expectation {
    /// Whether any condition needs the body.
    pub(super) fn needs_body(&self) -> bool {
        self.body_contains.is_some() || self.body_matches.is_some() || !self.json.is_empty()
    }
}

/// Checks a response from `url` that arrived after `elapsed`; `mask` removes secrets from the parts of it that messages quote.
pub(super) fn check(
    expectation: &Expectation,
    url: &str,
    response: &Response,
    elapsed: Duration,
    mask: &dyn Fn(&str) -> String,
) -> Result<(), Failure> {
    let fail = |error_type, message: String| Err(Failure { error_type, message });
    if !expectation.status.iter().any(|range| range.contains(&response.status)) {
        return fail(
            ErrorType::UnexpectedStatus,
            format!("unexpected status {} from {url}", response.status),
        );
    }
    for (name, expression) in &expectation.header_matches {
        let values: Vec<_> = response
            .headers
            .get_all(name)
            .iter()
            .map(|v| String::from_utf8_lossy(v.as_bytes()))
            .collect();
        if !values.iter().any(|v| matches(expression, v)) {
            let found = if values.is_empty() {
                "is missing".to_owned()
            } else {
                format!("is `{}`", shortened(&mask(&values.join(", "))))
            };
            return fail(
                ErrorType::UnexpectedBody,
                format!("header {name} of {url} {found}; it must match `{expression}`"),
            );
        }
    }
    if expectation.needs_body() {
        let body = String::from_utf8_lossy(&response.body);
        let cut = if response.is_cut {
            ", of which only the first 1 MiB is checked,"
        } else {
            ""
        };
        check_body(expectation, &body, response.is_cut, mask)
            .or_else(|what| fail(ErrorType::UnexpectedBody, format!("the body of {url}{cut} {what}")))?;
    }
    match expectation.max_elapsed {
        Some(limit) if elapsed > limit => {
            let (took, limit) = (human_duration(elapsed.as_millis()), human_duration(limit.as_millis()));
            fail(ErrorType::TooSlow, format!("{url} took {took}, more than {limit}"))
        }
        Some(_) | None => Ok(()),
    }
}

fn check_body(expectation: &Expectation, body: &str, is_cut: bool, mask: &dyn Fn(&str) -> String) -> Result<(), String> {
    if let Some(text) = expectation
        .body_contains
        .as_ref()
        .filter(|text| !body.contains(text.as_str()))
    {
        return Err(format!("does not contain `{}`", shortened(text)));
    }
    if let Some(expression) = expectation.body_matches.as_ref().filter(|expression| {
        // Where a body is cut, `$` must not match, whatever may follow.
        let follows = |character: &str| format!("{body}{}", character.repeat(64));
        let bodies = if is_cut {
            vec![follows("0"), follows("\u{fffd}")]
        } else {
            vec![body.to_owned()]
        };
        !bodies.iter().all(|body| matches(expression, body))
    }) {
        return Err(format!("does not match `{}`", shortened(expression)));
    }
    if expectation.json.is_empty() {
        return Ok(());
    }
    let value: Value = serde_json::from_str(body).map_err(|e| format!("is not JSON: {e}"))?;
    for (path, want) in &expectation.json {
        match path.in_value(&value) {
            None => return Err(format!("has no `{}`", path.text())),
            Some(found) if !equal(found, want) => {
                return Err(format!(
                    "has `{}` = {}, not {}",
                    path.text(),
                    // JSON escapes special characters itself.
                    beginning(&mask(&masked(found, mask).to_string())),
                    beginning(&want.to_string())
                ));
            }
            Some(_) => {}
        }
    }
    Ok(())
}

/// A value as messages may quote it: its strings are masked before they are escaped.
fn masked(value: &Value, mask: &dyn Fn(&str) -> String) -> Value {
    match value {
        Value::String(text) => Value::String(mask(text)),
        Value::Array(items) => items.iter().map(|item| masked(item, mask)).collect(),
        Value::Object(entries) => entries.iter().map(|(key, item)| (mask(key), masked(item, mask))).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) => value.clone(),
    }
}

/// Whether a value equals the expected one. Numbers are compared by value; `"*"` matches any value.
fn equal(found: &Value, want: &Value) -> bool {
    match (found, want) {
        (_, Value::String(any)) if any == "*" => true,
        (Value::Number(a), Value::Number(b)) if a.is_f64() || b.is_f64() => a.as_f64() == b.as_f64(),
        (found, want) => found == want,
    }
}

fn matches(expression: &str, text: &str) -> bool {
    Regex::new(expression).is_ok_and(|e| e.is_match(text))
}

fn shortened(text: &str) -> String {
    beginning(text).escape_debug().to_string()
}

fn beginning(text: &str) -> String {
    let start: String = text.chars().take(80).collect();
    let cut = if start.len() < text.len() { "…" } else { "" };
    format!("{start}{cut}")
}
