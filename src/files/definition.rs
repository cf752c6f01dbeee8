//! Reads a definition file: `[[schedule]]` tables in TOML, or the same in JSON. Errors show line and column.

use std::collections::HashMap;
use std::ops::Range;

pub(crate) use super::schedule_table::FileSchedule;

use super::document::{Places, Source};
use super::node::Node;
use super::notify_text::NotifyText;
use super::schedule_table::TableReader;
use super::schedule_text::{File, ScheduleText};
use super::vars;
use crate::error::{Error, Kind};
use crate::names::ScheduleId;
use crate::spec::cron;
use crate::spec::zone::Zones;

/// A receiver of notifications as a file defines it; checked.
#[derive(Debug, Clone)]
pub(crate) struct FileReceiver {
    pub(crate) text: NotifyText,
    /// Place of its table, as compilers write it: `jobs.toml:7`.
    pub(crate) place: String,
    /// Line of its table, counted from 1.
    pub(crate) line: usize,
}

/// The definitions of a file.
#[derive(Debug, Clone, Default)]
pub(crate) struct Definitions {
    pub(crate) schedules: Vec<FileSchedule>,
    pub(crate) receivers: Vec<FileReceiver>,
}

/// A definition in a file.
#[derive(Debug, Clone)]
pub(crate) enum Defined {
    Schedule(Box<FileSchedule>),
    Receiver(Box<FileReceiver>),
}

/// Reads the definitions of a file.
///
/// # Errors
/// `Usage` with line and column: invalid TOML or JSON, unknown keys, invalid values, duplicate ids.
pub(crate) fn parse(source: &Source<'_>, zones: &dyn Zones) -> Result<Definitions, Error> {
    let mut all = Definitions::default();
    parse_each(source, zones, |defined| {
        match defined {
            Defined::Schedule(one) => all.schedules.push(*one),
            Defined::Receiver(one) => all.receivers.push(*one),
        }
        Ok(())
    })?;
    Ok(all)
}

/// Reads the definitions of a file one at a time, schedules first, and passes each to `take`: a file may define hundreds of thousands.
///
/// # Errors
/// As [`parse`], after the definitions before the error have been taken; those of `take`.
pub(crate) fn parse_each(
    source: &Source<'_>,
    zones: &dyn Zones,
    take: impl FnMut(Defined) -> Result<(), Error>,
) -> Result<(), Error> {
    let mut reader = Reader::new(source, zones, take);
    if !vars::may_occur(source.text)
        && let Some(parts) = source.parts("schedule")
        && reader.read_parts(parts)?
    {
        return Ok(());
    }
    reader.read_whole()
}

/// The keys of `[defaults]` that do not apply to a schedule, because it sets the same in another way.
fn set_otherwise(schedule: &Node) -> Vec<&'static str> {
    let has_zone = |key| {
        schedule.field(key).is_some_and(|value| {
            value
                .items()
                .iter()
                .any(|item| item.text().is_some_and(|t| cron::zone_of(t).is_some()))
        })
    };
    let keys = [
        ("time_zone", has_zone("cron")),
        ("pause_after", schedule.field("pause_on_failure").is_some_and(Node::is_true)),
    ];
    keys.into_iter().filter(|(_, is_set)| *is_set).map(|(key, _)| key).collect()
}

fn receivers_of(source: &Source<'_>, nodes: &[Node], zones: &dyn Zones) -> Result<Vec<FileReceiver>, Error> {
    let mut receivers: Vec<FileReceiver> = Vec::new();
    for node in nodes {
        let text = source.read::<NotifyText>(node)?;
        let (line, _) = source.place(node.at);
        let place = format!("{}:{line}", source.name);
        text.check(zones).map_err(|e| source.within_table(node, e))?;
        if let Some(other) = receivers.iter().find(|other| other.text.name == text.name) {
            let twice = format_args!("receiver `{}` is already defined on line {}", text.name, other.line);
            return Err(Error::new(Kind::Usage, twice).within(&place));
        }
        receivers.push(FileReceiver { text, place, line });
    }
    Ok(receivers)
}

/// Reads the definitions of one file, in order.
struct Reader<'a, T> {
    source: &'a Source<'a>,
    zones: &'a dyn Zones,
    places: Places<'a>,
    /// The line in which each schedule is defined.
    lines: HashMap<ScheduleId, usize>,
    take: T,
}

impl<'a, T: FnMut(Defined) -> Result<(), Error>> Reader<'a, T> {
    fn new(source: &'a Source<'a>, zones: &'a dyn Zones, take: T) -> Self {
        Self {
            source,
            zones,
            places: source.places(),
            lines: HashMap::new(),
            take,
        }
    }

