//! `tempo service` and systemd's notification protocol; `systemctl` is a script that records its calls.

use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixDatagram;
use std::time::Duration;

use crate::harness::{CommandOutput, Env, ended, wait_until};

/// Puts a `systemctl` and a `loginctl` on the path that record their calls, and answer as for a unit that is enabled and running.
fn with_systemd(env: &Env) {
    let script = "#!/bin/sh\necho \"$(basename \"$0\") $*\" >> \"$HOME/calls\"\ncase \"$*\" in *is-enabled*) echo enabled;; *is-active*) echo active;; esac\n";
    std::fs::create_dir_all(env.path("bin")).unwrap();
    for name in ["systemctl", "loginctl"] {
        let path = env.path("bin").join(name);
        std::fs::write(&path, script).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    }
}

fn tempo(env: &Env, args: &[&str]) -> CommandOutput {
    let path = format!("{}:/usr/bin:/bin", env.path("bin").display());
    let mut command = env.command(args);
    command.env("PATH", path).output().unwrap().into()
}

fn calls(env: &Env) -> Vec<String> {
    let text = std::fs::read_to_string(env.path("calls")).unwrap_or_default();
    let _ = std::fs::remove_file(env.path("calls"));
    text.lines().map(str::to_owned).collect()
}

#[test]
fn installs_shows_and_removes_the_service_of_a_user() {
    let env = Env::new();
    with_systemd(&env);
    let unit = env.path(".config/systemd/user/tempo.service");
    assert_eq!(tempo(&env, &["service", "uninstall", "--user"]).code, Some(3));
    let none = tempo(&env, &["-o", "json", "service", "status", "--user"]).ok();
    assert!(none.contains("\"installed\": false"), "{none}");
    let printed = tempo(&env, &["service", "install", "--user", "--print", "--", "--workers", "8"]).ok();
    assert!(!unit.exists() && calls(&env).is_empty());
    let done = tempo(&env, &["service", "install", "--user", "--", "--workers", "8"]).ok();
    assert!(done.contains(unit.to_str().unwrap()), "{done}");
    let text = std::fs::read_to_string(&unit).unwrap();
    let body = |unit: &str| unit.split_once('\n').unwrap().1.to_owned();
    assert_eq!(body(&text), body(&printed));
    assert!(
        printed.starts_with("# Save as ") && printed.contains("enable-linger"),
        "{printed}"
    );
    let start = format!(
        "ExecStart={} --db {} run --workers 8\n",
        env!("CARGO_BIN_EXE_tempo"),
        env.database().display()
    );
    for line in [
        "Type=notify\n",
        "Restart=on-failure\n",
        "ExecReload=/bin/kill -HUP $MAINPID\n",
        "KillMode=mixed\n",
        "WantedBy=default.target\n",
        &start,
    ] {
        assert!(text.contains(line), "{line}: {text}");
    }
    let user = [
        "show-environment",
        "daemon-reload",
        "enable tempo.service",
        "restart tempo.service",
    ]
    .map(|call| format!("systemctl --user {call}"));
    let mut expected = user.to_vec();
    expected.push("loginctl enable-linger".to_owned());
    assert_eq!(calls(&env), expected);
    let shown = tempo(&env, &["service", "status", "--user"]).ok();
    assert!(shown.contains("enabled") && shown.contains("active"), "{shown}");
    calls(&env);
    tempo(&env, &["service", "uninstall", "--user"]).ok();
    assert!(!unit.exists());
    assert_eq!(
        calls(&env),
        [
            "systemctl --user disable --now tempo.service",
            "systemctl --user daemon-reload"
        ]
    );
}

#[test]
fn does_not_replace_a_unit_that_it_did_not_write() {
    let env = Env::new();
    let unit = env.path(".config/systemd/user/tempo.service");
    let without = env
        .command(&["service", "install", "--user"])
        .env("PATH", env.path("bin"))
        .output()
        .unwrap();
    let without = CommandOutput::from(without);
    assert!(
        without.code == Some(6) && without.stderr.contains("Without systemd"),
        "{without:?}"
    );
    assert!(!unit.exists(), "nothing is written without systemd");
    with_systemd(&env);
    std::fs::create_dir_all(unit.parent().unwrap()).unwrap();
    std::fs::write(&unit, "[Service]\nExecStart=/usr/bin/other\n").unwrap();
    for verb in ["install", "uninstall"] {
        let refused = tempo(&env, &["service", verb, "--user"]);
        assert!(
            refused.code == Some(4) && refused.stderr.contains("was not written by tempo"),
            "{refused:?}"
        );
    }
    assert!(std::fs::read_to_string(&unit).unwrap().contains("other"));
    let system = tempo(&env, &["service", "install", "--system", "--print"]).ok();
    assert!(
        system.contains("WantedBy=multi-user.target\n") && system.contains("StateDirectory=tempo\n"),
        "{system}"
    );
}

