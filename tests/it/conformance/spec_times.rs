//! Next times, with jitter, zones, transitions, exclusions and bounds.

use chrono::{DateTime, SecondsFormat, Utc};
use serde_json::Value;

#[test]
fn next_times_match_the_conformance_data() {
    super::check_all("spec_times.json", check);
}

fn check(row: &Value) -> Result<(), String> {
    let seed = row.get("jitter_seed").and_then(Value::as_str).unwrap_or("");
    let spec = super::spec_of(&row["spec"], seed).map_err(|e| e.to_string())?;
    let after: DateTime<Utc> = row["after"].as_str().unwrap().parse().unwrap();
    let texts = |key: &str| -> Option<Vec<String>> { row.get(key).map(|v| serde_json::from_value(v.clone()).unwrap()) };
    let expected = texts("expected").unwrap_or_default();
    let nominal = texts("expected_nominal");
    let one_more = row.get("expected_end").is_some() || row.get("expected_none").is_some();
    let (mut due_times, mut nominal_times, mut at) = (Vec::new(), Vec::new(), after);
    for _ in 0..expected.len() + usize::from(one_more) {
        let Some(next) = spec.next_after(at) else { break };
        let due = spec.due(next);
        due_times.push(text(due));
        nominal_times.push(text(next));
        at = due;
    }
    if due_times != expected {
        return Err(format!("got {due_times:?}, want {expected:?}"));
    }
    match nominal {
        Some(want) if nominal_times != want => Err(format!("nominal: got {nominal_times:?}, want {want:?}")),
        _ => Ok(()),
    }
}

fn text(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::AutoSi, true)
}
