//! The unit of `tempo run`, and the calls of `systemctl`.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Duration;

use crate::error::{Error, Kind};
use crate::machine;

/// The name of the unit.
pub(super) const UNIT: &str = "tempo.service";
/// The first line of a unit that tempo wrote; others are not replaced.
const MARK: &str = "# Written by `tempo service install`; changes are lost when it runs again.";

/// Whose service it is.
#[derive(Debug, clap::Args)]
pub(super) struct Scope {
    /// User service (the default, unless run as root)
    #[arg(long, conflicts_with = "system")]
    user: bool,
    /// System service (the default for root)
    #[arg(long)]
    system: bool,
}

/// One of the two managers of systemd.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Manager {
    System,
    User,
}

impl Scope {
    /// The manager that these options select.
    pub(super) fn manager(&self) -> Manager {
        if self.system || (!self.user && machine::is_root()) {
            Manager::System
        } else {
            Manager::User
        }
    }
}

/// What `tempo run` is started with.
pub(super) struct Service<'a> {
    pub(super) program: &'a Path,
    pub(super) database: &'a Path,
    /// Further arguments of `tempo run`.
    pub(super) arguments: &'a [String],
    /// How long running steps may take to finish when it stops.
    pub(super) drain_timeout: Duration,
}

/// How much longer than the drain timeout a service manager waits before it kills the server.
const STOP_MARGIN: Duration = Duration::from_secs(15);

impl Service<'_> {
    /// The words of its command line.
    ///
    /// # Errors
    /// `Usage` when a path is not UTF-8.
    pub(super) fn words(&self) -> Result<Vec<String>, Error> {
        let mut words = vec![machine::path_text(self.program)?, "--db".to_owned()];
        words.extend([machine::path_text(self.database)?, "run".to_owned()]);
        words.extend(self.arguments.iter().cloned());
        Ok(words)
    }

    /// How long a service manager waits for the server to stop.
    pub(super) fn stop_timeout(&self) -> Duration {
        self.drain_timeout + STOP_MARGIN
    }
}

impl Manager {
    /// The path of the unit.
    ///
    /// # Errors
    /// `Usage` when the directory of the user's units is unknown.
    pub(super) fn unit(self) -> Result<PathBuf, Error> {
        match self {
            Self::System => Ok(Path::new("/etc/systemd/system").join(UNIT)),
            Self::User => {
                let set = |name| machine::variable(name).filter(|value| !value.is_empty()).map(PathBuf::from);
                let config = set("XDG_CONFIG_HOME").or_else(|| set("HOME").map(|home| home.join(".config")));
                let config = config.ok_or_else(|| {
                    Error::new(
                        Kind::Usage,
                        "`HOME` is not set, so the directory of this user's services is unknown",
                    )
                    .hint("Set `HOME`, or use `--system` as root.")
                })?;
                Ok(config.join("systemd/user").join(UNIT))
            }
        }
    }

    /// The text of the unit.
    ///
    /// # Errors
    /// `Usage` when a path or argument cannot be written in a unit.
    pub(super) fn text(self, service: &Service<'_>) -> Result<String, Error> {
        let words = service.words()?;
        check_program(&words[0])?;
        let stop = service.stop_timeout().as_secs();
        let command: Vec<String> = words.iter().map(|word| quoted(word)).collect::<Result<_, _>>()?;
        let (after, protection, target) = match self {
            // Commands run as they would under cron, so nothing that a command may need is taken away.
            Self::System => (
                "After=network-online.target\nWants=network-online.target\n",
                "StateDirectory=tempo\nStateDirectoryMode=0700\nProtectKernelTunables=true\nProtectKernelModules=true\nProtectKernelLogs=true\nProtectControlGroups=true\n",
                "multi-user.target",
            ),
            Self::User => ("", "", "default.target"),
        };
        Ok(format!(
            "{MARK}\n[Unit]\nDescription=tempo: durable scheduling\nDocumentation=man:tempo(1)\n{after}\n[Service]\nType=notify\nExecStart={}\nExecReload=/bin/kill -HUP $MAINPID\n\
             Restart=on-failure\nRestartSec=1\nWatchdogSec=60\n# Running steps get the drain timeout of `tempo run` to finish.\nKillMode=mixed\nTimeoutStopSec={stop}\n{protection}\n\
             [Install]\nWantedBy={target}\n",
            command.join(" ")
        ))
    }

    /// What `systemctl` prints for a question such as `is-active`, whose answer may be no.
    ///
    /// # Errors
    /// `System` when it is missing.
    pub(super) fn state(self, question: &str) -> Result<String, Error> {
        let (_, output) = output_of("systemctl", &[self.scope(), &[question, UNIT]].concat())?;
        let text = [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes).trim().to_owned());
        Ok(text.into_iter().find(|text| !text.is_empty()).unwrap_or_default())
    }

    fn scope(self) -> &'static [&'static str] {
        match self {
            Self::System => &[],
            Self::User => &["--user"],
        }
    }

    /// Runs `systemctl`, and returns what it printed.
    ///
    /// # Errors
    /// `System` when it is missing or fails.
    pub(super) fn systemctl(self, arguments: &[&str]) -> Result<String, Error> {
        call("systemctl", &[self.scope(), arguments].concat())
    }
}

