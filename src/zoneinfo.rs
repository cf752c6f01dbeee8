//! The machine's zone data, or chrono-tz's where there is none, as span tables. The only reader of zone files.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use crate::error::{Error, Kind};
use crate::machine;
use crate::names::nearest;
use crate::spec::zone::{Span, Zone, Zones};

/// Tables reach to the end of the year 2100, as the search does.
const END: i64 = 4_133_980_800;
/// Where transitions by rule are looked for begins: nothing fires before 2000.
const BEGIN: i64 = 0;
/// No zone changes its offset twice within so many seconds by rule.
const STRIDE: i64 = 28 * 86_400;

/// Zones by name, each read once.
#[derive(Debug)]
pub struct ZoneInfo {
    folder: Option<PathBuf>,
    known: Mutex<HashMap<String, Zone>>,
}

/// What a zone's file is like from outside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stamp {
    modified: Option<std::time::SystemTime>,
    length: u64,
    inode: u64,
}

impl ZoneInfo {
    /// The zone data of this machine: `TZDIR`, else `/usr/share/zoneinfo`, else what is compiled in.
    #[must_use]
    pub fn of_machine() -> Self {
        let named = machine::variable("TZDIR").map(PathBuf::from);
        let folder = named
            .into_iter()
            .chain([PathBuf::from("/usr/share/zoneinfo")])
            .find(|f| f.join("Etc/UTC").is_file() || f.join("UTC").is_file());
        Self {
            folder,
            known: Mutex::default(),
        }
    }

    /// The zone data in a folder that is laid out as `/usr/share/zoneinfo` is.
    #[must_use]
    pub fn in_folder(folder: &Path) -> Self {
        Self {
            folder: Some(folder.to_owned()),
            known: Mutex::default(),
        }
    }

    /// The folder of the machine's zone data, where there is one.
    #[must_use]
    pub fn folder(&self) -> Option<&Path> {
        self.folder.as_deref()
    }

    /// The version of the machine's zone data, where it tells: `2026a`.
    #[must_use]
    pub fn version(&self) -> Option<String> {
        let folder = self.folder.as_ref()?;
        let read = |name: &str| std::fs::read_to_string(folder.join(name)).ok();
        let named =
            read("+VERSION").or_else(|| Some(read("tzdata.zi")?.lines().next()?.strip_prefix("# version ")?.to_owned()))?;
        Some(named.trim().to_owned())
    }

    /// What tells that a zone's file has been replaced; none where there is no file.
    #[must_use]
    pub fn stamp(&self, name: &str) -> Option<Stamp> {
        let file = self.folder.as_ref()?.join(name);
        let found = std::fs::metadata(file).ok()?;
        Some(Stamp {
            modified: found.modified().ok(),
            length: found.len(),
            inode: std::os::unix::fs::MetadataExt::ino(&found),
        })
    }

    /// Reads zones anew when they are next asked for.
    pub fn forget(&self, names: &[String]) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.retain(|name, _| !names.contains(name));
    }

    /// The compiled-in zone data.
    #[must_use]
    pub fn compiled_in() -> Self {
        Self {
            folder: None,
            known: Mutex::default(),
        }
    }

    /// The name of the machine's own zone: `TZ`, else what `/etc/localtime` points to, else `/etc/timezone`.
    ///
    /// # Errors
    /// `System` when none of them names a zone.
    pub fn local_name() -> Result<String, Error> {
        let from_env = machine::environment("TZ")?
            .map(|z| z.trim_start_matches(':').to_owned())
            .filter(|z| !z.is_empty());
        let from_link = || {
            let target = std::fs::canonicalize("/etc/localtime").ok()?;
            target.to_str()?.split_once("/zoneinfo/").map(|(_, name)| name.to_owned())
        };
        let from_file = || {
            std::fs::read_to_string("/etc/timezone")
                .ok()
                .map(|t| t.trim().to_owned())
                .filter(|t| !t.is_empty())
        };
        from_env.or_else(from_link).or_else(from_file).ok_or_else(|| {
            Error::new(Kind::System, "this machine does not say which time zone it is in")
                .hint("Name one, as in `--time-zone Europe/Berlin`.")
        })
    }

    fn read(&self, name: &str) -> Option<Zone> {
        if let Some(folder) = &self.folder {
            let bytes = std::fs::read(folder.join(name)).ok()?;
            let zone = tz::TimeZone::from_tz_data(&bytes).ok()?;
            return Some(Zone::new(name, spans_of(&zone)));
        }
        let zone: chrono_tz::Tz = name.parse().ok()?;
        Some(Zone::new(
            name,
            spans_by_probing(BEGIN, |at| compiled_offset(zone, at), initial(compiled_offset(zone, BEGIN))),
        ))
    }

    fn names(&self) -> Vec<String> {
        match &self.folder {
            None => chrono_tz::TZ_VARIANTS.iter().map(|z| z.name().to_owned()).collect(),
            Some(folder) => {
                let mut names = Vec::new();
                collect_names(folder, folder, &mut names);
                names.sort();
                names
            }
        }
    }
}

