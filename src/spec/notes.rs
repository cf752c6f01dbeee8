//! Notes on how daylight saving affects the times of a spec. Pure.

use chrono::{DateTime, TimeDelta, Utc};

use super::Spec;
use super::calendar::Calendar;
use super::zone::{Gap, OffsetChange, Repeat};

/// How far ahead transitions are searched.
const AHEAD: TimeDelta = TimeDelta::days(366);

impl Spec {
    /// A note if daylight saving repeats the nominal time, or skips a time between `before` and it.
    #[must_use]
    pub fn note_on(&self, before: DateTime<Utc>, nominal: DateTime<Utc>) -> Option<String> {
        let at = nominal.timestamp();
        let within = |c: &OffsetChange| self.within_bounds(c.at);
        let skipped = |c: OffsetChange| self.first_in(&self.calendars, c.skipped()?).map(|civil| self.gap_note(civil));
        let note = self.zone.changes(before.timestamp(), at).filter(within).find_map(skipped);
        note.or_else(|| {
            let reach = 86_400;
            let repeats = |c: &OffsetChange| {
                c.repeated()
                    .is_some_and(|(from, to)| (from..to).contains(&(at + c.offset_at(at))))
            };
            let change = self.zone.changes(at - reach, at + reach).find(repeats)?;
            let pass = if at < change.at { "first" } else { "second" };
            (!self.calendars.is_empty())
                .then(|| format!("clocks go back: this is the {pass} of two times with the same local time"))
        })
    }

    /// Describes the first time within a year after `now` that daylight saving skips or repeats. Calendars that fire every hour are ignored:
    /// one of their times is not missed.
    #[must_use]
    pub fn transition_ahead(&self, now: DateTime<Utc>) -> Option<String> {
        let hourly: Vec<Calendar> = self.calendars.iter().filter(|c| !c.fires_every_hour()).copied().collect();
        let from = self.start.map_or(now, |start| start.max(now));
        let until = self.end.map_or(now + AHEAD, |end| end.min(now + AHEAD));
        self.zone.changes(from.timestamp(), until.timestamp()).find_map(|change| {
            if let Some(gap) = change.skipped() {
                return self.first_in(&hourly, gap).map(|civil| self.gap_note(civil));
            }
            let civil = self.first_in(&hourly, change.repeated()?)?;
            let passes = [change.at - 1, change.at].map(|near| civil - change.offset_at(near));
            if !passes.into_iter().all(|at| self.within_bounds(at)) {
                return None;
            }
            let effect = match self.transitions.repeat {
                Repeat::Both => "fires both times",
                Repeat::First => "fires only the first time",
                Repeat::Last => "fires only the last time",
            };
            Some(format!("clocks go back: {} occurs twice and {effect}", local_time(civil)?))
        })
    }

    fn within_bounds(&self, at: i64) -> bool {
        let after = self.start.is_none_or(|start| start.timestamp() <= at);
        after && self.end.is_none_or(|end| at <= end.timestamp())
    }

    /// The first civil time of `calendars` that no exclusion removes, from `from` to before `to`.
    fn first_in(&self, calendars: &[Calendar], (from, to): (i64, i64)) -> Option<i64> {
        let times = calendars
            .iter()
            .filter_map(|c| super::exclude::next_allowed(c, &self.exclusions, from - 1));
        times.min().filter(|civil| *civil < to)
    }

    fn gap_note(&self, civil: i64) -> String {
        let effect = match self.transitions.gap {
            Gap::Skip => "it is skipped",
            Gap::Shift => "it fires right after the gap instead",
        };
        let time = local_time(civil).unwrap_or_default();
        format!("clocks go forward: {time} does not exist; {effect}")
    }
}

fn local_time(civil: i64) -> Option<String> {
    let pattern = if civil % 60 == 0 {
        "%Y-%m-%d %H:%M"
    } else {
        "%Y-%m-%d %H:%M:%S"
    };
    Some(DateTime::from_timestamp(civil, 0)?.format(pattern).to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::spec_text::SpecText;
    use crate::zoneinfo::ZoneInfo;

    #[test]
    fn describes_the_first_transition_within_a_year() {
        for (cron, gap, repeat, note) in [
            (
                "30 2 * * *",
                Gap::Skip,
                Repeat::Both,
                "forward: 2027-03-28 02:30 does not exist; it is skipped",
            ),
            (
                "30 2 * * *",
                Gap::Shift,
                Repeat::Both,
                "forward: 2027-03-28 02:30 does not exist; it fires right after the gap instead",
            ),
            (
                "45 2 * 4-12 *",
                Gap::Skip,
                Repeat::Both,
                "back: 2027-10-31 02:45 occurs twice and fires both times",
            ),
            (
                "45 2 * 4-12 *",
                Gap::Skip,
                Repeat::Last,
                "back: 2027-10-31 02:45 occurs twice and fires only the last time",
            ),
            ("0 3 * * *", Gap::Skip, Repeat::Both, ""),
            ("*/5 * * * *", Gap::Skip, Repeat::Both, ""),
            ("30 2 * * MON", Gap::Skip, Repeat::Both, ""),
        ] {
            let source = SpecText {
                cron: vec![cron.to_owned()],
                time_zone: Some("Europe/Berlin".to_owned()),
                dst_gap: gap,
                dst_repeat: repeat,
                ..SpecText::default()
            };
            let spec = Spec::compile(&source, "s", &ZoneInfo::compiled_in()).unwrap();
            let found = spec.transition_ahead("2026-11-22T12:00:00Z".parse().unwrap());
            let want = (!note.is_empty()).then(|| format!("clocks go {note}"));
            assert_eq!(found, want, "{cron}");
        }
    }
}
