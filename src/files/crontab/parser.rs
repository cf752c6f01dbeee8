//! Parses the lines of a crontab: variables, comments, and jobs with their fields, user, command and stdin.

use super::times::LineTimes;
use super::{Host, Job, LineSettings, Sort, mail, not_kept, notes, unknown};
use crate::error::{Error, Kind};
use crate::files::document::Source;

/// Maximum number of characters of a comment used as a note.
const MAX_NOTE: usize = 200;

/// The variables that cron itself interprets.
const CRON_VARIABLES: [&str; 4] = ["CRON_TZ", "MAILTO", "RANDOM_DELAY", "SHELL"];

/// Names that are both users and commands on Debian.
const USERS_AND_COMMANDS: [&str; 5] = ["mail", "man", "sync", "backup", "news"];

/// Parses a crontab line by line. A setting applies to the lines below it.
pub(super) struct CrontabParser<'a> {
    source: &'a Source<'a>,
    sort: Sort,
    host: &'a Host<'a>,
    settings: LineSettings,
    /// The comment lines directly above the current line.
    comment: Vec<String>,
}

impl<'a> CrontabParser<'a> {
    pub(super) fn new(source: &'a Source<'a>, sort: Sort, host: &'a Host<'a>) -> Self {
        Self {
            source,
            sort,
            host,
            settings: LineSettings::default(),
            comment: Vec::new(),
        }
    }

    fn error_at(&self, line: usize, column: usize, message: impl std::fmt::Display) -> Error {
        Error::new(Kind::Usage, message).within(format_args!("{}:{line}:{column}", self.source.name))
    }

    /// Parses the next line; returns the job if the line defines one.
    pub(super) fn line(&mut self, number: usize, line: &str) -> Result<Option<Job>, Error> {
        let trimmed = line.trim_start_matches([' ', '\t']);
        if trimmed.is_empty() {
            self.comment.clear();
            return Ok(None);
        }
        if let Some(comment) = trimmed.strip_prefix('#') {
            self.comment
                .push(comment.trim_start_matches(['#', ' ', '\t']).trim_end().to_owned());
            return Ok(None);
        }
        let comment = std::mem::take(&mut self.comment);
        if let Some(at) = line.find('\u{fffd}') {
            return Err(self.error_at(number, columns(line, at) + 1, "the line is not valid UTF-8"));
        }
        let indent = line.len() - trimmed.len();
        if let Some((name, value, at)) = setting(trimmed) {
            return self.set(name, value, number, columns(line, indent + at) + 1).map(|()| None);
        }
        self.job(number, line, indent, &comment).map(Some)
    }

    fn set(&mut self, name: &str, value: &str, line: usize, column: usize) -> Result<(), Error> {
        if name.is_empty() {
            return Err(self.error_at(line, column, "variable without a name"));
        }
        if value.starts_with("env:") || value.contains('\0') || name.contains('\0') {
            return Err(self.error_at(
                line,
                column,
                format_args!("tempo would interpret the value of `{name}` differently from cron"),
            ));
        }
        self.settings.env.insert(name.to_owned(), value.to_owned());
        let given = Some(value.to_owned()).filter(|v| !v.is_empty());
        match name {
            "CRON_TZ" => {
                let known = given.as_ref().map(|zone| self.host.zones.zone(zone)).transpose();
                self.settings.broken_zone = known.is_err().then_some(line);
                known.map_err(|e| e.within(format_args!("{}:{line}:{column}", self.source.name)))?;
                self.settings.time_zone = given;
            }
            "MAILTO" => self.settings.mail_to = Some(value.to_owned()),
            "RANDOM_DELAY" => {
                let minutes: u32 = value
                    .parse()
                    .map_err(|_| self.error_at(line, column, format_args!("`{value}` is not a number of minutes")))?;
                self.settings.jitter = (minutes > 0).then(|| format!("{minutes}m"));
            }
            "SHELL" => self.settings.shell = given,
            "HOME" => self.settings.home = given,
            _ => {}
        }
        Ok(())
    }

