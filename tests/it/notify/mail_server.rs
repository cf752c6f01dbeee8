//! A mail server on loopback that records the mails it gets.

use std::io::{BufRead as _, BufReader};
use std::net::TcpListener;
use std::sync::{Arc, Mutex};

use mailin::{Action, AuthMechanism, Response, SessionBuilder, response};

/// A mail that a mail server got: sender, recipients, text.
pub(super) type Mail = (String, Vec<String>, String);

/// User name and password.
pub(super) type Login = (String, String);

pub(super) type Received = (Mail, Option<Login>);

#[derive(Clone, Default)]
pub(super) struct MailHandler {
    pub(super) current: Mail,
    pub(super) login: Option<Login>,
    pub(super) got: Arc<Mutex<Vec<Received>>>,
    /// Addresses that were refused: `gone@` for good, `busy@` the first time. `full@` is always refused temporarily, and is not listed.
    pub(super) refused: Arc<Mutex<Vec<String>>>,
}

impl mailin::Handler for MailHandler {
    fn mail(&mut self, _: std::net::IpAddr, _: &str, from: &str) -> Response {
        from.clone_into(&mut self.current.0);
        response::OK
    }

    fn rcpt(&mut self, to: &str) -> Response {
        let mut refused = self.refused.lock().unwrap();
        let is_new = !refused.iter().any(|other| other == to);
        if to.starts_with("full@") {
            return response::OUT_OF_SPACE;
        }
        if to.starts_with("gone@") || to.starts_with("busy@") && is_new {
            refused.push(to.to_owned());
            return if to.starts_with("gone@") {
                response::NO_MAILBOX
            } else {
                response::OUT_OF_SPACE
            };
        }
        self.current.1.push(to.to_owned());
        response::OK
    }

    fn data(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        self.current.2.push_str(&String::from_utf8_lossy(bytes));
        Ok(())
    }

    fn data_end(&mut self) -> Response {
        self.got
            .lock()
            .unwrap()
            .push((std::mem::take(&mut self.current), self.login.clone()));
        response::OK
    }

    fn auth_plain(&mut self, _: &str, user: &str, password: &str) -> Response {
        self.login = Some((user.to_owned(), password.to_owned()));
        response::AUTH_OK
    }
}

/// How a mail server encrypts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Encrypts {
    Never,
    AfterStartTls,
    FromTheBeginning,
}

/// A mail server without encryption.
pub(super) fn mail_server() -> (u16, MailHandler) {
    mail_server_with(Encrypts::Never, &crate::network_probes::tls(1).0)
}

pub(super) fn mail_server_with(encrypts: Encrypts, config: &Arc<rustls::ServerConfig>) -> (u16, MailHandler) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let (port, handler) = (listener.local_addr().unwrap().port(), MailHandler::default());
    let (shared, config) = (handler.clone(), Arc::clone(config));
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let mut builder = SessionBuilder::new("test");
            builder.enable_auth(AuthMechanism::Plain);
            match encrypts {
                Encrypts::AfterStartTls => drop(builder.enable_start_tls()),
                Encrypts::Never | Encrypts::FromTheBeginning => drop(builder.insecure_enable_plaintext_auth()),
            }
            let mut session = builder.build(stream.peer_addr().unwrap().ip(), shared.clone());
            let tls = || rustls::StreamOwned::new(rustls::ServerConnection::new(Arc::clone(&config)).unwrap(), &stream);
            if encrypts == Encrypts::FromTheBeginning {
                converse(&mut session, BufReader::new(tls()), true);
            } else if converse(&mut session, BufReader::new(&stream), true) {
                session.tls_active();
                converse(&mut session, BufReader::new(tls()), false);
            }
        }
    });
    (port, handler)
}

/// Answers a mail client, which may be gone; returns whether TLS is to begin.
pub(super) fn converse<S: std::io::Read + std::io::Write>(
    session: &mut mailin::Session<MailHandler>,
    mut stream: BufReader<S>,
    greets: bool,
) -> bool {
    if greets {
        let _ = session.greeting().write_to(stream.get_mut());
    }
    let mut line = Vec::new();
    while stream.read_until(b'\n', &mut line).is_ok_and(|length| length > 0) {
        let answer = session.process(&line);
        line.clear();
        if answer.action != Action::NoReply {
            let _ = answer.write_to(stream.get_mut());
        }
        match answer.action {
            Action::Close => break,
            Action::UpgradeTls => return true,
            Action::Reply | Action::NoReply => {}
        }
    }
    false
}