#[test]
fn the_arguments_of_the_server_are_checked_and_their_paths_made_absolute() {
    let env = Env::new();
    std::fs::write(env.path("jobs.toml"), "").unwrap();
    let print = |arguments: &[&str]| env.tempo(&[&["service", "install", "--system", "--print", "--"], arguments].concat());
    let unit = print(&["-f", "jobs.toml", "--web-token-file=token", "--drain-timeout", "10m"]).ok();
    let directory = env.path("jobs.toml");
    let directory = directory.parent().unwrap().display();
    let arguments = format!("run -f {directory}/jobs.toml --web-token-file={directory}/token --drain-timeout 10m\n");
    assert!(unit.contains(&arguments) && unit.contains("TimeoutStopSec=615\n"), "{unit}");
    std::fs::create_dir(env.path("backups")).unwrap();
    let unit = print(&["--ping", "file:ping.url", "--backup-dir", "backups"]).ok();
    let arguments = format!("run --ping file:{directory}/ping.url --backup-dir {directory}/backups\n");
    assert!(unit.contains(&arguments), "{unit}");
    for (arguments, message) in [
        (&["--bogus"][..], "unexpected argument `--bogus`"),
        (&["--once"], "a service must keep running"),
        (&["--for", "1h"], "a service must keep running"),
        (&["--db", "other.db"], "`--db` cannot be given after `--`"),
        (&["--drain-timeout", "x"], "`x`"),
    ] {
        let refused = print(arguments);
        assert!(
            refused.code == Some(2) && refused.stderr.contains(message),
            "{arguments:?}: {refused:?}"
        );
    }
    // A path that systemd would read in a special way.
    std::fs::create_dir(env.path("a;b")).unwrap();
    let program = env.path("a;b").join("tempo");
    std::fs::copy(env!("CARGO_BIN_EXE_tempo"), &program).unwrap();
    let mut command = std::process::Command::new(&program);
    command
        .args(["service", "install", "--system", "--print"])
        .env("TEMPO_DB", env.database());
    let refused = CommandOutput::from(command.output().unwrap());
    assert!(
        refused.code == Some(2) && refused.stderr.contains("its path contains `;`"),
        "{refused:?}"
    );
}

#[test]
fn tells_systemd_when_it_is_ready_alive_and_stopping_and_hides_the_socket_from_commands() {
    let env = Env::new();
    let socket = UnixDatagram::bind(env.path("notify")).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    let shell = "env > seen; while ! test -e stop; do sleep 0.05; done";
    env.tempo(&["workflow", "start", "--workflow-id", "w", "--shell", shell]).ok();
    let mut command = env.command(&["run", "--no-web"]);
    let child = command
        .env("NOTIFY_SOCKET", env.path("notify"))
        .env("WATCHDOG_USEC", "400000")
        .spawn()
        .unwrap();
    let next = || {
        let mut buffer = [0; 4096];
        let length = socket.recv(&mut buffer).unwrap();
        String::from_utf8_lossy(&buffer[..length]).into_owned()
    };
    let wait_for = |part: &str| while !next().contains(part) {};
    let ready = next();
    assert!(ready.contains("READY=1") && ready.contains("STATUS=serving "), "{ready}");
    wait_for("WATCHDOG=1");
    let seen = env.wait_for_lines("seen", 3).join("\n");
    assert!(!seen.contains("NOTIFY_SOCKET") && !seen.contains("WATCHDOG"), "{seen}");
    let _ = std::process::Command::new("kill")
        .arg(child.id().to_string())
        .status()
        .unwrap();
    wait_for("STOPPING=1");
    wait_for("WATCHDOG=1");
    std::fs::write(env.path("stop"), "").unwrap();
    assert_eq!(ended(child).status.code(), Some(0));
}