/// The hint where systemd is missing.
pub(super) const WITHOUT_SYSTEMD: &str = "Without systemd, start `tempo run` with your init system: `tempo service install --print=openrc` or `--print=launchd` prints a definition for it.";

/// Runs a program of systemd, and returns what it printed.
pub(super) fn call(program: &str, arguments: &[&str]) -> Result<String, Error> {
    let (line, output) = output_of(program, arguments)?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
    if output.status.success() {
        return Ok(text(&output.stdout));
    }
    let why = [text(&output.stderr), text(&output.stdout)]
        .into_iter()
        .find(|text| !text.is_empty());
    Err(Error::new(
        Kind::System,
        format_args!("`{line}` failed: {}", why.unwrap_or_else(|| output.status.to_string())),
    ))
}

fn output_of(program: &str, arguments: &[&str]) -> Result<(String, Output), Error> {
    let line = format!("{program} {}", arguments.join(" "));
    let output = Command::new(program).args(arguments).output().map_err(|e| {
        Error::new(Kind::System, format_args!("cannot run `{line}`"))
            .because(e)
            .hint(WITHOUT_SYSTEMD)
    })?;
    Ok((line, output))
}

/// Rejects a program that systemd cannot start: it reads some characters of its path in a special way, whether or not they are quoted.
fn check_program(program: &str) -> Result<(), Error> {
    if program.ends_with(" (deleted)") {
        return Err(
            Error::new(Kind::System, "this program was replaced or deleted while it was running")
                .hint("Run this command with the installed program."),
        );
    }
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "/._+-@ ".contains(c) || !c.is_ascii();
    match program.chars().find(|c| !is_plain(*c)) {
        Some(c) => Err(Error::new(
            Kind::Usage,
            format_args!(
                "systemd cannot start `{}`: its path contains `{}`",
                program.escape_debug(),
                c.escape_debug()
            ),
        )
        .hint("Install tempo in another directory, such as /usr/local/bin, and run that.")),
        None => Ok(()),
    }
}

/// A word of a command line as a unit has it (systemd.syntax(7), systemd.service(5)).
fn quoted(word: &str) -> Result<String, Error> {
    if word.contains(char::is_control) {
        return Err(Error::new(
            Kind::Usage,
            format_args!(
                "`{}` cannot be written in a unit: it has control characters",
                word.escape_debug()
            ),
        ));
    }
    // `%` and `$` have a meaning in units.
    let escaped = word
        .replace('\\', "\\\\")
        .replace('"', "\\\"")
        .replace('%', "%%")
        .replace('$', "$$");
    let is_plain = !word.is_empty() && !word.contains(|c: char| c.is_whitespace() || "\"'\\;".contains(c));
    Ok(if is_plain { escaped } else { format!("\"{escaped}\"") })
}

/// A unit as it is printed: it says how to install it.
///
/// # Errors
/// As [`Manager::unit`].
pub(super) fn to_save(manager: Manager, text: &str) -> Result<String, Error> {
    let (user, linger) = match manager {
        Manager::System => ("", ""),
        Manager::User => ("--user ", " && loginctl enable-linger"),
    };
    let unit = manager.unit()?;
    let how = format!(
        "# Save as {}, then: systemctl {user}daemon-reload && systemctl {user}enable --now {UNIT}{linger}",
        unit.display()
    );
    Ok(text.replacen(MARK, &how, 1))
}

/// Whether tempo wrote a unit.
pub(super) fn is_own(text: &str) -> bool {
    text.starts_with(MARK)
}

/// The unit that exists, if there is one.
///
/// # Errors
/// `System` when it cannot be read.
pub(super) fn existing(unit: &Path) -> Result<Option<String>, Error> {
    match std::fs::read_to_string(unit) {
        Ok(text) => Ok(Some(text)),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(e) => Err(Error::new(Kind::System, format_args!("cannot read `{}`", unit.display())).because(e)),
    }
}

/// The error for a unit that tempo did not write.
pub(super) fn foreign(unit: &Path) -> Error {
    Error::new(Kind::Conflict, format_args!("`{}` was not written by tempo", unit.display()))
        .hint("Move it away first, or compare it with `tempo service install --print`.")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_a_command_line_for_a_systemd_unit() {
        for (word, expected) in [
            ("/usr/bin/tempo", "/usr/bin/tempo"),
            ("/home/a b/t.db", "\"/home/a b/t.db\""),
            ("100%", "100%%"),
            ("$HOME", "$$HOME"),
            ("a\"b\\", "\"a\\\"b\\\\\""),
            ("", "\"\""),
            ("a;b", "\"a;b\""),
        ] {
            assert_eq!(quoted(word).unwrap(), expected);
        }
        assert!(quoted("a\nb").is_err());
    }
}
