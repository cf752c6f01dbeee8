//! Errors of the command line, in the form of all other errors.

use clap::error::{ContextKind, ContextValue, ErrorKind};

use super::help::TOPICS;
use super::suggest;
use crate::error::{Error, Kind, alternatives, one_line};

/// Words in the place of a command, with what to do instead.
const ADVICE: [(&[&str], &str); 7] = [
    (&["start"], START),
    (&["stop"], STOP),
    (&["kill"], STOP),
    (
        &["restart"],
        "Stop the server with Ctrl-C, or with SIGTERM to the pid that `tempo status` shows, then run `tempo run`.",
    ),
    (
        &["service", "start"],
        "Run `systemctl start tempo.service`, or `systemctl --user start tempo.service` for a user's service.",
    ),
    (
        &["service", "stop"],
        "Run `systemctl stop tempo.service`, or `systemctl --user stop tempo.service` for a user's service.",
    ),
    (
        &["service", "restart"],
        "Run `systemctl restart tempo.service`, or `systemctl --user restart tempo.service` for a user's service.",
    ),
];
const START: &str = "Run `tempo run` to start the server, or `tempo schedule trigger ID` to start a run.";
const STOP: &str = "Press Ctrl-C in the terminal of `tempo run`, or send SIGTERM to the pid that `tempo status` shows.";

/// The error for arguments that do not parse; `words` are those after the program's name.
pub(super) fn error(root: &clap::Command, words: &[String], e: &clap::Error) -> Error {
    let (path, _) = suggest::command_path(root, words);
    let message = message_of(words, &path, e)
        .replace("`[COMMAND]...`", "a command after `--`")
        .replace("`[ID]...`", "`<ID>`")
        .replace("`[SCHEDULE]`", "the argument `SCHEDULE`");
    let error = Error::new(Kind::Usage, one_line(&message));
    let unknown = context_values(e, ContextKind::InvalidSubcommand).concat();
    if let Some(topic) = TOPICS.iter().find(|topic| path.is_empty() && topic.name == unknown) {
        return error.hint(format_args!("Did you mean `tempo help {}`?", topic.name));
    }
    if unknown == "help" {
        return error.hint(format_args!("Did you mean `tempo help {}`?", path.join(" ")));
    }
    if let Some((_, advice)) = ADVICE
        .iter()
        .find(|(typed, _)| typed.iter().eq(path.iter().chain([&unknown])))
    {
        return error.hint(advice);
    }
    if let Some(line) = suggest::corrected(root, words, e) {
        return error.hint(format_args!("Did you mean `{line}`?"));
    }
    if let Some(own) = own_error(e) {
        return own.hints().iter().fold(error, Error::hint);
    }
    if let Some(near) = context_values(e, ContextKind::SuggestedValue).first() {
        return error.hint(format_args!("Did you mean `{near}`?"));
    }
    let command = ["tempo".to_owned()].into_iter().chain(path).collect::<Vec<_>>().join(" ");
    error.hint(if e.kind() == ErrorKind::InvalidSubcommand {
        format!("Run `{command} --help` to list the commands.")
    } else {
        format!("Run `{command} --help` to see its usage.")
    })
}

