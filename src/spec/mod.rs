//! Schedule specs: when a schedule fires. Pure: no clock, no files, no threads, no environment; zones are passed in.
//!
//! [`SpecText`] is the text that people write and the database stores. [`Spec::compile`] lowers it to bit-set calendars, intervals and a span table;
//! [`Spec::next_after`] finds the next nominal time, [`Spec::due`] adds the jitter.

pub mod calendar;
pub mod calendar_text;
pub mod cron;
mod days;
pub mod describe;
mod exclude;
pub mod exclusion;
pub mod field;
pub mod instant;
pub mod interval;
pub mod jitter;
mod notes;
pub mod quartz;
pub mod spec_text;
pub mod text;
pub mod when;
pub mod zone;

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

use self::calendar::Calendar;
use self::exclude::{Search, TimesOfDay};
use self::interval::Interval;
use self::spec_text::SpecText;
use self::zone::{Transitions, Zone, Zones};
use crate::error::{Error, Kind};

/// The first Unix second of the year 2101: the end of every search.
const END_OF_TIME: i64 = 4_133_980_800;

/// A compiled spec, which computes times.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spec {
    calendars: Vec<Calendar>,
    exclusions: Vec<Calendar>,
    intervals: Vec<Interval>,
    zone: Zone,
    transitions: Transitions,
    start: Option<DateTime<Utc>>,
    end: Option<DateTime<Utc>>,
    jitter: Duration,
    seed: String,
}

/// The parts of a spec in normal form.
#[derive(Debug, Clone)]
pub struct Parts {
    /// Calendars, combined as a union.
    pub calendars: Vec<calendar::Fields>,
    /// Calendars that remove times.
    pub exclusions: Vec<calendar::Fields>,
    /// Intervals.
    pub intervals: Vec<Interval>,
    /// The time zone of the calendars and exclusions.
    pub zone: Zone,
    /// The handling of skipped and repeated times.
    pub transitions: Transitions,
    /// The earliest time that can fire.
    pub start: Option<DateTime<Utc>>,
    /// The latest time that can fire.
    pub end: Option<DateTime<Utc>>,
    /// The maximum delay of a due time after its nominal time.
    pub jitter: Duration,
}

/// A number of consecutive times.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CountedTimes {
    /// The first time.
    pub first: DateTime<Utc>,
    /// The last time.
    pub last: DateTime<Utc>,
    /// The number of times, at least 1.
    pub count: u64,
}

impl Spec {
    /// Compiles a spec; `seed` is the schedule's id, for the jitter.
    ///
    /// # Errors
    /// `Usage` with the errors, their positions, and hints.
    pub fn compile(source: &SpecText, seed: &str, zones: &dyn Zones) -> Result<Self, Error> {
        Ok(Self::from_parts(&parts(source, zones)?, seed))
    }

    /// Creates a spec from parts in normal form.
    #[must_use]
    pub fn from_parts(parts: &Parts, seed: &str) -> Self {
        Self {
            calendars: parts.calendars.iter().map(Calendar::from).collect(),
            exclusions: parts.exclusions.iter().map(Calendar::from).collect(),
            intervals: parts.intervals.clone(),
            zone: parts.zone.clone(),
            transitions: parts.transitions,
            start: parts.start,
            end: parts.end,
            jitter: parts.jitter,
            seed: seed.to_owned(),
        }
    }

    /// The time zone of the spec.
    #[must_use]
    pub fn zone(&self) -> &Zone {
        &self.zone
    }

    /// The seed of the jitter: the schedule's id.
    #[must_use]
    pub fn seed(&self) -> &str {
        &self.seed
    }

    /// The maximum delay of a due time after its nominal time.
    #[must_use]
    pub fn jitter(&self) -> TimeDelta {
        TimeDelta::from_std(self.jitter).unwrap_or(TimeDelta::MAX)
    }

    /// The first nominal time strictly after `after`, if there is one before the year 2101.
    #[must_use]
    pub fn next_after(&self, after: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let mut from = after.timestamp();
        if let Some(start) = self.start {
            // Inclusive and exact: a start with a fraction of a second is after the time at that whole second.
            let round_up = i64::from(start.timestamp_subsec_nanos() > 0);
            from = from.max(start.timestamp() + round_up - 1);
        }
        let at = self.search(from, &self.exclusions)?;
        let at = DateTime::from_timestamp(at, 0)?;
        self.end.is_none_or(|end| at <= end).then_some(at)
    }

