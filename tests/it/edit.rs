//! `tempo schedule edit`, with programs that edit without a person.

use crate::harness::{CommandOutput, Env};

fn edit(env: &Env, editor: &str) -> CommandOutput {
    let mut command = env.command(&["schedule", "edit", "s"]);
    command.env("EDITOR", editor).env("TMPDIR", env.path("."));
    command.output().unwrap().into()
}

fn kept(env: &Env) -> Vec<String> {
    let names = std::fs::read_dir(env.path(".")).unwrap().map(|e| e.unwrap().file_name());
    let names = names.map(|n| n.to_string_lossy().into_owned());
    names.filter(|n| n.starts_with("tempo-") && n.contains(".toml")).collect()
}

#[test]
fn an_edit_is_validated_shown_and_applied() {
    let env = Env::new();
    let create = [
        "schedule",
        "create",
        "s",
        "--interval",
        "1h",
        "--note",
        "a note",
        "--jitter",
        "10s",
        "--shell",
        "true",
    ];
    env.tempo(&create).ok();
    env.tempo(&["schedule", "pause", "s"]).ok();
    let ran = edit(&env, "sed -i -e s/1h/2h/ -e /jitter/d");
    assert_eq!(
        (ran.code, ran.stdout.as_str()),
        (
            Some(0),
            "~ update s: every 2 h\n    interval: 1h → 2h\n    jitter: 10s → (none)\n1 schedule: 1 updated\n"
        ),
        "{ran:?}"
    );
    let now = env.json(&["schedule", "describe", "s"]);
    assert_eq!(
        (now["spec_text"].as_str(), now["paused"].as_bool()),
        (Some("every 2 h"), Some(true))
    );
    assert_eq!(edit(&env, "true").ok(), "Schedule s was not changed\n");
    let mut unchanged = env.command(&["-o", "json", "schedule", "edit", "s"]);
    let unchanged: CommandOutput = unchanged.env("EDITOR", "true").output().unwrap().into();
    assert_eq!(unchanged.ok(), "[]\n");
    assert!(kept(&env).is_empty());
    let mut visual = env.command(&["schedule", "edit", "s"]);
    visual.env("VISUAL", "sed -i s/2h/3h/").env("EDITOR", "false");
    let visual: CommandOutput = visual.output().unwrap().into();
    assert!(visual.ok().contains("interval: 2h → 3h"));
    // What is deleted from the file is cleared.
    edit(&env, "sed -i -e /note/d -e /paused/d").ok();
    let now = env.json(&["schedule", "describe", "s"]);
    assert_eq!((now["note"].as_str(), now["paused"].as_bool()), (Some(""), Some(false)));
}

#[test]
fn an_edit_warns_of_what_the_schedule_will_not_do() {
    let env = Env::new();
    let file = "[[schedule]]\nid = 's'\ncron = '0 0 1 * *'\n[[schedule.step]]\nname = 'x'\nshell = 'true'\n";
    std::fs::write(env.path("jobs.toml"), file).unwrap();
    env.tempo(&["apply", "-f", "jobs.toml"]).ok();
    let ran = edit(&env, "sed -i 's/0 0 1/0 0 30 2/;s/2 \\* \\*/2 */'");
    assert_eq!(ran.code, Some(0), "{ran:?}");
    for warning in [
        "it never fires: no time between now",
        "jobs.toml: the next `tempo apply` of that file replaces this edit",
    ] {
        assert!(
            ran.stderr.contains(warning) || ran.stdout.contains(warning),
            "{warning}: {ran:?}"
        );
    }
}

#[test]
fn a_rejected_edit_changes_nothing_and_is_kept() {
    let env = Env::new();
    env.tempo(&["schedule", "create", "s", "--interval", "1h", "--shell", "true"])
        .ok();
    let tempo = env!("CARGO_BIN_EXE_tempo");
    let meanwhile = format!("{tempo} schedule update s --interval 3h --quiet && sed -i s/1h/2h/");
    for (editor, code, message, keeps) in [
        ("sed -i s/1h/1x/", 2, ": unknown unit `x`", true),
        (
            "sed -i 's/id = .*/id = \"t\"/'",
            2,
            "must define the schedule `s` and no other",
            true,
        ),
        (r"printf '\377' >", 2, "is not valid UTF-8", true),
        ("cp /dev/null", 2, "must define the schedule `s`", true),
        ("false", 1, "nothing was changed", false),
        (&meanwhile, 4, "was changed in the meantime", true),
    ] {
        let before = kept(&env).len();
        let ran = edit(&env, editor);
        assert_eq!(ran.code, Some(code), "{editor}: {ran:?}");
        assert!(ran.stderr.contains(message), "{editor}: {ran:?}");
        assert_eq!(kept(&env).len() - before, usize::from(keeps), "{editor}: {ran:?}");
        assert_eq!(ran.stderr.contains("Your edit is kept in"), keeps, "{editor}: {ran:?}");
    }
    let now = env.json(&["schedule", "describe", "s"]);
    assert_eq!(now["spec_text"], "every 3 h");
    assert_eq!(env.json(&["schedule", "list"]).as_array().unwrap().len(), 1);
}

#[test]
fn an_edit_is_kept_if_the_editor_fails_after_saving() {
    let env = Env::new();
    env.tempo(&["schedule", "create", "s", "--interval", "1h", "--shell", "true"])
        .ok();
    let failed = edit(&env, "false");
    assert_eq!(
        (failed.code, kept(&env).len()),
        (Some(1), 0),
        "nothing was edited: {failed:?}"
    );
    let failed = edit(&env, "sh -c 'sed -i s/1h/2h/ \"$1\"; exit 3' sh");
    assert_eq!(failed.code, Some(1), "{failed:?}");
    let kept = kept(&env);
    assert!(failed.stderr.contains(&kept[0]), "{failed:?}");
    assert!(std::fs::read_to_string(env.path(&kept[0])).unwrap().contains("2h"));
    // A file that the editor deleted is not said to be kept.
    let deleted = edit(&env, "rm");
    assert!(deleted.code != Some(0) && !deleted.stderr.contains("is kept"), "{deleted:?}");
    // Neither is waited for.
    for replaced in ["sh -c 'rm \"$1\"; mkfifo \"$1\"' sh", "ln -sf /dev/zero"] {
        let refused = edit(&env, replaced);
        assert!(
            refused.code == Some(1) && refused.stderr.contains("no regular file"),
            "{refused:?}"
        );
    }
    assert_eq!(env.json(&["schedule", "describe", "s"])["spec_text"], "every hour");
}
