//! The text form of a definition file: its tables and their keys, and schedules converted to it.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use chrono::{DateTime, SecondsFormat, Utc};
use serde::{Deserialize, Serialize};

use super::notify_text::NotifyText;
use super::one_or_many::one_or_many;
use crate::error::{Error, Kind};
use crate::names::ScheduleId;
use crate::run::step_text::StepText;
use crate::run::threshold::ThresholdText;
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
    /// Unique name of the schedule.
    #[cfg_attr(
        test,
        schemars(
            required,
            length(min = 1, max = 200),
            regex(pattern = "^[A-Za-z0-9._:/@+][A-Za-z0-9._:/@+-]*$")
        )
    )]
    pub(crate) id: String,
    /// Note shown with the schedule.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) note: Option<String>,
    /// Times in English: `every weekday at 02:30`, `every 15 min`.
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "one_or_many")]
    #[cfg_attr(test, schemars(with = "super::one_or_many::OneOrMany<String>"))]
    pub(super) when: Vec<String>,
    /// Single times: `2026-05-05T09:00:00Z`, or `2026-05-05 09:00` in the time zone.
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "one_or_many")]
    #[cfg_attr(test, schemars(with = "super::one_or_many::OneOrMany<String>"))]
    pub(super) at: Vec<String>,
    /// Intervals, with an optional offset: `2m`, `1h/15m`.
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "one_or_many")]
    #[cfg_attr(test, schemars(with = "super::one_or_many::OneOrMany<String>"))]
    pub(super) interval: Vec<String>,
    /// Cron strings: 5 fields, 6 with the year last, 7 with seconds first, or a macro such as `@daily`.
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "one_or_many")]
    #[cfg_attr(test, schemars(with = "super::one_or_many::OneOrMany<String>"))]
    pub(super) cron: Vec<String>,
    /// Calendars: `{ hour = 9, day_of_week = "Mon-Fri" }`; second, minute and hour default to 0, the other fields to any.
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "one_or_many")]
    #[cfg_attr(test, schemars(with = "super::one_or_many::OneOrMany<CalendarText>"))]
    pub(super) calendar: Vec<CalendarText>,
    /// Quartz expressions: seconds first, Sunday is 1.
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "one_or_many")]
    #[cfg_attr(test, schemars(with = "super::one_or_many::OneOrMany<String>"))]
    pub(super) quartz: Vec<String>,
    /// Times to exclude: dates, or calendars whose omitted time fields match any value.
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "one_or_many")]
    #[cfg_attr(test, schemars(with = "super::one_or_many::OneOrMany<Exclusion>"))]
    pub(super) exclude_calendar: Vec<Exclusion>,
    /// Start once after each boot of the machine.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(super) at_boot: bool,
    /// Time zone of the schedule; `local` is the machine's zone (default: UTC).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) time_zone: Option<String>,
    /// Times that daylight saving skips: `skip` (default) or `shift`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) dst_gap: Option<String>,
    /// Times that daylight saving repeats: `both` (default), `first` or `last`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) dst_repeat: Option<String>,
    /// No starts before this time: `2026-05-05T09:00:00Z`, or `2026-05-05 09:00` in the time zone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) start_time: Option<String>,
    /// No starts after this time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) end_time: Option<String>,
    /// Maximum delay added to each start, such as `30s`; the same for the same time and schedule.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) jitter: Option<String>,
    /// When a run is still running: skip (default), buffer-one, buffer-all, cancel-other, terminate-other or allow-all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) overlap_policy: Option<String>,
    /// How late a time may still be started after an outage; at least 10s (default: 10m).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) catchup_window: Option<String>,
    /// Pause the schedule when a run fails, as `pause_after = 1`.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(super) pause_on_failure: bool,
    /// Pause the schedule after this many failed runs in a row.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) pause_after: Option<u32>,
    /// Whether the schedule is paused; omit to leave its current state unchanged.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) paused: Option<bool>,
    /// Number of scheduled starts left, or `unlimited`; counted down from when the file first sets it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) remaining_actions: Option<RemainingText>,
    /// Base of the workflow ids of its runs (default: the schedule's id).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) workflow_id: Option<String>,
    /// Maximum duration of a run, such as `1h30m`; default: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) run_timeout: Option<String>,
    /// Task queue of its runs, whose limit `tempo run --queue` sets (default: `default`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) task_queue: Option<String>,
    /// Lock that its runs hold: one run at a time among all schedules that name it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) lock: Option<String>,
    /// Command line for `/bin/sh -c` that is run before a run begins; if it fails, the run is skipped.
    #[serde(rename = "if", skip_serializing_if = "Option::is_none")]
    pub(super) condition: Option<String>,
    /// Schedules after whose runs it starts: `ID` when one has completed, `ID:failed` when one has failed.
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "one_or_many")]
    #[cfg_attr(test, schemars(with = "super::one_or_many::OneOrMany<String>"))]
    pub(super) after: Vec<String>,
    /// Maximum number of open runs under `allow-all`, 1-1000; further starts wait (default: no limit).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) max_running: Option<u32>,
    /// Labels, by which receivers of notifications choose schedules.
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "one_or_many")]
    #[cfg_attr(test, schemars(with = "super::one_or_many::OneOrMany<String>"))]
    pub(super) labels: Vec<String>,
    /// How much its failures matter to receivers of notifications: `info`, `warning`, `error` (default) or `critical`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) severity: Option<String>,
    /// When failures open an incident: a number of failures in a row, or a duration such as `5m`; default: the first failure.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) open_after: Option<ThresholdText>,
    /// Number of successes in a row that resolve an incident (default: 1).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) resolve_after: Option<u32>,
    /// How often receivers of notifications are reminded of an open incident, such as `4h`; default: never.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) remind: Option<String>,
    /// How long the schedule may go without a success, for whatever reason, before an incident is opened, such as `25h`; default: forever.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) expect_within: Option<String>,
    /// Instead of steps: how long after each time a heartbeat (`tempo beat`) of a job that another scheduler runs must have arrived, such as `30m`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) grace: Option<String>,
    /// Steps of a run, in order.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) step: Vec<StepText>,
}

