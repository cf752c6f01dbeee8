//! The page and the API of a running server: what the commands show and do, over HTTP. Reads through `present`, changes through `ops` in the server's
//! writer; it never decides or starts anything itself, and the ticker never waits for it.
//!
//! One thread runs the connections ([`connections`]); requests are checked by [`access`], and answered by [`api`], [`pages`] and [`health`]. `SQLite`
//! is used on a few blocking threads only ([`app`]).

mod access;
mod answers;
mod api;
mod app;
mod changes;
mod connections;
mod documents;
mod events;
mod health;
mod pages;
mod session;

pub(crate) use session::{Session, beat_token, one_time_code};

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::sync::watch;

use crate::engine::Handle;
use crate::error::{Error, Kind};
use crate::spec::zone::Zone;

/// The default address of the page.
pub(crate) const DEFAULT_ADDRESS: &str = "127.0.0.1:8233";

/// How long the requests in progress may take to end when the server stops.
const STOP_TIMEOUT: Duration = Duration::from_secs(1);
/// Maximum number of threads that use the database for requests.
const BLOCKING_THREADS: usize = 4;

/// What a page is made of.
pub(crate) struct Settings {
    pub(crate) address: SocketAddr,
    /// Names, besides the address itself, by which the page may be addressed: those of a reverse proxy.
    pub(crate) hosts: Vec<String>,
    pub(crate) session: Session,
    /// Whether changes are refused.
    pub(crate) read_only: bool,
    /// Whether `/status` can be read without a session.
    pub(crate) open_status: bool,
    pub(crate) database: PathBuf,
    /// The zone in which times are shown.
    pub(crate) zone: Zone,
}

/// A running page.
pub(crate) struct Web {
    address: SocketAddr,
    stop: watch::Sender<bool>,
    thread: JoinHandle<()>,
}

/// The URL for heartbeats of a schedule at a server with this address.
pub(crate) fn beat_url(address: &str, schedule_id: &str) -> String {
    format!("http://{address}{}/beat/{}", answers::BASE, answers::encoded(schedule_id))
}

impl Web {
    /// Listens on the address and starts the thread that serves the page.
    ///
    /// # Errors
    /// `System` when the address is taken or cannot be used.
    pub(crate) fn start(settings: Settings, server: Handle) -> Result<Self, Error> {
        let failed = |e: std::io::Error| Error::new(Kind::System, "cannot serve the page").because(e);
        let listener = std::net::TcpListener::bind(settings.address).map_err(failed)?;
        listener.set_nonblocking(true).map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_io()
            .enable_time()
            .max_blocking_threads(BLOCKING_THREADS)
            .build()
            .map_err(failed)?;
        let (stop, stopped) = watch::channel(false);
        let app = Arc::new(app::App::new(Settings { address, ..settings }, server));
        let serve = move || {
            runtime.block_on(connections::serve(listener, app, stopped));
            // A request in progress must not keep the server from stopping.
            runtime.shutdown_timeout(STOP_TIMEOUT);
        };
        let thread = std::thread::Builder::new()
            .name("web".to_owned())
            .spawn(serve)
            .map_err(failed)?;
        Ok(Self { address, stop, thread })
    }

    /// The address, with the port that was chosen if it was 0.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Closes all connections, and waits until the thread has ended.
    pub(crate) fn stop(self) {
        let _ = self.stop.send(true);
        let _ = self.thread.join();
    }
}
