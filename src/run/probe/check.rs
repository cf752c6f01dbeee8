//! Validation of probe definitions. Pure.

use std::ops::RangeInclusive;
use std::time::Duration;

use regex_lite::Regex;

use super::super::step::duration_of;
use super::super::step_text::{DnsTable, ProbeTable, ProbeText, StatusText};
use super::url::split_url;
use super::{Dns, Expectation, Http, JsonPath, Probe, Record, host_and_port};
use crate::error::{Error, Kind, alternatives};
use crate::names::{StepName, nearest};

impl Probe {
    /// Validates a probe definition; returns the probe and the timeout of one request.
    ///
    /// # Errors
    /// `Usage`, naming the probe and the rule.
    pub fn check(name: &StepName, written: &ProbeText) -> Result<(Self, Option<Duration>), Error> {
        let table = match written {
            ProbeText::Url(url) => &ProbeTable {
                url: url.clone(),
                ..ProbeTable::default()
            },
            ProbeText::Table(table) => &**table,
        };
        let invalid = |rule: String| Error::new(Kind::Usage, format_args!("probe `{name}`: {rule}"));
        let timeout = duration_of(&format!("timeout of probe `{name}`"), table.timeout.as_deref())?;
        let probe = match (table.url.as_str(), &table.tcp, &table.dns) {
            (_, None, None) => {
                let http = check_http(name, table)?;
                if let (Some(limit), Some(timeout)) = (http.expectation.max_elapsed, timeout)
                    && limit >= timeout
                {
                    return Err(invalid(
                        "`max_elapsed` must be less than `timeout`, which ends the request first".to_owned(),
                    ));
                }
                Self::Http(Box::new(http))
            }
            ("", Some(tcp), None) => {
                reject_http_keys(table).map_err(invalid)?;
                let (host, port) =
                    host_and_port(tcp, None).ok_or_else(|| invalid(format!("`{}` is not `host:port`", tcp.escape_debug())))?;
                Self::Tcp { host, port }
            }
            ("", None, Some(dns)) => {
                reject_http_keys(table).map_err(invalid)?;
                Self::Dns(check_dns(dns).map_err(invalid)?)
            }
            _ => return Err(invalid("more than one of `url`, `tcp` and `dns` is set".to_owned())),
        };
        Ok((probe, timeout))
    }
}

fn reject_http_keys(table: &ProbeTable) -> Result<(), String> {
    let plain = ProbeTable {
        tcp: table.tcp.clone(),
        dns: table.dns.clone(),
        timeout: table.timeout.clone(),
        ..ProbeTable::default()
    };
    if *table == plain {
        return Ok(());
    }
    Err("`tcp` and `dns` probes accept only `timeout`; other keys require `url`".to_owned())
}

fn check_dns(dns: &DnsTable) -> Result<Dns, String> {
    let is_valid = !dns.name.is_empty() && dns.name.len() <= 253 && !dns.name.contains(|c: char| c.is_whitespace() || c == '/');
    if !is_valid {
        return Err(format!("`{}` is not a valid DNS name", dns.name.escape_debug()));
    }
    let kind = dns.kind.as_deref().unwrap_or("A");
    let known = Record::ALL.into_iter().find(|r| r.name().eq_ignore_ascii_case(kind));
    let names = Record::ALL.map(Record::name);
    let record = known.ok_or_else(|| match nearest(kind, names) {
        Some(near) => format!("unknown record type `{kind}`; did you mean `{near}`?"),
        None => format!("unknown record type `{kind}`; expected {}", alternatives(&names)),
    })?;
    if let Some(server) = &dns.server {
        host_and_port(server, Some(53)).ok_or_else(|| format!("the server `{server}` is not `host` or `host:port`"))?;
    }
    Ok(Dns {
        name: dns.name.clone(),
        record,
        expect: dns.expect.clone(),
        server: dns.server.clone(),
    })
}

