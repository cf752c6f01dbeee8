//! `tempo service uninstall`.

use super::super::Context;
use super::systemd::{self, Scope, UNIT};
use crate::error::{Error, Kind};

/// Stop the service and remove it
///
/// Running steps may finish, as when `tempo run` is stopped. The database is kept.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    scope: Scope,
}

pub(super) fn run(context: &Context, args: &Args) -> Result<(), Error> {
    let manager = args.scope.manager();
    let unit = manager.unit()?;
    let text = systemd::existing(&unit)?.ok_or_else(|| {
        Error::new(
            Kind::NotFound,
            format_args!("there is no service: `{}` does not exist", unit.display()),
        )
        .hint("`--user` and `--system` choose between the service of a user and of the machine.")
    })?;
    if !systemd::is_own(&text) {
        return Err(systemd::foreign(&unit));
    }
    // Without its manager, as in another session or a container, nothing runs; the unit can still be removed.
    let stopped = manager.systemctl(&["disable", "--now", UNIT]);
    std::fs::remove_file(&unit)
        .map_err(|e| Error::new(Kind::System, format_args!("cannot delete `{}`", unit.display())).because(e))?;
    if let Err(e) = stopped {
        context.ui.data(&format!("Deleted {}", unit.display()))?;
        return Err(e.hint(format_args!("{UNIT} may still be running.")));
    }
    manager.systemctl(&["daemon-reload"])?;
    context.ui.data(&format!("Stopped {UNIT} and deleted {}", unit.display()))
}
