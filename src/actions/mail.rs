//! Sends mails: over SMTP, or through the machine's `sendmail`.

use std::time::Duration;

use lettre::address::Envelope;
use lettre::message::header::ContentType;
use lettre::message::{Mailbox, MessageBuilder};
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Tls, TlsParameters};
use lettre::{Address, Message, SmtpTransport, Transport as _};

use super::secrets::Secrets;
use super::with_deadline::with_deadline;
use super::{Control, notify};
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
    // Each command of the dialog has a timeout of its own; together they have to end as well.
    let sent = with_deadline(Some(timeout), control, move || {
        Ok(transport.send(&message).map(|_| ()).map_err(|e| full_text(&e)))
    });
    let (host, port) = (&smtp.host, smtp.port);
    match sent {
        Ok(Some(sent)) => sent.map_err(|e: String| format!("{host}:{port}: {}", secrets.masked_text(&e))),
        Ok(None) => Err(format!("{host}:{port} did not accept the mail in time")),
        Err(_) => Err("this machine is short of threads".to_owned()),
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

fn transport(smtp: &Smtp, secrets: &Secrets, timeout: Duration) -> Result<SmtpTransport, String> {
    let parameters = || TlsParameters::new(smtp.host.clone()).map_err(|e| format!("cannot use TLS: {e}"));
    let tls = match smtp.encryption {
        Encryption::StartTls => Tls::Required(parameters()?),
        Encryption::Tls => Tls::Wrapper(parameters()?),
        Encryption::None => Tls::None,
    };
    let builder = SmtpTransport::builder_dangerous(smtp.host.as_str())
        .port(smtp.port)
        .timeout(Some(timeout))
        .tls(tls);
    Ok(match &smtp.login {
        Some((user, password)) => {
            let credentials = Credentials::new(secrets.resolve(user).to_owned(), secrets.resolve(password).to_owned());
            builder.credentials(credentials).build()
        }
        None => builder.build(),
    })
}
