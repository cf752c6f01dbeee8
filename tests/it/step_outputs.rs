//! Outputs of steps: values that a command writes to `$TEMPO_OUTPUT` for later steps of its run.

use serde_json::json;

use crate::harness::{CommandOutput, Env};

/// Starts a run of the steps as `w`.
fn start(env: &Env, steps: &str) {
    std::fs::write(env.path("steps.toml"), steps).unwrap();
    env.tempo(&["workflow", "start", "--workflow-id", "w", "--steps", "steps.toml"])
        .ok();
}

const DUMP_AND_USE: &str = r#"
[[step]]
name = "dump.db"
shell = "test -e again || echo 'path=/no' >> $TEMPO_OUTPUT; printf 'path=%s\nsize=7\n' \"/tmp/it's a dump\" >> $TEMPO_OUTPUT; echo dumped >> log"

[[step]]
name = "use"
shell = "test -e go && printf '%s|%s\n' \"$DUMP\" \"$SIZE\" >> log"
env = { DUMP = "{{ steps.dump.db.path }}", SIZE = "{{ steps.dump.db.size }} MB" }
stdin = "{{steps.dump.db.size}}"

[[step]]
name = "argv"
command = ["printf", "%s", "{{ steps.dump.db.path }} {{ .Names }}"]
"#;

#[test]
fn later_steps_get_the_outputs_even_after_a_crash_and_a_retry() {
    let env = Env::new();
    start(
        &env,
        &DUMP_AND_USE.replace("test -e go &&", "test -e go || { echo up >> log; sleep 300; };"),
    );
    let server = env.serve(&[]);
    env.wait_for_lines("log", 2);
    server.kill();
    std::fs::write(env.path("go"), "").unwrap();
    assert_eq!(env.serve(&["--once"]).wait().0, Some(0));
    let log = std::fs::read_to_string(env.path("log")).unwrap();
    assert_eq!(log, "dumped\nup\n/tmp/it's a dump|7 MB\n");
    let run = env.json(&["workflow", "describe", "w"]);
    assert_eq!(run["steps"][0]["outputs"], json!({"path": "/tmp/it's a dump", "size": "7"}));
    assert_eq!(run["steps"][1].get("outputs"), None);
    assert_eq!(run["steps"][2]["attempts"][0]["output"], "/tmp/it's a dump {{ .Names }}");
    let text = env.tempo(&["workflow", "describe", "w"]).ok();
    assert!(text.contains("   output path=/tmp/it's a dump\n"), "{text}");
    // A failed run continues with the outputs of the steps that it does not run again.
    start(&env, DUMP_AND_USE);
    std::fs::remove_file(env.path("go")).unwrap();
    assert_eq!(env.tempo(&["run", "--once"]).code, Some(1));
    std::fs::write(env.path("go"), "").unwrap();
    env.tempo(&["workflow", "retry", "w"]).ok();
    assert_eq!(env.tempo(&["run", "--once"]).code, Some(0));
    let log = std::fs::read_to_string(env.path("log")).unwrap();
    assert!(log.ends_with("dumped\n/tmp/it's a dump|7 MB\n"), "{log}");
    // Steps that depend on each other are not checked in parallel.
    env.tempo(&["check", "-f", "steps.toml", "--parallel", "4"]).ok();
}

#[test]
fn an_output_with_a_secret_fails_its_step_and_is_neither_stored_nor_shown() {
    let env = Env::new();
    let secret = "s3cret-value-of-the-token";
    for line in ["token=a-$TOKEN-z", "$TOKEN=1", "token=$(printf %s \"$TOKEN\" | base64)"] {
        let steps = format!(
            "[[step]]\nname = \"login\"\nshell = 'echo \"{line}\" >> $TEMPO_OUTPUT'\nenv = {{ TOKEN = \"env:LOGIN_TOKEN\" }}\n\
             [[step]]\nname = \"use\"\ncommand = [\"echo\", \"{{{{ steps.login.token }}}}\"]\n"
        );
        start(&env, &steps);
        let ran: CommandOutput = env
            .command(&["run", "--once", "--no-web"])
            .env("LOGIN_TOKEN", secret)
            .output()
            .unwrap()
            .into();
        assert_eq!(ran.code, Some(1), "{line}: {ran:?}");
        let attempt = env.json(&["workflow", "describe", "w"])["steps"][0]["attempts"][0].clone();
        assert_eq!(attempt["error"], "invalid outputs: they contain a secret", "{line}");
    }
    for file in ["t.db", "t.db-wal"] {
        let bytes = std::fs::read(env.path(file)).unwrap_or_default();
        assert!(!bytes.windows(secret.len()).any(|part| part == secret.as_bytes()), "{file}");
    }
}

#[test]
fn a_file_for_outputs_is_deleted_also_after_a_crash() {
    let env = Env::new();
    let steps = "[[step]]\nname = \"a\"\nshell = \"echo $TEMPO_OUTPUT >> files; test -e go || sleep 300\"\n\
        [[step]]\nname = \"b\"\ncommand = [\"true\"]\nenv = { X = \"{{ steps.a.x }}\" }\n";
    start(&env, steps);
    let server = env.serve(&[]);
    let left = env.wait_for_lines("files", 1).remove(0);
    server.kill();
    assert!(std::path::Path::new(&left).exists());
    std::fs::write(env.path("go"), "").unwrap();
    assert_eq!(env.serve(&["--once"]).wait().0, Some(1));
    let files = env.wait_for_lines("files", 2);
    assert!(files.iter().all(|file| !std::path::Path::new(file).exists()), "{files:?}");
}

