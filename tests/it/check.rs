//! `tempo check`: runs steps immediately, for CI and scripts.

use serde_json::{Value, json};

use crate::harness::{CommandOutput, Env, Targets, is_alive};

const STEPS: &str = "[[step]]\nname = \"lint\"\nshell = \"echo hello; echo problem >&2; exit 3\"\n[[step]]\nname = \"never\"\ncommand = [\"true\"]\n";

fn write(env: &Env, name: &str, text: &str) {
    std::fs::write(env.path(name), text).unwrap();
}

fn parsed(ran: &CommandOutput) -> Value {
    serde_json::from_str(&ran.stdout).unwrap_or_else(|_| panic!("{ran:?}"))
}

#[test]
fn prints_a_line_per_step_and_a_summary_and_exits_with_1_on_failure() {
    let env = Env::new();
    write(&env, "steps.toml", STEPS);
    let ran = env.tempo(&["check", "-f", "steps.toml"]);
    assert_eq!(ran.code, Some(1), "{ran:?}");
    let lines: Vec<&str> = ran.stdout.lines().collect();
    assert!(lines[0].starts_with("FAIL  lint: exit 3 ("), "{lines:?}");
    assert_eq!(lines[1..4], ["      | hello", "      | problem", "skip  never: not reached"]);
    assert!(lines[4].starts_with("2 steps: 1 failed, 1 not reached in "), "{lines:?}");
    assert_eq!(ran.stderr, "error: 1 of 2 steps failed\n");
    let ran = env.tempo(&["check", "--", "true"]);
    assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""));
    assert!(!env.database().exists(), "a check records nothing");
}

#[test]
fn checks_the_same_steps_as_the_schedule_runs() {
    let env = Env::new();
    let targets = Targets::start(&env);
    let (right, wrong) = (
        format!("right={}", targets.url("/status/200")),
        format!("wrong={}", targets.url("/status/500")),
    );
    env.tempo(&[
        "schedule",
        "create",
        "health",
        "--interval",
        "1h",
        "--probe",
        &right,
        "--probe",
        &wrong,
    ])
    .ok();
    env.tempo(&["export"]).ok();
    let exported = env.tempo(&["export"]).ok();
    write(&env, "jobs.toml", &exported);
    for args in [
        vec!["check", "health"],
        vec!["check", "-f", "jobs.toml"],
        vec!["check", "-f", "jobs.toml", "--parallel", "4"],
        vec!["check", "--probe", &right, "--probe", &wrong],
    ] {
        let ran = env.tempo(&[&["-o", "json"], &args[..]].concat());
        assert_eq!(ran.code, Some(1), "{args:?}: {ran:?}");
        let view = parsed(&ran);
        let incident = format!("incident: unexpected status 500 from {}", targets.url("/status/500"));
        assert_eq!(
            view["result"],
            json!({"right": "ok status=200", "wrong": incident}),
            "{args:?}"
        );
        assert_eq!(view["status"], "Completed");
        let fields: Vec<&String> = view.as_object().unwrap().keys().collect();
        let run = "closed_at due_at reason result run_id schedule_id scheduled_at started_at status steps waiting_for_worker_since workflow_id";
        let mut fields: Vec<&str> = fields.into_iter().map(String::as_str).collect();
        fields.sort_unstable();
        assert_eq!(fields.join(" "), run);
        assert!(ran.stderr.starts_with("{\"error\":{"), "{}", ran.stderr);
    }
    assert_eq!(env.json(&["schedule", "describe", "health"])["num_actions"], 0);
    assert_eq!(env.tempo(&["check", "helth"]).code, Some(3));
}

