//! What the shell is told when somebody presses Tab: ids and names from the database, beside the words of the command line.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use clap_complete::engine::CompletionCandidate;
use clap_complete::env::{CompleteEnv, Shells};

use crate::error::{Error, Kind};
use crate::machine;
use crate::schedule::OverlapPolicy;
use crate::store::{IncidentRow, Missing, Read, RunFilter, RunRow, Store};

/// The variable by which a shell asks for completions.
const ASKED: &str = "TEMPO_COMPLETE";
/// How many runs are offered.
const MOST_RUNS: u64 = 50;

/// Answers the shell, where it is one that asks.
pub(super) fn answered() -> bool {
    if machine::variable(ASKED).is_none() {
        return false;
    }
    let asked = CompleteEnv::with_factory(super::command).var(ASKED).bin("tempo");
    // What goes wrong here has no place to be told: the line that is being typed is the user's.
    asked
        .try_complete(machine::arguments_os(), Some(Path::new(".")))
        .unwrap_or(true)
}

/// What a shell has to be told once, so that it asks.
pub(super) fn registration(shell: &str) -> Result<Vec<u8>, Error> {
    let shells = Shells::builtins();
    let known = shells.completer(shell);
    let known = known.ok_or_else(|| Error::new(Kind::Usage, format_args!("`{shell}` is not a shell that it knows")))?;
    let mut script = Vec::new();
    known
        .write_registration(ASKED, "tempo", "tempo", "tempo", &mut script)
        .map_err(|e| Error::new(Kind::System, "cannot write the completions").because(e))?;
    Ok(script)
}

/// The database of the command line that is being typed.
fn database() -> Option<PathBuf> {
    let words: Vec<OsString> = machine::arguments_os().collect();
    let named = words
        .iter()
        .enumerate()
        .find_map(|(i, word)| match word.as_bytes().strip_prefix(b"--db")? {
            [] => words.get(i + 1).cloned(),
            [b'=', rest @ ..] => Some(OsStr::from_bytes(rest).to_owned()),
            _ => None,
        });
    let path = named.map_or_else(|| machine::default_database().ok(), |named| Some(PathBuf::from(named)))?;
    path.exists().then_some(path)
}

/// What is in the database; nothing where it cannot be asked.
fn ask(read: impl FnOnce(&Read<'_>) -> Result<Vec<CompletionCandidate>, Error>) -> Vec<CompletionCandidate> {
    let Some(database) = database() else { return Vec::new() };
    Store::open(&database, Missing::Refuse)
        .and_then(|store| store.read(read))
        .unwrap_or_default()
}

/// The ids of schedules.
pub(super) fn schedules() -> Vec<CompletionCandidate> {
    ask(|r| Ok(r.schedule_ids()?.into_iter().map(CompletionCandidate::new).collect()))
}

/// The ids of the newest runs, with their workflow ids.
pub(super) fn runs() -> Vec<CompletionCandidate> {
    ask(|r| {
        let newest = RunFilter {
            limit: Some(MOST_RUNS),
            ..RunFilter::default()
        };
        let candidate = |run: RunRow| {
            let help = format!("{} {}", run.workflow_id, run.status.name());
            CompletionCandidate::new(run.run_id).help(Some(help.into()))
        };
        Ok(r.runs(&newest)?.into_iter().map(candidate).collect())
    })
}

/// The ids of incidents that are not resolved, with their targets.
pub(super) fn incidents() -> Vec<CompletionCandidate> {
    ask(|r| {
        let found = r.incidents(false, None)?;
        let candidate = |i: IncidentRow| CompletionCandidate::new(i.id.to_string()).help(Some(i.latest.target_name.into()));
        Ok(found.into_iter().map(candidate).collect())
    })
}

/// The targets of incidents.
pub(super) fn targets() -> Vec<CompletionCandidate> {
    ask(|r| {
        let mut names: Vec<String> = r.incidents(true, None)?.into_iter().map(|i| i.latest.target_name).collect();
        names.sort();
        names.dedup();
        Ok(names.into_iter().map(CompletionCandidate::new).collect())
    })
}

/// The overlap policies.
pub(super) fn policies() -> Vec<CompletionCandidate> {
    OverlapPolicy::ALL.map(|p| CompletionCandidate::new(p.name())).into()
}

/// The topics of `tempo help`, and the commands.
pub(super) fn topics() -> Vec<CompletionCandidate> {
    let topics = super::help::topics::TOPICS
        .iter()
        .map(|t| CompletionCandidate::new(t.name).help(Some(t.title().into())));
    let command = super::command();
    let commands = command.get_subcommands().map(|c| CompletionCandidate::new(c.get_name()));
    topics.chain(commands).collect()
}
