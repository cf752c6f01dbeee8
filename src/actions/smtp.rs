//! Sends a mail over SMTP (RFC 5321). Replies are judged by their code: their text may be in any encoding and of any length.

use std::io::{ErrorKind, Read, Write};
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rustls::crypto::ring;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, StreamOwned};
use rustls_platform_verifier::BuilderVerifierExt as _;

use super::shortage::AttemptError;
use super::tcp::{DeadlineStream, connect};
use crate::clock::Stopwatch;
use crate::machine;
use crate::notify::Receipt;
use crate::notify::delivery::Encryption;

/// Maximum number of bytes that a server may send in one dialog.
const MAX_RECEIVED: usize = 1024 * 1024;

/// The error for a reply without a code.
const NOT_SMTP: &str = "does not speak SMTP";

/// A mail server, and how to use it.
#[derive(Debug)]
pub(super) struct Server {
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) encryption: Encryption,
    /// User name and password.
    pub(super) login: Option<(String, String)>,
}

/// A mail with its envelope. The addresses have been checked.
#[derive(Debug)]
pub(super) struct OutgoingMail {
    pub(super) from: String,
    pub(super) to: Vec<String>,
    /// Lines end in CRLF.
    pub(super) text: Vec<u8>,
}

/// Sends a mail to all addresses that the server accepts. Returns the addresses that it refuses for now or for good.
///
/// # Errors
/// `AttemptError` if no connection can be made. The inner error is the reason why the server has not accepted the mail; it may quote the server, at any
/// length.
pub(super) fn send(server: &Server, mail: &OutgoingMail, timeout: Duration) -> Result<Result<Receipt, String>, AttemptError> {
    let watch = Stopwatch::start();
    let stream = connect(&server.host, server.port, Some(timeout))?;
    let stream = DeadlineStream::new(stream, Some(timeout.saturating_sub(watch.elapsed())));
    let mut dialog = Dialog {
        link: Some(Link::Plain(stream)),
        received: 0,
        unread: Vec::new(),
    };
    Ok(dialog.send(server, mail))
}

enum Link {
    Plain(DeadlineStream),
    Tls(Box<StreamOwned<ClientConnection, DeadlineStream>>),
}

impl Link {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        match self {
            Self::Plain(stream) => stream.read(buffer),
            Self::Tls(stream) => stream.read(buffer),
        }
    }

    fn write(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        match self {
            Self::Plain(stream) => stream.write_all(bytes).and_then(|()| stream.flush()),
            Self::Tls(stream) => stream.write_all(bytes).and_then(|()| stream.flush()),
        }
    }
}

struct Dialog {
    /// `None` only while TLS begins.
    link: Option<Link>,
    received: usize,
    /// Received bytes that belong to the next reply.
    unread: Vec<u8>,
}

/// A reply: its code, and the texts of its lines.
struct Reply {
    code: u16,
    lines: Vec<String>,
}

impl Dialog {
    fn send(&mut self, server: &Server, mail: &OutgoingMail) -> Result<Receipt, String> {
        if server.encryption == Encryption::Tls {
            self.begin_tls(&server.host)?;
        }
        self.reply()?.expect(2, "the connection")?;
        let mut offers = self.hello()?;
        if server.encryption == Encryption::StartTls {
            if !offers.iter().any(|offer| offer.eq_ignore_ascii_case("STARTTLS")) {
                return Err("does not offer STARTTLS".to_owned());
            }
            self.command("STARTTLS", 2)?;
            // What was sent before the encryption began is not trusted (CVE-2011-0411).
            self.unread.clear();
            self.begin_tls(&server.host)?;
            offers = self.hello()?;
        }
        if let Some(login) = &server.login {
            self.log_in(login, &offers)?;
        }
        let is_ascii = mail.to.iter().chain([&mail.from]).all(|address| address.is_ascii());
        let utf8 = match (is_ascii, offers.iter().any(|offer| offer.eq_ignore_ascii_case("SMTPUTF8"))) {
            (true, _) => "",
            (false, true) => " SMTPUTF8",
            (false, false) => return Err("accepts only ASCII addresses".to_owned()),
        };
        self.command(&format!("MAIL FROM:<{}>{utf8}", mail.from), 2)?;
        // An address that is refused does not keep the mail from the others.
        let mut receipt = Receipt::default();
        for to in &mail.to {
            let line = format!("RCPT TO:<{to}>");
            self.write(format!("{line}\r\n").as_bytes())?;
            let reply = self.reply()?;
            let is_temporary = reply.code / 100 == 4;
            match reply.expect(2, &line) {
                Ok(_) => {}
                Err(e) if is_temporary => {
                    receipt.left.push(to.clone());
                    receipt.refusals.push(e);
                }
                Err(e) => receipt.refusals_for_good.push(e),
            }
        }
        let refusals = receipt.all_refusals();
        if refusals.len() == mail.to.len() {
            return Err(refusals.join("; "));
        }
        self.command("DATA", 3)?;
        self.write(&dot_stuffed(&mail.text))?;
        self.reply()?.expect(2, "the mail")?;
        // The mail is accepted; nothing depends on the answer.
        let _ = self.write(b"QUIT\r\n");
        Ok(receipt)
    }

