//! What a probe asks and what makes an answer right. Pure.

mod check;

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::time::Duration;

use serde_json::Value;

/// A question over the network, and what it should come to.
#[derive(Debug, Clone, PartialEq)]
pub enum Probe {
    /// An HTTP(S) request.
    Http(Box<Http>),
    /// A connection.
    Tcp {
        /// A name or an address.
        host: String,
        /// 1-65535.
        port: u16,
    },
    /// A look-up.
    Dns(Dns),
}

/// An HTTP(S) request and what it should come to.
#[derive(Debug, Clone, PartialEq)]
pub struct Http {
    /// Absolute, http or https.
    pub url: String,
    /// An upper-case token.
    pub method: String,
    /// Headers of the request; `env:NAME` is read when it is made.
    pub headers: BTreeMap<String, String>,
    /// The body of the request.
    pub body: Option<String>,
    /// User and password.
    pub basic_auth: Option<(String, String)>,
    /// A token.
    pub bearer: Option<String>,
    /// How many redirects are followed.
    pub redirects: u32,
    /// Certificates that are trusted, in place of the machine's.
    pub ca_file: Option<String>,
    /// Whether any certificate is trusted.
    pub insecure: bool,
    /// What makes the answer right.
    pub right: Expectation,
}

/// What makes an answer right.
#[derive(Debug, Clone, PartialEq)]
pub struct Expectation {
    /// The statuses that are.
    pub status: Vec<RangeInclusive<u16>>,
    /// A text in the body.
    pub body_contains: Option<String>,
    /// A regular expression that the body matches.
    pub body_matches: Option<String>,
    /// What the body holds as JSON, by path.
    pub json: Vec<(JsonPath, Value)>,
    /// Regular expressions that headers match.
    pub header_matches: BTreeMap<String, String>,
    /// The longest that it may take.
    pub max_elapsed: Option<Duration>,
    /// For how many days the certificate is still valid.
    pub min_certificate_days: Option<u32>,
}

/// A look-up of a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dns {
    /// The name.
    pub name: String,
    /// Which record.
    pub record: Record,
    /// What one of the answers is.
    pub expect: Option<String>,
    /// Who is asked, in place of the machine's resolver.
    pub server: Option<String>,
}

/// Records of DNS that can be asked for.
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
    /// Every record.
    pub const ALL: [Self; 7] = [Self::A, Self::Aaaa, Self::Cname, Self::Mx, Self::Ns, Self::Ptr, Self::Txt];

    /// Its name in DNS.
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

/// A place in JSON: `data.items[0].name`.
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

    /// What stands there, if anything does.
    #[must_use]
    pub fn in_value<'a>(&self, value: &'a Value) -> Option<&'a Value> {
        self.parts.iter().try_fold(value, |value, part| match part {
            Part::Key(key) => value.get(key),
            Part::Index(index) => value.get(index),
        })
    }

    /// As it was written.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }
}

impl Probe {
    /// What an incident of it points at.
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

/// `host:port`, `[::1]:port`; or a host alone, where there is a port by default.
#[must_use]
pub fn host_and_port(text: &str, default: Option<u16>) -> Option<(String, u16)> {
    let (host, port) = match text.rsplit_once(':') {
        Some((host, port)) if !host.contains(':') || host.starts_with('[') => (host, port.parse().ok()?),
        _ => (text, default?),
    };
    let host = host.trim_start_matches('[').trim_end_matches(']');
    (!host.is_empty() && port > 0 && !host.contains(['/', ' '])).then(|| (host.to_owned(), port))
}
