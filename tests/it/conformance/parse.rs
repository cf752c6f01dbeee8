//! Parsing: the normal form of each text, and the texts that are rejected.

use serde_json::{Value, json};
use tempo::error::Error;
use tempo::spec::calendar::Fields;
use tempo::spec::calendar_text::CalendarText;
use tempo::spec::field::{self, Field, Names, Range};
use tempo::spec::interval::Interval;
use tempo::spec::{cron, text::TextError};

#[test]
fn texts_parse_as_the_conformance_data_says() {
    super::check_all("parse.json", check);
}

fn check(row: &Value) -> Result<(), String> {
    let input = &row["input"];
    let parsed: Result<Value, String> = match row["kind"].as_str().unwrap() {
        "range" => range(row, input.as_str().unwrap()),
        "cron" => cron::parse(input.as_str().unwrap()).map(|c| shape(&c)).map_err(message),
        "calendar" => calendar(input),
        "structured" => structured(input),
        "interval" => interval(input).map(|i| serde_json::to_value(i).unwrap()),
        "spec" => super::spec_of(input, "").map(|_| Value::Null).map_err(|e| e.to_string()),
        other => return Err(format!("unknown kind {other}")),
    };
    match (row["ok"].as_bool().unwrap(), parsed) {
        (true, Err(e)) => Err(format!("rejected: {e}")),
        (false, Ok(v)) => Err(format!("accepted as {v}")),
        (false, Err(_)) => Ok(()),
        (true, Ok(value)) => {
            if row["kind"] == "range"
                && let Some(values) = row.get("values")
            {
                let mut got: Vec<u16> = serde_json::from_value::<Vec<Range>>(value.clone())
                    .unwrap()
                    .into_iter()
                    .flat_map(|r| r.values().collect::<Vec<_>>())
                    .collect();
                got.sort_unstable();
                got.dedup();
                if json!(got) != *values {
                    return Err(format!("values: got {got:?}, want {values}"));
                }
            }
            match row.get("canonical") {
                Some(want) if row["kind"] != "spec" && *want != value => Err(format!("got {value}, want {want}")),
                _ => Ok(()),
            }
        }
    }
}

fn message(e: TextError) -> String {
    Error::from(e).to_string()
}

fn range(row: &Value, input: &str) -> Result<Value, String> {
    let bound = |key: &str| u16::try_from(row[key].as_u64().unwrap()).unwrap();
    let names = match row["names"].as_str() {
        None => Names::None,
        Some("month") => Names::Months,
        Some(_) => Names::Weekdays,
    };
    let field = Field {
        name: "value",
        min: bound("min"),
        max: bound("max"),
        names,
    };
    field.ranges(input, 0).map(|r| json!(r)).map_err(|f| f[0].message.clone())
}

fn shape(c: &cron::Cron) -> Value {
    match &c.when {
        cron::When::Interval(i) => json!({"interval": i, "timezone": c.time_zone}),
        cron::When::Calendars(f) => json!({"calendar": f[0], "timezone": c.time_zone}),
    }
}

fn calendar(input: &Value) -> Result<Value, String> {
    let text: CalendarText = serde_json::from_value(input.clone()).map_err(|e| e.to_string())?;
    let forms = text.normal_form().map_err(message)?;
    Ok(json!(forms[0]))
}

fn structured(input: &Value) -> Result<Value, String> {
    let list = |key: &str, field: Field| -> Result<Vec<Range>, String> {
        let number = |r: &Value, k: &str| r.get(k).and_then(Value::as_i64).unwrap_or(0);
        let ranges = input.get(key).and_then(Value::as_array).cloned().unwrap_or_default();
        ranges
            .iter()
            .map(|r| Range::checked(number(r, "start"), number(r, "end"), number(r, "step"), &field))
            .collect()
    };
    Ok(json!(Fields {
        second: list("second", field::SECOND)?,
        minute: list("minute", field::MINUTE)?,
        hour: list("hour", field::HOUR)?,
        day_of_month: list("day_of_month", field::DAY_OF_MONTH)?,
        month: list("month", field::MONTH)?,
        year: list("year", field::YEAR)?,
        day_of_week: list("day_of_week", field::DAY_OF_WEEK)?,
        comment: String::new(),
    }))
}

fn interval(input: &Value) -> Result<Interval, String> {
    #[expect(clippy::cast_possible_truncation, reason = "the conformance data has small numbers")]
    let ms = |key: &str| (input[key].as_f64().unwrap() * 1000.0).round() as i64;
    Interval::checked(ms("every_s"), ms("offset_s"))
}
