//! A probe over HTTP(S): one request with a deadline. What makes its answer right is `judge`'s.

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

use super::redirect::Redirect;
use super::response_check::{Response, check};
use super::secrets::Secrets;
use super::shortage::{Shortage, Trouble};
use super::tcp::addresses;
use super::with_deadline::with_deadline;
use super::{Control, Task, certificate};
use crate::clock::Stopwatch;
use crate::run::outcome::{AttemptResult, Ending, ErrorType, Failure};
use crate::run::probe::Http;
use crate::spec::describe::spoken;

/// How much of a body is read: enough to see that the answer is whole, for ordinary answers.
const MAX_BODY: u64 = 256 * 1024;
/// How long the headers of an answer may be.
const MAX_HEADERS: usize = 32 * 1024;
/// How much of a body is checked, where that is asked for.
const MAX_CHECKED: u64 = 1024 * 1024;

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
        .allow_non_standard_methods(true)
        // Only what the probe names is asked, whatever HTTP_PROXY says.
        .proxy(None)
        // Each probe connects anew: a connection kept from before would hide that nobody listens any more.
        .max_idle_connections(0)
        .max_idle_connections_per_host(0)
        .max_response_header_size(MAX_HEADERS)
        // One more: headers that fill the buffer would look like a connection that was closed.
        .input_buffer_size(MAX_HEADERS + 1024)
        .output_buffer_size(8 * 1024)
        .user_agent(concat!("tempo/", env!("CARGO_PKG_VERSION")))
        .tls_config(TlsConfig::builder().root_certs(RootCerts::PlatformVerifier).build())
        .build();
    Agent::with_parts(config, DefaultConnector::default(), Lookup)
}

/// Responses IP literals at once, and looks names up on a thread of its own where there is a deadline.
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
        let asked = host.to_owned();
        let limit = timeout.not_zero().map(|d| *d);
        let answer = with_deadline(limit, &Control::default(), move || addresses(&asked, port));
        let failed = |trouble| match trouble {
            Trouble::Short(shortage) => ureq::Error::Other(Box::new(shortage)),
            Trouble::Failed(failure) => std::io::Error::other(failure.message).into(),
        };
        let Some(answer) = answer.map_err(failed)? else {
            return Err(ureq::Error::Timeout(timeout.reason));
        };
        let addresses = answer.unwrap_or_default();
        if addresses.is_empty() {
            return Err(ureq::Error::HostNotFound);
        }
        // As many as there is room for.
        let _ = addresses.into_iter().try_for_each(|address| found.try_push(address));
        Ok(found)
    }
}

/// Makes the request and judges the answer.
///
/// # Errors
/// A shortage: no connection could be made.
pub(super) fn probe(http: &Http, task: &Task<'_>, control: &Control) -> Result<AttemptResult, Shortage> {
    let watch = Stopwatch::start();
    let secrets = match Secrets::of(http) {
        Ok(secrets) => secrets,
        Err(failure) => return Ok(AttemptResult::new(Ending::Failed(failure), watch.elapsed_ms())),
    };
    let agent = agent();
    let for_stop = agent.clone();
    let hooked = control.while_hooked(move || for_stop.clone().shutdown());
    let answer = ask(&agent, http, &secrets, task.time_left);
    drop(hooked);
    let elapsed = watch.elapsed();
    let status_code = answer.as_ref().ok().map(|a| a.status);
    let mut checked = match answer {
        Ok(answer) => check(http, &answer, elapsed, &|text| secrets.masked_text(text)).map_err(Trouble::Failed),
        Err(Refusal::Request(e)) => Err(trouble(&e, &http.url, task.limit)),
        Err(Refusal::Told(failure)) => Err(failure.into()),
    };
    if let (Ok(()), Some(days)) = (&checked, http.right.min_certificate_days) {
        let time_left = task.time_left.map(|t| t.saturating_sub(elapsed));
        checked = certificate::valid_for(&http.url, days, time_left, control);
    }
    if let Some(kind) = control.asked() {
        // An agent that was shut down serves no more requests.
        AGENT.with_borrow_mut(Option::take);
        return Ok(AttemptResult::new(kind.ending(), watch.elapsed_ms()));
    }
    let ending = match checked {
        Ok(()) => Ending::Ok,
        Err(Trouble::Short(shortage)) => return Err(shortage),
        Err(Trouble::Failed(failure)) => Ending::Failed(Failure {
            message: secrets.masked_text(&failure.message),
            ..failure
        }),
    };
    Ok(AttemptResult {
        status_code,
        ..AttemptResult::new(ending, watch.elapsed_ms())
    })
}

/// Why there is no answer.
enum Refusal {
    Request(ureq::Error),
    Told(Failure),
}

impl<E: Into<ureq::Error>> From<E> for Refusal {
    fn from(e: E) -> Self {
        Self::Request(e.into())
    }
}

