//! The text form of a spec, as people write it and the database stores it: unparsed, in the order given. Pure.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::calendar_text::CalendarText;
use super::cron;
use super::exclusion::Exclusion;
use super::zone::{Gap, Repeat};

/// A spec as written: every list may hold several, and their union counts.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SpecText {
    /// `2m`, `1h/15m`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub interval: Vec<String>,
    /// Cron strings.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub cron: Vec<String>,
    /// Calendars, a text per field.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub calendar: Vec<CalendarText>,
    /// Quartz expressions.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub quartz: Vec<String>,
    /// What never fires.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub exclude_calendar: Vec<Exclusion>,
    /// One start after each boot of the machine.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub at_boot: bool,
    /// The zone of the wall clock; absent: UTC.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub time_zone: Option<String>,
    /// What becomes of times in a gap.
    #[serde(skip_serializing_if = "is_default")]
    pub dst_gap: Gap,
    /// What becomes of times that repeat.
    #[serde(skip_serializing_if = "is_default")]
    pub dst_repeat: Repeat,
    /// Nothing fires before it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub start_time: Option<DateTime<Utc>>,
    /// Nothing fires after it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub end_time: Option<DateTime<Utc>>,
    /// The most that a start may be late on purpose: a duration.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub jitter: Option<String>,
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

impl SpecText {
    /// The zone that it is read in: its own, or the one inside its cron strings.
    #[must_use]
    pub fn zone_name(&self) -> String {
        let own = self.time_zone.clone().filter(|z| !z.is_empty() && z != "UTC");
        let inside = || {
            let zones = self.cron.iter().filter_map(|c| Some(cron::parse(c).ok()?.time_zone));
            zones.into_iter().find(|z| !z.is_empty())
        };
        own.or_else(inside).unwrap_or_else(|| "UTC".to_owned())
    }

    /// Whether it names no time at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.interval.is_empty() && self.cron.is_empty() && self.calendar.is_empty() && self.quartz.is_empty() && !self.at_boot
    }
}
