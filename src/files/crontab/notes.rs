//! Habits of crontabs that tempo has a word for: the line is imported as it is, and the word is told.

use super::times::LineTimes;

/// What to know of a line on which these commands stand.
pub(super) fn notes(times: &LineTimes, command: &str) -> Vec<String> {
    let mut told: Vec<String> = Vec::new();
    let words: Vec<&str> = command.split_whitespace().collect();
    let behind = |word: &str| {
        words
            .iter()
            .position(|w| w.rsplit('/').next() == Some(word))
            .map(|at| &words[at + 1..])
    };
    if behind("flock").is_some() {
        told.push("`flock`: two runs never overlap under the overlap policy `skip`, which is the default".to_owned());
    }
    if let Some(rest) = behind("timeout") {
        let limit = rest
            .iter()
            .find(|w| w.starts_with(|c: char| c.is_ascii_digit()))
            .unwrap_or(&"N");
        told.push(format!(
            "`timeout {limit}`: `--start-to-close-timeout` ends an attempt, its children included, and records it"
        ));
    }
    let random = command.contains("RANDOM") || command.contains("rand(") || command.contains("shuf");
    if command.contains("sleep") && random {
        told.push(format!(
            "the random sleep: `--jitter {}` spreads starts, the same for a time, and shows when",
            longest_sleep(command)
        ));
    }
    if command.contains("/dev/null") {
        told.push("`/dev/null`: without it the output is kept with the run, capped (`tempo workflow output`)".to_owned());
    }
    let last_days = times.day_of_month().is_some_and(|d| d.starts_with("28") && d.ends_with("31"));
    if last_days && command.contains("tomorrow") {
        told.push("the last day of the month is `L`: `--cron '0 0 L * *'`".to_owned());
    }
    let first_sleep = command
        .trim_start()
        .strip_prefix("sleep ")
        .and_then(|rest| rest.split([';', '&', ' ']).next());
    if let Some(seconds) = first_sleep.and_then(|s| s.parse::<u32>().ok())
        && times.is_every_minute()
        && seconds > 0
        && seconds < 60
    {
        let every = if 60 % seconds == 0 { seconds } else { 60 - seconds };
        told.push(format!(
            "`sleep {seconds}`, twice a minute: one schedule with `--interval {every}s` does what the two lines do"
        ));
    }
    let fetches = behind("curl").is_some() || behind("wget").is_some();
    if fetches && command.contains("||") {
        told.push("a request and what to do when it fails: `--probe 'NAME=URL'` retries, and records an incident".to_owned());
    }
    if command.trim_end().ends_with('&') && !command.trim_end().ends_with("&&") {
        told.push(
            "`&` at the end: tempo sees only that the shell has ended; without it the run lasts as long as the command"
                .to_owned(),
        );
    }
    told
}

/// The number that a random sleep is below, in seconds, as a duration.
fn longest_sleep(command: &str) -> String {
    let after = ["% ", "%", "rand("].iter().find_map(|mark| {
        let rest = command.split(mark).nth(1)?;
        let digits: String = rest.trim_start().chars().take_while(char::is_ascii_digit).collect();
        (!digits.is_empty()).then_some(digits)
    });
    format!("{}s", after.unwrap_or_else(|| "60".to_owned()))
}