/// Makes the request and follows the redirects that it allows; the last answer.
fn ask(agent: &Agent, http: &Http, secrets: &Secrets, time_left: Option<Duration>) -> Result<Response, Refusal> {
    let watch = Stopwatch::start();
    let left = || time_left.map(|left| left.saturating_sub(watch.elapsed()));
    let mut at = Redirect::begin(http);
    let mut response = request(agent, http, secrets, &at, left())?;
    for _ in 0..http.redirects {
        match at.follow(response.status(), response.headers()).map_err(Refusal::Told)? {
            Some(next) => at = next,
            None => break,
        }
        response = request(agent, http, secrets, &at, left())?;
    }
    let status = response.status().as_u16();
    let mut kept = Vec::new();
    let mut body = response.body_mut().as_reader();
    if http.right.asks_for_the_body() {
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

/// Makes one request, with the credentials where they may go.
fn request(
    agent: &Agent,
    http: &Http,
    secrets: &Secrets,
    at: &Redirect,
    time_left: Option<Duration>,
) -> Result<ureq::http::Response<ureq::Body>, Refusal> {
    let mut request = ureq::http::Request::builder().method(at.method.as_str()).uri(at.url.as_str());
    for (name, value) in http.headers.iter().filter(|(name, _)| at.may_carry(name)) {
        request = request.header(name, secrets.revealed(value));
    }
    if let Some((user, password)) = http.basic_auth.as_ref().filter(|_| at.same_host) {
        let pair = format!("{}:{}", secrets.revealed(user), secrets.revealed(password));
        request = request.header("authorization", format!("Basic {}", STANDARD.encode(pair)));
    }
    if let Some(token) = http.bearer.as_ref().filter(|_| at.same_host) {
        request = request.header("authorization", format!("Bearer {}", secrets.revealed(token)));
    }
    let response = match http.body.as_ref().filter(|_| at.with_body) {
        None => agent.run(configured(agent, http, request.body(())?, time_left)?)?,
        Some(body) => {
            let body = secrets.revealed(body).to_owned();
            agent.run(configured(agent, http, request.body(body)?, time_left)?)?
        }
    };
    Ok(response)
}

/// The request with its deadline and whom it trusts.
fn configured<B: ureq::AsSendBody>(
    agent: &Agent,
    http: &Http,
    request: ureq::http::Request<B>,
    time_left: Option<Duration>,
) -> Result<ureq::http::Request<B>, Refusal> {
    let mut config = agent.configure_request(request).timeout_global(time_left);
    if http.insecure || http.ca_file.is_some() {
        let roots = http.ca_file.as_deref().map_or(Ok(RootCerts::PlatformVerifier), trusted)?;
        let tls = TlsConfig::builder()
            .root_certs(roots)
            .disable_verification(http.insecure)
            .build();
        config = config.tls_config(tls);
    }
    Ok(config.build())
}

/// The certificates in a file.
fn trusted(file: &str) -> Result<RootCerts, Refusal> {
    let told = |message: String| {
        Refusal::Told(Failure {
            error_type: ErrorType::Tls,
            message,
        })
    };
    let pem = std::fs::read(file).map_err(|e| match Shortage::of(&e) {
        Some(_) => Refusal::Request(e.into()),
        None => told(format!("cannot read the certificates in `{file}`: {e}")),
    })?;
    let certificates: Vec<_> = ureq::tls::parse_pem(&pem)
        .filter_map(|item| match item {
            Ok(PemItem::Certificate(certificate)) => Some(certificate),
            Ok(_) | Err(_) => None,
        })
        .collect();
    if certificates.is_empty() {
        return Err(told(format!("`{file}` holds no certificate in PEM")));
    }
    Ok(RootCerts::new_with_certs(&certificates))
}

#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "other people's errors: new ones are told as they are"
)]
fn trouble(e: &ureq::Error, url: &str, limit: Option<Duration>) -> Trouble {
    let shortage = match e {
        ureq::Error::Io(io) => Shortage::of(io),
        ureq::Error::Other(other) => other.downcast_ref::<Shortage>().cloned(),
        _ => None,
    };
    if let Some(shortage) = shortage {
        return Trouble::Short(shortage);
    }
    let of = |error_type, message: String| Failure { error_type, message };
    let timeout = || {
        let limit = limit.map_or_else(String::new, |d| format!(" within {}", spoken(d.as_millis())));
        of(ErrorType::Timeout, format!("no answer from {url}{limit}"))
    };
    let failure = match e {
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
        ureq::Error::LargeResponseHeader(_, most) => of(
            ErrorType::Network,
            format!(
                "the headers from {url} are longer than {} KiB, the most that tempo reads",
                most / 1024
            ),
        ),
        other if other.to_string().contains("too many headers") => of(
            ErrorType::Network,
            format!("the answer from {url} has more than 128 headers, the most that tempo reads"),
        ),
        other => of(ErrorType::Network, format!("cannot talk to {url}: {other}")),
    };
    Trouble::Failed(failure)
}