    /// Reads the parts of a TOML file. Returns whether that was possible; if not, the rest of the file is to be read as a whole, which gives its error.
    fn read_parts(&mut self, parts: impl Iterator<Item = Range<usize>>) -> Result<bool, Error> {
        for part in parts {
            let Some(node) = self.source.part(part, "schedule") else {
                return Ok(false);
            };
            self.add(&node)?;
        }
        Ok(true)
    }

    /// Reads the definitions of the file that have not been read in parts.
    fn read_whole(mut self) -> Result<(), Error> {
        let source = self.source;
        let mut tree = source.tree()?;
        let is_list = tree.is_list();
        let mut nodes = tree.take_items("schedule");
        let mut receivers = if is_list { Vec::new() } else { tree.take_items("notify") };
        let mut defaults = tree.field("defaults").cloned();
        if !is_list {
            // Rejects unknown keys beside the schedules, and in the defaults.
            let vars = source.read::<File>(&tree)?.vars;
            source.check_vars(tree.field("vars"))?;
            source.fill_in(nodes.iter_mut().chain(&mut receivers).chain(&mut defaults), &vars)?;
        }
        for mut node in nodes.into_iter().skip(self.lines.len()) {
            if let Some(defaults) = &defaults {
                node.complete(defaults, &set_otherwise(&node));
            }
            self.add(&node)?;
        }
        let receivers = receivers_of(source, &receivers, self.zones)?.into_iter();
        receivers.map(Box::new).map(Defined::Receiver).try_for_each(self.take)
    }

    fn add(&mut self, node: &Node) -> Result<(), Error> {
        let text = self.source.read::<ScheduleText>(node)?;
        let reader = TableReader {
            source: self.source,
            node,
            zones: self.zones,
        };
        let one = reader.schedule(text, self.places.line_of(node.at))?;
        if let Some(line) = self.lines.insert(one.id.clone(), one.line) {
            return Err(Error::new(
                Kind::Usage,
                format_args!("schedule `{}` is already defined on line {line}", one.id),
            )
            .within(&one.place));
        }
        (self.take)(Defined::Schedule(Box::new(one)))
    }
}

#[cfg(test)]
mod tests {
    use super::super::schedule_text::toml;
    use super::*;
    use crate::schedule::Definition;
    use crate::schedule::State;
    use crate::zoneinfo::ZoneInfo;

    fn parsed(text: &str) -> Result<Vec<FileSchedule>, Error> {
        parse(&Source { name: "jobs.toml", text }, &ZoneInfo::compiled_in()).map(|defined| defined.schedules)
    }

    const EVERY_KEY: &str = r#"
[[schedule]]
id = "health"
note = "a note"
interval = "2m"
cron = ["0 9 * * *", "0 18 * * *"]
calendar = { hour = 9, day_of_week = "Mon-Fri" }
exclude_calendar = ["2026-12-25", { month = "8" }]
time_zone = "Europe/Berlin"
dst_gap = "Shift"
start_time = 2026-05-05T09:00:00Z
end_time = "2027-05-05 09:00"
jitter = "90s"
overlap_policy = "BUFFER_ONE"
catchup_window = "1h"
pause_after = 3
paused = true
remaining_actions = 3
task_queue = "heavy"
lock = "db"
if = "test -e /mnt/backup"
after = ["a", "b:failed"]
max_running = 3
labels = ["prod", "db"]
severity = "critical"
open_after = 3
resolve_after = 2
remind = "4h"
expect_within = "25h"
run_timeout = "1h"
[[schedule.step]]
name = "site"
probe = { url = "http://127.0.0.1/", status = 204 }
retry = { maximum_attempts = 2 }
open_after = "5m"
[[schedule.step]]
name = "report"
command = ["./report.sh"]
env = { LANG = "C" }
"#;

    #[test]
    fn a_written_definition_reads_back_unchanged() {
        let one = &parsed(EVERY_KEY).unwrap()[0];
        assert_eq!((one.line, one.id.as_str()), (2, "health"));
        let state = one.declared.over(&State::default(), None);
        let text = ScheduleText::of(&one.id, &one.definition, &state);
        let file = File {
            schedule: vec![text],
            ..File::default()
        };
        let json = serde_json::to_string(&file).unwrap();
        for again in [toml(&file).unwrap(), json] {
            let again = parsed(&again).unwrap_or_else(|e| panic!("{again}: {e}")).remove(0);
            assert_eq!((&again.definition, &again.declared), (&one.definition, &one.declared));
        }
    }