    /// Whether `instant` is a nominal time of the spec.
    #[must_use]
    pub fn names(&self, instant: DateTime<Utc>) -> bool {
        self.next_after(instant - TimeDelta::nanoseconds(1)) == Some(instant)
    }

    /// The due time of `nominal`: `nominal` plus a delay less than the jitter and less than the distance to the following time.
    #[must_use]
    pub fn due(&self, nominal: DateTime<Utc>) -> DateTime<Utc> {
        if self.jitter.is_zero() {
            return nominal;
        }
        let at = nominal.timestamp();
        let jitter = self.jitter().num_milliseconds();
        let cap = self.search(at, &[]).map_or(jitter, |next| jitter.min((next - at) * 1000));
        nominal + TimeDelta::milliseconds(jitter::delay_ms(&self.seed, at, cap))
    }

    /// The nominal times after `after`, in order.
    pub fn times_after(&self, after: DateTime<Utc>) -> impl Iterator<Item = DateTime<Utc>> + '_ {
        std::iter::successors(self.next_after(after), |at| self.next_after(*at))
    }

    /// The first and last nominal time after `after` and up to `until`, and their number; `None` if there are none.
    ///
    /// A single interval is counted by arithmetic, any other spec by enumeration.
    #[must_use]
    pub fn count_between(&self, after: DateTime<Utc>, until: DateTime<Utc>) -> Option<CountedTimes> {
        self.count_at_most(after, until, u64::MAX)
    }

    /// As [`Self::count_between`], but stops counting by enumeration once there are more than `most`.
    #[must_use]
    pub fn count_at_most(&self, after: DateTime<Utc>, until: DateTime<Utc>, most: u64) -> Option<CountedTimes> {
        let until = self.end.map_or(until, |end| until.min(end));
        let first = self.next_after(after).filter(|at| *at <= until)?;
        if let ([interval], true, true) = (
            self.intervals.as_slice(),
            self.calendars.is_empty(),
            self.exclusions.is_empty(),
        ) {
            let more = (until.timestamp().min(END_OF_TIME - 1) - first.timestamp()) / interval.every_s;
            let last = DateTime::from_timestamp(first.timestamp() + more * interval.every_s, 0)?;
            return Some(CountedTimes {
                first,
                last,
                count: more.unsigned_abs() + 1,
            });
        }
        let (mut last, mut count) = (first, 1);
        while count <= most
            && let Some(next) = self.next_after(last).filter(|at| *at <= until)
        {
            (last, count) = (next, count + 1);
        }
        Some(CountedTimes { first, last, count })
    }

    /// The nominal times after `after` that are due after `floor` and up to `until`; `None` if there are none.
    #[must_use]
    pub fn count_due(&self, after: DateTime<Utc>, floor: DateTime<Utc>, until: DateTime<Utc>) -> Option<CountedTimes> {
        // A delay is shorter than the jitter: a nominal time before `floor - jitter` is due before the floor; the same holds for `until`.
        let first = self
            .times_after(after.max(floor - self.jitter()))
            .take_while(|nominal| *nominal <= until)
            .find(|nominal| self.due(*nominal) > floor)
            .filter(|nominal| self.due(*nominal) <= until)?;
        let counted = self.count_between(first - TimeDelta::nanoseconds(1), until - self.jitter());
        let mut times = counted.unwrap_or(CountedTimes {
            first,
            last: first,
            count: 1,
        });
        let due = |nominal: &DateTime<Utc>| *nominal <= until && self.due(*nominal) <= until;
        while let Some(next) = self.next_after(times.last).filter(due) {
            (times.last, times.count) = (next, times.count + 1);
        }
        Some(times)
    }

    /// The same spec without exclusions.
    #[must_use]
    pub fn without_exclusions(&self) -> Self {
        Self {
            exclusions: Vec::new(),
            ..self.clone()
        }
    }

    /// The times after `after` and up to `until` that exclusions remove, grouped where no other time of the spec lies between them.
    pub fn excluded(&self, after: DateTime<Utc>, until: DateTime<Utc>) -> impl Iterator<Item = CountedTimes> + use<> {
        let all = self.without_exclusions();
        let this = self.clone();
        let mut after = (!self.exclusions.is_empty()).then_some(after);
        std::iter::from_fn(move || {
            loop {
                let at = after?;
                let any = all.next_after(at).filter(|any| *any <= until);
                let allowed = this.next_after(at).unwrap_or(DateTime::<Utc>::MAX_UTC);
                if any == Some(allowed) {
                    after = any;
                    continue;
                }
                let removed = any.and_then(|_| all.count_between(at, until.min(allowed - TimeDelta::seconds(1))));
                after = removed.map(|r| r.last);
                return removed;
            }
        })
    }

    fn search(&self, after: i64, exclusions: &[Calendar]) -> Option<i64> {
        let calendars = self
            .calendars
            .iter()
            .filter_map(|c| self.zone.next_after(c, exclusions, self.transitions, after));
        let intervals = self
            .intervals
            .iter()
            .filter_map(|i| self.next_of_interval(*i, exclusions, after));
        calendars.chain(intervals).min().filter(|at| *at < END_OF_TIME)
    }

    fn next_of_interval(&self, interval: Interval, exclusions: &[Calendar], after: i64) -> Option<i64> {
        let mut at = interval.next_after(after);
        // On every day, the local times of the interval are multiples of `apart` seconds apart; the candidates may include others.
        let apart = interval.seconds_of_day_apart();
        let mut searches: Vec<(i64, Search<'_>)> = Vec::new();
        while at < END_OF_TIME {
            let (offset, end) = self.zone.span_at(at);
            let civil = at + offset;
            if !exclusions.iter().any(|e| e.matches(civil)) {
                return Some(at);
            }
            // Within one span, local time has a constant offset; the next span is searched from its start.
            let first = civil.rem_euclid(apart);
            let index = searches.iter().position(|(of, _)| *of == first).unwrap_or_else(|| {
                let candidates = TimesOfDay::Every(apart, first);
                searches.push((first, Search::new(&Calendar::ALWAYS, candidates, exclusions)));
                searches.len() - 1
            });
            let allowed = searches[index].1.from(civil, end.saturating_add(offset));
            at = interval.next_after(allowed.map_or(end, |civil| end.min(civil - offset)).min(END_OF_TIME) - 1);
        }
        None
    }
}

