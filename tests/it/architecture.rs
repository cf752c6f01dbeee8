//! Checks module dependencies against the layers of the design.

use std::path::{Path, PathBuf};

/// The layers in order; a layer may use only itself and those before it.
const LAYERS: [&str; 19] = [
    "error", "names", "clock", "machine", "spec", "zoneinfo", "run", "schedule", "notify", "store", "actions", "files", "engine",
    "ops", "output", "present", "web", "temporal", "cli",
];

/// Layers that a layer must not use although they come before it.
const FORBIDDEN: [(&str, &[&str]); 11] = [
    ("spec", &["clock", "machine", "names"]),
    ("run", &["clock", "machine", "zoneinfo"]),
    ("schedule", &["clock", "machine", "zoneinfo"]),
    ("notify", &["clock", "machine", "zoneinfo"]),
    ("store", &["zoneinfo"]),
    ("actions", &["store"]),
    ("files", &["store"]),
    ("ops", &["engine", "actions"]),
    ("output", &["store", "engine", "ops"]),
    ("present", &["engine", "actions"]),
    ("web", &["actions"]),
];

/// Text that may appear only in the given places. `.clippy.toml` bans clocks, sleeps and the environment; `disallowed_methods` here lists
/// the files that may override it.
const ONLY_IN: [(&str, &[&str]); 11] = [
    ("disallowed_methods", &["src/clock.rs"]),
    ("rusqlite", &["src/store/"]),
    ("ureq::", &["src/actions/http.rs"]),
    ("lettre::", &["src/actions/mail.rs"]),
    ("rustls::", &["src/actions/certificate.rs", "src/actions/smtp.rs"]),
    ("simple_dns::", &["src/actions/dns.rs"]),
    ("toml::", &["src/files/"]),
    ("quick_junit::", &["src/cli/check/junit.rs"]),
    ("sd_notify::", &["src/machine/supervisor.rs"]),
    (
        "process::Command",
        &[
            "src/actions/spawn.rs",
            "src/actions/wrap.rs",
            "src/cli/demo/",
            "src/cli/schedule/edit.rs",
            "src/cli/open.rs",
            "src/cli/run/init.rs",
            "src/machine/limited.rs",
            "src/cli/service/systemd.rs",
        ],
    ),
    ("println!", &[]),
];

fn sources(directory: &Path, found: &mut Vec<PathBuf>) {
    for path in std::fs::read_dir(directory).unwrap().map(|e| e.unwrap().path()) {
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|e| e == "rs") && !path.to_str().unwrap().ends_with("_tests.rs") {
            found.push(path);
        }
    }
}

/// Returns each source file: its path from the root, its layer, and its code without tests and comments.
fn files() -> Vec<(String, String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut paths = Vec::new();
    sources(&root.join("src"), &mut paths);
    paths.sort();
    let read = |path: PathBuf| {
        let name = path.strip_prefix(root).unwrap().to_str().unwrap().to_owned();
        let layer = name.trim_start_matches("src/").split(['/', '.']).next().unwrap().to_owned();
        let text = std::fs::read_to_string(&path).unwrap();
        let code = text.split("#[cfg(test)]\nmod tests").next().unwrap();
        let code: String = code
            .lines()
            .filter(|l| !l.trim_start().starts_with("//"))
            .flat_map(|l| [l, "\n"])
            .collect();
        (name, layer, code)
    };
    paths
        .into_iter()
        .map(read)
        .filter(|(name, _, _)| !name.contains("/deterministic/"))
        .collect()
}

/// Returns every path in a file that names a module of this crate, resolved relative to the crate root: imports, with groups expanded, and
/// paths in code.
fn paths(name: &str, code: &str) -> Vec<Vec<String>> {
    let module = module_of(name);
    let mut found = Vec::new();
    for root in ["crate::", "super::", "self::"] {
        for (at, _) in code.match_indices(root) {
            // Only at the start of a path: `super::super::x` is one path.
            if code[..at].ends_with([':', '_']) || code[..at].ends_with(char::is_alphanumeric) {
                continue;
            }
            expand(&code[at..], &mut Vec::new(), &mut found);
        }
    }
    let absolute = |path: Vec<String>| {
        let supers = path.iter().take_while(|part| *part == "super").count();
        let base = match path[0].as_str() {
            "crate" => Vec::new(),
            _ => module[..module.len().saturating_sub(supers)].to_vec(),
        };
        [&base[..], &path[supers.max(1)..]].concat()
    };
    found.into_iter().map(absolute).collect()
}

