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

/// A command line in lines of at most `width` columns, where words permit: each but the last ends in a backslash, as in a shell script.
pub(super) fn continued(line: &str, width: usize) -> String {
    let (mut lines, mut start, mut end) = (Vec::new(), 0, 0);
    let mut is_quoted = false;
    let spaces = line.char_indices().filter(|(_, c)| {
        is_quoted ^= *c == '\'';
        *c == ' ' && !is_quoted
    });
    let ends: Vec<usize> = spaces.map(|(at, _)| at).chain([line.len()]).collect();
    for next in ends {
        // The backslash takes two columns, the indentation of further lines two as well.
        if next - start > width - 4 && end > start {
            lines.push(&line[start..end]);
            start = end + 1;
        }
        end = next;
    }
    lines.push(&line[start..]);
    lines.join(" \\\n      ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_examples_continue_on_lines_that_a_shell_joins() {
        assert_eq!(continued("tempo status", 72), "tempo status");
        let line = "tempo schedule create n --cron '30 2 * * *' --time-zone local -- /srv/backup.sh";
        let shown = "tempo schedule create n --cron '30 2 * * *' --time-zone local -- \\\n      /srv/backup.sh";
        assert_eq!(continued(line, 72), shown);
        for (line, _) in all().flat_map(|(_, examples)| *examples) {
            let shown = continued(line, 72);
            assert!(shown.lines().all(|line| line.len() <= 76), "{shown}");
            assert_eq!(shown.replace("\\\n      ", ""), *line);
        }
    }
}
