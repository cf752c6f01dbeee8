//! `tempo help`: topics, as texts that the man pages share; and the help of commands.

use clap_complete::engine::ArgValueCandidates;

use super::{Context, complete};
use crate::error::{Error, Kind};
use crate::names::nearest;

/// A text on something that is more than one command.
pub(super) struct Topic {
    pub(super) name: &'static str,
    pub(super) text: &'static str,
}

/// All there are.
pub(super) const TOPICS: [Topic; 4] = [
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
    /// What it is about: its first line.
    pub(super) fn title(&self) -> &'static str {
        self.text.lines().next().unwrap_or_default()
    }

    /// What it says.
    pub(super) fn body(&self) -> &'static str {
        self.text.split_once("\n\n").map_or("", |(_, body)| body)
    }
}

/// The exit codes and what they mean, from the text on them.
pub(super) fn exit_codes() -> impl Iterator<Item = (u8, &'static str)> {
    let text = TOPICS.iter().find(|t| t.name == "exit-codes").map_or("", |t| t.text);
    text.lines().filter_map(|line| {
        let (code, meaning) = line.trim_start().split_once(' ')?;
        Some((code.parse().ok()?, meaning.trim_start()))
    })
}

/// Explain a topic, or a command
///
/// Topics are cron, policies, durability and exit-codes; anything else is the name of a command: `tempo help schedule create`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// A topic, or a command; all topics when not given
    #[arg(value_name = "TOPIC", add = ArgValueCandidates::new(complete::topics))]
    topic: Vec<String>,
}

pub(super) fn run(context: &Context, args: &Args) -> Result<(), Error> {
    let Some(first) = args.topic.first() else {
        for topic in &TOPICS {
            context.ui.data(&format!("{:<12}{}", topic.name, topic.title()))?;
        }
        context
            .ui
            .hint("`tempo help TOPIC` explains one, `tempo help COMMAND` a command, `tempo --help` lists the commands.");
        return Ok(());
    };
    if let Some(topic) = TOPICS.iter().find(|t| t.name == first) {
        return context.ui.raw(topic.text.as_bytes());
    }
    let root = super::command();
    let mut command = &root;
    for name in &args.topic {
        command = command.find_subcommand(name).ok_or_else(|| unknown(command, name))?;
    }
    let path = format!("tempo {}", args.topic.join(" "));
    let help = command.clone().bin_name(path).render_long_help();
    context.ui.raw(help.to_string().as_bytes())
}

fn unknown(command: &clap::Command, name: &str) -> Error {
    let error = Error::new(Kind::NotFound, format_args!("no topic or command is named `{name}`"));
    let commands = command.get_subcommands().map(clap::Command::get_name);
    match nearest(name, TOPICS.iter().map(|t| t.name).chain(commands)) {
        Some(near) => error.hint(format_args!("Did you mean `{near}`?")),
        None => error.hint("`tempo help` lists the topics, `tempo --help` the commands."),
    }
}
