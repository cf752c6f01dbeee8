//! Durable scripts: a completed `tempo step` is not run again, even if the script is restarted.

use serde_json::{Value, json};

use crate::harness::{Env, is_alive, wait_until};

/// Starts a run of a shell script whose `tempo` is the binary under test.
fn start(env: &Env, script: &str) {
    let tempo = env!("CARGO_BIN_EXE_tempo");
    let script = format!("set -e; tempo() {{ {tempo} \"$@\"; }}; {script}");
    env.tempo(&["workflow", "start", "--workflow-id", "w", "--shell", &script])
        .ok();
}

fn run_once(env: &Env) -> Option<i32> {
    env.serve(&["--once"]).wait().0
}

fn step(env: &Env) -> Value {
    env.json(&["workflow", "describe", "w"])["steps"][0].clone()
}

/// Returns the output of the last attempt of the script.
fn output(env: &Env) -> String {
    let step = step(env);
    let last = step["attempts"].as_array().unwrap().last().unwrap();
    last["output"].as_str().unwrap_or_default().to_owned()
}

#[test]
fn a_restarted_script_gets_the_output_of_a_completed_step_without_running_it_again() {
    let env = Env::new();
    start(
        &env,
        "file=$(tempo step dump -- sh -c 'echo dump >> log; echo dump-$$.sql')
        tempo step upload -- sh -c \"echo upload $file >> log; test -e go || sleep 300\"
        echo kept $file",
    );
    let server = env.serve(&[]);
    let interrupted = env.wait_for_lines("log", 2);
    server.kill();
    std::fs::write(env.path("go"), "").unwrap();
    assert_eq!(run_once(&env), Some(0));
    let log = env.wait_for_lines("log", 3);
    assert_eq!(
        (log[0].as_str(), &log[1], &log[2]),
        ("dump", &interrupted[1], &interrupted[1]),
        "the same file"
    );
    let file = log[1].split(' ').nth(1).unwrap();
    assert_eq!(output(&env), format!("kept {file}\n"));
    let steps = step(&env)["steps"].clone();
    let outcomes = |i: usize| -> Vec<Value> {
        let attempts = steps[i]["attempts"].as_array().unwrap();
        attempts.iter().map(|a| a["outcome"].clone()).collect()
    };
    assert_eq!((&steps[0]["name"], outcomes(0)), (&json!("dump"), vec![json!("ok")]));
    assert_eq!(
        (&steps[1]["name"], outcomes(1)),
        (&json!("upload"), vec![json!("lost"), json!("ok")])
    );
    assert_eq!(steps[0]["attempts"][0]["output"], format!("{file}\n"));
}

#[test]
fn a_failed_step_is_not_recorded_and_is_retried_as_the_flags_set() {
    let env = Env::new();
    start(
        &env,
        "tempo step a --attempts 3 --retry-initial-interval 1ms -- sh -c 'echo try >> log; echo told; test -e go || exit 7'",
    );
    assert_eq!(run_once(&env), Some(1));
    assert_eq!(env.wait_for_lines("log", 3).len(), 3);
    let text = output(&env);
    assert!(
        text.contains("told\n") && text.ends_with("error: step `a` failed: exit 7\n"),
        "{text}"
    );
    assert_eq!(step(&env)["steps"][0]["status"], "Failed");
    std::fs::write(env.path("go"), "").unwrap();
    env.tempo(&["workflow", "retry", "w"]).ok();
    assert_eq!(run_once(&env), Some(0));
    assert_eq!(env.wait_for_lines("log", 4).len(), 4);
    let view = &step(&env)["steps"][0];
    assert_eq!(
        (&view["status"], &view["attempts"][3]["number"]),
        (&json!("Completed"), &json!(4))
    );
}

#[test]
fn rejects_a_step_name_that_is_invalid_or_in_use() {
    for (script, message) in [
        (
            "tempo step a -- true; tempo step a -- echo other",
            "was recorded with another command or duration: [\"true\"]",
        ),
        (
            "tempo step a -- true; tempo sleep 1ms --name a",
            "was recorded with another command or duration: [\"true\"]",
        ),
        (
            "mkfifo hold; tempo step a -- cat hold & until test -e hold; do :; done; exec 3> hold; tempo step a -- cat hold",
            "is already being run by process",
        ),
        ("tempo step -- true", "NAME"),
        ("tempo step 'a b' -- true", "may not contain a space"),
        ("tempo step a -- no-such-program", "program `no-such-program` not found"),
        ("tempo sleep 1x --name a", "unknown unit `x`"),
    ] {
        let env = Env::new();
        start(&env, script);
        assert_eq!(run_once(&env), Some(1), "{script}");
        assert!(output(&env).contains(message), "{script}: {}", output(&env));
    }
}

