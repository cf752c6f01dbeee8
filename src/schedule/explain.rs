//! What became of each time that a schedule names: what is on file, what nobody has decided, and what exclusions removed, as one account. Pure.

use chrono::{DateTime, TimeDelta, Utc};

use super::refusal::{Outcome, Reason};
use super::situation::Situation;
use super::undecided::{Undecided, undecided};
use crate::spec::{Spec, Tally};

/// How many ranges of excluded times are told apart.
const MOST_RANGES: usize = 200;

/// What became of times.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// A run started.
    Started,
    /// It waits its turn.
    Buffered,
    /// It did not start.
    Refused(Outcome),
    /// An exclusion removed it.
    Excluded,
    /// Nobody has decided yet.
    Pending,
}

impl Fate {
    /// The name, as in JSON.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Started => "started",
            Self::Buffered => "buffered",
            Self::Refused(outcome) => outcome.name(),
            Self::Excluded => "excluded",
            Self::Pending => "pending",
        }
    }
}

/// Times that follow one another and share a fate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// The first nominal time.
    pub from: DateTime<Utc>,
    /// The last.
    pub to: DateTime<Utc>,
    /// How many there are, at least one.
    pub count: u64,
    /// What became of them.
    pub fate: Fate,
    /// Why, in words.
    pub reason: String,
    /// The run that started, or that was going: its run id and workflow id.
    pub run: Option<(String, String)>,
}

impl Account {
    fn of(times: Tally, fate: Fate, reason: String) -> Self {
        Self {
            from: times.first,
            to: times.last,
            count: times.count,
            fate,
            reason,
            run: None,
        }
    }
}

/// A spec, and the nominal times that it named: after one instant, and up to another.
#[derive(Debug, Clone)]
pub struct Era<'a> {
    /// The spec.
    pub spec: &'a Spec,
    /// Its times are after this.
    pub after: DateTime<Utc>,
    /// Its times are up to this.
    pub until: DateTime<Utc>,
}

/// Accounts for every nominal time from `from` to `to`, both included, in order.
///
/// `decided` is what is on file; `in_words` tells the reason of a time that stands undecided under a past definition, or (none) the current one.
#[must_use]
pub fn explain(
    decided: Vec<Account>,
    situation: &Situation<'_>,
    eras: &[Era<'_>],
    (from, to): (DateTime<Utc>, DateTime<Utc>),
    now: DateTime<Utc>,
    in_words: impl Fn(Option<usize>, Reason) -> String,
) -> Vec<Account> {
    let mut accounts: Vec<Account> = decided.into_iter().filter_map(|a| within(a, eras, (from, to))).collect();
    let current = &situation.current;
    for Undecided { times, fate, epoch } in undecided(situation, now) {
        let (fate, reason) = match fate {
            Some((outcome, reason)) => (Fate::Refused(outcome), in_words(epoch, reason)),
            None => (Fate::Pending, "`tempo run` has not taken it up".to_owned()),
        };
        accounts.extend(within(Account::of(times, fate, reason), eras, (from, to)));
    }
    let after = situation.cursor.max(from - TimeDelta::nanoseconds(1));
    if let Some(times) = current
        .spec
        .tally_due(after, situation.floor.max(now), to + current.spec.jitter())
    {
        let (fate, reason) = match current.remaining {
            _ if current.paused => (Fate::Pending, "to come, but the schedule is paused".to_owned()),
            Some(0) => (Fate::Refused(Outcome::Exhausted), Reason::NoActionsLeft.text().to_owned()),
            Some(left) => (Fate::Pending, format!("to come, as long as actions are left: {left}")),
            None => (Fate::Pending, "to come".to_owned()),
        };
        accounts.extend(within(Account::of(times, fate, reason), eras, (from, to)));
    }
    for era in eras {
        let (after, until) = (era.after.max(from - TimeDelta::nanoseconds(1)), era.until.min(to));
        accounts.extend(
            excluded(era.spec, after, until)
                .into_iter()
                .map(|times| Account::of(times, Fate::Excluded, "the spec excludes it".to_owned())),
        );
    }
    accounts.sort_by_key(|a| (a.from, a.to));
    accounts
}

/// What exclusions removed, in ranges; where they take turns with other times too often to be told apart, in one.
fn excluded(spec: &Spec, after: DateTime<Utc>, until: DateTime<Utc>) -> Vec<Tally> {
    let ranges: Vec<Tally> = spec.excluded(after, until).take(MOST_RANGES + 1).collect();
    let (Some(first), Some(_)) = (ranges.first(), ranges.get(MOST_RANGES)) else {
        return ranges;
    };
    let count = |spec: &Spec| spec.tally(first.first - TimeDelta::nanoseconds(1), until);
    let (all, left) = (count(&spec.without_exclusions()), count(spec));
    let one = all.map(|all| Tally {
        count: all.count - left.map_or(0, |l| l.count),
        ..all
    });
    one.into_iter().collect()
}

/// The part of an account that lies in a window; the whole of it where other times lie between its own.
fn within(account: Account, eras: &[Era<'_>], (from, to): (DateTime<Utc>, DateTime<Utc>)) -> Option<Account> {
    if account.from >= from && account.to <= to {
        return Some(account);
    }
    if account.to < from || account.from > to {
        return None;
    }
    let just_before = |at: DateTime<Utc>| at - TimeDelta::nanoseconds(1);
    // Nearly always all of them are times of one spec, though with jitter not only of its own era; else each spec has its part.
    let of_one = eras.iter().map(|e| e.spec).find(|spec| {
        let all = spec.tally(just_before(account.from), account.to);
        all.is_some_and(|t| (t.first, t.last, t.count) == (account.from, account.to, account.count))
    });
    let tally = |from: DateTime<Utc>, to: DateTime<Utc>| {
        if let Some(spec) = of_one {
            return spec.tally(just_before(from), to);
        }
        let part = |e: &Era<'_>| e.spec.tally(e.after.max(just_before(from)), e.until.min(to));
        eras.iter().filter_map(part).reduce(|a, b| Tally {
            first: a.first.min(b.first),
            last: a.last.max(b.last),
            count: a.count + b.count,
        })
    };
    if tally(account.from, account.to).is_none_or(|t| t.count != account.count) {
        return Some(account);
    }
    tally(account.from.max(from), account.to.min(to)).map(|part| Account {
        from: part.first,
        to: part.last,
        count: part.count,
        ..account
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::written::Written;
    use crate::zoneinfo::ZoneInfo;

    #[test]
    fn an_account_is_cut_to_the_window_both_ends_included() {
        let written = Written {
            interval: vec!["10s".to_owned()],
            ..Written::default()
        };
        let spec = Spec::compile(&written, "s", &ZoneInfo::compiled_in()).unwrap();
        let at = |s: i64| DateTime::from_timestamp(1_000_000_000 + s, 0).unwrap();
        let eras = [Era {
            spec: &spec,
            after: at(-1),
            until: DateTime::<Utc>::MAX_UTC,
        }];
        let account = Account {
            from: at(10),
            to: at(50),
            count: 5,
            fate: Fate::Refused(Outcome::Paused),
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
            let part = within(account.clone(), &eras, (at(from), at(to)));
            let told = part.map(|a| ((a.from - at(0)).num_seconds(), (a.to - at(0)).num_seconds(), a.count));
            assert_eq!(told, want, "{from} to {to}");
        }
    }
}
