//! WHEN: which instants a spec names. Pure: no clock, no file, no thread, no environment; zones are handed in.
//!
//! [`SpecText`] is what people write and the file keeps. [`Spec::compile`] lowers it to bit-set calendars, intervals and a span table;
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
pub mod zone;

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

use self::calendar::Calendar;
use self::exclude::{Search, TimesOfDay};
use self::interval::Interval;
use self::spec_text::SpecText;
use self::zone::{Transitions, Zone, Zones};
use crate::error::{Error, Kind};

/// The first Unix second of the year 2101: nothing is searched for beyond.
const END_OF_TIME: i64 = 4_133_980_800;

/// A spec made ready to be asked for times.
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

/// The parts of a spec in normal form, for whoever has them already.
#[derive(Debug, Clone)]
pub struct Parts {
    /// Calendars; their union counts.
    pub calendars: Vec<calendar::Fields>,
    /// Calendars that remove times.
    pub exclusions: Vec<calendar::Fields>,
    /// Intervals.
    pub intervals: Vec<Interval>,
    /// The zone of the wall clock.
    pub zone: Zone,
    /// What becomes of skipped and repeated times.
    pub transitions: Transitions,
    /// Nothing fires before.
    pub start: Option<DateTime<Utc>>,
    /// Nothing fires after.
    pub end: Option<DateTime<Utc>>,
    /// The most that a due time may be later than its nominal time.
    pub jitter: Duration,
}

/// Times that follow one another, counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CountedTimes {
    /// The first of them.
    pub first: DateTime<Utc>,
    /// The last of them.
    pub last: DateTime<Utc>,
    /// How many there are, at least one.
    pub count: u64,
}

impl Spec {
    /// Reads every text of `written`; `seed` is the schedule's id, for the jitter.
    ///
    /// # Errors
    /// `Usage` with what is wrong, where, and what to try.
    pub fn compile(written: &SpecText, seed: &str, zones: &dyn Zones) -> Result<Self, Error> {
        Ok(Self::from_parts(&parts(written, zones)?, seed))
    }

    /// A spec from parts in normal form.
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

    /// The zone whose wall clock it reads.
    #[must_use]
    pub fn zone(&self) -> &Zone {
        &self.zone
    }

    /// What the jitter is seeded with: the schedule's id.
    #[must_use]
    pub fn seed(&self) -> &str {
        &self.seed
    }

    /// The most that a due time may be later than its nominal time.
    #[must_use]
    pub fn jitter(&self) -> TimeDelta {
        TimeDelta::from_std(self.jitter).unwrap_or(TimeDelta::MAX)
    }

    /// The first nominal time strictly after `after`, if there is one before the year 2101.
    #[must_use]
    pub fn next_after(&self, after: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let mut from = after.timestamp();
        if let Some(start) = self.start {
            // Inclusive, and exact: a start within a second is after that second's own time.
            let begun = i64::from(start.timestamp_subsec_nanos() > 0);
            from = from.max(start.timestamp() + begun - 1);
        }
        let at = self.search(from, &self.exclusions)?;
        let at = DateTime::from_timestamp(at, 0)?;
        self.end.is_none_or(|end| at <= end).then_some(at)
    }

    /// Whether it names this very instant.
    #[must_use]
    pub fn names(&self, instant: DateTime<Utc>) -> bool {
        self.next_after(instant - TimeDelta::nanoseconds(1)) == Some(instant)
    }

    /// When the nominal time `nominal` is due: itself plus a delay below the jitter and below the distance to the following time.
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

    /// The first and the last nominal time after `after` and up to `until`, and how many there are; none when there are none.
    ///
    /// A single interval is counted by arithmetic, anything else by going through it.
    #[must_use]
    pub fn count_between(&self, after: DateTime<Utc>, until: DateTime<Utc>) -> Option<CountedTimes> {
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
        while let Some(next) = self.next_after(last).filter(|at| *at <= until) {
            (last, count) = (next, count + 1);
        }
        Some(CountedTimes { first, last, count })
    }