#[test]
fn records_up_to_1_mib_of_stdout_and_rejects_more() {
    let env = Env::new();
    start(
        &env,
        "tempo step whole -- head -c 1048576 /dev/zero | wc -c; tempo step whole -- head -c 1048576 /dev/zero | wc -c
        tempo step more -- head -c 1048577 /dev/zero",
    );
    assert_eq!(run_once(&env), Some(1));
    let text = output(&env);
    assert!(text.starts_with("1048576\n1048576\n"), "{text}");
    assert!(text.contains("step `more` failed: wrote more than 1 MiB to stdout"), "{text}");
}

#[test]
fn a_sleep_keeps_its_wake_time_across_restarts() {
    let env = Env::new();
    start(&env, "tempo sleep 1h --name rest; echo rested");
    let file = || rusqlite::Connection::open(env.database()).unwrap();
    let wake = || -> Option<i64> { file().query_row("SELECT wake_ms FROM script_step", [], |r| r.get(0)).ok() };
    // One more round than the number of lost attempts that fails a step without progress.
    let mut first = None;
    for round in 1..=4 {
        let server = env.serve(&[]);
        let sleeping_sql =
            "SELECT count(*) FROM run JOIN script_step WHERE attempts = ?1 AND lost_in_a_row = 0 AND (?1 = 1 OR lost > 0)";
        wait_until("the sleep to resume", || {
            file().query_row(sleeping_sql, [round], |r| r.get(0)) == Ok(1)
        });
        assert_eq!(wake(), *first.get_or_insert(wake()));
        server.kill();
    }
    assert_eq!(step(&env)["steps"][0]["kind"], "sleep");
    // Pretends that the hour has passed.
    file().execute("UPDATE script_step SET wake_ms = 1", []).unwrap();
    assert_eq!(run_once(&env), Some(0));
    assert_eq!(output(&env), "rested\n");
    assert_eq!(step(&env)["steps"][0]["status"], "Completed");
}

#[test]
fn a_timeout_kills_a_step_and_its_child_processes() {
    let env = Env::new();
    start(
        &env,
        "tempo step a --start-to-close-timeout 200ms -- sh -c 'sleep 300 & echo $! > child; wait' || echo went on",
    );
    assert_eq!(run_once(&env), Some(0));
    assert!(
        output(&env).contains("step `a` failed: did not finish within 200 ms"),
        "{}",
        output(&env)
    );
    assert!(output(&env).ends_with("went on\n"));
    assert!(!is_alive(env.wait_for_lines("child", 1)[0].trim()));
    assert_eq!(step(&env)["steps"][0]["attempts"][0]["error_type"], "Timeout");
}

#[test]
fn canceling_a_run_cancels_its_script_step() {
    let env = Env::new();
    start(&env, "tempo step a -- sh -c 'echo up >> log; sleep 300'");
    let _server = env.serve(&[]);
    env.wait_for_lines("log", 1);
    env.tempo(&["workflow", "cancel", "w"]).ok();
    env.wait_for_json(&["workflow", "describe", "w"], |r| r["status"] == "Canceled");
    let script_step = &step(&env)["steps"][0];
    assert_eq!(
        (&script_step["status"], &script_step["attempts"][0]["outcome"]),
        (&json!("Canceled"), &json!("canceled"))
    );
}

#[test]
fn nested_steps_appear_under_their_caller() {
    let env = Env::new();
    let tempo = env!("CARGO_BIN_EXE_tempo");
    start(
        &env,
        &format!("tempo step outer -- sh -c '{tempo} step inner -- echo deep; echo out'"),
    );
    assert_eq!(run_once(&env), Some(0));
    let outer = &step(&env)["steps"];
    assert_eq!(outer.as_array().unwrap().len(), 1);
    assert_eq!(
        (&outer[0]["name"], &outer[0]["steps"][0]["name"]),
        (&json!("outer"), &json!("inner"))
    );
    assert_eq!(output(&env), "deep\nout\n");
    let text = env.tempo(&["workflow", "describe", "w"]).ok();
    assert!(
        text.contains("\n   - outer (command) Completed") && text.contains("\n     - inner (command) Completed"),
        "{text}"
    );
}

