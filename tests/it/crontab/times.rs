//! The times of crontab lines, compared with an implementation of cron's rules.

use std::collections::BTreeSet;

use chrono::{DateTime, Datelike as _, NaiveDateTime, TimeDelta, Timelike as _, Utc};
use serde_json::{Value, json};

use super::import;
use crate::harness::Env;

/// Parses a field as cronie's `get_range` does: returns the values that it matches, and whether it begins with a star.
fn field(text: &str, low: u32, high: u32, names: &[&str]) -> (BTreeSet<u32>, bool) {
    let number = |t: &str| {
        let place = names.iter().position(|n| n.eq_ignore_ascii_case(t));
        place.map_or_else(|| t.parse().unwrap(), |p| low + u32::try_from(p).unwrap())
    };
    let mut values = BTreeSet::new();
    for part in text.split(',') {
        let (range, step) = part.split_once('/').map_or((part, 1), |(r, s)| (r, s.parse().unwrap()));
        let (from, to) = match range.split_once('-') {
            _ if range == "*" => (low, high),
            Some((a, b)) => (
                number(a),
                if number(a) > number(b) && number(b) == 0 {
                    7
                } else {
                    number(b)
                },
            ),
            None => (number(range), number(range)),
        };
        values.extend((from..=to).step_by(step));
    }
    (values, text.starts_with('*'))
}

/// Returns the next times of a line, matched minute by minute as cronie's `find_jobs` does.
fn by_cron(line: &str, from: NaiveDateTime, count: usize) -> Vec<String> {
    const MONTHS: [&str; 12] = [
        "jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec",
    ];
    const DAYS: [&str; 7] = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"];
    let words: Vec<&str> = line.split(' ').collect();
    let (minute, _) = field(words[0], 0, 59, &[]);
    let (hour, _) = field(words[1], 0, 23, &[]);
    let (day, day_star) = field(words[2], 1, 31, &[]);
    let (month, _) = field(words[3], 1, 12, &MONTHS);
    let (mut weekday, weekday_star) = field(words[4], 0, 7, &DAYS);
    if weekday.contains(&7) || weekday.contains(&0) {
        weekday.extend([0, 7]);
    }
    let mut found = Vec::new();
    let mut at = from + TimeDelta::minutes(1);
    while found.len() < count && at < from + TimeDelta::days(800) {
        let in_days = (
            day.contains(&at.day()),
            weekday.contains(&at.weekday().num_days_from_sunday()),
        );
        let is_day = if day_star || weekday_star {
            in_days.0 && in_days.1
        } else {
            in_days.0 || in_days.1
        };
        if !month.contains(&at.month()) || !is_day {
            at = (at.date() + TimeDelta::days(1)).and_hms_opt(0, 0, 0).unwrap();
            continue;
        }
        if hour.contains(&at.hour()) && minute.contains(&at.minute()) {
            found.push(at.and_utc().to_rfc3339_opts(chrono::SecondsFormat::Secs, true));
        }
        at += TimeDelta::minutes(1);
    }
    found
}

/// Returns a random line of a kind that people write.
fn any_line(random: &mut fastrand::Rng) -> String {
    let mut field = |low: u32, high: u32, names: &[&str]| -> String {
        let value = |r: &mut fastrand::Rng| {
            let n = r.u32(low..=high);
            names
                .get((n - low) as usize)
                .filter(|_| r.bool())
                .map_or_else(|| n.to_string(), |name| (*name).to_owned())
        };
        let part = |r: &mut fastrand::Rng| match r.u8(0..6) {
            0 => format!("*/{}", r.u32(1..=high + 5)),
            1 | 2 => {
                let (a, b) = (r.u32(low..=high), r.u32(low..=high));
                let step = if r.bool() {
                    String::new()
                } else {
                    format!("/{}", r.u32(1..=9))
                };
                format!("{}-{}{step}", a.min(b), a.max(b))
            }
            _ => value(r),
        };
        match random.u8(0..5) {
            0 | 1 => "*".to_owned(),
            2 => format!("{},{}", part(random), part(random)),
            _ => part(random),
        }
    };
    let days = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"];
    let weekday = ["5-0", "fri-sun", "0,7", "6-7"];
    let mut words = [
        field(0, 59, &[]),
        field(0, 23, &[]),
        field(1, 31, &[]),
        field(1, 12, &["jan", "feb"]),
        field(0, 7, &days),
    ];
    if random.u8(0..5) == 0 {
        weekday[random.usize(0..4)].clone_into(&mut words[4]);
    }
    words.join(" ")
}

#[test]
fn every_line_fires_when_cron_would() {
    let env = Env::new();
    let mut random = fastrand::Rng::with_seed(6);
    let lines: Vec<String> = (0..300).map(|_| any_line(&mut random)).collect();
    let chosen = [
        "0 0 1 * 1",
        "0 0 */2 * 1",
        "0 0 1-31 * 1",
        "*/70 * * * *",
        "*,5 3 * * *",
        "0 0 29 feb *",
        "15 14 1 * *",
        "0 22 * * 1-5",
    ];
    let lines: Vec<&str> = chosen.into_iter().chain(lines.iter().map(String::as_str)).collect();
    let text: Vec<String> = lines.iter().enumerate().map(|(i, l)| format!("{l} /bin/job{i}\n")).collect();
    import(&env, &text.concat(), &[]);
    let from = "2026-02-20T00:00:00";
    let start: NaiveDateTime = from.parse().unwrap();
    let mut fired = 0;
    for (i, line) in lines.iter().enumerate() {
        let next = env.json(&["schedule", "next", &format!("job{i}"), "--count", "4", "--from", from]);
        let got: Vec<String> = next
            .as_array()
            .unwrap()
            .iter()
            .map(|t| t["scheduled_at"].as_str().unwrap().to_owned())
            .collect();
        let expected = by_cron(line, start, 4);
        fired += expected.len();
        let limit = start + TimeDelta::days(800);
        let got: Vec<String> = got
            .into_iter()
            .filter(|t| t.parse::<DateTime<Utc>>().unwrap().naive_utc() < limit)
            .collect();
        assert_eq!(got, expected, "{line}");
    }
    assert!(fired > 1000, "only {fired} times were compared");
}

#[test]
fn daylight_saving_follows_cron() {
    let env = Env::new();
    import(
        &env,
        "CRON_TZ=Europe/Berlin\n30 2 * * * fixed\n*/30 2 * * * often\n30 * * * * hourly\n",
        &[],
    );
    let next = |id: &str, from: &str, count: &str| -> Vec<Value> {
        let found = env.json(&["schedule", "next", id, "--from", from, "--count", count]);
        found.as_array().unwrap().iter().map(|t| t["local"].clone()).collect()
    };
    // A fixed time in the gap runs once, right after it; one in the repeated hour runs the first time only.
    let spring = "2026-03-29T00:00:00Z";
    assert_eq!(
        next("fixed", spring, "2"),
        [json!("2026-03-29T03:00:00+02:00"), json!("2026-03-30T02:30:00+02:00")]
    );
    let autumn = "2026-10-25T00:00:00Z";
    assert_eq!(
        next("fixed", autumn, "2"),
        [json!("2026-10-25T02:30:00+02:00"), json!("2026-10-26T02:30:00+01:00")]
    );
    // With a star in the minute or hour field, the wall clock decides.
    assert_eq!(next("often", spring, "1"), [json!("2026-03-30T02:00:00+02:00")]);
    let twice = [json!("2026-10-25T02:30:00+02:00"), json!("2026-10-25T02:30:00+01:00")];
    assert_eq!(next("hourly", autumn, "2"), twice);
}
