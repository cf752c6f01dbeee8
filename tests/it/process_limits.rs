//! Limits of the processes of a step: memory, CPU time and niceness.

use crate::harness::Env;

/// Runs a command with limits; returns the step as JSON.
fn step(env: &Env, args: &[&str]) -> serde_json::Value {
    env.tempo(&[&["workflow", "start", "--workflow-id", "w"], args].concat()).ok();
    let _ = env.serve(&["--once"]).wait();
    env.json(&["workflow", "describe", "w"])["steps"][0].clone()
}

fn output(step: &serde_json::Value) -> &str {
    step["attempts"][0]["output"].as_str().unwrap_or_default()
}

#[test]
fn a_command_gets_its_limits_and_its_arguments_as_they_are() {
    let env = Env::new();
    let limits = ["--memory", "512M", "--cpu-time", "10m", "--nice", "5"];
    let of = step(
        &env,
        &[&limits[..], &["--shell", "ulimit -v; ulimit -S -t; ulimit -H -t"]].concat(),
    );
    assert_eq!(output(&of), "524288\n600\n605\n");
    let inherited: i32 = String::from_utf8(env.shell("nice").output().unwrap().stdout)
        .unwrap()
        .trim()
        .parse()
        .unwrap();
    let of = step(&env, &[&limits[..], &["--", "nice"]].concat());
    assert_eq!(output(&of).trim().parse(), Ok(inherited + 5));
    let of = step(
        &env,
        &[&limits[..], &["--", "printf", "%s|", "a  b", "$HOME", "'\"", ""]].concat(),
    );
    assert_eq!(output(&of), "a  b|$HOME|'\"||");
    let nice = step(&env, &["--nice", "5", "--env", "PATH=/nowhere", "--", "/usr/bin/nice"]);
    assert_eq!(
        output(&nice).trim().parse(),
        Ok(inherited + 5),
        "even if `nice` is not on the step's `PATH`"
    );
    // A shell would leave these out.
    let names = [
        &limits[..],
        &[
            "--env",
            "db.password=x",
            "--env",
            "a-b=y",
            "--env",
            "COMPLETE=bash",
            "--",
            "env",
        ],
    ]
    .concat();
    let of = step(&env, &names);
    assert!(
        ["db.password=x", "a-b=y", "COMPLETE=bash"]
            .iter()
            .all(|line| output(&of).lines().any(|l| l == *line))
    );
    let of = step(&env, &[&limits[..], &["--", "no-such-program"]].concat());
    assert_eq!(of["attempts"][0]["error"], "program `no-such-program` not found");
}

#[test]
fn a_command_that_exceeds_a_limit_fails() {
    let env = Env::new();
    let hungry = "head -c 300000000 /dev/zero | tail -n 1 > /dev/null";
    assert_eq!(step(&env, &["--shell", hungry])["status"], "Completed");
    assert_eq!(step(&env, &["--memory", "64M", "--shell", hungry])["status"], "Failed");
    // A limit that cannot be set, or a program that cannot be started, never counts as success.
    let text = "[[step]]\nname = 'x'\nshell = 'exit 126'\nok_exit_codes = [0, 126]\n";
    for (limits, status) in [("", "Completed"), ("nice = 5\n", "Completed"), ("memory = '1G'\n", "Failed")] {
        std::fs::write(env.path("steps.toml"), format!("{text}{limits}")).unwrap();
        env.tempo(&["workflow", "start", "--workflow-id", "w", "--steps", "steps.toml"])
            .ok();
        let _ = env.serve(&["--once"]).wait();
        assert_eq!(env.json(&["workflow", "describe", "w"])["status"], status);
    }
    let busy = step(&env, &["--cpu-time", "1s", "--shell", "while :; do :; done"]);
    let attempt = &busy["attempts"][0];
    assert_eq!(
        (&attempt["error_type"], &attempt["error"]),
        (&"Signal".into(), &"used more than 1 s of CPU time".into())
    );
}

#[test]
fn a_definition_keeps_its_limits_and_invalid_ones_are_rejected() {
    let env = Env::new();
    let file = |limits: &str| {
        let text = format!("[[schedule]]\nid = 's'\ninterval = '1h'\n[[schedule.step]]\nname = 'x'\n{limits}\n");
        std::fs::write(env.path("jobs.toml"), text).unwrap();
        env.tempo(&["apply", "-f", "jobs.toml"])
    };
    file("shell = 'true'\nmemory = '1G'\ncpu_time = '2m'\nnice = 19").ok();
    let exported = env.tempo(&["export", "s"]).ok();
    for line in ["memory = \"1G\"", "cpu_time = \"2m\"", "nice = 19"] {
        assert!(exported.contains(line), "{exported}");
    }
    let described = env.tempo(&["schedule", "describe", "s"]).ok();
    assert!(
        described.contains("at most 1G of memory; at most 2m of CPU time; nice 19"),
        "{described}"
    );
    for (limits, message) in [
        (
            "shell = 'true'\nmemory = '5x'",
            "`memory`: step `x`: expected a size of at least `1M`, such as `512M` or `2G`, not `5x`",
        ),
        ("shell = 'true'\nmemory = '5k'", "or `2G`, not `5k`"),
        (
            "shell = 'true'\ncpu_time = '1500ms'",
            "`cpu_time`: step `x`: expected whole seconds, at least `1s`, not `1500ms`",
        ),
        (
            "shell = 'true'\nnice = 20",
            "`nice`: step `x`: expected a number from 1 to 19, not `20`",
        ),
        ("probe = 'http://127.0.0.1/'\nnice = 5", "`nice` applies only to commands"),
        (
            "shell = 'true'\nok_exit_codes = [0, 256]",
            "256 in `ok_exit_codes` is not an exit code",
        ),
        (
            "shell = 'true'\ncpu_time = '1'",
            "step `x`: missing unit after `1` in duration `1`\n",
        ),
    ] {
        let refused = file(limits);
        assert!(
            refused.code == Some(2) && refused.stderr.contains(message),
            "{limits}: {refused:?}"
        );
    }
}
