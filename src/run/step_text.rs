//! Step definitions as users write them and as the database stores them; [`super::step::Step`] is the validated form. Pure.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::value::MapAccessDeserializer;
use serde::de::{self, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

use super::threshold::ThresholdText;

/// The action of a schedule: a workflow.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Action {
    /// Base of the workflow ids of its runs; default: the schedule's id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub workflow_id: Option<String>,
    /// Maximum duration of a run, such as `1h30m`; default: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub run_timeout: Option<String>,
    /// Task queue of its runs; default: `default`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub task_queue: Option<String>,
    /// Lock of this machine that a run holds: one run at a time among all that name it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lock: Option<String>,
    /// Command line for `/bin/sh -c` that is run before a run begins; if it fails, the run is skipped.
    #[serde(rename = "if", skip_serializing_if = "Option::is_none")]
    pub condition: Option<String>,
    /// Steps, in order.
    pub steps: Vec<StepText>,
}

/// A step, as in a `[[step]]` table.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct StepText {
    /// Name, unique within the workflow.
    #[cfg_attr(test, schemars(required))]
    pub name: String,
    /// Check over the network. Exactly one of `probe`, `command`, `shell` and `beat` is required.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub probe: Option<ProbeText>,
    /// Program and arguments, run without a shell. In these, in `env` and in `stdin`, `{{ steps.STEP.KEY }}` stands for a value that an earlier command has
    /// written as `KEY=VALUE` to the file `$TEMPO_OUTPUT`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub command: Option<Vec<String>>,
    /// Command line for `/bin/sh -c`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shell: Option<String>,
    /// How long to wait for a heartbeat (`tempo beat`) of a job that another scheduler runs, such as `30m`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub beat: Option<String>,
    /// Working directory of the command.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cwd: Option<String>,
    /// Environment variables of the command; the value `env:NAME` is read from tempo's environment when the step runs.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub env: BTreeMap<String, String>,
    /// Text for the command's standard input.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stdin: Option<String>,
    /// Whether stderr is recorded apart from stdout; default: false, one output in the order of the writes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub separate_stderr: Option<bool>,
    /// User to run the command as; only if tempo runs as root.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// Maximum virtual memory of each process of the command, such as `512M` (`RLIMIT_AS`); default: no limit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory: Option<String>,
    /// Maximum CPU time of each process of the command, in whole seconds, such as `10m` (`RLIMIT_CPU`); default: no limit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpu_time: Option<String>,
    /// Niceness of the command in addition to that of tempo, 1 to 19: the higher, the more it yields to other processes; default: 0.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nice: Option<u8>,
    /// Exit codes that count as success; default: 0.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ok_exit_codes: Option<Vec<i32>>,
    /// Maximum duration of one attempt, such as `30s`; default: the probe's `timeout`, otherwise 15s for a probe, none for a command.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub start_to_close_timeout: Option<String>,
    /// Maximum duration of all attempts, including the waits between them; default: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub schedule_to_close_timeout: Option<String>,
    /// Retry policy.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry: Option<RetryText>,
    /// Effect of a failure on the run; default: `continue` for a probe, `fail` for a command.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub on_failure: Option<OnFailure>,
    /// Action to take if tempo dies during the step; default: `retry`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub on_lost: Option<OnLost>,
    /// When failures open an incident: a number of failures in a row, or a duration such as `5m`; default: that of the schedule, or the first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub open_after: Option<ThresholdText>,
    /// Number of successes in a row that resolve an incident; default: that of the schedule, or 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resolve_after: Option<u32>,
}

/// A probe: a URL, or a table.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(untagged)]
pub enum ProbeText {
    /// The URL only.
    Url(String),
    /// A table with further options.
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

impl Action {
    /// Whether the only step is the one that expects a heartbeat, as of a schedule with a grace time.
    #[must_use]
    pub fn is_beat_only(&self) -> bool {
        let [step] = self.steps.as_slice() else { return false };
        step.beat.is_some() && *step == StepText::waiting_for_beat(step.beat.clone().unwrap_or_default())
    }
}

impl StepText {
    /// The name of the step of a schedule that has no other than to wait for a beat.
    pub const BEAT: &str = "beat";

