//! Property tests: the search for times is compared with a second-by-second walk, with the `cron` crate and with itself; parsers get
//! random text.
//!
//! `TEMPO_CASES` sets the number of cases, `TEMPO_SEED` the first seed.

use std::collections::BTreeSet;
use std::str::FromStr as _;

use chrono::{DateTime, Datelike as _, NaiveDateTime, Offset as _, TimeDelta, TimeZone as _, Timelike as _, Utc};
use chrono_tz::Tz;
use fastrand::Rng;
use tempo::spec::calendar_text::CalendarText;
use tempo::spec::exclusion::Exclusion;
use tempo::spec::interval::Interval;
use tempo::spec::spec_text::SpecText;
use tempo::spec::zone::{Gap, Repeat};
use tempo::spec::{Spec, cron, quartz, text};
use tempo::zoneinfo::ZoneInfo;

/// Runs `check` for each seed; panics with the first seed that fails.
pub(crate) fn for_each_seed(default: u64, check: impl Fn(&mut Rng) -> Result<(), String> + std::panic::RefUnwindSafe) {
    let variable = |name: &str| tempo::machine::variable(name).and_then(|n| n.to_str()?.parse().ok());
    let first = variable("TEMPO_SEED").unwrap_or(1);
    for seed in first..first + variable("TEMPO_CASES").unwrap_or(default) {
        let why = match std::panic::catch_unwind(|| check(&mut Rng::with_seed(seed))) {
            Ok(Ok(())) => continue,
            Ok(Err(why)) => why,
            Err(_) => "it panicked".to_owned(),
        };
        panic!("TEMPO_SEED={seed} TEMPO_CASES=1: {why}");
    }
}

/// The values of one field, as a set and as text; both are generated, without parsing.
#[derive(Debug, Clone)]
struct Field {
    values: BTreeSet<u32>,
    text: String,
}

fn field(rng: &mut Rng, min: u32, max: u32) -> Field {
    let (values, text): (BTreeSet<u32>, String) = match rng.u8(..5) {
        0 | 1 => ((min..=max).collect(), "*".to_owned()),
        2 => {
            let n = rng.u32(min..=max);
            (BTreeSet::from([n]), n.to_string())
        }
        3 => {
            let (a, b) = (rng.u32(min..=max), rng.u32(min..=max));
            let (a, b) = (a.min(b), a.max(b));
            let step = rng.u32(1..=7);
            let values = (a..=b).filter(|n| (n - a) % step == 0).collect();
            (
                values,
                if step == 1 {
                    format!("{a}-{b}")
                } else {
                    format!("{a}-{b}/{step}")
                },
            )
        }
        _ => {
            let values: BTreeSet<u32> = (0..rng.usize(1..5)).map(|_| rng.u32(min..=max)).collect();
            let text = values.iter().map(ToString::to_string).collect::<Vec<_>>().join(",");
            (values, text)
        }
    };
    Field { values, text }
}

/// A random calendar whose values are known without parsing.
#[derive(Debug, Clone)]
pub(crate) struct RandomCalendar {
    second: Field,
    minute: Field,
    hour: Field,
    day: Field,
    month: Field,
    weekday: Field,
}

impl RandomCalendar {
    pub(crate) fn random(rng: &mut Rng) -> Self {
        Self {
            second: field(rng, 0, 59),
            minute: field(rng, 0, 59),
            hour: field(rng, 0, 23),
            day: field(rng, 1, 31),
            month: field(rng, 1, 12),
            weekday: field(rng, 0, 6),
        }
    }

    pub(crate) fn to_text(&self) -> CalendarText {
        CalendarText {
            second: Some(self.second.text.clone()),
            minute: Some(self.minute.text.clone()),
            hour: Some(self.hour.text.clone()),
            day_of_month: Some(self.day.text.clone()),
            month: Some(self.month.text.clone()),
            day_of_week: Some(self.weekday.text.clone()),
            ..CalendarText::default()
        }
    }

