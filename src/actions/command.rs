//! A command: a process, its output captured and capped, its exit code and signal told apart.

use std::io::PipeReader;
use std::os::fd::OwnedFd;
use std::os::unix::process::ExitStatusExt as _;
use std::process::{Child, ExitStatus};
use std::sync::Arc;
use std::time::Duration;

use rustix::event::{EventfdFlags, PollFd, PollFlags, Timespec, eventfd, poll};
use rustix::process::Signal;

use super::head_tail::HeadTail;
use super::secrets::Secrets;
use super::shortage::{Shortage, Trouble};
use super::spawn::{Caller, spawn};
use super::{Control, Notice, StopKind, Task};
use crate::clock::Stopwatch;
use crate::machine::{self, Process, ProcessTree};
use crate::run::outcome::{AttemptResult, Ending, ErrorType, Failure};
use crate::run::step::Command;
use crate::spec::describe::spoken;

/// How long a process has between SIGTERM and SIGKILL.
const GRACE: Duration = Duration::from_secs(5);
/// How much of the beginning and of the end of the output of a step is kept, each.
const KEPT: usize = 32 * 1024;
/// How much a step of a script may write to stdout: all of it is kept.
const MOST_STDOUT: usize = 1024 * 1024;
/// Runs the command and waits for it.
///
/// # Errors
/// A shortage: nothing was started.
pub(super) fn run(command: &Command, task: &Task<'_>, control: &Control, caller: Caller) -> Result<AttemptResult, Shortage> {
    let watch = Stopwatch::start();
    let failed = |failure: Failure| Ok(AttemptResult::new(Ending::Failed(failure), watch.elapsed_ms()));
    let named = command.env.iter().map(|(key, value)| (key.as_str(), value.as_str()));
    let secrets = match Secrets::read(named) {
        Ok(secrets) => secrets,
        Err(failure) => return failed(failure),
    };
    let handles = match Handles::open() {
        Ok(handles) => handles,
        Err(e) => {
            return Shortage::of(&e).map_or_else(|| failed(cannot_wait(&e)), Err);
        }
    };
    let (mut child, output) = match spawn(command, task, &secrets, caller) {
        Ok(spawned) => spawned,
        Err(Trouble::Failed(failure)) => return failed(failure),
        Err(Trouble::Short(shortage)) => return Err(shortage),
    };
    if let Some(process) = Process::known_as(child.id()) {
        (task.spawned)(process);
    }
    let mut tree = match caller {
        Caller::Server => ProcessTree::of_group(child.id(), task.marks.to_vec()),
        Caller::Script => ProcessTree::of_child(child.id(), task.marks.to_vec()),
    };
    let masked = HeadTail::new(
        match caller {
            Caller::Server => KEPT,
            Caller::Script => MOST_STDOUT / 2,
        },
        secrets.masker(),
    );
    match wait(&mut child, (output, masked), &mut tree, (task, control), handles, watch) {
        Ok(end) => Ok(result(command, end, task, caller, watch)),
        Err(e) => {
            // Not left behind: it would be tried again beside itself.
            kill_all(&mut tree, task, control);
            let _ = child.wait();
            failed(cannot_wait(&e))
        }
    }
}

fn cannot_wait(e: &std::io::Error) -> Failure {
    Failure {
        error_type: ErrorType::Spawn,
        message: format!("cannot wait for the process: {e}"),
    }
}

/// What is needed to wait for a process, taken before it is started: a shortage found out afterwards would end a step that has begun.
struct Handles {
    /// Rung by a stop.
    bell: Arc<OwnedFd>,
    /// Let go of when the handle of the process takes its place.
    spare: OwnedFd,
}

impl Handles {
    fn open() -> std::io::Result<Self> {
        let bell = || eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK);
        Ok(Self {
            bell: Arc::new(bell()?),
            spare: bell()?,
        })
    }
}

/// Kills all that the attempt has started, and waits until it has ended: the next attempt must not run beside it. Only a server that stops does not
/// wait for what outlives SIGKILL.
fn kill_all(tree: &mut ProcessTree, task: &Task<'_>, control: &Control) {
    let mut reported = Vec::new();
    loop {
        let left = tree.kill();
        if left.is_empty() || control.asked() == Some(StopKind::GiveUp) {
            return;
        }
        if left != reported {
            (task.notice)(Notice::Surviving(left.clone()));
            reported = left;
        }
    }
}

/// How a process ended.
struct End {
    status: ExitStatus,
    output: HeadTail,
    stopped: Option<StopKind>,
    timed_out: bool,
}

