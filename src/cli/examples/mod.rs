//! Usage examples of each command, for `--help` and the man pages. A test checks that every example parses.

mod machine;
mod runs;
mod schedules;

/// A command line and its description.
pub(super) type Example = (&'static str, &'static str);

/// Returns the examples of a command, given its path, such as `schedule create`.
pub(super) fn of(path: &str) -> &'static [Example] {
    let found = all().find(|(name, _)| *name == path);
    found.map_or(&[], |(_, examples)| examples)
}

/// The examples of all commands, each with its path.
fn all() -> impl Iterator<Item = &'static (&'static str, &'static [Example])> {
    schedules::ALL.iter().chain(runs::ALL).chain(machine::ALL)
}
