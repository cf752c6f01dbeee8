//! Probes: HTTP requests, TCP connections and DNS lookups, and the response that each expects. Pure.

mod check;
mod url;

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::time::Duration;

use serde_json::Value;

/// A check over the network.
#[derive(Debug, Clone, PartialEq)]
pub enum Probe {
    /// An HTTP(S) request.
    Http(Box<Http>),
    /// A TCP connection, which must be accepted.
    Tcp {
        /// Host name or IP address.
        host: String,
        /// Port, 1-65535.
        port: u16,
    },
    /// A DNS lookup.
    Dns(Dns),
}

/// An HTTP(S) request and the expected response.
#[derive(Debug, Clone, PartialEq)]
pub struct Http {
    /// Absolute URL, http or https.
    pub url: String,
    /// Request method, in upper case.
    pub method: String,
    /// Request headers; the value `env:NAME` is read from the environment when the request is sent.
    pub headers: BTreeMap<String, String>,
    /// Request body.
    pub body: Option<String>,
    /// User and password for basic authentication.
    pub basic_auth: Option<(String, String)>,
    /// Bearer token.
    pub bearer: Option<String>,
    /// Maximum number of redirects to follow.
    pub redirects: u32,
    /// PEM file with the CA certificates to trust instead of the system's.
    pub ca_file: Option<String>,
    /// Whether certificate verification is disabled.
    pub insecure: bool,
    /// The expected response.
    pub expectation: Expectation,
}

/// Conditions that the response must meet.
#[derive(Debug, Clone, PartialEq)]
pub struct Expectation {
    /// Accepted status codes.
    pub status: Vec<RangeInclusive<u16>>,
    /// Text that the body must contain.
    pub body_contains: Option<String>,
    /// Regular expression that the body must match.
    pub body_matches: Option<String>,
    /// Expected values in the JSON body, by path.
    pub json: Vec<(JsonPath, Value)>,
    /// Regular expressions that response headers must match, by header name.
    pub header_matches: BTreeMap<String, String>,
    /// Maximum response time.
    pub max_elapsed: Option<Duration>,
    /// Minimum number of days before the certificate expires.
    pub min_certificate_days: Option<u32>,
}

/// A DNS lookup and the expected answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dns {
    /// Name to look up.
    pub name: String,
    /// Record type.
    pub record: Record,
    /// Value that one of the answers must have.
    pub expect: Option<String>,
    /// DNS server to query instead of the system resolver, `host` or `host:port`.
    pub server: Option<String>,
}

/// DNS record types that can be queried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are those of DNS")]
pub enum Record {
    A,
    Aaaa,
    Cname,
    Mx,
    Ns,
    Ptr,
    Txt,
}

impl Record {
    /// Every record type.
    pub const ALL: [Self; 7] = [Self::A, Self::Aaaa, Self::Cname, Self::Mx, Self::Ns, Self::Ptr, Self::Txt];

    /// The DNS name of the record type.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::A => "A",
            Self::Aaaa => "AAAA",
            Self::Cname => "CNAME",
            Self::Mx => "MX",
            Self::Ns => "NS",
            Self::Ptr => "PTR",
            Self::Txt => "TXT",
        }
    }
}

/// A path in a JSON document: `data.items[0].name`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JsonPath {
    text: String,
    parts: Vec<Part>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Key(String),
    Index(usize),
}

impl JsonPath {
    fn parse(text: &str) -> Option<Self> {
        let mut parts = Vec::new();
        for word in text.split('.') {
            let (key, indices) = word.split_once('[').map_or((word, ""), |(key, _)| (key, &word[key.len()..]));
            if key.contains(']') {
                return None;
            }
            if !key.is_empty() {
                parts.push(Part::Key(key.to_owned()));
            }
            for index in indices.split('[').skip(1) {
                parts.push(Part::Index(index.strip_suffix(']')?.parse().ok()?));
            }
            if key.is_empty() && indices.is_empty() {
                return None;
            }
        }
        Some(Self {
            text: text.to_owned(),
            parts,
        })
    }

    /// The value at this path, if there is one.
    #[must_use]
    pub fn in_value<'a>(&self, value: &'a Value) -> Option<&'a Value> {
        self.parts.iter().try_fold(value, |value, part| match part {
            Part::Key(key) => value.get(key),
            Part::Index(index) => value.get(index),
        })
    }

    /// The path as it was written.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }
}

impl Probe {
    /// The target as a URL, for incidents.
    #[must_use]
    pub fn target(&self) -> String {
        match self {
            Self::Http(http) => http.url.clone(),
            Self::Tcp { host, port } if host.contains(':') => format!("tcp://[{host}]:{port}"),
            Self::Tcp { host, port } => format!("tcp://{host}:{port}"),
            Self::Dns(dns) => format!("dns://{}/{}", dns.name, dns.record.name()),
        }
    }
}

/// Parses `host:port` or `[::1]:port`; also a host alone, if there is a default port.
#[must_use]
pub fn host_and_port(text: &str, default: Option<u16>) -> Option<(String, u16)> {
    let (host, port) = match text.rsplit_once(':') {
        Some((host, port)) if !host.contains(':') || host.starts_with('[') => (host, port.parse().ok()?),
        _ => (text, default?),
    };
    let host = host.trim_start_matches('[').trim_end_matches(']');
    (!host.is_empty() && port > 0 && !host.contains(['/', ' '])).then(|| (host.to_owned(), port))
}