/// The message of an error, on one line.
fn message_of(words: &[String], path: &[String], e: &clap::Error) -> String {
    let argument = context_values(e, ContextKind::InvalidArg);
    let value = context_values(e, ContextKind::InvalidValue).concat();
    let message = match (e.kind(), argument.first().map(|name| option_name(name))) {
        (ErrorKind::InvalidSubcommand, _) => {
            let name = context_values(e, ContextKind::InvalidSubcommand).concat();
            let parent = path.join(" ");
            Some(if parent.is_empty() {
                format!("`{name}` is not a command")
            } else {
                format!("`{name}` is not a command of `tempo {parent}`")
            })
        }
        (ErrorKind::UnknownArgument, Some(name)) => Some(negative_number(words, name).unwrap_or_else(|| {
            let typed = argument.concat();
            format!("unexpected argument `{typed}`")
        })),
        (ErrorKind::InvalidValue, Some(name)) if value.is_empty() => Some(format!("`{name}` needs a value")),
        (ErrorKind::InvalidValue, Some(name)) => {
            let valid = context_values(e, ContextKind::ValidValue);
            let valid: Vec<&str> = valid.iter().map(String::as_str).collect();
            let expected = if valid.is_empty() {
                String::new()
            } else {
                format!(": expected {}", alternatives(&valid))
            };
            Some(format!("invalid value `{value}` for `{name}`{expected}"))
        }
        (ErrorKind::ValueValidation, Some(name)) if own_error(e).is_some() => {
            let name = typed_option(words, &value, name);
            own_error(e).map(|own| {
                if name.starts_with('-') {
                    format!("`{name}`: {own}")
                } else {
                    own.to_string()
                }
            })
        }
        (ErrorKind::ValueValidation, Some(name)) => {
            let name = typed_option(words, &value, name);
            let reason = std::error::Error::source(e).map(|reason| format!(": {}", reworded(&reason.to_string())));
            Some(format!("invalid value `{value}` for `{name}`{}", reason.unwrap_or_default()))
        }
        (ErrorKind::TooManyValues, Some(name)) => Some(format!("`{name}` takes no value")),
        (ErrorKind::MissingRequiredArgument, Some(missing)) if requiring(words, missing).is_some() => {
            requiring(words, missing).map(|typed| format!("`{typed}` needs `{missing}`"))
        }
        (ErrorKind::MissingRequiredArgument, _) if !argument.is_empty() => {
            let missing: Vec<String> = argument.iter().map(|name| format!("`{name}`")).collect();
            let plural = if argument.len() > 1 { "s" } else { "" };
            let are_options = argument.iter().any(|name| name.starts_with('-'));
            let noun = if are_options && argument.iter().all(|name| name.starts_with('-')) {
                "option"
            } else {
                "argument"
            };
            Some(format!("missing {noun}{plural} {}", missing.join(" and ")).replace("...`", "`"))
        }
        (ErrorKind::ArgumentConflict, Some(name)) => {
            let others = context_values(e, ContextKind::PriorArg);
            let others: Vec<&str> = others.iter().map(|other| option_name(other)).collect();
            Some(if others.is_empty() || others.contains(&name) {
                format!("`{name}` is given more than once")
            } else {
                format!("`{name}` cannot be used with {}", alternatives(&others))
            })
        }
        _ => None,
    };
    message.unwrap_or_else(|| {
        let text = e.render().to_string();
        let message = text.split("\n\n").next().unwrap_or_default().trim_start_matches("error: ");
        message.split_whitespace().collect::<Vec<_>>().join(" ")
    })
}

/// Names the option with which the invalid value of an error was given: that of the setting, or the only one with this value.
pub(super) fn with_option(error: Error, arguments: &[String]) -> Error {
    let typed = error.value().and_then(|value| {
        let mut options = options_with(arguments, value);
        options.next().filter(|_| options.next().is_none())
    });
    let of_setting = error.setting().filter(|setting| !setting.starts_with('-'));
    let option = match (typed, of_setting) {
        (Some(option), _) => option.to_owned(),
        (None, Some(setting)) => {
            let option = format!("--{}", setting.replace('_', "-"));
            let is_typed = |option: &String| arguments.iter().any(|word| option_name(word) == *option);
            // A key with several values is in the plural.
            let one = option.strip_suffix('s').map(str::to_owned);
            let short = (option == "--task-queue").then(|| "--queue".to_owned());
            match [Some(option), one, short].into_iter().flatten().find(is_typed) {
                Some(typed) => typed,
                // It is that of a file.
                None => return error,
            }
        }
        (None, None) => return error,
    };
    error.of_setting(option)
}

