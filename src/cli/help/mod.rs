//! `tempo help`: help topics, shared with the man pages, and the help of commands.

pub(super) mod topics;

pub(super) use topics::{TOPICS, Topic, exit_codes};

use clap_complete::engine::ArgValueCandidates;

use super::{Context, complete};
use crate::error::{Error, Kind};
use crate::names::nearest;
use crate::output::table::terminal_width;

/// Maximum number of columns of a paragraph; longer lines are hard to read.
const MAX_WIDTH: usize = 78;

/// Show help for a topic or a command
///
/// Without a topic, lists the topics. Anything else is the name of a command: `tempo help schedule create`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// A topic or a command; without one, the topics are listed
    #[arg(value_name = "TOPIC", add = ArgValueCandidates::new(complete::topics))]
    topic: Vec<String>,
}

pub(super) fn run(context: &Context, args: &Args) -> Result<(), Error> {
    let Some(first) = args.topic.first() else {
        for topic in &TOPICS {
            context.ui.data(&format!("{:<15}{}", topic.name, topic.title()))?;
        }
        context
            .ui
            .hint("Run `tempo help TOPIC` or `tempo help COMMAND` to read more, and `tempo --help` to list the commands.");
        return Ok(());
    };
    if let Some(topic) = TOPICS.iter().find(|t| t.name == first) {
        let width = terminal_width().map_or(usize::MAX, usize::from);
        return context.ui.raw(topic.filled(width.clamp(40, MAX_WIDTH)).as_bytes());
    }
    let root = super::command();
    let mut command = &root;
    for name in &args.topic {
        command = command
            .find_subcommand(name)
            .ok_or_else(|| unknown(command, name, &args.topic.join(" ")))?;
    }
    let path = format!("tempo {}", args.topic.join(" "));
    let help = command.clone().bin_name(path).render_long_help();
    context.ui.raw(help.to_string().as_bytes())
}

/// The error for a `name` that a command does not have; `typed` is all that was asked for.
fn unknown(command: &clap::Command, name: &str, typed: &str) -> Error {
    let error = Error::new(Kind::NotFound, format_args!("no topic or command is named `{typed}`"));
    let commands = command.get_subcommands().map(clap::Command::get_name);
    match nearest(name, TOPICS.iter().map(|t| t.name).chain(commands)) {
        Some(near) => error.hint(format_args!("Did you mean `{near}`?")),
        None => error.hint("Run `tempo help` to list the topics and `tempo --help` to list the commands."),
    }
}
