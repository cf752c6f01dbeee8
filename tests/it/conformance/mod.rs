//! Conformance tests from data files: those in `tests/it/data/conformance/`, and those in `TEMPO_CONFORMANCE_DIR` if it is set.

mod parse;
mod spec_times;
mod when;

use std::path::{Path, PathBuf};

use serde_json::Value;

/// Reads the rows of a conformance file from every directory that has it.
fn rows(file: &str) -> Vec<Value> {
    let own = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/data/conformance");
    let extra = tempo::machine::variable("TEMPO_CONFORMANCE_DIR").map(PathBuf::from);
    let mut rows = Vec::new();
    for directory in std::iter::once(own).chain(extra) {
        let Ok(text) = std::fs::read_to_string(directory.join(file)) else {
            continue;
        };
        let Value::Array(found) = serde_json::from_str(&text).unwrap() else {
            panic!("{file} is not an array")
        };
        rows.extend(found);
    }
    assert!(!rows.is_empty(), "no rows in {file}");
    rows
}

/// Runs `check` on each row, and panics with a list of the rows that failed.
fn check_all(file: &str, check: impl Fn(&Value) -> Result<(), String>) {
    let rows = rows(file);
    let failed: Vec<String> = rows
        .iter()
        .filter_map(|row| {
            check(row)
                .err()
                .map(|why| format!("{}: {why}", row.get("name").or(row.get("input")).unwrap_or(row)))
        })
        .collect();
    assert!(
        failed.is_empty(),
        "{} of {} rows failed:\n{}",
        failed.len(),
        rows.len(),
        failed.join("\n")
    );
}

/// Converts a row of a conformance file to a spec.
fn spec_of(row: &Value, seed: &str) -> Result<tempo::spec::Spec, tempo::error::Error> {
    use tempo::spec::zone::Zones as _;
    use tempo::spec::{Parts, Spec, calendar::Fields, interval::Interval, spec_text::SpecText, zone::Transitions, zone::Zone};
    let zones = tempo::zoneinfo::ZoneInfo::of_machine();
    let texts = |key: &str| -> Vec<String> {
        row.get(key)
            .map(|v| serde_json::from_value(v.clone()).unwrap())
            .unwrap_or_default()
    };
    let zone = row.get("timezone").and_then(Value::as_str).unwrap_or("");
    let spec_text = SpecText {
        cron: texts("cron"),
        time_zone: (!zone.is_empty()).then(|| zone.to_owned()),
        ..SpecText::default()
    };
    let mut parts: Parts = tempo::spec::parts(&spec_text, &zones)?;
    let calendars = |key: &str| -> Vec<Fields> {
        row.get(key)
            .map(|v| serde_json::from_value(v.clone()).unwrap())
            .unwrap_or_default()
    };
    parts.calendars.extend(calendars("calendars"));
    parts.exclusions.extend(calendars("exclude_calendars"));
    let intervals: Vec<Interval> = row
        .get("intervals")
        .map(|v| serde_json::from_value(v.clone()).unwrap())
        .unwrap_or_default();
    parts.intervals.extend(intervals);
    let instant = |key: &str| row.get(key).and_then(Value::as_str).map(|t| t.parse().unwrap());
    (parts.start, parts.end) = (instant("start_at"), instant("end_at"));
    parts.jitter = std::time::Duration::from_secs_f64(row.get("jitter_s").and_then(Value::as_f64).unwrap_or(0.0));
    let choice = |key: &str| row.get(key).cloned().unwrap_or(Value::Null);
    parts.transitions = Transitions {
        gap: serde_json::from_value(choice("dst_gap")).unwrap_or_default(),
        repeat: serde_json::from_value(choice("dst_repeat")).unwrap_or_default(),
    };
    if parts.zone == Zone::utc() && !zone.is_empty() {
        parts.zone = zones.zone(zone)?;
    }
    Ok(Spec::from_parts(&parts, seed))
}