#[test]
fn rejects_a_step_outside_a_running_script() {
    let env = Env::new();
    for args in [&["step", "a", "--", "true"][..], &["sleep", "1ms", "--name", "a"]] {
        let ran = env.tempo(args);
        assert_eq!(ran.code, Some(2), "{ran:?}");
        assert!(ran.stderr.contains("works only inside a command that tempo runs"), "{ran:?}");
    }
    start(&env, "true");
    assert_eq!(run_once(&env), Some(0));
    let run = env.json(&["workflow", "describe", "w"])["run_id"]
        .as_str()
        .unwrap()
        .to_owned();
    let orphan = env
        .command(&["step", "a", "--", "touch", "done"])
        .envs([
            ("TEMPO_RUN_ID", run.as_str()),
            ("TEMPO_STEP", "command"),
            ("TEMPO_ATTEMPT", "1"),
        ])
        .output()
        .unwrap();
    assert_eq!(orphan.status.code(), Some(4));
    assert!(String::from_utf8_lossy(&orphan.stderr).contains("belongs to no open run"));
    assert!(!env.path("done").exists());
}

#[test]
fn sigterm_cancels_a_step_with_its_children_and_it_can_run_again() {
    let env = Env::new();
    // Called directly: with the shell function, the shell would get the signal.
    let tempo = env!("CARGO_BIN_EXE_tempo");
    start(
        &env,
        &format!(
            "{tempo} step a -- sh -c 'echo $$ >> pids; test -e again || sleep 300' & until test -s pids; do :; done
        kill $!; wait $! || echo ended with $?
        touch again; tempo step a -- sh -c 'echo $$ >> pids; test -e again || sleep 300'"
        ),
    );
    assert_eq!(run_once(&env), Some(0), "{}", output(&env));
    assert!(output(&env).contains("ended with 130"), "{}", output(&env));
    let pids = env.wait_for_lines("pids", 2);
    assert!(!is_alive(pids[0].trim()));
    let attempts = step(&env)["steps"][0]["attempts"].clone();
    assert_eq!(
        (&attempts[0]["outcome"], &attempts[1]["outcome"]),
        (&json!("canceled"), &json!("ok"))
    );
}

#[test]
fn a_timeout_kills_processes_that_ignore_sigterm() {
    let env = Env::new();
    let stubborn = "sh -c \"trap : TERM; echo \\$\\$ > child; while :; do sleep 1; done\"; true";
    start(
        &env,
        &format!("tempo step a --start-to-close-timeout 300ms -- sh -c '{stubborn}' || echo went on"),
    );
    assert_eq!(run_once(&env), Some(0));
    assert!(output(&env).ends_with("went on\n"), "{}", output(&env));
    let child = env.wait_for_lines("child", 1).remove(0);
    wait_until("the stubborn child to exit", || !is_alive(child.trim()));
}

#[test]
fn processes_of_a_killed_step_are_killed_before_it_runs_again() {
    let env = Env::new();
    start(
        &env,
        "work='echo $PPID >> steps; echo $$ >> pids; test -e go || sleep 300'
        tempo step x -- sh -c \"$work\" || { touch go; tempo step x -- sh -c \"$work\"; }",
    );
    let _server = env.serve(&[]);
    let (step, leftover) = (
        env.wait_for_lines("steps", 1).remove(0),
        env.wait_for_lines("pids", 1).remove(0),
    );
    let killed = std::process::Command::new("kill").args(["-9", &step]).status().unwrap();
    assert!(killed.success());
    let again = env.wait_for_lines("pids", 2);
    assert_ne!(again[1], leftover);
    assert!(!is_alive(&leftover), "{leftover} still runs beside {}", again[1]);
    env.wait_for_json(&["workflow", "describe", "w"], |w| w["status"] == "Completed");
}

#[test]
fn a_timeout_kills_processes_in_their_own_session() {
    let env = Env::new();
    start(
        &env,
        "tempo step x --start-to-close-timeout 300ms -- sh -c 'setsid sh -c \"echo \\$\\$ > away; exec sleep 300\" & sleep 300' || true",
    );
    assert_eq!(run_once(&env), Some(0));
    let away = env.wait_for_lines("away", 1).remove(0);
    assert!(!is_alive(&away));
}

