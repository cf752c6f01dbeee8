//! The options for the spec: when a schedule fires.

use chrono::{DateTime, Utc};

use super::super::Context;
use crate::error::{Error, Kind};
use crate::files::shell_words::quoted;
use crate::spec::calendar_text::CalendarText;
use crate::spec::exclusion::Exclusion;
use crate::spec::interval::Interval;
use crate::spec::spec_text::SpecText;
use crate::spec::zone::{Gap, Repeat, Zone, Zones as _};
use crate::spec::{cron, instant, when};
use crate::zoneinfo::ZoneInfo;

/// Options for the spec: when to run.
#[derive(Debug, Default, clap::Args)]
#[command(next_help_heading = "When to run (options may be repeated and combined)")]
pub(in crate::cli) struct WhenArgs {
    /// Times in English: `every weekday at 02:30`, `every 15 min`, `on the last Friday of the month at 17:00`
    #[arg(long, value_name = "TEXT")]
    pub(super) when: Vec<String>,
    /// Once, at this time: `18:30`, `tomorrow 09:00`, `fri 17:00`, `2026-05-05 09:00`, `+2h`; stored as a calendar, and missed if the server is
    /// down for longer than the catch-up window
    #[arg(long, value_name = "TIME")]
    pub(super) at: Vec<String>,
    /// Interval in whole seconds, at least 1s, with an optional offset: `30s`, `2m`, `1h/15m`, `1d`
    #[arg(long, visible_alias = "every", value_name = "EVERY[/OFFSET]", allow_hyphen_values = true)]
    pub(super) interval: Vec<String>,
    /// Cron string: 5 fields, 6 with the year last, 7 with seconds first, or `@daily` and the like
    #[arg(long, value_name = "STRING")]
    pub(super) cron: Vec<String>,
    /// Calendar: `{"hour":"9","minute":"0","dayOfWeek":"Mon-Fri"}`
    #[arg(long, value_name = "JSON")]
    pub(super) calendar: Vec<String>,
    /// Quartz expression: seconds first, Sunday is 1
    #[arg(long, value_name = "STRING")]
    pub(super) quartz: Vec<String>,
    /// Times to exclude: a date, or a calendar in which omitted time fields match any value
    #[arg(long, visible_alias = "exclude", value_name = "JSON|DATE")]
    pub(super) exclude_calendar: Vec<String>,
    /// Start once after each boot of the machine, when `tempo run` is running
    #[arg(long)]
    pub(super) at_boot: bool,
    /// Time zone of the times; `local` is this machine's; defaults to UTC
    #[arg(long, visible_alias = "tz", value_name = "TZ")]
    pub(super) time_zone: Option<String>,
    /// Do not fire before this time, in the time zone of the schedule: `2026-05-05 09:00`, `2026-05-05T09:00:00Z`, `now`, `+2h`
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    pub(super) start_time: Option<String>,
    /// Do not fire after this time, in the same forms as `--start-time`
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    pub(super) end_time: Option<String>,
    /// Delay each start by up to this long; the delay is the same for the same time and schedule; defaults to none
    #[arg(long, value_name = "DURATION")]
    pub(super) jitter: Option<String>,
    /// Times that daylight saving skips: `skip` them (the default), or `shift` them to right after the gap
    #[arg(long, value_name = "CHOICE")]
    pub(super) dst_gap: Option<String>,
    /// Times that daylight saving repeats: fire at `both` (the default), the `first` or the `last`
    #[arg(long, value_name = "CHOICE")]
    pub(super) dst_repeat: Option<String>,
}

impl WhenArgs {
    /// Whether no option names a time to fire.
    pub(in crate::cli) fn names_nothing(&self) -> bool {
        self.when.is_empty()
            && self.at.is_empty()
            && self.interval.is_empty()
            && self.cron.is_empty()
            && self.calendar.is_empty()
            && self.quartz.is_empty()
            && !self.at_boot
    }

    /// The times, zone and jitter in text form.
    pub(super) fn times(&self) -> Result<SpecText, Error> {
        let calendars = self.calendar.iter().map(|c| CalendarText::parse_json(c));
        let exclusions = self.exclude_calendar.iter().map(|e| Exclusion::parse(e));
        let mut spec = SpecText {
            interval: self.interval.clone(),
            cron: self.cron.clone(),
            calendar: calendars.collect::<Result<_, _>>()?,
            quartz: self.quartz.clone(),
            exclude_calendar: exclusions.collect::<Result<_, _>>()?,
            at_boot: self.at_boot,
            time_zone: match self.time_zone.as_deref() {
                Some(local) if local.eq_ignore_ascii_case("local") => Some(ZoneInfo::local_name()?),
                other => other.map(str::to_owned),
            },
            jitter: self.jitter.clone(),
            ..SpecText::default()
        };
        for text in &self.cron {
            if cron::parse(text).is_err() && when::parse(text).is_ok() {
                return Err(other_option(text, "a cron string", "--when"));
            }
        }
        for text in &self.when {
            if Interval::parse(text).is_ok() {
                return Err(other_option(text, "a description of times", "--interval"));
            }
            spec.add_english(text)?;
        }
        Ok(spec)
    }

    /// The spec in text form.
    ///
    /// # Errors
    /// `Usage` when an option is invalid.
    pub(in crate::cli) fn spec_text(&self, context: &Context) -> Result<SpecText, Error> {
        self.spec_text_in(context, None)
    }

    /// The spec in text form; `existing` is the zone of the schedule that it updates.
    pub(super) fn spec_text_in(&self, context: &Context, existing: Option<&str>) -> Result<SpecText, Error> {
        let mut spec = self.times()?;
        let (zone, now) = (zone_of(context, spec.time_zone.as_deref())?, context.now());
        if !self.at.is_empty() {
            let zone = zone_of(context, spec.time_zone.as_deref().or(existing))?;
            for at in &self.at {
                let instant = instant::parse_future(at, &zone, now)?;
                if instant <= now {
                    return Err(Error::new(Kind::Usage, format_args!("the time `{at}` has passed"))
                        .hint("Run something now with `tempo workflow start`, or `tempo schedule trigger`."));
                }
                spec.add_instant(instant, &zone)?;
            }
        }
        let instant = |t: &Option<String>| -> Result<Option<DateTime<Utc>>, Error> {
            t.as_deref().map(|t| instant::parse(t, &zone, now)).transpose()
        };
        Ok(SpecText {
            dst_gap: self.gap()?.unwrap_or_default(),
            dst_repeat: self.repeat()?.unwrap_or_default(),
            start_time: instant(&self.start_time)?,
            end_time: instant(&self.end_time)?,
            ..spec
        })
    }

    pub(super) fn gap(&self) -> Result<Option<Gap>, Error> {
        self.dst_gap.as_deref().map(Gap::parse).transpose()
    }

    pub(super) fn repeat(&self) -> Result<Option<Repeat>, Error> {
        self.dst_repeat.as_deref().map(Repeat::parse).transpose()
    }
}

/// The error for a text that only another option accepts.
fn other_option(text: &str, expected: &str, option: &str) -> Error {
    Error::new(Kind::Usage, format_args!("`{text}` is not {expected}")).hint(format_args!("Use `{option} {}`.", quoted(text)))
}

/// The zone with a name, or UTC.
fn zone_of(context: &Context, name: Option<&str>) -> Result<Zone, Error> {
    name.map_or_else(|| Ok(Zone::utc()), |name| context.zones.zone(name))
}
