//! The outcome of each nominal time of a schedule: recorded outcomes, pending times and excluded times in one list. Pure.

use chrono::{DateTime, TimeDelta, Utc};

use super::not_started::{Outcome, Reason};
use super::pending::{Pending, pending};
use super::plan_input::PlanInput;
use crate::spec::{CountedTimes, Spec};

/// Maximum number of ranges of excluded times that are listed separately.
const MAX_RANGES: usize = 200;

/// The outcome of a nominal time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TimeOutcome {
    /// A run started.
    Started,
    /// Waiting for its turn in the buffer.
    Buffered,
    /// Not started.
    NotStarted(Outcome),
    /// Removed by an exclusion.
    Excluded,
    /// Not decided yet.
    Pending,
}

impl TimeOutcome {
    /// The name, as in JSON.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Started => "started",
            Self::Buffered => "buffered",
            Self::NotStarted(outcome) => outcome.name(),
            Self::Excluded => "excluded",
            Self::Pending => "pending",
        }
    }
}

/// Consecutive times with the same outcome.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TimeRange {
    /// The first nominal time.
    pub from: DateTime<Utc>,
    /// The last nominal time.
    pub to: DateTime<Utc>,
    /// Number of times, at least 1.
    pub count: u64,
    /// Their outcome.
    pub outcome: TimeOutcome,
    /// The reason, as text.
    pub reason: String,
    /// The run that started, or the run that was still open: its run id and workflow id.
    pub run: Option<(String, String)>,
}

impl TimeRange {
    /// The times that a spec counted, with their outcome.
    #[must_use]
    pub fn of(times: CountedTimes, outcome: TimeOutcome, reason: String) -> Self {
        Self {
            from: times.first,
            to: times.last,
            count: times.count,
            outcome,
            reason,
            run: None,
        }
    }
}

/// A spec and the period in which its nominal times count.
#[derive(Debug, Clone)]
pub struct SpecPeriod<'a> {
    /// The spec.
    pub spec: &'a Spec,
    /// Start of the period, exclusive.
    pub after: DateTime<Utc>,
    /// End of the period, inclusive.
    pub until: DateTime<Utc>,
}

