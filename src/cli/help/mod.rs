//! `tempo help`: help topics, shared with the man pages, and the help of commands.

pub(super) mod topics;

pub(super) use topics::{TOPICS, Topic, exit_codes};

use clap_complete::engine::ArgValueCandidates;

use super::{Context, complete, suggest};
use crate::error::{Error, Kind};
use crate::names::nearest;
use crate::output::table::terminal_width;

/// Maximum number of columns of a paragraph; longer lines are hard to read.
const MAX_WIDTH: usize = 78;

/// What the topics are about, besides their names.
const SUBJECTS: [(&str, &str); 12] = [
    ("calendar", "cron"),
    ("calendars", "cron"),
    ("interval", "cron"),
    ("intervals", "cron"),
    ("timezone", "cron"),
    ("time-zone", "cron"),
    ("overlap", "policies"),
    ("catch-up", "policies"),
    ("catchup", "policies"),
    ("jitter", "policies"),
    ("secrets", "notifications"),
    ("api", "page"),
];

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
    let mut root = super::command();
    root.build();
    let mut command = &root;
    for (depth, name) in args.topic.iter().enumerate() {
        command = command
            .find_subcommand(name)
            .ok_or_else(|| unknown(&root, command, &args.topic, depth))?;
    }
    context.ui.raw(command.clone().render_long_help().to_string().as_bytes())
}

/// The error for the word at `depth` of those that were typed, which is not a command of the `parent` that the words before it name.
fn unknown(root: &clap::Command, parent: &clap::Command, typed: &[String], depth: usize) -> Error {
    let error = Error::new(
        Kind::NotFound,
        format_args!("no topic or command is named `{}`", typed.join(" ")),
    );
    let name = typed[depth].as_str();
    let is_first = depth == 0;
    let topics = TOPICS.iter().map(|topic| topic.name).filter(|_| is_first);
    let known = topics.chain(parent.get_subcommands().map(clap::Command::get_name));
    let meant = nearest(name, known).map(|near| vec![near.to_owned()]);
    let topic = SUBJECTS.iter().find(|(subject, _)| is_first && *subject == name);
    let topic = topic.map(|(_, topic)| vec![(*topic).to_owned()]);
    // A verb without its noun, but no other word.
    let verb = || suggest::top_level(root, name).filter(|words| is_first && words.last().is_some_and(|verb| verb == name));
    match topic.or(meant).or_else(verb) {
        Some(meant) => {
            let path = [&typed[..depth], &meant].concat().join(" ");
            error.hint(format_args!("Did you mean `tempo help {path}`?"))
        }
        None => error.hint("Run `tempo help` to list the topics and `tempo --help` to list the commands."),
    }
}