impl Zones for ZoneInfo {
    fn zone(&self, name: &str) -> Result<Zone, Error> {
        if matches!(name, "" | "UTC") {
            return Ok(Zone::utc());
        }
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(zone) = known.get(name) {
            return Ok(zone.clone());
        }
        let sound = name.split('/').all(|part| !part.is_empty() && part != "." && part != "..") && name.is_ascii();
        let zone = sound.then(|| self.read(name)).flatten().ok_or_else(|| {
            let error = Error::new(Kind::Usage, format_args!("no time zone is named `{}`", name.escape_debug()));
            let names = self.names();
            match nearest(name, names.iter().map(String::as_str)) {
                Some(near) => error.hint(format_args!("Did you mean `{near}`?")),
                None => {
                    error.hint("Zones have names like `Europe/Berlin`, `America/New_York` or `UTC`; `local` is this machine's.")
                }
            }
        })?;
        known.insert(name.to_owned(), zone.clone());
        Ok(zone)
    }
}

fn initial(offset: i32) -> Vec<Span> {
    vec![Span { start: i64::MIN, offset }]
}

fn compiled_offset(zone: chrono_tz::Tz, at: i64) -> i32 {
    use chrono::{Offset as _, TimeZone as _};
    let instant = chrono::DateTime::from_timestamp(at, 0).unwrap_or_default().naive_utc();
    zone.offset_from_utc_datetime(&instant).fix().local_minus_utc()
}

/// The spans of a zone file: its table, then what its POSIX footer says.
fn spans_of(zone: &tz::TimeZone) -> Vec<Span> {
    let zone = zone.as_ref();
    let types = zone.local_time_types();
    let first = types.first().map_or(0, tz::LocalTimeType::ut_offset);
    let mut spans = initial(first);
    for t in zone.transitions() {
        let offset = types
            .get(t.local_time_type_index())
            .map_or(first, tz::LocalTimeType::ut_offset);
        push(&mut spans, t.unix_leap_time(), offset);
    }
    if zone.extra_rule().is_none() {
        return spans;
    }
    let from = spans.last().map_or(BEGIN, |s| s.start.max(BEGIN));
    let last = spans.last().map_or(first, |s| s.offset);
    spans_by_probing(
        from,
        |at| zone.find_local_time_type(at).map_or(last, tz::LocalTimeType::ut_offset),
        spans,
    )
}

fn push(spans: &mut Vec<Span>, start: i64, offset: i32) {
    match spans.last() {
        Some(last) if last.offset == offset || last.start >= start => {}
        _ => spans.push(Span { start, offset }),
    }
}

/// Extends a table by looking every [`STRIDE`] and halving where the offset has changed.
fn spans_by_probing(from: i64, offset_at: impl Fn(i64) -> i32, mut spans: Vec<Span>) -> Vec<Span> {
    let mut at = from;
    let mut offset = offset_at(at);
    while at < END {
        let next = at + STRIDE;
        let after = offset_at(next);
        if after != offset {
            let (mut before, mut changed) = (at, next);
            while changed - before > 1 {
                let middle = before + (changed - before) / 2;
                if offset_at(middle) == offset {
                    before = middle;
                } else {
                    changed = middle;
                }
            }
            push(&mut spans, changed, offset_at(changed));
        }
        (at, offset) = (next, after);
    }
    spans
}

fn collect_names(root: &Path, folder: &Path, names: &mut Vec<String>) {
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    for path in entries.flatten().map(|e| e.path()) {
        let Some(name) = path.strip_prefix(root).ok().and_then(Path::to_str) else {
            continue;
        };
        if matches!(name, "posix" | "right") || !name.starts_with(|c: char| c.is_ascii_uppercase()) {
            continue;
        }
        if path.is_dir() {
            collect_names(root, &path, names);
        } else {
            names.push(name.to_owned());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_machine_and_the_compiled_in_data_agree_on_a_zone_that_has_not_changed() {
        let (machine, compiled) = (ZoneInfo::of_machine(), ZoneInfo::compiled_in());
        let (a, b) = (
            machine.zone("America/New_York").unwrap(),
            compiled.zone("America/New_York").unwrap(),
        );
        for year in 0..130 {
            for month in 0..12 {
                let at = year * 31_556_952 + month * 2_629_746;
                assert_eq!(a.offset_at(at), b.offset_at(at), "{at}");
            }
        }
    }

    #[test]
    fn an_unknown_zone_names_the_nearest() {
        let e = ZoneInfo::of_machine().zone("Europe/Berln").unwrap_err();
        assert_eq!(e.hints(), ["Did you mean `Europe/Berlin`?"]);
        assert!(ZoneInfo::of_machine().zone("../../etc/passwd").is_err());
    }
}
