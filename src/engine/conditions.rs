//! Conditions: a command that must succeed before a run begins.

use chrono::{DateTime, Utc};

use super::advance::{AdvanceResult, MayStart, Next, Transition, with_transition};
use super::decide::Terms;
use crate::error::Error;
use crate::run::{self, Phase};
use crate::store::Write;

/// Advances a run whose condition has been run: it begins, or is skipped for the reason that the condition failed.
pub(crate) fn advance_checked(
    write: &Write<'_>,
    terms: Terms<'_>,
    key: i64,
    (condition, may_start): (&Result<(), String>, MayStart),
    now: DateTime<Utc>,
) -> Result<AdvanceResult, Error> {
    with_transition(write, terms, key, may_start, now, |transition| {
        transition.condition_met = condition.is_ok();
        if let Err(reason) = condition
            && transition.needs_condition()
        {
            return transition.skip(reason);
        }
        transition.proceed(may_start)
    })
}

impl Transition<'_> {
    /// Whether the run has not begun, and has a condition.
    pub(super) fn needs_condition(&self) -> bool {
        let progress = &self.run.progress;
        self.workflow.condition.is_some() && progress.position == 0 && progress.attempts == 0 && progress.phase == Phase::Ready
    }

    /// Closes a run whose condition was not met.
    fn skip(&mut self, reason: &str) -> Result<Next, Error> {
        self.open = false;
        self.closed(&run::skipped(reason))?;
        if let Some(schedule) = self.run.row.schedule {
            self.write.count_as_skipped(schedule)?;
        }
        Ok(Next::Nothing)
    }
}
