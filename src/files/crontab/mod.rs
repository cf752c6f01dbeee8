//! Crontabs: read by cron's own rules, each line a schedule with what is to know of it; and schedules written as one.

pub(crate) mod export;
mod name;
mod notes;
mod parser;
mod times;

use std::collections::BTreeMap;

use self::parser::CrontabParser;
use self::times::LineTimes;
use super::definition::FileSchedule;
use super::document::Source;
use crate::error::Error;
use crate::names::ScheduleId;
use crate::run::step_text::{Action, StepText};
use crate::schedule::{Declared, Definition, Policies};
use crate::spec::spec_text::SpecText;
use crate::spec::zone::{Gap, Repeat, Zones};

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
    /// Whether there is a user of that name.
    pub(crate) is_user: &'a dyn Fn(&str) -> bool,
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
    times: LineTimes,
    settings: LineSettings,
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
struct LineSettings {
    time_zone: Option<String>,
    /// The line that sets a zone which cannot be read.
    broken_zone: Option<usize>,
    shell: Option<String>,
    home: Option<String>,
    jitter: Option<String>,
    mail_to: Option<String>,
    env: BTreeMap<String, String>,
}

/// When a line fires.
pub(crate) struct Fires<'a> {
    times: &'a LineTimes,
    /// As cron strings; absent where they depend on the id.
    strings: Option<Vec<String>>,
}

impl Fires<'_> {
    /// Whether they are those of a schedule.
    pub(crate) fn are_of(&self, spec: &SpecText, id: &ScheduleId) -> bool {
        let alike = match &self.strings {
            Some(strings) => spec.cron == *strings,
            None => spec.cron == self.times.cron(id.as_str()),
        };
        alike && spec.at_boot == (*self.times == LineTimes::Boot)
    }
}

/// Reads a crontab: its jobs, and what is wrong with the other lines.
pub(crate) fn parse(source: &Source<'_>, sort: Sort, host: &Host<'_>) -> (Vec<Job>, Vec<Error>) {
    let mut reading = CrontabParser::new(source, sort, host);
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
        self.notes.extend(if host.is_root {
            (!(host.is_user)(user)).then(|| unknown(user))
        } else {
            Some(not_kept(user, host))
        });
    }

    /// What a step does, as [`Self::does`] tells it of a line.
    pub(crate) fn what(step: &StepText) -> String {
        format!("{:?}{:?}{:?}{:?}", step.shell, step.command, step.stdin, step.user)
    }

    /// What this line does: alike for those that do the same.
    pub(crate) fn does(&self) -> String {
        Self::what(&self.step())
    }

    /// Its times, to be looked for among many.
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

    /// The schedule that it becomes.
    pub(crate) fn defined(&self, id: ScheduleId, host: &Host<'_>) -> FileSchedule {
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
        FileSchedule {
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

fn unknown(user: &str) -> String {
    format!("no user is named `{user}` on this machine: its runs fail until there is one")
}

fn not_kept(user: &str, host: &Host<'_>) -> String {
    format!(
        "the user `{user}` is not kept: tempo does not run as root here, so it runs as `{}`",
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
        let (jobs, faults) = parse(&source, sort, &host(&zones));
        (jobs, faults.iter().map(ToString::to_string).collect())
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
        let text = "* * * *\n61 * * * * x\n0 0 * * * \n@never x\n5-3 * * * * x\n\t0 1,x * * * y\n* * * * * fine\n* * * * * n\u{fffd}\nMAILTO=env:HOME\nCRON_TZ=Mars/Base\n* * * * * z\n";
        let (jobs, faults) = read(text, Sort::User);
        let starts = [
            "crontab:1:8: the line ends where the day of week should stand",
            "crontab:2:1: minute `61` is out of range 0-59",
            "crontab:3:11: the line ends where the command should stand",
            "crontab:4:1: `@never` is not one of @reboot",
            "crontab:5:1: it never fires",
            "crontab:6:6: hour `x` is not a number",
            "crontab:8:12: the line holds bytes that are not UTF-8",
            "crontab:9:8: `MAILTO` is set to a value that tempo reads otherwise",
            "crontab:10:9: ",
            "crontab:11:1: its times are in the zone of line 10, which cannot be read",
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
