//! The options that define a schedule or a workflow: spec, steps, policies and state.

use clap::ValueHint;

use clap_complete::engine::ArgValueCandidates;

use chrono::{DateTime, Utc};

use super::step_args::StepArgs;
use super::{Context, complete};
use crate::error::{Error, Kind};
use crate::files;
use crate::files::document::Source;
use crate::files::source_file::SourceFile;
use crate::ops::{Clearable, Patch};
use crate::run::step_text::{Action, ProbeTable, ProbeText, StatusText, StepText};
use crate::run::threshold::ThresholdText;
use crate::schedule::alerts::Severity;
use crate::schedule::{Alerts, OverlapPolicy, Policies, Remaining};
use crate::spec::calendar_text::CalendarText;
use crate::spec::exclusion::Exclusion;
use crate::spec::instant;
use crate::spec::spec_text::SpecText;
use crate::spec::zone::{Gap, Repeat, Zone, Zones as _};
use crate::zoneinfo::ZoneInfo;

/// Options for the spec: when to run.
#[derive(Debug, Default, clap::Args)]
#[command(next_help_heading = "When to run (options may be repeated and combined)")]
pub(super) struct WhenArgs {
    /// Times in English: `every weekday at 02:30`, `every 15 min`, `on the last Friday of the month at 17:00`
    #[arg(long, value_name = "TEXT")]
    when: Vec<String>,
    /// Once, at this time: `18:30`, `tomorrow 09:00`, `fri 17:00`, `2026-05-05 09:00`, `+2h`
    #[arg(long, value_name = "TIME")]
    at: Vec<String>,
    /// Interval, with an optional offset: `2m`, `1h/15m`
    #[arg(long, visible_alias = "every", value_name = "EVERY[/OFFSET]", allow_hyphen_values = true)]
    interval: Vec<String>,
    /// Cron string: 5 fields, 6 with the year last, 7 with seconds first, or `@daily` and the like
    #[arg(long, value_name = "STRING")]
    cron: Vec<String>,
    /// Calendar: `{"hour":"9","minute":"0","dayOfWeek":"Mon-Fri"}`
    #[arg(long, value_name = "JSON")]
    calendar: Vec<String>,
    /// Quartz expression: seconds first, Sunday is 1
    #[arg(long, value_name = "STRING")]
    quartz: Vec<String>,
    /// Times to exclude: a date, or a calendar in which omitted time fields match any value
    #[arg(long, visible_alias = "exclude", value_name = "JSON|DATE")]
    exclude_calendar: Vec<String>,
    /// Start once after each boot of the machine, when `tempo run` is running
    #[arg(long)]
    at_boot: bool,
    /// Time zone of the times; `local` is this machine's; defaults to UTC
    #[arg(long, visible_alias = "tz", value_name = "TZ")]
    time_zone: Option<String>,
    /// Do not fire before this time: `2026-05-05T09:00:00Z`, `2026-05-05 09:00`, `now`, `+2h`
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    start_time: Option<String>,
    /// Do not fire after this time
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    end_time: Option<String>,
    /// Delay each start by up to this long; the delay is the same for the same time and schedule
    #[arg(long, value_name = "DURATION")]
    jitter: Option<String>,
    /// Times that daylight saving skips: `skip` them, or `shift` them to right after the gap
    #[arg(long, value_name = "CHOICE")]
    dst_gap: Option<String>,
    /// Times that daylight saving repeats: fire at `both`, the `first` or the `last`
    #[arg(long, value_name = "CHOICE")]
    dst_repeat: Option<String>,
}

/// Options for the workflow: what to run.
#[derive(Debug, Default, clap::Args)]
#[command(next_help_heading = "What to run (choose one form)")]
pub(super) struct WhatArgs {
    /// Probe a URL: `NAME=URL [status=200] [timeout=5s] [method=GET]`; may be repeated, one step each, in order
    #[arg(long, value_name = "PROBE")]
    probe: Vec<String>,
    /// Run a command line with `/bin/sh -c`
    #[arg(long, value_name = "LINE", conflicts_with = "probe")]
    shell: Option<String>,
    /// Read the steps from a file of `[[step]]` tables, or the same as JSON; `-` is stdin
    #[arg(long, value_name = "FILE", conflicts_with_all = ["probe", "shell"], value_hint = ValueHint::FilePath)]
    steps: Option<String>,
    /// Instead of steps: expect a heartbeat (`tempo beat`) within this long after each time; should be shorter than the interval between them
    #[arg(long, value_name = "DURATION", conflicts_with_all = ["probe", "shell", "steps", "command"])]
    grace: Option<String>,
    /// Run a program with its arguments, without a shell
    #[arg(last = true, value_name = "COMMAND", value_hint = ValueHint::AnyPath, conflicts_with_all = ["probe", "shell", "steps"])]
    command: Vec<String>,
    #[command(flatten)]
    defaults: StepArgs,
    /// Maximum duration of a run
    #[arg(long, value_name = "DURATION")]
    run_timeout: Option<String>,
    /// Base of the workflow ids of the runs; defaults to the schedule's id
    #[arg(long, value_name = "BASE")]
    workflow_id: Option<String>,
}

