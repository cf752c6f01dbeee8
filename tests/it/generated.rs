//! Files generated from the command line's definition: man pages and completions. `BLESS=1 cargo test --test it generated` updates them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::harness::Env;

fn compare(directory: &str, generated: &BTreeMap<String, Vec<u8>>) {
    let committed = Path::new(env!("CARGO_MANIFEST_DIR")).join(directory);
    if tempo::machine::variable("BLESS").is_some() {
        let _ = std::fs::remove_dir_all(&committed);
        std::fs::create_dir_all(&committed).unwrap();
        for (name, bytes) in generated {
            std::fs::write(committed.join(name), bytes).unwrap();
        }
    }
    let found: BTreeMap<String, Vec<u8>> = std::fs::read_dir(&committed)
        .unwrap()
        .map(|e| e.unwrap().path())
        .map(|p: PathBuf| (p.file_name().unwrap().to_str().unwrap().to_owned(), std::fs::read(p).unwrap()))
        .collect();
    let update = "run `BLESS=1 cargo test --test it generated`";
    assert_eq!(
        found.keys().collect::<Vec<_>>(),
        generated.keys().collect::<Vec<_>>(),
        "{directory}: {update}"
    );
    for (name, bytes) in generated {
        assert!(found[name] == *bytes, "{directory}/{name} is stale: {update}");
    }
}

#[test]
fn committed_completions_are_up_to_date() {
    let env = Env::new();
    let files = [
        ("bash", "tempo.bash"),
        ("zsh", "_tempo"),
        ("fish", "tempo.fish"),
        ("elvish", "tempo.elv"),
        ("powershell", "_tempo.ps1"),
    ];
    let generated = files.map(|(shell, file)| (file.to_owned(), env.tempo(&["completions", shell]).ok().into_bytes()));
    compare("completions", &generated.into());
}

#[test]
fn committed_man_pages_are_up_to_date() {
    let env = Env::new();
    env.tempo(&["man", "pages"]).ok();
    let pages = std::fs::read_dir(env.path("pages")).unwrap().map(|e| e.unwrap().path());
    let generated = pages
        .map(|p| (p.file_name().unwrap().to_str().unwrap().to_owned(), std::fs::read(p).unwrap()))
        .collect();
    compare("man", &generated);
}