/// Lowers the text of a spec to normal form.
///
/// # Errors
/// `Usage` with the errors, their positions, and hints.
pub fn parts(source: &SpecText, zones: &dyn Zones) -> Result<Parts, Error> {
    let mut calendars = Vec::new();
    let mut intervals = Vec::new();
    let spec_zone = source.time_zone.as_deref().filter(|z| !matches!(*z, "" | "UTC"));
    let mut cron_zone: Option<String> = None;
    for string in &source.cron {
        let parsed = cron::parse(string).map_err(|e| other_dialect(e, string))?;
        let zone = if parsed.time_zone.is_empty() {
            spec_zone.unwrap_or_default().to_owned()
        } else {
            parsed.time_zone
        };
        let known = cron_zone.as_deref().or(spec_zone);
        if let Some(known) = known.filter(|k| *k != zone) {
            let name = |z: &str| if z.is_empty() { "UTC".to_owned() } else { z.to_owned() };
            return Err(Error::new(
                Kind::Usage,
                format_args!("conflicting time zones `{}` and `{}` in one spec", name(known), name(&zone)),
            )
            .hint("A schedule has one time zone: specify it once, with `--time-zone`, or create two schedules."));
        }
        cron_zone = Some(zone);
        match parsed.when {
            cron::When::Calendars(c) => calendars.extend(c),
            cron::When::Interval(i) => intervals.push(i),
        }
    }
    for calendar in &source.calendar {
        calendars.extend(calendar.normal_form()?);
    }
    for expression in &source.quartz {
        calendars.push(quartz::parse(expression).map_err(|e| {
            if cron::parse(expression).is_ok() {
                e.hint("This is a valid cron string: use `--cron`.")
            } else {
                e
            }
        })?);
    }
    for interval in &source.interval {
        intervals.push(Interval::parse(interval)?);
    }
    let mut exclusions = Vec::new();
    for exclusion in &source.exclude_calendar {
        exclusions.extend(exclusion.normal_form()?);
    }
    let jitter = source.jitter.as_deref().map_or(Ok(Duration::ZERO), text::duration)?;
    let name = cron_zone.as_deref().filter(|z| !z.is_empty()).or(spec_zone);
    let zone = name.map_or_else(|| Ok(Zone::utc()), |z| zones.zone(z))?;
    Ok(Parts {
        calendars,
        exclusions,
        intervals,
        zone,
        transitions: Transitions {
            gap: source.dst_gap,
            repeat: source.dst_repeat,
        },
        start: source.start_time,
        end: source.end_time,
        jitter,
    })
}

fn other_dialect(e: text::TextError, string: &str) -> text::TextError {
    if quartz::parse(string).is_ok() {
        e.hint("This is a valid Quartz expression: use `--quartz`.")
    } else {
        e
    }
}
