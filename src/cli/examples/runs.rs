//! Examples of the commands for runs, incidents and notifications.

use super::Example;

pub(super) const ALL: &[(&str, &[Example])] = &[
    (
        "workflow list",
        &[
            (
                "tempo workflow list --failed --since -1d",
                "List the runs of the last day that failed",
            ),
            (
                "tempo workflow list nightly --limit 10",
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
                "List the receivers, with the number of messages pending for each",
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
];
