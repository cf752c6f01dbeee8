//! `tempo upgrade`.

use serde_json::json;

use super::Context;
use crate::error::Error;
use crate::output::counted;
use crate::spec::describe::human_duration;
use crate::store::{Upgrade, try_upgrade};

/// Check that the database can be used by this version of tempo
///
/// Run this with the newer tempo. Any other command of the newer tempo migrates the database to its schema, and an older tempo then refuses it. If the database
/// has an older schema, it is backed up, and the migration is tried on a temporary copy, which is checked and then deleted. The backup is kept. The
/// database itself is not changed, and a server of the older version may keep running.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Try the migration of the database on a copy
    #[arg(long, required = true)]
    check_db: bool,
}

pub(super) fn run(context: &Context, _: &Args) -> Result<(), Error> {
    let database = context.database()?;
    let Upgrade { from, to, trial } = try_upgrade(&database)?;
    if !context.ui.is_text() {
        let view = json!({
            "database": database.display().to_string(),
            "from": from,
            "to": to,
            "backup": trial.as_ref().map(|trial| trial.backup.display().to_string()),
            "schedules": trial.as_ref().map(|trial| trial.schedules),
            "runs": trial.as_ref().map(|trial| trial.runs),
            "elapsed_ms": trial.as_ref().map(|trial| trial.took.as_millis()),
        });
        return context.ui.json(&view);
    }
    let database = database.display();
    let Some(trial) = trial else {
        return context
            .ui
            .data(&format!("{database} has schema version {to}, the newest: nothing to migrate"));
    };
    context.ui.data(&format!(
        "{database} can be migrated from schema version {from} to {to}: a copy with {} and {} took {}",
        counted(trial.schedules, "schedule"),
        counted(trial.runs, "run"),
        human_duration(trial.took.as_millis())
    ))?;
    context.ui.data(&format!("Backed up to {}", trial.backup.display()))?;
    context
        .ui
        .hint("Stop the old server, install this tempo, and start it: the first command migrates the database.");
    Ok(())
}
