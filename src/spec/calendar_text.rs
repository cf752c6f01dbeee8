//! The text form of a calendar: one text per field. Pure.

use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::calendar::Fields;
use super::days::{MonthDay, ParsedCalendar, WeekDay};
use super::field::{self, Field, Range};
use super::text::{Fault, TextError};

/// A calendar with one string per field. Omitted fields default to 0 for second, minute and hour, and to any for the rest.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct CalendarText {
    #[expect(missing_docs, reason = "self-explanatory")]
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "text_or_number")]
    #[cfg_attr(test, schemars(with = "Option<TextOrNumber>"))]
    pub second: Option<String>,
    #[expect(missing_docs, reason = "self-explanatory")]
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "text_or_number")]
    #[cfg_attr(test, schemars(with = "Option<TextOrNumber>"))]
    pub minute: Option<String>,
    #[expect(missing_docs, reason = "self-explanatory")]
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "text_or_number")]
    #[cfg_attr(test, schemars(with = "Option<TextOrNumber>"))]
    pub hour: Option<String>,
    #[expect(missing_docs, reason = "self-explanatory")]
    #[serde(
        skip_serializing_if = "Option::is_none",
        alias = "dayOfMonth",
        deserialize_with = "text_or_number"
    )]
    #[cfg_attr(test, schemars(with = "Option<TextOrNumber>"))]
    pub day_of_month: Option<String>,
    #[expect(missing_docs, reason = "self-explanatory")]
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "text_or_number")]
    #[cfg_attr(test, schemars(with = "Option<TextOrNumber>"))]
    pub month: Option<String>,
    #[expect(missing_docs, reason = "self-explanatory")]
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "text_or_number")]
    #[cfg_attr(test, schemars(with = "Option<TextOrNumber>"))]
    pub year: Option<String>,
    #[expect(missing_docs, reason = "self-explanatory")]
    #[serde(
        skip_serializing_if = "Option::is_none",
        alias = "dayOfWeek",
        deserialize_with = "text_or_number"
    )]
    #[cfg_attr(test, schemars(with = "Option<TextOrNumber>"))]
    pub day_of_week: Option<String>,
    #[expect(missing_docs, reason = "self-explanatory")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub comment: Option<String>,
}

#[derive(Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(untagged, expecting = "a string like \"9\" or \"Mon-Fri\", or a whole number")]
enum TextOrNumber {
    Text(String),
    Number(i64),
}

fn text_or_number<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Option<String>, D::Error> {
    Ok(Some(match TextOrNumber::deserialize(from)? {
        TextOrNumber::Text(t) => t,
        TextOrNumber::Number(n) => n.to_string(),
    }))
}

/// The entries of a JSON object in order, with the values as written.
pub(crate) struct Object<'a>(pub(crate) Vec<(String, &'a RawValue)>);

impl<'de> Deserialize<'de> for Object<'de> {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Entries;
        impl<'de> Visitor<'de> for Entries {
            type Value = Object<'de>;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an object like {\"hour\":\"9\"}")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut entries = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    entries.push(entry);
                }
                Ok(Object(entries))
            }
        }
        from.deserialize_map(Entries)
    }
}

/// The meaning of omitted time fields.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum OmittedTime {
    Midnight,
    Any,
}

