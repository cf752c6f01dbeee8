//! Inputs to a simulated schedule.

use std::rc::Rc;
use std::sync::Arc;

use chrono::{DateTime, Utc};

use super::{PastEpoch, Simulation};
use crate::schedule::history::Input;
use crate::schedule::pending::{coming, leaves_pending};
use crate::schedule::plan_input::{Epoch, Request, RequestKind};
use crate::schedule::{OverlapPolicy, Policies};
use crate::spec::Spec;

impl Simulation<'_> {
    /// Applies an input at `now`, to which the simulation has been advanced.
    pub fn input(&mut self, now: DateTime<Utc>, input: Input) {
        match input {
            Input::Pause(note) => self.set_paused(true, note, now),
            Input::Unpause(note) => self.set_paused(false, note, now),
            Input::Update(spec, policies, workflow_id) => {
                self.change(spec, policies, workflow_id, self.state.paused, now);
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
            Input::Down => self.up = false,
            Input::Up => self.restart_after_outage(now),
        }
        if self.up {
            self.settle(now);
        }
    }

    fn request(&mut self, kind: RequestKind, overlap: Option<OverlapPolicy>) {
        self.keys += 1;
        self.requests.push(Request {
            key: self.keys,
            kind,
            overlap,
            spec: None,
        });
    }

    pub(super) fn set_paused(&mut self, paused: bool, note: String, now: DateTime<Utc>) {
        let (spec, workflow_id) = (Rc::clone(&self.spec), self.workflow_id.clone());
        self.change(spec, self.policies, workflow_id, paused, now);
        self.state.note = note;
    }

    /// Changes the definition from `now` on; times due until then belong to the previous one.
    fn change(&mut self, spec: Rc<Spec>, policies: Policies, workflow_id: String, paused: bool, now: DateTime<Utc>) {
        let before = (&self.spec, self.policies, &self.workflow_id, self.state.paused);
        if (&spec, policies, &workflow_id, paused) == before {
            return;
        }
        if self.state.paused && !paused {
            self.failed_runs = 0;
        }
        let in_force = Epoch {
            spec: &self.spec,
            policies: self.policies,
            paused: self.state.paused,
            remaining: self.state.remaining_actions,
            until: now,
        };
        if leaves_pending(&in_force, &spec, self.cursor, self.next_due) || !self.past.is_empty() {
            self.past.push(PastEpoch {
                spec: Rc::clone(&self.spec),
                workflow_id: self.workflow_id.clone(),
                policies: self.policies,
                paused: self.state.paused,
                remaining: self.state.remaining_actions,
                until: now,
            });
        } else {
            self.floor = self.floor.max(now);
        }
        if self.spec != spec {
            let old_spec = Arc::new((*self.spec).clone());
            for request in &mut self.requests {
                request.spec.get_or_insert_with(|| Arc::clone(&old_spec));
            }
        }
        (self.spec, self.policies, self.workflow_id, self.state.paused) = (spec, policies, workflow_id, paused);
        let inactive = paused || self.state.remaining_actions == Some(0);
        self.next_due = coming(&self.spec, self.cursor, self.floor.max(now))
            .next()
            .filter(|_| !inactive);
    }
}
