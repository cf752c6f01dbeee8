//! Redirects: the next request, and the headers it may carry. Pure.

use std::borrow::Cow;

use http::{HeaderMap, StatusCode};
use url::Url;

use crate::run::outcome::{ErrorType, Failure};
use crate::run::probe::Http;

/// A request in a chain of redirects: the first one, or one that a redirect led to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ChainedRequest {
    pub(super) url: String,
    pub(super) method: String,
    /// Whether the request has a body.
    pub(super) with_body: bool,
    /// Whether all requests so far went to the host, port and scheme of the probe, or to https instead of http; credentials are sent only there.
    pub(super) same_origin: bool,
    body_is_secret: bool,
}

impl ChainedRequest {
    /// Returns the first request.
    pub(super) fn begin(http: &Http) -> Self {
        Self {
            url: http.url.clone(),
            method: http.method.clone(),
            with_body: http.body.is_some(),
            same_origin: true,
            body_is_secret: http.body.as_ref().is_some_and(|body| body.starts_with("env:")),
        }
    }

    /// The URL, for messages; after a redirect, with that of the probe.
    pub(super) fn shown_url<'a>(&'a self, http: &Http) -> Cow<'a, str> {
        if self.url == http.url {
            return Cow::Borrowed(&self.url);
        }
        // Its query may contain a key that the server has given.
        let shown = self
            .url
            .split_once('?')
            .map_or(self.url.clone(), |(path, _)| format!("{path}?…"));
        Cow::Owned(format!("{shown} (redirected from {})", http.url))
    }

    /// Whether this request may carry a header of the probe.
    pub(super) fn may_carry(&self, header: &str) -> bool {
        let is_one_of = |names: &[&str]| names.iter().any(|name| header.eq_ignore_ascii_case(name));
        let credentials = is_one_of(&["authorization", "cookie", "proxy-authorization"]);
        let describes_body = is_one_of(&["content-type", "content-encoding", "content-language"]);
        (self.same_origin || !credentials && !is_one_of(&["host"])) && (self.with_body || !describes_body)
    }

    /// Returns the next request if the response to this one is a redirect.
    ///
    /// # Errors
    /// `UnexpectedStatus` if a probe may not follow the redirect.
    pub(super) fn follow(&self, status: StatusCode, headers: &HeaderMap) -> Result<Option<Self>, Failure> {
        let keeps_method = match status.as_u16() {
            301 | 302 => self.method != "POST",
            303 => self.method == "HEAD",
            307 | 308 => true,
            _ => return Ok(None),
        };
        let Some(location) = headers.get("location") else {
            return Ok(None);
        };
        let location = String::from_utf8_lossy(location.as_bytes());
        let rejected = |why: &str| Failure {
            error_type: ErrorType::UnexpectedStatus,
            message: format!("redirected from {} to `{}`, {why}", self.url, location.escape_debug()),
        };
        let from = Url::parse(&self.url).map_err(|e| rejected(&format!("which cannot be followed: {e}")))?;
        let mut to = from
            .join(&location)
            .map_err(|e| rejected(&format!("which is not a URL: {e}")))?;
        if !matches!(to.scheme(), "http" | "https") {
            return Err(rejected("which is not http or https"));
        }
        to.set_fragment(None);
        // Credentials come from the probe, never from a response. Neither call fails if there is a host.
        let _ = (to.set_username(""), to.set_password(None));
        let same_port = from.port_or_known_default() == to.port_or_known_default() && from.scheme() == to.scheme();
        let to_tls = from.port().is_none() && to.port().is_none() && to.scheme() == "https";
        let next = Self {
            same_origin: self.same_origin && from.host() == to.host() && (same_port || to_tls),
            method: if keeps_method { self.method.clone() } else { "GET".to_owned() },
            with_body: self.with_body && keeps_method,
            url: to.into(),
            body_is_secret: self.body_is_secret,
        };
        if next.with_body && next.body_is_secret && !next.same_origin {
            return Err(rejected(
                "which is outside the origin of the probe, and the request body is a secret",
            ));
        }
        Ok(Some(next))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn follow(method: &str, status: u16, location: &str) -> Result<Option<ChainedRequest>, String> {
        let begin = ChainedRequest {
            url: "http://a.test/x/y?q".to_owned(),
            method: method.to_owned(),
            with_body: method != "GET",
            same_origin: true,
            body_is_secret: false,
        };
        let headers = [("location".parse().unwrap(), location.parse().unwrap())]
            .into_iter()
            .collect();
        let status = StatusCode::from_u16(status).unwrap();
        begin.follow(status, &headers).map_err(|failure| failure.message)
    }

    #[test]
    fn the_status_decides_the_method_and_whether_the_body_is_sent() {
        for (method, status, want, with_body) in [
            ("GET", 302, "GET", false),
            ("POST", 301, "GET", false),
            ("POST", 303, "GET", false),
            ("POST", 307, "POST", true),
            ("PUT", 308, "PUT", true),
            ("PUT", 302, "PUT", true),
        ] {
            let next = follow(method, status, "/z").unwrap().unwrap();
            assert_eq!((next.method.as_str(), next.with_body), (want, with_body), "{method} {status}");
            assert_eq!((next.url.as_str(), next.same_origin), ("http://a.test/z", true));
        }
        assert_eq!(follow("GET", 304, "/z"), Ok(None));
    }

    #[test]
    fn credentials_are_sent_only_to_the_original_host() {
        for (location, same_origin) in [
            ("z", true),
            ("//a.test/z", true),
            ("https://a.test/", true),
            ("http://a.test:81/", false),
            ("https://a.test:8443/", false),
            ("http://b.test/", false),
            ("//b.test/", false),
        ] {
            let next = follow("GET", 302, location).unwrap().unwrap();
            assert_eq!(next.same_origin, same_origin, "{location}");
            assert_eq!(next.may_carry("Authorization"), same_origin, "{location}");
            assert!(next.may_carry("Accept"));
        }
        let next = follow("GET", 302, "http://u:p@a.test/").unwrap().unwrap();
        assert_eq!(next.url, "http://a.test/");
    }

    #[test]
    fn rejects_schemes_other_than_http_and_https() {
        for location in ["file:///etc/passwd", "gopher://a.test/", "javascript:1", "ftp://a.test/"] {
            let error = follow("GET", 302, location).unwrap_err();
            assert!(error.contains("not http or https"), "{location}: {error}");
        }
    }
}
