//! The plan folded over a span, with runs of scripted lengths: what would happen, and the oracle for the engine. Pure.

mod input;

use std::rc::Rc;

use chrono::{DateTime, TimeDelta, Utc};

use crate::run::Stop;
use crate::run::outcome::Status;
use crate::schedule::counters::Counters;
use crate::schedule::history::{HistoryEvent, RunScript, What};
use crate::schedule::overlap::Running;
use crate::schedule::pause::failure_note;
use crate::schedule::pending::coming;
use crate::schedule::plan::{Begin, Plan, plan};
use crate::schedule::plan_input::{Epoch, PlanInput, Request, RequestKind};
use crate::schedule::start::{Start, workflow_id_at};
use crate::schedule::{MAX_BUFFER, Policies, State};
use crate::spec::{CountedTimes, Spec};

/// A run that is going.
struct ActiveRun {
    key: i64,
    nominal: DateTime<Utc>,
    workflow_id: String,
    life: RunScript,
    stopping: Option<Stop>,
    /// No worker has taken it up yet.
    idle: bool,
}

/// How a run goes that no worker has taken up.
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
    going: Vec<ActiveRun>,
    requests: Vec<Request>,
    counters: Counters,
    happened: Vec<HistoryEvent>,
    keys: i64,
    unsettled: bool,
    /// Whether there is a server to decide anything.
    up: bool,
    max_buffer: usize,
    life_of: RunScriptOf<'a>,
}

