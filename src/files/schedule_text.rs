//! A definitions file as it is written: its tables, their keys, and schedules in that form.

use std::fmt;
use std::marker::PhantomData;
use std::time::Duration;

use chrono::{DateTime, SecondsFormat, Utc};
use serde::de::value::{MapAccessDeserializer, SeqAccessDeserializer};
use serde::de::{self, IntoDeserializer as _, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

use crate::error::{Error, Kind};
use crate::names::ScheduleId;
use crate::run::step_text::StepText;
use crate::schedule::{Definition, Policies, Remaining, State};
use crate::spec::calendar_text::CalendarText;
use crate::spec::exclusion::Exclusion;
use crate::spec::text;
use crate::spec::zone::{Gap, Repeat};

/// A `[[schedule]]` table.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub(crate) struct ScheduleText {
    /// What it is called; unique.
    #[cfg_attr(
        test,
        schemars(
            required,
            length(min = 1, max = 200),
            regex(pattern = "^[A-Za-z0-9._:/@+][A-Za-z0-9._:/@+-]*$")
        )
    )]
    pub(crate) id: String,
    /// What people should know of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) note: Option<String>,
    /// Every so long, with an offset: `2m`, `1h/15m`.
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "one_or_many")]
    #[cfg_attr(test, schemars(with = "OneOrMany<String>"))]
    pub(super) interval: Vec<String>,
    /// Cron strings: 5 fields, 6 with the year last, 7 with seconds first, or `@daily` and the like.
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "one_or_many")]
    #[cfg_attr(test, schemars(with = "OneOrMany<String>"))]
    pub(super) cron: Vec<String>,
    /// Calendars: `{ hour = 9, day_of_week = "Mon-Fri" }`; second, minute and hour are 0 unless told, the rest any.
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "one_or_many")]
    #[cfg_attr(test, schemars(with = "OneOrMany<CalendarText>"))]
    pub(super) calendar: Vec<CalendarText>,
    /// Quartz expressions: seconds first, Sunday is 1.
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "one_or_many")]
    #[cfg_attr(test, schemars(with = "OneOrMany<String>"))]
    pub(super) quartz: Vec<String>,
    /// What never fires: dates, or calendars in which times left out mean any.
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "one_or_many")]
    #[cfg_attr(test, schemars(with = "OneOrMany<Exclusion>"))]
    pub(super) exclude_calendar: Vec<Exclusion>,
    /// Once after each boot of the machine.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(super) at_boot: bool,
    /// The zone of the wall clock; `local` is the machine's; UTC when left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) time_zone: Option<String>,
    /// A time that daylight saving skips: `skip` (when left out) or `shift`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) dst_gap: Option<String>,
    /// A time that daylight saving repeats: `both` (when left out), `first` or `last`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) dst_repeat: Option<String>,
    /// Nothing fires before: `2026-05-05T09:00:00Z`, or `2026-05-05 09:00` in the time zone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) start_time: Option<String>,
    /// Nothing fires after.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) end_time: Option<String>,
    /// Start up to so much later, always the same for a time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) jitter: Option<String>,
    /// While a run is going: skip (when left out), buffer-one, buffer-all, cancel-other, terminate-other or allow-all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) overlap_policy: Option<String>,
    /// How late a time may still be taken up after an outage; at least 10s, 10m when left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) catchup_window: Option<String>,
    /// Pause when a run fails.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(super) pause_on_failure: bool,
    /// Start nothing by itself; left to people where it is left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) paused: Option<bool>,
    /// How many scheduled starts there are: a number, or `unlimited`; counted down from when the file first says it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) remaining_actions: Option<RemainingText>,
    /// The base of the workflow ids of its runs; the schedule's id when left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) workflow_id: Option<String>,
    /// How long a run may take.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) run_timeout: Option<String>,
    /// What a run does, in order.
    pub(super) step: Vec<StepText>,
}

/// A definitions file.
#[derive(Debug, Default, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub(crate) struct File {
    /// The schedules, each with an id of its own.
    #[serde(default)]
    pub(crate) schedule: Vec<ScheduleText>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(untagged, expecting = "a number, or \"unlimited\", is expected")]
pub(super) enum RemainingText {
    Number(u64),
    Text(String),
}

/// One value, or a list of them; for the schema alone.
#[cfg(test)]
#[derive(schemars::JsonSchema)]
#[schemars(untagged)]
#[expect(dead_code, reason = "only its shape counts")]
enum OneOrMany<T> {
    One(T),
    Many(Vec<T>),
}

fn one_or_many<'de, T: Deserialize<'de>, D: Deserializer<'de>>(from: D) -> Result<Vec<T>, D::Error> {
    struct Visit<T>(PhantomData<T>);

    impl<'de, T: Deserialize<'de>> Visitor<'de> for Visit<T> {
        type Value = Vec<T>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a text or a table, or a list of them,")
        }

        fn visit_str<E: de::Error>(self, text: &str) -> Result<Vec<T>, E> {
            T::deserialize(text.into_deserializer()).map(|one| vec![one])
        }

        fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Vec<T>, A::Error> {
            T::deserialize(MapAccessDeserializer::new(map)).map(|one| vec![one])
        }

        fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<Vec<T>, A::Error> {
            Vec::deserialize(SeqAccessDeserializer::new(list))
        }
    }

    from.deserialize_any(Visit(PhantomData))
}

impl RemainingText {
    pub(super) fn read(&self) -> Result<Remaining, Error> {
        match self {
            Self::Number(n) => Ok(Remaining::Only(*n)),
            Self::Text(text) => Remaining::parse(text),
        }
    }
}

impl ScheduleText {
    /// A schedule as a file would define it; what is as if left out is left out.
    pub(crate) fn of(id: &ScheduleId, definition: &Definition, state: &State) -> Self {
        let Definition { spec, action, policies } = definition.clone();
        let unsaid = Policies::default();
        let rfc3339 = |at: DateTime<Utc>| at.to_rfc3339_opts(SecondsFormat::AutoSi, true);
        Self {
            id: id.to_string(),
            note: Some(state.note.clone()).filter(|n| !n.is_empty()),
            interval: spec.interval,
            cron: spec.cron,
            calendar: spec.calendar,
            quartz: spec.quartz,
            exclude_calendar: spec.exclude_calendar,
            at_boot: spec.at_boot,
            time_zone: spec.time_zone,
            dst_gap: (spec.dst_gap != Gap::default()).then(|| spec.dst_gap.name().to_owned()),
            dst_repeat: (spec.dst_repeat != Repeat::default()).then(|| spec.dst_repeat.name().to_owned()),
            start_time: spec.start_time.map(rfc3339),
            end_time: spec.end_time.map(rfc3339),
            jitter: spec.jitter,
            overlap_policy: (policies.overlap != unsaid.overlap).then(|| policies.overlap.name().to_owned()),
            catchup_window: (policies.catchup_window_ms != unsaid.catchup_window_ms)
                .then(|| text::duration_text(Duration::from_millis(policies.catchup_window_ms))),
            pause_on_failure: policies.pause_on_failure,
            paused: state.paused.then_some(true),
            remaining_actions: state.remaining_actions.map(RemainingText::Number),
            workflow_id: action.workflow_id,
            run_timeout: action.run_timeout,
            step: action.steps,
        }
    }
}

/// Schedules as a definitions file in TOML.
///
/// # Errors
/// `System` where a value has no form in TOML.
pub(crate) fn toml(file: &File) -> Result<String, Error> {
    toml::to_string_pretty(file).map_err(|e| Error::new(Kind::System, "cannot write the schedules as TOML").because(e))
}
