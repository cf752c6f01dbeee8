//! The pages: how long each takes and how large it is with a long history, and what viewers cost the server.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Stdio};
use std::time::Duration;

use tempo::clock::{Clock as _, Stopwatch, SystemClock};

use crate::support::{
    TEMPO, create_one, directory, end, median, ms, multiply, numbers, percentile, quietly, resident_kib, row, tempo, wait_a_while,
};
use crate::web;

const SCHEDULES: usize = 10_000;
const RUNS: usize = 1_000_000;
const VIEWERS: usize = 20;
/// How long lateness is measured with and without viewers.
const SPAN: Duration = Duration::from_secs(30);

pub(crate) fn run() {
    let directory = directory();
    pages(directory.path());
    viewers(directory.path());
    idle(directory.path());
    let size = std::fs::metadata(TEMPO).expect("the program exists").len();
    row("size of the program", &format!("{:.1} MB", megabytes(size)), "13 MB");
}

#[expect(clippy::cast_precision_loss, reason = "a size")]
fn megabytes(bytes: u64) -> f64 {
    bytes as f64 / 1_000_000.0
}

/// A server with a page on a free port.
struct Page {
    child: Child,
    address: String,
    cookie: String,
}

impl Page {
    fn serve(database: &Path) -> Self {
        let mut child = tempo(database, &["run", "--web", "127.0.0.1:0"])
            .stdout(Stdio::piped())
            .spawn()
            .expect("the server starts");
        let mut lines = BufReader::new(child.stdout.take().expect("its stdout is a pipe")).lines();
        let line = lines.find_map(|line| line.ok().filter(|line| line.contains("http://")));
        let line = line.expect("the server has a page");
        let address = line.split("http://").nth(1).and_then(|rest| rest.split('/').next());
        let address = address.expect("the line has the address").to_owned();
        std::thread::spawn(move || lines.for_each(drop));
        let mut token = database.as_os_str().to_owned();
        token.push(".web-token");
        let token = std::fs::read_to_string(token).expect("the server has a token");
        let port = address.rsplit(':').next().unwrap_or_default();
        let cookie = format!("tempo-session-{port}={token}");
        Self { child, address, cookie }
    }

    fn request(&self, path: &str, connection: &str) -> TcpStream {
        let mut stream = TcpStream::connect(&self.address).expect("the server listens");
        let head = format!(
            "GET {path} HTTP/1.1\r\nhost: {}\r\ncookie: {}\r\nconnection: {connection}\r\n\r\n",
            self.address, self.cookie
        );
        stream.write_all(head.as_bytes()).expect("the server reads");
        stream
    }

    fn get(&self, path: &str) -> Vec<u8> {
        let mut answer = Vec::new();
        self.request(path, "close")
            .read_to_end(&mut answer)
            .expect("the server answers");
        assert!(
            answer.starts_with(b"HTTP/1.1 200"),
            "{path}: {}",
            String::from_utf8_lossy(&answer)
        );
        answer
    }
}

