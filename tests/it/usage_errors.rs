//! Command lines that do not parse: errors, suggestions and aliases.

use crate::harness::Env;

fn assert_corrected(env: &Env, typed: &[&str], corrected: &str) {
    let ran = env.tempo(typed);
    assert_eq!(ran.code, Some(2), "{typed:?}: {ran:?}");
    assert!(
        ran.stderr.ends_with(&format!("\nhint: Did you mean `{corrected}`?\n")),
        "{typed:?}: {}",
        ran.stderr
    );
    let json = env.tempo(&[&["-o", "json"], typed].concat());
    let error: serde_json::Value = serde_json::from_str(&json.stderr).unwrap();
    assert_eq!(error["error"]["kind"], "usage", "{error}");
    let hint = error["error"]["hints"][0].as_str().unwrap();
    assert!(hint.contains(corrected.trim_start_matches("tempo ")), "{error}");
}

#[test]
fn suggests_the_option_the_quotes_and_the_command_that_are_missing() {
    let env = Env::new();
    for (typed, corrected) in [
        (
            &["schedule", "create", "n", "--cron", "0", "9", "* * *", "--", "b"][..],
            "tempo schedule create n --cron '0 9 * * *' -- b",
        ),
        (
            &["schedule", "next", "--when", "every", "day", "at", "9", "--count", "3"],
            "tempo schedule next --when 'every day at 9' --count 3",
        ),
        (
            &["schedule", "create", "n", "--every", "5", "min", "--", "b"],
            "tempo schedule create n --when 'every 5 min' -- b",
        ),
        (&["schedule", "next", "0 9 * * *"], "tempo schedule next --cron '0 9 * * *'"),
        (
            &["schedule", "create", "n", "--at-boot", "--command", "./b"],
            "tempo schedule create n --at-boot -- ./b",
        ),
        (
            &["service", "install", "--workers", "8"],
            "tempo service install -- --workers 8",
        ),
        (&["apply", "jobs.toml"], "tempo apply -f jobs.toml"),
        (&["import", "cron", "jobs"], "tempo import crontab jobs"),
        (&["run", "jobs.toml"], "tempo run -f jobs.toml"),
        (
            &["notify", "add", "ops", "a@b.example"],
            "tempo notify add ops --email a@b.example",
        ),
        (
            &["notify", "add", "ops", "http://x/"],
            "tempo notify add ops --webhook http://x/",
        ),
        (
            &["schedule", "create", "n", "--cron", "0", "9", "*", "*", "1", "./b.sh"],
            "tempo schedule create n --cron '0 9 * * 1' -- ./b.sh",
        ),
        (
            &["schedule", "create", "n", "--at", "fri", "17:00", "--", "b"],
            "tempo schedule create n --at 'fri 17:00' -- b",
        ),
        (
            &[
                "schedule", "create", "n", "--quartz", "0", "0", "9", "?", "*", "MON-FRI", "--", "b",
            ],
            "tempo schedule create n --quartz '0 0 9 ? * MON-FRI' -- b",
        ),
        (
            &["notify", "add", "ops", "--command", "cat >> messages"],
            "tempo notify add ops -- sh -c 'cat >> messages'",
        ),
        (&["jobs"], "tempo schedule list"),
        (&["version"], "tempo --version"),
        (&["schedule", "help"], "tempo help schedule"),
    ] {
        assert_corrected(&env, typed, corrected);
    }
}

