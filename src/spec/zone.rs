//! A time zone as a table of spans of constant offset, and the search for the next time of a calendar in it. Pure: the table is passed in.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::calendar::Calendar;
use super::exclude::next_allowed;
use crate::error::{Error, Kind, alternatives};

/// A period of constant offset, which lasts until the next span starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// The first Unix second of the span; `i64::MIN` for the first span.
    pub start: i64,
    /// Seconds east of UTC.
    pub offset: i32,
}

/// A named zone with its spans in order, to the end of the year 2100.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Zone {
    name: Arc<str>,
    spans: Arc<[Span]>,
}

/// Looks up zones by name. Passed to the parser, so that `spec/` reads no files.
pub trait Zones {
    /// The zone named `name`.
    ///
    /// # Errors
    /// `Usage` when there is no such zone, with the closest name as a hint.
    fn zone(&self, name: &str) -> Result<Zone, Error>;
}

/// A change of the offset from UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct OffsetChange {
    /// The first Unix second after the change.
    pub(super) at: i64,
    before: i64,
    after: i64,
}

impl OffsetChange {
    /// The civil times that the change skips: start and exclusive end.
    pub(super) fn skipped(self) -> Option<(i64, i64)> {
        (self.after > self.before).then_some((self.at + self.before, self.at + self.after))
    }

    /// The civil times that the change repeats: start and exclusive end.
    pub(super) fn repeated(self) -> Option<(i64, i64)> {
        (self.after < self.before).then_some((self.at + self.after, self.at + self.before))
    }

    /// The offset at a Unix second near the change.
    pub(super) fn offset_at(self, at: i64) -> i64 {
        if at < self.at { self.before } else { self.after }
    }
}

/// The handling of a wall-clock time that a transition skips.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub enum Gap {
    /// Does not fire.
    #[default]
    Skip,
    /// Fires once, at the first instant after the gap.
    Shift,
}

/// The handling of a wall-clock time that a transition repeats.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub enum Repeat {
    /// Fires in both passes.
    #[default]
    Both,
    /// Fires in the first pass only.
    First,
    /// Fires in the last pass only.
    Last,
}

impl Gap {
    /// The name in files and in JSON.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Skip => "skip",
            Self::Shift => "shift",
        }
    }

    /// Parses a name, ignoring case.
    ///
    /// # Errors
    /// `Usage`, with the valid names as a hint.
    pub fn parse(name: &str) -> Result<Self, Error> {
        choice("dst_gap", name, [Self::Skip, Self::Shift].map(|g| (g.name(), g)))
    }
}

impl Repeat {
    /// The name in files and in JSON.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Both => "both",
            Self::First => "first",
            Self::Last => "last",
        }
    }

    /// Parses a name, ignoring case.
    ///
    /// # Errors
    /// `Usage`, with the valid names as a hint.
    pub fn parse(name: &str) -> Result<Self, Error> {
        let all = [Self::Both, Self::First, Self::Last].map(|r| (r.name(), r));
        choice("dst_repeat", name, all)
    }
}

fn choice<T: Copy, const N: usize>(setting: &str, given: &str, choices: [(&str, T); N]) -> Result<T, Error> {
    let found = choices.iter().find(|(name, _)| name.eq_ignore_ascii_case(given));
    found.map(|(_, choice)| *choice).ok_or_else(|| {
        Error::new(Kind::Usage, format_args!("`{}` is not a valid value", given.escape_debug()))
            .of_setting(setting)
            .hint(format_args!("Expected {}.", alternatives(&choices.map(|(name, _)| name))))
    })
}

/// A schedule's handling of daylight saving.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Transitions {
    /// The handling of skipped times.
    pub gap: Gap,
    /// The handling of repeated times.
    pub repeat: Repeat,
}

impl Zone {
    /// Coordinated Universal Time.
    #[must_use]
    pub fn utc() -> Self {
        Self::new(
            "UTC",
            vec![Span {
                start: i64::MIN,
                offset: 0,
            }],
        )
    }

