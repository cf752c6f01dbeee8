//! Sends mails: over SMTP, or through the machine's `sendmail`.

use std::sync::Arc;
use std::time::Duration;

use lettre::address::Envelope;
use lettre::message::header::ContentType;
use lettre::message::{Mailbox, MessageBuilder};
use lettre::transport::smtp::SmtpTransportBuilder;
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Tls, TlsParameters};
use lettre::{Address, Message, SmtpTransport, Transport as _};

use super::relay::Relay;
use super::secrets::Secrets;
use super::shortage::Trouble;
use super::with_deadline::with_deadline;
use super::{Control, notify, tcp};
use crate::machine;
use crate::notify::delivery::Encryption;
use crate::notify::{Mail, Smtp};

/// Where `sendmail` is looked for: its usual folders are not in every user's `PATH`.
const SENDMAIL_PATH: &str = "/usr/sbin:/usr/lib:/usr/local/sbin:/usr/local/bin:/usr/bin:/sbin:/bin";

/// Sends a mail.
///
/// # Errors
/// The reason why no mail server has accepted it, without secrets.
pub(super) fn send(mail: &Mail, timeout: Duration, control: &Control) -> Result<(), String> {
    let message = message(mail)?;
    let Some(smtp) = &mail.smtp else {
        let text = String::from_utf8(message.formatted()).map_err(|_| "the mail is not valid UTF-8".to_owned())?;
        // `sendmail` takes the ends of lines of this machine.
        let text = text.replace("\r\n", "\n");
        let argv = ["sendmail", "-i", "-t"].map(str::to_owned).to_vec();
        let path = machine::variable("PATH").and_then(|path| path.into_string().ok());
        let path = path.map_or_else(|| SENDMAIL_PATH.to_owned(), |path| format!("{path}:{SENDMAIL_PATH}"));
        return notify::run(argv, [("PATH".to_owned(), path)].into(), text, control);
    };
    let texts = smtp
        .login
        .iter()
        .flat_map(|(user, password)| [("smtp_user", user.as_str()), ("smtp_password", password.as_str())]);
    let secrets = Secrets::read_any(texts).map_err(|failure| failure.message)?;
    let transport = transport(smtp, &secrets, timeout)?;
    let (host, port) = (smtp.host.clone(), smtp.port);
    let relay = Relay::new();
    let here = Arc::clone(&relay);
    let sent = with_deadline(Some(timeout), control, move || {
        let server = tcp::connect(&host, port, Some(timeout))?;
        Ok(here
            .start(server, timeout)
            .map_err(|e| e.to_string())
            .and_then(|port| transport.port(port).build().send(&message).map_err(|e| full_text(&e))))
    });
    relay.close();
    let server = format!("{}:{}", smtp.host, smtp.port);
    match sent {
        Ok(Some(Ok(_))) => Ok(()),
        Ok(Some(Err(_))) if relay.is_flooded() => Err(format!("{server} answers without end")),
        Ok(Some(Err(e))) => Err(format!("{server}: {}", secrets.masked_text(&e))),
        Ok(None) => Err(format!("{server} did not accept the mail in time")),
        Err(Trouble::Failed(failure)) => Err(failure.message),
        Err(Trouble::Short(_)) => Err("this machine is short of threads or open files".to_owned()),
    }
}

/// An error with its causes.
fn full_text(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(next) = cause {
        let more = next.to_string();
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        cause = next.source();
    }
    text
}