    fn job(&self, number: usize, line: &str, indent: usize, comment: &[String]) -> Result<Job, Error> {
        let column = |at: usize| columns(line, at) + 1;
        let mut at = indent;
        // In cronie and SUSE's cron, a leading `-` means "do not log this".
        if line[at..].starts_with('-') {
            at += 1;
        }
        let mut next = || -> Option<(usize, &str)> {
            let rest = &line[at..];
            let start = at + (rest.len() - rest.trim_start_matches([' ', '\t']).len());
            let word = line[start..].split([' ', '\t']).next().unwrap_or_default();
            at = start + word.len();
            (!word.is_empty()).then_some((start, word))
        };
        let missing = |what: &str| {
            self.error_at(
                number,
                column(line.len()),
                format_args!("expected {what}, found the end of the line"),
            )
        };
        let (first_at, first) = next().ok_or_else(|| missing("the minute"))?;
        let times = if first.starts_with('@') {
            LineTimes::named(first).map_err(|why| self.error_at(number, column(first_at), why))?
        } else {
            let mut places = [first_at; 5];
            let mut words = [first; 5];
            for (i, what) in ["hour", "day of month", "month", "day of week"].iter().enumerate() {
                (places[i + 1], words[i + 1]) = next().ok_or_else(|| missing(&format!("the {what}")))?;
            }
            LineTimes::fields(words)
                .map_err(|(field, (within, why))| self.error_at(number, column(places[field] + within), why))?
        };
        if let Some(set_in) = self.settings.broken_zone {
            return Err(self.error_at(
                number,
                column(first_at),
                format_args!("the time zone set on line {set_in} is invalid"),
            ));
        }
        let user = match self.sort {
            Sort::User => None,
            Sort::System => Some(next().ok_or_else(|| missing("the user"))?.1.to_owned()),
        };
        let command_at = at + (line[at..].len() - line[at..].trim_start_matches([' ', '\t']).len());
        let mut command = &line[command_at..];
        let mut notes = Vec::new();
        if let Some(rest) = command.strip_prefix("-n ") {
            notes.push("`-n` (mail only on failure): output is kept with the run, no mail is sent".to_owned());
            command = rest.trim_start();
        }
        let (command, stdin) = split_stdin(command);
        if command.trim().is_empty() {
            return Err(missing("the command"));
        }
        if command.contains('\0') {
            return Err(self.error_at(number, column(command_at), "the command contains a NUL character"));
        }
        if times != LineTimes::Boot && times.cron("").is_empty() {
            return Err(self.error_at(number, column(first_at), "it never fires: a range is reversed"));
        }
        self.notes(&times, user.as_deref(), &command, &mut notes);
        let mut settings = self.settings.clone();
        // The variables that cron interprets are passed on only to commands that name them.
        settings
            .env
            .retain(|name, _| !CRON_VARIABLES.contains(&name.as_str()) || command.contains(name.as_str()));
        Ok(Job {
            place: format!("{}:{number}", self.source.name),
            line: number,
            note: note_of(comment, self.sort),
            cwd: self.settings.home.clone().or_else(|| {
                let user = user.as_deref().unwrap_or(self.host.user);
                (self.host.home)(user)
            }),
            user: user.filter(|u| u != self.host.user && self.host.is_root),
            times,
            settings,
            command,
            stdin,
            notes,
        })
    }

    /// Adds the notes on a line.
    fn notes(&self, times: &LineTimes, user: Option<&str>, command: &str, notes: &mut Vec<String>) {
        if let Some(zone) = &self.settings.time_zone {
            notes.push(format!(
                "`CRON_TZ={zone}` applies here; Debian's cron ignores it and uses the machine's time zone"
            ));
        }
        if let Some(to) = &self.settings.mail_to {
            notes.push(match mail::label(to) {
                Ok(Some(label)) => format!(
                    "`MAILTO={to}`: the receiver `{}` mails the output of the job, through this machine's `sendmail`",
                    mail::name(&label)
                ),
                Ok(None) => format!("`MAILTO={to}`: no mail is sent, as before; output is kept with the run"),
                Err(why) => format!("`MAILTO={to}`: no mail is sent, because {why}; see `tempo notify add`"),
            });
        }
        if let Some(user) = user.filter(|u| *u != self.host.user && !self.host.is_root) {
            notes.push(not_kept(user, self.host));
        }
        if let Some(user) = user.filter(|u| self.host.is_root && !(self.host.is_user)(u)) {
            notes.push(unknown(user));
        }
        let first = command.split_whitespace().next().unwrap_or_default();
        let may_be_user = !first.contains('/') && !USERS_AND_COMMANDS.contains(&first) && (self.host.is_user)(first);
        if self.sort == Sort::User && command.contains(' ') && may_be_user {
            notes.push(format!(
                "`{first}` is a user: use `--system` to read a crontab with a user column"
            ));
        }
        if times.either_day() {
            notes.push("both day fields are restricted: it fires when either matches, as in cron".to_owned());
        }
        if times.has_random() {
            notes.push("`~`: the value is derived from the schedule's id and stays the same".to_owned());
        }
        if times.backwards() {
            notes.push("a range goes backwards and matches nothing, as in cron".to_owned());
        }
        notes.extend(notes::notes(times, command));
    }
}