    #[test]
    fn reading_a_file_in_parts_gives_the_same_schedules_as_reading_it_whole() {
        let tricky = concat!(
            "\u{feff}# [[schedule]]\n  [[ schedule ]] # one\r\nid = 'a'\nnote = \"\"\"\n[[schedule]]\n\"\"\"\n",
            "cron = [\n'0 9 * * *',\n]\n[[schedule.step]]\nname = 's'\nshell = '''\n[[schedule]]'''\n",
            "[[schedule]]\nid = 'b'\n[[schedule.step]]\nname='s'\nshell='true'\n[schedule.step.retry]\nmaximum_attempts = 3\n",
        );
        for (text, parts) in [(tricky, 2), (EVERY_KEY, 1)] {
            let source = Source { name: "jobs.toml", text };
            let zones = ZoneInfo::compiled_in();
            assert_eq!(source.parts("schedule").unwrap().count(), parts, "{text}");
            let by_part = parse(&source, &zones).unwrap();
            let mut whole = Vec::new();
            let reader = Reader::new(&source, &zones, |defined| {
                whole.push(defined);
                Ok(())
            });
            reader.read_whole().unwrap();
            let by_part: Vec<Defined> = by_part.schedules.into_iter().map(Box::new).map(Defined::Schedule).collect();
            assert_eq!(format!("{by_part:?}"), format!("{whole:?}"), "{text}");
        }
        for text in [
            "x = 1\n[[schedule]]\nid = 'a'\n",
            "[other]\n[[schedule]]\nid = 'a'\n",
            "[[other]]\n[[schedule]]\n",
            "[[schedule]]\nid = 'a'\n[[notify]]\n",
            "[[schedule]]\nid = 'a'\n[defaults]\n",
            "[[schedule]]\nid = 'a'\n[ 'vars' ]\n",
            "schedule = []",
            "",
        ] {
            let source = Source { name: "jobs.toml", text };
            assert!(source.parts("schedule").is_none(), "{text}");
        }
        // Each part is valid, but the file is not.
        for text in [
            "[[schedule]]\nid = 'a'\n[x]\n[[schedule]]\nid = 'b'\n[x]\n",
            "[[schedule]]\nid = 'a'\n[[schedules]]\n",
        ] {
            assert!(parsed(text).is_err(), "{text}");
        }
    }

    #[test]
    fn defaults_apply_to_schedules_that_do_not_set_a_key_themselves() {
        let steps = "[[schedule.step]]\nname = 's'\nshell = 'true'\n";
        let text = format!(
            "[defaults]\ntime_zone = 'Europe/Berlin'\nlabels = 'prod'\nopen_after = 3\nexpect_within = '25h'\noverlap_policy = 'buffer-one'\n\
            [[schedule]]\nid = 'a'\ncron = '0 9 * * *'\n{steps}\
            [[schedule]]\nid = 'b'\ncron = '0 9 * * *'\ntime_zone = 'UTC'\nlabels = ['test']\nopen_after = '5m'\n{steps}"
        );
        let schedules = parsed(&text).unwrap();
        let settings = |index: usize| {
            let Definition {
                spec, alerts, policies, ..
            } = &schedules[index].definition;
            let open_after = serde_json::to_string(&alerts.open_after).unwrap();
            (spec.zone_name(), alerts.labels.concat(), open_after, policies.overlap.name())
        };
        let own = |text: &str| text.to_owned();
        assert_eq!(settings(0), (own("Europe/Berlin"), own("prod"), own("3"), "buffer-one"));
        assert_eq!(settings(1), (own("UTC"), own("test"), own("\"5m\""), "buffer-one"));
        assert_eq!(schedules[1].definition.alerts.expect_within.as_deref(), Some("25h"));
        // Set in another way.
        let text = format!(
            "[defaults]\ntime_zone = 'Europe/Berlin'\npause_after = 3\n\
            [[schedule]]\nid = 'a'\ncron = 'TZ=America/New_York 0 9 * * *'\npause_on_failure = true\n{steps}"
        );
        let one = &parsed(&text).unwrap()[0].definition;
        assert_eq!(
            (one.spec.zone_name().as_str(), one.policies.pause_after),
            ("America/New_York", None)
        );
        // Only in a comment, or not set.
        let text = format!(
            "[defaults]\ntime_zone = 'Europe/Berlin'\npause_after = 3\n\
            [[schedule]]\nid = 'a'\ncron = '0 9 * * * # moved from CRON_TZ=UTC'\npause_on_failure = false\n{steps}"
        );
        let one = &parsed(&text).unwrap()[0].definition;
        assert_eq!(
            (one.spec.zone_name().as_str(), one.policies.pause_after),
            ("Europe/Berlin", Some(3))
        );
        for (text, message) in [
            ("[defaults]\nopen_aftr = 3\n", "jobs.toml:2:1: unknown key `open_aftr`"),
            ("[defaults]\ncron = '@daily'\n", "jobs.toml:2:1: unknown key `cron`"),
            (
                "[defaults]\nseverity = 'bad'\n[[schedule]]\nid = 'a'\n[[schedule.step]]\nname = 's'\nshell = 'true'\n",
                "jobs.toml:2:12: no severity is named `bad`",
            ),
        ] {
            assert_eq!(parsed(text).unwrap_err().to_string(), message);
        }
    }
}