fn check_http(name: &StepName, table: &ProbeTable) -> Result<Http, Error> {
    let invalid = |rule: String| Error::new(Kind::Usage, format_args!("probe `{name}`: {rule}"));
    let (url, in_url) = split_url(name, &table.url)?;
    let method = table.method.as_deref().unwrap_or("GET").to_ascii_uppercase();
    if method.is_empty() || !method.chars().all(|c| c.is_ascii_uppercase()) {
        return Err(Error::new(
            Kind::Usage,
            format_args!("probe `{name}`: `{}` is not an HTTP method", method.escape_debug()),
        )
        .hint("Write a method such as `GET` or `POST`, in letters only."));
    }
    if table.body.is_some() && !matches!(method.as_str(), "POST" | "PUT" | "PATCH") {
        return Err(invalid(format!(
            "`body` requires POST, PUT or PATCH, but the method is {method}"
        )));
    }
    let header = |key: &str| {
        key.parse::<http::HeaderName>()
            .map_err(|_| invalid(format!("`{}` is not a valid header name", key.escape_debug())))
    };
    for (key, value) in &table.headers {
        header(key)?;
        let automatic = ["content-length", "transfer-encoding"];
        if automatic.iter().any(|name| key.eq_ignore_ascii_case(name)) {
            return Err(invalid(format!("the header `{key}` is set automatically")));
        }
        if key.eq_ignore_ascii_case("authorization") && (table.bearer.is_some() || table.basic_auth.is_some()) {
            return Err(invalid(format!("the header `{key}` conflicts with `bearer` or `basic_auth`")));
        }
        if value == "env:" {
            return Err(invalid(format!(
                "the value of header `{key}` is `env:` without a variable name"
            )));
        }
        if !value.starts_with("env:") {
            value
                .parse::<http::HeaderValue>()
                .map_err(|_| invalid(format!("the value of header `{key}` contains invalid characters")))?;
        }
    }
    let regex = |key: &str, text: &str| {
        Regex::new(text).map_err(|e| {
            invalid(format!(
                "`{}` in `{key}` is not a valid regular expression: {e}",
                text.escape_debug()
            ))
        })
    };
    for (key, text) in &table.header_matches {
        header(key)?;
        regex("header_matches", text)?;
    }
    if let Some(text) = &table.body_matches {
        regex("body_matches", text)?;
    }
    let paths = table.json.iter().map(|(path, want)| {
        let path =
            JsonPath::parse(path).ok_or_else(|| invalid(format!("`{path}` is not a path such as `data.items[0].name`")))?;
        Ok((path, want.clone()))
    });
    let basic_auth = match &table.basic_auth {
        None => in_url,
        Some(_) if in_url.is_some() => return Err(invalid("`basic_auth` conflicts with the user in the URL".to_owned())),
        Some(pair) if table.bearer.is_some() => {
            return Err(invalid(format!(
                "`basic_auth` (`{}`) and `bearer` are mutually exclusive",
                pair.split(':').next().unwrap_or_default()
            )));
        }
        Some(pair) => Some(user_and_password(pair).ok_or_else(|| invalid("`basic_auth` is not `user:password`".to_owned()))?),
    };
    check_conflicts(table, &method).map_err(invalid)?;
    Ok(Http {
        url,
        method,
        headers: table.headers.clone(),
        body: table.body.clone(),
        basic_auth,
        bearer: table.bearer.clone(),
        redirects: table.redirects.unwrap_or(0),
        ca_file: table.ca_file.clone(),
        insecure: table.insecure,
        expectation: Expectation {
            status: table
                .status
                .as_ref()
                .map_or_else(|| Ok(vec![200..=200]), |s| statuses(name, s))?,
            body_contains: table.body_contains.clone(),
            body_matches: table.body_matches.clone(),
            json: paths.collect::<Result<_, Error>>()?,
            header_matches: table.header_matches.clone(),
            max_elapsed: duration_of(&format!("`max_elapsed` of probe `{name}`"), table.max_elapsed.as_deref())?,
            min_certificate_days: table.min_certificate_days,
        },
    })
}

