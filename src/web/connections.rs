//! Connections: accepts them up to a limit, and closes those that are slow or idle, so that a hostile client cannot hold what others need.

use std::sync::Arc;
use std::time::Duration;

use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};

use super::app::App;
use super::{access, api, documents, events, health, pages};

/// Maximum number of open connections; further ones wait to be accepted.
const MAX_CONNECTIONS: usize = 512;
/// How long a client may take to send the head of a request, and how long a connection may be idle.
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a client may leave data that was sent to it unread, in milliseconds.
const UNREAD_TIMEOUT_MS: u32 = 30_000;
/// Maximum size of the head of a request, in bytes.
const MAX_HEAD: usize = 16 * 1024;
/// Pause after a connection could not be accepted, for lack of file descriptors.
const AFTER_ERROR: Duration = Duration::from_millis(100);

/// Serves until `stopped` becomes true.
pub(super) async fn serve(listener: std::net::TcpListener, app: Arc<App>, mut stopped: watch::Receiver<bool>) {
    let Ok(listener) = TcpListener::from_std(listener) else {
        return;
    };
    tokio::spawn(events::watch(Arc::clone(&app)));
    let router = axum::Router::new()
        .merge(health::routes())
        .merge(api::routes())
        .merge(documents::routes())
        .merge(events::routes())
        .merge(pages::routes())
        .fallback(pages::not_found)
        .layer(axum::extract::DefaultBodyLimit::max(access::MAX_BODY))
        .layer(axum::middleware::from_fn_with_state(Arc::clone(&app), access::check))
        .with_state(app);
    let service = TowerToHyperService::new(router);
    let mut http = hyper::server::conn::http1::Builder::new();
    http.timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .max_buf_size(MAX_HEAD);
    let places = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    loop {
        let accept = async {
            let place = Arc::clone(&places).acquire_owned().await;
            (place, listener.accept().await)
        };
        let accepted = tokio::select! {
            accepted = accept => accepted,
            _ = stopped.wait_for(|stopped| *stopped) => return,
        };
        let (Ok(place), Ok((stream, _))) = accepted else {
            tokio::time::sleep(AFTER_ERROR).await;
            continue;
        };
        limit_unread(&stream);
        let connection = http.serve_connection(TokioIo::new(stream), service.clone());
        tokio::spawn(async move {
            // A client that breaks off is no concern of the server.
            let _ = connection.await;
            drop(place);
        });
    }
}

/// Lets the kernel close the connection when the client does not read.
fn limit_unread(stream: &TcpStream) {
    let _ = stream.set_nodelay(true);
    let _ = rustix::net::sockopt::set_tcp_user_timeout(stream, UNREAD_TIMEOUT_MS);
}
