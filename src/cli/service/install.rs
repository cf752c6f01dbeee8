//! `tempo service install`.

use std::path::{Path, PathBuf};

use super::super::{Context, run};
use super::other_managers::{launchd, openrc};
use super::systemd::{self, Manager, Scope, Service, UNIT};
use crate::error::{Error, Kind};

/// Install a service that keeps `tempo run` running, and start it
///
/// Writes a systemd unit for this program and the current database, enables it at boot and starts it. If the server crashes or hangs, systemd
/// starts it again. The service of a user keeps running after that user logs out. Running the command again replaces the unit and
/// restarts the service.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    scope: Scope,
    /// Print the service definition and change nothing: a systemd unit (the default), a property list for launchd (macOS), or a script for `openrc-run`
    #[arg(long, value_enum, num_args = 0..=1, require_equals = true, default_missing_value = "systemd", value_name = "FOR")]
    print: Option<ServiceManager>,
    /// Further arguments for `tempo run`
    #[arg(last = true, value_name = "ARGUMENT")]
    arguments: Vec<String>,
}

/// A service manager whose file can be printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum ServiceManager {
    Systemd,
    Launchd,
    Openrc,
}

pub(super) fn run(context: &Context, args: &Args) -> Result<(), Error> {
    let manager = args.scope.manager();
    let program =
        std::env::current_exe().map_err(|e| Error::new(Kind::System, "cannot find the path of this program").because(e))?;
    let database = std::path::absolute(context.database()?)
        .map_err(|e| Error::new(Kind::System, "cannot find the path of the database").because(e))?;
    let (server, arguments) = run::Args::for_service(&args.arguments)?;
    let service = Service {
        program: &program,
        database: &database,
        arguments: &arguments,
        drain_timeout: server.drain_timeout()?,
    };
    match args.print {
        Some(ServiceManager::Launchd) => return context.ui.raw(launchd(&service)?.as_bytes()),
        Some(ServiceManager::Openrc) => return context.ui.raw(openrc(&service)?.as_bytes()),
        Some(ServiceManager::Systemd) | None => {}
    }
    let text = manager.text(&service)?;
    if args.print.is_some() {
        return context.ui.raw(systemd::to_save(manager, &text)?.as_bytes());
    }
    let unit = manager.unit()?;
    if systemd::existing(&unit)?.is_some_and(|text| !systemd::is_own(&text)) {
        return Err(systemd::foreign(&unit));
    }
    if let Some((pid, _)) = context.server()?.filter(|_| !is_active(manager)) {
        return Err(Error::new(
            Kind::Conflict,
            format_args!("`tempo run` is already running on `{}` (pid {pid})", database.display()),
        )
        .hint("Stop that server first, so that the service can start."));
    }
    // Nothing is written where systemd does not run, as in a container.
    manager
        .systemctl(&["show-environment"])
        .map_err(|e| e.hint(systemd::WITHOUT_SYSTEMD))?;
    write(&unit, &text)?;
    for arguments in [&["daemon-reload"][..], &["enable", UNIT], &["restart", UNIT]] {
        manager.systemctl(arguments).map_err(|e| {
            let unit = unit.display();
            e.hint(format_args!(
                "The unit `{unit}` has been written; `tempo service uninstall` removes it."
            ))
        })?;
    }
    if manager == Manager::User {
        systemd::call("loginctl", &["enable-linger"])?;
    }
    context.ui.data(&format!("Installed {}", unit.display()))?;
    context.ui.data(&format!("Started {UNIT}; it also starts at boot"))?;
    let user = if manager == Manager::User { "--user " } else { "" };
    context.ui.hint(&format!(
        "`tempo status` shows the server, and `journalctl {user}-u {UNIT}` its log."
    ));
    Ok(())
}

fn is_active(manager: Manager) -> bool {
    manager.systemctl(&["is-active", UNIT]).is_ok()
}

/// Replaces a file in one step.
fn write(path: &Path, text: &str) -> Result<(), Error> {
    let failed = |e: std::io::Error| Error::new(Kind::System, format_args!("cannot write `{}`", path.display())).because(e);
    let directory: PathBuf = path.parent().unwrap_or(Path::new(".")).to_owned();
    std::fs::create_dir_all(&directory).map_err(failed)?;
    let mut file = tempfile::Builder::new()
        .permissions(std::os::unix::fs::PermissionsExt::from_mode(0o644))
        .tempfile_in(&directory)
        .map_err(failed)?;
    std::io::Write::write_all(&mut file, text.as_bytes()).map_err(failed)?;
    file.persist(path).map(|_| ()).map_err(|e| failed(e.error))
}
