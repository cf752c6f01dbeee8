//! Corrections of a command line that does not parse: a verb without its noun, a typo, a time without its option, a command without `--`.

use clap::error::{ContextKind, ErrorKind};

use crate::files::shell_words::quoted;
use crate::names::nearest;
use crate::spec::interval::Interval;
use crate::spec::{cron, when};

/// Maximum number of mistakes that are corrected in one command line.
const MAX_CORRECTIONS: usize = 4;

/// The option that accepts a text as a time.
fn time_option(text: &str) -> Option<&'static str> {
    if Interval::parse(text).is_ok() {
        return Some("--interval");
    }
    if cron::parse(text).is_ok() {
        return Some("--cron");
    }
    (text.contains(' ') && when::parse(text).is_ok()).then_some("--when")
}

/// The corrected command line, if one is found that parses. `arguments` are those after the program's name.
pub(super) fn corrected(root: &clap::Command, arguments: &[String], error: &clap::Error) -> Option<String> {
    let typed = arguments;
    let mut arguments = typed.to_vec();
    correct(root, &mut arguments, error)?;
    let mut corrections = 1;
    loop {
        let line = std::iter::once("tempo").chain(arguments.iter().map(String::as_str));
        match root.clone().try_get_matches_from(line) {
            Ok(_) => break,
            // The usage of the right command says what is still missing.
            Err(e) if is_incomplete(e.kind()) => break,
            Err(_) if corrections == MAX_CORRECTIONS => return None,
            Err(e) => correct(root, &mut arguments, &e)?,
        }
        corrections += 1;
    }
    if arguments == typed {
        return None;
    }
    let words: Vec<String> = arguments.iter().map(|word| quoted(word)).collect();
    Some(format!("tempo {}", words.join(" ")))
}

fn is_incomplete(kind: ErrorKind) -> bool {
    matches!(
        kind,
        ErrorKind::MissingRequiredArgument
            | ErrorKind::MissingSubcommand
            | ErrorKind::DisplayHelp
            | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand
    )
}

/// Corrects the mistake that an error reports; `None` if there is no correction.
#[expect(clippy::wildcard_enum_match_arm, reason = "clap's enum: other errors have no correction")]
fn correct(root: &clap::Command, arguments: &mut Vec<String>, error: &clap::Error) -> Option<()> {
    let context = |kind| error.get(kind).map(ToString::to_string);
    let (path, rest) = command_path(root, arguments);
    match error.kind() {
        ErrorKind::InvalidSubcommand => {
            let typed = context(ContextKind::InvalidSubcommand)?;
            let at = rest + arguments[rest..].iter().position(|word| *word == typed)?;
            let replacement = if path.is_empty() {
                top_level(root, &typed)?
            } else {
                let parent = path.iter().try_fold(root, |command, name| command.find_subcommand(name))?;
                vec![nearest(&typed, names(parent))?.to_owned()]
            };
            arguments.splice(at..=at, replacement);
            Some(())
        }
        ErrorKind::UnknownArgument => {
            let typed = context(ContextKind::InvalidArg)?;
            let is_typed =
                |word: &String| *word == typed || word.strip_prefix(&typed).is_some_and(|value| value.starts_with('='));
            let at = rest + arguments[rest..].iter().position(is_typed)?;
            if path == ["run"] && !typed.starts_with('-') {
                arguments.splice(rest - 1..rest, ["schedule".to_owned(), "trigger".to_owned()]);
                return Some(());
            }
            if typed.starts_with('-') {
                let option = nearest_option(root, &path, &arguments[at])?;
                arguments[at] = option;
                return Some(());
            }
            let command = path.iter().try_fold(root, |command, name| command.find_subcommand(name))?;
            let takes = |long: &str| command.get_arguments().any(|a| a.get_long() == long.strip_prefix("--"));
            if let Some(option) = time_option(&typed).filter(|option| takes(option)) {
                arguments.insert(at, option.to_owned());
                return Some(());
            }
            let takes_command = command.get_positionals().any(|a| a.is_last_set());
            if takes_command && !arguments.iter().any(|word| word == "--") {
                arguments.insert(at, "--".to_owned());
                return Some(());
            }
            None
        }
        _ => None,
    }
}

/// The subcommands at the beginning of the command line, and the index of the first word after them.
fn command_path(root: &clap::Command, arguments: &[String]) -> (Vec<String>, usize) {
    let (mut command, mut path, mut end) = (root, Vec::new(), 0);
    for (index, word) in arguments.iter().enumerate() {
        match command.find_subcommand(word) {
            Some(sub) => {
                path.push(sub.get_name().to_owned());
                (command, end) = (sub, index + 1);
            }
            // A global option before the subcommand; its value may be another word.
            None if path.len() < 2 && command.has_subcommands() && (word.starts_with('-') || index > 0) => {}
            None => break,
        }
        if !command.has_subcommands() {
            break;
        }
    }
    (path, end)
}

/// Names and aliases of the subcommands.
fn names(command: &clap::Command) -> impl Iterator<Item = &str> {
    command
        .get_subcommands()
        .flat_map(|sub| std::iter::once(sub.get_name()).chain(sub.get_all_aliases()))
}

/// What a word stands for where a command is expected: a verb of a noun, or the closest command or verb.
fn top_level(root: &clap::Command, typed: &str) -> Option<Vec<String>> {
    // A command without subcommands adds nothing.
    let nouns = root.get_subcommands();
    let all: Vec<(&str, &str)> = nouns
        .flat_map(|noun| names(noun).map(|verb| (noun.get_name(), verb)))
        .collect();
    let with_noun = |verb: &str| {
        let (noun, verb) = all.iter().find(|(_, known)| *known == verb)?;
        Some(vec![(*noun).to_owned(), (*verb).to_owned()])
    };
    with_noun(typed)
        .or_else(|| nearest(typed, names(root)).map(|name| vec![name.to_owned()]))
        .or_else(|| with_noun(nearest(typed, all.iter().map(|(_, verb)| *verb))?))
}

/// The option of a command closest to a misspelled one, with the value that was attached to it.
fn nearest_option(root: &clap::Command, path: &[String], typed: &str) -> Option<String> {
    let command = path.iter().try_fold(root, |command, name| command.find_subcommand(name))?;
    let (name, value) = typed
        .split_once('=')
        .map_or((typed, None), |(name, value)| (name, Some(value)));
    let all = command.get_arguments().chain(root.get_arguments());
    let longs: Vec<String> = all
        .flat_map(|a| a.get_long_and_visible_aliases().unwrap_or_default())
        .map(|long| format!("--{long}"))
        .collect();
    let found = nearest(name, longs.iter().map(String::as_str))?;
    Some(value.map_or_else(|| found.to_owned(), |value| format!("{found}={value}")))
}