#[test]
fn steps_are_retried_and_can_run_in_parallel() {
    let env = Env::new();
    // Each step waits until all three have started, which can only succeed in parallel.
    let wait = "touch began-$TEMPO_STEP; n=0; while [ $(ls began-* | wc -l) -lt 3 ]; do n=$((n+1)); [ $n -lt 600 ] || exit 1; sleep 0.05; done";
    let steps: Vec<String> = ["a", "b", "c"]
        .iter()
        .map(|n| format!("[[step]]\nname = \"{n}\"\nshell = '''{wait}'''\n"))
        .collect();
    write(&env, "steps.toml", &steps.concat());
    let ran = env.tempo(&["check", "-f", "steps.toml", "--parallel", "3"]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let ran = env.tempo(&[
        "-o",
        "json",
        "check",
        "--attempts",
        "3",
        "--retry-initial-interval",
        "10ms",
        "--shell",
        "echo x >> tries; [ $(wc -l < tries) = 3 ]",
    ]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert_eq!(parsed(&ran)["steps"][0]["attempts"].as_array().unwrap().len(), 3);
}

#[test]
fn a_deadline_exits_with_124_and_leaves_no_process_behind() {
    let env = Env::new();
    let ran = env.tempo(&[
        "-o",
        "json",
        "check",
        "--deadline",
        "300ms",
        "--junit",
        "out.xml",
        "--shell",
        "echo $$ > pid; sleep 300",
    ]);
    assert_eq!(ran.code, Some(124), "{ran:?}");
    assert_eq!(parsed(&ran)["status"], "TimedOut");
    let pid = env.wait_for_lines("pid", 1).remove(0);
    assert!(!is_alive(&pid));
    let junit = std::fs::read_to_string(env.path("out.xml")).unwrap();
    assert!(
        junit.contains("<failure message=\"did not finish within 300ms\" type=\"Timeout\""),
        "{junit}"
    );
}

#[test]
fn waiting_for_another_schedule_does_not_use_up_the_run_timeout() {
    let env = Env::new();
    let text = "[[schedule]]\nid = \"slow\"\ninterval = \"1h\"\n[[schedule.step]]\nname = \"a\"\nshell = \"sleep 0.6\"\n\
        [[schedule]]\nid = \"brief\"\ninterval = \"1h\"\nrun_timeout = \"500ms\"\n[[schedule.step]]\nname = \"a\"\ncommand = [\"true\"]\n";
    write(&env, "jobs.toml", text);
    let stdout = env.tempo(&["check", "-f", "jobs.toml"]).ok();
    assert!(stdout.contains("ok    brief/a: exit=0"), "{stdout}");
    // At the deadline, schedules that have not started are reported too.
    let ran = env.tempo(&["check", "-f", "jobs.toml", "--deadline", "100ms"]);
    assert_eq!(ran.code, Some(124), "{ran:?}");
    assert!(
        ran.stdout.contains("FAIL  slow/a: interrupted") && ran.stdout.contains("skip  brief/a: not reached"),
        "{ran:?}"
    );
}

#[test]
fn steps_run_as_another_user_have_all_groups_of_that_user() {
    if !tempo::machine::is_root() {
        return;
    }
    let read = |file: &str| std::fs::read_to_string(file).unwrap();
    let (users, groups) = (read("/etc/passwd"), read("/etc/group"));
    let user = users
        .lines()
        .filter_map(|l| l.split(':').next())
        .find(|user| {
            groups
                .lines()
                .any(|g| g.rsplit(':').next().is_some_and(|all| all.split(',').any(|m| m == *user)))
        })
        .unwrap_or("daemon");
    let env = Env::new();
    write(
        &env,
        "steps.toml",
        &format!("[[step]]\nname = \"groups\"\nuser = \"{user}\"\ncommand = [\"id\", \"-G\"]\ncwd = \"/\"\n"),
    );
    let view = parsed(&env.tempo(&["-o", "json", "check", "-f", "steps.toml"]));
    let sorted = |text: &str| -> Vec<u32> {
        let mut ids: Vec<u32> = text.split_whitespace().map(|n| n.parse().unwrap()).collect();
        ids.sort_unstable();
        ids
    };
    let expected = std::process::Command::new("id").args(["-G", user]).output().unwrap();
    let expected = sorted(&String::from_utf8(expected.stdout).unwrap());
    let output = view["steps"][0]["attempts"][0]["output"].as_str().unwrap_or_default();
    assert_eq!(sorted(output), expected, "{user}: {view}");
    // Other steps still run as the original user.
    assert_eq!(env.tempo(&["check", "--", "sh", "-c", "test $(id -u) = 0"]).code, Some(0));
}

#[test]
fn writes_junit_and_github_annotations() {
    let env = Env::new();
    write(
        &env,
        "jobs.toml",
        "\n[[schedule]]\nid = \"ci\"\ninterval = \"1h\"\n[[schedule.step]]\nname = \"lint\"\nshell = \"echo '<&>'; exit 3\"\n[[schedule.step]]\nname = \"never\"\ncommand = [\"true\"]\n",
    );
    let ran: CommandOutput = env
        .command(&["check", "-f", "jobs.toml", "--junit", "out.xml"])
        .env("GITHUB_ACTIONS", "true")
        .output()
        .unwrap()
        .into();
    assert_eq!(ran.code, Some(1), "{ran:?}");
    assert!(
        ran.stderr
            .lines()
            .any(|l| l == "::error file=jobs.toml,line=2,title=tempo check%3A lint::exit 3"),
        "{}",
        ran.stderr
    );
    assert!(!ran.stdout.contains("::error"));
    let xml = std::fs::read_to_string(env.path("out.xml")).unwrap();
    for part in [
        "<testsuites name=\"tempo check\" tests=\"2\" skipped=\"1\" failures=\"1\" errors=\"0\">",
        "<testsuite name=\"ci\"",
        "<testcase name=\"lint\" classname=\"ci\"",
        "<failure message=\"exit 3\" type=\"NonZeroExit\"/>",
        "&lt;&amp;&gt;",
        "<skipped/>",
    ] {
        assert!(xml.contains(part), "{part}\n{xml}");
    }
    let ran = env.tempo(&["check", "--junit", "no/such/out.xml", "--", "true"]);
    assert_eq!(ran.code, Some(6), "{ran:?}");
}

#[test]
fn rejects_invalid_arguments() {
    let env = Env::new();
    write(&env, "steps.toml", STEPS);
    write(&env, "empty.toml", "");
    for (args, code, message) in [
        (
            &["check"][..],
            2,
            "error: expected exactly one of a schedule, files (`-f`) or steps",
        ),
        (
            &["check", "x", "--", "true"],
            2,
            "error: expected exactly one of a schedule, files (`-f`) or steps",
        ),
        (&["check", "-f", "none.toml"], 2, "error: cannot read `none.toml`"),
        (&["check", "-f", "empty.toml"], 2, "error: the files contain no steps"),
        (&["check", "--probe", "x=ftp://h/"], 2, "error: probe `x`: the scheme `ftp`"),
        (&["check", "--deadline", "soon", "--", "true"], 2, "error: "),
        (&["check", "nobody"], 3, "error: no schedule is named `nobody`"),
    ] {
        let ran = env.tempo(args);
        assert_eq!(ran.code, Some(code), "{args:?}: {ran:?}");
        assert!(ran.stderr.starts_with(message), "{args:?}: {}", ran.stderr);
    }
    // The temporary database is private.
    let ran = env.tempo(&["-o", "json", "check", "--shell", "ls -ld $(dirname $TEMPO_DB) | cut -c1-10"]);
    assert_eq!(parsed(&ran)["steps"][0]["attempts"][0]["output"], "drwx------\n");
}
