//! `tempo demo`: shows tempo at work. The only code besides the tests that starts and kills servers.

mod checks;
mod child;
mod targets;

use std::path::{Path, PathBuf};
use std::time::Duration;

use chrono::TimeDelta;
use rustix::process::Signal;

use self::child::{ServerChild, tempo};
use self::targets::{PATHS, Targets};
use super::Context;
use crate::clock::{Clock as _, Wakeup};
use crate::error::{Error, Kind};
use crate::files::shell_words::quoted;
use crate::output::Style;
use crate::output::progress::Waiting;
use crate::run::outcome::Status;
use crate::store::{Missing, Read, RunFilter, RunRow, Store};

/// How long the demo waits for each thing before it fails.
const WAIT_TIMEOUT: Duration = Duration::from_secs(25);
const HEALTH: &str = "health-check-interval";
const CRON: &str = "health-check-cron";
const STEPS: &str = "three-steps";

/// Run a demo: schedules, retries, incidents, a crash and the recovery
///
/// Needs no network and no setup, and takes less than 40 s. The demo serves its own targets on 127.0.0.1, creates a database in a new
/// directory, runs the real server as a child process, kills it with SIGKILL in the middle of a step, starts it again, and checks its
/// claims against the database. The database is kept for further exploration.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Only serve the targets, until interrupted, for use by your own schedules
    #[arg(long)]
    targets_only: bool,
    /// Port of the targets with `--targets-only`; 0 selects a free port
    #[arg(long, default_value_t = 8911, value_name = "PORT", requires = "targets_only")]
    port: u16,
}

pub(super) fn run(context: &Context, args: &Args) -> Result<(), Error> {
    if args.targets_only {
        return serve_targets(context, args.port);
    }
    let directory = new_directory(context)?;
    let demo = Demo {
        context,
        database: directory.join("tempo.db"),
        directory,
        targets: Targets::start(0)?,
    };
    demo.play()
}

fn serve_targets(context: &Context, port: u16) -> Result<(), Error> {
    let targets = Targets::start(port)?;
    for (path, description) in PATHS {
        context.ui.data(&format!("{}  {description}", targets.url(path)))?;
    }
    context.ui.hint("Press Ctrl-C to stop.");
    loop {
        std::thread::park();
    }
}

fn new_directory(context: &Context) -> Result<PathBuf, Error> {
    let name = format!(
        "tempo-demo-{}-{}",
        context.now().format("%Y%m%d-%H%M%S"),
        crate::machine::pid()
    );
    let directory = std::env::temp_dir().join(name);
    std::fs::create_dir(&directory).map_err(|e| {
        Error::new(
            Kind::System,
            format_args!("cannot create the directory `{}`", directory.display()),
        )
        .because(e)
    })?;
    Ok(directory)
}

struct Demo<'a> {
    context: &'a Context,
    directory: PathBuf,
    database: PathBuf,
    targets: Targets,
}

