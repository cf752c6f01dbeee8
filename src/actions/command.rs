//! Commands: runs a process, captures its output up to a limit, and reports its exit code or signal.

use std::os::unix::process::ExitStatusExt as _;
use std::process::{Child, ExitStatus};
use std::sync::Arc;
use std::time::Duration;

use rustix::process::Signal;

use super::captured::{Capture, Captured};
use super::head_tail::HeadTail;
use super::output_file::OutputFile;
use super::secrets::Secrets;
use super::shortage::{AttemptError, Shortage};
use super::spawn::{Caller, spawn};
use super::wait::{Handles, wait_for};
use super::{AttemptNotice, Control, StopKind, Task};
use crate::clock::Stopwatch;
use crate::machine::{self, Process, ProcessTree};
use crate::run::command::Command;
use crate::run::outcome::{AttemptResult, Ending, ErrorType, Failure};
use crate::spec::describe::human_duration;

/// Time between SIGTERM and SIGKILL.
const GRACE: Duration = Duration::from_secs(5);
/// How often the output of a running command is reported.
const REPORT_EVERY: Duration = Duration::from_secs(1);
/// Maximum number of bytes that a script step may write to stdout, all of which are kept.
const MAX_STDOUT: usize = 1024 * 1024;
/// The signal that a process gets at its limit of CPU time.
const SIGXCPU: i32 = Signal::XCPU.as_raw();

