//! Shell completion: ids and names from the database, in addition to commands and options.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use clap_complete::engine::CompletionCandidate;
use clap_complete::env::{CompleteEnv, Shells};

use crate::error::{Error, Kind};
use crate::machine;
use crate::schedule::OverlapPolicy;
use crate::store::{IncidentFilter, IncidentRow, IncidentScope, Missing, Read, RunFilter, RunRow, Store};

/// The environment variable with which a shell requests completions.
const VARIABLE: &str = "TEMPO_COMPLETE";
/// Maximum number of runs offered.
const MAX_RUNS: u64 = 50;

/// Answers a completion request of the shell. Returns `false` if this is not one.
pub(super) fn answered() -> bool {
    if machine::variable(VARIABLE).is_none() {
        return false;
    }
    let completer = CompleteEnv::with_factory(super::command).var(VARIABLE).bin("tempo");
    // Errors are not printed: they would disturb the command line that the user is typing.
    completer
        .try_complete(machine::arguments_os(), Some(Path::new(".")))
        .unwrap_or(true)
}

/// Returns the script that registers completions with a shell.
///
/// # Errors
/// `Usage` for an unsupported shell, `System` if the script cannot be generated.
pub(super) fn registration(shell: &str) -> Result<Vec<u8>, Error> {
    let shells = Shells::builtins();
    let completer = shells.completer(shell);
    let completer = completer.ok_or_else(|| Error::new(Kind::Usage, format_args!("unsupported shell `{shell}`")))?;
    let mut script = Vec::new();
    completer
        .write_registration(VARIABLE, "tempo", "tempo", "tempo", &mut script)
        .map_err(|e| Error::new(Kind::System, "cannot write the completions").because(e))?;
    Ok(script)
}

/// The database that the typed command line refers to, if the file exists.
fn database() -> Option<PathBuf> {
    let words: Vec<OsString> = machine::arguments_os().collect();
    let given = words
        .iter()
        .enumerate()
        .find_map(|(i, word)| match word.as_bytes().strip_prefix(b"--db")? {
            [] => words.get(i + 1).cloned(),
            [b'=', rest @ ..] => Some(OsStr::from_bytes(rest).to_owned()),
            _ => None,
        });
    let path = given.map_or_else(|| machine::default_database().ok(), |given| Some(PathBuf::from(given)))?;
    path.exists().then_some(path)
}

/// Reads candidates from the database; returns none if it cannot be read.
fn from_database(read: impl FnOnce(&Read<'_>) -> Result<Vec<CompletionCandidate>, Error>) -> Vec<CompletionCandidate> {
    let Some(database) = database() else { return Vec::new() };
    Store::open(&database, Missing::Refuse)
        .and_then(|store| store.read(read))
        .unwrap_or_default()
}

/// Candidates: the ids of all schedules.
pub(super) fn schedules() -> Vec<CompletionCandidate> {
    from_database(|r| Ok(r.schedule_ids()?.into_iter().map(CompletionCandidate::new).collect()))
}

/// Candidates: the ids of the newest runs, described by workflow id and status.
pub(super) fn runs() -> Vec<CompletionCandidate> {
    from_database(|r| {
        let newest = RunFilter {
            limit: Some(MAX_RUNS),
            ..RunFilter::default()
        };
        let candidate = |run: RunRow| {
            let help = format!("{} {}", run.workflow_id, run.status.name());
            CompletionCandidate::new(run.run_id).help(Some(help.into()))
        };
        Ok(r.runs(&newest)?.into_iter().map(candidate).collect())
    })
}

/// Candidates: the ids of unresolved incidents, described by target.
pub(super) fn incidents() -> Vec<CompletionCandidate> {
    from_database(|r| {
        let found = r.incidents(&IncidentFilter::default())?;
        let candidate = |i: IncidentRow| CompletionCandidate::new(i.id.to_string()).help(Some(i.latest.target_name.into()));
        Ok(found.into_iter().map(candidate).collect())
    })
}

/// Candidates: the receivers of notifications.
pub(super) fn receivers() -> Vec<CompletionCandidate> {
    from_database(|r| {
        let found = r.receivers()?;
        Ok(found.into_iter().map(|row| CompletionCandidate::new(row.name)).collect())
    })
}

/// Candidates: the targets of all incidents.
pub(super) fn targets() -> Vec<CompletionCandidate> {
    from_database(|r| {
        let mut names: Vec<String> = r
            .incidents(&IncidentFilter {
                scope: IncidentScope::All,
                ..IncidentFilter::default()
            })?
            .into_iter()
            .map(|i| i.latest.target_name)
            .collect();
        names.sort();
        names.dedup();
        Ok(names.into_iter().map(CompletionCandidate::new).collect())
    })
}

/// Candidates: the overlap policies.
pub(super) fn policies() -> Vec<CompletionCandidate> {
    OverlapPolicy::ALL.map(|p| CompletionCandidate::new(p.name())).into()
}

/// Candidates: the help topics and the commands.
pub(super) fn topics() -> Vec<CompletionCandidate> {
    let topics = super::help::topics::TOPICS
        .iter()
        .map(|t| CompletionCandidate::new(t.name).help(Some(t.title().into())));
    let command = super::command();
    let commands = command.get_subcommands().map(|c| CompletionCandidate::new(c.get_name()));
    topics.chain(commands).collect()
}
