//! `tempo open`.

use std::io::{IsTerminal as _, Write as _};

use serde::Serialize;

use super::Context;
use crate::error::{Error, Kind};
use crate::machine;
use crate::store::{self, ServedPage};
use crate::web;

/// The program that opens an address in the user's browser.
const OPENER: &str = "xdg-open";

/// Open the server's page in a browser
///
/// Prints an address that signs in to the page: it can be used once, within five minutes. On a desktop, it is also opened in your browser. The page
/// shows schedules, upcoming times, runs and incidents, and can change them.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Print the address and open nothing
    #[arg(long)]
    print: bool,
}

#[derive(Serialize)]
struct AddressView {
    url: String,
}

pub(super) fn run(context: &Context, args: &Args) -> Result<(), Error> {
    let database = context.database()?;
    let address = match store::server_page(&database) {
        ServedPage::At(address) => address,
        ServedPage::NoServer => {
            return Err(
                Error::new(Kind::ServerDown, "the server is not running, so it has no page").hint("Start it with `tempo run`.")
            );
        }
        ServedPage::None => {
            return Err(Error::new(Kind::Conflict, "the server has no page").hint(
                "Its log says why: `--no-web`, or an address that is taken. Restart it with `tempo run --web 127.0.0.1:0`.",
            ));
        }
    };
    let code = web::one_time_code(&database, context.now())?;
    // A server that listens on all addresses is reached by the local one.
    let address = address.replace("0.0.0.0:", "127.0.0.1:").replace("[::]:", "[::1]:");
    let url = format!("http://{address}/login?code={code}");
    if !context.ui.is_text() {
        return context.ui.json(&AddressView { url });
    }
    context.ui.data(&url)?;
    let has_display = ["DISPLAY", "WAYLAND_DISPLAY"]
        .iter()
        .any(|name| machine::variable(name).is_some());
    if !args.print && has_display && std::io::stdout().is_terminal() {
        open(&url);
    }
    Ok(())
}

/// Opens an address. If that is not possible, the printed address remains.
fn open(url: &str) {
    let path = machine::variable("PATH");
    let Some(program) = machine::find_program(OPENER, path.as_deref()) else {
        return;
    };
    // Every user of the machine can read the arguments of a process, so the code goes through a file that only this one can read.
    let page = format!("<!DOCTYPE html><meta http-equiv=\"refresh\" content=\"0;url={url}\"><a href=\"{url}\">tempo</a>\n");
    let written = (|| {
        let mut file = tempfile::Builder::new().prefix("tempo-").suffix(".html").tempfile()?;
        file.write_all(page.as_bytes())?;
        file.keep().map_err(|e| e.error)
    })();
    if let Ok((_, path)) = written {
        let _ = std::process::Command::new(program).arg(path).spawn();
    }
}
