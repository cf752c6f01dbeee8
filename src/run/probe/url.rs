//! The URL of a probe, and the credentials in it. Pure.

use percent_encoding::percent_decode_str;

use crate::error::{Error, Kind};
use crate::names::StepName;

/// Splits a URL into the URL without credentials, which messages may show, and the decoded user and password.
pub(super) fn split_url(name: &StepName, url: &str) -> Result<(String, Option<(String, String)>), Error> {
    let invalid = |rule: String| {
        Err(Error::new(Kind::Usage, format_args!("probe `{name}`: {rule}"))
            .hint("Write a URL like `http://host:port/path` or `https://host/path`."))
    };
    let (scheme, rest) = url.split_once("://").unwrap_or(("", url));
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let userinfo = authority.rsplit_once('@').map(|(userinfo, _)| userinfo);
    let without = userinfo.map(|userinfo| format!("{scheme}://{}", &rest[userinfo.len() + 1..]));
    let url = without.as_deref().unwrap_or(url);
    if url.is_empty() {
        return invalid("none of `url`, `tcp` and `dns` is set".to_owned());
    }
    let Ok(uri) = url.parse::<http::Uri>() else {
        return invalid(format!("`{}` is not a URL", url.escape_debug()));
    };
    match uri.scheme_str() {
        Some("http" | "https") => {}
        Some(other) => return invalid(format!("the scheme `{other}` of `{url}` is not http or https")),
        None => return invalid(format!("`{url}` has no scheme")),
    }
    if uri.host().is_none_or(str::is_empty) {
        return invalid(format!("`{url}` has no host"));
    }
    // `http::Uri` takes any digits for a port.
    if let Err(e) = ::url::Url::parse(url) {
        return invalid(format!("`{url}` is not a URL: {e}"));
    }
    let pair = userinfo.map(|userinfo| {
        let (user, password) = userinfo.split_once(':').unwrap_or((userinfo, ""));
        let decoded = |text: &str| percent_decode_str(text).decode_utf8_lossy().into_owned();
        (decoded(user), decoded(password))
    });
    if pair
        .as_ref()
        .is_some_and(|(user, password)| user.starts_with("env:") || password.starts_with("env:"))
    {
        return invalid("a user or password from the environment must be given in `basic_auth`, not in the URL".to_owned());
    }
    Ok((url.to_owned(), pair))
}
