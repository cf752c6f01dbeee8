//! What a command names of a schedule, applied to what there is: only what is named changes, a list that is named is replaced.

use crate::error::{Error, Kind};
use crate::names::nearest;
use crate::schedule::{Definition, OverlapPolicy, Remaining, State};
use crate::spec::spec_text::SpecText;

/// What is named; everything else stays as it is.
#[derive(Debug, Clone, Default)]
pub(crate) struct Patch {
    /// The parts of the spec that are named.
    pub(crate) spec: SpecText,
    /// Whether `at_boot` is named.
    pub(crate) at_boot: Option<bool>,
    /// Whether `dst_gap` is named.
    pub(crate) dst_gap: Option<crate::spec::zone::Gap>,
    /// Whether `dst_repeat` is named.
    pub(crate) dst_repeat: Option<crate::spec::zone::Repeat>,
    /// Another workflow; its id and timeout are named apart.
    pub(crate) steps: Option<Vec<crate::run::step_text::StepText>>,
    pub(crate) workflow_id: Option<String>,
    pub(crate) run_timeout: Option<String>,
    pub(crate) overlap: Option<OverlapPolicy>,
    pub(crate) catchup_window_ms: Option<u64>,
    pub(crate) pause_on_failure: Option<bool>,
    pub(crate) note: Option<String>,
    pub(crate) paused: Option<bool>,
    pub(crate) remaining_actions: Option<Remaining>,
    /// What is emptied first.
    pub(crate) clear: Vec<Clearable>,
}

/// What can be emptied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Clearable {
    AtBoot,
    Interval,
    Cron,
    Calendar,
    Quartz,
    ExcludeCalendar,
    StartTime,
    EndTime,
    Jitter,
    TimeZone,
    Note,
    WorkflowId,
    RunTimeout,
    RemainingActions,
}

const CLEARABLE: [(&str, Clearable); 14] = [
    ("at-boot", Clearable::AtBoot),
    ("interval", Clearable::Interval),
    ("cron", Clearable::Cron),
    ("calendar", Clearable::Calendar),
    ("quartz", Clearable::Quartz),
    ("exclude-calendar", Clearable::ExcludeCalendar),
    ("start-time", Clearable::StartTime),
    ("end-time", Clearable::EndTime),
    ("jitter", Clearable::Jitter),
    ("time-zone", Clearable::TimeZone),
    ("note", Clearable::Note),
    ("workflow-id", Clearable::WorkflowId),
    ("run-timeout", Clearable::RunTimeout),
    ("remaining-actions", Clearable::RemainingActions),
];

impl Clearable {
    /// The field of that name.
    ///
    /// # Errors
    /// `Usage` that names the nearest.
    pub(crate) fn parse(name: &str) -> Result<Self, Error> {
        let plain = name.to_ascii_lowercase().replace('_', "-");
        CLEARABLE.iter().find(|(n, _)| *n == plain).map(|(_, c)| *c).ok_or_else(|| {
            let names = CLEARABLE.map(|(n, _)| n);
            let error = Error::new(Kind::Usage, format_args!("`{name}` is not a field that can be cleared"));
            match nearest(&plain, names) {
                Some(near) => error.hint(format_args!("Did you mean `{near}`?")),
                None => error.hint(format_args!("They are {}.", names.join(", "))),
            }
        })
    }
}

/// Everything that a patch can change: the definition of a schedule, and its state.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Settings {
    pub(super) definition: Definition,
    pub(super) state: State,
}

impl Patch {
    /// Applies it.
    pub(super) fn apply(&self, settings: &Settings) -> Settings {
        let Settings {
            mut definition,
            mut state,
        } = settings.clone();
        for field in &self.clear {
            clear(&mut definition, &mut state, *field);
        }
        let lists = &self.spec;
        replace(&mut definition.spec.interval, &lists.interval);
        replace(&mut definition.spec.cron, &lists.cron);
        replace(&mut definition.spec.calendar, &lists.calendar);
        replace(&mut definition.spec.quartz, &lists.quartz);
        replace(&mut definition.spec.exclude_calendar, &lists.exclude_calendar);
        set(&mut definition.spec.at_boot, self.at_boot);
        set(&mut definition.spec.dst_gap, self.dst_gap);
        set(&mut definition.spec.dst_repeat, self.dst_repeat);
        name(&mut definition.spec.time_zone, lists.time_zone.as_ref());
        name(&mut definition.spec.start_time, lists.start_time.as_ref());
        name(&mut definition.spec.end_time, lists.end_time.as_ref());
        name(&mut definition.spec.jitter, lists.jitter.as_ref());
        set(&mut definition.action.steps, self.steps.clone());
        name(&mut definition.action.workflow_id, self.workflow_id.as_ref());
        name(&mut definition.action.run_timeout, self.run_timeout.as_ref());
        set(&mut definition.policies.overlap, self.overlap);
        set(&mut definition.policies.catchup_window_ms, self.catchup_window_ms);
        set(&mut definition.policies.pause_on_failure, self.pause_on_failure);
        set(&mut state.note, self.note.clone());
        set(&mut state.paused, self.paused);
        set(&mut state.remaining_actions, self.remaining_actions.map(Remaining::limit));
        Settings { definition, state }
    }
}

fn replace<T: Clone>(list: &mut Vec<T>, named: &[T]) {
    if !named.is_empty() {
        *list = named.to_vec();
    }
}

fn set<T>(value: &mut T, named: Option<T>) {
    if let Some(named) = named {
        *value = named;
    }
}

fn name<T: Clone>(value: &mut Option<T>, named: Option<&T>) {
    if named.is_some() {
        *value = named.cloned();
    }
}

fn clear(definition: &mut Definition, state: &mut State, field: Clearable) {
    match field {
        Clearable::AtBoot => definition.spec.at_boot = false,
        Clearable::Interval => definition.spec.interval.clear(),
        Clearable::Cron => definition.spec.cron.clear(),
        Clearable::Calendar => definition.spec.calendar.clear(),
        Clearable::Quartz => definition.spec.quartz.clear(),
        Clearable::ExcludeCalendar => definition.spec.exclude_calendar.clear(),
        Clearable::StartTime => definition.spec.start_time = None,
        Clearable::EndTime => definition.spec.end_time = None,
        Clearable::Jitter => definition.spec.jitter = None,
        Clearable::TimeZone => definition.spec.time_zone = None,
        Clearable::Note => state.note.clear(),
        Clearable::WorkflowId => definition.action.workflow_id = None,
        Clearable::RunTimeout => definition.action.run_timeout = None,
        Clearable::RemainingActions => state.remaining_actions = None,
    }
}
