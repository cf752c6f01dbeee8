//! Compares the search for the next time with the `cron` and `croner` crates: `cargo bench --bench next_times`. Prints a table; asserts nothing.

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

/// Returns the time of one call in nanoseconds, the median over all rounds; the calls cycle through `instants`.
fn ns_of(instants: &[DateTime<Utc>], calls: usize, mut call: impl FnMut(DateTime<Utc>)) -> f64 {
    let mut rounds: Vec<f64> = (0..ROUNDS)
        .map(|_| {
            let watch = Stopwatch::start();
            for at in instants.iter().cycle().take(calls) {
                call(*at);
            }
            watch.elapsed().as_secs_f64() * 1e9 / f64::from(u32::try_from(calls).unwrap_or(u32::MAX))
        })
        .collect();
    rounds.sort_by(f64::total_cmp);
    rounds[ROUNDS / 2]
}

fn print_row(cells: [&str; 6]) {
    let [name, tempo, cron, croner, vs_cron, vs_croner] = cells;
    let text = format!("{name:<44} {tempo:>10} {cron:>12} {croner:>12} {vs_cron:>10} {vs_croner:>10}\n");
    std::io::Write::write_all(&mut std::io::stdout(), text.as_bytes()).expect("stdout is open");
}

fn compile(text: &SpecText) -> Spec {
    Spec::compile(text, "bench", &ZoneInfo::of_machine()).expect("the spec is valid")
}

fn main() {
    let zone: Tz = ZONE.parse().expect("the zone is known");
    // Spread over ten years, and the same in every run.
    let instants: Vec<DateTime<Utc>> = (0..4096_i64)
        .map(|i| 1_577_836_800 + i * 6_364_136_223 % 315_360_000)
        .filter_map(|s| DateTime::from_timestamp(s, 0))
        .collect();
    print_row([
        "next time, America/New_York, ns",
        "tempo",
        "cron",
        "croner",
        "vs cron",
        "vs croner",
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
        let spec = compile(&SpecText {
            cron: vec![text.clone()],
            time_zone: Some(ZONE.to_owned()),
            ..SpecText::default()
        });
        let tempo_ns = ns_of(&instants, calls.max(200), |at| {
            black_box(spec.next_after(black_box(at)));
        });
        let schedule = cron::Schedule::from_str(&format!("0 {text}")).expect("the cron crate parses it");
        let cron_ns = ns_of(&instants, calls, |at| {
            black_box(schedule.after(&black_box(at).with_timezone(&zone)).next());
        });
        let pattern = croner::Cron::from_str(&text).expect("croner parses it");
        let croner_ns = ns_of(&instants, calls, |at| {
            let _ = black_box(pattern.find_next_occurrence(&black_box(at).with_timezone(&zone), false));
        });
        print_row([
            &text,
            &format!("{tempo_ns:.0}"),
            &format!("{cron_ns:.0}"),
            &format!("{croner_ns:.0}"),
            &format!("{:.1} x", cron_ns / tempo_ns),
            &format!("{:.1} x", croner_ns / tempo_ns),
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
    let ten_years = Exclusion::Calendar(CalendarText {
        year: Some("2020-2029".to_owned()),
        ..CalendarText::default()
    });
    for (name, text) in [
        ("every minute, ten years excluded", cron("* * * * *", vec![ten_years])),
        (
            "all times excluded by one calendar",
            cron("0,30 2 * * *", vec![Exclusion::Calendar(calendar("0-59", "2"))]),
        ),
        (
            "all times excluded by two calendars",
            cron(
                "0,30 2 * * *",
                vec![
                    Exclusion::Calendar(calendar("0", "2")),
                    Exclusion::Calendar(calendar("30", "2")),
                ],
            ),
        ),
        (
            "interval, all times excluded",
            SpecText {
                interval: vec!["24h/7h".to_owned()],
                exclude_calendar: vec![Exclusion::Calendar(calendar("*", "2,3"))],
                time_zone: Some(ZONE.to_owned()),
                ..SpecText::default()
            },
        ),
    ] {
        let spec = compile(&text);
        let tempo_ns = ns_of(&instants, 40, |at| {
            black_box(spec.next_after(black_box(at)));
        });
        print_row([name, &format!("{tempo_ns:.0}"), "", "", "", ""]);
    }
}