/// Lists the outcome of every nominal time from `from` to `to`, both inclusive, in order.
///
/// `decided` holds the recorded outcomes. `reason_text` returns the text of a reason under a past definition, given by its index, or the current one
/// (`None`).
#[must_use]
pub fn explain(
    decided: Vec<TimeRange>,
    input: &PlanInput<'_>,
    periods: &[SpecPeriod<'_>],
    (from, to): (DateTime<Utc>, DateTime<Utc>),
    now: DateTime<Utc>,
    reason_text: impl Fn(Option<usize>, Reason) -> String,
) -> Vec<TimeRange> {
    let mut time_ranges: Vec<TimeRange> = decided.into_iter().filter_map(|a| within(a, periods, (from, to))).collect();
    let current = &input.current;
    for Pending { times, outcome, epoch } in pending(input, now) {
        let (outcome, reason) = match outcome {
            Some((outcome, reason)) => (TimeOutcome::NotStarted(outcome), reason_text(epoch, reason)),
            None => (TimeOutcome::Pending, "not yet picked up by `tempo run`".to_owned()),
        };
        time_ranges.extend(within(TimeRange::of(times, outcome, reason), periods, (from, to)));
    }
    let after = input.cursor.max(from - TimeDelta::nanoseconds(1));
    if let Some(times) = current
        .spec
        .count_due(after, input.floor.max(now), to + current.spec.jitter())
    {
        let (outcome, reason) = match current.remaining {
            _ if current.paused => (TimeOutcome::Pending, "upcoming, but the schedule is paused".to_owned()),
            Some(0) => (
                TimeOutcome::NotStarted(Outcome::Exhausted),
                Reason::NoActionsLeft.text().to_owned(),
            ),
            Some(left) => (TimeOutcome::Pending, format!("upcoming, if actions remain ({left} left)")),
            None => (TimeOutcome::Pending, "upcoming".to_owned()),
        };
        time_ranges.extend(within(TimeRange::of(times, outcome, reason), periods, (from, to)));
    }
    for period in periods {
        let (after, until) = (period.after.max(from - TimeDelta::nanoseconds(1)), period.until.min(to));
        time_ranges.extend(
            excluded(period.spec, after, until)
                .into_iter()
                .map(|times| TimeRange::of(times, TimeOutcome::Excluded, "the spec excludes it".to_owned())),
        );
    }
    time_ranges.sort_by_key(|a| (a.from, a.to));
    time_ranges
}

/// The excluded times, in ranges; as a single range if there would be more than [`MAX_RANGES`].
fn excluded(spec: &Spec, after: DateTime<Utc>, until: DateTime<Utc>) -> Vec<CountedTimes> {
    let ranges: Vec<CountedTimes> = spec.excluded(after, until).take(MAX_RANGES + 1).collect();
    let (Some(first), Some(_)) = (ranges.first(), ranges.get(MAX_RANGES)) else {
        return ranges;
    };
    let count = |spec: &Spec| spec.count_between(first.first - TimeDelta::nanoseconds(1), until);
    let (all, left) = (count(&spec.without_exclusions()), count(spec));
    let one = all.map(|all| CountedTimes {
        count: all.count - left.map_or(0, |l| l.count),
        ..all
    });
    one.into_iter().collect()
}

/// The part of a range that lies in a window; the whole range if other times lie between its own.
fn within(time_range: TimeRange, periods: &[SpecPeriod<'_>], (from, to): (DateTime<Utc>, DateTime<Utc>)) -> Option<TimeRange> {
    if time_range.from >= from && time_range.to <= to {
        return Some(time_range);
    }
    if time_range.to < from || time_range.from > to {
        return None;
    }
    let just_before = |at: DateTime<Utc>| at - TimeDelta::nanoseconds(1);
    // Usually one spec has all the times of the range. Otherwise each spec counts those of its own period.
    let of_one = periods.iter().map(|e| e.spec).find(|spec| {
        let all = spec.count_between(just_before(time_range.from), time_range.to);
        all.is_some_and(|t| (t.first, t.last, t.count) == (time_range.from, time_range.to, time_range.count))
    });
    let counted = |from: DateTime<Utc>, to: DateTime<Utc>| {
        if let Some(spec) = of_one {
            return spec.count_between(just_before(from), to);
        }
        let part = |e: &SpecPeriod<'_>| e.spec.count_between(e.after.max(just_before(from)), e.until.min(to));
        periods.iter().filter_map(part).reduce(|a, b| CountedTimes {
            first: a.first.min(b.first),
            last: a.last.max(b.last),
            count: a.count + b.count,
        })
    };
    if counted(time_range.from, time_range.to).is_none_or(|t| t.count != time_range.count) {
        return Some(time_range);
    }
    counted(time_range.from.max(from), time_range.to.min(to)).map(|part| TimeRange {
        from: part.first,
        to: part.last,
        count: part.count,
        ..time_range
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::spec_text::SpecText;
    use crate::zoneinfo::ZoneInfo;

    #[test]
    fn cuts_a_range_to_the_window_including_both_ends() {
        let written = SpecText {
            interval: vec!["10s".to_owned()],
            ..SpecText::default()
        };
        let spec = Spec::compile(&written, "s", &ZoneInfo::compiled_in()).unwrap();
        let at = |s: i64| DateTime::from_timestamp(1_000_000_000 + s, 0).unwrap();
        let periods = [SpecPeriod {
            spec: &spec,
            after: at(-1),
            until: DateTime::<Utc>::MAX_UTC,
        }];
        let time_range = TimeRange {
            from: at(10),
            to: at(50),
            count: 5,
            outcome: TimeOutcome::NotStarted(Outcome::Paused),
            reason: String::new(),
            run: None,
        };
        for (from, to, want) in [
            (0, 9, None),
            (0, 10, Some((10, 10, 1))),
            (15, 40, Some((20, 40, 3))),
            (50, 99, Some((50, 50, 1))),
            (51, 99, None),
            (0, 99, Some((10, 50, 5))),
        ] {
            let part = within(time_range.clone(), &periods, (at(from), at(to)));
            let got = part.map(|a| ((a.from - at(0)).num_seconds(), (a.to - at(0)).num_seconds(), a.count));
            assert_eq!(got, want, "{from} to {to}");
        }
    }
}
