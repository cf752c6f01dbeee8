//! `tempo service status`.

use serde::Serialize;

use super::super::Context;
use super::systemd::{self, Scope, UNIT};
use crate::error::Error;
use crate::output::table::{pairs, plain};

/// Show whether the service is installed, enabled and running
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    scope: Scope,
}

#[derive(Serialize)]
struct ServiceView {
    unit: String,
    installed: bool,
    /// As `systemctl is-enabled` prints it; null if it is not installed.
    enabled: Option<String>,
    /// As `systemctl is-active` prints it; null if it is not installed.
    active: Option<String>,
}

pub(super) fn run(context: &Context, args: &Args) -> Result<(), Error> {
    let manager = args.scope.manager();
    let unit = manager.unit()?;
    let installed = systemd::existing(&unit)?.is_some();
    // They fail with what they print when the answer is no.
    let ask = |question: &str| installed.then(|| manager.state(question));
    let view = ServiceView {
        unit: unit.display().to_string(),
        installed,
        enabled: ask("is-enabled").transpose()?,
        active: ask("is-active").transpose()?,
    };
    if !context.ui.is_text() {
        return context.ui.json(&view);
    }
    if !installed {
        context.ui.data(&format!("{UNIT} is not installed"))?;
        context.ui.hint("`tempo service install` installs and starts it.");
        return Ok(());
    }
    pairs(
        &context.ui,
        &[
            ("Unit", plain(&view.unit)),
            ("At boot", plain(view.enabled.unwrap_or_default())),
            ("Now", plain(view.active.unwrap_or_default())),
        ],
    )
}
