//! The help topics, shared by `tempo help` and the man pages.

/// A help text on a subject that concerns several commands.
pub(in crate::cli) struct Topic {
    pub(in crate::cli) name: &'static str,
    pub(in crate::cli) text: &'static str,
}

/// All help topics.
pub(in crate::cli) const TOPICS: [Topic; 4] = [
    Topic {
        name: "cron",
        text: include_str!("cron.txt"),
    },
    Topic {
        name: "policies",
        text: include_str!("policies.txt"),
    },
    Topic {
        name: "durability",
        text: include_str!("durability.txt"),
    },
    Topic {
        name: "exit-codes",
        text: include_str!("exit-codes.txt"),
    },
];

impl Topic {
    /// The first line of the text.
    pub(in crate::cli) fn title(&self) -> &'static str {
        self.text.lines().next().unwrap_or_default()
    }

    /// The text after the title.
    pub(in crate::cli) fn body(&self) -> &'static str {
        self.text.split_once("\n\n").map_or("", |(_, body)| body)
    }
}

/// The exit codes with their meanings, read from the `exit-codes` topic.
pub(in crate::cli) fn exit_codes() -> impl Iterator<Item = (u8, &'static str)> {
    let text = TOPICS.iter().find(|t| t.name == "exit-codes").map_or("", |t| t.text);
    text.lines().filter_map(|line| {
        let (code, meaning) = line.trim_start().split_once(' ')?;
        Some((code.parse().ok()?, meaning.trim_start()))
    })
}
