//! HTTP(S) probes: one request with a deadline. `response_check` checks the response.

use std::cell::RefCell;
use std::io::{ErrorKind, Read as _};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ureq::Agent;
use ureq::config::Config;
use ureq::http::Uri;
use ureq::tls::{PemItem, RootCerts, TlsConfig};
use ureq::unversioned::resolver::{ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::{DefaultConnector, NextTimeout};

use super::redirect::ChainedRequest;
use super::response_check::{Response, check};
use super::secrets::Secrets;
use super::shortage::{AttemptError, Shortage};
use super::tcp::addresses;
use super::with_deadline::with_deadline;
use super::{Control, Task, certificate};
use crate::clock::Stopwatch;
use crate::run::outcome::{AttemptResult, Ending, ErrorType, Failure};
use crate::run::probe::Http;
use crate::spec::describe::human_duration;

/// Number of bytes read of a body that is not checked: enough to see that an ordinary response is complete.
const MAX_BODY: u64 = 256 * 1024;
/// Maximum size of the response headers, in bytes.
const MAX_HEADERS: usize = 32 * 1024;
/// Maximum number of bytes checked of a body.
const MAX_CHECKED: u64 = 1024 * 1024;

thread_local! {
    // One agent per thread: a shared one is seven times slower with 64 threads.
    static AGENT: RefCell<Option<Agent>> = const { RefCell::new(None) };
}

fn agent() -> Agent {
    AGENT.with_borrow_mut(|kept| kept.get_or_insert_with(new_agent).clone())
}

fn new_agent() -> Agent {
    let config = Config::builder()
        .http_status_as_error(false)
        .max_redirects(0)
        .allow_non_standard_methods(true)
        // Requests go directly to the host of the probe, regardless of HTTP_PROXY.
        .proxy(None)
        // Each probe opens a new connection: a reused one would hide that the server no longer accepts any.
        .max_idle_connections(0)
        .max_idle_connections_per_host(0)
        .max_response_header_size(MAX_HEADERS)
        // Larger than the limit: headers that fill the buffer would look like a closed connection.
        .input_buffer_size(MAX_HEADERS + 1024)
        .output_buffer_size(8 * 1024)
        .user_agent(concat!("tempo/", env!("CARGO_PKG_VERSION")))
        .tls_config(TlsConfig::builder().root_certs(RootCerts::PlatformVerifier).build())
        .build();
    Agent::with_parts(config, DefaultConnector::default(), Lookup)
}

/// Resolves IP literals at once, and looks up names with the deadline of the request.
#[derive(Debug)]
struct Lookup;

impl Resolver for Lookup {
    fn resolve(&self, uri: &Uri, _: &Config, timeout: NextTimeout) -> Result<ResolvedSocketAddrs, ureq::Error> {
        let host = uri.host().unwrap_or_default().trim_start_matches('[').trim_end_matches(']');
        let port = uri
            .port_u16()
            .unwrap_or(if uri.scheme_str() == Some("https") { 443 } else { 80 });
        let mut found = self.empty();
        if let Ok(ip) = host.parse::<IpAddr>() {
            found.push(SocketAddr::new(ip, port));
            return Ok(found);
        }
        let name = host.to_owned();
        let limit = timeout.not_zero().map(|d| *d);
        let answer = with_deadline(limit, &Control::default(), move || addresses(&name, port));
        let failed = |error| match error {
            AttemptError::Shortage(shortage) => ureq::Error::Other(Box::new(shortage)),
            AttemptError::Failed(failure) => std::io::Error::other(failure.message).into(),
        };
        let Some(answer) = answer.map_err(failed)? else {
            return Err(ureq::Error::Timeout(timeout.reason));
        };
        let addresses = answer.unwrap_or_default();
        if addresses.is_empty() {
            return Err(ureq::Error::HostNotFound);
        }
        // As many as fit.
        let _ = addresses.into_iter().try_for_each(|address| found.try_push(address));
        Ok(found)
    }
}

/// Makes the request and checks the response.
///
/// # Errors
/// A shortage, if no connection could be opened.
pub(super) fn probe(http: &Http, task: &Task<'_>, control: &Control) -> Result<AttemptResult, Shortage> {
    let watch = Stopwatch::start();
    let secrets = match Secrets::of(http) {
        Ok(secrets) => secrets,
        Err(failure) => return Ok(AttemptResult::new(Ending::Failed(failure), watch.elapsed_ms())),
    };
    let agent = agent();
    let for_stop = agent.clone();
    let guard = control.with_stop_hook(move || for_stop.clone().shutdown());
    let mut last = ChainedRequest::begin(http);
    let response = send(&agent, http, &secrets, &mut last, task.time_left);
    drop(guard);
    let elapsed = watch.elapsed();
    let status_code = response.as_ref().ok().map(|r| r.status);
    let url = last.shown_url(http);
    let mut checked = match response {
        Ok(response) => {
            let mask = |text: &str| secrets.masked_text(text);
            check(&http.expectation, &url, &response, elapsed, &mask).map_err(AttemptError::Failed)
        }
        Err(SendError::Request(e)) => Err(attempt_error(&e, &url, task.limit)),
        Err(SendError::Failed(failure)) => Err(failure.into()),
    };
    if let (Ok(()), Some(days)) = (&checked, http.expectation.min_certificate_days) {
        let time_left = task.time_left.map(|t| t.saturating_sub(elapsed));
        checked = certificate::valid_for(&http.url, days, time_left, control);
    }
    if let Some(kind) = control.requested() {
        // An agent that was shut down cannot send more requests.
        AGENT.with_borrow_mut(Option::take);
        return Ok(AttemptResult::new(kind.ending(), watch.elapsed_ms()));
    }
    let ending = match checked {
        Ok(()) => Ending::Ok,
        Err(AttemptError::Shortage(shortage)) => return Err(shortage),
        Err(AttemptError::Failed(failure)) => Ending::Failed(Failure {
            message: secrets.masked_text(&failure.message),
            ..failure
        }),
    };
    Ok(AttemptResult {
        status_code,
        ..AttemptResult::new(ending, watch.elapsed_ms())
    })
}

/// The reason why there is no response.
enum SendError {
    Request(ureq::Error),
    Failed(Failure),
}

impl<E: Into<ureq::Error>> From<E> for SendError {
    fn from(e: E) -> Self {
        Self::Request(e.into())
    }
}

/// Makes the request `at`, follows the redirects that the probe allows, and returns the last response. `at` is then the last request.
fn send(
    agent: &Agent,
    http: &Http,
    secrets: &Secrets,
    at: &mut ChainedRequest,
    time_left: Option<Duration>,
) -> Result<Response, SendError> {
    let watch = Stopwatch::start();
    let left = || time_left.map(|left| left.saturating_sub(watch.elapsed()));
    let mut response = request(agent, http, secrets, at, left())?;
    for _ in 0..http.redirects {
        match at.follow(response.status(), response.headers()).map_err(SendError::Failed)? {
            Some(next) => *at = next,
            None => break,
        }
        response = request(agent, http, secrets, at, left())?;
    }
    let status = response.status().as_u16();
    let mut kept = Vec::new();
    let mut body = response.body_mut().as_reader();
    if http.expectation.needs_body() {
        body.take(MAX_CHECKED + 1).read_to_end(&mut kept).map_err(ureq::Error::from)?;
    } else {
        std::io::copy(&mut body.by_ref().take(MAX_BODY), &mut std::io::sink()).map_err(ureq::Error::from)?;
    }
    let is_cut = kept.len() as u64 > MAX_CHECKED;
    kept.truncate(usize::try_from(MAX_CHECKED).unwrap_or(usize::MAX));
    Ok(Response {
        is_cut,
        status,
        headers: std::mem::take(response.headers_mut()),
        body: kept,
    })
}

/// Makes one request, with the credentials if they may be sent to its host.
fn request(
    agent: &Agent,
    http: &Http,
    secrets: &Secrets,
    at: &ChainedRequest,
    time_left: Option<Duration>,
) -> Result<ureq::http::Response<ureq::Body>, SendError> {
    let mut request = ureq::http::Request::builder().method(at.method.as_str()).uri(at.url.as_str());
    for (name, value) in http.headers.iter().filter(|(name, _)| at.may_carry(name)) {
        request = request.header(name, secrets.resolve(value));
    }
    if let Some((user, password)) = http.basic_auth.as_ref().filter(|_| at.same_origin) {
        let pair = format!("{}:{}", secrets.resolve(user), secrets.resolve(password));
        request = request.header("authorization", format!("Basic {}", STANDARD.encode(pair)));
    }
    if let Some(token) = http.bearer.as_ref().filter(|_| at.same_origin) {
        request = request.header("authorization", format!("Bearer {}", secrets.resolve(token)));
    }
    let response = match http.body.as_ref().filter(|_| at.with_body) {
        None => agent.run(configured(agent, http, request.body(())?, time_left)?)?,
        Some(body) => {
            let body = secrets.resolve(body).to_owned();
            agent.run(configured(agent, http, request.body(body)?, time_left)?)?
        }
    };
    Ok(response)
}

/// Sets the deadline and the TLS options of a request.
fn configured<B: ureq::AsSendBody>(
    agent: &Agent,
    http: &Http,
    request: ureq::http::Request<B>,
    time_left: Option<Duration>,
) -> Result<ureq::http::Request<B>, SendError> {
    let mut config = agent.configure_request(request).timeout_global(time_left);
    if http.insecure || http.ca_file.is_some() {
        let roots = http
            .ca_file
            .as_deref()
            .map_or(Ok(RootCerts::PlatformVerifier), root_certificates)?;
        let tls = TlsConfig::builder()
            .root_certs(roots)
            .disable_verification(http.insecure)
            .build();
        config = config.tls_config(tls);
    }
    Ok(config.build())
}

/// Reads the CA certificates in a PEM file.
fn root_certificates(file: &str) -> Result<RootCerts, SendError> {
    let failed = |message: String| {
        SendError::Failed(Failure {
            error_type: ErrorType::Tls,
            message,
        })
    };
    let pem = std::fs::read(file).map_err(|e| match Shortage::of(&e) {
        Some(_) => SendError::Request(e.into()),
        None => failed(format!("cannot read the certificates in `{file}`: {e}")),
    })?;
    let certificates: Vec<_> = ureq::tls::parse_pem(&pem)
        .filter_map(|item| match item {
            Ok(PemItem::Certificate(certificate)) => Some(certificate),
            Ok(_) | Err(_) => None,
        })
        .collect();
    if certificates.is_empty() {
        return Err(failed(format!("`{file}` contains no PEM certificates")));
    }
    Ok(RootCerts::new_with_certs(&certificates))
}

#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "foreign error types: new variants are reported as they are"
)]
fn attempt_error(e: &ureq::Error, url: &str, limit: Option<Duration>) -> AttemptError {
    let shortage = match e {
        ureq::Error::Io(io) => Shortage::of(io),
        ureq::Error::Other(other) => other.downcast_ref::<Shortage>().cloned(),
        _ => None,
    };
    if let Some(shortage) = shortage {
        return AttemptError::Shortage(shortage);
    }
    let failure = |error_type, message: String| Failure { error_type, message };
    let timeout = || {
        let limit = limit.map_or_else(String::new, |d| format!(" within {}", human_duration(d.as_millis())));
        failure(ErrorType::Timeout, format!("no response from {url}{limit}"))
    };
    AttemptError::Failed(match e {
        ureq::Error::Timeout(_) => timeout(),
        ureq::Error::HostNotFound => failure(ErrorType::Dns, format!("cannot find the host of {url}")),
        ureq::Error::ConnectionFailed => failure(ErrorType::Connect, format!("cannot connect to {url}")),
        ureq::Error::Tls(_) | ureq::Error::Rustls(_) => failure(ErrorType::Tls, format!("TLS connection to {url} failed: {e}")),
        ureq::Error::Io(io) => match io.kind() {
            ErrorKind::TimedOut | ErrorKind::WouldBlock => timeout(),
            ErrorKind::ConnectionRefused => failure(ErrorType::Connect, format!("connection refused by {url}")),
            ErrorKind::HostUnreachable | ErrorKind::NetworkUnreachable | ErrorKind::AddrNotAvailable => {
                failure(ErrorType::Connect, format!("cannot connect to {url}: {io}"))
            }
            ErrorKind::InvalidData if url.starts_with("https") => {
                failure(ErrorType::Tls, format!("TLS connection to {url} failed: {io}"))
            }
            ErrorKind::ConnectionReset => failure(ErrorType::Network, format!("connection reset by {url}")),
            ErrorKind::UnexpectedEof => failure(
                ErrorType::Network,
                format!("connection closed by {url} before the response was complete"),
            ),
            _ => failure(ErrorType::Network, format!("the request to {url} failed: {io}")),
        },
        ureq::Error::LargeResponseHeader(_, most) => failure(
            ErrorType::Network,
            format!("the response headers from {url} exceed the limit of {} KiB", most / 1024),
        ),
        other if other.to_string().contains("too many headers") => failure(
            ErrorType::Network,
            format!("the response headers from {url} exceed the limit of 128 headers"),
        ),
        other => failure(ErrorType::Network, format!("the request to {url} failed: {other}")),
    })
}
