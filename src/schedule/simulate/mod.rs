//! The plan applied over a period, with scripted runs: shows what would happen, and serves as the test oracle for the engine. Pure.

mod input;

use std::rc::Rc;

use chrono::{DateTime, TimeDelta, Utc};

use crate::run::Stop;
use crate::run::outcome::Status;
use crate::schedule::counters::Counters;
use crate::schedule::history::{HistoryEvent, RunScript, What};
use crate::schedule::overlap::Running;
use crate::schedule::pause::{failures_in_a_row, note_of_pause};
use crate::schedule::pending::coming;
use crate::schedule::plan::{Begin, Plan};
use crate::schedule::plan_input::{Epoch, PlanInput, Request, RequestKind};
use crate::schedule::planner::plan;
use crate::schedule::start::{Start, workflow_id_at};
use crate::schedule::{MAX_BUFFER, Policies, State};
use crate::spec::{CountedTimes, Spec};

/// An open run.
struct ActiveRun {
    key: i64,
    nominal: DateTime<Utc>,
    workflow_id: String,
    script: RunScript,
    stopping: Option<Stop>,
    /// Whether no worker has picked it up yet.
    idle: bool,
}

/// The script of a run that no worker has picked up.
const IDLE: RunScript = RunScript {
    ends_at: DateTime::<Utc>::MAX_UTC,
    status: Status::Running,
    on_cancel: TimeDelta::zero(),
    on_terminate: TimeDelta::zero(),
};

struct PastEpoch {
    spec: Rc<Spec>,
    workflow_id: String,
    policies: Policies,
    paused: bool,
    remaining: Option<u64>,
    until: DateTime<Utc>,
}

type RunScriptOf<'a> = Box<dyn FnMut(&str, DateTime<Utc>) -> RunScript + 'a>;

/// A schedule in a simulated world.
pub struct Simulation<'a> {
    spec: Rc<Spec>,
    policies: Policies,
    workflow_id: String,
    state: State,
    cursor: DateTime<Utc>,
    floor: DateTime<Utc>,
    next_due: Option<DateTime<Utc>>,
    past: Vec<PastEpoch>,
    waiting: Vec<Start>,
    active: Vec<ActiveRun>,
    requests: Vec<Request>,
    counters: Counters,
    failed_runs: u32,
    events: Vec<HistoryEvent>,
    keys: i64,
    unsettled: bool,
    /// Whether the server is running.
    up: bool,
    max_buffer: usize,
    script_of: RunScriptOf<'a>,
}

impl<'a> Simulation<'a> {
    /// A schedule whose times up to `processed_to` are decided; `script_of` returns the script of a run, given its workflow id and when it starts.
    pub fn new(
        spec: Rc<Spec>,
        policies: Policies,
        state: State,
        workflow_id: &str,
        processed_to: DateTime<Utc>,
        script_of: impl FnMut(&str, DateTime<Utc>) -> RunScript + 'a,
    ) -> Self {
        Self {
            spec,
            policies,
            workflow_id: workflow_id.to_owned(),
            state,
            cursor: processed_to,
            floor: processed_to,
            next_due: None,
            past: Vec::new(),
            waiting: Vec::new(),
            active: Vec::new(),
            requests: Vec::new(),
            counters: Counters::default(),
            failed_runs: 0,
            events: Vec::new(),
            keys: 0,
            unsettled: true,
            up: true,
            max_buffer: MAX_BUFFER,
            script_of: Box::new(script_of),
        }
    }

    /// The seed of the jitter.
    #[must_use]
    pub fn seed(&self) -> &str {
        self.spec.seed()
    }

    /// Sets the maximum number of buffered starts.
    pub fn limit_buffer(&mut self, max: usize) {
        self.max_buffer = max;
    }

    /// Adds a run that is already running.
    pub fn already_running(&mut self, workflow_id: &str, script: RunScript) {
        self.begin(self.cursor, workflow_id.to_owned(), Some(script));
    }

    fn begin(&mut self, nominal: DateTime<Utc>, workflow_id: String, script: Option<RunScript>) {
        self.keys += 1;
        self.active.push(ActiveRun {
            key: self.keys,
            nominal,
            workflow_id,
            idle: script.is_none(),
            script: script.unwrap_or(IDLE),
            stopping: None,
        });
    }

