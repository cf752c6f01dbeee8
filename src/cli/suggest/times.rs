//! Times on a command line: the option that accepts a text, and times that were typed without quotes or without their option.

use std::ops::Range;

use chrono::DateTime;

use crate::spec::interval::Interval;
use crate::spec::zone::Zone;
use crate::spec::{cron, instant, quartz, when};

/// Options whose value is a time of one or several words.
const TIME_OPTIONS: [&str; 6] = ["--cron", "--when", "--interval", "--every", "--at", "--quartz"];

/// The option that accepts a text as a time.
pub(super) fn time_option(text: &str) -> Option<&'static str> {
    if Interval::parse(text).is_ok() {
        return Some("--interval");
    }
    if cron::parse(text).is_ok() {
        return Some("--cron");
    }
    (text.contains(' ') && when::parse(text).is_ok()).then_some("--when")
}

/// The option to be used for a text that was given as the value of one of the [`TIME_OPTIONS`]: the same one, or one that accepts the text.
fn time_option_for(option: &str, text: &str) -> Option<&'static str> {
    let own = TIME_OPTIONS.into_iter().find(|known| *known == option)?;
    let is_valid = match own {
        "--quartz" => quartz::parse(text).is_ok(),
        "--at" => instant::parse_future(text, &Zone::utc(), DateTime::UNIX_EPOCH).is_ok(),
        _ => {
            return time_option(text).map(|found| {
                if own == "--every" && found == "--interval" {
                    own
                } else {
                    found
                }
            });
        }
    };
    is_valid.then_some(own)
}

/// A time that was typed without quotes, whose word at `at` was not expected: its words with the option before it, the option and the time.
pub(super) fn unquoted_time(arguments: &[String], at: usize) -> Option<(Range<usize>, &'static str, String)> {
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let end = at + words[at..].iter().take_while(|word| !word.starts_with('-')).count();
    let option = words[..at].iter().rposition(|word| word.starts_with('-'));
    // The words that follow the time may be the command.
    let ends = (at + 1..=end).rev();
    if let Some(first) = option.filter(|first| TIME_OPTIONS.contains(&words[*first])) {
        return ends.into_iter().find_map(|end| {
            let time = words[first + 1..end].join(" ");
            // `--every 5 min`
            let is_unit = words[end - 1].chars().all(char::is_alphabetic);
            let repeated = (is_unit && end - first == 3).then(|| format!("every {time}"));
            let times = [Some(time), repeated].into_iter().flatten();
            times
                .into_iter()
                .find_map(|time| Some((first..end, time_option_for(words[first], &time)?, time)))
        });
    }
    ends.into_iter().find_map(|end| {
        let time = words[at..end].join(" ");
        let option = time_option(&time).filter(|_| time.contains(' '))?;
        Some((at..end, option, time))
    })
}

/// Whether a schedule is given times, none of which is invalid.
pub(super) fn has_valid_time(arguments: &[String]) -> bool {
    const OTHERS: [&str; 3] = ["--calendar", "--at-boot", "--allow-never"];
    let of = |option: &&str| {
        let mut words = arguments.iter().map(String::as_str);
        while let Some(word) = words.next() {
            match word.split_once('=') {
                Some((name, value)) if name == *option => return Some(value.to_owned()),
                _ if word == *option => return Some(words.next().unwrap_or_default().to_owned()),
                _ => {}
            }
        }
        None
    };
    let given: Vec<_> = TIME_OPTIONS
        .iter()
        .filter_map(|option| Some((*option, of(option)?)))
        .collect();
    let is_valid = |(option, value): &(&str, String)| time_option_for(option, value) == Some(*option);
    (OTHERS.iter().any(|option| of(option).is_some()) || !given.is_empty()) && given.iter().all(is_valid)
}