/// The option `name` as it was typed, perhaps by another name, if it is certain which one: others may have the same value.
fn typed_option<'a>(words: &'a [String], value: &str, name: &'a str) -> &'a str {
    let typed: Vec<&str> = options_with(words, value).collect();
    match typed[..] {
        [option] if name.starts_with('-') => option,
        _ => name,
    }
}

/// The long options that were given with a value, as they were typed.
fn options_with<'a>(arguments: &'a [String], value: &str) -> impl Iterator<Item = &'a str> {
    let own = arguments.iter().map(String::as_str).take_while(|word| *word != "--");
    let before = std::iter::once("").chain(own.clone());
    let given = before.zip(own).filter_map(move |(before, word)| match word.split_once('=') {
        _ if word == value => Some(before),
        Some((option, text)) if text == value => Some(option),
        _ => None,
    });
    given.filter(|option| option.starts_with('-') && !option.contains('='))
}

/// The options that can be used only with another, which clap reports as missing without saying why.
const REQUIRED: [(&str, &[&str]); 11] = [
    ("--wait", &["--timeout"]),
    ("--quiet-hours", &["--time-zone", "--tz"]),
    ("--targets-only", &["--port"]),
    ("--file", &["--prune"]),
    ("--backup-dir", &["--backup-every", "--backup-keep"]),
    ("--ping", &["--ping-every"]),
    ("--webhook", &["--template", "--header", "--bearer", "--key"]),
    ("--email", &["--from", "--smtp"]),
    ("--smtp", &["--smtp-user", "--smtp-encryption"]),
    ("--smtp-user", &["--smtp-password"]),
    ("--smtp-password", &["--smtp-user"]),
];

/// The option that was typed and needs the missing one.
fn requiring<'a>(words: &'a [String], missing: &str) -> Option<&'a str> {
    let (_, options) = REQUIRED.iter().find(|(needed, _)| *needed == missing)?;
    let mut typed = words.iter().map(|word| option_name(word));
    typed.find(|word| options.contains(word))
}

/// The error of a value's own parser.
fn own_error(e: &clap::Error) -> Option<&Error> {
    std::error::Error::source(e)?.downcast_ref()
}

/// The values of one kind that clap gives with an error.
fn context_values(e: &clap::Error, kind: ContextKind) -> Vec<String> {
    match e.get(kind) {
        Some(ContextValue::String(one)) => vec![one.clone()],
        Some(ContextValue::Strings(many)) => many.clone(),
        _ => Vec::new(),
    }
}

/// The name of an option without its value: `--output` of `--output <FORMAT>`.
fn option_name(argument: &str) -> &str {
    if argument.starts_with('-') {
        argument.split([' ', '=', '[']).next().unwrap_or(argument)
    } else {
        argument
    }
}

/// The message for an option that is followed by a negative number, of which clap reports the beginning as an unknown option.
fn negative_number(words: &[String], typed: &str) -> Option<String> {
    let digits = typed.strip_prefix('-')?;
    if !digits.starts_with(|c: char| c.is_ascii_digit()) {
        return None;
    }
    let at = words.iter().position(|word| word.starts_with(typed))?;
    let option = words[..at].last().filter(|word| word.starts_with("--"))?;
    Some(format!("`{option}` cannot be negative: `{}`", words[at]))
}

/// Replaces the messages of the standard library and of clap.
fn reworded(reason: &str) -> String {
    match reason {
        "invalid digit found in string" | "cannot parse integer from empty string" => "expected a whole number".to_owned(),
        "invalid float literal" | "cannot parse float from empty string" => "expected a number".to_owned(),
        "number too large to fit in target type" => "the number is too large".to_owned(),
        _ => {
            let range = reason.split_once(" is not in ").and_then(|(_, range)| range.split_once(".."));
            match range {
                Some((least, most)) if !most.trim_start_matches('=').is_empty() => {
                    format!("expected a number from {least} to {}", most.trim_start_matches('='))
                }
                Some((least, _)) => format!("expected a number of at least {least}"),
                None => reason.to_owned(),
            }
        }
    }
}
