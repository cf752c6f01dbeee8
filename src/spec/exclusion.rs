//! Exclusions: times that a spec excludes, as dates or calendars.

use std::fmt;

use chrono::{Datelike as _, NaiveDate};
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde::{Deserialize, Serialize};

use super::calendar::Fields;
use super::calendar_text::{CalendarText, OmittedTime};
use super::text::TextError;

/// An exclusion: a date, or a calendar in which omitted time fields match any time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(untagged)]
pub enum Exclusion {
    /// A date: `2026-12-25`.
    Date(String),
    /// A calendar: one string per field.
    Calendar(CalendarText),
}

impl<'de> Deserialize<'de> for Exclusion {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct DateOrCalendar;
        impl<'de> Visitor<'de> for DateOrCalendar {
            type Value = Exclusion;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a date like \"2026-12-25\", or a calendar")
            }

            fn visit_str<E: serde::de::Error>(self, date: &str) -> Result<Exclusion, E> {
                Ok(Exclusion::Date(date.to_owned()))
            }

            fn visit_map<M: MapAccess<'de>>(self, map: M) -> Result<Exclusion, M::Error> {
                CalendarText::deserialize(MapAccessDeserializer::new(map)).map(Exclusion::Calendar)
            }
        }
        from.deserialize_any(DateOrCalendar)
    }
}

impl Exclusion {
    /// Parses a date, or a calendar in JSON.
    ///
    /// # Errors
    /// When the text is neither.
    pub fn parse(source: &str) -> Result<Self, TextError> {
        if source.trim_start().starts_with('{') {
            return CalendarText::parse_json(source).map(Self::Calendar);
        }
        date(source).map(|_| Self::Date(source.trim().to_owned()))
    }

    /// The equivalent plain calendars; omitted time fields match any time.
    ///
    /// # Errors
    /// An error for each invalid field.
    pub fn normal_form(&self) -> Result<Vec<Fields>, TextError> {
        match self {
            Self::Calendar(c) => c.read_with(OmittedTime::Any).map(|c| c.lower()),
            Self::Date(text) => {
                let (year, month, day) = date(text)?;
                let calendar = CalendarText {
                    year: Some(year.to_string()),
                    month: Some(month.to_string()),
                    day_of_month: Some(day.to_string()),
                    ..CalendarText::default()
                };
                calendar.read_with(OmittedTime::Any).map(|c| c.lower())
            }
        }
    }
}

fn date(text: &str) -> Result<(i32, u32, u32), TextError> {
    let date = NaiveDate::parse_from_str(text.trim(), "%Y-%m-%d").map_err(|_| {
        TextError::whole("exclusion", text, "expected a valid date")
            .hint("Write a date like `2026-12-25`, or a calendar like '{\"dayOfWeek\":\"Sat,Sun\"}'.")
    })?;
    Ok((date.year(), date.month(), date.day()))
}
