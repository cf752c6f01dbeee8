//! A probe: one HTTP(S) request with a deadline, judged by its status.

use std::cell::RefCell;
use std::io::ErrorKind;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use ureq::Agent;
use ureq::config::Config;
use ureq::http::Uri;
use ureq::tls::{RootCerts, TlsConfig};
use ureq::unversioned::resolver::{DefaultResolver, ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::{DefaultConnector, NextTimeout};

use super::{Control, Task};
use crate::clock::Stopwatch;
use crate::run::outcome::{AttemptResult, Ending, ErrorType, Failure};
use crate::run::step::Probe;
use crate::spec::describe::spoken;

/// How much of a body is read: enough to see that the answer is whole, for ordinary answers.
const MAX_BODY: u64 = 256 * 1024;

thread_local! {
    // An agent per thread: a shared one costs a factor of seven at 64 threads (facts.md).
    static AGENT: RefCell<Option<Agent>> = const { RefCell::new(None) };
}

fn agent() -> Agent {
    AGENT.with_borrow_mut(|kept| kept.get_or_insert_with(new_agent).clone())
}

fn new_agent() -> Agent {
    let config = Config::builder()
        .http_status_as_error(false)
        .max_redirects(0)
        // Only what the probe names is asked, whatever HTTP_PROXY says.
        .proxy(None)
        // Each probe connects anew: a connection kept from before would hide that nobody listens any more.
        .max_idle_connections(0)
        .max_idle_connections_per_host(0)
        .input_buffer_size(16 * 1024)
        .output_buffer_size(8 * 1024)
        .user_agent(concat!("tempo/", env!("CARGO_PKG_VERSION")))
        .tls_config(TlsConfig::builder().root_certs(RootCerts::PlatformVerifier).build())
        .build();
    Agent::with_parts(config, DefaultConnector::default(), LiteralFirst(DefaultResolver::default()))
}

/// Answers IP literals at once: the default resolver starts a thread for each look-up that has a deadline.
#[derive(Debug)]
struct LiteralFirst(DefaultResolver);

impl Resolver for LiteralFirst {
    fn resolve(&self, uri: &Uri, config: &Config, timeout: NextTimeout) -> Result<ResolvedSocketAddrs, ureq::Error> {
        let host = uri.host().unwrap_or_default().trim_start_matches('[').trim_end_matches(']');
        let default_port = if uri.scheme_str() == Some("https") { 443 } else { 80 };
        if let Ok(ip) = host.parse::<IpAddr>() {
            let mut found = self.empty();
            found.push(SocketAddr::new(ip, uri.port_u16().unwrap_or(default_port)));
            return Ok(found);
        }
        // A look-up that fails has no error kind of its own.
        let found = self.0.resolve(uri, config, timeout);
        found.map_err(|e| {
            if matches!(e, ureq::Error::Io(_)) {
                ureq::Error::HostNotFound
            } else {
                e
            }
        })
    }
}

/// Makes the request.
pub(super) fn probe(probe: &Probe, task: &Task<'_>, control: &Control) -> AttemptResult {
    let watch = Stopwatch::start();
    let agent = agent();
    let for_stop = agent.clone();
    let hooked = control.while_hooked(move || for_stop.clone().shutdown());
    let answer = ask(&agent, probe, task.time_left);
    drop(hooked);
    let elapsed_ms = watch.elapsed_ms();
    if let Some(kind) = control.asked() {
        // An agent that was shut down serves no more requests.
        AGENT.with_borrow_mut(Option::take);
        return AttemptResult::new(kind.ending(), elapsed_ms);
    }
    let (ending, status_code) = match answer {
        Ok(status) if status == probe.status => (Ending::Ok, Some(status)),
        Ok(status) => {
            let message = format!("unexpected status {status} from {}", probe.url);
            (
                Ending::Failed(Failure {
                    error_type: ErrorType::UnexpectedStatus,
                    message,
                }),
                Some(status),
            )
        }
        Err(e) => (Ending::Failed(failure(&e, probe, task.limit)), None),
    };
    AttemptResult {
        status_code,
        ..AttemptResult::new(ending, elapsed_ms)
    }
}

fn ask(agent: &Agent, probe: &Probe, time_left: Option<Duration>) -> Result<u16, ureq::Error> {
    let request = ureq::http::Request::builder()
        .method(probe.method.as_str())
        .uri(probe.url.as_str())
        .body(())?;
    let request = agent.configure_request(request).timeout_global(time_left).build();
    let mut response = agent.run(request)?;
    let status = response.status().as_u16();
    let mut body = response.body_mut().as_reader();
    std::io::copy(&mut std::io::Read::take(&mut body, MAX_BODY), &mut std::io::sink()).map_err(ureq::Error::from)?;
    Ok(status)
}

#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "other people's errors: new ones are told as they are"
)]
fn failure(e: &ureq::Error, probe: &Probe, limit: Option<Duration>) -> Failure {
    let url = &probe.url;
    let of = |error_type, message: String| Failure { error_type, message };
    let timeout = || {
        let limit = limit.map_or_else(String::new, |d| format!(" within {}", spoken(d.as_millis())));
        of(ErrorType::Timeout, format!("no answer from {url}{limit}"))
    };
    match e {
        ureq::Error::Timeout(_) => timeout(),
        ureq::Error::HostNotFound => of(ErrorType::Dns, format!("cannot find the host of {url}")),
        ureq::Error::ConnectionFailed => of(ErrorType::Connect, format!("cannot connect to {url}")),
        ureq::Error::Tls(_) | ureq::Error::Rustls(_) => of(ErrorType::Tls, format!("TLS failed with {url}: {e}")),
        ureq::Error::Io(io) => match io.kind() {
            ErrorKind::TimedOut | ErrorKind::WouldBlock => timeout(),
            ErrorKind::ConnectionRefused => of(ErrorType::Connect, format!("connection refused by {url}")),
            ErrorKind::HostUnreachable | ErrorKind::NetworkUnreachable | ErrorKind::AddrNotAvailable => {
                of(ErrorType::Connect, format!("cannot connect to {url}: {io}"))
            }
            ErrorKind::InvalidData if url.starts_with("https") => of(ErrorType::Tls, format!("TLS failed with {url}: {io}")),
            ErrorKind::ConnectionReset => of(ErrorType::Network, format!("connection reset by {url}")),
            ErrorKind::UnexpectedEof => of(ErrorType::Network, format!("connection closed by {url} in mid-answer")),
            _ => of(ErrorType::Network, format!("cannot talk to {url}: {io}")),
        },
        other => of(ErrorType::Network, format!("cannot talk to {url}: {other}")),
    }
}
