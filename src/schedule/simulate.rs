//! The plan folded over a span, with runs of scripted lengths: what would happen, and the oracle for the engine. Pure.

use std::rc::Rc;

use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};

use super::overlap::Running;
use super::plan::{Begin, Epoch, Plan, Request, RequestKind, Situation, passed_over, plan};
use super::policy::OverlapPolicy;
use super::refusal::Outcome;
use super::start::{Origin, Start};
use super::{MAX_BUFFER, Policies, State};
use crate::run::Stop;
use crate::run::outcome::Status;
use crate::spec::Spec;

/// How a run would go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Life {
    /// When it closes, left alone.
    pub ends_at: DateTime<Utc>,
    /// What it closes as.
    pub status: Status,
    /// How long after a cancel it closes.
    pub on_cancel: TimeDelta,
    /// How long after being killed it closes.
    pub on_terminate: TimeDelta,
}

/// What people do meanwhile.
#[derive(Debug, Clone)]
pub enum Input {
    /// Pause, with a note.
    Pause(String),
    /// Unpause, with a note.
    Unpause(String),
    /// Start now.
    Trigger(Option<OverlapPolicy>),
    /// Start the times of a range, both ends inclusive.
    Backfill(DateTime<Utc>, DateTime<Utc>, Option<OverlapPolicy>),
    /// Another spec, policies and base id.
    Update(Rc<Spec>, Policies, String),
    /// Nothing; look again.
    Refresh,
}

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Happening {
    /// When.
    pub at: DateTime<Utc>,
    /// The workflow id of the run.
    pub workflow_id: String,
    /// What.
    pub what: What,
}

/// What can happen to a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum What {
    /// It started.
    Start,
    /// It closed.
    Close(Status),
    /// It was asked to stop.
    Stop(Stop),
}

/// The counters that a schedule keeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counters {
    /// Starts, manual ones included.
    pub actions: u64,
    /// Skipped because of an overlap.
    pub skipped: u64,
    /// Missed beyond the catch-up window.
    pub missed: u64,
    /// Dropped from a full buffer.
    pub dropped: u64,
}

impl Counters {
    /// Counts what a plan does.
    pub fn count(&mut self, plan: &Plan) {
        self.actions += plan.begin.len() as u64;
        for refused in &plan.refused {
            match refused.outcome {
                Outcome::Skipped => self.skipped += refused.count,
                Outcome::Missed => self.missed += refused.count,
                Outcome::Dropped => self.dropped += refused.count,
                Outcome::Superseded | Outcome::Paused | Outcome::Exhausted => {}
            }
        }
    }
}

struct Going {
    key: i64,
    workflow_id: String,
    life: Life,
    stopping: Option<Stop>,
}

struct PastEpoch {
    spec: Rc<Spec>,
    policies: Policies,
    paused: bool,
    remaining: Option<u64>,
    until: DateTime<Utc>,
}

type LifeOf<'a> = Box<dyn FnMut(&str, DateTime<Utc>) -> Life + 'a>;

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
    going: Vec<Going>,
    requests: Vec<Request>,
    counters: Counters,
    happened: Vec<Happening>,
    keys: i64,
    unsettled: bool,
    max_buffer: usize,
    life_of: LifeOf<'a>,
}