/// Reads the output and waits for the end, the deadline, or a stop.
fn wait(
    child: &mut Child,
    (mut output, mut kept): (PipeReader, HeadTail),
    tree: &mut ProcessTree,
    (task, control): (&Task<'_>, &Control),
    Handles { bell, spare }: Handles,
    watch: Stopwatch,
) -> std::io::Result<End> {
    let time_left = task.time_left;
    drop(spare);
    let exit = machine::exit_watch(child.id())?;
    let ring = Arc::clone(&bell);
    let _hooked = control.while_hooked(move || {
        let _ = rustix::io::write(&*ring, &1_u64.to_ne_bytes());
    });
    rustix::io::ioctl_fionbio(&output, true)?;
    let (mut timed_out, mut term_sent, mut killed, mut pipe_open) = (false, None::<Stopwatch>, None::<Stopwatch>, true);
    loop {
        let until_kill = term_sent.map(|sent| GRACE.saturating_sub(sent.elapsed()));
        let until_deadline = time_left.filter(|_| !timed_out).map(|d| d.saturating_sub(watch.elapsed()));
        let timeout = match killed {
            Some(_) => Some(GRACE),
            None => until_kill.or(until_deadline),
        };
        let ready = wait_for(&exit, &bell, pipe_open.then_some(&output), timeout)?;
        if ready.pipe {
            pipe_open = kept.take_turn(&mut output);
        }
        let survives = killed.is_some_and(|killed: Stopwatch| killed.elapsed() >= GRACE);
        // A server that stops does not wait for what outlives SIGKILL.
        if ready.exit || (survives && control.asked() == Some(StopKind::GiveUp)) {
            break;
        }
        let asked = control.asked();
        if asked.is_some() {
            let _ = rustix::io::read(&*bell, &mut [0_u8; 8]);
        }
        timed_out |= asked.is_none() && time_left.is_some_and(|d| watch.elapsed() >= d);
        let at_once = asked >= Some(StopKind::Terminate);
        if killed.is_none() && (at_once || term_sent.is_some_and(|sent| sent.elapsed() >= GRACE)) {
            tree.signal(Signal::KILL);
            killed = Some(Stopwatch::start());
        } else if term_sent.is_none() && killed.is_none() && (asked.is_some() || timed_out) {
            tree.signal(Signal::TERM);
            term_sent = Some(Stopwatch::start());
        }
    }
    let stopped = control.asked();
    if timed_out || stopped.is_some() {
        // All that it has started goes with it, also where it has obeyed itself; before `wait` lets go of the id.
        kill_all(tree, task, control);
    }
    let status = match stopped {
        Some(StopKind::GiveUp) => child.try_wait()?.unwrap_or(ExitStatus::from_raw(Signal::KILL.as_raw())),
        Some(StopKind::Cancel | StopKind::Terminate) | None => child.wait()?,
    };
    if pipe_open {
        // A grandchild that keeps it open is not waited for.
        kept.take_rest(&mut output);
    }
    Ok(End {
        status,
        output: kept,
        stopped,
        timed_out,
    })
}

struct Ready {
    exit: bool,
    pipe: bool,
}

fn wait_for(
    exit: &impl std::os::fd::AsFd,
    bell: &Arc<OwnedFd>,
    pipe: Option<&PipeReader>,
    timeout: Option<Duration>,
) -> std::io::Result<Ready> {
    let mut fds = vec![PollFd::new(exit, PollFlags::IN), PollFd::new(&**bell, PollFlags::IN)];
    if let Some(pipe) = pipe {
        fds.push(PollFd::new(pipe, PollFlags::IN));
    }
    // A millisecond more, so that the deadline has passed when poll returns.
    let timeout = timeout
        .map(|d| d + Duration::from_millis(1))
        .and_then(|d| Timespec::try_from(d).ok());
    match poll(&mut fds, timeout.as_ref()) {
        Ok(_) | Err(rustix::io::Errno::INTR) => {}
        Err(e) => return Err(e.into()),
    }
    let happened = |i: usize| fds.get(i).is_some_and(|fd| !fd.revents().is_empty());
    Ok(Ready {
        exit: happened(0),
        pipe: happened(2),
    })
}

fn result(command: &Command, end: End, task: &Task<'_>, caller: Caller, watch: Stopwatch) -> AttemptResult {
    let exit_code = end.status.code();
    let of = |error_type, message: String| Ending::Failed(Failure { error_type, message });
    let ending = match (end.stopped, end.timed_out, exit_code, end.status.signal()) {
        (Some(kind), ..) => kind.ending(),
        (None, true, ..) => {
            let limit = task.limit.map_or(0, |d| d.as_millis());
            of(ErrorType::Timeout, format!("not done within {}", spoken(limit)))
        }
        (None, false, Some(code), _) if command.ok_exit_codes.contains(&code) => match caller {
            Caller::Script if end.output.is_cut() => of(
                ErrorType::UnexpectedBody,
                "wrote more than 1 MiB to stdout, which cannot be kept; have it write to a file".to_owned(),
            ),
            Caller::Script | Caller::Server => Ending::Ok,
        },
        (None, false, Some(code), _) => of(ErrorType::NonZeroExit, format!("exit {code}")),
        (None, false, None, signal) => of(ErrorType::Signal, format!("killed by signal {}", signal.unwrap_or_default())),
    };
    AttemptResult {
        exit_code,
        output: end.output.into_bytes(),
        ..AttemptResult::new(ending, watch.elapsed_ms())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::actions::{Actions as _, Live};
    use crate::run::step::{Step, Workflow};
    use crate::run::step_text::{Action, StepText};

    fn step(shell: &str, change: impl Fn(&mut StepText)) -> Step {
        let mut text = StepText {
            name: "x".to_owned(),
            shell: Some(shell.to_owned()),
            ..StepText::default()
        };
        change(&mut text);
        Workflow::check(&Action {
            steps: vec![text],
            ..Action::default()
        })
        .unwrap()
        .steps
        .remove(0)
    }

    fn perform(step: &Step, time_left: Option<Duration>) -> AttemptResult {
        Live.perform(
            &Task {
                step,
                time_left,
                limit: time_left,
                environment: &[],
                marks: &[],
                spawned: &|_| {},
                notice: &|_| {},
            },
            &Control::default(),
        )
    }

    #[test]
    fn exit_codes_signals_and_timeouts_are_told_apart() {
        for (shell, time_left, ending, code) in [
            ("exit 0", None, "ok", Some(0)),
            ("exit 3", None, "exit 3", Some(3)),
            ("kill -9 $$", None, "killed by signal 9", None),
            ("sleep 60", Some(Duration::from_millis(50)), "not done within 50 ms", None),
        ] {
            let result = perform(&step(shell, |_| {}), time_left);
            let told = result.ending.failure().map_or("ok".to_owned(), |f| f.message);
            assert_eq!((told.as_str(), result.exit_code), (ending, code), "{shell}");
        }
    }

    #[test]
    fn a_grandchild_that_keeps_the_pipe_open_is_not_waited_for() {
        let result = perform(&step("echo said; sleep 30 &", |_| {}), Some(Duration::from_secs(20)));
        assert_eq!((result.ending, result.output.as_slice()), (Ending::Ok, b"said\n".as_slice()));
    }

    #[test]
    fn a_program_or_folder_that_does_not_exist_is_a_failure_to_spawn() {
        let missing = step("x", |t| {
            (t.shell, t.command) = (None, Some(vec!["no-such-program".to_owned()]));
        });
        let nowhere = step("x", |t| t.cwd = Some("/no/such".to_owned()));
        for (step, told) in [
            (missing, "no program is named `no-such-program`"),
            (nowhere, "the folder `/no/such` does not exist"),
        ] {
            let failure = perform(&step, None).ending.failure().unwrap();
            assert_eq!((failure.error_type, failure.message.as_str()), (ErrorType::Spawn, told));
        }
    }

    #[test]
    fn long_output_keeps_its_head_and_its_tail() {
        let result = perform(&step("echo first; head -c 1000000 /dev/zero; echo last", |_| {}), None);
        assert!(result.output.starts_with(b"first\n") && result.output.ends_with(b"last\n"));
        assert!(String::from_utf8_lossy(&result.output).contains("bytes left out"));
    }

    #[test]
    fn a_stop_before_the_start_ends_the_process() {
        let control = Control::default();
        control.stop(StopKind::Terminate);
        let step = step("sleep 60", |_| {});
        let result = Live.perform(
            &Task {
                step: &step,
                time_left: None,
                limit: None,
                environment: &[],
                marks: &[],
                spawned: &|_| {},
                notice: &|_| {},
            },
            &control,
        );
        assert_eq!(result.ending, Ending::Terminated);
    }

    #[test]
    fn what_a_command_reads_is_given_to_it() {
        let result = perform(&step("cat", |t| t.stdin = Some("hello".to_owned())), None);
        assert_eq!(result.output, b"hello");
    }
}