/// Returns the module path of a file: `src/store/open.rs` is `store::open`, `src/store/mod.rs` is `store`.
fn module_of(name: &str) -> Vec<String> {
    let path = name
        .trim_start_matches("src/")
        .trim_end_matches(".rs")
        .trim_end_matches("/mod");
    path.split('/').map(str::to_owned).collect()
}

/// Reads one path, or a group of paths in braces, from the start of `code`; returns the rest.
fn expand<'a>(mut code: &'a str, prefix: &mut Vec<String>, found: &mut Vec<Vec<String>>) -> &'a str {
    let depth = prefix.len();
    loop {
        let end = code.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(code.len());
        if end > 0 {
            prefix.push(code[..end].to_owned());
        }
        code = &code[end..];
        match code.strip_prefix("::") {
            Some(rest) if rest.starts_with(|c: char| c.is_alphabetic() || c == '_') => code = rest,
            Some(rest) if rest.starts_with('{') => {
                code = &rest[1..];
                loop {
                    code = expand(code.trim_start(), prefix, found).trim_start();
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
                found.push(prefix.clone());
                break;
            }
        }
    }
    prefix.truncate(depth);
    code
}

#[test]
fn layers_use_only_those_before_them() {
    let position = |layer: &str| LAYERS.iter().position(|l| *l == layer);
    let mut wrong = Vec::new();
    for (name, layer, code) in files() {
        if matches!(layer.as_str(), "lib" | "main") {
            continue;
        }
        let own = position(&layer).unwrap_or_else(|| panic!("{name} is in no known layer"));
        for path in paths(&name, &code) {
            let Some(used) = path.first() else { continue };
            let Some(other) = position(used) else { continue };
            let forbidden = FORBIDDEN.iter().any(|(l, list)| *l == layer && list.contains(&used.as_str()));
            if other > own || forbidden {
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
    // A `mod.rs` is exempt: it uses the files of its directory, and they use its declarations.
    let is_mod_rs = |index: usize| files[index].0.ends_with("/mod.rs");
    let file_of = |path: &[String]| {
        let longest = (1..=path.len())
            .rev()
            .find_map(|n| modules.iter().position(|m| m == &path[..n]));
        longest.filter(|index| !is_mod_rs(*index))
    };
    let used: Vec<Vec<usize>> = files
        .iter()
        .map(|(name, _, code)| paths(name, code).iter().filter_map(|path| file_of(path)).collect())
        .collect();
    let mut cycles = Vec::new();
    for (index, targets) in used.iter().enumerate().filter(|(index, _)| !is_mod_rs(*index)) {
        for other in targets
            .iter()
            .filter(|other| **other > index && used[**other].contains(&index))
        {
            cycles.push(format!("{} and {}", files[index].0, files[*other].0));
        }
    }
    cycles.sort();
    cycles.dedup();
    assert!(cycles.is_empty(), "{}", cycles.join("\n"));
}

#[test]
fn expands_grouped_imports() {
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
fn restricted_items_are_used_only_where_allowed() {
    let mut wrong = Vec::new();
    for (name, _, code) in files() {
        for (text, places) in ONLY_IN {
            if code.contains(text) && !places.iter().any(|p| name.starts_with(p)) {
                wrong.push(format!("{name} contains `{text}`"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_file_starts_with_a_doc_comment() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut paths = Vec::new();
    sources(&root.join("src"), &mut paths);
    sources(&root.join("tests"), &mut paths);
    let undocumented: Vec<_> = paths
        .iter()
        .filter(|p| !std::fs::read_to_string(p).unwrap().starts_with("//! "))
        .collect();
    assert!(undocumented.is_empty(), "{undocumented:?}");
}
