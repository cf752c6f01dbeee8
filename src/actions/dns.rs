//! DNS probes: a name must resolve, to the expected value if one is given.

use std::io::ErrorKind;
use std::io::{Read as _, Write as _};
use std::net::{IpAddr, UdpSocket};
use std::time::Duration;

use simple_dns::rdata::{RData, TXT};
use simple_dns::{CLASS, Name, Packet, PacketFlag, QTYPE, Question, RCODE, TYPE};

use super::shortage::{AttemptError, Shortage};
use super::tcp::{DeadlineStream, addresses, connect, timeout_failure};
use super::with_deadline::with_deadline;
use super::{Control, Task};
use crate::clock::Stopwatch;
use crate::run::outcome::{AttemptResult, Ending, ErrorType, Failure};
use crate::run::probe::{Dns, Record, host_and_port};

/// The default port of DNS servers.
const PORT: u16 = 53;
/// Timeout of one query, after which it is sent again, or to the next server.
const QUERY_TIMEOUT: Duration = Duration::from_secs(2);
/// Number of queries to each server.
const TRIES: usize = 2;

/// Looks up the name and checks the answers.
pub(super) fn probe(dns: &Dns, task: &Task<'_>, control: &Control) -> Result<AttemptResult, Shortage> {
    let watch = Stopwatch::start();
    let query = dns.clone();
    let found = with_deadline(task.time_left, control, move || look_up(&query));
    let ending = match (control.requested(), found) {
        (Some(kind), _) => kind.ending(),
        (None, Ok(Some(answers))) => check(dns, &answers),
        (None, Err(AttemptError::Failed(failure))) => Ending::Failed(failure),
        (None, Err(AttemptError::Shortage(shortage))) => return Err(shortage),
        (None, Ok(None)) => Ending::Failed(timeout_failure(&format!("DNS for {}", dns.name), task.limit)),
    };
    Ok(AttemptResult::new(ending, watch.elapsed_ms()))
}

fn check(dns: &Dns, answers: &[String]) -> Ending {
    let failed = |error_type, message: String| Ending::Failed(Failure { error_type, message });
    let (name, record) = (&dns.name, dns.record.name());
    if answers.is_empty() {
        return failed(ErrorType::Dns, format!("{name} has no {record} record"));
    }
    let plain = |text: &str| text.trim_end_matches('.').to_ascii_lowercase();
    let equal = |answer: &String, want: &String| {
        // The preference of an MX record may be omitted.
        plain(answer) == plain(want)
            || answer
                .split_once(' ')
                .is_some_and(|(_, host)| dns.record == Record::Mx && plain(host) == plain(want))
    };
    match &dns.expect {
        Some(want) if !answers.iter().any(|a| equal(a, want)) => failed(
            ErrorType::UnexpectedBody,
            format!("the {record} record of {name} is {}, not {want}", answers.join(", ")),
        ),
        Some(_) | None => Ending::Ok,
    }
}

fn failure(message: String) -> Failure {
    Failure {
        error_type: ErrorType::Dns,
        message,
    }
}

/// Returns the answers as text.
fn look_up(dns: &Dns) -> Result<Vec<String>, AttemptError> {
    if dns.server.is_none() && matches!(dns.record, Record::A | Record::Aaaa) {
        let found = addresses(&dns.name, 0)?.ok_or_else(|| failure(format!("cannot find the host {}", dns.name)))?;
        let is_of_type = |ip: &IpAddr| ip.is_ipv4() == (dns.record == Record::A);
        let mut answers: Vec<String> = found
            .iter()
            .map(|a| a.ip())
            .filter(is_of_type)
            .map(|ip| ip.to_string())
            .collect();
        answers.dedup();
        return Ok(answers);
    }
    let servers: Vec<(String, u16)> = match &dns.server {
        Some(server) => host_and_port(server, Some(PORT)).into_iter().collect(),
        None => name_servers(),
    };
    let mut last = failure("`/etc/resolv.conf` has no name server".to_owned());
    for (host, port) in servers.iter().flat_map(|s| std::iter::repeat_n(s, TRIES)) {
        match query_server(dns, host, *port) {
            Ok(answers) => return Ok(answers),
            Err(AttemptError::Failed(error)) => last = error,
            Err(short @ AttemptError::Shortage(_)) => return Err(short),
        }
    }
    Err(last.into())
}

/// Returns the name servers in `/etc/resolv.conf`.
fn name_servers() -> Vec<(String, u16)> {
    let text = std::fs::read_to_string("/etc/resolv.conf").unwrap_or_default();
    let servers = text.lines().filter_map(|l| l.trim().strip_prefix("nameserver"));
    servers.map(|server| (server.trim().to_owned(), PORT)).collect()
}

