//! Random specs: the English that describes them reads back, and no English panics.

use chrono::{DateTime, Utc};
use fastrand::Rng;
use tempo::spec::Spec;
use tempo::spec::exclusion::Exclusion;
use tempo::spec::spec_text::SpecText;
use tempo::zoneinfo::ZoneInfo;

use crate::properties::{RandomCalendar, for_each_seed};

/// A cron string of the shapes that people write.
fn everyday_cron(rng: &mut Rng) -> String {
    let pick = |rng: &mut Rng, from: &[&str]| from[rng.usize(..from.len())].to_owned();
    let list = |rng: &mut Rng, min: u32, max: u32| {
        let n = rng.usize(1..4);
        (0..n).map(|_| rng.u32(min..=max).to_string()).collect::<Vec<_>>().join(",")
    };
    let minute = match rng.u8(..4) {
        0 => pick(rng, &["*", "*/5", "*/15", "*/20", "*/30", "*/7", "0-30/10"]),
        1 => "0".to_owned(),
        _ => list(rng, 0, 59),
    };
    let hour = match rng.u8(..4) {
        0 => pick(rng, &["*", "*/2", "*/6", "9-17", "8-19/2", "*/5"]),
        _ => list(rng, 0, 23),
    };
    let day = match rng.u8(..6) {
        0 => pick(rng, &["L", "L-1", "L-3", "LW", "15W", "1,LW", "1W"]),
        1 => list(rng, 1, 31),
        _ => "*".to_owned(),
    };
    let month = if rng.u8(..4) == 0 { list(rng, 1, 12) } else { "*".to_owned() };
    let weekday = match rng.u8(..6) {
        0 => pick(rng, &["MON-FRI", "SAT,SUN", "FRI#2", "5L", "MON#1,FRIL", "2"]),
        1 => list(rng, 0, 6),
        _ => "*".to_owned(),
    };
    let fields = format!("{minute} {hour} {day} {month} {weekday}");
    match rng.u8(..10) {
        0 => format!("{} {fields} *", pick(rng, &["*/10", "30", "*", "0,30"])),
        1 => format!("{fields} {}", pick(rng, &["2027", "2026-2028", "2026,2030"])),
        _ => fields,
    }
}

fn random_described_spec(rng: &mut Rng) -> SpecText {
    let zones = [
        "UTC",
        "Europe/Berlin",
        "Asia/Kolkata",
        "Asia/Kathmandu",
        "Australia/Lord_Howe",
        "America/St_Johns",
    ];
    let mut spec = SpecText::default();
    for _ in 0..rng.usize(1..4) {
        match rng.u8(..6) {
            0 => {
                let every = rng.u32(1..100_000);
                let offset = if rng.bool() { rng.u32(..every) } else { 0 };
                spec.interval.push(format!("{every}s/{offset}s"));
            }
            1 => spec
                .interval
                .push(["1m", "1h", "24h", "90s", "2h/15m", "30m"][rng.usize(..6)].to_owned()),
            2 => spec.calendar.push(RandomCalendar::random(rng).to_text()),
            3 => spec
                .quartz
                .push(["0 0 9 ? * MON-FRI", "0 0/30 8-10 * * ?", "0 15 10 L * ?"][rng.usize(..3)].to_owned()),
            _ => spec.cron.push(everyday_cron(rng)),
        }
    }
    if rng.bool() {
        spec.time_zone = Some(zones[rng.usize(..zones.len())].to_owned());
    }
    if rng.u8(..4) == 0 {
        spec.exclude_calendar = vec![
            Exclusion::parse("2026-12-25").unwrap(),
            Exclusion::parse(r#"{"month":"8"}"#).unwrap(),
        ];
    }
    if rng.u8(..4) == 0 {
        spec.jitter = Some(["10s", "1m30s", "250ms"][rng.usize(..3)].to_owned());
    }
    spec
}

#[test]
fn a_described_spec_reads_back_with_the_same_times() {
    for_each_seed(2000, |rng| {
        let zones = ZoneInfo::compiled_in();
        let written = random_described_spec(rng);
        let Ok(spec) = Spec::compile(&written, "seed", &zones) else {
            return Ok(());
        };
        let text = tempo::spec::describe::spec(&written);
        let read = match tempo::spec::when::parse(&text) {
            // One sentence of several may have no times at all.
            Err(e) if e.faults[0].message.contains("never fires") => return Ok(()),
            read => read.map_err(|e| format!("`{text}` of {written:?}: {e:?}"))?,
        };
        let again = Spec::compile(&read, "seed", &zones).map_err(|e| format!("`{text}`: {read:?}: {e}"))?;
        let after = DateTime::from_timestamp(rng.i64(1_700_000_000..1_900_000_000), 0).unwrap();
        let times = |spec: &Spec| -> Vec<(DateTime<Utc>, DateTime<Utc>)> {
            spec.times_after(after)
                .take(40)
                .map(|nominal| (nominal, spec.due(nominal)))
                .collect()
        };
        let (want, got) = (times(&spec), times(&again));
        if want == got {
            return Ok(());
        }
        let first = want.iter().zip(&got).find(|(w, g)| w != g);
        Err(format!("`{text}` of {written:?} reads as {read:?}: {first:?}"))
    });
}

#[test]
fn reading_random_english_never_panics() {
    const WORDS: [&str; 40] = [
        "every",
        "each",
        "at",
        "on",
        "in",
        "from",
        "to",
        "the",
        "of",
        "month",
        "day",
        "week",
        "2nd",
        "first",
        "last",
        "friday",
        "weekdays",
        "9am",
        "02:30",
        "25:61",
        "and",
        ",",
        ";",
        "5",
        "min",
        "h",
        "past",
        "if",
        "a",
        "twice",
        "other",
        "noon",
        "january",
        "2027",
        "(Europe/Berlin)",
        "`x`",
        "except",
        "up",
        "later",
        "ü",
    ];
    for_each_seed(5000, |rng| {
        let words: Vec<&str> = (0..rng.usize(..9)).map(|_| WORDS[rng.usize(..WORDS.len())]).collect();
        let text = words.join(" ");
        if let Ok(spec) = tempo::spec::when::parse(&text) {
            let _ = Spec::compile(&spec, "", &ZoneInfo::compiled_in());
        }
        Ok(())
    });
}
