//! Commands and their standard streams: missing, closed, full or never ending.

use std::io::Read as _;
use std::process::Stdio;

use crate::commands::{ALL, prepare, words};
use crate::harness::{CommandOutput, Env, Targets};

#[test]
fn commands_work_without_stdin_terminal_locale_or_reader() {
    for way in ["plain", "no stdin", "reader gone", "LANG=C, 40 columns, no color"] {
        let env = Env::new();
        let targets = Targets::start(&env);
        prepare(&targets, &env);
        for (command, args, code, _) in ALL {
            let mut started = env.command(&words(&[], command, args));
            match way {
                "no stdin" => {
                    let words = words(&[], command, args);
                    started = env.command(&[]);
                    let tempo = env!("CARGO_BIN_EXE_tempo");
                    let mut shell = std::process::Command::new("sh");
                    shell.args(["-c", "exec \"$0\" \"$@\" <&-", tempo]).args(words);
                    shell
                        .env_clear()
                        .envs(started.get_envs().filter_map(|(k, v)| Some((k, v?))))
                        .current_dir(env.path(""));
                    started = shell;
                }
                "reader gone" => {
                    let (reader, writer) = std::io::pipe().unwrap();
                    drop(reader);
                    started.stdout(writer);
                }
                "LANG=C, 40 columns, no color" => {
                    started
                        .env("LANG", "C")
                        .env("LC_ALL", "C")
                        .env("COLUMNS", "40")
                        .env("NO_COLOR", "1")
                        .env("TERM", "dumb");
                }
                _ => {}
            }
            let ran: CommandOutput = started.output().unwrap().into();
            assert_eq!(ran.code, Some(*code), "{way}: {command}: {ran:?}");
            assert!(
                !ran.stderr.contains("panicked") && !ran.stdout.contains('\u{1b}'),
                "{way}: {command}: {ran:?}"
            );
        }
    }
}

#[test]
fn output_follow_ends_when_the_run_closes() {
    let env = Env::new();
    let _server = env.serve(&[]);
    std::fs::write(
        env.path("steps.toml"),
        "[[step]]\nname = \"a\"\nshell = \"echo first\"\n[[step]]\nname = \"b\"\nshell = \"while ! test -e go; do sleep 0.02; done; echo second\"\n",
    )
    .unwrap();
    env.tempo(&["workflow", "start", "--workflow-id", "w", "--steps", "steps.toml"])
        .ok();
    let mut child = env
        .command(&["workflow", "output", "-f", "w"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut out = child.stdout.take().unwrap();
    let mut first = [0; 6];
    out.read_exact(&mut first).unwrap();
    assert_eq!(&first, b"first\n");
    std::fs::write(env.path("go"), "").unwrap();
    let mut rest = String::new();
    out.read_to_string(&mut rest).unwrap();
    assert_eq!((rest.as_str(), child.wait().unwrap().code()), ("second\n", Some(0)));
}

#[test]
fn a_timeout_stops_a_command_that_writes_continuously() {
    let env = Env::new();
    let ran = env.tempo(&["check", "--start-to-close-timeout", "300ms", "--", "yes"]);
    assert_eq!(ran.code, Some(1), "{ran:?}");
    assert!(ran.stdout.contains("did not finish within 300 ms"), "{ran:?}");
}

#[test]
fn output_that_cannot_be_written_is_an_error() {
    let env = Env::new();
    for args in [
        &["--help"][..],
        &["schedule", "--help"],
        &["--version"],
        &["help", "cron"],
        &["schema"],
    ] {
        let mut command = env.command(args);
        command.stdout(std::fs::File::create("/dev/full").unwrap());
        assert_eq!(command.status().unwrap().code(), Some(6), "{args:?}");
    }
}