    fn matches(&self, civil: NaiveDateTime) -> bool {
        self.second.values.contains(&civil.second())
            && self.minute.values.contains(&civil.minute())
            && self.hour.values.contains(&civil.hour())
            && self.day.values.contains(&civil.day())
            && self.month.values.contains(&civil.month())
            && self.weekday.values.contains(&civil.weekday().num_days_from_sunday())
    }
}

/// Zones, each with an instant near which its offset changes (except for UTC).
const ZONES: [(&str, &str); 9] = [
    ("Europe/Berlin", "2022-03-27T01:00:00Z"),
    ("Europe/Berlin", "2022-10-30T01:00:00Z"),
    ("America/New_York", "2022-03-13T07:00:00Z"),
    ("America/New_York", "2022-11-06T06:00:00Z"),
    ("Australia/Lord_Howe", "2022-04-02T15:00:00Z"),
    ("Australia/Lord_Howe", "2022-10-01T15:30:00Z"),
    ("Antarctica/Troll", "2022-03-27T01:00:00Z"),
    ("Pacific/Apia", "2011-12-30T10:00:00Z"),
    ("UTC", "2024-02-29T00:00:00Z"),
];

fn offset(zone: Tz, at: DateTime<Utc>) -> TimeDelta {
    TimeDelta::seconds(i64::from(
        zone.offset_from_utc_datetime(&at.naive_utc()).fix().local_minus_utc(),
    ))
}

/// Returns every time in `from..=to`, found by checking the wall clock at each second.
fn walk(
    (calendars, interval, exclusions): (&[RandomCalendar], Option<(i64, i64)>, &[RandomCalendar]),
    zone: Tz,
    (gap, repeat): (Gap, Repeat),
    (from, to): (DateTime<Utc>, DateTime<Utc>),
) -> Vec<DateTime<Utc>> {
    let excluded = |civil| exclusions.iter().any(|e| e.matches(civil));
    let fires = |civil| calendars.iter().any(|c| c.matches(civil)) && !excluded(civil);
    let mut found = Vec::new();
    let mut at = from;
    while at <= to {
        let here = offset(zone, at);
        let civil = (at + here).naive_utc();
        let before = offset(zone, at - TimeDelta::seconds(1));
        let mut matches = fires(civil);
        // A repeated civil time is as far from its other occurrence as the clock was set back. Here, offsets change at most once a day.
        let other = |hours: i64| {
            let then = offset(zone, at + TimeDelta::hours(hours));
            let instant = at + here - then;
            then != here && offset(zone, instant) == then && (instant < at) == (hours < 0) && instant != at
        };
        matches &= match repeat {
            Repeat::Both => true,
            Repeat::First => !other(-24),
            Repeat::Last => !other(24),
        };
        if gap == Gap::Shift && here > before {
            let skipped = (here - before).num_seconds();
            matches |= (0..skipped).any(|s| fires((at + before + TimeDelta::seconds(s)).naive_utc()));
        }
        matches |= interval.is_some_and(|(every, offset)| at.timestamp() % every == offset) && !excluded(civil);
        if matches {
            found.push(at);
        }
        at += TimeDelta::seconds(1);
    }
    found
}

