//! How late probes arrive at their target, compared with bare threads that sleep until the same time and make one request each.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use tempo::clock::pause;

use crate::support::{directory, percentile, quietly, row, tempo};
use crate::web::{Web, now_us};

/// Number of times at which requests are made, once per second.
const MARKS: u32 = 20;
/// Seconds until a server has settled.
const SETTLE: u32 = 3;
const SECOND_US: u64 = 1_000_000;

pub(crate) fn run() {
    let web = Web::start();
    let directory = directory();
    for count in [1, 100, 1000] {
        from_bare_threads(&web, count);
        let bare = lateness(&web, count * MARKS as usize);
        from_tempo(&web, directory.path(), count);
        let ours = lateness(&web, count * MARKS as usize);
        for (name, late) in [("bare threads", &bare), ("tempo", &ours)] {
            let value = format!("{:.2} · {:.2} ms", percentile(late, 0.5), percentile(late, 0.99));
            row(&format!("{count} probes at once, {name}: p50 · p99"), &value, "");
        }
        let ratio = |part| percentile(&ours, part) / percentile(&bare, part);
        row(
            "  tempo compared with bare threads",
            &format!("{:.2} · {:.2} x", ratio(0.5), ratio(0.99)),
            "1.3 x",
        );
    }
}

/// Each of `count` threads makes a request at each mark.
fn from_bare_threads(web: &Web, count: usize) {
    let first = now_us() / SECOND_US + 2;
    let request = || {
        let mut stream = TcpStream::connect(web.address()).expect("the server accepts");
        stream
            .write_all(b"GET / HTTP/1.1\r\nhost: target\r\n\r\n")
            .expect("the request is sent");
        let _ = stream.read(&mut [0; 256]).expect("the server answers");
    };
    std::thread::scope(|scope| {
        for _ in 0..count {
            scope.spawn(|| {
                for mark in first..first + u64::from(MARKS) {
                    pause(Duration::from_micros((mark * SECOND_US).saturating_sub(now_us())));
                    request();
                }
            });
        }
    });
}

/// A server makes a probe for each of `count` schedules every second.
fn from_tempo(web: &Web, directory: &Path, count: usize) {
    let (database, file) = (directory.join(format!("{count}.db")), directory.join(format!("{count}.toml")));
    let schedule = |number| {
        let probe = format!("[[schedule.step]]\nname = 'web'\nprobe = {{ url = '{}' }}\n", web.url);
        format!("[[schedule]]\nid = 's{number}'\ninterval = '1s'\noverlap_policy = 'AllowAll'\n{probe}")
    };
    std::fs::write(&file, (0..count).map(schedule).collect::<String>()).expect("the file can be written");
    quietly(&database, &["apply", "-f", &file.display().to_string()]);
    let span = format!("{}s", SETTLE + MARKS + 1);
    let served = tempo(&database, &["-q", "run", "--no-web", "--for", &span])
        .stdout(Stdio::null())
        .status();
    assert!(served.expect("the server starts").success());
}

/// The lateness of the last `count` requests that arrived, in milliseconds, sorted.
fn lateness(web: &Web, count: usize) -> Vec<f64> {
    let arrivals = web.take_arrivals();
    #[expect(clippy::cast_precision_loss, reason = "less than a second")]
    let late = |at: &u64| (at % SECOND_US) as f64 / 1000.0;
    let mut late: Vec<f64> = arrivals[arrivals.len().saturating_sub(count)..].iter().map(late).collect();
    late.sort_by(f64::total_cmp);
    late
}
