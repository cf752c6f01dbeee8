//! The counters of a schedule. Pure.

use super::not_started::Outcome;
use super::plan::Plan;

/// The counters of a schedule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counters {
    /// Starts, including manual ones.
    pub actions: u64,
    /// Skipped because of an overlap.
    pub skipped: u64,
    /// Missed beyond the catch-up window.
    pub missed: u64,
    /// Dropped from a full buffer.
    pub dropped: u64,
}

impl Counters {
    /// Adds the outcomes of a plan.
    pub fn count(&mut self, plan: &Plan) {
        self.actions += plan.begin.len() as u64;
        for times in &plan.not_started {
            match times.outcome {
                Outcome::Skipped => self.skipped += times.count,
                Outcome::Missed => self.missed += times.count,
                Outcome::Dropped => self.dropped += times.count,
                Outcome::Superseded | Outcome::Paused | Outcome::Exhausted => {}
            }
        }
    }
}