#[test]
fn search_finds_the_same_times_as_a_walk_over_seconds() {
    for_each_seed(60, |rng| {
        let (name, change) = ZONES[rng.usize(..ZONES.len())];
        let change: DateTime<Utc> = change.parse().unwrap();
        let calendars: Vec<_> = (0..rng.usize(..3)).map(|_| RandomCalendar::random(rng)).collect();
        let exclusions: Vec<_> = (0..rng.usize(..3)).map(|_| RandomCalendar::random(rng)).collect();
        // Includes divisors of a day, an hour and a minute.
        let every = [
            rng.i64(1..5000),
            1 << rng.i64(0..14),
            3600 / rng.i64(1..7),
            7 * rng.i64(1..300),
        ][rng.usize(..4)];
        let interval = rng.bool().then(|| (every, rng.i64(0..every)));
        let transitions = (
            if rng.bool() { Gap::Skip } else { Gap::Shift },
            [Repeat::Both, Repeat::First, Repeat::Last][rng.usize(..3)],
        );
        let from = change - TimeDelta::seconds(rng.i64(0..14_400));
        let to = change + TimeDelta::seconds(rng.i64(0..14_400));
        let spec_text = SpecText {
            calendar: calendars.iter().map(RandomCalendar::to_text).collect(),
            interval: interval.iter().map(|(every, offset)| format!("{every}s/{offset}s")).collect(),
            exclude_calendar: exclusions.iter().map(|e| Exclusion::Calendar(e.to_text())).collect(),
            time_zone: Some(name.to_owned()),
            dst_gap: transitions.0,
            dst_repeat: transitions.1,
            ..SpecText::default()
        };
        let spec = Spec::compile(&spec_text, "s", &ZoneInfo::compiled_in()).map_err(|e| e.to_string())?;
        let before = from - TimeDelta::seconds(1);
        let got: Vec<_> = spec.times_after(before).take_while(|t| *t <= to).collect();
        let expected = walk(
            (&calendars, interval, &exclusions),
            name.parse().unwrap(),
            transitions,
            (from, to),
        );
        let wrong = got.iter().zip(&expected).find(|(g, w)| g != w);
        if got.len() != expected.len() || wrong.is_some() {
            return Err(format!(
                "{} times found, {} expected, first difference {wrong:?}: {spec_text:?} from {from} to {to}",
                got.len(),
                expected.len()
            ));
        }
        let counted = spec.count_between(before, to).map_or(0, |t| t.count);
        if counted != expected.len() as u64 {
            return Err(format!("{counted} counted, {} expected: {spec_text:?}", expected.len()));
        }
        // The times that exclusions remove are those found only by a walk without exclusions.
        let all = walk((&calendars, interval, &[]), name.parse().unwrap(), transitions, (from, to)).len() as u64;
        let removed: u64 = spec.excluded(before, to).map(|t| t.count).sum();
        if removed + counted != all {
            return Err(format!(
                "{removed} removed and {counted} kept of {all}: {spec_text:?} from {from} to {to}"
            ));
        }
        Ok(())
    });
}

#[test]
fn search_agrees_with_the_cron_crate_on_their_common_dialect() {
    for_each_seed(400, |rng| {
        let calendar = RandomCalendar::random(rng);
        let [second, minute, hour, day, month] = [
            &calendar.second,
            &calendar.minute,
            &calendar.hour,
            &calendar.day,
            &calendar.month,
        ]
        .map(|f| f.text.as_str());
        let weekday: Vec<_> = calendar.weekday.values.iter().map(|d| (d + 1).to_string()).collect();
        let theirs = format!("{second} {minute} {hour} {day} {month} {}", weekday.join(","));
        let ours = format!("{second} {minute} {hour} {day} {month} {} *", calendar.weekday.text);
        let after = DateTime::from_timestamp(rng.i64(946_684_800..3_000_000_000), 0).unwrap();
        let spec_text = SpecText {
            cron: vec![ours.clone()],
            ..SpecText::default()
        };
        let spec = Spec::compile(&spec_text, "s", &ZoneInfo::compiled_in()).map_err(|e| e.to_string())?;
        let theirs = ::cron::Schedule::from_str(&theirs).map_err(|e| format!("{theirs}: {e}"))?;
        let got: Vec<_> = spec.times_after(after).take(4).collect();
        // Both support years up to 2100.
        let expected: Vec<_> = theirs.after(&after).take(4).collect();
        if got == expected {
            Ok(())
        } else {
            Err(format!("`{ours}` after {after}: {got:?}, the cron crate {expected:?}"))
        }
    });
}

