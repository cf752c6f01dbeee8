//! Corrections of a command line that does not parse: a verb without its noun, a typo, a time without its option, a command without `--`.

mod times;

use std::path::Path;

use clap::error::{ContextKind, ErrorKind};

use self::times::{has_valid_time, time_option, unquoted_time};
use crate::files::shell_words::quoted;
use crate::names::nearest;
use crate::spec::interval::Interval;

/// Maximum number of mistakes that are corrected in one command line.
const MAX_CORRECTIONS: usize = 4;

/// Commands that other programs or habits call by another name.
const COMMANDS: [(&str, &[&str]); 19] = [
    ("runs", &["workflow"]),
    ("workflows", &["workflow"]),
    ("jobs", &["schedule"]),
    ("job", &["schedule"]),
    ("schedules", &["schedule"]),
    ("incidents", &["incident"]),
    ("serve", &["run"]),
    ("server", &["run"]),
    ("daemon", &["run"]),
    ("worker", &["run"]),
    ("logs", &["log"]),
    ("history", &["log"]),
    ("events", &["log"]),
    ("add", &["schedule", "create"]),
    ("new", &["schedule", "create"]),
    ("retry", &["workflow", "retry"]),
    ("disable", &["schedule", "pause"]),
    ("enable", &["schedule", "unpause"]),
    ("version", &["--version"]),
];
/// Verbs that other programs call by another name.
const VERBS: [(&str, &str); 14] = [
    ("add", "create"),
    ("new", "create"),
    ("run", "trigger"),
    ("disable", "pause"),
    ("enable", "unpause"),
    ("start", "install"),
    ("stop", "cancel"),
    ("stop", "pause"),
    ("kill", "terminate"),
    ("logs", "output"),
    ("log", "output"),
    ("rerun", "retry"),
    ("close", "resolve"),
    ("acknowledge", "ack"),
];
/// Words close to a command that does something else.
const NO_COMMANDS: [&str; 4] = ["stop", "restart", "start", "kill"];
/// Options that other programs call by another name.
const OPTIONS: [(&str, &str); 11] = [
    ("--retries", "--attempts"),
    ("--max-attempts", "--attempts"),
    ("--timezone", "--time-zone"),
    ("--timeout", "--start-to-close-timeout"),
    ("--workdir", "--cwd"),
    ("--colour", "--color"),
    ("--json", "--output=json"),
    ("--port", "--web"),
    ("--state", "--status"),
    ("--tail", "--limit"),
    ("--lines", "--limit"),
];
/// Maximum number of edits between a mistyped option and the one that is meant.
const MAX_EDITS: usize = 2;

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
            | ErrorKind::DisplayVersion
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
                let all: Vec<&str> = names(parent).collect();
                match all.as_slice() {
                    [only] if only.starts_with(&typed) => vec![(*only).to_owned()],
                    // The only subcommand was left out.
                    [only] if strsim::damerau_levenshtein(only, &typed) > MAX_EDITS => vec![(*only).to_owned(), typed],
                    _ => {
                        let synonym = VERBS.iter().find(|(other, verb)| *other == typed && all.contains(verb));
                        let meant = synonym.map_or_else(|| nearest(&typed, all.iter().copied()), |(_, verb)| Some(*verb));
                        vec![meant?.to_owned()]
                    }
                }
            };
            let is_last = at + 1 == arguments.len();
            let lists = |name: &String| root.find_subcommand(name)?.find_subcommand("list").map(|_| "list".to_owned());
            // `tempo jobs` lists them.
            let list = replacement
                .first()
                .and_then(lists)
                .filter(|_| is_last && path.is_empty() && replacement.len() == 1);
            arguments.splice(at..=at, replacement.into_iter().chain(list));
            Some(())
        }
        // A time in the place of an id.
        ErrorKind::ValueValidation => {
            let typed = context(ContextKind::InvalidValue)?;
            let is_positional = context(ContextKind::InvalidArg).is_some_and(|name| !name.starts_with('-'));
            let command = path.iter().try_fold(root, |command, name| command.find_subcommand(name))?;
            let option = time_option(&typed).filter(|option| is_positional && takes(command, option))?;
            let at = rest + arguments[rest..].iter().position(|word| *word == typed)?;
            arguments.insert(at, option.to_owned());
            Some(())
        }
        ErrorKind::UnknownArgument => {
            let typed = context(ContextKind::InvalidArg)?;
            let is_typed =
                |word: &String| *word == typed || word.strip_prefix(&typed).is_some_and(|value| value.starts_with('='));
            // The id of a schedule may be the same word.
            let own = arguments
                .iter()
                .position(|word| word == "--")
                .unwrap_or(arguments.len())
                .max(rest);
            let found = arguments[rest..own].iter().rposition(is_typed);
            let at = rest + found.or_else(|| arguments[rest..].iter().position(is_typed))?;
            if path == ["run"] && is_file(&typed) {
                arguments.insert(at, "-f".to_owned());
                return Some(());
            }
            if path == ["run"] && !typed.starts_with('-') {
                let is_command = arguments.get(rest).is_some_and(|word| word == "--");
                let meant = if is_command {
                    ["workflow", "start"]
                } else {
                    ["schedule", "trigger"]
                };
                arguments.splice(rest - 1..rest, meant.map(str::to_owned));
                return Some(());
            }
            // Words after `--` are another program's.
            if at >= own {
                return None;
            }
            if arguments[at] == "--command" && takes_command(root, &path) && own == arguments.len() {
                let mut words: Vec<String> = arguments.drain(at..(at + 2).min(own)).skip(1).collect();
                // A line of several words is one for a shell.
                if words.iter().any(|line| line.contains(' ')) {
                    words.splice(..0, ["sh".to_owned(), "-c".to_owned()]);
                }
                arguments.extend(std::iter::once("--".to_owned()).chain(words));
                return Some(());
            }
            if path == ["service", "install"] && takes(root.find_subcommand("run")?, &typed) {
                arguments.insert(at, "--".to_owned());
                return Some(());
            }
            if typed.starts_with('-') {
                let option = nearest_option(root, &path, &arguments[at])?;
                arguments[at] = option;
                return Some(());
            }
            correct_word(root, &path, arguments, (rest, at, own))
        }
        _ => None,
    }
}

