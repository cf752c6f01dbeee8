//! Crontabs: read by cron's own rules, each line a schedule with what is to know of it; and schedules written as one.

mod advice;
pub(crate) mod export;
mod name;
mod times;

use std::collections::BTreeMap;

use self::times::Times;
use super::definition::Defined;
use super::tree::Source;
use crate::error::{Error, Kind};
use crate::names::ScheduleId;
use crate::run::written::{Action, StepText};
use crate::schedule::{Declared, Definition, Policies};
use crate::spec::written::Written;
use crate::spec::zone::{Gap, Repeat, Zones};

/// The most characters of a comment that become a note.
const MAX_NOTE: usize = 200;

/// Which sort of crontab it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sort {
    /// A user's.
    User,
    /// One with a column for the user, as `/etc/crontab` is.
    System,
}

/// What reading a crontab must know of the machine.
pub(crate) struct Host<'a> {
    /// The zone of lines without one.
    pub(crate) time_zone: &'a str,
    /// Whose crontab it is, and who runs tempo.
    pub(crate) user: &'a str,
    /// Whether tempo can run a step as another user.
    pub(crate) is_root: bool,
    /// The home of a user, where there is one.
    pub(crate) home: &'a dyn Fn(&str) -> Option<String>,
    pub(crate) zones: &'a dyn Zones,
}

/// A line that starts something.
#[derive(Debug, Clone)]
pub(crate) struct Job {
    /// `crontab:7`.
    place: String,
    pub(crate) line: usize,
    times: Times,
    settings: Settings,
    note: Option<String>,
    /// Whom it runs as, where that is another than whoever runs tempo.
    user: Option<String>,
    cwd: Option<String>,
    command: String,
    stdin: Option<String>,
    notes: Vec<String>,
}

/// What the lines above set for those below.
#[derive(Debug, Clone, Default)]
struct Settings {
    time_zone: Option<String>,
    shell: Option<String>,
    home: Option<String>,
    jitter: Option<String>,
    mail_to: Option<String>,
    env: BTreeMap<String, String>,
}

/// Reads a crontab: its jobs, and what is wrong with the other lines.
pub(crate) fn parse(source: &Source<'_>, sort: Sort, host: &Host<'_>) -> (Vec<Job>, Vec<Error>) {
    let mut reading = Reading {
        source,
        sort,
        host,
        settings: Settings::default(),
        comment: Vec::new(),
    };
    let (mut jobs, mut faults) = (Vec::new(), Vec::new());
    let text = source.text.strip_prefix('\u{feff}').unwrap_or(source.text);
    for (number, line) in text.split('\n').enumerate() {
        match reading.line(number + 1, line.strip_suffix('\r').unwrap_or(line)) {
            Ok(job) => jobs.extend(job),
            Err(fault) => faults.push(fault),
        }
    }
    (jobs, faults)
}

struct Reading<'a> {
    source: &'a Source<'a>,
    sort: Sort,
    host: &'a Host<'a>,
    settings: Settings,
    /// The comment lines right above.
    comment: Vec<String>,
}