/// The `[defaults]` table of a file.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub(crate) struct DefaultsText {
    /// Time zone of the schedules.
    #[serde(skip_serializing_if = "Option::is_none")]
    time_zone: Option<String>,
    /// What to do while another run is still running.
    #[serde(skip_serializing_if = "Option::is_none")]
    overlap_policy: Option<String>,
    /// How late a time may still be started after an outage.
    #[serde(skip_serializing_if = "Option::is_none")]
    catchup_window: Option<String>,
    /// Pause a schedule after this many failed runs in a row.
    #[serde(skip_serializing_if = "Option::is_none")]
    pause_after: Option<u32>,
    /// Maximum duration of a run.
    #[serde(skip_serializing_if = "Option::is_none")]
    run_timeout: Option<String>,
    /// Task queue of the runs.
    #[serde(skip_serializing_if = "Option::is_none")]
    task_queue: Option<String>,
    /// Labels of schedules that have none.
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "one_or_many")]
    #[cfg_attr(test, schemars(with = "super::one_or_many::OneOrMany<String>"))]
    labels: Vec<String>,
    /// How much failures matter to receivers of notifications.
    #[serde(skip_serializing_if = "Option::is_none")]
    severity: Option<String>,
    /// When failures open an incident.
    #[serde(skip_serializing_if = "Option::is_none")]
    open_after: Option<ThresholdText>,
    /// Number of successes in a row that resolve an incident.
    #[serde(skip_serializing_if = "Option::is_none")]
    resolve_after: Option<u32>,
    /// How often receivers of notifications are reminded of an open incident.
    #[serde(skip_serializing_if = "Option::is_none")]
    remind: Option<String>,
    /// How long a schedule may go without a success before an incident is opened.
    #[serde(skip_serializing_if = "Option::is_none")]
    expect_within: Option<String>,
}

/// A value of the `[vars]` table.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(
    untagged,
    expecting = "expected a string, an integer or a boolean; write other numbers in quotes"
)]
pub(crate) enum VarText {
    Text(String),
    Integer(i64),
    Bool(bool),
}

impl fmt::Display for VarText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => f.write_str(text),
            Self::Integer(number) => number.fmt(f),
            Self::Bool(value) => value.fmt(f),
        }
    }
}

/// A definition file.
#[derive(Debug, Default, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub(crate) struct File {
    /// Values for `{{ vars.NAME }}` in the strings of the file.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) vars: BTreeMap<String, VarText>,
    /// Values for the schedules of the file that do not set these keys themselves.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) defaults: Option<DefaultsText>,
    /// The schedules, each with a unique id.
    #[serde(default)]
    pub(crate) schedule: Vec<ScheduleText>,
    /// Receivers of notifications, each with a unique name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) notify: Vec<NotifyText>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(untagged, expecting = "expected a number or \"unlimited\"")]
pub(super) enum RemainingText {
    Number(u64),
    Text(String),
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
    /// Converts a schedule to its text form; defaults are omitted.
    pub(crate) fn of(id: &ScheduleId, definition: &Definition, state: &State) -> Self {
        let Definition {
            spec,
            action,
            policies,
            alerts,
            after,
        } = definition.clone();
        let defaults = Policies::default();
        let beat_only = action.is_beat_only();
        let rfc3339 = |at: DateTime<Utc>| at.to_rfc3339_opts(SecondsFormat::AutoSi, true);
        Self {
            when: Vec::new(),
            at: Vec::new(),
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
            overlap_policy: (policies.overlap != defaults.overlap).then(|| policies.overlap.name().to_owned()),
            catchup_window: (policies.catchup_window_ms != defaults.catchup_window_ms)
                .then(|| text::duration_text(Duration::from_millis(policies.catchup_window_ms))),
            pause_on_failure: policies.pause_on_failure,
            pause_after: policies.pause_after,
            paused: state.paused.then_some(true),
            remaining_actions: state.remaining_actions.map(RemainingText::Number),
            workflow_id: action.workflow_id,
            run_timeout: action.run_timeout,
            task_queue: action.task_queue,
            lock: action.lock,
            condition: action.condition,
            after,
            max_running: policies.max_running,
            labels: alerts.labels,
            severity: alerts.severity.map(|severity| severity.name().to_owned()),
            open_after: alerts.open_after,
            resolve_after: alerts.resolve_after,
            remind: alerts.remind,
            expect_within: alerts.expect_within,
            grace: beat_only.then(|| action.steps[0].beat.clone()).flatten(),
            step: if beat_only { Vec::new() } else { action.steps },
        }
    }
}

/// Writes schedules as a definition file in TOML.
///
/// # Errors
/// `System` when a value cannot be represented in TOML.
pub(crate) fn toml(file: &File) -> Result<String, Error> {
    toml::to_string_pretty(file).map_err(|e| Error::new(Kind::System, "cannot write the schedules as TOML").because(e))
}