/// Runs the command and waits for it.
///
/// # Errors
/// A shortage, if nothing could be started.
pub(super) fn run(command: &Command, task: &Task<'_>, control: &Control, caller: Caller) -> Result<AttemptResult, Shortage> {
    let watch = Stopwatch::start();
    let failed = |failure: Failure| Ok(AttemptResult::new(Ending::Failed(failure), watch.elapsed_ms()));
    let variables = command.env.iter().map(|(key, value)| (key.as_str(), value.as_str()));
    let secrets = match Secrets::read(variables) {
        Ok(secrets) => secrets,
        Err(failure) => return failed(failure),
    };
    let handles = match Handles::open() {
        Ok(handles) => handles,
        Err(e) => {
            return Shortage::of(&e).map_or_else(|| failed(cannot_wait(&e)), Err);
        }
    };
    let output_file = match OutputFile::of(command, task, caller) {
        Ok(file) => file,
        Err(e) => {
            let cannot = |e: &std::io::Error| Failure {
                error_type: ErrorType::Spawn,
                message: format!("cannot create the file for outputs: {e}"),
            };
            return Shortage::of(&e).map_or_else(|| failed(cannot(&e)), Err);
        }
    };
    let (mut child, pipes) = match spawn(command, task, &secrets, (caller, output_file.path())) {
        Ok(spawned) => spawned,
        Err(AttemptError::Failed(failure)) => return failed(failure),
        Err(AttemptError::Shortage(shortage)) => return Err(shortage),
    };
    if let Some(process) = Process::lookup(child.id()) {
        (task.spawned)(process);
    }
    let mut tree = match caller {
        Caller::Server => ProcessTree::of_group(child.id(), task.marks.to_vec()),
        Caller::Script => ProcessTree::of_child(child.id(), task.marks.to_vec()),
    };
    let capture = |pipe| {
        let kept = match caller {
            Caller::Server => HeadTail::new(task.output_limit / 2, secrets.masker()),
            // The script gets the exact stdout; it is sealed before it is stored.
            Caller::Script => HeadTail::new(MAX_STDOUT / 2, Secrets::default().masker()),
        };
        Capture { pipe: Some(pipe), kept }
    };
    let captured = Captured {
        stdout: capture(pipes.stdout),
        stderr: pipes.stderr.map(capture),
    };
    match wait(&mut child, captured, &mut tree, (task, control), handles, watch) {
        Ok(end) => {
            let result = result(command, end, task, caller, watch);
            Ok(output_file.add_to(result, &secrets))
        }
        Err(e) => {
            // A retry must not run alongside it.
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

/// Kills all processes that the attempt has started, and waits until they have ended: the next attempt must not run alongside them. Only a
/// server that is stopping does not wait for processes that survive SIGKILL.
fn kill_all(tree: &mut ProcessTree, task: &Task<'_>, control: &Control) {
    let mut reported = Vec::new();
    loop {
        let left = tree.kill();
        if left.is_empty() || control.requested() == Some(StopKind::Abandon) {
            return;
        }
        if left != reported {
            (task.notice)(AttemptNotice::Surviving(left.clone()));
            reported = left;
        }
    }
}

/// The end of a process.
struct End {
    status: ExitStatus,
    output: Captured,
    stopped: Option<StopKind>,
    timed_out: bool,
}

/// Reads the output and waits until the process ends, after stopping it at the deadline or on request.
fn wait(
    child: &mut Child,
    mut output: Captured,
    tree: &mut ProcessTree,
    (task, control): (&Task<'_>, &Control),
    Handles { stop_event, spare }: Handles,
    watch: Stopwatch,
) -> std::io::Result<End> {
    let time_left = task.time_left;
    drop(spare);
    let exit = machine::exit_watch(child.id())?;
    let notifier = Arc::clone(&stop_event);
    let _guard = control.with_stop_hook(move || {
        let _ = rustix::io::write(&*notifier, &1_u64.to_ne_bytes());
    });
    for capture in output.all() {
        capture
            .pipe
            .as_ref()
            .map_or(Ok(()), |pipe| rustix::io::ioctl_fionbio(pipe, true))?;
    }
    let (mut timed_out, mut term_sent, mut killed) = (false, None::<Stopwatch>, None::<Stopwatch>);
    // Since when there is output that has not been reported.
    let mut unreported = None::<Stopwatch>;
    loop {
        let until_kill = term_sent.map(|sent| GRACE.saturating_sub(sent.elapsed()));
        let until_deadline = time_left.filter(|_| !timed_out).map(|d| d.saturating_sub(watch.elapsed()));
        let timeout = match killed {
            Some(_) => Some(GRACE),
            None => until_kill.or(until_deadline),
        };
        let until_report = unreported.map(|since| REPORT_EVERY.saturating_sub(since.elapsed()));
        let timeout = timeout.into_iter().chain(until_report).min();
        let ready = wait_for(&exit, &stop_event, &mut output, timeout)?;
        if ready.output {
            // Reading from a pipe that is not ready returns at once.
            output.all().for_each(Capture::take_turn);
            unreported.get_or_insert_with(Stopwatch::start);
        }
        if unreported.is_some_and(|since| since.elapsed() >= REPORT_EVERY) {
            (task.output)(output.so_far());
            unreported = None;
        }
        let survives = killed.is_some_and(|killed: Stopwatch| killed.elapsed() >= GRACE);
        // A server that is stopping does not wait for a process that survives SIGKILL.
        if ready.exit || (survives && control.requested() == Some(StopKind::Abandon)) {
            break;
        }
        let asked = control.requested();
        if asked.is_some() {
            let _ = rustix::io::read(&*stop_event, &mut [0_u8; 8]);
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
    let stopped = control.requested();
    if timed_out || stopped.is_some() {
        // Also kills its descendants, even if the process itself has exited on SIGTERM. Must precede `child.wait`, which releases the process id.
        kill_all(tree, task, control);
    }
    let status = match stopped {
        Some(StopKind::Abandon) => child.try_wait()?.unwrap_or(ExitStatus::from_raw(Signal::KILL.as_raw())),
        Some(StopKind::Cancel | StopKind::Terminate) | None => child.wait()?,
    };
    // Does not wait for a grandchild that keeps a pipe open.
    output.all().for_each(Capture::take_rest);
    if stopped == Some(StopKind::Abandon) {
        // The attempt is recorded as lost, without a result.
        (task.output)(output.so_far());
    }
    Ok(End {
        status,
        output,
        stopped,
        timed_out,
    })
}

fn result(command: &Command, end: End, task: &Task<'_>, caller: Caller, watch: Stopwatch) -> AttemptResult {
    let exit_code = end.status.code();
    let failed = |error_type, message: String| Ending::Failed(Failure { error_type, message });
    let ending = match (end.stopped, end.timed_out, exit_code, end.status.signal()) {
        (Some(kind), ..) => kind.ending(),
        (None, true, ..) => {
            let limit = task.limit.map_or(0, |d| d.as_millis());
            failed(ErrorType::Timeout, format!("did not finish within {}", human_duration(limit)))
        }
        // Under limits, this may mean that the program could not be started.
        (None, false, Some(126), _) if command.limits.are_resource_limits() => {
            failed(ErrorType::NonZeroExit, "exit 126".to_owned())
        }
        (None, false, Some(code), _) if command.ok_exit_codes.contains(&code) => match caller {
            Caller::Script if end.output.stdout.kept.is_cut() => failed(
                ErrorType::UnexpectedBody,
                "wrote more than 1 MiB to stdout, the most that can be recorded; write it to a file instead".to_owned(),
            ),
            Caller::Script | Caller::Server => Ending::Ok,
        },
        (None, false, Some(code), _) => failed(ErrorType::NonZeroExit, format!("exit {code}")),
        (None, false, None, Some(SIGXCPU)) if command.limits.cpu_seconds.is_some() => {
            let limit = u128::from(command.limits.cpu_seconds.unwrap_or_default()) * 1000;
            failed(
                ErrorType::Signal,
                format!("used more than {} of CPU time", human_duration(limit)),
            )
        }
        (None, false, None, signal) => failed(ErrorType::Signal, format!("killed by signal {}", signal.unwrap_or_default())),
    };
    AttemptResult {
        exit_code,
        output: end.output.stdout.kept.into_bytes(),
        stderr: end.output.stderr.map(|stderr| stderr.kept.into_bytes()).unwrap_or_default(),
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
                output_limit: crate::actions::OUTPUT_LIMIT,
                output: &|_| {},
                notice: &|_| {},
            },
            &Control::default(),
        )
    }

    #[test]
    fn distinguishes_exit_codes_signals_and_timeouts() {
        for (shell, time_left, ending, code) in [
            ("exit 0", None, "ok", Some(0)),
            ("exit 3", None, "exit 3", Some(3)),
            ("kill -9 $$", None, "killed by signal 9", None),
            (
                "sleep 60",
                Some(Duration::from_millis(50)),
                "did not finish within 50 ms",
                None,
            ),
        ] {
            let result = perform(&step(shell, |_| {}), time_left);
            let message = result.ending.failure().map_or("ok".to_owned(), |f| f.message);
            assert_eq!((message.as_str(), result.exit_code), (ending, code), "{shell}");
        }
    }

    #[test]
    fn does_not_wait_for_a_grandchild_that_keeps_the_pipe_open() {
        let result = perform(&step("echo said; sleep 30 &", |_| {}), Some(Duration::from_secs(20)));
        assert_eq!((result.ending, result.output.as_slice()), (Ending::Ok, b"said\n".as_slice()));
    }

    #[test]
    fn a_missing_program_or_directory_is_a_spawn_failure() {
        let missing = step("x", |t| {
            (t.shell, t.command) = (None, Some(vec!["no-such-program".to_owned()]));
        });
        let nowhere = step("x", |t| t.cwd = Some("/no/such".to_owned()));
        for (step, message) in [
            (missing, "program `no-such-program` not found"),
            (nowhere, "the directory `/no/such` does not exist"),
        ] {
            let failure = perform(&step, None).ending.failure().unwrap();
            assert_eq!((failure.error_type, failure.message.as_str()), (ErrorType::Spawn, message));
        }
    }

    #[test]
    fn long_output_keeps_its_head_and_its_tail() {
        let result = perform(&step("echo first; head -c 1000000 /dev/zero; echo last", |_| {}), None);
        assert!(result.output.starts_with(b"first\n") && result.output.ends_with(b"last\n"));
        assert!(String::from_utf8_lossy(&result.output).contains("bytes omitted"));
    }

    #[test]
    fn a_stop_requested_before_the_start_ends_the_process() {
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
                output_limit: crate::actions::OUTPUT_LIMIT,
                output: &|_| {},
                notice: &|_| {},
            },
            &control,
        );
        assert_eq!(result.ending, Ending::Terminated);
    }

    #[test]
    fn captures_stderr_separately_only_if_the_step_says_so() {
        let shell = "echo a; echo b >&2; echo c; head -c 1000000 /dev/zero >&2; echo d >/dev/stderr";
        let merged = perform(&step(shell, |_| {}), None);
        assert!(merged.output.starts_with(b"a\nb\nc\n\0") && merged.output.ends_with(b"\0d\n"));
        assert_eq!(merged.stderr, b"");
        let apart = perform(&step(shell, |t| t.separate_stderr = Some(true)), None);
        assert_eq!(apart.output, b"a\nc\n");
        assert!(apart.stderr.starts_with(b"b\n\0") && apart.stderr.ends_with(b"\0d\n"));
        assert!(String::from_utf8_lossy(&apart.stderr).contains("bytes omitted"));
    }

    #[test]
    fn passes_stdin_to_the_command() {
        let result = perform(&step("cat", |t| t.stdin = Some("hello".to_owned())), None);
        assert_eq!(result.output, b"hello");
    }
}
