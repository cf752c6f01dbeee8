//! A probe over HTTP(S): one request with a deadline. What makes its answer right is `judge`'s.

use std::cell::RefCell;
use std::io::{ErrorKind, Read as _};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ureq::Agent;
use ureq::config::{Config, RedirectAuthHeaders};
use ureq::http::Uri;
use ureq::tls::{PemItem, RootCerts, TlsConfig};
use ureq::unversioned::resolver::{DefaultResolver, ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::{DefaultConnector, NextTimeout};

use super::judge::judge;
use super::secrets::Secrets;
use super::{Control, Task, certificate};
use crate::clock::Stopwatch;
use crate::run::outcome::{AttemptResult, Ending, ErrorType, Failure};
use crate::run::probe::Http;
use crate::spec::describe::spoken;

/// How much of a body is read: enough to see that the answer is whole, for ordinary answers.
const MAX_BODY: u64 = 256 * 1024;
/// How much of a body is judged, where that is asked for.
const MAX_JUDGED: u64 = 1024 * 1024;

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

/// Makes the request and judges the answer.
pub(super) fn probe(http: &Http, task: &Task<'_>, control: &Control) -> AttemptResult {
    let watch = Stopwatch::start();
    let secrets = match Secrets::of(http) {
        Ok(secrets) => secrets,
        Err(failure) => return AttemptResult::new(Ending::Failed(failure), watch.elapsed_ms()),
    };
    let agent = agent();
    let for_stop = agent.clone();
    let hooked = control.while_hooked(move || for_stop.clone().shutdown());
    let answer = ask(&agent, http, &secrets, task.time_left);
    drop(hooked);
    let elapsed = watch.elapsed();
    let status_code = answer.as_ref().ok().map(|a| a.status);
    let mut judged = match answer {
        Ok(answer) => judge(http, &answer, elapsed, &|text| secrets.masked_text(text)),
        Err(Refusal::Request(e)) => Err(failure(&e, &http.url, task.limit)),
        Err(Refusal::Told(failure)) => Err(failure),
    };
    if let (Ok(()), Some(days)) = (&judged, http.right.min_certificate_days) {
        let time_left = task.time_left.map(|t| t.saturating_sub(elapsed));
        judged = certificate::valid_for(&http.url, days, time_left, control);
    }
    if let Some(kind) = control.asked() {
        // An agent that was shut down serves no more requests.
        AGENT.with_borrow_mut(Option::take);
        return AttemptResult::new(kind.ending(), watch.elapsed_ms());
    }
    let ending = match judged {
        Ok(()) => Ending::Ok,
        Err(failure) => Ending::Failed(Failure {
            message: secrets.masked_text(&failure.message),
            ..failure
        }),
    };
    AttemptResult {
        status_code,
        ..AttemptResult::new(ending, watch.elapsed_ms())
    }
}

/// What came back.
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) headers: ureq::http::HeaderMap,
    /// Its beginning; empty where nobody asks for it.
    pub(super) body: Vec<u8>,
    /// Whether there is more of it.
    pub(super) is_cut: bool,
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

fn ask(agent: &Agent, http: &Http, secrets: &Secrets, time_left: Option<Duration>) -> Result<Answer, Refusal> {
    let mut request = ureq::http::Request::builder()
        .method(http.method.as_str())
        .uri(http.url.as_str());
    for (name, value) in &http.headers {
        request = request.header(name, secrets.revealed(value));
    }
    if let Some((user, password)) = &http.basic_auth {
        let pair = format!("{}:{}", secrets.revealed(user), secrets.revealed(password));
        request = request.header("authorization", format!("Basic {}", STANDARD.encode(pair)));
    }
    if let Some(token) = &http.bearer {
        request = request.header("authorization", format!("Bearer {}", secrets.revealed(token)));
    }
    let mut response = match &http.body {
        None => agent.run(configured(agent, http, request.body(())?, time_left)?)?,
        Some(body) => agent.run(configured(
            agent,
            http,
            request.body(secrets.revealed(body).to_owned())?,
            time_left,
        )?)?,
    };
    let status = response.status().as_u16();
    let mut kept = Vec::new();
    let mut body = response.body_mut().as_reader();
    if http.right.asks_for_the_body() {
        body.take(MAX_JUDGED + 1).read_to_end(&mut kept).map_err(ureq::Error::from)?;
    } else {
        std::io::copy(&mut body.by_ref().take(MAX_BODY), &mut std::io::sink()).map_err(ureq::Error::from)?;
    }
    let is_cut = kept.len() as u64 > MAX_JUDGED;
    kept.truncate(usize::try_from(MAX_JUDGED).unwrap_or(usize::MAX));
    Ok(Answer {
        is_cut,
        status,
        headers: std::mem::take(response.headers_mut()),
        body: kept,
    })
}

/// The request with what is its own: a deadline, redirects, whom it trusts.
fn configured<B: ureq::AsSendBody>(
    agent: &Agent,
    http: &Http,
    request: ureq::http::Request<B>,
    time_left: Option<Duration>,
) -> Result<ureq::http::Request<B>, Refusal> {
    let mut config = agent.configure_request(request).timeout_global(time_left);
    if http.redirects > 0 {
        // After the last one the answer is judged as it is.
        config = config
            .max_redirects(http.redirects)
            .max_redirects_will_error(false)
            .redirect_auth_headers(RedirectAuthHeaders::SameHost);
    }
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
    let pem = std::fs::read(file).map_err(|e| told(format!("cannot read the certificates in `{file}`: {e}")))?;
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
pub(super) fn failure(e: &ureq::Error, url: &str, limit: Option<Duration>) -> Failure {
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
