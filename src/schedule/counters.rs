//! What a schedule counts. Pure.

use super::not_started::Outcome;
use super::plan::Plan;

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
