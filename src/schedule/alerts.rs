//! How failures of a schedule become incidents, and which receivers are notified. Pure.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Kind};
use crate::names::suggestion;
use crate::run::threshold::{ThresholdText, check_resolve_after};
use crate::spec::text;

/// The name of the target of the incident of a schedule that has not succeeded for too long. No step can have it.
pub const NO_SUCCESS: &str = "(no success)";
/// The name of the target of an incident of definition files that a server cannot apply.
pub const DEFINITIONS: &str = "(definitions)";

/// Maximum length of a label, in characters.
const MAX_LABEL: usize = 200;

/// How much the failures of a schedule matter, from the least to the most.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Good to know.
    Info,
    /// To be looked at some day.
    Warning,
    /// To be looked at today; the default.
    #[default]
    Error,
    /// To be looked at now.
    Critical,
}

impl Severity {
    /// Every severity, from the least to the most.
    pub const ALL: [Self; 4] = [Self::Info, Self::Warning, Self::Error, Self::Critical];

    /// The name, as in definition files and JSON.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Error => "error",
            Self::Critical => "critical",
        }
    }

    /// Parses a name, in any case.
    ///
    /// # Errors
    /// `Usage`, with the names.
    pub fn parse(name: &str) -> Result<Self, Error> {
        let found = Self::ALL.into_iter().find(|s| s.name().eq_ignore_ascii_case(name));
        found.ok_or_else(|| {
            Error::new(Kind::Usage, format_args!("no severity is named `{}`", name.escape_debug()))
                .hint(suggestion(name, &Self::ALL.map(Self::name)))
        })
    }
}

/// The alert settings of a schedule.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(default)]
pub struct Alerts {
    /// Labels, by which receivers choose schedules.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub labels: Vec<String>,
    /// How much its failures matter; `error` if not set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub severity: Option<Severity>,
    /// When failures open an incident, for steps without their own setting; at the first failure if not set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub open_after: Option<ThresholdText>,
    /// How many successes in a row resolve an incident, for steps without their own setting; one if not set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resolve_after: Option<u32>,
    /// How often receivers are reminded of an open incident, such as `4h`; never if not set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remind: Option<String>,
    /// How long the schedule may go without a success before an incident is opened, such as `25h`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expect_within: Option<String>,
}

impl Alerts {
    /// Checks all settings.
    ///
    /// # Errors
    /// `Usage`, naming the setting.
    pub fn check(&self) -> Result<(), Error> {
        self.labels.iter().try_for_each(|label| check_label(label))?;
        self.open_after.as_ref().map(ThresholdText::check).transpose()?;
        check_resolve_after(self.resolve_after)?;
        at_least_a_second("remind", self.remind.as_deref())?;
        at_least_a_second("expect_within", self.expect_within.as_deref())?;
        Ok(())
    }

    /// How often receivers are reminded; `None` for never.
    #[must_use]
    pub fn remind_every(&self) -> Option<Duration> {
        at_least_a_second("remind", self.remind.as_deref()).ok().flatten()
    }

    /// How long the schedule may go without a success; `None` for ever.
    #[must_use]
    pub fn expected_within(&self) -> Option<Duration> {
        at_least_a_second("expect_within", self.expect_within.as_deref())
            .ok()
            .flatten()
    }
}

/// Checks a label of a schedule, or one by which a receiver chooses schedules.
///
/// # Errors
/// `Usage` when it is empty, too long, or not a single line.
pub(crate) fn check_label(label: &str) -> Result<(), Error> {
    if label.trim().is_empty() || label.chars().count() > MAX_LABEL || label.contains(char::is_control) {
        return Err(
            Error::new(Kind::Usage, format_args!("invalid label `{}`", label.escape_debug()))
                .hint("A label is a single line of 1 to 200 characters."),
        );
    }
    Ok(())
}

fn at_least_a_second(name: &str, written: Option<&str>) -> Result<Option<Duration>, Error> {
    written.map(|written| text::at_least_a_second(name, written)).transpose()
}
