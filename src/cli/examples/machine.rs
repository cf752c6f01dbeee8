//! Examples of the commands for the server, definition files and the installation.

use super::Example;

pub(super) const ALL: &[(&str, &[Example])] = &[
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
        "temporal apply",
        &[
            (
                "tempo temporal apply -f jobs.toml --address temporal:7233 --dry-run",
                "Show the changes, and the settings that a cluster does not support",
            ),
            (
                "tempo temporal apply -f jobs.toml",
                "Apply a file to the cluster of `TEMPORAL_ADDRESS`",
            ),
        ],
    ),
    (
        "temporal diff",
        &[("tempo temporal diff -f jobs.toml", "Show how a cluster differs from a file")],
    ),
    (
        "temporal export",
        &[("tempo temporal export", "Print the schedules of a cluster")],
    ),
    (
        "temporal migrate",
        &[
            (
                "tempo temporal migrate backup --address temporal:7233",
                "Move a schedule to a cluster",
            ),
            (
                "tempo temporal migrate",
                "Move all that are not paused to the cluster of `TEMPORAL_ADDRESS`",
            ),
        ],
    ),
    (
        "temporal return",
        &[("tempo temporal return backup --address temporal:7233", "Move a schedule back")],
    ),
    (
        "temporal status",
        &[("tempo temporal status", "Show the cluster, its schedules and its workers")],
    ),
    (
        "temporal worker",
        &[(
            "tempo temporal worker --address temporal:7233 --workers 8",
            "Perform runs of the cluster, at most 8 steps at once",
        )],
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