impl Reading<'_> {
    fn refuse(&self, line: usize, column: usize, why: impl std::fmt::Display) -> Error {
        Error::new(Kind::Usage, why).within(format_args!("{}:{line}:{column}", self.source.name))
    }

    fn line(&mut self, number: usize, line: &str) -> Result<Option<Job>, Error> {
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
        let indent = line.len() - trimmed.len();
        if let Some((name, value)) = setting(trimmed) {
            let column = columns(line, line.len() - value_place(trimmed).len()) + 1;
            return self.set(name, value, number, column).map(|()| None);
        }
        self.job(number, line, indent, &comment).map(Some)
    }

    fn set(&mut self, name: &str, value: &str, line: usize, column: usize) -> Result<(), Error> {
        let given = Some(value.to_owned()).filter(|v| !v.is_empty());
        match name {
            "CRON_TZ" => {
                if let Some(zone) = &given {
                    self.host
                        .zones
                        .zone(zone)
                        .map_err(|e| e.within(format_args!("{}:{line}:{column}", self.source.name)))?;
                }
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
            _ => {
                if value.starts_with("env:") || value.contains('\0') || name.contains('\0') {
                    return Err(self.refuse(
                        line,
                        column,
                        format_args!("`{name}` is set to a value that tempo reads otherwise"),
                    ));
                }
                if name == "HOME" {
                    self.settings.home = given;
                }
                self.settings.env.insert(name.to_owned(), value.to_owned());
            }
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
            Times::named(first).map_err(|why| self.refuse(number, column(first_at), why))?
        } else {
            let mut places = [first_at; 5];
            let mut words = [first; 5];
            for (i, what) in ["hour", "day of month", "month", "day of week"].iter().enumerate() {
                (places[i + 1], words[i + 1]) = next().ok_or_else(|| missing(&format!("the {what}")))?;
            }
            Times::fields(words).map_err(|(field, (within, why))| self.refuse(number, column(places[field] + within), why))?
        };
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
        if times != Times::Boot && times.cron("").is_empty() {
            return Err(self.refuse(number, column(first_at), "it never fires: a range in it goes backwards"));
        }
        self.notes(&times, user.as_deref(), &command, &mut notes);
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
            settings: self.settings.clone(),
            command,
            stdin,
            notes,
        })
    }

    /// What is to know of a line beside what it becomes.
    fn notes(&self, times: &Times, user: Option<&str>, command: &str, notes: &mut Vec<String>) {
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
        if times.either_day() {
            notes.push("both day fields restrict: it fires where either matches, as cron does".to_owned());
        }
        if times.has_random() {
            notes.push("`~` is a value chosen by the schedule's id: the same from now on".to_owned());
        }
        if times.backwards() {
            notes.push("a range goes backwards, and matches nothing: so it was in cron".to_owned());
        }
        notes.extend(advice::advice(times, command));
    }
}

impl Job {
    /// What it is called where nobody else is, and where somebody else is.
    pub(crate) fn names(&self) -> (String, String) {
        let name = name::name_of(&self.command);
        let identity = format!("{:?}{:?}{}", self.user, self.stdin, self.command);
        let mark = farmhash::fingerprint32(identity.as_bytes()) & 0xffff;
        (name.clone(), format!("{name}-{mark:04x}"))
    }

    /// Makes it a line of another user's crontab.
    pub(crate) fn belongs_to(&mut self, user: &str, host: &Host<'_>) {
        if user == host.user {
            return;
        }
        self.cwd = self.settings.home.clone().or_else(|| (host.home)(user));
        self.user = host.is_root.then(|| user.to_owned());
        self.notes.extend((!host.is_root).then(|| not_kept(user, host)));
    }

    /// Whether a step does what this line does.
    pub(crate) fn is_done_by(&self, step: &StepText) -> bool {
        let own = self.step();
        (&own.shell, &own.command, &own.stdin, &own.user) == (&step.shell, &step.command, &step.stdin, &step.user)
    }

    fn step(&self) -> StepText {
        let shell = self.settings.shell.as_deref().filter(|s| *s != "/bin/sh");
        let argv = shell.map(|shell| vec![shell.to_owned(), "-c".to_owned(), self.command.clone()]);
        StepText {
            name: "command".to_owned(),
            shell: argv.is_none().then(|| self.command.clone()),
            command: argv,
            cwd: self.cwd.clone(),
            env: self.settings.env.clone(),
            stdin: self.stdin.clone(),
            user: self.user.clone(),
            ..StepText::default()
        }
    }

    /// The schedule that it becomes.
    pub(crate) fn defined(&self, id: ScheduleId, host: &Host<'_>) -> Defined {
        let time_zone = self.settings.time_zone.clone().unwrap_or_else(|| host.time_zone.to_owned());
        let fixed = self.times.is_fixed();
        let spec = Written {
            cron: self.times.cron(id.as_str()),
            at_boot: self.times == Times::Boot,
            time_zone: Some(time_zone),
            dst_gap: if fixed { Gap::Shift } else { Gap::Skip },
            dst_repeat: if fixed { Repeat::First } else { Repeat::Both },
            jitter: self.settings.jitter.clone(),
            ..Written::default()
        };
        Defined {
            place: self.place.clone(),
            line: self.line,
            definition: Definition {
                spec,
                action: Action {
                    steps: vec![self.step()],
                    ..Action::default()
                },
                policies: Policies::default(),
            },
            declared: Declared {
                note: self.note.clone(),
                ..Declared::default()
            },
            warnings: self.notes.clone(),
            id,
        }
    }
}

fn not_kept(user: &str, host: &Host<'_>) -> String {
    format!(
        "the user `{user}` is not kept: tempo does not run as root here, so it runs as `{}`",
        host.user
    )
}

