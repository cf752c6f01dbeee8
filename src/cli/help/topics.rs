//! The help topics, shared by `tempo help` and the man pages.

/// A help text on a subject that concerns several commands.
pub(in crate::cli) struct Topic {
    pub(in crate::cli) name: &'static str,
    pub(in crate::cli) text: &'static str,
}

/// All help topics.
pub(in crate::cli) const TOPICS: [Topic; 7] = [
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
        name: "notifications",
        text: include_str!("notifications.txt"),
    },
    Topic {
        name: "page",
        text: include_str!("page.txt"),
    },
    Topic {
        name: "cluster",
        text: include_str!("cluster.txt"),
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

    /// The text with its paragraphs filled to `width` columns; headings and indented lines stay as they are.
    pub(in crate::cli) fn filled(&self, width: usize) -> String {
        let is_prose = |line: &str| !line.is_empty() && !line.starts_with([' ', '#']);
        let lines: Vec<&str> = self.text.lines().collect();
        let mut filled = String::new();
        for block in lines.chunk_by(|a, b| is_prose(a) && is_prose(b)) {
            if !is_prose(block[0]) {
                filled += block[0];
                filled.push('\n');
                continue;
            }
            let mut column = 0;
            for word in block.iter().flat_map(|line| line.split(' ')) {
                let length = word.chars().count();
                if column > 0 && column + 1 + length > width {
                    filled.push('\n');
                    column = 0;
                } else if column > 0 {
                    filled.push(' ');
                    column += 1;
                }
                filled += word;
                column += length;
            }
            filled.push('\n');
        }
        filled
    }

    /// The text after the title.
    pub(in crate::cli) fn body(&self) -> &'static str {
        self.text.split_once("\n\n").map_or("", |(_, body)| body)
    }
}

/// The exit codes with their meanings, read from the `exit-codes` topic.
pub(in crate::cli) fn exit_codes() -> Vec<(u8, String)> {
    let text = TOPICS.iter().find(|t| t.name == "exit-codes").map_or("", |t| t.text);
    let mut codes: Vec<(u8, String)> = Vec::new();
    for line in text
        .lines()
        .skip(1)
        .take_while(|line| line.is_empty() || line.starts_with(' '))
    {
        let code = line
            .trim_start()
            .split_once(' ')
            .and_then(|(code, meaning)| Some((code.parse().ok()?, meaning)));
        match (code, codes.last_mut()) {
            (Some((code, meaning)), _) => codes.push((code, meaning.trim_start().to_owned())),
            // A meaning continues on the next line.
            (None, Some((_, meaning))) if !line.is_empty() => *meaning = format!("{meaning} {}", line.trim_start()),
            (None, _) => {}
        }
    }
    codes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paragraphs_are_filled_to_the_width_and_nothing_else_changes() {
        for topic in &TOPICS {
            let words = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
            for width in [40, 78] {
                let filled = topic.filled(width);
                assert_eq!(words(&filled), words(topic.text), "{}", topic.name);
                let too_long = filled
                    .lines()
                    .find(|line| !line.starts_with([' ', '#']) && line.chars().count() > width && line.contains(' '));
                assert_eq!(too_long, None, "{} at {width}", topic.name);
                let indented = |text: &str| {
                    text.lines()
                        .filter(|line| line.starts_with(' '))
                        .map(str::to_owned)
                        .collect::<Vec<_>>()
                };
                assert_eq!(indented(&filled), indented(topic.text), "{}", topic.name);
            }
        }
    }

    #[test]
    fn every_exit_code_has_its_whole_meaning() {
        let codes = exit_codes();
        assert_eq!(
            codes.iter().map(|(code, _)| *code).collect::<Vec<_>>(),
            [0, 1, 2, 3, 4, 5, 6, 124, 130]
        );
        assert!(codes[4].1.ends_with("skipped by policy with --wait"), "{codes:?}");
    }
}
