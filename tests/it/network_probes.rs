//! Probes of certificates, ports and host names.

use std::io::Write;
use std::net::{TcpListener, UdpSocket};
use std::sync::Arc;

use simple_dns::rdata::{A, MX, RData, TXT};
use simple_dns::{CLASS, CharacterString, Name, Packet, QTYPE, ResourceRecord, TYPE};

use crate::harness::Env;
use crate::probes::{HEAD, check, request};

/// Returns the settings of a TLS server on this machine, whose certificate expires in `days` days, and the certificate in PEM.
pub(crate) fn tls(days: i64) -> (Arc<rustls::ServerConfig>, String) {
    let key = rcgen::KeyPair::generate().unwrap();
    let mut params = rcgen::CertificateParams::new(vec!["localhost".to_owned(), "127.0.0.1".to_owned()]).unwrap();
    let now = chrono::DateTime::from_timestamp(i64::try_from(now_s()).unwrap(), 0).unwrap();
    let date = |at: chrono::DateTime<chrono::Utc>| {
        use chrono::Datelike as _;
        rcgen::date_time_ymd(at.year(), u8::try_from(at.month()).unwrap(), u8::try_from(at.day()).unwrap())
    };
    params.not_before = date(now - chrono::TimeDelta::days(2));
    params.not_after = date(now + chrono::TimeDelta::days(days));
    let certificate = params.self_signed(&key).unwrap();
    let pem = certificate.pem();
    let der = rustls::pki_types::PrivateKeyDer::try_from(key.serialize_der()).unwrap();
    let config = rustls::ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], der)
        .unwrap();
    (Arc::new(config), pem)
}

/// Starts a TLS server whose certificate expires in `days` days; returns its port and the certificate in PEM.
fn serve_tls(days: i64) -> (u16, String) {
    let (config, pem) = tls(days);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let server = rustls::ServerConnection::new(Arc::clone(&config)).unwrap();
            let mut stream = rustls::StreamOwned::new(server, stream.unwrap());
            if request(&mut stream).is_empty() {
                continue;
            }
            let _ = stream.write_all(format!("{HEAD}content-length: 2\r\n\r\nok").as_bytes());
            stream.conn.send_close_notify();
            let _ = stream.flush();
        }
    });
    (port, pem)
}

/// Returns the machine's time in seconds, by which certificates are checked.
fn now_s() -> u64 {
    let file = tempfile::NamedTempFile::new().unwrap();
    let modified = file.as_file().metadata().unwrap().modified().unwrap();
    modified.duration_since(std::time::UNIX_EPOCH).unwrap().as_secs()
}

#[test]
fn checks_the_trust_and_expiry_of_certificates() {
    let env = Env::new();
    let (port, pem) = serve_tls(20);
    std::fs::write(env.path("ca.pem"), pem).unwrap();
    std::fs::write(env.path("empty.pem"), "nothing").unwrap();
    let url = format!("url = \"https://localhost:{port}/\"");
    for (more, expected, error) in [
        ("status = 200", "TLS connection to", "Tls"),
        ("insecure = true", "ok status=200", ""),
        ("ca_file = \"ca.pem\"", "ok status=200", ""),
        ("ca_file = \"ca.pem\", min_certificate_days = 14", "ok status=200", ""),
        ("insecure = true, min_certificate_days = 30", "in less than 30 d", "Tls"),
        ("ca_file = \"none.pem\"", "cannot read the certificates in `none.pem`", "Tls"),
        ("ca_file = \"empty.pem\"", "`empty.pem` contains no PEM certificates", "Tls"),
    ] {
        let (result, got) = check(&env, &format!("{url}, {more}"));
        assert!(result.contains(expected), "{more}: {result}");
        assert_eq!(got.as_str().unwrap_or_default(), error, "{more}: {result}");
    }
}

#[test]
fn checks_that_ports_accept_and_names_resolve() {
    let env = Env::new();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let open = listener.local_addr().unwrap().port();
    let closed = {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.local_addr().unwrap().port()
    };
    let server = serve_dns();
    for (probe, expected, error) in [
        (format!("tcp = \"127.0.0.1:{open}\""), "ok connected", ""),
        (format!("tcp = \"localhost:{open}\""), "ok connected", ""),
        (format!("tcp = \"127.0.0.1:{closed}\""), "connection refused by", "Connect"),
        ("dns = { name = \"localhost\" }".to_owned(), "ok resolved", ""),
        (
            "dns = { name = \"localhost\", expect = \"127.0.0.1\" }".to_owned(),
            "ok resolved",
            "",
        ),
        (
            "dns = { name = \"localhost\", expect = \"10.0.0.1\" }".to_owned(),
            "the A record of localhost is 127.0.0.1, not 10.0.0.1",
            "UnexpectedBody",
        ),
        (
            format!("dns = {{ name = \"a.test\", server = \"{server}\", expect = \"192.0.2.1\" }}"),
            "ok resolved",
            "",
        ),
        (
            format!("dns = {{ name = \"a.test\", type = \"mx\", server = \"{server}\", expect = \"Mail.test\" }}"),
            "ok resolved",
            "",
        ),
        (
            format!("dns = {{ name = \"a.test\", type = \"TXT\", server = \"{server}\", expect = \"v=spf1 \u{fffd}\" }}"),
            "ok resolved",
            "",
        ),
        (
            format!("dns = {{ name = \"a.test\", type = \"NS\", server = \"{server}\" }}"),
            "a.test has no NS record",
            "Dns",
        ),
        (
            format!("dns = {{ name = \"none.test\", server = \"{server}\" }}"),
            "the name none.test does not exist",
            "Dns",
        ),
    ] {
        let (result, got) = check(&env, &probe);
        assert!(result.contains(expected), "{probe}: {result}");
        assert_eq!(got.as_str().unwrap_or_default(), error, "{probe}: {result}");
    }
}

/// Starts a DNS server on loopback that resolves `a.test`; returns its address.
fn serve_dns() -> String {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap().to_string();
    std::thread::spawn(move || {
        let mut buffer = [0; 512];
        while let Ok((length, from)) = socket.recv_from(&mut buffer) {
            let query = Packet::parse(&buffer[..length]).unwrap();
            let question = query.questions[0].clone();
            let mut answer = Packet::new_reply(query.id());
            let is_type = |record| question.qtype == QTYPE::TYPE(record);
            let mail = || MX {
                preference: 10,
                exchange: Name::new_unchecked("mail.test"),
            };
            let data = if is_type(TYPE::A) {
                Some(RData::A(A { address: 0xc000_0201 }))
            } else if is_type(TYPE::MX) {
                Some(RData::MX(mail()))
            } else {
                // The second string is not UTF-8.
                let strings = [&b"v=spf1"[..], b" \xff"].map(|bytes| CharacterString::new(bytes).unwrap());
                let txt = strings.into_iter().fold(TXT::new(), TXT::with_char_string);
                is_type(TYPE::TXT).then_some(RData::TXT(txt))
            };
            if question.qname.to_string() == "a.test" {
                let record = |data| ResourceRecord::new(question.qname.clone(), CLASS::IN, 60, data);
                answer.answers.extend(data.map(record));
            } else {
                *answer.rcode_mut() = simple_dns::RCODE::NameError;
            }
            answer.questions.push(question.clone());
            socket.send_to(&answer.build_bytes_vec().unwrap(), from).unwrap();
        }
    });
    address
}