/// `NAME = value`, either in quotes; as cron's `load_env` reads it.
fn setting(line: &str) -> Option<(&str, &str)> {
    let quote = line.chars().next().filter(|c| matches!(c, '"' | '\''));
    let (name, behind) = if let Some(quote) = quote {
        line[1..].split_once(quote)?
    } else {
        line.split_at(line.find(|c: char| c == '=' || c.is_whitespace())?)
    };
    let rest = behind.trim_start().strip_prefix('=')?;
    let value = rest.trim();
    let quoted = |q: char| value.len() >= 2 && value.starts_with(q) && value.ends_with(q);
    let value = if quoted('"') || quoted('\'') {
        &value[1..value.len() - 1]
    } else {
        value
    };
    let is_name = !name.is_empty() && !name.starts_with(|c: char| c.is_ascii_digit() || "*@-".contains(c));
    is_name.then_some((name, value))
}

fn value_place(line: &str) -> &str {
    line.split_once('=').map_or(line, |(_, value)| value.trim_start())
}

/// How many characters stand before a byte.
fn columns(line: &str, at: usize) -> usize {
    line[..at].chars().count()
}

/// A command up to its first plain `%`, and what is behind it as lines for its stdin; `\%` is a `%`.
fn split_stdin(command: &str) -> (String, Option<String>) {
    let mut parts = vec![String::new()];
    let mut chars = command.chars().peekable();
    while let Some(c) = chars.next() {
        if c == '\\' && chars.peek() == Some(&'%') {
            chars.next();
            parts.last_mut().expect("there is one from the start").push('%');
        } else if c == '%' {
            parts.push(String::new());
        } else {
            parts.last_mut().expect("there is one from the start").push(c);
        }
    }
    let command = parts.remove(0);
    let lines = (!parts.is_empty()).then(|| parts.join("\n"));
    // cron ends the last line where the crontab does not.
    let stdin = lines.map(|text| if text.ends_with('\n') { text } else { text + "\n" });
    (command, stdin)
}