#[test]
fn script_steps_return_secrets_unchanged_but_neither_store_nor_show_them() {
    const SECRET: &str = "TOP-secret\"99";
    let env = Env::new();
    let script = "shown=$(tempo step show -- sh -c 'echo \"$TOKEN\"; printf %s \"$TOKEN\" | base64')\n\
        expected=$(echo \"$TOKEN\"; printf %s \"$TOKEN\" | base64)\n\
        test \"$shown\" = \"$expected\" && echo same >> log\n\
        exact=$(tempo step exact --env X=env:OTHER -- sh -c 'echo \"v-$X\"'); test \"$exact\" = \"v-$OTHER\" && echo exact >> log\n\
        tempo step direct --env D=env:DIRECT -- sh -c 'echo \"direct $D\"'\n\
        tempo step argument -- echo \"$TOKEN\"\n\
        tempo step fails -- sh -c 'exit 3' \"$TOKEN\"\n\
        tempo step missing -- \"/no/$TOKEN\"\n\
        tempo step \"n-$OTHER\" -- true\n\
        tempo step outer --env X=env:OTHER -- tempo step inner -- sh -c 'echo \"$TOKEN $X\"'\n\
        echo \"$TOKEN\" | base64; printf %s \"user:$TOKEN\" | base64\n\
        test -e again || { touch again; exit 1; }\n";
    let steps =
        format!("[[step]]\nname = \"s\"\nshell = '''{script}'''\nenv = {{ TOKEN = \"env:SEC\", OTHER = \"env:OTHER\" }}\n");
    std::fs::write(env.path("s.toml"), steps).unwrap();
    let bin = std::path::Path::new(env!("CARGO_BIN_EXE_tempo")).parent().unwrap();
    let tempo = |args: &[&str]| {
        let path = format!("{}:/usr/bin:/bin", bin.display());
        env.command(args)
            .env("SEC", SECRET)
            .env("OTHER", "other-secret")
            .env("DIRECT", "direct-secret")
            .env("PATH", path)
            .output()
            .unwrap()
    };
    assert!(
        tempo(&["workflow", "start", "--workflow-id", "w", "--steps", "s.toml"])
            .status
            .success()
    );
    assert_eq!(tempo(&["run", "--once"]).status.code(), Some(1));
    assert!(tempo(&["workflow", "retry", "w"]).status.success());
    assert_eq!(tempo(&["run", "--once"]).status.code(), Some(0));
    assert_eq!(env.wait_for_lines("log", 4), ["same", "exact", "same", "exact"]);
    let described = env.tempo(&["-o", "json", "workflow", "describe", "w"]).ok();
    assert!(described.contains("the name of the step contains a secret"), "{described}");
    env.tempo(&["doctor", "--backup", "copy.db"]).ok();
    let mut everything = described.into_bytes();
    for file in std::fs::read_dir(env.path(".")).unwrap() {
        let path = file.unwrap().path();
        if !path.ends_with("s.toml") {
            everything.extend(std::fs::read(path).unwrap_or_default());
        }
    }
    let encoded = ["", "x", "xy"].map(|before| {
        let text = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, format!("{before}{SECRET}"));
        text[4..14].to_owned()
    });
    for leaked in ["TOP-secret", "other-secret", "direct-secret"]
        .iter()
        .map(|s| (*s).to_owned())
        .chain(encoded)
    {
        let found = everything.windows(leaked.len()).any(|w| w == leaked.as_bytes());
        assert!(!found, "{leaked}");
    }
}

#[test]
fn a_secret_is_sealed_whatever_the_name_of_its_variable() {
    let env = Env::new();
    let program = env!("CARGO_BIN_EXE_tempo");
    let steps = format!(
        "[[step]]\nname = \"x\"\ncommand = [\"{program}\", \"step\", \"one\", \"--\", \"env\"]\nenv = {{ \"A,B\" = \"env:TOKEN\" }}\n"
    );
    std::fs::write(env.path("steps.toml"), steps).unwrap();
    env.tempo(&["workflow", "start", "--workflow-id", "w", "--steps", "steps.toml"])
        .ok();
    let ran = env
        .command(&["run", "--once"])
        .env("TOKEN", "s3cr3t-t0ken-value")
        .output()
        .unwrap();
    assert_eq!(ran.status.code(), Some(0), "{ran:?}");
    let database = std::fs::read(env.database()).unwrap();
    let secret = b"s3cr3t-t0ken-value";
    assert!(!database.windows(secret.len()).any(|window| window == secret));
    let described = env.tempo(&["workflow", "describe", "w"]).ok();
    assert!(described.contains("A,B=***"), "{described}");
}