    /// The nominal times after `after` that are due after `floor` and up to `until`; none when there are none.
    #[must_use]
    pub fn count_due(&self, after: DateTime<Utc>, floor: DateTime<Utc>, until: DateTime<Utc>) -> Option<CountedTimes> {
        // A delay is shorter than the jitter: what is nominal before `floor - jitter` is due before the floor, and so for `until`.
        let first = self
            .times_after(after.max(floor - self.jitter()))
            .take_while(|nominal| *nominal <= until)
            .find(|nominal| self.due(*nominal) > floor)
            .filter(|nominal| self.due(*nominal) <= until)?;
        let sure = self.count_between(first - TimeDelta::nanoseconds(1), until - self.jitter());
        let mut times = sure.unwrap_or(CountedTimes {
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

    /// The same spec with nothing excluded.
    #[must_use]
    pub fn without_exclusions(&self) -> Self {
        Self {
            exclusions: Vec::new(),
            ..self.clone()
        }
    }

    /// The times after `after` and up to `until` that exclusions remove, those together that have no other time of the spec between them.
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
        // On whatever day, the wall clock shows times of it that are so many seconds apart; there may be more of them than its own.
        let apart = interval.seconds_of_day_apart();
        let mut searches: Vec<(i64, Search<'_>)> = Vec::new();
        while at < END_OF_TIME {
            let (offset, end) = self.zone.span_at(at);
            let civil = at + offset;
            if !exclusions.iter().any(|e| e.matches(civil)) {
                return Some(at);
            }
            // Within one span the wall clock runs with UTC; the next one is looked at from its beginning.
            let first = civil.rem_euclid(apart);
            let known = searches.iter().position(|(of, _)| *of == first).unwrap_or_else(|| {
                let candidates = TimesOfDay::Every(apart, first);
                searches.push((first, Search::new(&Calendar::ALWAYS, candidates, exclusions)));
                searches.len() - 1
            });
            let free = searches[known].1.from(civil, end.saturating_add(offset));
            at = interval.next_after(free.map_or(end, |civil| end.min(civil - offset)).min(END_OF_TIME) - 1);
        }
        None
    }
}

/// Lowers what was written to normal form.
///
/// # Errors
/// `Usage` with what is wrong, where, and what to try.
pub fn parts(written: &SpecText, zones: &dyn Zones) -> Result<Parts, Error> {
    let mut calendars = Vec::new();
    let mut intervals = Vec::new();
    let spec_zone = written.time_zone.as_deref().filter(|z| !matches!(*z, "" | "UTC"));
    let mut cron_zone: Option<String> = None;
    for string in &written.cron {
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
            .hint("A schedule has one time zone: name it once, with `--time-zone`, or make two schedules."));
        }
        cron_zone = Some(zone);
        match parsed.when {
            cron::When::Calendars(c) => calendars.extend(c),
            cron::When::Interval(i) => intervals.push(i),
        }
    }
    for calendar in &written.calendar {
        calendars.extend(calendar.normal_form()?);
    }
    for expression in &written.quartz {
        calendars.push(quartz::parse(expression).map_err(|e| {
            if cron::parse(expression).is_ok() {
                e.hint("As a cron string this is valid: use `--cron`.")
            } else {
                e
            }
        })?);
    }
    for interval in &written.interval {
        intervals.push(Interval::parse(interval)?);
    }
    let mut exclusions = Vec::new();
    for exclusion in &written.exclude_calendar {
        exclusions.extend(exclusion.normal_form()?);
    }
    let jitter = written.jitter.as_deref().map_or(Ok(Duration::ZERO), text::duration)?;
    let name = cron_zone.as_deref().filter(|z| !z.is_empty()).or(spec_zone);
    let zone = name.map_or_else(|| Ok(Zone::utc()), |z| zones.zone(z))?;
    Ok(Parts {
        calendars,
        exclusions,
        intervals,
        zone,
        transitions: Transitions {
            gap: written.dst_gap,
            repeat: written.dst_repeat,
        },
        start: written.start_time,
        end: written.end_time,
        jitter,
    })
}

fn other_dialect(e: text::TextError, string: &str) -> text::TextError {
    if quartz::parse(string).is_ok() {
        e.hint("As a Quartz expression this is valid: use `--quartz`.")
    } else {
        e
    }
}