#[test]
fn suggests_the_corrected_command_line() {
    let env = Env::new();
    for (typed, corrected) in [
        (&["list"][..], "tempo schedule list"),
        (&["ls"], "tempo schedule ls"),
        (&["pause", "x"], "tempo schedule pause x"),
        (&["trigger", "x"], "tempo schedule trigger x"),
        (&["cancel", "x"], "tempo workflow cancel x"),
        (&["ack", "1"], "tempo incident ack 1"),
        (&["crontab", "jobs"], "tempo import crontab jobs"),
        (&["run", "now"], "tempo schedule trigger now"),
        (&["--db", "x.db", "run", "now"], "tempo --db x.db schedule trigger now"),
        (&["shcedule", "list"], "tempo schedule list"),
        (&["schedule", "lst"], "tempo schedule list"),
        (&["incident", "resolv", "1"], "tempo incident resolve 1"),
        (
            &["schedule", "create", "n", "0 2 * * *", "--", "cmd"],
            "tempo schedule create n --cron '0 2 * * *' -- cmd",
        ),
        (
            &["schedule", "create", "n", "5m", "./b.sh", "--daily"],
            "tempo schedule create n --interval 5m -- ./b.sh --daily",
        ),
        (
            &["schedule", "create", "n", "--cron", "@daily", "b", "it's"],
            "tempo schedule create n --cron @daily -- b 'it'\\''s'",
        ),
        (
            &["schedule", "create", "n", "--intervall=5m", "--", "b"],
            "tempo schedule create n --interval=5m -- b",
        ),
        (&["--db", "x.db", "schedule", "lst"], "tempo --db x.db schedule list"),
        (&["runs", "list"], "tempo workflow list"),
        (
            &["schedule", "add", "n", "--every", "5m", "--", "b"],
            "tempo schedule create n --every 5m -- b",
        ),
        (&["workflow", "stop", "w"], "tempo workflow cancel w"),
        (
            &["schedule", "list", "--colour", "never"],
            "tempo schedule list --color never",
        ),
        (&["run", "--port", "8080"], "tempo run --web 8080"),
        (&["run", "--", "make", "all"], "tempo workflow start -- make all"),
        (&["serve"], "tempo run"),
        (&["import", "jobs.txt"], "tempo import crontab jobs.txt"),
        (&["check", "make", "all"], "tempo check -- make all"),
        (&["schedule", "simulate", "s", "3m"], "tempo schedule simulate s --takes 3m"),
        (
            &["schedule", "create", "n", "--every", "5m", "--retries", "3", "--", "b"],
            "tempo schedule create n --every 5m --attempts 3 -- b",
        ),
    ] {
        assert_corrected(&env, typed, corrected);
    }
    let json = env.tempo(&["schedule", "list", "--json"]);
    assert!(
        json.stderr.contains("Did you mean `tempo schedule list --output=json`?"),
        "{json:?}"
    );
    // No suggestion that fails in turn, and none for words that another program gets.
    for unclear in [
        &["schedule", "create", "a", "every", "day"][..],
        &["schedule", "create", "a", "--cron", "0 9", "b"],
        &["apply", "--", "true"],
        &["schedule", "list", "--", "true"],
        &["doctor", "--", "x"],
    ] {
        let ran = env.tempo(unclear);
        assert!(
            ran.code == Some(2) && !ran.stderr.contains("Did you mean"),
            "{unclear:?}: {ran:?}"
        );
    }
    let unclear = ["schedule", "create", "x", "--interval", "5m", "5m", "5m", "5m", "5m", "5m"];
    assert!(!env.tempo(&unclear).stderr.contains("Did you mean"));
    for typed in [
        &["bogus"][..],
        &["stop"],
        &["restart"],
        &["schedule", "create", "--id", "x", "--every", "5m"],
    ] {
        let ran = env.tempo(typed);
        assert_eq!((ran.code, ran.stderr.contains("Did you mean")), (Some(2), false), "{ran:?}");
    }
}

#[test]
fn usage_errors_say_what_is_missing_in_the_words_of_the_command() {
    let env = Env::new();
    env.tempo(&["schedule", "create", "s", "--interval", "1h", "--shell", "true"])
        .ok();
    for (args, message) in [
        (&["schedule", "pause"][..], "a schedule id or `--all` is required"),
        (&["schedule", "delete"], "a schedule id or `--all` is required"),
        (&["schedule", "backfill", "s"], "`--start-time` or `--last` is required"),
        (&["workflow", "list", "--limit", "x"], "expected a whole number"),
        (
            &["schedule", "update", "s", "--attempts", "-1"],
            "`--attempts` cannot be negative: `-1`",
        ),
        (
            &["schedule", "update", "s", "--jitter", "-5s"],
            "`--jitter` cannot be negative: `-5s`",
        ),
        (
            &["schedule", "next", "s", "--count", "0"],
            "invalid value `0` for `--count`: expected a number from 1 to 100000",
        ),
        (
            &["schedule", "list", "-o", "xml"],
            "invalid value `xml` for `--output`: expected `text`, `json` or `jsonl`",
        ),
        (&["schedule", "list", "-o", "jsn"], "Did you mean `json`?"),
        (&["schedule", "create"], "missing argument `<ID>`"),
        (&["schedule", "trigger", "x", "--timeout", "5s"], "`--timeout` needs `--wait`"),
        (&["run", "--backup-keep=3"], "`--backup-keep` needs `--backup-dir`"),
        (
            &["schedule", "create", "x", "--when", "*/5 * * * *", "--", "true"],
            "this is a cron string",
        ),
        (
            &["schedule", "create", "x", "--interval", "2m", "--jitter", "5", "--", "true"],
            "`--jitter`: missing unit after `5`",
        ),
        (
            &[
                "schedule",
                "create",
                "x",
                "--interval",
                "2m",
                "--retry-backoff-coefficient=abc",
                "--",
                "true",
            ],
            "expected a number",
        ),
        (
            &["schedule", "create", "a b", "--interval", "2m", "--", "true"],
            "error: the schedule id `a b` may not contain a space",
        ),
        (
            &[
                "schedule",
                "create",
                "x",
                "--interval",
                "2m",
                "--severity",
                "warn",
                "--",
                "true",
            ],
            "Did you mean `warning`?",
        ),
        (&["schedule", "create", "x", "--at-boot=3"], "`--at-boot` takes no value"),
        (
            &["schedule", "create", "x", "--pause-on-failure=maybe"],
            "invalid value `maybe` for `--pause-on-failure`: expected `true` or `false`",
        ),
        (&["schedule", "create", "x", "--interval"], "`--interval` needs a value"),
        (
            &["schedule", "create", "x", "--probe", "a=http://x", "--grace", "5m"],
            "`--probe` cannot be used with `--grace`",
        ),
        (
            &["schedule", "update", "s", "--note", "a", "--note", "b"],
            "`--note` is given more than once",
        ),
        (
            &["schedule", "update", "s", "--severity", "fatal"],
            "no severity is named `fatal`",
        ),
        (&["bogus"], "Run `tempo --help` to list the commands."),
        (&["schedule", "bogus"], "Run `tempo schedule --help` to list the commands."),
    ] {
        let ran = env.tempo(args);
        assert_eq!(ran.code, Some(2), "{args:?}: {ran:?}");
        assert!(ran.stderr.contains(message), "{args:?}: {}", ran.stderr);
        let first = ran.stderr.lines().next().unwrap();
        assert!(!ran.stderr.contains("Usage:") && !first.contains('\''), "{args:?}: {first}");
    }
}

