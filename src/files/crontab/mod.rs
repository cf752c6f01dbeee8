//! Reads crontabs by cron's rules, one schedule with notes per line, and writes schedules as a crontab.

pub(crate) mod export;
pub(crate) mod mail;
mod name;
mod notes;
mod parser;
mod times;

use std::collections::BTreeMap;

use self::parser::CrontabParser;
use self::times::LineTimes;
use super::definition::{FileReceiver, FileSchedule};
use super::document::Source;
use crate::error::Error;
use crate::names::ScheduleId;
use crate::run::step_text::{Action, StepText};
use crate::schedule::{Alerts, Declared, Definition, Policies};
use crate::spec::spec_text::SpecText;
use crate::spec::zone::{Gap, Repeat, Zones};

/// The format of a crontab.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sort {
    /// A user's crontab.
    User,
    /// A crontab with a user column, such as `/etc/crontab`.
    System,
}

/// The facts about the machine that reading a crontab needs.
pub(crate) struct Host<'a> {
    /// The time zone of lines without `CRON_TZ`.
    pub(crate) time_zone: &'a str,
    /// The owner of the crontab, who also runs tempo.
    pub(crate) user: &'a str,
    /// Whether tempo can run a step as another user.
    pub(crate) is_root: bool,
    /// Whether a user exists.
    pub(crate) is_user: &'a dyn Fn(&str) -> bool,
    /// Returns a user's home directory, if known.
    pub(crate) home: &'a dyn Fn(&str) -> Option<String>,
    pub(crate) zones: &'a dyn Zones,
}

/// A crontab line that starts a command.
#[derive(Debug, Clone)]
pub(crate) struct Job {
    /// Place of the line: `crontab:7`.
    place: String,
    pub(crate) line: usize,
    times: LineTimes,
    settings: LineSettings,
    note: Option<String>,
    /// The user to run as, if not the one who runs tempo.
    user: Option<String>,
    cwd: Option<String>,
    command: String,
    stdin: Option<String>,
    notes: Vec<String>,
}

/// The settings from earlier lines that apply to later ones.
#[derive(Debug, Clone, Default)]
struct LineSettings {
    time_zone: Option<String>,
    /// The line that sets an invalid time zone.
    broken_zone: Option<usize>,
    shell: Option<String>,
    home: Option<String>,
    jitter: Option<String>,
    mail_to: Option<String>,
    env: BTreeMap<String, String>,
}

/// The times of a line, to compare with schedules.
pub(crate) struct Fires<'a> {
    times: &'a LineTimes,
    /// The cron strings; absent where they depend on the schedule id.
    strings: Option<Vec<String>>,
}

impl Fires<'_> {
    /// Whether a schedule has the same times.
    pub(crate) fn match_schedule(&self, spec: &SpecText, id: &ScheduleId) -> bool {
        let same_times = match &self.strings {
            Some(strings) => spec.cron == *strings,
            None => spec.cron == self.times.cron(id.as_str()),
        };
        same_times && spec.at_boot == (*self.times == LineTimes::Boot)
    }
}

/// Reads a crontab; returns its jobs, and an error for each invalid line.
pub(crate) fn parse(source: &Source<'_>, sort: Sort, host: &Host<'_>) -> (Vec<Job>, Vec<Error>) {
    let mut parser = CrontabParser::new(source, sort, host);
    let (mut jobs, mut errors) = (Vec::new(), Vec::new());
    let text = source.text.strip_prefix('\u{feff}').unwrap_or(source.text);
    for (number, line) in text.split('\n').enumerate() {
        match parser.line(number + 1, line.strip_suffix('\r').unwrap_or(line)) {
            Ok(job) => jobs.extend(job),
            Err(e) => errors.push(e),
        }
    }
    (jobs, errors)
}