/// Rejects combinations of keys and values that conflict.
fn check_conflicts(table: &ProbeTable, method: &str) -> Result<(), String> {
    let checks_body = table.body_contains.is_some() || table.body_matches.is_some() || !table.json.is_empty();
    if method == "HEAD" && checks_body {
        return Err("the response to a HEAD request has no body to check".to_owned());
    }
    match table.bearer.as_deref() {
        Some("") => return Err("`bearer` is empty".to_owned()),
        Some("env:") => return Err("`bearer` is `env:` without a variable name".to_owned()),
        Some(_) | None => {}
    }
    if let Some((path, _)) = table.json.iter().find(|(_, want)| has_null(want)) {
        return Err(format!(
            "the expected value of `{path}` is null, which is not supported; `\"*\"` matches any value"
        ));
    }
    if table.min_certificate_days.is_some() && !table.url.starts_with("https:") {
        return Err("`min_certificate_days` requires an https URL".to_owned());
    }
    if table.insecure && table.ca_file.is_some() {
        return Err("`ca_file` conflicts with `insecure`, which trusts any certificate".to_owned());
    }
    let secret = table.headers.iter().find(|(_, value)| value.starts_with("env:"));
    if let (Some((key, _)), true) = (secret, table.redirects.is_some_and(|n| n > 0)) {
        return Err(format!(
            "the secret in header `{key}` would be sent to redirect targets; `bearer` and `basic_auth` are sent only to the original host"
        ));
    }
    if let Some(redirects) = table.redirects.filter(|n| *n > 50) {
        return Err(format!("`redirects` is `{redirects}`; it must be a number from 0 to 50"));
    }
    Ok(())
}

fn has_null(value: &serde_json::Value) -> bool {
    match value {
        serde_json::Value::Null => true,
        serde_json::Value::Array(items) => items.iter().any(has_null),
        serde_json::Value::Object(entries) => entries.values().any(has_null),
        serde_json::Value::Bool(_) | serde_json::Value::Number(_) | serde_json::Value::String(_) => false,
    }
}

/// Splits a pair at the colon; the colon of a leading `env:` does not count.
fn user_and_password(pair: &str) -> Option<(String, String)> {
    let from = if pair.starts_with("env:") { 4 } else { 0 };
    let colon = from + pair[from..].find(':')?;
    (colon > from).then(|| (pair[..colon].to_owned(), pair[colon + 1..].to_owned()))
}

