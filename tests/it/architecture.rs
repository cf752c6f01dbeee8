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
        .filter(|(name, _, _)| !name.contains("/deterministic/"))
        .collect()
}

/// Every path in a file that names a module of this crate, resolved to start at the crate: imports with their groups taken apart, and paths in code.
fn paths(name: &str, code: &str) -> Vec<Vec<String>> {
    let module = module_of(name);
    let mut found = Vec::new();
    for root in ["crate::", "super::", "self::"] {
        for (at, _) in code.match_indices(root) {
            // Only where a path begins: `super::super::x` is one path.
            if code[..at].ends_with([':', '_']) || code[..at].ends_with(char::is_alphanumeric) {
                continue;
            }
            expand(&code[at..], &mut Vec::new(), &mut found);
        }
    }
    let absolute = |path: Vec<String>| {
        let ups = path.iter().take_while(|part| *part == "super").count();
        let base = match path[0].as_str() {
            "crate" => Vec::new(),
            _ => module[..module.len().saturating_sub(ups)].to_vec(),
        };
        [&base[..], &path[ups.max(1)..]].concat()
    };
    found.into_iter().map(absolute).collect()
}

/// The module that a file is: `src/store/open.rs` is `store::open`, `src/store/mod.rs` is `store`.
fn module_of(name: &str) -> Vec<String> {
    let path = name
        .trim_start_matches("src/")
        .trim_end_matches(".rs")
        .trim_end_matches("/mod");
    path.split('/').map(str::to_owned).collect()
}

/// Reads one path, or a group of them in braces, from the beginning of `code`; what follows it.
fn expand<'a>(mut code: &'a str, before: &mut Vec<String>, found: &mut Vec<Vec<String>>) -> &'a str {
    let depth = before.len();
    loop {
        let end = code.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(code.len());
        if end > 0 {
            before.push(code[..end].to_owned());
        }
        code = &code[end..];
        match code.strip_prefix("::") {
            Some(rest) if rest.starts_with(|c: char| c.is_alphabetic() || c == '_') => code = rest,
            Some(rest) if rest.starts_with('{') => {
                code = &rest[1..];
                loop {
                    code = expand(code.trim_start(), before, found).trim_start();
                    match code.strip_prefix(',') {
                        Some(rest) => code = rest.trim_start(),
                        None => break,
                    }
                    if code.starts_with('}') {
                        break;
                    }
                }
                code = code.strip_prefix('}').unwrap_or(code);
                break;
            }
            Some(_) | None => {
                found.push(before.clone());
                break;
            }
        }
    }
    before.truncate(depth);
    code
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
        for path in paths(&name, &code) {
            let Some(used) = path.first() else { continue };
            let Some(other) = place(used) else { continue };
            let barred = BARRED.iter().any(|(r, list)| *r == room && list.contains(&used.as_str()));
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
fn no_two_files_use_each_other() {
    let files = files();
    let modules: Vec<Vec<String>> = files.iter().map(|(name, _, _)| module_of(name)).collect();
    // A `mod.rs` is the face of its folder: it uses the files below it, and they use what it declares.
    let is_face = |index: usize| files[index].0.ends_with("/mod.rs");
    let file_of = |path: &[String]| {
        let longest = (1..=path.len())
            .rev()
            .find_map(|n| modules.iter().position(|m| m == &path[..n]));
        longest.filter(|index| !is_face(*index))
    };
    let used: Vec<Vec<usize>> = files
        .iter()
        .map(|(name, _, code)| paths(name, code).iter().filter_map(|path| file_of(path)).collect())
        .collect();
    let mut circles = Vec::new();
    for (index, targets) in used.iter().enumerate().filter(|(index, _)| !is_face(*index)) {
        for other in targets
            .iter()
            .filter(|other| **other > index && used[**other].contains(&index))
        {
            circles.push(format!("{} and {}", files[index].0, files[*other].0));
        }
    }
    circles.sort();
    circles.dedup();
    assert!(circles.is_empty(), "{}", circles.join("\n"));
}

#[test]
fn grouped_imports_are_taken_apart() {
    let code = "use crate::{store, engine::{self, queue::Queue}};\nuse super::open::create;\nlet x = crate::clock::pause;";
    let found: Vec<String> = paths("src/store/backup.rs", code).iter().map(|p| p.join("::")).collect();
    assert_eq!(
        found,
        [
            "store",
            "engine::self",
            "engine::queue::Queue",
            "clock::pause",
            "store::open::create"
        ]
    );
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