    /// Advances to `until`: processes everything before it, and the closes and due times at it.
    pub fn advance(&mut self, until: DateTime<Utc>) {
        while self.up {
            let close = self.active.iter().map(|run| run.script.ends_at).min();
            let Some(next) = close.into_iter().chain(self.next_due).min().filter(|at| *at <= until) else {
                return;
            };
            let closed = self.close(next);
            self.unsettled |= closed;
            if self.next_due.is_some_and(|due| due <= next) || next < until {
                self.settle(next);
            }
        }
    }

    /// Decides the pending times at `now`, and lets workers pick up the runs that begin.
    pub fn settle(&mut self, now: DateTime<Utc>) {
        self.unsettled = false;
        let mut more = true;
        while std::mem::take(&mut more) {
            more |= self.decide(now);
            // A run that is stopped before a worker picks it up closes at once.
            while let Some(i) = self.active.iter().position(|run| run.idle && run.stopping.is_some()) {
                let run = self.active.remove(i);
                self.closed(&run, now);
                more |= self.decide(now);
            }
            for i in 0..self.active.len() {
                if std::mem::take(&mut self.active[i].idle) {
                    self.active[i].script = (self.script_of)(&self.active[i].workflow_id, now);
                }
            }
        }
    }

    /// Makes one plan and applies it; returns whether another is needed at once.
    fn decide(&mut self, now: DateTime<Utc>) -> bool {
        let running = self
            .active
            .iter()
            .map(|run| Running {
                run: run.key,
                begun: true,
                stopping: run.stopping,
            })
            .collect();
        let past = std::mem::take(&mut self.past);
        let input = PlanInput {
            current: Epoch {
                spec: &self.spec,
                policies: self.policies,
                paused: self.state.paused,
                remaining: self.state.remaining_actions,
                until: now,
            },
            past: past
                .iter()
                .map(|e| Epoch {
                    spec: &e.spec,
                    policies: e.policies,
                    paused: e.paused,
                    remaining: e.remaining,
                    until: e.until,
                })
                .collect(),
            cursor: self.cursor,
            floor: self.floor,
            waiting: std::mem::take(&mut self.waiting),
            open_runs: self.active.len(),
            running,
            requests: std::mem::take(&mut self.requests),
            max_buffer: self.max_buffer,
        };
        let decided = plan(&input, now);
        let unfinished: Vec<Request> = input
            .requests
            .iter()
            .filter_map(|r| {
                let progress = decided.requests.iter().find(|p| p.key == r.key)?;
                let RequestKind::Backfill { start, end, done_to } = r.kind else {
                    return None;
                };
                let kind = RequestKind::Backfill {
                    start,
                    end,
                    done_to: progress.done_to.or(done_to),
                };
                (!progress.finished).then_some(Request { kind, ..r.clone() })
            })
            .collect();
        drop(input);
        self.requests = unfinished;
        self.apply_plan(decided, &past, now)
    }

    fn apply_plan(&mut self, decided: Plan, past: &[PastEpoch], now: DateTime<Utc>) -> bool {
        self.counters.count(&decided);
        for r in &decided.not_started {
            let what = What::NotStarted {
                to: r.to,
                count: r.count,
                outcome: r.outcome,
                reason: r.reason,
            };
            self.record(now, r.from, workflow_id_at(&self.workflow_id, r.from), what);
        }
        let active_before = self.active.len();
        for Begin { start, epoch } in decided.begin {
            let base = epoch.map_or(&self.workflow_id, |i| &past[i].workflow_id);
            let workflow_id = workflow_id_at(base, start.nominal);
            self.begin(start.nominal, workflow_id.clone(), None);
            self.record(now, start.nominal, workflow_id, What::Start);
        }
        self.waiting = decided.waiting;
        for i in 0..self.waiting.len() {
            if self.waiting[i].waiting_as.is_none() {
                self.keys += 1;
                self.waiting[i].waiting_as = Some(self.keys);
                let nominal = self.waiting[i].nominal;
                self.record(now, nominal, workflow_id_at(&self.workflow_id, nominal), What::Buffered);
            }
        }
        for i in 0..active_before {
            self.stop(i, (decided.cancel, decided.terminate), now);
        }
        (self.cursor, self.floor, self.next_due) = (decided.cursor, decided.floor, decided.next_due);
        self.state.remaining_actions = decided.remaining;
        decided.more
    }