/// The comment above a line as a note: without what draws a table or is a line itself.
fn note_of(comment: &[String], sort: Sort) -> Option<String> {
    let is_prose = |text: &&String| {
        let words: Vec<&str> = text.split_whitespace().collect();
        let draws = !text.chars().any(char::is_alphabetic) || text.contains("---") || text.contains("|  ");
        let heads = words.first().is_some_and(|w| *w == "m" || *w == "min" || *w == "minute") && words.contains(&"dow");
        let fields = usize::from(sort == Sort::System) + 5;
        let was_a_line = words.len() > fields && Times::fields([words[0], words[1], words[2], words[3], words[4]]).is_ok();
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
    use crate::zoneinfo::ZoneInfo;

    fn read(text: &str, sort: Sort) -> (Vec<Job>, Vec<String>) {
        let zones = ZoneInfo::compiled_in();
        let source = Source { name: "crontab", text };
        let (jobs, faults) = parse(&source, sort, &host(&zones));
        (jobs, faults.iter().map(ToString::to_string).collect())
    }

    fn host(zones: &ZoneInfo) -> Host<'_> {
        Host {
            time_zone: "Europe/Berlin",
            user: "me",
            is_root: true,
            home: &|user| Some(format!("/home/{user}")),
            zones,
        }
    }

    fn defined(text: &str, sort: Sort) -> Vec<Defined> {
        let zones = ZoneInfo::compiled_in();
        let (jobs, faults) = read(text, sort);
        assert!(faults.is_empty(), "{faults:?}");
        let of = |job: &Job| job.defined(ScheduleId::parse(&job.names().0).unwrap(), &host(&zones));
        jobs.iter().map(of).collect()
    }

    #[test]
    fn a_line_becomes_a_schedule_with_what_stands_above_it() {
        let text = "\u{feff}MAILTO=ops\r\n# m h dom mon dow\r\nPATH = \"/opt/bin:/bin\"\r\n\r\n# Nightly dump\r\n30 2 * * 1-5\t/srv/dump.sh 100\\% %a%b\r\n\
            CRON_TZ=Asia/Tokyo\nSHELL=/bin/bash\n@hourly run [[ 1 ]]";
        let found = defined(text, Sort::User);
        let (first, second) = (&found[0], &found[1]);
        assert_eq!(
            (first.id.as_str(), first.line, first.declared.note.as_deref()),
            ("dump", 6, Some("Nightly dump"))
        );
        let spec = &first.definition.spec;
        assert_eq!(
            (spec.cron[0].as_str(), spec.time_zone.as_deref()),
            ("30 2 * * 1-5", Some("Europe/Berlin"))
        );
        assert_eq!((spec.dst_gap, spec.dst_repeat), (Gap::Shift, Repeat::First));
        let step = &first.definition.action.steps[0];
        assert_eq!(
            (step.shell.as_deref(), step.stdin.as_deref()),
            (Some("/srv/dump.sh 100% "), Some("a\nb\n"))
        );
        assert_eq!(
            (step.env["PATH"].as_str(), step.cwd.as_deref()),
            ("/opt/bin:/bin", Some("/home/me"))
        );
        assert!(first.warnings[0].contains("mail is not sent"), "{:?}", first.warnings);
        let spec = &second.definition.spec;
        assert_eq!(
            (spec.cron[0].as_str(), spec.time_zone.as_deref(), spec.dst_gap),
            ("@hourly", Some("Asia/Tokyo"), Gap::Skip)
        );
        let argv = ["/bin/bash", "-c", "run [[ 1 ]]"].map(str::to_owned);
        assert_eq!(second.definition.action.steps[0].command, Some(argv.into()));
        assert!(second.warnings[0].contains("Debian's cron ignored it"));
    }

    #[test]
    fn a_system_crontab_has_a_user_before_the_command() {
        let found = defined(
            "17 * * * * root cd / && run-parts x\n-@reboot  www-data\tstart-it\n5 4 * * * me own",
            Sort::System,
        );
        let of = |i: usize| {
            let step = &found[i].definition.action.steps[0];
            (
                step.user.as_deref(),
                step.shell.as_deref().unwrap(),
                step.cwd.as_deref().unwrap(),
            )
        };
        assert_eq!(of(0), (Some("root"), "cd / && run-parts x", "/home/root"));
        assert_eq!(of(1), (Some("www-data"), "start-it", "/home/www-data"));
        assert_eq!(of(2), (None, "own", "/home/me"));
        assert!(found[1].definition.spec.at_boot);
    }

    #[test]
    fn what_cannot_be_read_is_told_with_line_and_column() {
        let text =
            "* * * *\n61 * * * * x\n0 0 * * * \n@never x\nCRON_TZ=Mars/Base\n5-3 * * * * x\n\t0 1,x * * * y\n* * * * * fine\n";
        let (jobs, faults) = read(text, Sort::User);
        let starts = [
            "crontab:1:8: the line ends where the day of week should stand",
            "crontab:2:1: minute `61` is out of range 0-59",
            "crontab:3:11: the line ends where the command should stand",
            "crontab:4:1: `@never` is not one of @reboot",
            "crontab:5:9: ",
            "crontab:6:1: it never fires",
            "crontab:7:6: hour `x` is not a number",
        ];
        assert_eq!(faults.len(), starts.len(), "{faults:#?}");
        for (fault, start) in faults.iter().zip(starts) {
            assert!(fault.starts_with(start), "{fault}");
        }
        assert_eq!(jobs.len(), 1);
    }

    #[test]
    fn habits_are_imported_as_they_are_with_tempo_s_word_for_them() {
        for (line, word) in [
            ("* * * * * flock -n /tmp/l x", "`skip`"),
            ("* * * * * timeout 30 x", "--start-to-close-timeout"),
            ("0 3 * * * sleep $((RANDOM \\% 90)); x", "--jitter 90s"),
            ("0 3 * * * x >/dev/null 2>&1", "the output is kept"),
            ("0 0 28-31 * * [ $(date -d tomorrow +\\%d) = 01 ] && x", "`L`"),
            ("* * * * * sleep 30; x", "--interval 30s"),
            ("*/5 * * * * curl -fsS http://h/ || echo down", "--probe"),
        ] {
            let found = defined(line, Sort::User);
            let notes = &found[0].warnings;
            assert!(notes.iter().any(|n| n.contains(word)), "{line}: {notes:?}");
        }
    }

    #[test]
    fn only_prose_above_a_line_is_its_note() {
        for (text, note) in [
            ("# a\n# b\n* * * * * x", Some("a b")),
            ("# a\n\n* * * * * x", None),
            ("# 0 5 * * 1 old line\n* * * * * x", None),
            ("# .---- minute (0 - 59)\n# |  .-- hour\n# *  *  *\n* * * * * x", None),
            ("# m h dom mon dow user\n* * * * * x", None),
        ] {
            assert_eq!(defined(text, Sort::User)[0].declared.note.as_deref(), note, "{text}");
        }
    }
}
