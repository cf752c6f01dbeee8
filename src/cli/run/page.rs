//! The page of `tempo run`: its options, and its start.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::mpsc::Sender;

use super::Context;
use crate::engine::{Event, Server};
use crate::error::{Error, Kind};
use crate::store::{Missing, Store};
use crate::web::{self, Session, Web};

/// The options of the page.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Page")]
pub(super) struct PageArgs {
    /// Address of the page and the API; port 0 chooses a free one
    #[arg(long, value_name = "ADDRESS", default_value = web::DEFAULT_ADDRESS, value_parser = address)]
    web: SocketAddr,
    /// Serve neither the page nor the API
    #[arg(long, conflicts_with_all = ["web", "web_token_file", "web_host", "web_read_only", "web_open_status"])]
    no_web: bool,
    /// File with the token that signs in to the page, instead of the one that `tempo open` uses; required for an address that other machines can reach
    #[arg(long, value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    web_token_file: Option<PathBuf>,
    /// Name under which a reverse proxy serves the page
    #[arg(long, value_name = "NAME")]
    web_host: Vec<String>,
    /// Refuse changes through the page
    #[arg(long)]
    web_read_only: bool,
    /// Show `/status`, the names of steps and whether they succeed, to anyone who can reach the page
    #[arg(long)]
    web_open_status: bool,
}

/// Parses `127.0.0.1:8233`, `localhost:8233` or `8233`.
fn address(text: &str) -> Result<SocketAddr, String> {
    let port = text
        .strip_prefix("localhost:")
        .or_else(|| text.strip_prefix(':'))
        .unwrap_or(text);
    let local = port.parse::<u16>().map(|port| SocketAddr::from(([127, 0, 0, 1], port)));
    text.parse()
        .or(local)
        .map_err(|_| "expected an address and a port, such as `127.0.0.1:8233`".to_owned())
}

impl PageArgs {
    /// The file with the token, if it is given.
    pub(super) fn token_file(&self) -> Option<String> {
        self.web_token_file.as_ref().and_then(|path| path.to_str()).map(str::to_owned)
    }

    /// The settings of the page; `None` if there is to be none.
    ///
    /// # Errors
    /// `Usage` for an address that other machines can reach, without a token file.
    pub(super) fn settings(&self, context: &Context) -> Result<Option<web::Settings>, Error> {
        if self.no_web {
            return Ok(None);
        }
        let database = context.database()?;
        let session = match &self.web_token_file {
            Some(file) => Session::with_token_file(&database, file)?,
            None if self.web.ip().is_loopback() => {
                // Creates the directory, too, as the server would.
                Store::open(&database, Missing::Create)?;
                Session::of(&database)?
            }
            None => {
                return Err(Error::new(
                Kind::Usage,
                format_args!("`--web {}` can be reached by other machines and needs `--web-token-file FILE`", self.web),
            )
            .hint("Put a reverse proxy with TLS in front of it: the page itself speaks plain HTTP. Name the proxy's host with `--web-host`."));
            }
        };
        Ok(Some(web::Settings {
            address: self.web,
            hosts: self.web_host.clone(),
            session,
            read_only: self.web_read_only,
            open_status: self.web_open_status,
            database,
            zone: context.local_zone(),
        }))
    }
}

/// Starts the page; if it cannot be served, logs why, and the server runs without it.
pub(super) fn start(settings: web::Settings, server: &Server, tell: &Sender<Event>) -> Option<Web> {
    let address = settings.address.to_string();
    let started = Web::start(settings, server.handle()).and_then(|web| match server.announce(&web.address().to_string()) {
        Ok(()) => Ok(web),
        Err(e) => {
            web.stop();
            Err(e)
        }
    });
    // At the very end, the logger may have stopped listening.
    match started {
        Ok(web) => {
            let _ = tell.send(Event::Page {
                address: web.address().to_string(),
            });
            Some(web)
        }
        Err(e) => {
            let _ = tell.send(Event::NoPage {
                address,
                error: e.to_string(),
            });
            None
        }
    }
}