impl Demo<'_> {
    fn play(&self) -> Result<(), Error> {
        self.part("Four targets on 127.0.0.1: one healthy, one broken, one slow, one shaky")?;
        self.create_schedules()?;
        self.part("Starting the server, `tempo run`, as a child process; this is its log")?;
        let server = self.serve()?;
        let first = self.wait_for("the first health check", |r| closed_run(r, HEALTH, 0))?;
        self.part("Triggering three command steps of one second each; the server is killed with SIGKILL during the second step")?;
        self.tempo(&["schedule", "trigger", STEPS])?;
        let interrupted = self.wait_for("step 2 to start", |r| Ok(run_of(r, STEPS)?.filter(|run| run.position == 1)))?;
        let pid = server.pid();
        server.end(Signal::KILL)?;
        self.say(&format!(
            "killed pid {pid} with SIGKILL; in the database, the run is at step 2 of 3 and its attempt has not ended"
        ))?;
        self.part("Starting the server again: the interrupted run resumes where it was")?;
        let server = self.serve()?;
        self.wait_for("the interrupted run to close", |r| {
            Ok(r.run(interrupted.key)?.filter(|run| run.status != Status::Running))
        })?;
        self.wait_for("one more health check", |r| closed_run(r, HEALTH, first.key))?;
        self.part("Stopping the server with SIGTERM: it lets running steps finish")?;
        let ended = server.end(Signal::TERM)?;
        self.show()?;
        self.part("Checking the claims of this demo against the database")?;
        let store = Store::open(&self.database, Missing::Refuse)?;
        let mut claims = store.read(|r| checks::check(r, &interrupted, &self.directory.join("effects")))?;
        claims.push(("SIGTERM ended the server with exit code 0".to_owned(), ended.success()));
        self.verdict(&claims)
    }

    fn create_schedules(&self) -> Result<(), Error> {
        let probe = |name: &str, path: &str, rest: &str| format!("{name}={} {rest}", self.targets.url(path));
        let probes = [
            probe("httpbin-ok", "/status/200", "status=200 timeout=5s"),
            probe("httpbin-flaky", "/status/500", "status=200 timeout=5s"),
            probe("httpbin-slow", "/delay/2", "status=200 timeout=4s"),
            probe("httpbin-shaky", "/reset-twice", "status=200 timeout=5s"),
        ];
        self.part("Creating one schedule of each kind (the health check's interval of 2 min is shortened to 7 s here)")?;
        let mut interval = vec![
            "schedule",
            "create",
            HEALTH,
            "--interval",
            "7s",
            "--jitter",
            "1s",
            "--overlap-policy",
            "skip",
            "--catchup-window",
            "10m",
            "--note",
            "Health check every 7 seconds with 1s jitter.",
            "--workflow-id",
            HEALTH,
        ];
        interval.extend(probes.iter().flat_map(|p| ["--probe", p.as_str()]));
        self.tempo(&interval)?;
        let calendar = r#"{"hour":"9","minute":"0","dayOfWeek":"Mon-Fri","comment":"Weekdays 09:00 America/New_York"}"#;
        self.tempo(&[
            "schedule",
            "create",
            CRON,
            "--calendar",
            calendar,
            "--time-zone",
            "America/New_York",
            "--overlap-policy",
            "buffer-one",
            "--note",
            "Weekday morning health check.",
            "--probe",
            probes[0].as_str(),
        ])?;
        let steps = self.directory.join("steps.toml");
        std::fs::write(&steps, self.steps_file())
            .map_err(|e| Error::new(Kind::System, format_args!("cannot write `{}`", steps.display())).because(e))?;
        let file = steps.display().to_string();
        // It does not fire while the demo runs: the demo triggers it.
        self.tempo(&[
            "schedule",
            "create",
            STEPS,
            "--interval",
            "1h",
            "--start-time",
            "+1h",
            "--note",
            "Three steps of a second each.",
            "--steps",
            &file,
        ])
    }

    /// A steps file in which each step appends a line to a file, as evidence of its execution.
    fn steps_file(&self) -> String {
        let effects = self.directory.join("effects");
        let step = |name: &str| {
            format!(
                "[[step]]\nname = \"{name}\"\nshell = \"sleep 1; echo {name} >> '{}'\"\n\n",
                effects.display()
            )
        };
        ["dump", "upload", "report"].map(step).concat()
    }

    /// Runs a tempo command, and prints the command and its output.
    fn tempo(&self, args: &[&str]) -> Result<(), Error> {
        let shown: Vec<String> = args.iter().map(|a| quoted(a)).collect();
        self.narrate(&format!("$ tempo {}", shown.join(" ")))?;
        let run = tempo(&self.database)?.arg("--quiet").args(args).output();
        let output = run.map_err(|e| Error::new(Kind::System, "cannot run this program").because(e))?;
        for line in String::from_utf8_lossy(&output.stdout).lines() {
            self.narrate(line)?;
        }
        if output.status.success() {
            return Ok(());
        }
        let why = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        Err(Error::new(
            Kind::Failed,
            format_args!("`tempo {}` failed: {why}", args[..2.min(args.len())].join(" ")),
        ))
    }

    fn serve(&self) -> Result<ServerChild, Error> {
        let text = self.context.ui.is_text();
        ServerChild::start(&self.database, move |line| {
            use std::io::Write as _;
            let line = format!("  {line}\n");
            // The log of the child goes to stdout in text mode, and to stderr beside JSON.
            let _ = if text {
                std::io::stdout().write_all(line.as_bytes())
            } else {
                std::io::stderr().write_all(line.as_bytes())
            };
        })
    }

    /// Polls the database until `poll` returns a value. `what` describes it in the error.
    fn wait_for<T>(&self, what: &str, poll: impl Fn(&Read<'_>) -> Result<Option<T>, Error>) -> Result<T, Error> {
        let store = Store::open(&self.database, Missing::Create)?;
        let _progress = Waiting::for_text(&format!("waiting for {what}"));
        let deadline = self.context.now() + TimeDelta::from_std(WAIT_TIMEOUT).unwrap_or_default();
        let never_raised = Wakeup::default();
        while self.context.now() < deadline {
            if let Some(found) = store.read(|r| poll(r))? {
                return Ok(found);
            }
            self.context
                .clock
                .wait(&never_raised, self.context.now() + TimeDelta::milliseconds(20));
        }
        Err(Error::new(
            Kind::Failed,
            format_args!("the demo timed out waiting for {what}"),
        ))
    }

    /// Prints the tables of the `list` commands.
    fn show(&self) -> Result<(), Error> {
        for args in [["schedule", "list"], ["workflow", "list"], ["incident", "list"]] {
            self.part(&format!("$ tempo {}", args.join(" ")))?;
            self.tempo_plain(&args)?;
        }
        Ok(())
    }

    fn tempo_plain(&self, args: &[&str]) -> Result<(), Error> {
        let run = tempo(&self.database)?.args(args).output();
        let output = run.map_err(|e| Error::new(Kind::System, "cannot run this program").because(e))?;
        String::from_utf8_lossy(&output.stdout)
            .lines()
            .try_for_each(|line| self.narrate(line))
    }

    fn verdict(&self, claims: &[(String, bool)]) -> Result<(), Error> {
        let ui = &self.context.ui;
        for (claim, holds) in claims {
            let mark = if *holds { (Style::Good, "yes") } else { (Style::Bad, "NO") };
            self.marked("  ", mark, &format!("  {claim}"))?;
        }
        if !ui.is_text() {
            let list: Vec<_> = claims
                .iter()
                .map(|(claim, holds)| serde_json::json!({"claim": claim, "holds": holds}))
                .collect();
            ui.json(&serde_json::json!({"database": self.database, "claims": list}))?;
        }
        self.part("Explore further")?;
        let db = quoted(&self.database.display().to_string());
        for rest in [
            "schedule describe health-check-interval",
            "workflow describe three-steps",
            "incident describe 1",
            "run",
        ] {
            let rest = if rest.ends_with(STEPS) {
                self.newest_of(STEPS)
                    .map_or(rest.to_owned(), |id| format!("workflow describe {id}"))
            } else {
                rest.to_owned()
            };
            self.narrate(&format!("tempo --db {db} {rest}"))?;
        }
        if claims.iter().all(|(_, holds)| *holds) {
            return Ok(());
        }
        Err(Error::new(Kind::Failed, "demo checks failed"))
    }

    fn newest_of(&self, schedule: &str) -> Option<String> {
        let store = Store::open(&self.database, Missing::Refuse).ok()?;
        store.read(|r| run_of(r, schedule)).ok().flatten().map(|run| run.workflow_id)
    }

    fn part(&self, title: &str) -> Result<(), Error> {
        self.line("")?;
        self.marked("", (Style::Strong, title), "")
    }

    fn say(&self, text: &str) -> Result<(), Error> {
        self.marked("  ", (Style::Warn, text), "")
    }

    fn narrate(&self, text: &str) -> Result<(), Error> {
        self.line(&format!("  {text}"))
    }

    fn marked(&self, before: &str, (style, mark): (Style, &str), after: &str) -> Result<(), Error> {
        if self.context.ui.is_text() {
            return self.context.ui.marked(before, (style, mark), after);
        }
        self.line(&format!("{before}{mark}{after}"))
    }

    fn line(&self, text: &str) -> Result<(), Error> {
        if self.context.ui.is_text() {
            return self.context.ui.data(text);
        }
        self.context.ui.say(text);
        Ok(())
    }
}

/// The newest run of a schedule.
fn run_of(read: &Read<'_>, schedule: &str) -> Result<Option<RunRow>, Error> {
    let filter = RunFilter {
        schedule_id: Some(schedule.to_owned()),
        limit: Some(1),
        ..RunFilter::default()
    };
    Ok(read.runs(&filter)?.pop())
}

/// The newest run of a schedule that has closed, if it is newer than `after`.
fn closed_run(read: &Read<'_>, schedule: &str, after: i64) -> Result<Option<RunRow>, Error> {
    let filter = RunFilter {
        schedule_id: Some(schedule.to_owned()),
        ..RunFilter::default()
    };
    Ok(read
        .runs(&filter)?
        .into_iter()
        .find(|r| r.status != Status::Running && r.key > after))
}

/// Counts how often a line occurs in a file.
fn count_lines(file: &Path, line: &str) -> usize {
    std::fs::read_to_string(file)
        .unwrap_or_default()
        .lines()
        .filter(|l| *l == line)
        .count()
}