    /// The step of a schedule that has no other than to wait for a beat.
    #[must_use]
    pub fn waiting_for_beat(grace: String) -> Self {
        Self {
            name: Self::BEAT.to_owned(),
            beat: Some(grace),
            ..Self::default()
        }
    }
}

impl ProbeText {
    /// The probe in one line: `GET https://example.com → 200 within 5s`.
    #[must_use]
    pub fn summary(&self) -> String {
        let table = match self {
            Self::Url(url) => return format!("GET {url}"),
            Self::Table(table) => table,
        };
        let timeout = table.timeout.as_ref().map_or_else(String::new, |d| format!(" within {d}"));
        if let Some(to) = &table.tcp {
            return format!("connect to {to}{timeout}");
        }
        if let Some(dns) = &table.dns {
            let expect = dns.expect.as_ref().map_or_else(String::new, |e| format!(" → {e}"));
            return format!("look up {} {}{expect}{timeout}", dns.kind.as_deref().unwrap_or("A"), dns.name);
        }
        let status = match &table.status {
            None => "200".to_owned(),
            Some(StatusText::Code(code)) => code.to_string(),
            Some(StatusText::List(list)) => list.clone(),
        };
        format!(
            "{} {} → {status}{timeout}",
            table.method.as_deref().unwrap_or("GET").to_uppercase(),
            table.url
        )
    }
}

/// Options of a probe. The value `env:NAME` in `headers`, `body`, `basic_auth` and `bearer` is read from tempo's environment when the probe runs.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct ProbeTable {
    /// HTTP(S) URL to request. Exactly one of `url`, `tcp` and `dns` is required.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub url: String,
    /// `host:port` that must accept a TCP connection.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tcp: Option<String>,
    /// DNS name that must resolve.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dns: Option<DnsTable>,
    /// Expected status: a code, or a list of codes, ranges and classes like `2xx,301`; default: 200.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<StatusText>,
    /// Timeout of one attempt, such as `5s`; at most `start_to_close_timeout` if that is given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeout: Option<String>,
    /// Request method; default: GET.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub method: Option<String>,
    /// Request headers.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, String>,
    /// Request body.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub body: Option<String>,
    /// `user:password` for basic authentication; either may be `env:NAME`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub basic_auth: Option<String>,
    /// Token for `Authorization: Bearer`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bearer: Option<String>,
    /// Maximum number of redirects to follow, 0-50; default: 0.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub redirects: Option<u32>,
    /// Text that the body must contain.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub body_contains: Option<String>,
    /// Regular expression that the body must match.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub body_matches: Option<String>,
    /// Expected values in the JSON body, by path: `{ "data.items[0].name" = "x" }`; `"*"` matches any value.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub json: BTreeMap<String, serde_json::Value>,
    /// Regular expressions that response headers must match, by header name.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub header_matches: BTreeMap<String, String>,
    /// Maximum response time, such as `2s`; less than `timeout`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_elapsed: Option<String>,
    /// Minimum number of days before the certificate expires.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min_certificate_days: Option<u32>,
    /// PEM file with the CA certificates to trust instead of the system's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ca_file: Option<String>,
    /// Do not verify the certificate.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub insecure: bool,
}

/// A status code, or a list of codes, ranges and classes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(untagged, expecting = "expected a status like 200, or a string like \"2xx,301\"")]
pub enum StatusText {
    /// A single code.
    Code(u16),
    /// A list like `2xx,301`.
    List(String),
}

/// A DNS name that must resolve.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct DnsTable {
    /// Name to look up.
    pub name: String,
    /// Record type: `A` (default), `AAAA`, `CNAME`, `MX`, `NS`, `PTR` or `TXT`.
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// Value that one of the answers must have.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expect: Option<String>,
    /// DNS server to query, `host` or `host:port`; default: the system resolver.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub server: Option<String>,
}

/// A retry policy; omitted fields use the defaults for the kind of step.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct RetryText {
    /// Wait after the first attempt, such as `1s`, the default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub initial_interval: Option<String>,
    /// Factor by which each wait is multiplied to give the next, 1-100; default: 2.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub backoff_coefficient: Option<f64>,
    /// Maximum wait; default: 10s.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub maximum_interval: Option<String>,
    /// Maximum number of attempts; 0 means no limit; default: 3 for a probe, 1 for a command.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub maximum_attempts: Option<u32>,
    /// Error types that are not retried.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub non_retryable: Option<Vec<String>>,
    /// Exit codes of a command that are retried, for example `[75]`, while others are not; default: all that are not `ok_exit_codes`. Timeouts and signals are still retried.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exit_codes: Option<Vec<i32>>,
}

impl RetryText {
    /// Fills in fields from another policy.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        Self {
            initial_interval: self.initial_interval.or(other.initial_interval),
            backoff_coefficient: self.backoff_coefficient.or(other.backoff_coefficient),
            maximum_interval: self.maximum_interval.or(other.maximum_interval),
            maximum_attempts: self.maximum_attempts.or(other.maximum_attempts),
            non_retryable: self.non_retryable.or(other.non_retryable),
            exit_codes: self.exit_codes.or(other.exit_codes),
        }
    }
}

/// Effect of a step's failure on the run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum OnFailure {
    /// The run fails.
    #[serde(alias = "Fail", alias = "FAIL")]
    Fail,
    /// The run continues with the next step.
    #[serde(alias = "Continue", alias = "CONTINUE")]
    Continue,
}

/// Action to take if tempo dies during a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum OnLost {
    /// The step is retried.
    #[serde(alias = "Retry", alias = "RETRY")]
    Retry,
    /// The step fails.
    #[serde(alias = "Fail", alias = "FAIL")]
    Fail,
}