/// Options for the policies and the state of a schedule.
#[derive(Debug, Default, clap::Args)]
#[command(next_help_heading = "Policies and state")]
pub(super) struct PolicyArgs {
    /// What to do while another run is still running: skip, buffer-one, buffer-all, cancel-other, terminate-other or allow-all
    #[arg(long, visible_alias = "overlap", value_name = "POLICY", add = ArgValueCandidates::new(complete::policies))]
    overlap_policy: Option<String>,
    /// How late a run may start after an outage; at least 10s, defaults to 10m
    #[arg(long, visible_alias = "catchup", value_name = "DURATION")]
    catchup_window: Option<String>,
    /// Under allow-all, have at most this many runs open; further starts wait
    #[arg(long, value_name = "N")]
    max_running: Option<u32>,
    /// Start after each run of another schedule that completes, or that fails: `backup`, `backup:failed`; may be repeated
    #[arg(long, value_name = "SCHEDULE[:failed]", value_delimiter = ',')]
    after: Vec<String>,
    /// Run a command line with `/bin/sh -c` before each run; if it fails, the run is skipped
    #[arg(long = "if", value_name = "LINE")]
    condition: Option<String>,
    /// Task queue of its runs, whose limit `tempo run --queue` sets
    #[arg(long, visible_alias = "queue", value_name = "NAME")]
    task_queue: Option<String>,
    /// Lock that its runs hold: one run at a time among all schedules that name it
    #[arg(long, value_name = "NAME")]
    lock: Option<String>,
    /// Pause the schedule when a run fails
    #[arg(long, num_args = 0..=1, default_missing_value = "true", require_equals = true, value_name = "BOOL")]
    pause_on_failure: Option<bool>,
    /// Pause the schedule after this many failed runs in a row
    #[arg(long, value_name = "N")]
    pause_after: Option<u32>,
    /// Note for people
    #[arg(long, value_name = "TEXT")]
    note: Option<String>,
    /// Pause the schedule: nothing starts until it is unpaused
    #[arg(long, num_args = 0..=1, default_missing_value = "true", require_equals = true, value_name = "BOOL")]
    paused: Option<bool>,
    /// Number of scheduled starts left, or `unlimited`
    #[arg(long, value_name = "N")]
    remaining_actions: Option<String>,
    #[command(flatten)]
    alerts: AlertArgs,
}

/// Options for incidents and notifications.
#[derive(Debug, Default, clap::Args)]
#[command(next_help_heading = "Incidents and notifications")]
struct AlertArgs {
    /// Open an incident only after this many failures in a row, or after failing for this long: `3`, `5m`
    #[arg(long, value_name = "N|DURATION")]
    open_after: Option<String>,
    /// Resolve an incident only after this many successes in a row
    #[arg(long, value_name = "N")]
    resolve_after: Option<u32>,
    /// Send a reminder of an open incident this often
    #[arg(long, value_name = "DURATION")]
    remind: Option<String>,
    /// Open an incident when the schedule has not succeeded for this long, whatever the reason
    #[arg(long, value_name = "DURATION")]
    expect_within: Option<String>,
    /// Label for selecting schedules in notification receivers; may be repeated
    #[arg(long, value_name = "LABEL")]
    label: Vec<String>,
    /// How much its failures matter to notification receivers: info, warning, error or critical; defaults to error
    #[arg(long, value_name = "SEVERITY", value_parser = Severity::parse)]
    severity: Option<Severity>,
}

impl AlertArgs {
    fn alerts(&self) -> Alerts {
        Alerts {
            labels: self.label.clone(),
            severity: self.severity,
            open_after: self.open_after.as_deref().map(ThresholdText::of),
            resolve_after: self.resolve_after,
            remind: self.remind.clone(),
            expect_within: self.expect_within.clone(),
        }
    }
}

