//! The lines of a crontab: variables, comments, and jobs with their fields, user, command and stdin.

use super::times::LineTimes;
use super::{Host, Job, LineSettings, Sort, not_kept, notes, unknown};
use crate::error::{Error, Kind};
use crate::files::document::Source;

/// The most characters of a comment that become a note.
const MAX_NOTE: usize = 200;

/// The variables that cron itself reads.
const OF_CRON: [&str; 4] = ["CRON_TZ", "MAILTO", "RANDOM_DELAY", "SHELL"];

/// Names that a Debian has for users and for commands alike.
const USERS_AND_COMMANDS: [&str; 5] = ["mail", "man", "sync", "backup", "news"];

/// Reads a crontab line by line: what is set above a line counts for it.
pub(super) struct CrontabParser<'a> {
    source: &'a Source<'a>,
    sort: Sort,
    host: &'a Host<'a>,
    settings: LineSettings,
    /// The comment lines right above.
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

    fn refuse(&self, line: usize, column: usize, why: impl std::fmt::Display) -> Error {
        Error::new(Kind::Usage, why).within(format_args!("{}:{line}:{column}", self.source.name))
    }

    /// Reads the next line: a job, where it is one.
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
            return Err(self.refuse(number, columns(line, at) + 1, "the line holds bytes that are not UTF-8"));
        }
        let indent = line.len() - trimmed.len();
        if let Some((name, value, at)) = setting(trimmed) {
            return self.set(name, value, number, columns(line, indent + at) + 1).map(|()| None);
        }
        self.job(number, line, indent, &comment).map(Some)
    }

    fn set(&mut self, name: &str, value: &str, line: usize, column: usize) -> Result<(), Error> {
        if name.is_empty() {
            return Err(self.refuse(line, column, "a variable without a name is set"));
        }
        if value.starts_with("env:") || value.contains('\0') || name.contains('\0') {
            return Err(self.refuse(
                line,
                column,
                format_args!("`{name}` is set to a value that tempo reads otherwise"),
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
                    .map_err(|_| self.refuse(line, column, format_args!("`{value}` is not a number of minutes")))?;
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
        // What cronie and SUSE's cron take as "do not log this".
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
            self.refuse(
                number,
                column(line.len()),
                format_args!("the line ends where {what} should stand"),
            )
        };
        let (first_at, first) = next().ok_or_else(|| missing("the minute"))?;
        let times = if first.starts_with('@') {
            LineTimes::named(first).map_err(|why| self.refuse(number, column(first_at), why))?
        } else {
            let mut places = [first_at; 5];
            let mut words = [first; 5];
            for (i, what) in ["hour", "day of month", "month", "day of week"].iter().enumerate() {
                (places[i + 1], words[i + 1]) = next().ok_or_else(|| missing(&format!("the {what}")))?;
            }
            LineTimes::fields(words).map_err(|(field, (within, why))| self.refuse(number, column(places[field] + within), why))?
        };
        if let Some(set_in) = self.settings.broken_zone {
            return Err(self.refuse(
                number,
                column(first_at),
                format_args!("its times are in the zone of line {set_in}, which cannot be read"),
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
            notes.push("`-n`, mail only when it fails: output is kept with the run, mail is not sent".to_owned());
            command = rest.trim_start();
        }
        let (command, stdin) = split_stdin(command);
        if command.trim().is_empty() {
            return Err(missing("the command"));
        }
        if command.contains('\0') {
            return Err(self.refuse(number, column(command_at), "the command holds a NUL character"));
        }
        if times != LineTimes::Boot && times.cron("").is_empty() {
            return Err(self.refuse(number, column(first_at), "it never fires: a range in it goes backwards"));
        }
        self.notes(&times, user.as_deref(), &command, &mut notes);
        let mut settings = self.settings.clone();
        // Those that cron itself reads are handed on as well, to the few commands that name them.
        settings
            .env
            .retain(|name, _| !OF_CRON.contains(&name.as_str()) || command.contains(name.as_str()));
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

    /// What is to know of a line beside what it becomes.
    fn notes(&self, times: &LineTimes, user: Option<&str>, command: &str, notes: &mut Vec<String>) {
        if let Some(zone) = &self.settings.time_zone {
            notes.push(format!(
                "`CRON_TZ={zone}` counts here; Debian's cron ignored it, and read the machine's wall clock"
            ));
        }
        if let Some(to) = &self.settings.mail_to {
            let mail = if to.is_empty() {
                "as before"
            } else {
                "and `tempo incident list` shows what failed"
            };
            notes.push(format!(
                "`MAILTO={to}`: output is kept with the run, mail is not sent, {mail}"
            ));
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
                "`{first}` is a user: a crontab with a column for the user is read with `--system`"
            ));
        }
        if times.either_day() {
            notes.push("both day fields restrict: it fires where either matches, as cron does".to_owned());
        }
        if times.has_random() {
            notes.push("`~` is a value chosen by the schedule's id: the same from now on".to_owned());
        }
        if times.backwards() {
            notes.push("a range goes backwards, and matches nothing: so it was in cron".to_owned());
        }
        notes.extend(notes::notes(times, command));
    }
}

/// `NAME = value`, either in quotes: the name, the value, and where the value stands. As cronie's `load_env` reads it, which takes nearly
/// everything with a `=` behind its first word.
fn setting(line: &str) -> Option<(&str, &str, usize)> {
    let quoted = |text: &str| text.chars().next().filter(|c| matches!(c, '"' | '\''));
    let (name, behind) = match quoted(line) {
        Some(quote) => line[1..].split_once(quote).filter(|(name, _)| !name.contains('='))?,
        None => line.split_at(line.find(|c: char| c == '=' || c.is_ascii_whitespace())?),
    };
    let value = behind.trim_ascii_start().strip_prefix('=')?.trim_ascii_start();
    let at = line.len() - value.len();
    match quoted(value) {
        // Nothing may stand behind a value in quotes.
        Some(quote) => value[1..]
            .split_once(quote)
            .filter(|(_, rest)| rest.trim_ascii().is_empty())
            .map(|(value, _)| (name, value, at)),
        None => Some((name, value.trim_ascii_end(), at)),
    }
}

/// How many characters stand before a byte.
fn columns(line: &str, at: usize) -> usize {
    line[..at].chars().count()
}

/// A command up to its first plain `%`, and what is behind it as lines for its stdin; `\%` is a `%`. As cron's `do_command.c` reads it.
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
        // A backslash that is escaped itself escapes nothing.
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
    // cron ends the last line where the crontab does not.
    if !input.is_empty() && !input.ends_with('\n') {
        input.push('\n');
    }
    (command, Some(input).filter(|text| has_input && !text.is_empty()))
}

/// The comment above a line as a note: without what draws a table or is a line itself.
fn note_of(comment: &[String], sort: Sort) -> Option<String> {
    let is_prose = |text: &&String| {
        let words: Vec<&str> = text.split_whitespace().collect();
        let draws = !text.chars().any(char::is_alphabetic) || text.contains("---") || text.contains("|  ");
        let heads = words.first().is_some_and(|w| *w == "m" || *w == "min" || *w == "minute") && words.contains(&"dow");
        let fields = usize::from(sort == Sort::System) + 5;
        let was_a_line = words.len() > fields && LineTimes::fields([words[0], words[1], words[2], words[3], words[4]]).is_ok();
        !draws && !heads && !was_a_line
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
    fn what_is_a_variable_is_so_by_the_rules_of_cron() {
        for (line, is) in [
            ("A=x", Some(("A", "x", 2))),
            ("A = 'x y'  ", Some(("A", "x y", 4))),
            ("\"A B\"=x \"y\" ", Some(("A B", "x \"y\"", 6))),
            ("1A==x", Some(("1A", "=x", 3))),
            ("*A=x", Some(("*A", "x", 3))),
            ("A=\"\"", Some(("A", "", 2))),
            // Debian's cron refuses it, cronie takes it as empty.
            ("A=", Some(("A", "", 2))),
            ("A=\"x\" y", None),
            ("A='x", None),
            ("A B=x", None),
            ("\"A=B\"=x", None),
            ("* * * * * A=x", None),
        ] {
            assert_eq!(setting(line), is, "{line}");
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
            let want = (command.to_owned(), input.map(str::to_owned));
            assert_eq!(split_stdin(line), want, "{line}");
        }
    }
}
