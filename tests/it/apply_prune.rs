//! `apply --prune`: which schedules it deletes.

use crate::apply::{TWO, changes, ids, write};
use crate::harness::Env;

#[test]
fn prune_deletes_only_schedules_created_from_the_same_file() {
    let env = Env::new();
    let first = TWO.split("\n\n").next().unwrap().to_owned() + "\n";
    write(&env, "jobs.toml", TWO);
    write(&env, "other.toml", &first.replace("health", "elsewhere"));
    env.tempo(&["apply", "-f", "jobs.toml", "other.toml"]).ok();
    env.tempo(&["schedule", "create", "by-hand", "--interval", "1h", "--", "true"])
        .ok();
    // A file does not take over a schedule that was created by hand.
    write(&env, "jobs.toml", &format!("{TWO}\n{}", first.replace("health", "by-hand")));
    env.tempo(&["apply", "-f", "jobs.toml"]).ok();
    write(&env, "jobs.toml", &first);
    assert_eq!(changes(&env.json(&["apply", "-f", "jobs.toml"])), ["none health"]);
    let would = env.tempo(&["diff", "-f", "jobs.toml", "--prune"]);
    assert!(
        would.stderr.contains("Run `tempo apply --prune` with the same files"),
        "{would:?}"
    );
    assert_eq!(
        changes(&env.json(&["apply", "-f", "jobs.toml", "--prune"])),
        ["none health", "delete backup"]
    );
    assert_eq!(ids(&env), ["by-hand", "elsewhere", "health"]);
    write(&env, "jobs.toml", "");
    assert_eq!(
        changes(&env.json(&["apply", "-f", "./jobs.toml", "--prune"])),
        ["delete health"]
    );
    // A directory stands for the files in it, including removed ones.
    std::fs::create_dir(env.path("jobs")).unwrap();
    write(&env, "jobs/a.toml", &first.replace("health", "a"));
    write(&env, "jobs/b.toml", &first.replace("health", "b"));
    write(&env, "jobs/notes.txt", "not read");
    env.tempo(&["apply", "-f", "jobs"]).ok();
    std::fs::remove_file(env.path("jobs/b.toml")).unwrap();
    assert_eq!(
        changes(&env.json(&["apply", "-f", "jobs", "--prune"])),
        ["none a", "delete b"]
    );
}

#[test]
fn pruning_a_directory_keeps_schedules_from_files_it_did_not_read() {
    let env = Env::new();
    let one = |id: &str| TWO.split("\n\n").next().unwrap().replace("health", id) + "\n";
    std::fs::create_dir_all(env.path("ops/below")).unwrap();
    write(&env, "ops/a.toml", &one("a"));
    write(&env, "ops/below/b.toml", &one("b"));
    write(&env, "ops/crontab", "0 5 * * * /srv/c\n");
    env.tempo(&["apply", "-f", "ops/below/b.toml"]).ok();
    env.tempo(&["import", "crontab", "ops/crontab"]).ok();
    assert_eq!(changes(&env.json(&["apply", "-f", "ops", "--prune"])), ["create a"]);
    assert_eq!(ids(&env), ["a", "b", "c"]);
    let ran = env.tempo(&["apply", "-f", "-", "--prune"]);
    assert_eq!(
        (ran.code, ran.stderr.starts_with("error: `--prune` cannot be used with stdin")),
        (Some(2), true),
        "{ran:?}"
    );
}

#[test]
fn prune_deletes_what_a_file_behind_a_replaced_symlink_no_longer_defines() {
    let schedules = |ids: [&str; 2]| {
        ids.map(|id| format!("[[schedule]]\nid = \"{id}\"\ninterval = \"1h\"\nstep = [{{ name = \"x\", shell = \"true\" }}]\n"))
            .concat()
    };
    for path in ["jobs", "jobs/jobs.toml", "current"] {
        let env = Env::new();
        // As Kubernetes mounts a ConfigMap: `jobs/jobs.toml` leads to `..data/jobs.toml`, and `..data` to a release.
        let prepared = env
            .shell("mkdir -p jobs/..1 jobs/..2 && ln -s ..data/jobs.toml jobs/jobs.toml")
            .status();
        assert!(prepared.unwrap().success());
        write(&env, "jobs/..1/jobs.toml", &schedules(["a", "b"]));
        write(&env, "jobs/..2/jobs.toml", &schedules(["a", "c"]));
        for (release, expected) in [(1, ["a", "b"]), (2, ["a", "c"])] {
            let link = format!("ln -sfn ..{release} jobs/..data && ln -sfn jobs/..{release} current");
            assert!(env.shell(&link).status().unwrap().success());
            env.tempo(&["apply", "--prune", "-f", path]).ok();
            let listed = env.json(&["schedule", "list"]);
            let ids: Vec<_> = listed.as_array().unwrap().iter().map(|s| s["id"].as_str().unwrap()).collect();
            assert_eq!(ids, expected, "{path}");
        }
    }
}