fn query_server(dns: &Dns, host: &str, port: u16) -> Result<Vec<String>, AttemptError> {
    let error = |e: &dyn std::fmt::Display| failure(format!("cannot query {host}:{port} for {}: {e}", dns.name));
    let receive_error = |e: std::io::Error| {
        if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) {
            return error(&format!("no response within {} s", QUERY_TIMEOUT.as_secs()));
        }
        if e.kind() == ErrorKind::UnexpectedEof {
            return error(&"the connection was closed before the response was complete");
        }
        error(&e)
    };
    let name = Name::new(&dns.name).map_err(|e| error(&e))?;
    let id = u16::try_from(crate::machine::pid() & 0xffff).unwrap_or_default();
    let mut query = Packet::new_query(id);
    query.set_flags(PacketFlag::RECURSION_DESIRED);
    query
        .questions
        .push(Question::new(name, QTYPE::TYPE(kind(dns.record)), CLASS::IN.into(), false));
    let query = query.build_bytes_vec().map_err(|e| error(&e))?;
    let socket = UdpSocket::bind(if host.contains(':') { "[::]:0" } else { "0.0.0.0:0" });
    let socket = socket.map_err(|e| Shortage::of(&e).map_or_else(|| error(&e).into(), AttemptError::Shortage))?;
    socket.connect((host, port)).map_err(|e| error(&e))?;
    socket.set_read_timeout(Some(QUERY_TIMEOUT)).map_err(|e| error(&e))?;
    socket.send(&query).map_err(|e| error(&e))?;
    let mut buffer = vec![0; 4096];
    let length = socket.recv(&mut buffer).map_err(receive_error)?;
    buffer.truncate(length);
    let is_truncated = Packet::parse(&buffer).is_ok_and(|p| p.has_flags(PacketFlag::TRUNCATION));
    if is_truncated {
        let stream = DeadlineStream::new(connect(host, port, Some(QUERY_TIMEOUT))?, Some(QUERY_TIMEOUT));
        buffer = exchange(stream, &query).map_err(receive_error)?;
    }
    let answer = Packet::parse(&buffer).map_err(|e| error(&e))?;
    let is_asked = |question: &Question<'_>| {
        question
            .qname
            .to_string()
            .eq_ignore_ascii_case(dns.name.trim_end_matches('.'))
            && question.qtype == QTYPE::TYPE(kind(dns.record))
    };
    // A server that cannot answer may leave the question out.
    let is_refused = answer.questions.is_empty() && answer.rcode() != RCODE::NoError;
    if answer.id() != id || !is_refused && !answer.questions.iter().any(is_asked) {
        return Err(error(&"the response does not match the query").into());
    }
    let code = answer.rcode();
    if code == RCODE::NameError {
        return Err(failure(format!("the name {} does not exist", dns.name)).into());
    }
    if code != RCODE::NoError {
        return Err(error(&format!("{code:?}")).into());
    }
    Ok(answer
        .answers
        .iter()
        .filter_map(|record| text(dns.record, &record.rdata))
        .collect())
}

/// Repeats a query over TCP, for an answer that is too long for UDP.
fn exchange(mut stream: DeadlineStream, query: &[u8]) -> std::io::Result<Vec<u8>> {
    let length = u16::try_from(query.len()).unwrap_or(u16::MAX);
    stream.write_all(&length.to_be_bytes())?;
    stream.write_all(query)?;
    let mut length = [0; 2];
    stream.read_exact(&mut length)?;
    let mut answer = vec![0; usize::from(u16::from_be_bytes(length))];
    stream.read_exact(&mut answer)?;
    Ok(answer)
}

fn kind(record: Record) -> TYPE {
    match record {
        Record::A => TYPE::A,
        Record::Aaaa => TYPE::AAAA,
        Record::Cname => TYPE::CNAME,
        Record::Mx => TYPE::MX,
        Record::Ns => TYPE::NS,
        Record::Ptr => TYPE::PTR,
        Record::Txt => TYPE::TXT,
    }
}

/// Returns an answer as text, or `None` if it is of another record type.
fn text(record: Record, data: &RData<'_>) -> Option<String> {
    match (record, data) {
        (Record::A, RData::A(a)) => Some(std::net::Ipv4Addr::from(a.address).to_string()),
        (Record::Aaaa, RData::AAAA(a)) => Some(std::net::Ipv6Addr::from(a.address).to_string()),
        (Record::Cname, RData::CNAME(name)) => Some(name.0.to_string()),
        (Record::Mx, RData::MX(mx)) => Some(format!("{} {}", mx.preference, mx.exchange)),
        (Record::Ns, RData::NS(name)) => Some(name.0.to_string()),
        (Record::Ptr, RData::PTR(name)) => Some(name.0.to_string()),
        (Record::Txt, RData::TXT(txt)) => Some(String::try_from(txt.clone()).unwrap_or_else(|_| lossy(txt))),
        _ => None,
    }
}

/// The text of a TXT record that is not UTF-8.
fn lossy(txt: &TXT<'_>) -> String {
    let strings = txt.iter_raw().map(|(key, value)| match value {
        Some(value) => [key, b"=", value].concat(),
        None => key.to_vec(),
    });
    String::from_utf8_lossy(&strings.collect::<Vec<_>>().concat()).into_owned()
}
