//! The text form of a spec, as people write it and the database stores it: unparsed, in the given order. Pure.

use chrono::{DateTime, Datelike as _, Timelike as _, Utc};
use serde::{Deserialize, Serialize};

use super::calendar_text::CalendarText;
use super::cron;
use super::exclusion::Exclusion;
use super::text::TextError;
use super::zone::{Gap, Repeat, Zone};
use crate::error::{Error, Kind};

/// A spec as written. Each list may have several entries; a spec fires at the union of their times.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct SpecText {
    /// Intervals: `2m`, `1h/15m`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub interval: Vec<String>,
    /// Cron strings.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub cron: Vec<String>,
    /// Calendars, with one text per field.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub calendar: Vec<CalendarText>,
    /// Quartz expressions.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub quartz: Vec<String>,
    /// Times to exclude.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub exclude_calendar: Vec<Exclusion>,
    /// One start after each boot of the machine.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub at_boot: bool,
    /// The time zone; UTC if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub time_zone: Option<String>,
    /// The handling of times in a gap.
    #[serde(skip_serializing_if = "is_default")]
    pub dst_gap: Gap,
    /// The handling of repeated times.
    #[serde(skip_serializing_if = "is_default")]
    pub dst_repeat: Repeat,
    /// The earliest time that can fire.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, schemars(with = "Option<String>"))]
    pub start_time: Option<DateTime<Utc>>,
    /// The latest time that can fire.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, schemars(with = "Option<String>"))]
    pub end_time: Option<DateTime<Utc>>,
    /// The maximum delay added to each start: a duration.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub jitter: Option<String>,
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

impl SpecText {
    /// The time zone of the spec: its own, or the one in its cron strings.
    #[must_use]
    pub fn zone_name(&self) -> String {
        let own = self.time_zone.clone().filter(|z| !z.is_empty() && z != "UTC");
        let from_cron = || self.cron.iter().find_map(|c| cron::zone_of(c)).map(str::to_owned);
        own.or_else(from_cron).unwrap_or_else(|| "UTC".to_owned())
    }

    /// Adds the times that a text in English names; see [`when::parse`](super::when::parse).
    ///
    /// # Errors
    /// When the text is not understood, or names another time zone or jitter than the spec has.
    pub fn add_english(&mut self, text: &str) -> Result<(), TextError> {
        let read = super::when::parse(text)?;
        let differs = |own: &Option<String>, new: &Option<String>| own.is_some() && new.is_some() && own != new;
        if differs(&self.time_zone, &read.time_zone) || differs(&self.jitter, &read.jitter) {
            let rule = "more than one time zone or jitter is given";
            return Err(TextError::whole("the text", text, rule));
        }
        self.interval.extend(read.interval);
        self.cron.extend(read.cron);
        self.calendar.extend(read.calendar);
        self.quartz.extend(read.quartz);
        self.exclude_calendar.extend(read.exclude_calendar);
        self.at_boot |= read.at_boot;
        self.time_zone = self.time_zone.take().or(read.time_zone);
        self.jitter = self.jitter.take().or(read.jitter);
        Ok(())
    }

    /// Adds a single time, as a calendar with all fields. A fraction of a second is rounded up.
    ///
    /// # Errors
    /// `Usage` when the wall clock of the zone shows it twice, so that it would fire twice.
    pub fn add_instant(&mut self, at: DateTime<Utc>, zone: &Zone) -> Result<(), Error> {
        let at = at.timestamp() + i64::from(at.timestamp_subsec_nanos() > 0);
        let civil = at + i64::from(zone.offset_at(at));
        let shown = DateTime::from_timestamp(civil, 0)
            .ok_or_else(|| Error::new(Kind::Usage, "the time is out of range"))?
            .naive_utc();
        let is_repeated = [at - 86_400, at + 86_400]
            .map(|near| i64::from(zone.offset_at(near)))
            .into_iter()
            .any(|offset| {
                let other = civil - offset;
                other != at && i64::from(zone.offset_at(other)) == offset
            });
        if is_repeated {
            return Err(Error::new(
                Kind::Usage,
                format_args!("{shown} occurs twice in {}, where clocks go back", zone.name()),
            )
            .hint("Choose another time, or `--time-zone UTC`."));
        }
        let field = |number: u32| Some(number.to_string());
        self.calendar.push(CalendarText {
            second: field(shown.second()).filter(|_| shown.second() > 0),
            minute: field(shown.minute()),
            hour: field(shown.hour()),
            day_of_month: field(shown.day()),
            month: field(shown.month()),
            year: Some(shown.year().to_string()),
            ..CalendarText::default()
        });
        Ok(())
    }

    /// Whether the spec has no times at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        !self.has_fixed_times() && !self.at_boot
    }

    /// Whether the spec has times that are known in advance.
    #[must_use]
    pub fn has_fixed_times(&self) -> bool {
        !(self.interval.is_empty() && self.cron.is_empty() && self.calendar.is_empty() && self.quartz.is_empty())
    }
}