    /// Greets the server. Returns what it offers.
    fn hello(&mut self) -> Result<Vec<String>, String> {
        let is_name = |name: &String| !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '.');
        let name = Some(machine::host_name()).filter(is_name);
        let name = name.unwrap_or_else(|| "localhost".to_owned());
        self.write(format!("EHLO {name}\r\n").as_bytes())?;
        let reply = self.reply()?;
        if reply.code / 100 == 5 {
            self.command(&format!("HELO {name}"), 2)?;
            return Ok(Vec::new());
        }
        reply.expect(2, "EHLO").map(|reply| reply.lines)
    }

    fn log_in(&mut self, (user, password): &(String, String), offers: &[String]) -> Result<(), String> {
        let mechanisms = offers.iter().find_map(|offer| {
            let (name, mechanisms) = offer.split_once([' ', '='])?;
            name.eq_ignore_ascii_case("AUTH").then(|| mechanisms.to_ascii_uppercase())
        });
        let mechanisms = mechanisms.unwrap_or_default();
        let offers = |name: &str| mechanisms.split_whitespace().any(|offered| offered == name);
        if offers("PLAIN") {
            let login = STANDARD.encode(format!("\0{user}\0{password}"));
            self.secret_command(&format!("AUTH PLAIN {login}"), 2)
        } else if offers("LOGIN") {
            self.command("AUTH LOGIN", 3)?;
            self.secret_command(&STANDARD.encode(user), 3)?;
            self.secret_command(&STANDARD.encode(password), 2)
        } else {
            Err("offers neither AUTH PLAIN nor AUTH LOGIN".to_owned())
        }
    }

    fn begin_tls(&mut self, host: &str) -> Result<(), String> {
        let failed = |e: &dyn std::fmt::Display| format!("TLS: {e}");
        let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .and_then(|builder| builder.with_platform_verifier())
            .map_err(|e| failed(&e))?
            .with_no_client_auth();
        let name = ServerName::try_from(host.to_owned()).map_err(|e| failed(&e))?;
        let mut client = ClientConnection::new(Arc::new(config), name).map_err(|e| failed(&e))?;
        let Some(Link::Plain(mut stream)) = self.link.take() else {
            return Err("TLS has begun already".to_owned());
        };
        while client.is_handshaking() {
            client.complete_io(&mut stream).map_err(|e| failed(&io_text(&e)))?;
        }
        self.link = Some(Link::Tls(Box::new(StreamOwned::new(client, stream))));
        Ok(())
    }

    fn command(&mut self, line: &str, class: u16) -> Result<(), String> {
        self.write(format!("{line}\r\n").as_bytes())?;
        self.reply()?.expect(class, line).map(|_| ())
    }

    /// Sends a line that no error may show.
    fn secret_command(&mut self, line: &str, class: u16) -> Result<(), String> {
        self.write(format!("{line}\r\n").as_bytes())?;
        // The text of the reply may quote the line in any form.
        let reply = self.reply();
        let code = match reply {
            Err(e) if e.starts_with(NOT_SMTP) => return Err(NOT_SMTP.to_owned()),
            reply => reply?.code,
        };
        if code / 100 == class {
            Ok(())
        } else {
            Err(format!("rejected the login ({code})"))
        }
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), String> {
        let link = self.link.as_mut().ok_or("the connection has ended")?;
        link.write(bytes).map_err(|e| io_text(&e))
    }

    fn reply(&mut self) -> Result<Reply, String> {
        let mut lines = Vec::new();
        loop {
            let line = self.line()?;
            let code = line.get(..3).filter(|code| code.iter().all(u8::is_ascii_digit));
            let code = code.and_then(|code| std::str::from_utf8(code).ok()?.parse().ok());
            let Some(code) = code else {
                return Err(format!("{NOT_SMTP}: `{}`", String::from_utf8_lossy(&line)));
            };
            lines.push(String::from_utf8_lossy(line.get(4..).unwrap_or_default()).into_owned());
            if line.get(3) != Some(&b'-') {
                return Ok(Reply { code, lines });
            }
        }
    }

    /// Reads a line, without its end.
    fn line(&mut self) -> Result<Vec<u8>, String> {
        let mut searched = 0;
        loop {
            if let Some(end) = self.unread[searched..].iter().position(|byte| *byte == b'\n') {
                let mut line: Vec<u8> = self.unread.drain(..=searched + end).collect();
                line.pop();
                if line.last() == Some(&b'\r') {
                    line.pop();
                }
                return Ok(line);
            }
            searched = self.unread.len();
            let mut buffer = [0_u8; 4096];
            let link = self.link.as_mut().ok_or("the connection has ended")?;
            let count = link.read(&mut buffer).map_err(|e| io_text(&e))?;
            if count == 0 {
                return Err("closed the connection".to_owned());
            }
            self.received += count;
            if self.received > MAX_RECEIVED {
                return Err("sent an endless reply".to_owned());
            }
            self.unread.extend(&buffer[..count]);
        }
    }
}

impl Reply {
    /// Checks the first digit of the code.
    fn expect(self, class: u16, what: &str) -> Result<Self, String> {
        if self.code / 100 == class {
            return Ok(self);
        }
        let text = self.lines.join("\n");
        Err(format!("answered {} to {what}: {}", self.code, text.trim()))
    }
}

fn io_text(error: &std::io::Error) -> String {
    let kind = error.kind();
    if matches!(kind, ErrorKind::TimedOut | ErrorKind::WouldBlock) {
        "did not respond in time".to_owned()
    } else if matches!(
        kind,
        ErrorKind::UnexpectedEof | ErrorKind::ConnectionReset | ErrorKind::BrokenPipe
    ) {
        "closed the connection".to_owned()
    } else {
        error.to_string()
    }
}

/// The text of a mail as it is sent: a dot at the beginning of a line is doubled, and a line with a dot ends it.
fn dot_stuffed(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len() + 8);
    let mut at_begin = true;
    for byte in text {
        if at_begin && *byte == b'.' {
            out.push(b'.');
        }
        out.push(*byte);
        at_begin = *byte == b'\n';
    }
    if !at_begin {
        out.extend(b"\r\n");
    }
    out.extend(b".\r\n");
    out
}
