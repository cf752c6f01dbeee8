//! What each command looks like in use: for `--help` and the man pages. A test holds that each of them parses.

/// A command line, and what it does.
pub(super) type Example = (&'static str, &'static str);

/// The examples of a command, by its path: `schedule create`.
pub(super) fn of(path: &str) -> &'static [Example] {
    let found = ALL.iter().find(|(name, _)| *name == path);
    found.map_or(&[], |(_, examples)| examples)
}

/// The exit codes of a command, by its path, beside 0, 2 and 6, which all have.
pub(super) fn exits(path: &str) -> &'static [u8] {
    match path {
        "schedule trigger" | "schedule backfill" => &[1, 3, 4, 5, 124],
        "workflow start" => &[1, 5],
        "workflow retry" => &[1, 3, 4, 5],
        "workflow cancel" | "workflow terminate" | "doctor" => &[3, 4],
        "schedule create" => &[4],
        "run" => &[1, 4],
        "check" => &[1, 3, 124, 130],
        "diff" | "demo" => &[1],
        "step" => &[1, 4, 124],
        "import crontab" | "apply" | "schedule list" | "workflow list" | "incident list" | "status" | "schema"
        | "completions" | "man" => &[],
        _ => &[3],
    }
}

const ALL: &[(&str, &[Example])] = &[
    (
        "schedule create",
        &[
            (
                "tempo schedule create nightly --cron '30 2 * * *' --time-zone local -- /srv/backup.sh",
                "A command every night, on this machine's wall clock",
            ),
            (
                "tempo schedule create health --interval 2m --jitter 10s --probe 'site=http://127.0.0.1:8080/ status=2xx timeout=5s'",
                "A probe every two minutes",
            ),
            (
                "tempo schedule create report --cron '0 9 * * MON-FRI' --overlap-policy buffer-one --attempts 3 --shell './report.sh | mail ops'",
                "A line for the shell, tried three times, never beside itself",
            ),
        ],
    ),
    (
        "schedule update",
        &[(
            "tempo schedule update nightly --cron '0 3 * * *' --clear jitter",
            "Another time, and no jitter; the rest stays",
        )],
    ),
    (
        "schedule list",
        &[
            ("tempo schedule list --paused", "Those that are paused"),
            ("tempo schedule list -o json", "All, for a script"),
        ],
    ),
    (
        "schedule describe",
        &[(
            "tempo schedule describe nightly",
            "What it is, its last runs and its next times",
        )],
    ),
    (
        "schedule pause",
        &[
            (
                "tempo schedule pause nightly --note 'the disk is being changed'",
                "Nothing starts until it is unpaused",
            ),
            ("tempo schedule pause --all", "All of them"),
        ],
    ),
    (
        "schedule unpause",
        &[("tempo schedule unpause nightly", "It goes on with its next time")],
    ),
    (
        "schedule trigger",
        &[(
            "tempo schedule trigger nightly --wait --timeout 10m",
            "Run it now, and exit as it went",
        )],
    ),
    (
        "schedule backfill",
        &[
            (
                "tempo schedule backfill nightly --start-time '2026-05-01' --end-time '2026-05-04'",
                "Run the times of three days",
            ),
            (
                "tempo schedule backfill health --last 30m --overlap-policy allow-all",
                "Run those of the last half hour, at once",
            ),
            ("tempo schedule backfill nightly --cancel", "Let go of what has not begun"),
        ],
    ),
    (
        "schedule delete",
        &[(
            "tempo schedule delete nightly health",
            "Take them off; their runs stay readable",
        )],
    ),
    (
        "schedule next",
        &[
            ("tempo schedule next nightly --count 3", "The next three times"),
            (
                "tempo schedule next --cron '0 9 * * FRI#2' --time-zone Europe/Berlin",
                "Of a cron string, before it is used",
            ),
        ],
    ),
    (
        "schedule explain",
        &[(
            "tempo schedule explain nightly --from -7d",
            "What became of each time of the last week, and why",
        )],
    ),
    (
        "schedule simulate",
        &[(
            "tempo schedule simulate --interval 1m --overlap-policy buffer-one --takes 90s --for 10m",
            "What a policy does with runs that take too long",
        )],
    ),
    (
        "workflow list",
        &[
            (
                "tempo workflow list --status Failed --since -1d",
                "What failed since yesterday",
            ),
            (
                "tempo workflow list --schedule nightly --limit 10",
                "The last ten runs of a schedule",
            ),
        ],
    ),
    (
        "workflow start",
        &[(
            "tempo workflow start --workflow-id import --wait -- /srv/import.sh",
            "One durable run without a schedule, waited for",
        )],
    ),
    (
        "workflow describe",
        &[(
            "tempo workflow describe 7d5a60",
            "Steps, attempts, errors and output of a run",
        )],
    ),
    (
        "workflow result",
        &[("tempo workflow result nightly-2026-05-05T00:30:00Z", "What each step came to")],
    ),
    (
        "workflow retry",
        &[("tempo workflow retry 7d5a60 --wait", "Go on at the step that failed")],
    ),
    (
        "workflow cancel",
        &[(
            "tempo workflow cancel 7d5a60 --reason 'the wrong day'",
            "SIGTERM, 5 s, SIGKILL",
        )],
    ),
    (
        "workflow terminate",
        &[("tempo workflow terminate 7d5a60", "SIGKILL at once")],
    ),
    (
        "workflow output",
        &[
            ("tempo workflow output 7d5a60 command", "What a step wrote"),
            (
                "tempo workflow output -f 7d5a60",
                "The same, as attempts end, until the run has closed",
            ),
        ],
    ),
    (
        "incident list",
        &[("tempo incident list --open", "What has failed and has not recovered")],
    ),
    ("incident describe", &[("tempo incident describe 1", "Each failure of it")]),
    (
        "incident ack",
        &[(
            "tempo incident ack 1 --note 'a new certificate is ordered'",
            "Say that somebody knows",
        )],
    ),
    ("incident resolve", &[("tempo incident resolve 1", "Say that it is over")]),
    (
        "run",
        &[
            ("tempo run", "Serve until SIGTERM or Ctrl-C"),
            (
                "tempo run --once",
                "Take up what is due, finish it, and exit as it went: for a timer of another system",
            ),
            (
                "tempo run --log-format json --keep-for 90d",
                "Log for a machine, and keep a quarter of a year",
            ),
        ],
    ),
    ("status", &[("tempo status --watch", "How things stand, again and again")]),
    (
        "check",
        &[
            (
                "tempo check --probe 'site=http://127.0.0.1:8080/ status=2xx' --deadline 30s",
                "A request with its retries; exit 1 when it is not right",
            ),
            (
                "tempo check -f jobs.toml --parallel 4 --junit report.xml",
                "All steps of all schedules of a file, four at a time",
            ),
            (
                "tempo check health -o json",
                "The steps of a schedule, now and here, for a script",
            ),
        ],
    ),
    (
        "step",
        &[(
            "tempo step upload --attempts 5 -- scp dump.sql.gz backup:",
            "In a script that tempo runs: done once, tried five times",
        )],
    ),
    (
        "sleep",
        &[(
            "tempo sleep 10m --name settle",
            "In a script that tempo runs: the time at which it is over survives",
        )],
    ),
    (
        "apply",
        &[
            ("tempo apply -f jobs.toml", "Make the schedules what the file says"),
            (
                "tempo apply -f /etc/tempo.d --prune",
                "Those of all files in a folder, and take off what they no longer hold",
            ),
        ],
    ),
    (
        "diff",
        &[(
            "tempo diff -f jobs.toml",
            "What `tempo apply` would change; exit 1 if anything",
        )],
    ),
    (
        "export",
        &[
            ("tempo export nightly health", "Two schedules as a definitions file"),
            ("tempo export --crontab", "All, as a crontab, as far as one can say them"),
        ],
    ),
    (
        "import crontab",
        &[
            ("tempo import crontab --dry-run my-crontab", "What each line would become"),
            (
                "tempo import crontab -",
                "From stdin, as in: crontab -l | tempo import crontab -",
            ),
            ("tempo import crontab --system /etc/cron.d", "With a column for the user"),
        ],
    ),
    ("schema", &[("tempo schema", "For an editor: > tempo.schema.json")]),
    (
        "demo",
        &[
            ("tempo demo", "See it work in its own database"),
            ("tempo demo --targets-only", "Targets for probes to play with"),
        ],
    ),
    (
        "doctor",
        &[
            ("tempo doctor", "What is wrong, and what to do"),
            ("tempo doctor --backup tempo-backup.db", "A copy, while the server goes on"),
        ],
    ),
    (
        "completions",
        &[("tempo completions bash", "For: source <(tempo completions bash)")],
    ),
    ("man", &[("tempo man man1", "All pages, into a folder")]),
    (
        "help",
        &[
            ("tempo help policies", "What becomes of a time"),
            ("tempo help schedule create", "The help of a command"),
        ],
    ),
];
