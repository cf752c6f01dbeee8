//! A probe of a name: it must resolve, and to what is expected.

use std::io::{Read as _, Write as _};
use std::net::{IpAddr, UdpSocket};
use std::time::Duration;

use simple_dns::rdata::RData;
use simple_dns::{CLASS, Name, Packet, PacketFlag, QTYPE, Question, RCODE, TYPE};

use super::shortage::{Shortage, Trouble};
use super::tcp::{addresses, connect, too_late};
use super::with_deadline::with_deadline;
use super::{Control, Task};
use crate::clock::Stopwatch;
use crate::run::outcome::{AttemptResult, Ending, ErrorType, Failure};
use crate::run::probe::{Dns, Record, host_and_port};

/// The port of DNS.
const PORT: u16 = 53;
/// How long one server is waited for before it is asked again, or the next one is.
const PATIENCE: Duration = Duration::from_secs(2);
/// How often each server is asked.
const TRIES: usize = 2;

/// Looks the name up.
pub(super) fn probe(dns: &Dns, task: &Task<'_>, control: &Control) -> Result<AttemptResult, Shortage> {
    let watch = Stopwatch::start();
    let asked = dns.clone();
    let found = with_deadline(task.time_left, control, move || look_up(&asked));
    let ending = match (control.asked(), found) {
        (Some(kind), _) => kind.ending(),
        (None, Ok(Some(answers))) => judge(dns, &answers),
        (None, Err(Trouble::Failed(failure))) => Ending::Failed(failure),
        (None, Err(Trouble::Short(shortage))) => return Err(shortage),
        (None, Ok(None)) => Ending::Failed(too_late(&format!("the look-up of {}", dns.name), task.limit)),
    };
    Ok(AttemptResult::new(ending, watch.elapsed_ms()))
}

fn judge(dns: &Dns, answers: &[String]) -> Ending {
    let of = |error_type, message: String| Ending::Failed(Failure { error_type, message });
    let (name, record) = (&dns.name, dns.record.name());
    if answers.is_empty() {
        return of(ErrorType::Dns, format!("{name} has no {record} record"));
    }
    let plain = |text: &str| text.trim_end_matches('.').to_ascii_lowercase();
    let is = |answer: &String, want: &String| {
        // Of MX, also without the preference.
        plain(answer) == plain(want)
            || answer
                .split_once(' ')
                .is_some_and(|(_, host)| dns.record == Record::Mx && plain(host) == plain(want))
    };
    match &dns.expect {
        Some(want) if !answers.iter().any(|a| is(a, want)) => of(
            ErrorType::UnexpectedBody,
            format!("{record} of {name} is {}, not {want}", answers.join(", ")),
        ),
        Some(_) | None => Ending::Ok,
    }
}

fn failed(message: String) -> Failure {
    Failure {
        error_type: ErrorType::Dns,
        message,
    }
}

/// The answers, as text.
fn look_up(dns: &Dns) -> Result<Vec<String>, Trouble> {
    if dns.server.is_none() && matches!(dns.record, Record::A | Record::Aaaa) {
        let found = addresses(&dns.name, 0)?.ok_or_else(|| failed(format!("cannot find the host {}", dns.name)))?;
        let wanted = |ip: &IpAddr| ip.is_ipv4() == (dns.record == Record::A);
        let mut answers: Vec<String> = found.iter().map(|a| a.ip()).filter(wanted).map(|ip| ip.to_string()).collect();
        answers.dedup();
        return Ok(answers);
    }
    let servers: Vec<(String, u16)> = match &dns.server {
        Some(server) => host_and_port(server, Some(PORT)).into_iter().collect(),
        None => name_servers(),
    };
    let mut last = failed("`/etc/resolv.conf` names no server".to_owned());
    for (host, port) in servers.iter().flat_map(|s| std::iter::repeat_n(s, TRIES)) {
        match ask(dns, host, *port) {
            Ok(answers) => return Ok(answers),
            Err(Trouble::Failed(failure)) => last = failure,
            Err(short @ Trouble::Short(_)) => return Err(short),
        }
    }
    Err(last.into())
}