    fn stop(&mut self, index: usize, (cancel, terminate): (bool, bool), now: DateTime<Utc>) {
        let run = &mut self.active[index];
        let (stop, delay, status) = match (terminate, cancel) {
            (true, _) if run.stopping != Some(Stop::Terminate) => (Stop::Terminate, run.script.on_terminate, Status::Terminated),
            (false, true) if run.stopping.is_none() => (Stop::Cancel, run.script.on_cancel, Status::Canceled),
            _ => return,
        };
        run.stopping = Some(stop);
        run.script.ends_at = run.script.ends_at.min(now + delay);
        run.script.status = status;
        let (nominal, workflow_id) = (run.nominal, run.workflow_id.clone());
        self.record(now, nominal, workflow_id, What::Stop(stop));
    }

    fn record(&mut self, at: DateTime<Utc>, nominal: DateTime<Utc>, workflow_id: String, what: What) {
        self.events.push(HistoryEvent {
            at,
            nominal,
            workflow_id,
            what,
        });
    }

    /// Starts the server: runs that were asked to stop close, all others start their step again.
    fn restart_after_outage(&mut self, now: DateTime<Utc>) {
        self.up = true;
        for run in &mut self.active {
            if run.stopping.is_some() {
                run.script.ends_at = now;
            } else {
                (run.idle, run.script) = (true, IDLE);
            }
        }
        self.close(now);
    }

    fn close(&mut self, at: DateTime<Utc>) -> bool {
        let ended = self.active.iter().filter(|run| run.script.ends_at <= at);
        let ended: Vec<i64> = ended.map(|run| run.key).collect();
        for key in &ended {
            let Some(place) = self.active.iter().position(|run| run.key == *key) else {
                continue;
            };
            let run = self.active.remove(place);
            self.closed(&run, at);
            // Under a limit, each of several runs that close at once makes room for one start, before a worker takes it.
            if self.policies.max_running.is_some() && !(self.waiting.is_empty() && self.requests.is_empty()) {
                self.decide(at);
            }
        }
        !ended.is_empty()
    }

    fn closed(&mut self, run: &ActiveRun, at: DateTime<Utc>) {
        let status = run.script.status;
        self.record(at, run.nominal, run.workflow_id.clone(), What::Close(status));
        self.failed_runs = failures_in_a_row(self.failed_runs, status);
        if !self.state.paused
            && let Some(note) = note_of_pause(&self.policies, &run.workflow_id, status, self.failed_runs)
        {
            self.set_paused(true, note, at);
        }
    }

    /// Decides the pending times; returns the counters, the state and the number of buffered starts.
    pub fn at(&mut self, now: DateTime<Utc>) -> (Counters, &State, usize) {
        if self.unsettled && self.up {
            self.settle(now);
        }
        (self.counters, &self.state, self.waiting.len())
    }

    /// The workflow ids of the open runs.
    #[must_use]
    pub fn running(&self) -> Vec<&str> {
        self.active.iter().map(|run| run.workflow_id.as_str()).collect()
    }

    /// Number of scheduled times due after `now`, at most `limit`.
    #[must_use]
    pub fn upcoming(&self, limit: usize, now: DateTime<Utc>) -> usize {
        let limit = self
            .state
            .remaining_actions
            .map_or(limit, |left| limit.min(usize::try_from(left).unwrap_or(limit)));
        if self.state.paused {
            0
        } else {
            coming(&self.spec, self.cursor, self.floor.max(now)).take(limit).count()
        }
    }

    /// The times due up to `now` that do not start because no actions are left. No plan considers them until that changes.
    #[must_use]
    pub fn exhausted(&self, now: DateTime<Utc>) -> Option<CountedTimes> {
        let exhausted = self.state.remaining_actions == Some(0) && !self.state.paused;
        exhausted.then(|| self.spec.count_due(self.cursor, self.floor, now)).flatten()
    }

    /// All events so far, in order.
    #[must_use]
    pub fn happened(&self) -> &[HistoryEvent] {
        &self.events
    }
}