/// Parses `NAME = value`, each optionally quoted: returns the name, the value, and the byte offset of the value. Follows cronie's `load_env`,
/// which accepts nearly every line with a `=` after its first word.
fn setting(line: &str) -> Option<(&str, &str, usize)> {
    let quoted = |text: &str| text.chars().next().filter(|c| matches!(c, '"' | '\''));
    let (name, rest) = match quoted(line) {
        Some(quote) => line[1..].split_once(quote).filter(|(name, _)| !name.contains('='))?,
        None => line.split_at(line.find(|c: char| c == '=' || c.is_ascii_whitespace())?),
    };
    let value = rest.trim_ascii_start().strip_prefix('=')?.trim_ascii_start();
    let at = line.len() - value.len();
    match quoted(value) {
        // Nothing may follow a quoted value.
        Some(quote) => value[1..]
            .split_once(quote)
            .filter(|(_, rest)| rest.trim_ascii().is_empty())
            .map(|(value, _)| (name, value, at)),
        None => Some((name, value.trim_ascii_end(), at)),
    }
}

/// Returns the number of characters before a byte.
fn columns(line: &str, at: usize) -> usize {
    line[..at].chars().count()
}

/// Splits a command at its first unescaped `%`: the rest are lines for its stdin, and `\%` is a literal `%`. Follows cron's `do_command.c`.
fn split_stdin(line: &str) -> (String, Option<String>) {
    let (mut command, mut escaped) = (String::new(), false);
    let mut chars = line.chars();
    let mut has_input = false;
    for c in chars.by_ref() {
        if escaped && c == '%' {
            command.pop();
        } else if c == '%' {
            has_input = true;
            break;
        }
        command.push(c);
        // An escaped backslash does not escape the next character.
        escaped = c == '\\' && !escaped;
    }
    let (mut input, mut escaped) = (String::new(), false);
    for c in chars {
        if escaped && c == '%' {
            input.pop();
            input.push('%');
        } else {
            input.push(if c == '%' { '\n' } else { c });
        }
        escaped = c == '\\';
    }
    // cron adds a newline to the last line if it is missing.
    if !input.is_empty() && !input.ends_with('\n') {
        input.push('\n');
    }
    (command, Some(input).filter(|text| has_input && !text.is_empty()))
}

/// Returns the comment above a line as a note, without table drawings, column headers and commented-out jobs.
fn note_of(comment: &[String], sort: Sort) -> Option<String> {
    let is_prose = |text: &&String| {
        let words: Vec<&str> = text.split_whitespace().collect();
        let is_drawing = !text.chars().any(char::is_alphabetic) || text.contains("---") || text.contains("|  ");
        let is_header = words.first().is_some_and(|w| *w == "m" || *w == "min" || *w == "minute") && words.contains(&"dow");
        let fields = usize::from(sort == Sort::System) + 5;
        let is_job = words.len() > fields && LineTimes::fields([words[0], words[1], words[2], words[3], words[4]]).is_ok();
        !is_drawing && !is_header && !is_job
    };
    let prose: Vec<&str> = comment.iter().filter(is_prose).map(String::as_str).collect();
    let note: String = prose.join(" ").chars().take(MAX_NOTE).collect();
    let note = note.trim().to_owned();
    (!note.is_empty()).then_some(note)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn recognizes_variables_as_cron_does() {
        for (line, expected) in [
            ("A=x", Some(("A", "x", 2))),
            ("A = 'x y'  ", Some(("A", "x y", 4))),
            ("\"A B\"=x \"y\" ", Some(("A B", "x \"y\"", 6))),
            ("1A==x", Some(("1A", "=x", 3))),
            ("*A=x", Some(("*A", "x", 3))),
            ("A=\"\"", Some(("A", "", 2))),
            // Debian's cron rejects it; cronie accepts it as empty.
            ("A=", Some(("A", "", 2))),
            ("A=\"x\" y", None),
            ("A='x", None),
            ("A B=x", None),
            ("\"A=B\"=x", None),
            ("* * * * * A=x", None),
        ] {
            assert_eq!(setting(line), expected, "{line}");
        }
    }

    #[test]
    fn a_percent_sign_ends_the_command_as_in_cron() {
        for (line, command, input) in [
            (r"date +\%F", "date +%F", None),
            (r"cat%a%b\%", "cat", Some("a\nb%\n")),
            (r"echo a\\%b", r"echo a\\", Some("b\n")),
            (r"echo a\\b", r"echo a\\b", None),
            ("wc%", "wc", None),
            ("wc%%", "wc", Some("\n")),
        ] {
            let expected = (command.to_owned(), input.map(str::to_owned));
            assert_eq!(split_stdin(line), expected, "{line}");
        }
    }
}
