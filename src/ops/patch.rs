//! Partial updates of a schedule: fields that are set change, lists that are given are replaced, everything else stays as it is.

use crate::error::{Error, Kind};
use crate::names::nearest;
use crate::schedule::{Alerts, Definition, OverlapPolicy, Remaining, State};
use crate::spec::spec_text::SpecText;

/// The fields to change; fields that are not set stay as they are.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Patch {
    /// The fields of the spec to change; empty lists and `None` leave them as they are.
    pub(crate) spec: SpecText,
    /// The new value of `at_boot`.
    pub(crate) at_boot: Option<bool>,
    /// The new value of `dst_gap`.
    pub(crate) dst_gap: Option<crate::spec::zone::Gap>,
    /// The new value of `dst_repeat`.
    pub(crate) dst_repeat: Option<crate::spec::zone::Repeat>,
    /// The new steps of the workflow; its id and timeout are separate fields.
    pub(crate) steps: Option<Vec<crate::run::step_text::StepText>>,
    pub(crate) workflow_id: Option<String>,
    pub(crate) run_timeout: Option<String>,
    pub(crate) overlap: Option<OverlapPolicy>,
    pub(crate) catchup_window_ms: Option<u64>,
    pub(crate) pause_on_failure: Option<bool>,
    pub(crate) pause_after: Option<u32>,
    pub(crate) note: Option<String>,
    pub(crate) paused: Option<bool>,
    pub(crate) remaining_actions: Option<Remaining>,
    pub(crate) task_queue: Option<String>,
    pub(crate) lock: Option<String>,
    pub(crate) condition: Option<String>,
    pub(crate) max_running: Option<u32>,
    /// The schedules to start after; an empty list leaves them as they are.
    pub(crate) after: Vec<String>,
    /// The alert settings to change; an empty list and `None` leave them as they are.
    pub(crate) alerts: Alerts,
    /// Fields to clear before the others are set.
    pub(crate) clear: Vec<Clearable>,
}

/// A field that can be cleared.
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
    Label,
    Severity,
    OpenAfter,
    ResolveAfter,
    Remind,
    ExpectWithin,
    TaskQueue,
    Lock,
    If,
    After,
    MaxRunning,
    PauseAfter,
}

const CLEARABLE: [(&str, Clearable); 27] = [
    ("at-boot", Clearable::AtBoot),
    ("interval", Clearable::Interval),
    ("cron", Clearable::Cron),
    ("calendar", Clearable::Calendar),
    ("at", Clearable::Calendar),
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
    ("label", Clearable::Label),
    ("severity", Clearable::Severity),
    ("open-after", Clearable::OpenAfter),
    ("resolve-after", Clearable::ResolveAfter),
    ("remind", Clearable::Remind),
    ("expect-within", Clearable::ExpectWithin),
    ("task-queue", Clearable::TaskQueue),
    ("lock", Clearable::Lock),
    ("if", Clearable::If),
    ("after", Clearable::After),
    ("max-running", Clearable::MaxRunning),
    ("pause-after", Clearable::PauseAfter),
];

impl Clearable {
    /// Parses the name of a field, in any case, with `-` or `_`.
    ///
    /// # Errors
    /// `Usage`, with the closest name as a hint.
    pub(crate) fn parse(name: &str) -> Result<Self, Error> {
        let plain = name.to_ascii_lowercase().replace('_', "-");
        CLEARABLE.iter().find(|(n, _)| *n == plain).map(|(_, c)| *c).ok_or_else(|| {
            let names = CLEARABLE.map(|(n, _)| n);
            let error = Error::new(Kind::Usage, format_args!("`{name}` is not a field that can be cleared"));
            match nearest(&plain, names) {
                Some(near) => error.hint(format_args!("Did you mean `{near}`?")),
                None => error.hint(format_args!("Fields that can be cleared: {}.", names.join(", "))),
            }
        })
    }
}

/// Everything a patch can change: the definition and the state of a schedule.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Settings {
    pub(super) definition: Definition,
    pub(super) state: State,
}

impl Patch {
    /// Returns the settings with the patch applied.
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
        set_some(&mut definition.spec.time_zone, lists.time_zone.as_ref());
        set_some(&mut definition.spec.start_time, lists.start_time.as_ref());
        set_some(&mut definition.spec.end_time, lists.end_time.as_ref());
        set_some(&mut definition.spec.jitter, lists.jitter.as_ref());
        set(&mut definition.action.steps, self.steps.clone());
        set_some(&mut definition.action.workflow_id, self.workflow_id.as_ref());
        set_some(&mut definition.action.run_timeout, self.run_timeout.as_ref());
        set(&mut definition.policies.overlap, self.overlap);
        set(&mut definition.policies.catchup_window_ms, self.catchup_window_ms);
        // One replaces the other; both together are rejected afterwards.
        match (self.pause_on_failure, self.pause_after) {
            (Some(true), None) => definition.policies.pause_after = None,
            (None, Some(_)) => definition.policies.pause_on_failure = false,
            _ => {}
        }
        set(&mut definition.policies.pause_on_failure, self.pause_on_failure);
        set_some(&mut definition.policies.pause_after, self.pause_after.as_ref());
        set_some(&mut definition.action.task_queue, self.task_queue.as_ref());
        set_some(&mut definition.action.lock, self.lock.as_ref());
        set_some(&mut definition.action.condition, self.condition.as_ref());
        set_some(&mut definition.policies.max_running, self.max_running.as_ref());
        replace(&mut definition.after, &self.after);
        let (alerts, new) = (&mut definition.alerts, &self.alerts);
        replace(&mut alerts.labels, &new.labels);
        set_some(&mut alerts.severity, new.severity.as_ref());
        set_some(&mut alerts.open_after, new.open_after.as_ref());
        set_some(&mut alerts.resolve_after, new.resolve_after.as_ref());
        set_some(&mut alerts.remind, new.remind.as_ref());
        set_some(&mut alerts.expect_within, new.expect_within.as_ref());
        set(&mut state.note, self.note.clone());
        set(&mut state.paused, self.paused);
        set(&mut state.remaining_actions, self.remaining_actions.map(Remaining::limit));
        Settings { definition, state }
    }
}

fn replace<T: Clone>(list: &mut Vec<T>, new: &[T]) {
    if !new.is_empty() {
        *list = new.to_vec();
    }
}

fn set<T>(value: &mut T, new: Option<T>) {
    if let Some(new) = new {
        *value = new;
    }
}

fn set_some<T: Clone>(value: &mut Option<T>, new: Option<&T>) {
    if new.is_some() {
        *value = new.cloned();
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
        Clearable::Label => definition.alerts.labels.clear(),
        Clearable::Severity => definition.alerts.severity = None,
        Clearable::OpenAfter => definition.alerts.open_after = None,
        Clearable::ResolveAfter => definition.alerts.resolve_after = None,
        Clearable::Remind => definition.alerts.remind = None,
        Clearable::ExpectWithin => definition.alerts.expect_within = None,
        Clearable::TaskQueue => definition.action.task_queue = None,
        Clearable::Lock => definition.action.lock = None,
        Clearable::If => definition.action.condition = None,
        Clearable::After => definition.after.clear(),
        Clearable::MaxRunning => definition.policies.max_running = None,
        Clearable::PauseAfter => definition.policies.pause_after = None,
    }
}
