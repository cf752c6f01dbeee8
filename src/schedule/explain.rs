//! What became of each time that a schedule names: what is on file, what nobody has decided, and what exclusions removed, as one account. Pure.

use chrono::{DateTime, TimeDelta, Utc};

use super::plan::Situation;
use super::refusal::{Outcome, Reason};
use super::undecided::{Undecided, undecided};
use crate::spec::Spec;

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
    let standing = undecided(situation, now);
    let (mut cursor, current) = (situation.cursor, &situation.current);
    for Undecided { times, fate, epoch } in standing {
        cursor = cursor.max(times.last);
        let (fate, reason) = match fate {
            Some((outcome, reason)) => (Fate::Refused(outcome), in_words(epoch, reason)),
            None => (Fate::Pending, "`tempo run` has not taken it up".to_owned()),
        };
        let account = Account {
            from: times.first,
            to: times.last,
            count: times.count,
            fate,
            reason,
            run: None,
        };
        accounts.extend(within(account, eras, (from, to)));
    }
    if let Some(times) = current
        .spec
        .tally_due(cursor, situation.floor.max(now), to + current.spec.jitter())
    {
        let account = Account {
            from: times.first,
            to: times.last,
            count: times.count,
            fate: Fate::Pending,
            reason: if current.paused {
                "to come, but the schedule is paused"
            } else {
                "to come"
            }
            .to_owned(),
            run: None,
        };
        accounts.extend(within(account, eras, (from, to)));
    }
    for era in eras {
        let after = era.after.max(from - TimeDelta::nanoseconds(1));
        accounts.extend(era.spec.excluded(after, era.until.min(to)).map(|times| Account {
            from: times.first,
            to: times.last,
            count: times.count,
            fate: Fate::Excluded,
            reason: "the spec excludes it".to_owned(),
            run: None,
        }));
    }
    accounts.sort_by_key(|a| (a.from, a.to));
    accounts
}

/// The part of an account that lies in a window; the whole of it where other times lie between its own.
fn within(account: Account, eras: &[Era<'_>], (from, to): (DateTime<Utc>, DateTime<Utc>)) -> Option<Account> {
    if account.from >= from && account.to <= to {
        return Some(account);
    }
    if account.to < from || account.from > to {
        return None;
    }
    let tally = |from: DateTime<Utc>, to: DateTime<Utc>| {
        let just_before = from - TimeDelta::nanoseconds(1);
        let parts = eras
            .iter()
            .filter_map(|e| e.spec.tally(e.after.max(just_before), e.until.min(to)));
        parts.reduce(|a, b| crate::spec::Tally {
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