fn message(mail: &Mail) -> Result<Message, String> {
    let host = machine::host_name();
    let mailbox = |address: &str| {
        // A name alone is that of a user of this machine.
        let full = if address.contains('@') {
            address.to_owned()
        } else {
            format!("{address}@{host}")
        };
        full.parse::<Mailbox>()
            .map_err(|e| format!("`{address}` is not a mail address: {e}"))
    };
    let from = match &mail.from {
        Some(from) => mailbox(from)?,
        None => default_sender(&host)?,
    };
    let to: Vec<Mailbox> = mail.to.iter().map(|to| mailbox(to)).collect::<Result<_, _>>()?;
    let mut builder: MessageBuilder = Message::builder()
        .from(from.clone())
        .subject(mail.subject.as_str())
        .message_id(Some(format!("<{}@{host}>", mail.id)))
        .header(ContentType::TEXT_PLAIN);
    for mailbox in &to {
        builder = builder.to(mailbox.clone());
    }
    let envelope = Envelope::new(Some(from.email), to.into_iter().map(|mailbox| mailbox.email).collect())
        .map_err(|e| format!("cannot address the mail: {e}"))?;
    builder
        .envelope(envelope)
        .body(mail.body.clone())
        .map_err(|e| format!("cannot write the mail: {e}"))
}

/// `tempo@HOST`.
fn default_sender(host: &str) -> Result<Mailbox, String> {
    let address = Address::new("tempo", host).or_else(|_| Address::new("tempo", "localhost"));
    let address = address.map_err(|e| format!("cannot name the sender of the mail: {e}"))?;
    Ok(Mailbox::new(Some("tempo".to_owned()), address))
}

/// A client that connects to a port of this machine, where the relay listens.
fn transport(smtp: &Smtp, secrets: &Secrets, timeout: Duration) -> Result<SmtpTransportBuilder, String> {
    let parameters = || TlsParameters::new(smtp.host.clone()).map_err(|e| format!("cannot use TLS: {e}"));
    let tls = match smtp.encryption {
        Encryption::StartTls => Tls::Required(parameters()?),
        Encryption::Tls => Tls::Wrapper(parameters()?),
        Encryption::None => Tls::None,
    };
    let builder = SmtpTransport::builder_dangerous("127.0.0.1").timeout(Some(timeout)).tls(tls);
    Ok(match &smtp.login {
        Some((user, password)) => {
            let credentials = Credentials::new(secrets.resolve(user).to_owned(), secrets.resolve(password).to_owned());
            builder.credentials(credentials)
        }
        None => builder,
    })
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};
    use std::net::{TcpListener, TcpStream};
    use std::sync::mpsc::channel;

    use super::*;

    /// Sends a mail to a server that behaves so; returns the error, after the server has seen the end of its connection.
    fn sent_to(timeout: Duration, behave: impl FnOnce(&TcpStream) + Send + 'static) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let (ended, end) = channel();
        std::thread::spawn(move || {
            let (stream, _) = listener.accept().unwrap();
            behave(&stream);
            ended.send(()).unwrap();
        });
        let mail = Mail {
            to: vec!["a@example.org".to_owned()],
            smtp: Some(Smtp {
                host: "127.0.0.1".to_owned(),
                port,
                encryption: Encryption::None,
                login: None,
            }),
            id: "1".to_owned(),
            from: None,
            subject: "s".to_owned(),
            body: "b".to_owned(),
        };
        let error = send(&mail, timeout, &Control::default()).unwrap_err();
        end.recv_timeout(Duration::from_secs(20)).unwrap();
        error
    }

    #[test]
    fn a_server_that_answers_without_end_is_cut_off() {
        let error = sent_to(Duration::from_secs(10), |mut stream| {
            stream.write_all(b"220 ").unwrap();
            while stream.write_all(&[b'x'; 4096]).is_ok() {}
        });
        assert!(error.ends_with("answers without end"), "{error}");
    }

    #[test]
    fn the_connection_of_a_slow_server_ends_at_the_deadline() {
        for greeting in [&b""[..], b"220 hello\r\n"] {
            let error = sent_to(Duration::from_millis(200), move |mut stream| {
                stream.write_all(greeting).unwrap();
                stream.set_read_timeout(Some(Duration::from_millis(20))).unwrap();
                // One byte at a time, until the other side ends the connection.
                loop {
                    match stream.read(&mut [0; 64]) {
                        Ok(0) => break,
                        Ok(_) => {}
                        Err(_) => drop(stream.write_all(b"2")),
                    }
                }
            });
            assert!(error.ends_with("did not accept the mail in time"), "{error}");
        }
    }
}
