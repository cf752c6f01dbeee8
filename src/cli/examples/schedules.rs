//! Examples of the commands for schedules.

use super::Example;

pub(super) const ALL: &[(&str, &[Example])] = &[
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
];