#[test]
fn pings_another_service_while_it_serves_and_logs_the_first_failure() {
    use std::io::{BufRead as _, BufReader, Write as _};
    let env = Env::new();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/secret-path", listener.local_addr().unwrap());
    let server = env.serve(&["--ping", &url, "--ping-every", "1s", "--log-format", "json"]);
    for answer in ["200 OK", "500 Oops", "500 Oops", "204 No Content"] {
        let (mut stream, _) = listener.accept().unwrap();
        let mut line = String::new();
        BufReader::new(&stream).read_line(&mut line).unwrap();
        assert_eq!(line, "GET /secret-path HTTP/1.1\r\n");
        write!(stream, "HTTP/1.1 {answer}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n").unwrap();
    }
    server.signal("TERM");
    let (code, log) = server.wait();
    assert_eq!(code, Some(0));
    let failures: Vec<&str> = log.lines().filter(|line| line.contains("ping")).collect();
    assert_eq!(failures.len(), 1, "{log}");
    assert!(
        failures[0].contains("unexpected status 500") && !failures[0].contains("secret"),
        "{failures:?}"
    );
    for args in [
        &["--ping", "ftp://x/"][..],
        &["--ping", "http://x/", "--ping-every", "10ms"],
        &["--ping-every", "1s"],
    ] {
        assert_eq!(env.tempo(&[&["run", "--no-web"], args].concat()).code, Some(2), "{args:?}");
    }
}

#[test]
fn prints_what_openrc_and_launchd_need() {
    let env = Env::new();
    std::fs::write(env.path("it's a job.toml"), "").unwrap();
    let print = |manager: &str| {
        let manager = format!("--print={manager}");
        let args = [
            "service",
            "install",
            &manager,
            "--",
            "-f",
            "it's a job.toml",
            "--drain-timeout",
            "10m",
        ];
        env.tempo(&args).ok()
    };
    let script = print("openrc");
    std::fs::write(env.path("tempo"), &script).unwrap();
    // As `openrc-run` does.
    let line = ". ./tempo; eval \"set -- $command_args\"; printf '%s\\n' \"$command\" \"$@\" \"$retry\"";
    let words = String::from_utf8(env.shell(line).output().unwrap().stdout).unwrap();
    let words: Vec<&str> = words.lines().collect();
    let file = env.path("it's a job.toml").canonicalize().unwrap().display().to_string();
    let database = env.database().canonicalize().unwrap_or(env.database()).display().to_string();
    let expected = [
        "--db",
        &database,
        "run",
        "-f",
        &file,
        "--drain-timeout",
        "10m",
        "TERM/615/KILL/5",
    ];
    assert!(words[0].ends_with("/tempo") && words[1..] == expected, "{script}\n{words:?}");
    let list = print("launchd");
    for part in [
        "<string>-f</string>",
        "it's a job.toml</string>",
        "<integer>615</integer>",
        "<key>KeepAlive</key>",
    ] {
        assert!(list.contains(part), "{part}: {list}");
    }
    assert_eq!(env.tempo(&["service", "install", "--print=upstart"]).code, Some(2));
}

/// A process and its state, of those whose parent is `parent`.
fn children_of(parent: u32) -> Vec<(u32, char)> {
    let processes = std::fs::read_dir("/proc").unwrap().filter_map(|entry| {
        let pid: u32 = entry.ok()?.file_name().to_str()?.parse().ok()?;
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        let mut fields = stat.rsplit_once(") ")?.1.split(' ');
        let (state, of) = (fields.next()?.chars().next()?, fields.next()?.parse::<u32>().ok()?);
        (parent == of).then_some((pid, state))
    });
    processes.collect()
}

#[test]
fn as_the_first_process_of_a_container_it_reaps_orphans_and_passes_signals_on() {
    let env = Env::new();
    let ways = [
        "--pid --fork --mount-proc",
        "--user --map-root-user --pid --fork --mount-proc",
    ];
    let works = |way: &&str| {
        env.shell(&format!("unshare {way} true 2> /dev/null"))
            .status()
            .unwrap()
            .success()
    };
    let Some(way) = ways.iter().find(|way| works(way)) else {
        // A sandbox without process namespaces cannot show it.
        return;
    };
    let orphan = "(sleep 0.01 & echo $! >> orphans) > /dev/null 2>&1";
    env.tempo(&["schedule", "create", "s", "--interval", "1s", "--shell", orphan])
        .ok();
    let tempo = env!("CARGO_BIN_EXE_tempo");
    let mut server = env.serve_after(&format!("exec unshare {way} --kill-child {tempo} run --no-web"), "");
    let [(init, _)] = children_of(server.pid())[..] else {
        panic!("no init process")
    };
    for _ in 0..2 {
        server.wait_for_log("Completed");
    }
    wait_until(
        "the orphans to be reaped",
        || matches!(children_of(init)[..], [(_, state)] if state != 'Z'),
    );
    let done = std::process::Command::new("kill").arg(init.to_string()).status().unwrap();
    assert!(done.success());
    let (code, log) = server.wait();
    assert_eq!(code, Some(0), "{log}");
    assert!(log.contains("stopped") && log.contains("pid 2"), "{log}");
}
