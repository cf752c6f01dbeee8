//! Steps that wait for a beat.

use chrono::{DateTime, TimeDelta, Utc};

use super::advance::{MayStart, Next, Transition};
use crate::error::Error;
use crate::run::outcome::{AttemptResult, Ending, ErrorType, Failure};
use crate::run::{self, Phase};
use crate::spec::describe::human_duration;

impl Transition<'_> {
    /// Closes a step that expects a heartbeat, if one has arrived or the grace time is over.
    pub(super) fn await_beat(
        &mut self,
        grace: TimeDelta,
        deadline: Option<DateTime<Utc>>,
        may_start: MayStart,
    ) -> Result<Next, Error> {
        let is_first = self.run.progress.position == 0;
        let until = match self.run.progress.phase {
            Phase::Waiting { until } => until,
            // The grace time of a schedule's time begins at that time, however late the server takes it up.
            Phase::Ready | Phase::Running { .. } => {
                let begin = if is_first { self.run.row.due } else { self.now };
                begin.checked_add_signed(grace).unwrap_or(DateTime::<Utc>::MAX_UTC)
            }
        };
        let since = if is_first { self.run.row.nominal } else { until - grace };
        let beat = match self.run.row.schedule {
            Some(schedule) => self.write.beat_between(schedule, (since, until))?,
            None => None,
        };
        let result = match beat {
            Some(beat) => beat.result(),
            None if self.now >= until => {
                let message = format!(
                    "no heartbeat within {}",
                    human_duration(grace.num_milliseconds().max(0).unsigned_abs().into())
                );
                let failure = Failure {
                    error_type: ErrorType::Timeout,
                    message,
                };
                AttemptResult::new(Ending::Failed(failure), 0)
            }
            None => {
                if self.run.progress.phase != (Phase::Waiting { until }) {
                    self.run.progress.phase = Phase::Waiting { until };
                    self.changed = true;
                }
                return Ok(Next::AwaitBeat(deadline.map_or(until, |d| d.min(until))));
            }
        };
        self.apply(&run::Event::AttemptStarted)?;
        self.apply(&run::Event::AttemptEnded(result))?;
        if self.open {
            self.proceed(may_start)
        } else {
            Ok(Next::Nothing)
        }
    }
}
