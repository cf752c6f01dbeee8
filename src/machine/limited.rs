//! Starts a process with limits: this program executes itself again, sets the limits, and executes the target program. The environment, which a
//! shell would change, stays as it is.

use std::ffi::{OsStr, OsString};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::Command;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use super::OWN_PROGRAM;

/// The first argument of this program when it is to become another with limits.
const WITH_LIMITS: &str = "--become-with-limits";
/// How much more CPU time a process gets that ignores the signal at its limit, in seconds.
const CPU_GRACE: u64 = 5;
/// The exit code if the program cannot be started.
const CANNOT_START: u8 = 126;

/// A command for the program at `path`, called `name`, with limits: of virtual memory in KiB, and of CPU time in seconds. Arguments are added by the
/// caller.
#[must_use]
pub fn limited(path: &Path, name: &str, memory_kib: Option<u64>, cpu_seconds: Option<u64>) -> Command {
    let number = |limit: Option<u64>| limit.map_or_else(String::new, |limit| limit.to_string());
    let mut command = Command::new(OWN_PROGRAM);
    command
        .arg0("tempo")
        .arg(WITH_LIMITS)
        .arg(number(memory_kib))
        .arg(number(cpu_seconds))
        .arg(path)
        .arg(name);
    command
}

/// Becomes another program, if the arguments of this process say so. Returns the reason and the exit code if it cannot be started; `None` if the
/// arguments are others.
#[must_use]
pub fn become_limited(arguments: &[OsString]) -> Option<(String, u8)> {
    let [_, first, memory_kib, cpu_seconds, path, name, rest @ ..] = arguments else {
        return None;
    };
    if first != WITH_LIMITS {
        return None;
    }
    let number = |text: &OsStr| text.to_str().and_then(|text| text.parse::<u64>().ok());
    if let Some(kib) = number(memory_kib) {
        let bytes = kib.saturating_mul(1024);
        limit(Resource::As, bytes, bytes);
    }
    if let Some(seconds) = number(cpu_seconds) {
        limit(Resource::Cpu, seconds, seconds.saturating_add(CPU_GRACE));
    }
    let error = Command::new(path).arg0(name).args(rest).exec();
    Some((format!("cannot start `{}`: {error}", Path::new(path).display()), CANNOT_START))
}

/// Sets a limit and the maximum to which it may be raised again. A maximum that is already lower stays.
fn limit(resource: Resource, current: u64, maximum: u64) {
    let at_most = |value: u64| getrlimit(resource).maximum.map_or(value, |maximum| maximum.min(value));
    let new = Rlimit {
        current: Some(at_most(current)),
        maximum: Some(at_most(maximum)),
    };
    // Lowering a limit cannot fail.
    let _ = setrlimit(resource, new);
}
