//! Sends mails: over SMTP, or through the machine's `sendmail`.

use std::ffi::OsStr;
use std::time::Duration;

use lettre::address::Envelope;
use lettre::message::header::{ContentType, MIME_VERSION_1_0};
use lettre::message::{Mailbox, MessageBuilder};
use lettre::{Address, Message};

use super::secrets::Secrets;
use super::shortage::AttemptError;
use super::smtp::{self, OutgoingMail, Server};
use super::with_deadline::with_deadline;
use super::{Control, notify};
use crate::machine;
use crate::notify::{Mail, Receipt, plain_text};

/// Where `sendmail` is looked for: its usual directories are not in every user's `PATH`.
const SENDMAIL_PATH: &str = "/usr/sbin:/usr/lib:/usr/local/sbin:/usr/local/bin:/usr/bin:/sbin:/bin";

/// The directories in which `sendmail` is looked for, as in `PATH`.
fn sendmail_path() -> String {
    let path = machine::variable("PATH").and_then(|path| path.into_string().ok());
    path.map_or_else(|| SENDMAIL_PATH.to_owned(), |path| format!("{path}:{SENDMAIL_PATH}"))
}

/// Whether this machine has a `sendmail`.
pub(crate) fn has_sendmail() -> bool {
    machine::find_program("sendmail", Some(OsStr::new(&sendmail_path()))).is_some()
}

/// Maximum number of characters shown of what a mail server answered.
const MAX_SHOWN: usize = 300;

/// Sends a mail.
///
/// # Errors
/// The reason why no mail server has accepted it, without secrets.
pub(super) fn send(mail: &Mail, timeout: Duration, control: &Control) -> Result<Receipt, String> {
    let Some(smtp) = &mail.smtp else {
        // `sendmail` takes the addresses from the header.
        let to = mail.left.as_ref().unwrap_or(&mail.to).clone();
        let message = message(&Mail { to, ..mail.clone() })?;
        let text = String::from_utf8(message.formatted()).map_err(|_| "the mail is not valid UTF-8".to_owned())?;
        // `sendmail` takes the ends of lines of this machine.
        let text = text.replace("\r\n", "\n");
        let argv = ["sendmail", "-i", "-t"].map(str::to_owned).to_vec();
        return notify::run(argv, [("PATH".to_owned(), sendmail_path())].into(), text, control).map(|()| Receipt::default());
    };
    let message = message(mail)?;
    let texts = smtp
        .login
        .iter()
        .flat_map(|(user, password)| [("smtp_user", user.as_str()), ("smtp_password", password.as_str())]);
    let secrets = Secrets::read_any(texts).map_err(|failure| failure.message)?;
    let server = Server {
        host: smtp.host.clone(),
        port: smtp.port,
        encryption: smtp.encryption,
        login: smtp
            .login
            .as_ref()
            .map(|(user, password)| (secrets.resolve(user).to_owned(), secrets.resolve(password).to_owned())),
    };
    // A password that stands in the definition itself is not shown either.
    let password = server.login.as_ref().map(|(_, password)| password.as_str());
    let password = Secrets::of_values(password.filter(|password| !password.is_empty()));
    let envelope = message.envelope();
    let is_left = |address: &String| mail.left.as_ref().is_none_or(|left| left.contains(address));
    let mail = OutgoingMail {
        from: envelope.from().map(ToString::to_string).unwrap_or_default(),
        to: envelope.to().iter().map(ToString::to_string).filter(is_left).collect(),
        text: message.formatted(),
    };
    if mail.to.is_empty() {
        // The receiver has other addresses now.
        return Ok(Receipt::default());
    }
    // A name may take long to resolve.
    let sent = with_deadline(Some(timeout), control, move || smtp::send(&server, &mail, timeout));
    let server = format!("{}:{}", smtp.host, smtp.port);
    // Masked as a whole, before it is cut.
    let shown = |e: &String| format!("{server}: {}", one_line(&password.masked_text(&secrets.masked_text(e))));
    match sent {
        Ok(Some(Ok(receipt))) => Ok(Receipt {
            left: receipt.left,
            refusals: receipt.refusals.iter().map(shown).collect(),
            refusals_for_good: receipt.refusals_for_good.iter().map(shown).collect(),
        }),
        Ok(Some(Err(e))) => Err(shown(&e)),
        Ok(None) => Err(format!("{server}: did not respond in time")),
        Err(AttemptError::Failed(failure)) => Err(failure.message),
        Err(AttemptError::Shortage(_)) => Err("this machine is short of threads or open files".to_owned()),
    }
}

fn one_line(text: &str) -> String {
    let line = text
        .split(char::is_control)
        .filter(|part| !part.is_empty())
        .collect::<Vec<_>>()
        .join(" ");
    line.chars().take(MAX_SHOWN).collect()
}

