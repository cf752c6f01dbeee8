//! Databases that cannot be used: damaged, foreign, read-only, or on a full disk.

use crate::bad_input::assert_rejected;
use crate::harness::Env;

#[test]
fn an_unusable_database_is_rejected_and_unchanged() {
    let env = Env::new();
    let create = ["schedule", "create", "x", "--interval", "2m", "--shell", "true"];
    std::fs::create_dir(env.path("directory")).unwrap();
    std::fs::write(
        env.path("text"),
        "this is no database, but it is long enough to look at".repeat(20),
    )
    .unwrap();
    std::fs::write(env.path("file"), "x").unwrap();
    for (file, parts) in [
        ("directory", vec!["is a directory"]),
        ("text", vec!["not a SQLite database"]),
        ("file/t.db", vec!["cannot create"]),
    ] {
        let path = env.path(file).display().to_string();
        let before = std::fs::read(&path).ok();
        for args in [&create[..], &["schedule", "list"], &["run", "--once"], &["status"]] {
            assert_rejected(&env, &(&[&["--db", &path], args].concat(), 6, &parts));
        }
        assert_eq!(std::fs::read(&path).ok(), before, "{file}");
    }
}

#[test]
fn a_file_from_another_program_or_a_newer_tempo_is_rejected_and_unchanged() {
    let env = Env::new();
    let path = |name: &str| env.path(name).display().to_string();
    env.tempo(&[
        "--db",
        &path("newer"),
        "schedule",
        "create",
        "x",
        "--interval",
        "1h",
        "--shell",
        "true",
    ])
    .ok();
    // The schema version: SQLite's `user_version`, four bytes at offset 60 of the header.
    let mut bytes = std::fs::read(path("newer")).unwrap();
    let application = bytes[68..72].to_vec();
    bytes[60..64].copy_from_slice(&99_u32.to_be_bytes());
    std::fs::write(path("newer"), &bytes).unwrap();
    bytes[68..72].copy_from_slice(&[0; 4]);
    assert_eq!(application, b"temp");
    std::fs::write(path("other"), &bytes).unwrap();
    for (file, part) in [("newer", "written by a newer tempo"), ("other", "of another program")] {
        let before = std::fs::read(path(file)).unwrap();
        assert_rejected(&env, &(&["--db", &path(file), "schedule", "list"], 6, &[part]));
        assert_eq!(std::fs::read(path(file)).unwrap(), before, "{file}");
    }
}

#[test]
fn a_full_disk_fails_with_an_error_and_loses_nothing() {
    let env = Env::new();
    env.tempo(&["schedule", "create", "first", "--interval", "2m", "--shell", "true"])
        .ok();
    let before = env.json(&["schedule", "list"]);
    // Limits files to 16 blocks of 512 bytes, which makes writes fail as on a full disk.
    let script = "trap '' XFSZ; ulimit -f 16; exec \"$0\" schedule create second --interval 2m --shell true";
    let mut full = std::process::Command::new("sh");
    full.args(["-c", script, env!("CARGO_BIN_EXE_tempo")])
        .env("TEMPO_DB", env.database());
    let ran: crate::harness::CommandOutput = full.output().unwrap().into();
    assert_eq!(ran.code, Some(6), "{ran:?}");
    assert!(ran.stderr.starts_with("error: cannot "), "{ran:?}");
    assert_eq!(env.json(&["schedule", "list"]), before);
}

#[test]
fn a_read_only_database_is_rejected() {
    use std::os::unix::fs::PermissionsExt as _;
    let env = Env::new();
    env.tempo(&["schedule", "create", "first", "--interval", "2m", "--shell", "true"])
        .ok();
    let set = |path: &std::path::Path, mode: u32| std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    set(&env.database(), 0o444);
    set(&env.path("."), 0o755);
    let mut command = env.command(&["schedule", "create", "second", "--interval", "2m", "--shell", "true"]);
    if tempo::machine::is_root() {
        // Root may write to any file: switch to `nobody`, with a copy of the program that `nobody` can read.
        let program = env.path("tempo");
        std::fs::copy(env!("CARGO_BIN_EXE_tempo"), &program).unwrap();
        command = std::process::Command::new("setpriv");
        command
            .args(["--reuid=65534", "--regid=65534", "--clear-groups"])
            .arg(program);
        command.args([
            "--db",
            "t.db",
            "schedule",
            "create",
            "second",
            "--interval",
            "2m",
            "--shell",
            "true",
        ]);
        command.current_dir(env.path("."));
    }
    let ran: crate::harness::CommandOutput = command.output().unwrap().into();
    assert_eq!(ran.code, Some(6), "{ran:?}");
    assert!(ran.stderr.contains("read-only") || ran.stderr.contains("readonly"), "{ran:?}");
}