    /// Creates a zone from its spans.
    ///
    /// # Panics
    /// When `spans` is empty, does not start at `i64::MIN`, or is not in order.
    #[must_use]
    pub fn new(name: &str, spans: Vec<Span>) -> Self {
        assert!(
            spans.first().is_some_and(|s| s.start == i64::MIN),
            "a span table starts at `i64::MIN`"
        );
        assert!(spans.is_sorted_by(|a, b| a.start < b.start), "spans are in order");
        Self {
            name: name.into(),
            spans: spans.into(),
        }
    }

    /// The name, as in the IANA database.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// A hash of the spans.
    #[must_use]
    pub fn fingerprint(&self) -> u64 {
        let bytes: Vec<u8> = self
            .spans
            .iter()
            .flat_map(|s| s.start.to_be_bytes().into_iter().chain(s.offset.to_be_bytes()))
            .collect();
        farmhash::fingerprint64(&bytes)
    }

    fn index_at(&self, at: i64) -> usize {
        self.spans.partition_point(|s| s.start <= at) - 1
    }

    /// Seconds east of UTC at a Unix second.
    #[must_use]
    pub fn offset_at(&self, at: i64) -> i32 {
        self.spans[self.index_at(at)].offset
    }

    /// Seconds east of UTC at a Unix second, and the Unix second of the next change, or `i64::MAX` if there is none.
    pub(super) fn span_at(&self, at: i64) -> (i64, i64) {
        let i = self.index_at(at);
        let end = self.spans.get(i + 1).map_or(i64::MAX, |next| next.start);
        (i64::from(self.spans[i].offset), end)
    }

    /// The changes of the offset after the Unix second `after` and up to `until`.
    pub(super) fn changes(&self, after: i64, until: i64) -> impl Iterator<Item = OffsetChange> + '_ {
        let change = |w: &[Span]| OffsetChange {
            at: w[1].start,
            before: i64::from(w[0].offset),
            after: i64::from(w[1].offset),
        };
        let first = self.index_at(after);
        let changes = self.spans[first..].windows(2).map(change);
        changes.take_while(move |c| c.at <= until)
    }

    /// The earliest Unix second at which the wall clock shows `civil`; for a time in a gap, the first second after the gap.
    #[must_use]
    pub fn first_instant_of(&self, civil: i64) -> i64 {
        let mut i = self.index_at(civil.saturating_sub(172_800));
        loop {
            let span = self.spans[i];
            let at = (civil - i64::from(span.offset)).max(span.start);
            if self.spans.get(i + 1).is_none_or(|next| at < next.start) {
                return at;
            }
            i += 1;
        }
    }

    /// The first Unix second after `after` at which the wall-clock time matches `calendar` and no exclusion.
    pub(super) fn next_after(
        &self,
        calendar: &Calendar,
        exclusions: &[Calendar],
        transitions: Transitions,
        after: i64,
    ) -> Option<i64> {
        let mut i = self.index_at(after);
        let mut from = after;
        // The last civil time found and the start of its search: it remains valid for any search that starts between the two.
        let mut found: Option<(i64, i64)> = None;
        loop {
            let span = self.spans[i];
            let end = self.spans.get(i + 1).map_or(i64::MAX, |next| next.start);
            let offset = i64::from(span.offset);
            let mut civil_from = from + offset;
            if transitions.repeat == Repeat::First && i > 0 && span.start > i64::MIN {
                // Times already shown in the first pass do not count again.
                let shown_until = span.start + i64::from(self.spans[i - 1].offset);
                civil_from = civil_from.max(shown_until - 1);
            }
            let civil = match found {
                Some((searched_from, civil)) if searched_from <= civil_from && civil > civil_from => civil,
                _ => next_allowed(calendar, exclusions, civil_from)?,
            };
            found = Some((civil_from, civil));
            let next = self.spans.get(i + 1);
            let shown_again =
                transitions.repeat == Repeat::Last && next.is_some_and(|n| civil >= n.start.saturating_add(i64::from(n.offset)));
            if civil - offset < end && !shown_again {
                return Some(civil - offset);
            }
            let next = next?;
            let (gap_from, gap_to) = (next.start + offset, next.start + i64::from(next.offset));
            if transitions.gap == Gap::Shift
                && gap_to > gap_from
                && next_allowed(calendar, exclusions, gap_from - 1).is_some_and(|c| c < gap_to)
            {
                return Some(next.start);
            }
            i += 1;
            from = next.start - 1;
        }
    }
}