impl CalendarText {
    /// Parses `{"hour":"9","dayOfWeek":"Mon-Fri","comment":"…"}`.
    ///
    /// # Errors
    /// When it is not JSON of that form, with an error for each invalid field.
    pub fn parse_json(json: &str) -> Result<Self, TextError> {
        super::text::check_length("calendar", json)?;
        let invalid = |faults| TextError {
            what: "calendar",
            text: json.to_owned(),
            faults,
            hints: vec!["Write a calendar like '{\"hour\":\"9\",\"minute\":\"0\",\"dayOfWeek\":\"Mon-Fri\"}'.".to_owned()],
        };
        let object: Object<'_> = serde_json::from_str(json).map_err(|e| {
            let at = e.column().saturating_sub(1).min(json.len());
            let message = e.to_string();
            let message = match message.split(" at line ").next().unwrap_or_default() {
                "expected value" | "expected ident" | "EOF while parsing a value" => "expected a JSON object",
                "key must be a string" => "expected a key in double quotes",
                "EOF while parsing an object" => "expected `}` at the end",
                "EOF while parsing a string" => "a quotation mark is missing",
                "trailing characters" => "unexpected text after the object",
                message => message,
            };
            let message = message.to_owned();
            invalid(vec![Fault { span: at..at, message }])
        })?;
        let (mut calendar, mut faults) = (Self::default(), Vec::new());
        let mut positions: Vec<(&str, usize)> = Vec::new();
        for (key, value) in object.0 {
            let at = value.get().as_ptr().addr() - json.as_ptr().addr();
            let key_at = json[..at]
                .rfind(&format!("\"{key}\""))
                .map_or(at..at, |k| k + 1..k + 1 + key.len());
            let mut fault = |span, message| faults.push(Fault { span, message });
            let Some((name, field)) = calendar.field(&key) else {
                let known = "second, minute, hour, dayOfMonth, month, year, dayOfWeek or comment";
                fault(key_at, format!("unknown field `{key}`, expected {known}"));
                continue;
            };
            if field.is_some() {
                fault(key_at, format!("duplicate field `{key}`"));
            }
            match serde_json::from_str(value.get()) {
                Ok(TextOrNumber::Text(text)) => {
                    *field = Some(text);
                    positions.push((name, at + 1));
                }
                Ok(TextOrNumber::Number(n)) => {
                    *field = Some(n.to_string());
                    positions.push((name, at));
                }
                Err(_) => {
                    let message = format!("{key} `{}` is neither a string nor a whole number", value.get());
                    fault(at..at + value.get().len(), message);
                }
            }
        }
        let position = |name: &str| positions.iter().rfind(|(n, _)| *n == name).map_or(0, |(_, at)| *at);
        let read = calendar.read_in(json, position, OmittedTime::Midnight);
        faults.extend(read.err().into_iter().flat_map(|e| e.faults));
        faults.sort_by_key(|f| f.span.start);
        if faults.is_empty() {
            Ok(calendar)
        } else {
            Err(invalid(faults))
        }
    }

    /// The field for a JSON key, and its canonical name.
    fn field(&mut self, key: &str) -> Option<(&'static str, &mut Option<String>)> {
        Some(match key {
            "second" => ("second", &mut self.second),
            "minute" => ("minute", &mut self.minute),
            "hour" => ("hour", &mut self.hour),
            "day_of_month" | "dayOfMonth" => ("day_of_month", &mut self.day_of_month),
            "month" => ("month", &mut self.month),
            "year" => ("year", &mut self.year),
            "day_of_week" | "dayOfWeek" => ("day_of_week", &mut self.day_of_week),
            "comment" => ("comment", &mut self.comment),
            _ => return None,
        })
    }

    /// The equivalent plain calendars: one, or several if `L`, `W` or `#` were lowered.
    ///
    /// # Errors
    /// An error for each invalid field.
    pub fn normal_form(&self) -> Result<Vec<Fields>, TextError> {
        self.read().map(|c| c.lower())
    }

    /// Parses the fields without lowering the days.
    pub(super) fn read(&self) -> Result<ParsedCalendar, TextError> {
        self.read_with(OmittedTime::Midnight)
    }

    pub(super) fn read_with(&self, omitted: OmittedTime) -> Result<ParsedCalendar, TextError> {
        let json = serde_json::to_string(self).unwrap_or_default();
        let position = |name: &str| {
            let prefix = format!("\"{name}\":\"");
            json.find(&prefix).map_or(0, |at| at + prefix.len())
        };
        self.read_in(&json, position, omitted)
    }

    /// Parses the fields. Errors refer to the JSON `json`, in which `position` gives the start of the text of a field.
    fn read_in(&self, json: &str, position: impl Fn(&str) -> usize, omitted: OmittedTime) -> Result<ParsedCalendar, TextError> {
        let mut faults: Vec<Fault> = Vec::new();
        let time = |text: &Option<String>, field: Field, faults: &mut Vec<Fault>| match (text, omitted) {
            (Some(t), _) => field.ranges(t, position(field.name)).unwrap_or_else(|found| {
                faults.extend(found);
                Vec::new()
            }),
            (None, OmittedTime::Midnight) => vec![Range::single(0)],
            (None, OmittedTime::Any) => vec![field.all()],
        };
        let second = time(&self.second, field::SECOND, &mut faults);
        let minute = time(&self.minute, field::MINUTE, &mut faults);
        let hour = time(&self.hour, field::HOUR, &mut faults);
        let any = |text: &Option<String>| text.clone().unwrap_or_else(|| "*".to_owned());
        let month_text = any(&self.month);
        let month = field::MONTH.ranges(&month_text, position("month")).unwrap_or_else(|found| {
            faults.extend(found);
            Vec::new()
        });
        let year = match self.year.as_deref() {
            None | Some("*") => Vec::new(),
            Some(y) => field::YEAR.ranges(y, position("year")).unwrap_or_else(|found| {
                faults.extend(found);
                Vec::new()
            }),
        };
        let (dom, dow) = (any(&self.day_of_month), any(&self.day_of_week));
        let month_days = MonthDay::list(&dom, position("day_of_month")).unwrap_or_else(|found| {
            faults.extend(found);
            Vec::new()
        });
        let week_days = WeekDay::list(&dow, position("day_of_week")).unwrap_or_else(|found| {
            faults.extend(found);
            Vec::new()
        });
        let comment = self.comment.clone().unwrap_or_default();
        if comment.chars().count() > 200 {
            faults.push(Fault {
                span: position("comment")..position("comment") + comment.len(),
                message: "comment is longer than 200 characters".to_owned(),
            });
        }
        if !faults.is_empty() {
            return Err(TextError {
                what: "calendar",
                text: json.to_owned(),
                faults,
                hints: Vec::new(),
            });
        }
        let base = Fields {
            second,
            minute,
            hour,
            month,
            year,
            comment,
            ..Fields::default()
        };
        Ok(ParsedCalendar {
            base,
            month_days,
            week_days,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reports_every_json_error_with_its_position() {
        for (json, expected) in [
            (
                r#"{"hour":"25","minut":"0","dayOfMonth":"1,32"}"#,
                vec![
                    "25: hour `25` is out",
                    "minut: unknown field `minut`",
                    "32: day of month `32` is",
                ],
            ),
            (
                r#"{"hour":9.5,"minute":[1]}"#,
                vec!["9.5: hour `9.5` is neither", "[1]: minute `[1]` is neither"],
            ),
            (
                r#"{"hour":"9", "hour":24}"#,
                vec!["hour: duplicate field `hour`", "24: hour `24` is out"],
            ),
            (r#"{"minute":"-1"}"#, vec!["-1: minute `-1` is not a number"]),
            ("[1]", vec![": invalid type: sequence, expected an object"]),
            (r#"{"hour":"9""#, vec![": expected `}` at the end"]),
            ("hour 9", vec![": expected a JSON object"]),
            ("{hour: 9}", vec![": expected a key in double quotes"]),
            (r#"{"hour":"9"} x"#, vec![": unexpected text after the object"]),
        ] {
            let e = CalendarText::parse_json(json).unwrap_err();
            assert_eq!(e.faults.len(), expected.len(), "{json}: {:?}", e.faults);
            for (fault, expected) in e.faults.iter().zip(expected) {
                let got = format!("{}: {}", &json[fault.span.clone()], fault.message);
                assert!(got.trim_start_matches(' ').starts_with(expected), "{json}: {got}");
            }
        }
    }
}
