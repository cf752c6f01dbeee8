//! Usage examples of each command, for `--help` and the man pages. A test checks that every example parses.

/// A command line and its description.
pub(super) type Example = (&'static str, &'static str);

/// Returns the examples of a command, given its path, such as `schedule create`.
pub(super) fn of(path: &str) -> &'static [Example] {
    let found = ALL.iter().find(|(name, _)| *name == path);
    found.map_or(&[], |(_, examples)| examples)
}

/// Returns the exit codes of a command, given its path, besides 0, 2 and 6, which every command has.
pub(super) fn exits(path: &str) -> &'static [u8] {
    match path {
        "schedule trigger" | "schedule backfill" => &[1, 3, 4, 5, 124],
        "workflow start" => &[1, 5],
        "workflow retry" => &[1, 3, 4, 5],
        "workflow cancel" | "workflow terminate" | "incident ack" | "incident resolve" | "doctor" | "upgrade" | "sleep" => {
            &[3, 4]
        }
        "schedule create" | "notify add" => &[4],
        "schedule edit" | "workflow result" => &[1, 3, 4],
        "run" => &[1, 4],
        "schedule next" | "notify test" => &[1, 3],
        "check" => &[1, 3, 124, 130],
        "diff" | "demo" => &[1],
        "status" => &[5],
        "step" => &[1, 4, 124],
        "import crontab" | "apply" | "schedule list" | "workflow list" | "incident list" | "notify list" | "schema"
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
                "Run a command every night, in this machine's time zone",
            ),
            (
                "tempo schedule create health --interval 2m --jitter 10s --probe 'site=http://127.0.0.1:8080/ status=2xx timeout=5s'",
                "Probe a URL every two minutes",
            ),
            (
                "tempo schedule create report --cron '0 9 * * MON-FRI' --overlap-policy buffer-one --attempts 3 --shell './report.sh | mail ops'",
                "Run a shell pipeline on weekdays, with three attempts and at most one run at a time",
            ),
        ],
    ),
    (
        "schedule update",
        &[(
            "tempo schedule update nightly --cron '0 3 * * *' --clear jitter",
            "Change the time and remove the jitter; everything else stays as it is",
        )],
    ),
    (
        "schedule edit",
        &[("tempo schedule edit nightly", "Edit the definition in your editor")],
    ),
    (
        "schedule list",
        &[
            ("tempo schedule list --paused", "List paused schedules"),
            ("tempo schedule list -o json", "List all schedules as JSON"),
        ],
    ),
    (
        "schedule describe",
        &[(
            "tempo schedule describe nightly",
            "Show its definition, recent runs and next times",
        )],
    ),
    (
        "schedule pause",
        &[
            (
                "tempo schedule pause nightly --note 'the disk is being changed'",
                "Pause a schedule and note the reason",
            ),
            ("tempo schedule pause --all", "Pause all schedules"),
        ],
    ),
    (
        "schedule unpause",
        &[(
            "tempo schedule unpause nightly",
            "Resume a schedule; it fires at its next time",
        )],
    ),
    (
        "schedule trigger",
        &[(
            "tempo schedule trigger nightly --wait --timeout 10m",
            "Run it now and wait; exit 1 if it fails",
        )],
    ),
    (
        "schedule backfill",
        &[
            (
                "tempo schedule backfill nightly --start-time '2026-05-01' --end-time '2026-05-04'",
                "Run the times that fell in three days",
            ),
            (
                "tempo schedule backfill health --last 30m --overlap-policy allow-all",
                "Run the times of the last half hour, all at once",
            ),
            (
                "tempo schedule backfill nightly --cancel",
                "Cancel the backfills; no further runs start",
            ),
        ],
    ),
    (
        "schedule delete",
        &[(
            "tempo schedule delete nightly health",
            "Delete two schedules; their past runs stay readable",
        )],
    ),
    (
        "schedule next",
        &[
            ("tempo schedule next nightly --count 3", "Show the next three times"),
            (
                "tempo schedule next --cron '0 9 * * FRI#2' --time-zone Europe/Berlin",
                "Try a cron string before using it",
            ),
        ],
    ),
    (
        "schedule explain",
        &[(
            "tempo schedule explain nightly --from -7d",
            "Show the outcome of each time in the last week, with the reason",
        )],
    ),
    (
        "schedule simulate",
        &[(
            "tempo schedule simulate --interval 1m --overlap-policy buffer-one --takes 90s --for 10m",
            "See how a policy handles runs that take longer than the interval",
        )],
    ),
    (
        "workflow list",
        &[
            (
                "tempo workflow list --status Failed --since -1d",
                "List the runs of the last day that failed",
            ),
            (
                "tempo workflow list --schedule nightly --limit 10",
                "List the last ten runs of a schedule",
            ),
        ],
    ),
    (
        "workflow start",
        &[(
            "tempo workflow start --workflow-id import --wait -- /srv/import.sh",
            "Start one durable run without a schedule, and wait for it",
        )],
    ),
    (
        "workflow describe",
        &[(
            "tempo workflow describe 7d5a60",
            "Show the steps, attempts, errors and output of a run",
        )],
    ),
    (
        "workflow result",
        &[(
            "tempo workflow result nightly-2026-05-05T00:30:00Z",
            "Show the result of each step",
        )],
    ),
    (
        "workflow retry",
        &[(
            "tempo workflow retry 7d5a60 --wait",
            "Resume a run at the step that failed, and wait for it",
        )],
    ),
    (
        "workflow cancel",
        &[(
            "tempo workflow cancel 7d5a60 --reason 'the wrong day'",
            "Cancel a run: SIGTERM, then SIGKILL after 5 s",
        )],
    ),
    (
        "workflow terminate",
        &[("tempo workflow terminate 7d5a60", "Kill a run with SIGKILL")],
    ),
    (
        "workflow output",
        &[
            ("tempo workflow output 7d5a60 command", "Print the output of a step"),
            (
                "tempo workflow output -f 7d5a60",
                "Print output as it is recorded, until the run has closed",
            ),
        ],
    ),
    (
        "incident list",
        &[("tempo incident list --open", "List the incidents that are not resolved")],
    ),
    (
        "incident describe",
        &[("tempo incident describe 1", "Show each failure in an incident")],
    ),
    (
        "incident ack",
        &[(
            "tempo incident ack 1 --note 'a new certificate is ordered'",
            "Acknowledge an incident",
        )],
    ),
    (
        "beat",
        &[
            ("tempo beat backup", "Report that a job of another scheduler has succeeded"),
            (
                "tempo beat backup -- /srv/backup.sh",
                "Run a job and report how it ended, in a crontab for example",
            ),
        ],
    ),
    (
        "notify add",
        &[
            (
                "tempo notify add chat --webhook env:SLACK_URL --template slack",
                "Notify a Slack channel of every incident",
            ),
            (
                "tempo notify add ops --email ops@example.org --schedule 'db-*' --quiet-hours 22:00-07:00 --tz Europe/Berlin",
                "Mail about some schedules, through this machine's sendmail, and not at night",
            ),
            (
                "tempo notify add log -- /usr/local/bin/on-event",
                "Run a command for every message",
            ),
        ],
    ),
    (
        "notify list",
        &[
            (
                "tempo notify list",
                "List the receivers and the number of messages that each waits for",
            ),
            ("tempo notify list --failed", "List the messages that failed"),
        ],
    ),
    (
        "notify test",
        &[("tempo notify test chat", "Check that a receiver can be reached")],
    ),
    (
        "notify retry",
        &[("tempo notify retry chat", "Retry the messages that failed")],
    ),
    ("notify remove", &[("tempo notify remove chat", "Remove a receiver")]),
    ("incident resolve", &[("tempo incident resolve 1", "Resolve an incident")]),
    (
        "run",
        &[
            ("tempo run", "Serve until SIGTERM or Ctrl-C"),
            (
                "tempo run --once",
                "Run everything that is due, then exit; for an external timer such as systemd's",
            ),
            (
                "tempo run --log-format json --keep-for 90d",
                "Log as JSON, and keep 90 days of history",
            ),
            (
                "tempo run -f /etc/tempo/jobs --prune",
                "Keep the schedules as the files of a directory define them",
            ),
        ],
    ),
    (
        "status",
        &[
            ("tempo status --watch", "Show the status, refreshed every second"),
            ("tempo status --check", "Check that the server of a container is running"),
        ],
    ),
    (
        "log",
        &[
            ("tempo log --since 'yesterday 18:00'", "Show what happened last night"),
            (
                "tempo log nightly --failed --since mon",
                "Show the failures of a schedule since Monday",
            ),
            ("tempo log --follow", "Show new events as they happen"),
        ],
    ),
    (
        "open",
        &[
            ("tempo open", "Open the page of the running server"),
            (
                "tempo open --print",
                "Print an address that signs in once, for a browser elsewhere",
            ),
        ],
    ),
    (
        "service install",
        &[
            ("tempo service install", "Keep `tempo run` running, now and after a reboot"),
            (
                "tempo service install --system --print -- --workers 8",
                "Show the unit for the machine, with an option of `tempo run`",
            ),
        ],
    ),
    (
        "service uninstall",
        &[("tempo service uninstall", "Stop the service and remove it")],
    ),
    (
        "service status",
        &[("tempo service status", "Show whether the service is running")],
    ),
    (
        "check",
        &[
            (
                "tempo check --probe 'site=http://127.0.0.1:8080/ status=2xx' --deadline 30s",
                "Probe a URL, with retries; exit 1 if it fails",
            ),
            (
                "tempo check -f jobs.toml --parallel 4 --junit report.xml",
                "Run the steps of all schedules in a file, four at a time",
            ),
            (
                "tempo check health -o json",
                "Run the steps of a schedule now, and print the result as JSON",
            ),
        ],
    ),
    (
        "step",
        &[(
            "tempo step upload --attempts 5 -- scp dump.sql.gz backup:",
            "In a script that tempo runs: upload, with up to five attempts, and not again after a success",
        )],
    ),
    (
        "sleep",
        &[(
            "tempo sleep 10m --name settle",
            "In a script that tempo runs: wait 10 minutes, even across restarts",
        )],
    ),
    (
        "apply",
        &[
            (
                "tempo apply -f jobs.toml",
                "Create and update the schedules defined in a file",
            ),
            (
                "tempo apply -f /etc/tempo.d --prune",
                "Apply all files in a directory, and delete schedules that they no longer define",
            ),
        ],
    ),
    (
        "diff",
        &[(
            "tempo diff -f jobs.toml",
            "Show what `tempo apply` would change; exit 1 if there are changes",
        )],
    ),
    (
        "export",
        &[
            ("tempo export nightly health", "Print two schedules as a definition file"),
            (
                "tempo export --crontab",
                "Print all schedules as a crontab, as far as crontab syntax allows",
            ),
        ],
    ),
    (
        "import crontab",
        &[
            (
                "tempo import crontab --dry-run my-crontab",
                "Show the schedule that each line would become",
            ),
            ("tempo import crontab -", "Import from stdin; pipe `crontab -l` into it"),
            (
                "tempo import crontab --system /etc/cron.d",
                "Import system crontabs, which have a user column",
            ),
        ],
    ),
    (
        "schema",
        &[(
            "tempo schema",
            "Print the schema; for an editor, redirect it to tempo.schema.json",
        )],
    ),
    (
        "demo",
        &[
            ("tempo demo", "Run the demo, in a database of its own"),
            ("tempo demo --targets-only", "Serve targets to try probes on"),
        ],
    ),
    (
        "upgrade",
        &[(
            "tempo upgrade --check-db",
            "Try the migration of the database, before this version is used",
        )],
    ),
    (
        "doctor",
        &[
            ("tempo doctor", "Check the installation and the database"),
            (
                "tempo doctor --backup tempo-backup.db",
                "Back up the database while the server runs",
            ),
            (
                "tempo doctor --restore tempo-backup.db",
                "Restore a backup while no server runs",
            ),
        ],
    ),
    (
        "completions",
        &[("tempo completions bash", "Print the bash script, to be loaded in `~/.bashrc`")],
    ),
    ("man", &[("tempo man man1", "Write all pages to a directory")]),
    (
        "help",
        &[
            ("tempo help policies", "Explain what happens to each scheduled time"),
            ("tempo help schedule create", "Show the help of a command"),
        ],
    ),
];
