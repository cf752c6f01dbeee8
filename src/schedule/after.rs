//! Schedules that start after the runs of others. Pure.

use std::collections::{BTreeMap, BTreeSet};

use crate::error::{Error, Kind};
use crate::names::{ScheduleId, nearest};
use crate::run::outcome::Status;
use crate::spec::describe;
use crate::spec::spec_text::SpecText;

/// How a run must have closed for another to start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AfterOutcome {
    /// It completed.
    Completed,
    /// It failed or timed out.
    Failed,
}

impl AfterOutcome {
    /// The name, as in the database and after the colon.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Completed => "completed",
            Self::Failed => "failed",
        }
    }

    /// `ID`, or `ID:failed`; an id that itself ends in an outcome is followed by one.
    #[must_use]
    pub fn written(self, id: &str) -> String {
        let is_plain = !id.ends_with(":failed") && !id.ends_with(":completed");
        if self == Self::Completed && is_plain {
            id.to_owned()
        } else {
            format!("{id}:{}", self.name())
        }
    }

    /// The outcome with this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        [Self::Completed, Self::Failed]
            .into_iter()
            .find(|outcome| outcome.name() == name)
    }

    /// The outcome of a run that closed with this status.
    #[must_use]
    pub fn of(status: Status) -> Option<Self> {
        match status {
            Status::Completed => Some(Self::Completed),
            Status::Failed | Status::TimedOut => Some(Self::Failed),
            Status::Running | Status::Canceled | Status::Terminated => None,
        }
    }

    /// Parses `ID`, `ID:completed` or `ID:failed`.
    ///
    /// # Errors
    /// `Usage` if the id is not valid.
    pub fn parse(written: &str) -> Result<(ScheduleId, Self), Error> {
        let (id, after) = match written.rsplit_once(':') {
            Some((id, "failed")) => (id, Self::Failed),
            Some((id, "completed")) => (id, Self::Completed),
            Some((id, outcome)) if nearest(outcome, [Self::Failed.name(), Self::Completed.name()]).is_some() => {
                return Err(unknown_outcome(id, outcome));
            }
            _ => (written, Self::Completed),
        };
        Ok((ScheduleId::parse(id)?, after))
    }
}

/// The error for an outcome of a schedule that does not exist.
#[must_use]
pub fn unknown_outcome(id: &str, outcome: &str) -> Error {
    let (id, outcome) = (id.escape_debug(), outcome.escape_debug());
    Error::new(Kind::Usage, format_args!("unknown outcome `{outcome}` in `{id}:{outcome}`"))
        .hint(format_args!("Write `{id}` or `{id}:failed`."))
}

/// When a schedule starts, in English: the times of `spec`, and the runs that it follows.
#[must_use]
pub fn times_text(spec: &SpecText, after: &[String]) -> String {
    let runs = after.iter().filter_map(|one| AfterOutcome::parse(one).ok());
    let runs: Vec<String> = runs
        .map(|(id, outcome)| format!("each {} run of {id}", outcome.name()))
        .collect();
    match (spec.is_empty(), runs.is_empty()) {
        (_, true) => describe::spec(spec),
        (true, false) => format!("after {}", runs.join(" and ")),
        (false, false) => format!("{}; and after {}", describe::spec(spec), runs.join(" and ")),
    }
}

/// Checks and sorts the schedules that are followed.
///
/// # Errors
/// As [`AfterOutcome::parse`].
pub fn normalized(after: &[String]) -> Result<Vec<String>, Error> {
    let mut parsed = after
        .iter()
        .map(|one| AfterOutcome::parse(one))
        .collect::<Result<Vec<_>, _>>()?;
    parsed.sort_by(|(a, x), (b, y)| (a, x.name()).cmp(&(b, y.name())));
    parsed.dedup();
    Ok(parsed.iter().map(|(id, outcome)| outcome.written(id.as_str())).collect())
}

/// Finds a cycle among schedules that start after each other, which can be reached from `starts`: from each id to the ids after whose runs it starts.
/// The first and the last id are the same.
#[must_use]
pub fn cycle<'a>(starts: impl IntoIterator<Item = &'a str>, edges: &'a BTreeMap<String, Vec<String>>) -> Option<Vec<&'a str>> {
    let mut seen = BTreeSet::new();
    let next_of = |id: &str| edges.get(id).map_or([].iter(), |next| next.iter());
    for start in starts {
        if !seen.insert(start) {
            continue;
        }
        // Each id on the way to the current one, with those after it that have not been followed yet.
        let mut path = vec![(start, next_of(start))];
        let mut on_path = BTreeSet::from([start]);
        while let Some((id, rest)) = path.last_mut() {
            let Some(next) = rest.next() else {
                on_path.remove(id);
                path.pop();
                continue;
            };
            if on_path.contains(next.as_str()) {
                let ids = path.iter().map(|(id, _)| *id).skip_while(|id| id != next);
                return Some(ids.chain([next.as_str()]).collect());
            }
            if seen.insert(next) {
                on_path.insert(next);
                path.push((next, next_of(next)));
            }
        }
    }
    None
}

/// The error for a cycle that [`cycle`] found.
#[must_use]
pub fn cycle_error(cycle: &[&str]) -> Error {
    Error::new(
        Kind::Usage,
        format_args!("these schedules form a cycle: {}", cycle.join(" after ")),
    )
    .of_setting("after")
    .hint("A schedule cannot start after itself, directly or through other schedules.")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cycle_is_found_through_several_schedules() {
        let edges = |pairs: &[(&str, &str)]| {
            let mut edges: BTreeMap<String, Vec<String>> = BTreeMap::new();
            for (from, to) in pairs {
                edges.entry((*from).to_owned()).or_default().push((*to).to_owned());
            }
            edges
        };
        assert_eq!(cycle(["a"], &edges(&[("a", "b"), ("b", "c"), ("a", "c")])), None);
        assert_eq!(cycle(["a"], &edges(&[("a", "a")])).unwrap(), ["a", "a"]);
        let three = edges(&[("a", "b"), ("b", "c"), ("c", "a")]);
        let found = cycle(["a"], &three).unwrap();
        assert_eq!(
            cycle_error(&found).to_string(),
            "`after`: these schedules form a cycle: a after b after c after a"
        );
        assert_eq!(
            cycle(["a"], &edges(&[("a", "b"), ("b", "c"), ("c", "b")])).unwrap(),
            ["b", "c", "b"]
        );
        // A chain may be of any length.
        let ids: Vec<String> = (0..100_000).map(|n| format!("{n:06}")).collect();
        let mut chain: BTreeMap<String, Vec<String>> = ids.windows(2).map(|w| (w[0].clone(), vec![w[1].clone()])).collect();
        assert_eq!(cycle(ids.iter().map(String::as_str), &chain), None);
        chain.insert("099999".to_owned(), vec!["099990".to_owned()]);
        assert_eq!(cycle([ids[0].as_str()], &chain).unwrap().len(), 11);
    }

    #[test]
    fn the_outcome_follows_a_colon() {
        for (written, id, after) in [
            ("backup", "backup", AfterOutcome::Completed),
            ("a:failed", "a", AfterOutcome::Failed),
            ("cron:5:failed", "cron:5", AfterOutcome::Failed),
            ("cron:5", "cron:5", AfterOutcome::Completed),
        ] {
            let (parsed, outcome) = AfterOutcome::parse(written).unwrap();
            assert_eq!((parsed.as_str(), outcome), (id, after), "{written}");
        }
    }
}
