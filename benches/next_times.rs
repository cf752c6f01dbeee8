//! The next time of a spec, beside the `cron` and `croner` crates: `cargo bench --bench next_times`. Prints a table; asserts nothing.

use std::hint::black_box;
use std::str::FromStr as _;

use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use tempo::clock::Stopwatch;
use tempo::spec::Spec;
use tempo::spec::calendar_text::CalendarText;
use tempo::spec::exclusion::Exclusion;
use tempo::spec::spec_text::SpecText;
use tempo::zoneinfo::ZoneInfo;

const ROUNDS: usize = 15;
const ZONE: &str = "America/New_York";

/// The median over rounds of the nanoseconds that one call takes; `instants` are asked for in turn.
fn ns_of(instants: &[DateTime<Utc>], calls: usize, mut once: impl FnMut(DateTime<Utc>)) -> f64 {
    let mut rounds: Vec<f64> = (0..ROUNDS)
        .map(|_| {
            let watch = Stopwatch::start();
            for at in instants.iter().cycle().take(calls) {
                once(*at);
            }
            watch.elapsed().as_secs_f64() * 1e9 / f64::from(u32::try_from(calls).unwrap_or(u32::MAX))
        })
        .collect();
    rounds.sort_by(f64::total_cmp);
    rounds[ROUNDS / 2]
}

fn line(cells: [&str; 6]) {
    let [what, ours, cron, croner, than_cron, than_croner] = cells;
    let text = format!("{what:<44} {ours:>10} {cron:>12} {croner:>12} {than_cron:>10} {than_croner:>10}\n");
    std::io::Write::write_all(&mut std::io::stdout(), text.as_bytes()).expect("stdout is open");
}

fn compiled(written: &SpecText) -> Spec {
    Spec::compile(written, "bench", &ZoneInfo::of_machine()).expect("the spec is right")
}

fn main() {
    let zone: Tz = ZONE.parse().expect("the zone is known");
    // Spread over ten years, the same in every run.
    let instants: Vec<DateTime<Utc>> = (0..4096_i64)
        .map(|i| 1_577_836_800 + i * 6_364_136_223 % 315_360_000)
        .filter_map(|s| DateTime::from_timestamp(s, 0))
        .collect();
    line([
        "next time, America/New_York, ns",
        "tempo",
        "cron",
        "croner",
        "to cron",
        "to croner",
    ]);
    for (fields, weekday, calls) in [
        ("*/5 * * * ", "*", 20_000),
        ("0 9 * * ", "MON-FRI", 20_000),
        ("30 2 1,15 * ", "*", 20_000),
        ("17 3 * * ", "SUN", 20_000),
        ("0 0 1 1 ", "*", 20_000),
        ("0 0 29 2 ", "MON", 200),
        ("0 0 30 2 ", "*", 40),
    ] {
        let text = format!("{fields}{weekday}");
        let spec = compiled(&SpecText {
            cron: vec![text.clone()],
            time_zone: Some(ZONE.to_owned()),
            ..SpecText::default()
        });
        let ours = ns_of(&instants, calls.max(200), |at| {
            black_box(spec.next_after(black_box(at)));
        });
        let theirs = cron::Schedule::from_str(&format!("0 {text}")).expect("the cron crate reads it");
        let by_cron = ns_of(&instants, calls, |at| {
            black_box(theirs.after(&black_box(at).with_timezone(&zone)).next());
        });
        let theirs = croner::Cron::from_str(&text).expect("croner reads it");
        let by_croner = ns_of(&instants, calls, |at| {
            let _ = black_box(theirs.find_next_occurrence(&black_box(at).with_timezone(&zone), false));
        });
        line([
            &text,
            &format!("{ours:.0}"),
            &format!("{by_cron:.0}"),
            &format!("{by_croner:.0}"),
            &format!("{:.1} x", by_cron / ours),
            &format!("{:.1} x", by_croner / ours),
        ]);
    }
    let calendar = |minute: &str, hour: &str| CalendarText {
        minute: Some(minute.to_owned()),
        hour: Some(hour.to_owned()),
        ..CalendarText::default()
    };
    let cron = |text: &str, exclude: Vec<Exclusion>| SpecText {
        cron: vec![text.to_owned()],
        exclude_calendar: exclude,
        time_zone: Some(ZONE.to_owned()),
        ..SpecText::default()
    };
    let a_year = Exclusion::Calendar(CalendarText {
        year: Some("2020-2029".to_owned()),
        ..CalendarText::default()
    });
    for (what, written) in [
        ("every minute, ten years of them excluded", cron("* * * * *", vec![a_year])),
        (
            "one calendar excludes all of another: none",
            cron("0,30 2 * * *", vec![Exclusion::Calendar(calendar("0-59", "2"))]),
        ),
        (
            "two exclusions take all: none",
            cron(
                "0,30 2 * * *",
                vec![
                    Exclusion::Calendar(calendar("0", "2")),
                    Exclusion::Calendar(calendar("30", "2")),
                ],
            ),
        ),
        (
            "an interval that is always excluded: none",
            SpecText {
                interval: vec!["24h/7h".to_owned()],
                exclude_calendar: vec![Exclusion::Calendar(calendar("*", "2,3"))],
                time_zone: Some(ZONE.to_owned()),
                ..SpecText::default()
            },
        ),
    ] {
        let spec = compiled(&written);
        let ours = ns_of(&instants, 40, |at| {
            black_box(spec.next_after(black_box(at)));
        });
        line([what, &format!("{ours:.0}"), "", "", "", ""]);
    }
}