fn pages(directory: &Path) {
    let database = directory.join("pages.db");
    create_one(&database, &["--probe", "web=http://127.0.0.1:1/"]);
    multiply(&database, SCHEDULES, 86_400, 3600);
    let connection = rusqlite::Connection::open(&database).expect("the database opens");
    let first = SystemClock.now().timestamp_millis() - 29 * 86_400_000;
    // One in fifty failed, each in an incident that was resolved.
    let sql = format!(
        "BEGIN;
        CREATE TEMP TABLE n AS WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {RUNS}) SELECT i, {first} + i * 2500 AS at FROM n;
        INSERT INTO run (workflow_id, schedule, schedule_id, origin, workflow, nominal_ms, due_ms, started_ms, closed_ms, status, incidents)
            SELECT 'copy-' || (i % {SCHEDULES} + 1) || '-' || at, 2 + i % {SCHEDULES}, 'copy-' || (i % {SCHEDULES} + 1), 'scheduled', 1, at, at, at, at + 5 + i % 300,
            'Completed', i % 50 = 0 FROM n;
        INSERT INTO step (run, position, status, result, closed_ms) SELECT i, 0, 'Completed', 'ok status=200', at + 5 FROM n;
        INSERT INTO attempt (run, position, number, started_ms, elapsed_ms, outcome, status_code) SELECT i, 0, 1, at, 5 + i % 300, 'ok', 200 FROM n;
        INSERT INTO event (at_ms, kind, schedule, run, position, value)
            SELECT at + later, kind, 2 + i % {SCHEDULES}, i, position, value FROM n,
                (SELECT 0 AS later, 'start' AS kind, NULL AS position, NULL AS value
                UNION ALL SELECT 5, 'step', 0, NULL UNION ALL SELECT 5, 'finish', NULL, 5) ORDER BY i, later;
        COMMIT; PRAGMA wal_checkpoint(TRUNCATE);"
    );
    connection.execute_batch(&sql).expect("the statements are valid SQL");
    let run: String = connection
        .query_row("SELECT run_id FROM run WHERE key = 777777", [], |r| r.get(0))
        .expect("the run exists");
    drop(connection);
    quietly(&database, &["run", "--once", "--keep-for", "3650d"]);
    let page = Page::serve(&database);
    for path in [
        "/",
        "/schedules",
        "/schedules?q=copy-77",
        "/schedules/copy-500",
        "/schedules/copy-500?span=month",
        "/runs",
        "/runs?schedule=copy-500",
        "/runs?status=failures",
        "/runs?since=-7d&until=-6d",
        &format!("/runs/{run}"),
        "/incidents",
        "/status",
        "/api/v1/schedules",
        "/api/v1/status",
        "/metrics",
    ] {
        let mut size = 0;
        let took = median(20, || {
            let watch = Stopwatch::start();
            size = page.get(path).len();
            watch.elapsed()
        });
        let name = format!("{}, {} KB", path.replace(&run, "RUN"), size / 1000);
        let target = if path.starts_with("/api") || path == "/metrics" {
            ""
        } else {
            "20 ms, 100 KB"
        };
        row(&name, &ms(took), target);
    }
    end(page.child);
}

/// How late starts are, without viewers and with viewers that reload their page when something changes.
fn viewers(directory: &Path) {
    let web = web::Web::start();
    let mut alone = 0.0;
    for viewers in [0, VIEWERS] {
        let database = directory.join(format!("viewers-{viewers}.db"));
        create_one(&database, &["--probe", &format!("web={}", web.url)]);
        multiply(&database, 100, 1, 0);
        let page = Page::serve(&database);
        let open: Vec<TcpStream> = (0..viewers).map(|_| page.request("/api/v1/events", "keep-alive")).collect();
        let streams: Vec<TcpStream> = open
            .iter()
            .map(|stream| stream.try_clone().expect("the stream is open"))
            .collect();
        std::thread::scope(|s| {
            for stream in streams {
                // Like the script of the page: on a change, at most once a second.
                s.spawn(|| {
                    let mut last = Stopwatch::start();
                    for line in BufReader::new(stream).lines().map_while(Result::ok) {
                        if line == "event: change" && last.elapsed() >= Duration::from_secs(1) {
                            last = Stopwatch::start();
                            page.get("/");
                        }
                    }
                });
            }
            wait_a_while(SPAN);
            for stream in &open {
                let _ = stream.shutdown(std::net::Shutdown::Both);
            }
        });
        let resident = resident_kib(page.child.id());
        end(page.child);
        let late = numbers(
            &database,
            "SELECT started_ms - due_ms FROM run WHERE started_ms > (SELECT min(started_ms) FROM run) + 5000 ORDER BY 1",
        );
        let (p50, p99) = (percentile(&late, 0.5), percentile(&late, 0.99));
        if viewers == 0 {
            alone = p50;
        }
        let name = format!(
            "100 starts per second, {viewers} viewers: {:.2} x; p50 · p99",
            p50 / alone.max(1.0)
        );
        row(
            &name,
            &format!("{p50:.0} · {p99:.0} ms"),
            if viewers == 0 { "" } else { "1.2 x" },
        );
        row("  resident memory", &format!("{:.1} MB", megabytes(resident * 1024)), "");
    }
}

fn idle(directory: &Path) {
    let database = directory.join("idle-page.db");
    create_one(&database, &["--shell", "true"]);
    multiply(&database, SCHEDULES, 86_400, 100_000);
    let page = Page::serve(&database);
    wait_a_while(Duration::from_secs(5));
    let before = resident_kib(page.child.id());
    page.get("/");
    let after = resident_kib(page.child.id());
    let both = format!("{:.1} · {:.1} MB", megabytes(before * 1024), megabytes(after * 1024));
    row("idle, 10,000 schedules: memory · after a visit", &both, "14 MB");
    end(page.child);
}