/// Whether a text with a `@` is an address that mail can be sent to, perhaps with a name.
pub(crate) fn is_mail_address(text: &str) -> bool {
    text.parse::<Mailbox>().is_ok()
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
            .map_err(|e| format!("`{address}` is not an email address: {e}"))
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
        .header(MIME_VERSION_1_0)
        .header(ContentType::TEXT_PLAIN);
    for mailbox in &to {
        builder = builder.to(mailbox.clone());
    }
    let envelope = Envelope::new(Some(from.email), to.into_iter().map(|mailbox| mailbox.email).collect())
        .map_err(|e| format!("cannot address the mail: {e}"))?;
    builder
        .envelope(envelope)
        .body(plain_text(&mail.body))
        .map_err(|e| format!("cannot write the mail: {e}"))
}

/// `tempo@HOST`.
fn default_sender(host: &str) -> Result<Mailbox, String> {
    let address = Address::new("tempo", host).or_else(|_| Address::new("tempo", "localhost"));
    let address = address.map_err(|e| format!("cannot name the sender of the mail: {e}"))?;
    Ok(Mailbox::new(Some("tempo".to_owned()), address))
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};
    use std::net::{TcpListener, TcpStream};
    use std::sync::mpsc::channel;

    use super::*;
    use crate::notify::Smtp;
    use crate::notify::delivery::Encryption;

    const PASSWORD: &str = "s3cretPassw0rd-XYZ";

    fn mail(to: &[&str]) -> Mail {
        Mail {
            id: "1".to_owned(),
            to: to.iter().map(|&to| to.to_owned()).collect(),
            left: None,
            from: None,
            subject: "s".to_owned(),
            body: "b".to_owned(),
            smtp: None,
        }
    }

    /// Sends a mail to a server that behaves so, and waits until that has seen the end of its connection.
    fn deliver(mail: Mail, timeout: Duration, behave: impl FnOnce(&TcpStream) + Send + 'static) -> Result<Receipt, String> {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let (ended, end) = channel();
        std::thread::spawn(move || {
            let (stream, _) = listener.accept().unwrap();
            behave(&stream);
            ended.send(()).unwrap();
        });
        let smtp = Smtp {
            host: "127.0.0.1".to_owned(),
            port,
            encryption: Encryption::None,
            login: Some(("me".to_owned(), PASSWORD.to_owned())),
        };
        let mail = Mail {
            smtp: Some(smtp),
            ..mail
        };
        let sent = send(&mail, timeout, &Control::default());
        end.recv_timeout(Duration::from_secs(20)).unwrap();
        sent
    }

    fn send_to(to: &[&str], timeout: Duration, behave: impl FnOnce(&TcpStream) + Send + 'static) -> Result<Receipt, String> {
        deliver(mail(to), timeout, behave)
    }

    /// Answers each line of a client; `answer` gives the reply to one. Returns the mails that were accepted.
    fn serve(stream: &TcpStream, mut answer: impl FnMut(&str) -> Option<Vec<u8>>) -> Vec<String> {
        let mut mails = Vec::new();
        let mut lines = std::io::BufRead::lines(std::io::BufReader::new(stream));
        let write = |bytes: &[u8]| drop((&*stream).write_all(bytes));
        write(b"220-hello\r\n220 there\r\n");
        while let Some(Ok(line)) = lines.next() {
            if line.starts_with("EHLO") {
                write(b"250-hello\r\n250 AUTH PLAIN\r\n");
            } else if let Some(reply) = answer(&line) {
                write(&reply);
            }
            if line == "DATA" {
                let text: Vec<String> = lines.by_ref().map_while(Result::ok).take_while(|line| line != ".").collect();
                mails.push(text.join("\n"));
                if let Some(reply) = answer("the mail") {
                    write(&reply);
                }
            }
        }
        mails
    }

    #[test]
    fn accepts_mail_by_the_reply_code_even_if_quit_is_not_answered() {
        for (accepted, refused, error) in [
            (&b"250 ok\r\n"[..], "none", ""),
            (b"250\r\n", "none", ""),
            (b"250 \xfcbergeben\n", "none", ""),
            (b"250-one\r\n250 two\r\n", "none", ""),
            (&[b"250 ".as_slice(), &[b'x'; 5000], b"\r\n"].concat(), "none", ""),
            (b"250 ok\r\n", "gone", "answered 550 to RCPT TO:<gone@example.org>: nobody"),
            (b"250 ok\r\n", "@", "answered 550 to RCPT TO:<gone@example.org>: nobody"),
            (b"250 ok\r\n", "ops@", "answered 450 to RCPT TO:<ops@example.org>: later"),
            (b"554 \xfc no\r\n", "none", "answered 554 to the mail: \u{fffd} no"),
            (b"what?\r\n", "none", "does not speak SMTP: `what?`"),
            (
                &[b"550-".as_slice(), &[b'x'; 5000], b"\r\n550 no\r\n"].concat(),
                "none",
                "answered 550 to the mail: xxx",
            ),
        ] {
            let accepted = accepted.to_vec();
            let (sender, mails) = channel();
            let sent = send_to(
                &["gone@example.org", "ops@example.org"],
                Duration::from_secs(10),
                move |stream| {
                    let got = serve(stream, |line| match line {
                        "QUIT" => None,
                        "DATA" => Some(b"354 go on\r\n".to_vec()),
                        "the mail" => Some(accepted.clone()),
                        rcpt if rcpt.starts_with("RCPT") && rcpt.contains(refused) => Some(
                            if refused == "ops@" {
                                &b"450 later\r\n"[..]
                            } else {
                                b"550 nobody\r\n"
                            }
                            .to_vec(),
                        ),
                        _ => Some(b"250 ok\r\n".to_vec()),
                    });
                    sender.send(got).unwrap();
                },
            );
            let got = mails.recv_timeout(Duration::from_secs(20)).unwrap();
            match sent {
                // Accepted for the others; one that is refused for now is tried again.
                Ok(receipt) => {
                    let left: &[&str] = if refused == "ops@" { &["ops@example.org"] } else { &[] };
                    assert_eq!(
                        (got.len(), &receipt.left[..]),
                        (1, &left.iter().map(ToString::to_string).collect::<Vec<_>>()[..])
                    );
                    let refusals = receipt.all_refusals().join("");
                    assert!(
                        refusals.ends_with(error) && refusals.is_empty() == error.is_empty(),
                        "{refusals}"
                    );
                }
                Err(e) => assert!(e.contains(error) && !error.is_empty() && e.len() < 400, "{e}"),
            }
        }
    }

    #[test]
    fn an_answer_that_repeats_the_password_is_not_shown() {
        for (to, shown) in [
            ("AUTH", "rejected the login (535)"),
            ("AUTH ", "does not speak SMTP"),
            ("MAIL", "xxx"),
        ] {
            let error = send_to(&["a@example.org"], Duration::from_secs(10), move |stream| {
                serve(stream, |line| {
                    if to == "AUTH " && line.starts_with(to) {
                        return Some(format!("{line}\r\n").into_bytes());
                    }
                    let reply = format!("535 {}{PASSWORD}\r\n", "x".repeat(230)).into_bytes();
                    Some(if line.starts_with(to) { reply } else { b"250 ok\r\n".to_vec() })
                });
            })
            .unwrap_err();
            assert!(
                error.contains(shown) && !error.contains("s3cret") && !error.contains("AUTH PLAIN"),
                "{error}"
            );
        }
    }

    #[test]
    fn a_line_with_a_dot_does_not_end_a_mail() {
        let (sender, mails) = channel();
        let mail = Mail {
            body: ".\nRCPT TO:<other@example.org>\n.hidden\0\r.\rMAIL FROM:<boss@example.org>".to_owned(),
            ..mail(&["a@example.org"])
        };
        let sent = deliver(mail, Duration::from_secs(10), move |stream| {
            let got = serve(stream, |line| match line {
                "DATA" => Some(b"354 go on\r\n".to_vec()),
                _ => Some(b"250 ok\r\n".to_vec()),
            });
            sender.send(got).unwrap();
        });
        assert_eq!(sent, Ok(Receipt::default()));
        let got = mails.recv_timeout(Duration::from_secs(20)).unwrap();
        assert!(
            got.len() == 1
                && got[0].contains("MIME-Version: 1.0")
                && !got[0].contains(['\r', '\0'])
                && got[0].contains("\n..\nRCPT TO:<other@example.org>\n..hidden"),
            "{got:?}"
        );
    }

    #[test]
    fn a_server_that_answers_without_end_is_cut_off() {
        let error = send_to(&["a@example.org"], Duration::from_secs(10), |mut stream| {
            stream.write_all(b"220 ").unwrap();
            while stream.write_all(&[b'x'; 4096]).is_ok() {}
        })
        .unwrap_err();
        assert!(error.ends_with("sent an endless reply"), "{error}");
    }

    #[test]
    fn the_connection_of_a_slow_server_ends_at_the_deadline() {
        for greeting in [&b""[..], b"220 hello\r\n"] {
            let error = send_to(&["a@example.org"], Duration::from_millis(200), move |mut stream| {
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
            })
            .unwrap_err();
            assert!(error.ends_with("did not respond in time"), "{error}");
        }
    }
}