/// The servers that this machine asks.
fn name_servers() -> Vec<(String, u16)> {
    let text = std::fs::read_to_string("/etc/resolv.conf").unwrap_or_default();
    let named = text.lines().filter_map(|l| l.trim().strip_prefix("nameserver"));
    named.map(|server| (server.trim().to_owned(), PORT)).collect()
}

fn ask(dns: &Dns, host: &str, port: u16) -> Result<Vec<String>, Trouble> {
    let told = |e: &dyn std::fmt::Display| failed(format!("cannot ask {host}:{port} for {}: {e}", dns.name));
    let name = Name::new(&dns.name).map_err(|e| told(&e))?;
    let id = u16::try_from(crate::machine::pid() & 0xffff).unwrap_or_default();
    let mut query = Packet::new_query(id);
    query.set_flags(PacketFlag::RECURSION_DESIRED);
    query
        .questions
        .push(Question::new(name, QTYPE::TYPE(kind(dns.record)), CLASS::IN.into(), false));
    let query = query.build_bytes_vec().map_err(|e| told(&e))?;
    let socket = UdpSocket::bind(if host.contains(':') { "[::]:0" } else { "0.0.0.0:0" });
    let socket = socket.map_err(|e| Shortage::of(&e).map_or_else(|| told(&e).into(), Trouble::Short))?;
    socket.connect((host, port)).map_err(|e| told(&e))?;
    socket.set_read_timeout(Some(PATIENCE)).map_err(|e| told(&e))?;
    socket.send(&query).map_err(|e| told(&e))?;
    let mut buffer = vec![0; 4096];
    let length = socket.recv(&mut buffer).map_err(|e| told(&e))?;
    buffer.truncate(length);
    let is_cut = Packet::parse(&buffer).is_ok_and(|p| p.has_flags(PacketFlag::TRUNCATION));
    if is_cut {
        buffer = over_tcp(&query, host, port)?;
    }
    let answer = Packet::parse(&buffer).map_err(|e| told(&e))?;
    if answer.id() != id {
        return Err(told(&"the answer is to another question").into());
    }
    let code = answer.rcode();
    if code == RCODE::NameError {
        return Err(failed(format!("there is no name {}", dns.name)).into());
    }
    if code != RCODE::NoError {
        return Err(told(&format!("{code:?}")).into());
    }
    Ok(answer
        .answers
        .iter()
        .filter_map(|record| text(dns.record, &record.rdata))
        .collect())
}

/// Asks again for an answer that is too long for a datagram.
fn over_tcp(query: &[u8], host: &str, port: u16) -> Result<Vec<u8>, Trouble> {
    let mut stream = connect(host, port, Some(PATIENCE))?;
    let mut exchange = || -> std::io::Result<Vec<u8>> {
        stream.set_read_timeout(Some(PATIENCE))?;
        let length = u16::try_from(query.len()).unwrap_or(u16::MAX);
        stream.write_all(&length.to_be_bytes())?;
        stream.write_all(query)?;
        let mut length = [0; 2];
        stream.read_exact(&mut length)?;
        let mut answer = vec![0; usize::from(u16::from_be_bytes(length))];
        stream.read_exact(&mut answer)?;
        Ok(answer)
    };
    exchange().map_err(|e| failed(format!("cannot ask {host}:{port}: {e}")).into())
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

/// An answer as text, where it is of the record that was asked for.
fn text(record: Record, data: &RData<'_>) -> Option<String> {
    match (record, data) {
        (Record::A, RData::A(a)) => Some(std::net::Ipv4Addr::from(a.address).to_string()),
        (Record::Aaaa, RData::AAAA(a)) => Some(std::net::Ipv6Addr::from(a.address).to_string()),
        (Record::Cname, RData::CNAME(name)) => Some(name.0.to_string()),
        (Record::Mx, RData::MX(mx)) => Some(format!("{} {}", mx.preference, mx.exchange)),
        (Record::Ns, RData::NS(name)) => Some(name.0.to_string()),
        (Record::Ptr, RData::PTR(name)) => Some(name.0.to_string()),
        (Record::Txt, RData::TXT(txt)) => String::try_from(txt.clone()).ok(),
        _ => None,
    }
}