impl<'a> Simulation<'a> {
    /// A schedule whose times up to `processed_to` are decided; `life_of` tells how the run of an id goes that starts at an instant.
    pub fn new(
        spec: Rc<Spec>,
        policies: Policies,
        state: State,
        workflow_id: &str,
        processed_to: DateTime<Utc>,
        life_of: impl FnMut(&str, DateTime<Utc>) -> Life + 'a,
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
            max_buffer: MAX_BUFFER,
            life_of: Box::new(life_of),
        }
    }

    /// Lets fewer starts wait.
    pub fn limit_buffer(&mut self, max: usize) {
        self.max_buffer = max;
    }

    /// A run that is going already.
    pub fn already_running(&mut self, workflow_id: &str, life: Life) {
        self.keys += 1;
        self.going.push(Going {
            key: self.keys,
            workflow_id: workflow_id.to_owned(),
            life,
            stopping: None,
        });
    }

    /// Lives on to `until`: everything before it, and the closes and due times at it.
    pub fn advance(&mut self, until: DateTime<Utc>) {
        loop {
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

    /// Decides what is undecided at `now`.
    pub fn settle(&mut self, now: DateTime<Utc>) {
        self.unsettled = false;
        let running = self
            .going
            .iter()
            .map(|g| Running {
                run: g.key,
                stopping: g.stopping,
            })
            .collect();
        let epoch = |e: &'_ PastEpoch| -> (Rc<Spec>, Policies, bool, Option<u64>, DateTime<Utc>) {
            (Rc::clone(&e.spec), e.policies, e.paused, e.remaining, e.until)
        };
        let past: Vec<_> = self.past.drain(..).collect();
        let owned: Vec<_> = past.iter().map(epoch).collect();
        let situation = Situation {
            current: Epoch {
                spec: &self.spec,
                policies: self.policies,
                paused: self.state.paused,
                remaining: self.state.remaining_actions,
                until: now,
            },
            past: owned
                .iter()
                .map(|(spec, policies, paused, remaining, until)| Epoch {
                    spec,
                    policies: *policies,
                    paused: *paused,
                    remaining: *remaining,
                    until: *until,
                })
                .collect(),
            cursor: self.cursor,
            floor: self.floor,
            waiting: std::mem::take(&mut self.waiting),
            running,
            requests: std::mem::take(&mut self.requests),
            max_buffer: self.max_buffer,
        };
        let decided = plan(&situation, now);
        let unfinished: Vec<Request> = situation
            .requests
            .iter()
            .filter_map(|r| {
                let progress = decided.requests.iter().find(|p| p.key == r.key)?;
                let RequestKind::Backfill { start, end, .. } = r.kind else {
                    return None;
                };
                let kind = RequestKind::Backfill {
                    start,
                    end,
                    done_to: progress.done_to,
                };
                (!progress.finished).then_some(Request { kind, ..r.clone() })
            })
            .collect();
        drop(situation);
        self.requests = unfinished;
        self.carry_out(decided, now);
    }

    fn carry_out(&mut self, decided: Plan, now: DateTime<Utc>) {
        self.counters.count(&decided);
        for going in &mut self.going {
            let stop = match (decided.terminate, decided.cancel) {
                (true, _) if going.stopping != Some(Stop::Terminate) => Stop::Terminate,
                (false, true) if going.stopping.is_none() => Stop::Cancel,
                _ => continue,
            };
            going.stopping = Some(stop);
            let delay = if stop == Stop::Cancel {
                going.life.on_cancel
            } else {
                going.life.on_terminate
            };
            going.life.ends_at = going.life.ends_at.min(now + delay);
            going.life.status = if stop == Stop::Cancel {
                Status::Canceled
            } else {
                Status::Terminated
            };
            self.happened.push(Happening {
                at: now,
                workflow_id: going.workflow_id.clone(),
                what: What::Stop(stop),
            });
        }
        for Begin { start, .. } in decided.begin {
            let workflow_id = run_id(&self.workflow_id, start.nominal);
            let life = (self.life_of)(&workflow_id, now);
            self.already_running(&workflow_id, life);
            self.happened.push(Happening {
                at: now,
                workflow_id,
                what: What::Start,
            });
        }
        self.waiting = decided.waiting;
        (self.cursor, self.floor, self.next_due) = (decided.cursor, decided.floor, decided.next_due);
        self.state.remaining_actions = decided.remaining;
        if decided.more {
            self.settle(now);
        }
    }

    fn close(&mut self, at: DateTime<Utc>) -> bool {
        let (closed, going) = std::mem::take(&mut self.going)
            .into_iter()
            .partition(|g: &Going| g.life.ends_at <= at);
        self.going = going;
        let closed: Vec<Going> = closed;
        for run in &closed {
            let status = run.life.status;
            self.happened.push(Happening {
                at,
                workflow_id: run.workflow_id.clone(),
                what: What::Close(status),
            });
            if self.policies.pause_on_failure
                && !self.state.paused
                && let Some(note) = failure_note(&run.workflow_id, status)
            {
                self.change(at);
                self.state.paused = true;
                self.state.note = note;
            }
        }
        !closed.is_empty()
    }

    /// Something that people do at `now`, to which time has been advanced.
    pub fn input(&mut self, now: DateTime<Utc>, input: Input) {
        match input {
            Input::Pause(note) => {
                self.change(now);
                (self.state.paused, self.state.note) = (true, note);
            }
            Input::Unpause(note) => {
                self.change(now);
                (self.state.paused, self.state.note) = (false, note);
            }
            Input::Update(spec, policies, workflow_id) => {
                self.change(now);
                let survive = passed_over(&self.spec, &spec, self.cursor, now);
                (self.spec, self.policies, self.workflow_id) = (spec, policies, workflow_id);
                if !self.state.paused && self.state.remaining_actions != Some(0) {
                    self.waiting.extend(survive.into_iter().map(|nominal| Start {
                        nominal,
                        due: now,
                        origin: Origin::Scheduled,
                        overlap: None,
                        waiting_as: None,
                    }));
                }
            }
            Input::Trigger(overlap) => self.request(RequestKind::Trigger(now), overlap),
            Input::Backfill(start, end, overlap) => self.request(
                RequestKind::Backfill {
                    start,
                    end,
                    done_to: None,
                },
                overlap,
            ),
            Input::Refresh => {}
        }
        self.settle(now);
    }

    fn request(&mut self, kind: RequestKind, overlap: Option<OverlapPolicy>) {
        self.keys += 1;
        self.requests.push(Request {
            key: self.keys,
            kind,
            overlap,
        });
    }

    /// Before a change: what was due so far belongs to the definition that was in force.
    fn change(&mut self, now: DateTime<Utc>) {
        let exhausted = self.state.remaining_actions == Some(0);
        if !has_undecided(self.next_due, self.state.paused, exhausted, now) {
            self.floor = self.floor.max(now);
            return;
        }
        self.past.push(PastEpoch {
            spec: Rc::clone(&self.spec),
            policies: self.policies,
            paused: self.state.paused,
            remaining: self.state.remaining_actions,
            until: now,
        });
    }

    /// Decides what is undecided, and tells the state.
    pub fn at(&mut self, now: DateTime<Utc>) -> (Counters, &State, usize) {
        if self.unsettled {
            self.settle(now);
        }
        (self.counters, &self.state, self.waiting.len())
    }

    /// The ids of the runs that are going.
    #[must_use]
    pub fn running(&self) -> Vec<&str> {
        self.going.iter().map(|g| g.workflow_id.as_str()).collect()
    }

    /// How many times are still to come by themselves, at most `limit`.
    #[must_use]
    pub fn to_come(&self, limit: usize) -> usize {
        let limit = self
            .state
            .remaining_actions
            .map_or(limit, |left| limit.min(usize::try_from(left).unwrap_or(limit)));
        if self.state.paused {
            0
        } else {
            self.spec.times_after(self.cursor).take(limit).count()
        }
    }

    /// Everything that has happened, in order.
    #[must_use]
    pub fn happened(&self) -> &[Happening] {
        &self.happened
    }
}

/// Whether a definition has times up to `now` that nobody has decided: it may not be changed without keeping it beside them.
#[must_use]
pub fn has_undecided(next_due: Option<DateTime<Utc>>, paused: bool, exhausted: bool, now: DateTime<Utc>) -> bool {
    paused || exhausted || next_due.is_some_and(|due| due <= now)
}

/// The workflow id of a run: the base and the nominal time in whole seconds.
#[must_use]
pub fn run_id(base: &str, nominal: DateTime<Utc>) -> String {
    format!("{base}-{}", nominal.to_rfc3339_opts(SecondsFormat::Secs, true))
}

/// The note that a failed run leaves on the schedule that it pauses; none where the ending is no failure.
#[must_use]
pub fn failure_note(workflow_id: &str, status: Status) -> Option<String> {
    match status {
        Status::Failed => Some(format!("paused due to workflow failure: {workflow_id}")),
        Status::TimedOut => Some(format!("paused due to workflow timeout: {workflow_id}")),
        Status::Running | Status::Completed | Status::Canceled | Status::Terminated => None,
    }
}