impl Job {
    /// Returns its plain name, and a name with a hash suffix for when the plain one is taken.
    pub(crate) fn names(&self) -> (String, String) {
        let name = name::name_of(&self.command);
        let identity = format!("{:?}{:?}{}", self.user, self.stdin, self.command);
        let suffix = farmhash::fingerprint32(identity.as_bytes()) & 0xffff;
        (name.clone(), format!("{name}-{suffix:04x}"))
    }

    /// Sets the owner of the crontab that the line is in.
    pub(crate) fn set_owner(&mut self, user: &str, host: &Host<'_>) {
        if user == host.user {
            return;
        }
        self.cwd = self.settings.home.clone().or_else(|| (host.home)(user));
        self.user = host.is_root.then(|| user.to_owned());
        self.notes.extend(if host.is_root {
            (!(host.is_user)(user)).then(|| unknown(user))
        } else {
            Some(not_kept(user, host))
        });
    }

    /// Returns a key for the command of a step, comparable with [`Self::does`].
    pub(crate) fn what(step: &StepText) -> String {
        format!("{:?}{:?}{:?}{:?}", step.shell, step.command, step.stdin, step.user)
    }

    /// Returns a key for the command of this line; equal for lines that run the same command.
    pub(crate) fn does(&self) -> String {
        Self::what(&self.step())
    }

    /// Returns its times, to compare with many schedules.
    pub(crate) fn times(&self) -> Fires<'_> {
        Fires {
            times: &self.times,
            strings: (!self.times.has_random()).then(|| self.times.cron("")),
        }
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

    /// The receiver that mails what the command prints, if `MAILTO` names somebody.
    pub(crate) fn receiver(&self) -> Option<FileReceiver> {
        let label = self.mail_label()?;
        Some(mail::receiver(&label, &self.place, self.line))
    }

    fn mail_label(&self) -> Option<String> {
        mail::label(self.settings.mail_to.as_deref()?).ok().flatten()
    }

    /// Converts the line to a schedule.
    ///
    /// # Errors
    /// `Usage`, with the place of the line, when its definition is invalid.
    pub(crate) fn defined(&self, id: ScheduleId, host: &Host<'_>) -> Result<FileSchedule, Error> {
        let time_zone = self.settings.time_zone.clone().unwrap_or_else(|| host.time_zone.to_owned());
        let fixed = self.times.is_fixed();
        let spec = SpecText {
            cron: self.times.cron(id.as_str()),
            at_boot: self.times == LineTimes::Boot,
            time_zone: Some(time_zone),
            dst_gap: if fixed { Gap::Shift } else { Gap::Skip },
            dst_repeat: if fixed { Repeat::First } else { Repeat::Both },
            jitter: self.settings.jitter.clone(),
            ..SpecText::default()
        };
        let definition = Definition {
            alerts: Alerts {
                labels: self.mail_label().into_iter().collect(),
                ..Alerts::default()
            },
            after: Vec::new(),
            spec,
            action: Action {
                steps: vec![self.step()],
                ..Action::default()
            },
            policies: Policies::default(),
        };
        Ok(FileSchedule {
            spec: definition.check(&id, host.zones).map_err(|e| e.within(&self.place))?,
            place: self.place.clone(),
            line: self.line,
            definition,
            declared: Declared {
                note: self.note.clone(),
                ..Declared::default()
            },
            warnings: self.notes.clone(),
            id,
        })
    }
}

fn unknown(user: &str) -> String {
    format!("there is no user `{user}` on this machine: runs fail until it exists")
}

