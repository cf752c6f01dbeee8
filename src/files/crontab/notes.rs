//! Notes on common crontab idioms for which tempo has a built-in feature. The line is imported unchanged.

use super::times::LineTimes;

/// Returns the notes on a command and its times.
pub(super) fn notes(times: &LineTimes, command: &str) -> Vec<String> {
    let mut notes: Vec<String> = Vec::new();
    let words: Vec<&str> = command.split_whitespace().collect();
    let after = |word: &str| {
        words
            .iter()
            .position(|w| w.rsplit('/').next() == Some(word))
            .map(|at| &words[at + 1..])
    };
    if after("flock").is_some() {
        notes.push("`flock`: remove it, because with the default overlap policy, `skip`, runs never overlap".to_owned());
    }
    if let Some(rest) = after("timeout") {
        let limit = rest
            .iter()
            .find(|w| w.starts_with(|c: char| c.is_ascii_digit()))
            .unwrap_or(&"N");
        notes.push(format!(
            "`timeout {limit}`: use `--start-to-close-timeout {limit}`, which also stops child processes and records the timeout"
        ));
    }
    let random = command.contains("RANDOM") || command.contains("rand(") || command.contains("shuf");
    if command.contains("sleep") && random {
        notes.push(format!(
            "random `sleep`: use `--jitter {}`, which delays each start by a fixed pseudo-random amount and shows the due times",
            longest_sleep(command)
        ));
    }
    if command.contains("/dev/null") {
        notes.push("`/dev/null`: remove it to keep the output of the job (`tempo workflow output`)".to_owned());
    }
    let last_days = times.day_of_month().is_some_and(|d| d.starts_with("28") && d.ends_with("31"));
    if last_days && command.contains("tomorrow") {
        notes.push("the last day of the month: use `--cron '0 0 L * *'`".to_owned());
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
        notes.push(format!(
            "`sleep {seconds}`: if this is the second of two lines, one schedule with `--interval {every}s` replaces both"
        ));
    }
    let fetches = after("curl").is_some() || after("wget").is_some();
    if fetches && command.contains("||") {
        notes.push("a request with a fallback: use `--probe 'NAME=URL'`, which retries and records an incident".to_owned());
    }
    if command.trim_end().ends_with('&') && !command.trim_end().ends_with("&&") {
        notes.push(
            "`&` at the end: tempo sees only the shell exit; without the `&`, the run lasts as long as the command".to_owned(),
        );
    }
    notes
}

/// Returns the upper bound of a random sleep, in seconds, as duration text.
fn longest_sleep(command: &str) -> String {
    let limit = ["% ", "%", "rand("].iter().find_map(|mark| {
        let rest = command.split(mark).nth(1)?;
        let digits: String = rest.trim_start().chars().take_while(char::is_ascii_digit).collect();
        (!digits.is_empty()).then_some(digits)
    });
    format!("{}s", limit.unwrap_or_else(|| "60".to_owned()))
}
