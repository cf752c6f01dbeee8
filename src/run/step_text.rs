//! Steps as people write them and as the file keeps them; [`super::step::Step`] is what they mean. Pure.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::value::MapAccessDeserializer;
use serde::de::{self, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

/// What a schedule starts: a workflow.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Action {
    /// The base of the ids of its runs; absent: the schedule's id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub workflow_id: Option<String>,
    /// How long a run may take: a duration.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub run_timeout: Option<String>,
    /// The steps, in order.
    pub steps: Vec<StepText>,
}

/// One step, as in a `[[step]]` table.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct StepText {
    /// What it is called; unique in its workflow.
    #[cfg_attr(test, schemars(required))]
    pub name: String,
    /// A request; exactly one of `probe`, `command` and `shell`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub probe: Option<ProbeText>,
    /// A program with its arguments; no shell.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub command: Option<Vec<String>>,
    /// A line for `/bin/sh -c`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shell: Option<String>,
    /// The folder a command runs in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cwd: Option<String>,
    /// Variables of a command; `env:NAME` is read when the step runs.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub env: BTreeMap<String, String>,
    /// What a command reads.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stdin: Option<String>,
    /// Whom a command runs as; only where tempo runs as root.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// Exit codes that are a success; absent: 0.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ok_exit_codes: Option<Vec<i32>>,
    /// How long one attempt may take.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub start_to_close_timeout: Option<String>,
    /// How long all attempts may take, waits included.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub schedule_to_close_timeout: Option<String>,
    /// When it is tried again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry: Option<RetryText>,
    /// What its failure means for the run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub on_failure: Option<OnFailure>,
    /// What becomes of it when tempo dies in it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub on_lost: Option<OnLost>,
}

/// A probe: a URL, or a table.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(untagged)]
pub enum ProbeText {
    /// Just the URL.
    Url(String),
    /// With more.
    Table(Box<ProbeTable>),
}

impl<'de> Deserialize<'de> for ProbeText {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct UrlOrTable;
        impl<'de> Visitor<'de> for UrlOrTable {
            type Value = ProbeText;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a URL, or a table with `url`, `status`, `timeout` …")
            }

            fn visit_str<E: de::Error>(self, url: &str) -> Result<ProbeText, E> {
                Ok(ProbeText::Url(url.to_owned()))
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<ProbeText, A::Error> {
                ProbeTable::deserialize(MapAccessDeserializer::new(map)).map(|t| ProbeText::Table(Box::new(t)))
            }
        }
        from.deserialize_any(UrlOrTable)
    }
}

impl ProbeText {
    /// What it asks, in a line.
    #[must_use]
    pub fn said(&self) -> String {
        let table = match self {
            Self::Url(url) => return format!("GET {url}"),
            Self::Table(table) => table,
        };
        let within = table.timeout.as_ref().map_or_else(String::new, |d| format!(" within {d}"));
        if let Some(to) = &table.tcp {
            return format!("connect to {to}{within}");
        }
        if let Some(dns) = &table.dns {
            let expect = dns.expect.as_ref().map_or_else(String::new, |e| format!(" → {e}"));
            return format!("look up {} {}{expect}{within}", dns.kind.as_deref().unwrap_or("A"), dns.name);
        }
        let status = match &table.status {
            None => "200".to_owned(),
            Some(StatusText::Code(code)) => code.to_string(),
            Some(StatusText::List(list)) => list.clone(),
        };
        format!(
            "{} {} → {status}{within}",
            table.method.as_deref().unwrap_or("GET").to_uppercase(),
            table.url
        )
    }
}

/// What a probe can be told. Texts that are `env:NAME` in `headers`, `body`, `basic_auth` and `bearer` are read when it runs.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct ProbeTable {
    /// What is asked for, over HTTP(S); exactly one of `url`, `tcp` and `dns`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub url: String,
    /// `host:port` that must accept a connection.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tcp: Option<String>,
    /// A name that must resolve.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dns: Option<DnsTable>,
    /// The status that is right: a code, or a list of codes, ranges and classes like `2xx,301`; 200 when left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<StatusText>,
    /// The deadline of one request.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeout: Option<String>,
    /// The method; GET when left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub method: Option<String>,
    /// Headers of the request.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, String>,
    /// The body of the request.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub body: Option<String>,
    /// `user:password`; either may be `env:NAME`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub basic_auth: Option<String>,
    /// A token for `Authorization: Bearer`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bearer: Option<String>,
    /// How many redirects are followed; 0 when left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub redirects: Option<u32>,
    /// A text that the body must hold.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub body_contains: Option<String>,
    /// A regular expression that the body must match.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub body_matches: Option<String>,
    /// What the body must hold as JSON: `{ "data.items[0].name" = "x" }`; `"*"`: it is there.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub json: BTreeMap<String, serde_json::Value>,
    /// Regular expressions that headers of the answer must match.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub header_matches: BTreeMap<String, String>,
    /// The longest that a right answer may take.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_elapsed: Option<String>,
    /// For how many days the certificate must still be valid.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min_certificate_days: Option<u32>,
    /// Certificates in PEM that are trusted, in place of the machine's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ca_file: Option<String>,
    /// Trust any certificate.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub insecure: bool,
}

/// A status, or a list of them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(untagged, expecting = "a status like 200, or a text like \"2xx,301\", is expected")]
pub enum StatusText {
    /// One.
    Code(u16),
    /// `2xx,301`.
    List(String),
}

/// A name that must resolve.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct DnsTable {
    /// The name.
    pub name: String,
    /// `A` (when left out), `AAAA`, `CNAME`, `MX`, `NS`, `PTR` or `TXT`.
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// What one of the answers must be.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expect: Option<String>,
    /// The server that is asked, `host` or `host:port`; the machine's resolver when left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub server: Option<String>,
}

/// A retry policy; what is left out has the default of the step's kind.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct RetryText {
    /// The wait after the first attempt.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub initial_interval: Option<String>,
    /// How much longer each wait is than the one before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub backoff_coefficient: Option<f64>,
    /// The longest wait.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub maximum_interval: Option<String>,
    /// How many attempts; 0 is no limit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub maximum_attempts: Option<u32>,
    /// Error types that end it at once.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub non_retryable: Option<Vec<String>>,
}

/// What the failure of a step means for its run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum OnFailure {
    /// The run fails.
    #[serde(alias = "Fail", alias = "FAIL")]
    Fail,
    /// The run goes on.
    #[serde(alias = "Continue", alias = "CONTINUE")]
    Continue,
}

/// What becomes of a step when tempo dies in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum OnLost {
    /// It is tried again.
    #[serde(alias = "Retry", alias = "RETRY")]
    Retry,
    /// It has failed.
    #[serde(alias = "Fail", alias = "FAIL")]
    Fail,
}