fn not_kept(user: &str, host: &Host<'_>) -> String {
    format!(
        "the user `{user}` is ignored: tempo is not running as root, so the command runs as `{}`",
        host.user
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::zoneinfo::ZoneInfo;

    fn read(text: &str, sort: Sort) -> (Vec<Job>, Vec<String>) {
        let zones = ZoneInfo::compiled_in();
        let source = Source { name: "crontab", text };
        let (jobs, errors) = parse(&source, sort, &host(&zones));
        (jobs, errors.iter().map(ToString::to_string).collect())
    }

    fn host(zones: &ZoneInfo) -> Host<'_> {
        Host {
            time_zone: "Europe/Berlin",
            user: "me",
            is_root: true,
            is_user: &|user| user != "nobody-knows",
            home: &|user| Some(format!("/home/{user}")),
            zones,
        }
    }

    fn defined(text: &str, sort: Sort) -> Vec<FileSchedule> {
        let zones = ZoneInfo::compiled_in();
        let (jobs, errors) = read(text, sort);
        assert!(errors.is_empty(), "{errors:?}");
        let of = |job: &Job| {
            job.defined(ScheduleId::parse(&job.names().0).unwrap(), &host(&zones))
                .unwrap()
        };
        jobs.iter().map(of).collect()
    }

    #[test]
    fn a_line_becomes_a_schedule_with_the_settings_and_note_above_it() {
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
        assert!(
            first.warnings[0].contains("mails the output of the job"),
            "{:?}",
            first.warnings
        );
        let spec = &second.definition.spec;
        assert_eq!(
            (spec.cron[0].as_str(), spec.time_zone.as_deref(), spec.dst_gap),
            ("@hourly", Some("Asia/Tokyo"), Gap::Skip)
        );
        let argv = ["/bin/bash", "-c", "run [[ 1 ]]"].map(str::to_owned);
        assert_eq!(second.definition.action.steps[0].command, Some(argv.into()));
        assert!(second.warnings[0].contains("Debian's cron ignores it"));
    }

    #[test]
    fn a_system_crontab_names_the_user_before_the_command() {
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
    fn errors_show_line_and_column() {
        let text = "* * * *\n61 * * * * x\n0 0 * * * \n@never x\n5-3 * * * * x\n\t0 1,x * * * y\n* * * * * fine\n* * * * * n\u{fffd}\nMAILTO=env:HOME\nCRON_TZ=Mars/Base\n* * * * * z\n";
        let (jobs, errors) = read(text, Sort::User);
        let starts = [
            "crontab:1:8: expected the day of week, found the end of the line",
            "crontab:2:1: minute `61` is out of range 0-59",
            "crontab:3:11: expected the command, found the end of the line",
            "crontab:4:1: unknown macro `@never`; expected `@yearly`, ",
            "crontab:5:1: it never fires",
            "crontab:6:6: hour `x` is not a number",
            "crontab:8:12: the line is not valid UTF-8",
            "crontab:9:8: tempo would interpret the value of `MAILTO` differently",
            "crontab:10:9: ",
            "crontab:11:1: the time zone set on line 10 is invalid",
        ];
        assert_eq!(errors.len(), starts.len(), "{errors:#?}");
        for (error, start) in errors.iter().zip(starts) {
            assert!(error.starts_with(start), "{error}");
        }
        assert_eq!(jobs.len(), 1);
    }

    #[test]
    fn notes_suggest_a_built_in_feature_for_common_idioms() {
        for (line, expected) in [
            ("* * * * * flock -n /tmp/l x", "`skip`"),
            ("* * * * * timeout 30 x", "--start-to-close-timeout"),
            ("0 3 * * * sleep $((RANDOM \\% 90)); x", "--jitter 90s"),
            ("0 3 * * * x >/dev/null 2>&1", "remove it to keep the output"),
            ("0 0 28-31 * * [ $(date -d tomorrow +\\%d) = 01 ] && x", "0 0 L * *"),
            ("* * * * * sleep 30; x", "--interval 30s"),
            ("*/5 * * * * curl -fsS http://h/ || echo down", "--probe"),
        ] {
            let found = defined(line, Sort::User);
            let notes = &found[0].warnings;
            assert!(notes.iter().any(|n| n.contains(expected)), "{line}: {notes:?}");
        }
    }

    #[test]
    fn only_a_prose_comment_becomes_the_note() {
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