#[test]
fn a_stored_definition_with_text_that_looks_like_a_placeholder_still_runs() {
    let env = Env::new();
    env.tempo(&["schedule", "create", "s", "--interval", "1h", "--shell", "echo PLACE"])
        .ok();
    let connection = rusqlite::Connection::open(env.database()).unwrap();
    let changed = connection.execute(
        "UPDATE workflow SET json = replace(json, 'PLACE', '{{ steps.foo }} {{ steps.a.b }}')",
        [],
    );
    assert_eq!(changed.unwrap(), 1);
    drop(connection);
    env.tempo(&["schedule", "trigger", "s"]).ok();
    assert_eq!(env.tempo(&["run", "--once"]).code, Some(0));
    let run = env.json(&["workflow", "list"])[0]["run_id"].as_str().unwrap().to_owned();
    let output = env.json(&["workflow", "describe", &run])["steps"][0]["attempts"][0]["output"].clone();
    assert_eq!(output, "{{ steps.foo }} {{ steps.a.b }}\n");
}

#[test]
fn a_step_fails_if_outputs_are_invalid_or_missing() {
    let env = Env::new();
    let steps = |line: &str| {
        format!(
            "[[step]]\nname = \"a\"\nshell = \"{line}\"\n[[step]]\nname = \"b\"\ncommand = [\"echo\", \"{{{{ steps.a.x }}}}\"]\n"
        )
    };
    for (line, step, error_type, error) in [
        (
            "echo no >> $TEMPO_OUTPUT",
            0,
            "UnexpectedBody",
            "invalid outputs: line 1 is not `KEY=VALUE`",
        ),
        (
            "head -c 70000 /dev/zero | tr '\\\\0' x >> $TEMPO_OUTPUT",
            0,
            "UnexpectedBody",
            "invalid outputs: more than 64 KiB",
        ),
        (
            "echo x=1 > new; mv new $TEMPO_OUTPUT",
            0,
            "UnexpectedBody",
            "invalid outputs: the file was replaced; write to it, or append",
        ),
        (
            "echo y=1 >> $TEMPO_OUTPUT",
            1,
            "Spawn",
            "step `a` did not write an output `x`",
        ),
    ] {
        start(&env, &steps(line));
        assert_eq!(env.tempo(&["run", "--once"]).code, Some(1), "{line}");
        let attempt = env.json(&["workflow", "describe", "w"])["steps"][step]["attempts"][0].clone();
        assert_eq!(
            (&attempt["error_type"], &attempt["error"]),
            (&json!(error_type), &json!(error)),
            "{attempt}"
        );
    }
    // Outputs of a failed attempt are discarded.
    start(&env, &steps("echo x=1 >> $TEMPO_OUTPUT; exit 3"));
    assert_eq!(env.tempo(&["run", "--once"]).code, Some(1));
    assert_eq!(env.json(&["workflow", "describe", "w"])["steps"][0].get("outputs"), None);
}

#[test]
fn placeholders_name_an_earlier_command() {
    let env = Env::new();
    let probe = "[[step]]\nname = \"p\"\nprobe = \"http://127.0.0.1:9/\"\n";
    for (used, why) in [
        ("steps.b.x", "no earlier step has this name"),
        ("steps.later.x", "no earlier step has this name"),
        ("steps.p.x", "this step is not a command"),
        ("steps.p", "the key is missing"),
    ] {
        let steps = format!(
            "{probe}[[step]]\nname = \"b\"\ncommand = [\"echo\", \"{{{{ {used} }}}}\"]\n[[step]]\nname = \"later\"\nshell = \"true\"\n"
        );
        std::fs::write(env.path("steps.toml"), steps).unwrap();
        let ran = env.tempo(&["workflow", "start", "--steps", "steps.toml"]);
        let message = format!("`{{{{ {used} }}}}` in step `b`: {why}");
        assert!(ran.code == Some(2) && ran.stderr.contains(&message), "{used}: {ran:?}");
    }
    // Not where a value could become a command or name a secret.
    for text in [
        "shell = \"echo {{ steps.a.x }}\"",
        "command = [\"/usr/bin/bash\", \"-c\", \"echo {{ steps.a.x }}\"]",
        "command = [\"true\"]\nenv = { X = \"env:{{ steps.a.x }}\" }",
        "command = [\"true\"]\ncwd = \"/{{ steps.a.x }}\"",
    ] {
        let steps = format!("[[step]]\nname = \"a\"\nshell = \"true\"\n[[step]]\nname = \"b\"\n{text}\n");
        std::fs::write(env.path("steps.toml"), steps).unwrap();
        let ran = env.tempo(&["schedule", "create", "s", "--interval", "1h", "--steps", "steps.toml"]);
        let message = "`{{ steps.a.x }}` in step `b`: outputs cannot be used here";
        assert!(ran.code == Some(2) && ran.stderr.contains(message), "{text}: {ran:?}");
    }
    let ran = env.tempo(&[
        "schedule",
        "create",
        "s",
        "--interval",
        "1h",
        "--if",
        "test {{ steps.a.x }}",
        "--",
        "true",
    ]);
    assert!(
        ran.code == Some(2) && ran.stderr.contains("in `if`: a condition has no outputs"),
        "{ran:?}"
    );
    // Without a later step that uses them, outputs are discarded.
    start(
        &env,
        "[[step]]\nname = \"a\"\nshell = \"echo x=1 >> $TEMPO_OUTPUT; echo $TEMPO_OUTPUT\"\n",
    );
    assert_eq!(env.tempo(&["run", "--once"]).code, Some(0));
    let step = env.json(&["workflow", "describe", "w"])["steps"][0].clone();
    assert_eq!(
        (&step["attempts"][0]["output"], step.get("outputs")),
        (&json!("/dev/null\n"), None)
    );
}
