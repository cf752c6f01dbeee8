//! The exit codes of each command, for the man pages.

/// Returns the exit codes of a command, given its path, besides 0, 2 and 6, which every command has.
pub(super) fn of(path: &str) -> &'static [u8] {
    match path {
        "schedule trigger" | "schedule backfill" | "workflow retry" => &[1, 3, 4, 5, 124],
        "workflow start" => &[1, 5, 124],
        "workflow cancel" | "workflow terminate" | "incident ack" | "incident resolve" | "doctor" | "upgrade" | "sleep" => {
            &[3, 4]
        }
        "schedule create" => &[3, 4],
        "notify add" | "service install" => &[4],
        "open" => &[4, 5],
        "schedule edit" | "workflow result" => &[1, 3, 4],
        "run" => &[1, 4],
        "schedule next" | "notify test" | "diff" => &[1, 3],
        "check" => &[1, 3, 124, 130],
        "demo" => &[1],
        "status" => &[5],
        "step" => &[1, 4, 124],
        "import crontab" | "schedule list" | "workflow list" | "incident list" | "notify list" | "service status" | "schema"
        | "completions" | "man" => &[],
        _ => &[3],
    }
}