impl WhenArgs {
    /// Whether no option names a time to fire.
    pub(super) fn names_nothing(&self) -> bool {
        self.when.is_empty()
            && self.at.is_empty()
            && self.interval.is_empty()
            && self.cron.is_empty()
            && self.calendar.is_empty()
            && self.quartz.is_empty()
            && !self.at_boot
    }

    /// The times, zone and jitter in text form.
    fn times(&self) -> Result<SpecText, Error> {
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
        self.when.iter().try_for_each(|text| spec.add_english(text))?;
        Ok(spec)
    }

    /// The spec in text form.
    ///
    /// # Errors
    /// `Usage` when an option is invalid.
    pub(super) fn spec_text(&self, context: &Context) -> Result<SpecText, Error> {
        self.spec_text_in(context, None)
    }

    /// The spec in text form; `existing` is the zone of the schedule that it updates.
    fn spec_text_in(&self, context: &Context, existing: Option<&str>) -> Result<SpecText, Error> {
        let mut spec = self.times()?;
        let (zone, now) = (zone_of(context, &spec)?, context.now());
        if !self.at.is_empty() {
            let own = spec.time_zone.as_deref().or(existing);
            let zone = own.map_or_else(|| Ok(Zone::utc()), |name| context.zones.zone(name))?;
            for at in &self.at {
                spec.add_instant(instant::parse_future(at, &zone, now)?, &zone)?;
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

    fn gap(&self) -> Result<Option<Gap>, Error> {
        self.dst_gap.as_deref().map(Gap::parse).transpose()
    }

    fn repeat(&self) -> Result<Option<Repeat>, Error> {
        self.dst_repeat.as_deref().map(Repeat::parse).transpose()
    }
}

/// The zone named in a spec, or UTC.
fn zone_of(context: &Context, spec: &SpecText) -> Result<Zone, Error> {
    let name = spec.time_zone.as_deref();
    name.map_or_else(|| Ok(Zone::utc()), |name| context.zones.zone(name))
}

impl WhatArgs {
    /// The steps, if any are given.
    fn steps(&self) -> Result<Option<Vec<StepText>>, Error> {
        let mut steps = if let Some(file) = &self.steps {
            files::steps::parse(&Source {
                name: file,
                text: &SourceFile::read(file)?.text,
            })?
        } else if !self.probe.is_empty() {
            self.probe.iter().map(|p| probe(p)).collect::<Result<_, _>>()?
        } else if let Some(line) = &self.shell {
            vec![StepText {
                name: "command".to_owned(),
                shell: Some(line.clone()),
                ..StepText::default()
            }]
        } else if !self.command.is_empty() {
            vec![StepText {
                name: "command".to_owned(),
                command: Some(self.command.clone()),
                ..StepText::default()
            }]
        } else if let Some(grace) = &self.grace {
            vec![StepText::waiting_for_beat(grace.clone())]
        } else {
            return Ok(None);
        };
        let only_probes = steps.iter().all(|s| s.probe.is_some());
        if only_probes && self.defaults.is_for_commands() {
            return Err(Error::new(
                Kind::Usage,
                "`--cwd`, `--env` and `--retry-exit-code` apply to commands, but every step is a probe",
            ));
        }
        for step in &mut steps {
            self.defaults.complete(step)?;
        }
        Ok(Some(steps))
    }

    /// The workflow, for a run without a schedule.
    pub(super) fn action(&self) -> Result<Action, Error> {
        Ok(Action {
            workflow_id: self.workflow_id.clone(),
            run_timeout: self.run_timeout.clone(),
            steps: self.steps()?.unwrap_or_default(),
            ..Action::default()
        })
    }

    /// Fills in the step defaults and the run timeout where an action does not set them.
    pub(super) fn complete(&self, action: &mut Action) -> Result<(), Error> {
        for step in &mut action.steps {
            self.defaults.complete(step)?;
        }
        if action.run_timeout.is_none() {
            action.run_timeout.clone_from(&self.run_timeout);
        }
        Ok(())
    }

    /// Whether any step default is given.
    fn names_defaults(&self) -> bool {
        self.defaults.is_named()
    }
}

/// Parses `NAME=URL [status=200] [timeout=5s] [method=GET]`, and any other probe key whose value is one word.
fn probe(written: &str) -> Result<StepText, Error> {
    let invalid = |rule: String| {
        Error::new(Kind::Usage, format_args!("{rule} in probe `{}`", written.escape_debug()))
            .hint("Write 'NAME=URL [status=200] [timeout=5s] [method=GET]'.")
    };
    let mut words = written.split_whitespace();
    let (name, url) = words
        .next()
        .and_then(|w| w.split_once('='))
        .ok_or_else(|| invalid("no `NAME=URL`".to_owned()))?;
    if url.is_empty() {
        return Err(invalid(format!("no URL after `{name}=`")));
    }
    let mut table = ProbeTable {
        url: url.to_owned(),
        ..ProbeTable::default()
    };
    for word in words {
        let (key, value) = word.split_once('=').unwrap_or((word, ""));
        let text = Some(value.to_owned());
        let number = || {
            let number = value.parse();
            number
                .map(Some)
                .map_err(|_| invalid(format!("`{value}` of `{key}` is not a number")))
        };
        match key {
            "status" => table.status = text.map(StatusText::List),
            "timeout" => table.timeout = text,
            "method" => table.method = text,
            "bearer" => table.bearer = text,
            "basic_auth" => table.basic_auth = text,
            "redirects" => table.redirects = number()?,
            "body_contains" => table.body_contains = text,
            "body_matches" => table.body_matches = text,
            "max_elapsed" => table.max_elapsed = text,
            "min_certificate_days" => table.min_certificate_days = number()?,
            "ca_file" => table.ca_file = text,
            _ => {
                let keys = "status, timeout, method, redirects, max_elapsed, body_contains, body_matches, basic_auth, bearer, \
                    min_certificate_days, ca_file";
                return Err(invalid(format!("unknown key `{key}`")).hint(format_args!("Valid keys: {keys}.")));
            }
        }
    }
    // A single status code becomes a number, as in a file.
    if let Some(StatusText::List(code)) = &table.status
        && let Ok(code) = code.parse()
    {
        table.status = Some(StatusText::Code(code));
    }
    Ok(StepText {
        name: name.to_owned(),
        probe: Some(ProbeText::Table(Box::new(table))),
        ..StepText::default()
    })
}

/// Parses an overlap policy, if one is given.
pub(super) fn overlap(named: Option<&str>) -> Result<Option<OverlapPolicy>, Error> {
    named.map(OverlapPolicy::parse).transpose()
}

/// The parts of a schedule on which the meaning of options depends when it is updated.
pub(super) struct Existing {
    pub(super) steps: Vec<StepText>,
    pub(super) time_zone: Option<String>,
}

/// Builds a patch from the options. If no steps are given, the step defaults apply to the `existing` steps.
pub(super) fn patch(
    context: &Context,
    when: &WhenArgs,
    what: &WhatArgs,
    policies: &PolicyArgs,
    clear: &[String],
    existing: Option<Existing>,
) -> Result<Patch, Error> {
    let remaining_actions = policies.remaining_actions.as_deref().map(Remaining::parse).transpose()?;
    let (existing, zone) = existing.map_or((None, None), |e| (Some(e.steps), e.time_zone));
    let steps = match (what.steps()?, existing) {
        (Some(steps), _) => Some(steps),
        // On an update, a step default applies to the existing steps.
        (None, Some(mut existing)) if what.names_defaults() => {
            for step in &mut existing {
                *step = what.defaults.over(step)?;
            }
            Some(existing)
        }
        (None, _) => None,
    };
    let spec = when.spec_text_in(context, zone.as_deref())?;
    let mut clear = clear.iter().map(|c| Clearable::parse(c)).collect::<Result<Vec<_>, _>>()?;
    if !when.when.is_empty() {
        // The sentence is all of the times: it replaces them whatever form they have.
        clear.extend([
            Clearable::Interval,
            Clearable::Cron,
            Clearable::Calendar,
            Clearable::Quartz,
            Clearable::AtBoot,
        ]);
    }
    Ok(Patch {
        at_boot: spec.at_boot.then_some(true),
        spec,
        dst_gap: when.gap()?,
        dst_repeat: when.repeat()?,
        steps,
        workflow_id: what.workflow_id.clone(),
        run_timeout: what.run_timeout.clone(),
        overlap: overlap(policies.overlap_policy.as_deref())?,
        catchup_window_ms: policies
            .catchup_window
            .as_deref()
            .map(Policies::parse_catchup_window)
            .transpose()?,
        pause_on_failure: policies.pause_on_failure,
        pause_after: policies.pause_after,
        note: policies.note.clone(),
        paused: policies.paused,
        remaining_actions,
        task_queue: policies.task_queue.clone(),
        lock: policies.lock.clone(),
        condition: policies.condition.clone(),
        max_running: policies.max_running,
        after: policies.after.clone(),
        alerts: policies.alerts.alerts(),
        clear,
    })
}