impl<'a> Simulation<'a> {
    /// A schedule whose times up to `processed_to` are decided; `life_of` tells how the run of an id goes that starts at an instant.
    pub fn new(
        spec: Rc<Spec>,
        policies: Policies,
        state: State,
        workflow_id: &str,
        processed_to: DateTime<Utc>,
        life_of: impl FnMut(&str, DateTime<Utc>) -> RunScript + 'a,
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
            going: Vec::new(),
            requests: Vec::new(),
            counters: Counters::default(),
            happened: Vec::new(),
            keys: 0,
            unsettled: true,
            up: true,
            max_buffer: MAX_BUFFER,
            life_of: Box::new(life_of),
        }
    }

    /// What its jitter is seeded with.
    #[must_use]
    pub fn seed(&self) -> &str {
        self.spec.seed()
    }

    /// Lets fewer starts wait.
    pub fn limit_buffer(&mut self, max: usize) {
        self.max_buffer = max;
    }

    /// A run that is going already.
    pub fn already_running(&mut self, workflow_id: &str, life: RunScript) {
        self.begin(self.cursor, workflow_id.to_owned(), Some(life));
    }

    fn begin(&mut self, nominal: DateTime<Utc>, workflow_id: String, life: Option<RunScript>) {
        self.keys += 1;
        self.going.push(ActiveRun {
            key: self.keys,
            nominal,
            workflow_id,
            idle: life.is_none(),
            life: life.unwrap_or(IDLE),
            stopping: None,
        });
    }

    /// Lives on to `until`: everything before it, and the closes and due times at it.
    pub fn advance(&mut self, until: DateTime<Utc>) {
        while self.up {
            let close = self.going.iter().map(|g| g.life.ends_at).min();
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

    /// Decides what is undecided at `now`, and lets workers take up what begins.
    pub fn settle(&mut self, now: DateTime<Utc>) {
        self.unsettled = false;
        let mut more = true;
        while std::mem::take(&mut more) {
            more |= self.decide(now);
            // What is to stop and no worker has taken up yet is over at once.
            while let Some(i) = self.going.iter().position(|g| g.idle && g.stopping.is_some()) {
                let run = self.going.remove(i);
                self.closed(&run, now);
                more |= self.decide(now);
            }
            for i in 0..self.going.len() {
                if std::mem::take(&mut self.going[i].idle) {
                    self.going[i].life = (self.life_of)(&self.going[i].workflow_id, now);
                }
            }
        }
    }

    /// One plan made and carried out. Whether there is more to do at once.
    fn decide(&mut self, now: DateTime<Utc>) -> bool {
        let running = self
            .going
            .iter()
            .map(|g| Running {
                run: g.key,
                begun: true,
                stopping: g.stopping,
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
            open_runs: self.going.len(),
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
        for r in &decided.refused {
            let what = What::NotStarted {
                to: r.to,
                count: r.count,
                outcome: r.outcome,
                reason: r.reason,
            };
            self.happens(now, r.from, workflow_id_at(&self.workflow_id, r.from), what);
        }
        let going = self.going.len();
        for Begin { start, epoch } in decided.begin {
            let base = epoch.map_or(&self.workflow_id, |i| &past[i].workflow_id);
            let workflow_id = workflow_id_at(base, start.nominal);
            self.begin(start.nominal, workflow_id.clone(), None);
            self.happens(now, start.nominal, workflow_id, What::Start);
        }
        self.waiting = decided.waiting;
        for i in 0..self.waiting.len() {
            if self.waiting[i].waiting_as.is_none() {
                self.keys += 1;
                self.waiting[i].waiting_as = Some(self.keys);
                let nominal = self.waiting[i].nominal;
                self.happens(now, nominal, workflow_id_at(&self.workflow_id, nominal), What::Buffered);
            }
        }
        for i in 0..going {
            self.stop(i, (decided.cancel, decided.terminate), now);
        }
        (self.cursor, self.floor, self.next_due) = (decided.cursor, decided.floor, decided.next_due);
        self.state.remaining_actions = decided.remaining;
        decided.more
    }

    fn stop(&mut self, index: usize, (cancel, terminate): (bool, bool), now: DateTime<Utc>) {
        let going = &mut self.going[index];
        let (stop, delay, status) = match (terminate, cancel) {
            (true, _) if going.stopping != Some(Stop::Terminate) => {
                (Stop::Terminate, going.life.on_terminate, Status::Terminated)
            }
            (false, true) if going.stopping.is_none() => (Stop::Cancel, going.life.on_cancel, Status::Canceled),
            _ => return,
        };
        going.stopping = Some(stop);
        going.life.ends_at = going.life.ends_at.min(now + delay);
        going.life.status = status;
        let (nominal, workflow_id) = (going.nominal, going.workflow_id.clone());
        self.happens(now, nominal, workflow_id, What::Stop(stop));
    }

    fn happens(&mut self, at: DateTime<Utc>, nominal: DateTime<Utc>, workflow_id: String, what: What) {
        self.happened.push(HistoryEvent {
            at,
            nominal,
            workflow_id,
            what,
        });
    }

    /// A server starts: what was asked to stop is over, everything else begins its step anew.
    fn come_up(&mut self, now: DateTime<Utc>) {
        self.up = true;
        for going in &mut self.going {
            if going.stopping.is_some() {
                going.life.ends_at = now;
            } else {
                (going.idle, going.life) = (true, IDLE);
            }
        }
        self.close(now);
    }

    fn close(&mut self, at: DateTime<Utc>) -> bool {
        let (closed, going) = std::mem::take(&mut self.going)
            .into_iter()
            .partition(|g: &ActiveRun| g.life.ends_at <= at);
        self.going = going;
        let closed: Vec<ActiveRun> = closed;
        for run in &closed {
            self.closed(run, at);
        }
        !closed.is_empty()
    }

    fn closed(&mut self, run: &ActiveRun, at: DateTime<Utc>) {
        let status = run.life.status;
        self.happens(at, run.nominal, run.workflow_id.clone(), What::Close(status));
        if self.policies.pause_on_failure
            && !self.state.paused
            && let Some(note) = failure_note(&run.workflow_id, status)
        {
            self.set_paused(true, note, at);
        }
    }

    /// Decides what is undecided, and tells the state.
    pub fn at(&mut self, now: DateTime<Utc>) -> (Counters, &State, usize) {
        if self.unsettled && self.up {
            self.settle(now);
        }
        (self.counters, &self.state, self.waiting.len())
    }

    /// The ids of the runs that are going.
    #[must_use]
    pub fn running(&self) -> Vec<&str> {
        self.going.iter().map(|g| g.workflow_id.as_str()).collect()
    }

    /// How many times are still to come by themselves after `now`, at most `limit`.
    #[must_use]
    pub fn to_come(&self, limit: usize, now: DateTime<Utc>) -> usize {
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

    /// The times due up to `now` that come to nothing since no actions are left: no plan looks at them before that changes.
    #[must_use]
    pub fn exhausted(&self, now: DateTime<Utc>) -> Option<CountedTimes> {
        let over = self.state.remaining_actions == Some(0) && !self.state.paused;
        over.then(|| self.spec.count_due(self.cursor, self.floor, now)).flatten()
    }

    /// Everything that has happened, in order.
    #[must_use]
    pub fn happened(&self) -> &[HistoryEvent] {
        &self.happened
    }
}