fn statuses(name: &StepName, written: &StatusText) -> Result<Vec<RangeInclusive<u16>>, Error> {
    let text = match written {
        StatusText::Code(code) => code.to_string(),
        StatusText::List(list) => list.clone(),
    };
    let parse_one = |word: &str| -> Option<RangeInclusive<u16>> {
        let lower = word.to_ascii_lowercase();
        if let Some(class) = lower.strip_suffix("xx") {
            let class: u16 = class.parse().ok()?;
            return (1..=5).contains(&class).then(|| class * 100..=class * 100 + 99);
        }
        let (from, to) = lower.split_once('-').unwrap_or((&lower, &lower));
        let (from, to) = (from.parse().ok()?, to.parse().ok()?);
        (100..=599)
            .contains(&from)
            .then_some(())
            .filter(|()| from <= to && to <= 599)
            .map(|()| from..=to)
    };
    text.split(',')
        .map(|word| {
            parse_one(word.trim()).ok_or_else(|| {
                Error::new(
                    Kind::Usage,
                    format_args!(
                        "status `{}` of probe `{name}` is not a code from 100 to 599, a class or a range",
                        word.trim()
                    ),
                )
                .hint("Write a code like 200, a class like 2xx, a range like 200-299, or a comma-separated list of these.")
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    fn checked(change: impl Fn(&mut ProbeTable)) -> Result<Probe, String> {
        let mut table = ProbeTable {
            url: "http://127.0.0.1/".to_owned(),
            ..ProbeTable::default()
        };
        change(&mut table);
        Probe::check(&StepName::parse("p").unwrap(), &ProbeText::Table(Box::new(table)))
            .map(|(p, _)| p)
            .map_err(|e| e.to_string())
    }

    #[test]
    fn rejects_a_port_above_65535() {
        let e = checked(|t| t.url = "http://127.0.0.1:99999/".to_owned()).unwrap_err();
        assert!(e.contains("`http://127.0.0.1:99999/` is not a URL: invalid port"), "{e}");
    }

    #[test]
    fn statuses_are_codes_classes_ranges_and_lists() {
        for (text, right, wrong) in [
            ("2xx,301", 204, 302),
            ("200-204", 203, 205),
            ("404", 404, 200),
            ("5XX", 599, 499),
        ] {
            let Ok(Probe::Http(http)) = checked(|t| t.status = Some(StatusText::List(text.to_owned()))) else {
                panic!("{text}")
            };
            let accepts = |code| http.expectation.status.iter().any(|r| r.contains(&code));
            assert!(accepts(right) && !accepts(wrong), "{text}");
        }
        for text in ["", "6xx", "99", "200-100", "600", "2x", "ok"] {
            let e = checked(|t| t.status = Some(StatusText::List(text.to_owned()))).unwrap_err();
            assert!(e.contains("is not a code from 100 to 599"), "{text}: {e}");
        }
    }

    #[test]
    fn finds_values_by_json_path() {
        let value: Value = serde_json::from_str(r#"{"data":{"items":[{"name":"x"},[1,2]]},"ok":true}"#).unwrap();
        for (path, found) in [
            ("data.items[0].name", Some("\"x\"")),
            ("data.items[1][1]", Some("2")),
            ("ok", Some("true")),
            ("data.items[2]", None),
            ("data.none", None),
        ] {
            let path = JsonPath::parse(path).unwrap();
            assert_eq!(
                path.in_value(&value).map(Value::to_string).as_deref(),
                found,
                "{}",
                path.text()
            );
        }
        assert!(["", "a..b", "a[x]", "a[0", "a["].iter().all(|p| JsonPath::parse(p).is_none()));
    }

    #[test]
    fn rejects_invalid_and_conflicting_keys() {
        type Change = fn(&mut ProbeTable);
        let cases: [(Change, &str); 11] = [
            (|t| t.tcp = Some("a:1".to_owned()), "more than one of `url`, `tcp` and `dns`"),
            (
                |t| (t.url, t.tcp) = (String::new(), Some("a".to_owned())),
                "`a` is not `host:port`",
            ),
            (
                |t| (t.url, t.tcp, t.bearer) = (String::new(), Some("a:1".to_owned()), Some("x".to_owned())),
                "accept only `timeout`",
            ),
            (|t| t.body_matches = Some("(".to_owned()), "is not a valid regular expression"),
            (|t| t.min_certificate_days = Some(3), "requires an https URL"),
            (
                |t| (t.bearer, t.basic_auth) = (Some("x".to_owned()), Some("a:b".to_owned())),
                "`basic_auth` (`a`) and `bearer`",
            ),
            (|t| t.basic_auth = Some("nobody".to_owned()), "is not `user:password`"),
            (
                |t| t.headers = [("a b".to_owned(), String::new())].into(),
                "`a b` is not a valid header name",
            ),
            (
                |t| t.headers = [("x-a".to_owned(), "env:".to_owned())].into(),
                "`env:` without a variable name",
            ),
            (
                |t| (t.headers, t.redirects) = ([("x-a".to_owned(), "env:A".to_owned())].into(), Some(1)),
                "would be sent to redirect targets",
            ),
            (
                |t| (t.max_elapsed, t.timeout) = (Some("5s".to_owned()), Some("5s".to_owned())),
                "`max_elapsed` must be less than `timeout`",
            ),
        ];
        for (change, expected) in cases {
            let e = checked(change).unwrap_err();
            assert!(e.contains(expected), "{expected}: {e}");
        }
    }

    #[test]
    fn user_and_password_may_each_be_a_secret() {
        let pair = |text| user_and_password(text).map(|(u, p)| format!("{u}|{p}"));
        assert_eq!(pair("me:secret").as_deref(), Some("me|secret"));
        assert_eq!(pair("me:env:PASS").as_deref(), Some("me|env:PASS"));
        assert_eq!(pair("env:USER:env:PASS").as_deref(), Some("env:USER|env:PASS"));
        assert_eq!(pair("env:USER"), None);
    }
}
