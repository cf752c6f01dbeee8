//! Schedules that start after the runs of others. Pure.

use std::collections::{BTreeMap, BTreeSet};

use crate::error::{Error, Kind};
use crate::names::ScheduleId;
use crate::run::outcome::Status;
use crate::spec::describe;
use crate::spec::spec_text::SpecText;

/// How a run must have closed for another to start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum After {
    /// It completed.
    Completed,
    /// It failed or timed out.
    Failed,
}

impl After {
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
            _ => (written, Self::Completed),
        };
        Ok((ScheduleId::parse(id)?, after))
    }
}

/// When a schedule starts, in English: the times of `spec`, and the runs that it follows.
#[must_use]
pub fn times_text(spec: &SpecText, after: &[String]) -> String {
    let runs = after.iter().filter_map(|one| After::parse(one).ok());
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
/// As [`After::parse`].
pub fn normalized(after: &[String]) -> Result<Vec<String>, Error> {
    let mut parsed = after.iter().map(|one| After::parse(one)).collect::<Result<Vec<_>, _>>()?;
    parsed.sort_by(|(a, x), (b, y)| (a, x.name()).cmp(&(b, y.name())));
    parsed.dedup();
    Ok(parsed.iter().map(|(id, outcome)| outcome.written(id.as_str())).collect())
}

/// Rejects a cycle among schedules that start after each other: from each id to the ids after whose runs it starts.
///
/// # Errors
/// `Usage`, with the cycle.
pub fn reject_cycle(from: &str, edges: &BTreeMap<String, Vec<String>>) -> Result<(), Error> {
    let mut path = vec![from.to_owned()];
    let mut seen = BTreeSet::new();
    if let Some(cycle) = search(from, &mut path, &mut seen, edges) {
        return Err(
            Error::new(Kind::Usage, format_args!("`after` forms a cycle: {}", cycle.join(" after ")))
                .hint("A schedule cannot start after itself, directly or through other schedules."),
        );
    }
    Ok(())
}

fn search(
    target: &str,
    path: &mut Vec<String>,
    seen: &mut BTreeSet<String>,
    edges: &BTreeMap<String, Vec<String>>,
) -> Option<Vec<String>> {
    let last = path.last()?.clone();
    for next in edges.get(&last).into_iter().flatten() {
        path.push(next.clone());
        if next == target {
            return Some(path.clone());
        }
        if seen.insert(next.clone())
            && let Some(cycle) = search(target, path, seen, edges)
        {
            return Some(cycle);
        }
        path.pop();
    }
    None
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
        assert!(reject_cycle("a", &edges(&[("a", "b"), ("b", "c"), ("a", "c")])).is_ok());
        let e = reject_cycle("a", &edges(&[("a", "b"), ("b", "c"), ("c", "a")])).unwrap_err();
        assert_eq!(e.to_string(), "`after` forms a cycle: a after b after c after a");
        assert!(reject_cycle("a", &edges(&[("a", "a")])).is_err());
        // A cycle of others.
        assert!(reject_cycle("a", &edges(&[("a", "b"), ("b", "c"), ("c", "b")])).is_ok());
    }

    #[test]
    fn the_outcome_follows_a_colon() {
        for (written, id, after) in [
            ("backup", "backup", After::Completed),
            ("a:failed", "a", After::Failed),
            ("cron:5:failed", "cron:5", After::Failed),
            ("cron:5", "cron:5", After::Completed),
        ] {
            let (parsed, outcome) = After::parse(written).unwrap();
            assert_eq!((parsed.as_str(), outcome), (id, after), "{written}");
        }
    }
}