#[test]
fn aliases_run_their_commands() {
    let env = Env::new();
    env.tempo(&["schedule", "create", "s", "--interval", "1h", "--shell", "true"])
        .ok();
    for (alias, command) in [
        (&["schedule", "ls"][..], &["schedule", "list"][..]),
        (&["schedule", "show", "s"], &["schedule", "describe", "s"]),
        (&["schedule", "get", "s"], &["schedule", "describe", "s"]),
        (&["workflow", "ls"], &["workflow", "list"]),
        (&["incident", "ls"], &["incident", "list"]),
    ] {
        assert_eq!(env.json(alias), env.json(command), "{alias:?}");
    }
    env.tempo(&["schedule", "pause", "s"]).ok();
    env.tempo(&["schedule", "resume", "s"]).ok();
    assert_eq!(env.json(&["schedule", "describe", "s"])["paused"], false);
    env.tempo(&["schedule", "rm", "s"]).ok();
    assert_eq!(env.json(&["schedule", "list"]), serde_json::json!([]));
}

#[test]
fn blames_the_invalid_option_if_another_one_has_the_same_value() {
    let env = Env::new();
    for (typed, message) in [
        (
            &["schedule", "create", "x", "--interval", "1m", "--resolve-after", "1m"][..],
            "invalid value `1m` for `--resolve-after`",
        ),
        (
            &["run", "--for", "1s", "--workers", "1s"],
            "invalid value `1s` for `--workers`",
        ),
        (&["incident", "ack", "x", "--note", "x"], "invalid value `x` for `<ID>`"),
        (
            &["schedule", "create", "x", "--attempts", "5m"],
            "invalid value `5m` for `--attempts`",
        ),
        (&["cron"], "hint: Did you mean `tempo help cron`?"),
        (
            &["--db", "x.db", "exit-codes", "--help"],
            "hint: Did you mean `tempo help exit-codes`?",
        ),
        (&["sleep"], "missing arguments `--name <NAME>` and `<DURATION>`"),
    ] {
        let ran = env.tempo(typed);
        assert!(ran.code == Some(2) && ran.stderr.contains(message), "{typed:?}: {ran:?}");
    }
    env.tempo(&["schedule", "create", "x", "--interval", "1m", "--shell", "true"])
        .ok();
    env.tempo(&["schedule", "delete", "x", "x"]).ok();
}

#[cfg(not(feature = "temporal"))]
#[test]
fn a_build_without_temporal_says_how_to_get_it() {
    let env = Env::new();
    for args in [
        &["temporal", "status"][..],
        &["temporal", "apply", "-f", "x.toml"],
        &["temporal", "worker"],
    ] {
        let ran = env.tempo(args);
        assert!(
            ran.code == Some(2) && ran.stderr.contains("cargo build --release --features temporal"),
            "{ran:?}"
        );
    }
}
