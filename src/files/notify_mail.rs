//! The mail server and the addresses of a receiver in a definition file.

use super::notify_text::{NotifyText, usage};
use crate::actions::is_mail_address;
use crate::error::Error;
use crate::notify::delivery::Encryption;
use crate::notify::{Channel, Smtp};

/// Checks the settings for mail.
///
/// # Errors
/// `Usage`, naming the setting.
pub(super) fn channel(text: &NotifyText) -> Result<Channel, Error> {
    for address in text.email.iter().chain(&text.from) {
        let inner = address
            .rsplit_once('<')
            .map_or(address.as_str(), |(_, rest)| rest.trim_end_matches('>'));
        // A local name is an address on this machine.
        let is_invalid = inner.contains('@') && !is_mail_address(address);
        if is_invalid
            || inner.trim().is_empty()
            || inner.trim().contains(char::is_whitespace)
            || address.contains(char::is_control)
        {
            return Err(usage(format_args!("`{}` is not an email address", address.escape_debug())));
        }
    }
    let encryption = text
        .smtp_encryption
        .as_deref()
        .map_or(Ok(Encryption::StartTls), Encryption::parse)
        .map_err(|e| e.of_setting("smtp_encryption"))?;
    let login = match (&text.smtp_user, &text.smtp_password) {
        (Some(user), Some(password)) => Some((user.clone(), password.clone())),
        (None, None) => None,
        _ => {
            return Err(usage(format_args!("`smtp_user` and `smtp_password` must be given together")));
        }
    };
    let smtp = match &text.smtp {
        Some(server) => {
            // The colons of an IPv6 address without brackets are not followed by a port.
            let is_address = server.parse::<std::net::Ipv6Addr>().is_ok() || server.ends_with(']');
            let (host, port) = match server.rsplit_once(':').filter(|_| !is_address) {
                Some((host, port)) => {
                    let port = port.parse().ok().filter(|port| *port > 0);
                    let invalid = || {
                        usage(format_args!("invalid port in the mail server `{server}`")).hint("Expected `HOST` or `HOST:PORT`.")
                    };
                    (host, port.ok_or_else(invalid)?)
                }
                None => (server.as_str(), encryption.port()),
            };
            let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
            if host.is_empty() || host.contains(|c: char| c.is_whitespace() || c.is_control() || c == '@') {
                return Err(usage(format_args!("invalid mail server `{}`", server.escape_debug()))
                    .hint("Expected `HOST` or `HOST:PORT`, such as `mail.example.org:587`."));
            }
            Some(Smtp {
                host: host.to_owned(),
                port,
                encryption,
                login,
            })
        }
        None if login.is_some() || text.smtp_encryption.is_some() => {
            return Err(usage(format_args!("no mail server is given"))
                .of_setting("smtp")
                .hint("`smtp_user`, `smtp_password` and `smtp_encryption` are those of the mail server."));
        }
        None => None,
    };
    Ok(Channel::Email {
        to: text.email.clone(),
        from: text.from.clone(),
        smtp,
    })
}
