//! Who may use whom: the room table of the design, held against the code.

use std::path::{Path, PathBuf};

/// The rooms in their order; a room may use only those above it, and itself.
const ROOMS: [&str; 16] = [
    "error", "names", "clock", "machine", "spec", "zoneinfo", "run", "schedule", "store", "actions", "files", "engine", "ops",
    "output", "present", "cli",
];

/// Rooms that must not be used by a room even though they stand above it.
const BARRED: [(&str, &[&str]); 9] = [
    ("spec", &["clock", "machine", "names"]),
    ("run", &["clock", "machine", "zoneinfo"]),
    ("schedule", &["clock", "machine", "zoneinfo"]),
    ("store", &["zoneinfo"]),
    ("actions", &["store"]),
    ("files", &["store"]),
    ("ops", &["engine", "actions"]),
    ("output", &["store", "engine", "ops"]),
    ("present", &["engine", "actions"]),
];

/// What only one place may use: what, where. The time, waits and the environment are banned by `.clippy.toml`; here stands who is excepted.
const ONLY_IN: [(&str, &[&str]); 9] = [
    ("disallowed_methods", &["src/clock.rs"]),
    ("rusqlite", &["src/store/"]),
    ("ureq::", &["src/actions/http.rs"]),
    ("rustls::", &["src/actions/certificate.rs"]),
    ("simple_dns::", &["src/actions/dns.rs"]),
    ("toml::", &["src/files/"]),
    ("quick_junit::", &["src/cli/check/junit.rs"]),
    ("process::Command", &["src/actions/spawn.rs", "src/cli/demo/"]),
    ("println!", &[]),
];

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for path in std::fs::read_dir(folder).unwrap().map(|e| e.unwrap().path()) {
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|e| e == "rs") {
            found.push(path);
        }
    }
}

/// Each source file: its path from the top, its room, and its code without tests and comments.
fn files() -> Vec<(String, String, String)> {
    let top = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut paths = Vec::new();
    sources(&top.join("src"), &mut paths);
    paths.sort();
    let read = |path: PathBuf| {
        let name = path.strip_prefix(top).unwrap().to_str().unwrap().to_owned();
        let room = name.trim_start_matches("src/").split(['/', '.']).next().unwrap().to_owned();
        let text = std::fs::read_to_string(&path).unwrap();
        let code = text.split("#[cfg(test)]\nmod tests").next().unwrap();
        let code: String = code
            .lines()
            .filter(|l| !l.trim_start().starts_with("//"))
            .flat_map(|l| [l, "\n"])
            .collect();
        (name, room, code)
    };
    paths
        .into_iter()
        .map(read)
        .filter(|(name, _, _)| !name.contains("/stepped/"))
        .collect()
}

#[test]
fn a_room_uses_only_the_rooms_above_it() {
    let place = |room: &str| ROOMS.iter().position(|r| *r == room);
    let mut wrong = Vec::new();
    for (name, room, code) in files() {
        if matches!(room.as_str(), "lib" | "main") {
            continue;
        }
        let own = place(&room).unwrap_or_else(|| panic!("{name} is in no room of the table"));
        for used in code.split("crate::").skip(1) {
            let used = used.split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap();
            let Some(other) = place(used) else { continue };
            let barred = BARRED.iter().any(|(r, list)| *r == room && list.contains(&used));
            if other > own || barred {
                wrong.push(format!("{name} uses {used}"));
            }
        }
    }
    wrong.sort();
    wrong.dedup();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn what_only_one_place_may_do_is_done_nowhere_else() {
    let mut wrong = Vec::new();
    for (name, _, code) in files() {
        for (what, places) in ONLY_IN {
            if code.contains(what) && !places.iter().any(|p| name.starts_with(p)) {
                wrong.push(format!("{name} has `{what}`"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_file_says_first_what_it_is_for() {
    let top = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut paths = Vec::new();
    sources(&top.join("src"), &mut paths);
    sources(&top.join("tests"), &mut paths);
    let silent: Vec<_> = paths
        .iter()
        .filter(|p| !std::fs::read_to_string(p).unwrap().starts_with("//! "))
        .collect();
    assert!(silent.is_empty(), "{silent:?}");
}