/// Corrects an unexpected word: a time without its option or quotes, a file without `-f`, a command without `--`. `rest` is the index of the first word
/// after the subcommands, `at` that of the word, and `own` that of the first word that belongs to another program.
fn correct_word(
    root: &clap::Command,
    path: &[String],
    arguments: &mut Vec<String>,
    (rest, at, own): (usize, usize, usize),
) -> Option<()> {
    let typed = arguments[at].clone();
    let command = path.iter().try_fold(root, |command, name| command.find_subcommand(name))?;
    let has = |option: &str| arguments.iter().any(|word| word == option);
    if let Some((words, option, value)) = unquoted_time(&arguments[..own], at).filter(|(_, option, _)| takes(command, option)) {
        arguments.splice(words, [option.to_owned(), value]);
        return Some(());
    }
    if takes(command, "--file") && takes(command, "--prune") && !path.is_empty() {
        arguments.insert(at, "-f".to_owned());
        return Some(());
    }
    if takes(command, "--takes") && !has("--takes") && Interval::parse(&typed).is_ok() {
        arguments.insert(at, "--takes".to_owned());
        return Some(());
    }
    if let Some(option) = time_option(&typed).filter(|option| takes(command, option)) {
        arguments.insert(at, option.to_owned());
        return Some(());
    }
    if takes(command, "--webhook") && (typed.contains("://") || typed.contains('@')) {
        let option = if typed.contains("://") { "--webhook" } else { "--email" };
        arguments.insert(at, option.to_owned());
        return Some(());
    }
    if takes_command(root, path) && !has("--") && (!takes(command, "--if-not-exists") || has_valid_time(&arguments[..own])) {
        // Without a required id, the first word belongs to the command as well.
        let has_id = command.get_positionals().any(clap::Arg::is_required_set);
        let first = rest + arguments[rest..].iter().position(|word| !word.starts_with('-'))?;
        arguments.insert(if has_id { at } else { first }, "--".to_owned());
        return Some(());
    }
    None
}

/// Whether a word names definition files.
fn is_file(word: &str) -> bool {
    let path = Path::new(word);
    path.is_dir()
        || path
            .extension()
            .is_some_and(|extension| extension == "toml" || extension == "json")
}

/// Whether a command takes a command after `--`.
fn takes_command(root: &clap::Command, path: &[String]) -> bool {
    let command = path.iter().try_fold(root, |command, name| command.find_subcommand(name));
    command.is_some_and(|command| command.get_positionals().any(|a| a.is_last_set()))
}

/// Whether a command has a long option.
fn takes(command: &clap::Command, option: &str) -> bool {
    command.get_arguments().any(|a| a.get_long() == option.strip_prefix("--"))
}

/// The subcommands at the beginning of the command line, and the index of the first word after them.
pub(super) fn command_path(root: &clap::Command, arguments: &[String]) -> (Vec<String>, usize) {
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
pub(super) fn top_level(root: &clap::Command, typed: &str) -> Option<Vec<String>> {
    if NO_COMMANDS.contains(&typed) {
        return None;
    }
    if let Some((_, meant)) = COMMANDS.iter().find(|(other, _)| *other == typed) {
        return Some(meant.iter().map(|word| (*word).to_owned()).collect());
    }
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
    // A short name with two letters replaced is another word.
    let max_edits = MAX_EDITS.min(name.trim_start_matches('-').len() / 3);
    let edits = |long: &&String| strsim::damerau_levenshtein(long, name);
    let by_synonym = OPTIONS
        .iter()
        .find(|(other, _)| *other == name)
        .map(|(_, meant)| (*meant).to_owned());
    let is_known = |meant: &String| longs.iter().any(|long| meant.split('=').next() == Some(long));
    let found = by_synonym.filter(is_known).or_else(|| {
        longs
            .iter()
            .filter(|long| edits(long) <= max_edits)
            .min_by_key(edits)
            .cloned()
    })?;
    Some(value.map_or_else(|| found.clone(), |value| format!("{found}={value}")))
}