#[test]
fn times_ascend_from_any_start_and_jitter_keeps_their_order() {
    for_each_seed(300, |rng| {
        let every = rng.i64(1..100_000);
        let spec_text = SpecText {
            calendar: (0..rng.usize(..3)).map(|_| RandomCalendar::random(rng).to_text()).collect(),
            interval: vec![format!("{every}s/{}s", rng.i64(0..every))],
            exclude_calendar: (0..rng.usize(..2))
                .map(|_| Exclusion::Calendar(RandomCalendar::random(rng).to_text()))
                .collect(),
            time_zone: Some(ZONES[rng.usize(..ZONES.len())].0.to_owned()),
            jitter: rng.bool().then(|| format!("{}s", rng.u32(1..10_000))),
            ..SpecText::default()
        };
        let spec = Spec::compile(&spec_text, "s", &ZoneInfo::compiled_in()).map_err(|e| e.to_string())?;
        let mut at = DateTime::from_timestamp(rng.i64(946_684_800..3_000_000_000), rng.u32(..1_000_000_000)).unwrap();
        let mut due = DateTime::<Utc>::MIN_UTC;
        for _ in 0..10 {
            let Some(next) = spec.next_after(at) else { break };
            let between = at
                + TimeDelta::milliseconds(
                    rng.i64(0..=(next - at).num_milliseconds() - i64::from(next - at >= TimeDelta::milliseconds(1))),
                );
            if next <= at || spec.next_after(between) != Some(next) {
                return Err(format!(
                    "after {at} comes {next}, after {between} {:?}: {spec_text:?}",
                    spec.next_after(between)
                ));
            }
            let delayed = spec.due(next);
            if delayed < next || delayed < due || (delayed > next && delayed - next >= spec.jitter()) {
                return Err(format!(
                    "{next} is due at {delayed}, the one before it at {due}: {spec_text:?}"
                ));
            }
            (at, due) = (next, delayed);
        }
        Ok(())
    });
}

#[test]
fn parsers_never_panic_and_reject_overlong_text() {
    const PIECES: [&str; 44] = [
        "*",
        "/",
        "-",
        ",",
        "?",
        "#",
        "L",
        "W",
        "LW",
        "L-",
        "15W",
        "FRI#2",
        "FRIL",
        "0",
        "1",
        "5",
        "7",
        "31",
        "59",
        "60",
        "2000",
        "2100",
        "99999999999999999999",
        "MON",
        "jan",
        "@daily",
        "@every",
        "@reboot",
        "CRON_TZ=",
        "TZ=",
        "Europe/Berlin",
        " ",
        "  ",
        "\t",
        "\n",
        "s",
        "m",
        "h",
        "ms",
        ".",
        "é",
        "🕐",
        "{\"hour\":",
        "}",
    ];
    for_each_seed(3000, |rng| {
        let text: String = (0..rng.usize(..14)).map(|_| PIECES[rng.usize(..PIECES.len())]).collect();
        let long = text.repeat(1 + 1001 / text.chars().count().max(1));
        for text in [text, long] {
            let too_long = text.chars().count() > text::MAX_TEXT;
            let accepted = [
                cron::parse(&text).is_ok(),
                quartz::parse(&text).is_ok(),
                Interval::parse(&text).is_ok(),
                CalendarText::parse_json(&text).is_ok_and(|c| c.normal_form().is_ok()),
                Exclusion::parse(&text).is_ok_and(|e| e.normal_form().is_ok()),
                text::duration(&text).is_ok(),
            ];
            if let Err(e) = cron::parse(&text) {
                // Formats the error with its excerpt too.
                let _ = tempo::error::Error::from(e).excerpt_lines();
            }
            if too_long && accepted.contains(&true) {
                return Err(format!("{} characters were accepted: {accepted:?}", text.chars().count()));
            }
        }
        Ok(())
    });
}
