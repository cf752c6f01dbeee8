//! A hostile machine: files removed under a server, low limits, processes that escape or cannot be killed.

use std::path::{Path, PathBuf};

use crate::harness::{CommandOutput, Env, is_alive, wait_until};

/// A temporary control group; removed when dropped.
struct Group(PathBuf);

impl Group {
    /// Creates a group; `None` if this machine has no such hierarchy, or this user may not create groups.
    fn create(mount: &str, name: &str) -> Option<Self> {
        let mounts = std::fs::read_to_string("/proc/self/mountinfo").unwrap();
        let mount = mounts.lines().find(|line| line.contains(mount))?.split(' ').nth(4)?;
        let directory = Path::new(mount).join(format!("tempo-{name}-{}", std::process::id()));
        std::fs::create_dir(&directory).ok().map(|()| Self(directory))
    }

    fn write(&self, file: &str, text: &str) {
        std::fs::write(self.0.join(file), text).unwrap();
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        wait_until("an empty control group", || std::fs::remove_dir(&self.0).is_ok());
    }
}

#[test]
fn an_attempt_stays_open_while_one_of_its_processes_survives_sigkill() {
    let env = Env::new();
    let shell = "echo $$ >> log; test -e go && exit 0; sleep 300";
    env.tempo(&["workflow", "start", "--workflow-id", "w", "--shell", shell]).ok();
    let server = env.serve(&[]);
    let pid = env.wait_for_lines("log", 1).remove(0);
    // A frozen process does not die until it is thawed. Without a freezer hierarchy, no process survives SIGKILL.
    let freezer = Group::create(" - cgroup cgroup rw,freezer", "frozen");
    if let Some(freezer) = &freezer {
        freezer.write("cgroup.procs", &pid);
        freezer.write("freezer.state", "FROZEN");
    }
    server.kill();
    std::fs::write(env.path("go"), "").unwrap();
    let mut server = env.serve(&[]);
    if let Some(freezer) = &freezer {
        server.wait_for_log(&pid);
        let step = &env.json(&["workflow", "describe", "w"])["steps"][0];
        assert_eq!(step["attempts"].as_array().unwrap().len(), 1, "{step}");
        assert_eq!(
            env.wait_for_lines("log", 1).len(),
            1,
            "the step was retried while its process was still running"
        );
        freezer.write("freezer.state", "THAWED");
    }
    let done = env.wait_for_json(&["workflow", "describe", "w"], |run| run["status"] == "Completed");
    assert_eq!(done["steps"][0]["attempts"].as_array().unwrap().len(), 2);
    assert!(!is_alive(&pid));
}

#[test]
fn saves_a_copy_if_another_write_ahead_log_is_in_use() {
    let env = Env::new();
    let create = |id| env.tempo(&["schedule", "create", id, "--interval", "1h", "--shell", "true"]);
    create("before").ok();
    let mut server = env.serve(&[]);
    create("beside").ok();
    server.signal("STOP");
    for suffix in ["-wal", "-shm"] {
        std::fs::remove_file(env.path(&format!("t.db{suffix}"))).unwrap();
    }
    // Another program, unaware of the server, creates its own log.
    let other = rusqlite::Connection::open(env.database()).unwrap();
    other.execute("UPDATE schedule SET note = 'other'", []).unwrap();
    let (pid, copy) = (server.pid(), format!("t.db.saved-{}", server.pid()));
    server.signal("CONT");
    server.wait_for_log(&copy);
    assert_eq!(server.wait().0, Some(6), "{pid}");
    drop(other);
    let ids = |args: &[&str]| -> Vec<String> {
        let listed = env.json(&[args, &["schedule", "list"]].concat());
        let ids = listed.as_array().unwrap().iter();
        ids.map(|s| s["id"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(ids(&["--db", &copy]), ["before", "beside"]);
    assert!(ids(&[]).contains(&"before".to_owned()));
    assert!(env.tempo(&["doctor"]).ok().contains("t.db"));
}

#[test]
fn low_limits_reduce_the_workers_and_fail_no_run() {
    // As another user if this one is root, whose processes are not limited.
    let is_root = rustix::process::geteuid().is_root();
    // `ulimit -u` counts every process of the user, so only root can try it, as a user without others.
    let run_as = if is_root {
        let user = 200_000 + std::process::id() % 100_000;
        format!("exec setpriv --reuid={user} --regid={user} --clear-groups ")
    } else {
        "exec ".to_owned()
    };
    let tempo = env!("CARGO_BIN_EXE_tempo");
    let limits = [("-n 64", 20, "4 of 64"), ("-u 16", 12, "1 of 64"), ("-u 24", 12, " of 64")];
    for (limit, runs, reported) in limits.into_iter().filter(|(limit, ..)| is_root || limit.starts_with("-n")) {
        let env = Env::new();
        let program = env.path("tempo");
        std::fs::copy(tempo, &program).unwrap();
        for n in 0..runs {
            let id = format!("w{n}");
            env.tempo(&[
                "workflow",
                "start",
                "--workflow-id",
                &id,
                "--shell",
                "sleep 0.1; echo done >> log",
            ])
            .ok();
        }
        let all = std::process::Command::new("chmod")
            .args(["-R", "a+rwX"])
            .arg(env.path("."))
            .status();
        assert!(all.unwrap().success());
        let done: CommandOutput = env
            .shell(&format!(
                "exec bash -c 'ulimit {limit}; {run_as}{} run --once'",
                program.display()
            ))
            .output()
            .unwrap()
            .into();
        assert_eq!(done.code, Some(0), "{limit}: {done:?}");
        assert!(done.stdout.contains(reported), "{limit}: {done:?}");
        assert_eq!(env.wait_for_lines("log", runs).len(), runs, "{limit}");
        let incidents = env.json(&["incident", "list", "--all"]);
        assert_eq!(incidents, serde_json::json!([]), "{limit}");
    }
}
