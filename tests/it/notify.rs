//! Notifications: real receivers on loopback that answer, fail, hang and come back; mail over SMTP; commands; servers that are killed.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use mailin::{Action, AuthMechanism, Response, SessionBuilder, response};
use serde_json::Value;

use crate::harness::{Env, Targets, wait_until};

/// A request that a receiver got.
#[derive(Debug, Clone)]
struct Request {
    path: String,
    headers: Vec<(String, String)>,
    body: String,
}

impl Request {
    fn header(&self, name: &str) -> &str {
        let found = self.headers.iter().find(|(n, _)| n.eq_ignore_ascii_case(name));
        found.map_or("", |(_, value)| value)
    }

    fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }
}

/// An HTTP server that records requests; `answer` gives the status of each, by its number from 1, or `None` to hang.
struct Webhook {
    port: u16,
    got: Arc<Mutex<Vec<Request>>>,
}

impl Webhook {
    fn start(answer: impl Fn(usize) -> Option<u16> + Send + 'static) -> Self {
        Self::on(TcpListener::bind("127.0.0.1:0").unwrap(), answer)
    }

    fn on(listener: TcpListener, answer: impl Fn(usize) -> Option<u16> + Send + 'static) -> Self {
        let (port, got) = (listener.local_addr().unwrap().port(), Arc::<Mutex<Vec<Request>>>::default());
        let record = Arc::clone(&got);
        std::thread::spawn(move || {
            let mut hanging = Vec::new();
            for stream in listener.incoming().map_while(Result::ok) {
                let request = read_request(&stream);
                let number = {
                    let mut got = record.lock().unwrap();
                    got.push(request);
                    got.len()
                };
                match answer(number) {
                    Some(status) => {
                        let _ = write!(
                            &stream,
                            "HTTP/1.1 {status} X\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
                        );
                    }
                    None => hanging.push(stream),
                }
            }
        });
        Self { port, got }
    }

    fn url(&self) -> String {
        format!("http://127.0.0.1:{}/hook/secret-path", self.port)
    }

    fn got(&self) -> Vec<Request> {
        self.got.lock().unwrap().clone()
    }

    #[track_caller]
    fn wait_for(&self, at_least: usize) -> Vec<Request> {
        wait_until(&format!("{at_least} requests"), || self.got().len() >= at_least);
        self.got()
    }
}

fn read_request(stream: &TcpStream) -> Request {
    let mut reader = BufReader::new(stream);
    let mut line = || {
        let mut line = String::new();
        reader.read_line(&mut line).unwrap();
        line.trim_end().to_owned()
    };
    let path = line().split(' ').nth(1).unwrap().to_owned();
    let mut headers = Vec::new();
    loop {
        let line = line();
        let Some((name, value)) = line.split_once(": ") else { break };
        headers.push((name.to_owned(), value.to_owned()));
    }
    let length = headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("content-length"));
    let mut body = vec![0; length.unwrap().1.parse().unwrap()];
    reader.read_exact(&mut body).unwrap();
    Request {
        path,
        headers,
        body: String::from_utf8(body).unwrap(),
    }
}

/// A schedule whose step fails while the file `broken` exists, and a trigger of it.
fn failing_schedule(env: &Env, id: &str) {
    std::fs::write(env.path("broken"), "").unwrap();
    let broken = env.path("broken");
    let line = format!("if test -e '{}'; then echo out of order; exit 3; fi", broken.display());
    env.tempo(&["schedule", "create", id, "--allow-never", "--shell", &line]).ok();
}

fn run_of(env: &Env, id: &str) {
    let code = env.tempo(&["schedule", "trigger", id, "--wait"]).code;
    assert!(matches!(code, Some(0 | 1)), "{code:?}");
}

#[test]
fn a_webhook_gets_opened_and_resolved_and_a_retry_keeps_its_idempotency_key() {
    let env = Env::new();
    // The first answer is an error; the message is sent again.
    let hook = Webhook::start(|number| Some(if number == 1 { 503 } else { 204 }));
    failing_schedule(&env, "backup");
    env.tempo(&["notify", "add", "chat", "--webhook", &hook.url(), "--group-wait", "0s"])
        .ok();
    let mut server = env.serve(&[]);
    run_of(&env, "backup");
    let got = hook.wait_for(2);
    server.wait_for_log("unexpected status 503");
    let opened = got[1].json();
    assert_eq!(got[0].body, got[1].body);
    assert_eq!(got[1].header("idempotency-key"), opened["id"].as_str().unwrap());
    assert_eq!(got[1].path, "/hook/secret-path");
    for (pointer, value) in [
        ("/event", "opened"),
        ("/schedule_id", "backup"),
        ("/incident/target_name", "command"),
        ("/incident/error", "exit 3"),
        ("/incident/status", "open"),
    ] {
        assert_eq!(
            opened.pointer(pointer).and_then(Value::as_str),
            Some(value),
            "{pointer} of {opened}"
        );
    }
    let incident = env.json(&["incident", "describe", "1"]);
    for (field, value) in opened["incident"].as_object().unwrap() {
        assert_eq!(incident.get(field), Some(value), "{field}");
    }
    assert_eq!(opened["run_id"], incident["run_id"]);
    // A second failure of the same incident is not told.
    run_of(&env, "backup");
    std::fs::remove_file(env.path("broken")).unwrap();
    run_of(&env, "backup");
    let got = hook.wait_for(3);
    let resolved = got[2].json();
    assert_eq!(
        (resolved["event"].as_str(), resolved["incident"]["count"].as_u64()),
        (Some("resolved"), Some(2))
    );
    let listed = env.wait_for_json(&["notify", "list"], |list| list[0]["pending"] == 0);
    assert_eq!(
        (listed[0]["failed"].as_u64(), listed[0]["last_error"].as_str()),
        (Some(0), None)
    );
    assert_eq!(listed[0]["target"], format!("http://127.0.0.1:{}/…", hook.port));
}

#[test]
fn a_receiver_that_hangs_delays_neither_the_others_nor_a_start_nor_the_stop() {
    let env = Env::new();
    let (hanging, hook) = (Webhook::start(|_| None), Webhook::start(|_| Some(200)));
    failing_schedule(&env, "a");
    env.tempo(&["schedule", "create", "b", "--interval", "1s", "--shell", "echo x >> ticks"])
        .ok();
    for (name, receiver) in [("bad", &hanging), ("good", &hook)] {
        env.tempo(&["notify", "add", name, "--webhook", &receiver.url(), "--group-wait", "0s"])
            .ok();
    }
    let server = env.serve(&[]);
    run_of(&env, "a");
    hanging.wait_for(1);
    std::fs::remove_file(env.path("broken")).unwrap();
    run_of(&env, "a");
    assert_eq!(hook.wait_for(2)[1].json()["event"], "resolved");
    env.wait_for_lines("ticks", 2);
    // The hanging receiver gets its second message only after the first.
    assert_eq!(hanging.got().len(), 1);
    server.signal("TERM");
    assert_eq!(server.wait().0, Some(0));
    let pending = env.json(&["notify", "list", "--pending"]);
    let events: Vec<_> = pending
        .as_array()
        .unwrap()
        .iter()
        .map(|m| m["event"].as_str().unwrap())
        .collect();
    assert_eq!(events, ["opened", "resolved"]);
}

#[test]
fn a_message_survives_a_killed_server_and_a_receiver_that_was_down() {
    let env = Env::new();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    failing_schedule(&env, "a");
    let url = format!("http://127.0.0.1:{port}/");
    env.tempo(&[
        "notify",
        "add",
        "r",
        "--webhook",
        &url,
        "--group-wait",
        "0s",
        "--events",
        "opened,server-recovered",
    ])
    .ok();
    let mut server = env.serve(&[]);
    run_of(&env, "a");
    server.wait_for_log("connection refused");
    server.kill();
    let pending = env.json(&["notify", "list", "--pending"]);
    let hook = Webhook::on(TcpListener::bind(("127.0.0.1", port)).unwrap(), |_| Some(200));
    let _server = env.serve(&[]);
    env.tempo(&["notify", "retry", "r"]).ok();
    let mut events: Vec<_> = hook.wait_for(2).iter().map(|r| r.json()["event"].to_string()).collect();
    events.sort();
    assert_eq!(events, ["\"opened\"", "\"server-recovered\""]);
    let id = pending[0]["id"].as_str().unwrap();
    assert!(hook.got().iter().any(|r| r.header("idempotency-key") == id));
}

#[test]
fn a_receiver_whose_definition_was_not_valid_is_told_later_of_what_happened() {
    let env = Env::new();
    failing_schedule(&env, "a");
    let (chat, other) = (Webhook::start(|_| Some(200)), Webhook::start(|_| Some(200)));
    for (name, hook) in [("chat", &chat), ("other", &other)] {
        env.tempo(&["notify", "add", name, "--webhook", &hook.url(), "--group-wait", "0s"])
            .ok();
    }
    // As if the zone of its quiet hours were gone.
    let sql = "UPDATE receiver SET definition = json_set(definition, '$.quiet_hours', '22:00-07:00', '$.time_zone', 'Mars/Olympus') WHERE name = 'chat'";
    rusqlite::Connection::open(env.database()).unwrap().execute(sql, []).unwrap();
    let out = env.tempo(&["notify", "list"]);
    assert_eq!(out.code, Some(6));
    assert!(out.stdout.contains("other"), "{}", out.stdout);
    assert!(
        out.stderr.contains("receiver `chat`: the stored definition is not valid"),
        "{}",
        out.stderr
    );
    let server = env.serve_after(&format!("exec 2>'{}'", env.path("errors").display()), "");
    run_of(&env, "a");
    other.wait_for(1);
    std::fs::remove_file(env.path("broken")).unwrap();
    run_of(&env, "a");
    other.wait_for(2);
    server.signal("TERM");
    server.wait();
    let errors = std::fs::read_to_string(env.path("errors")).unwrap();
    assert_eq!(errors.matches("receiver `chat`").count(), 1, "{errors}");
    assert!(chat.got().is_empty());
    env.tempo(&["notify", "add", "bad", "--webhook", &other.url()]).ok();
    let sql = "UPDATE receiver SET definition = '{}' WHERE name = 'bad'";
    rusqlite::Connection::open(env.database()).unwrap().execute(sql, []).unwrap();
    assert_eq!(env.tempo(&["notify", "remove", "bad"]).ok(), "Removed bad\n");
    let sql = "UPDATE receiver SET definition = json_remove(definition, '$.quiet_hours', '$.time_zone') WHERE name = 'chat'";
    rusqlite::Connection::open(env.database()).unwrap().execute(sql, []).unwrap();
    let _server = env.serve(&[]);
    let got = chat.wait_for(2);
    let events: Vec<_> = got.iter().map(|request| request.json()["event"].to_string()).collect();
    assert_eq!(events, ["\"opened\"", "\"resolved\""]);
    assert_eq!(other.got().len(), 2, "the other receiver is told once");
}

#[test]
fn a_full_disk_while_deliveries_begin_withholds_no_message() {
    use rustix::process::{Pid, Resource, Rlimit, prlimit};
    let env = Env::new();
    let hook = Webhook::start(|_| Some(200));
    failing_schedule(&env, "s");
    for number in 0..12 {
        let (name, url) = (format!("n{number}"), hook.url());
        env.tempo(&["notify", "add", &name, "--webhook", &url, "--group-wait", "8s"])
            .ok();
    }
    let server = env.serve(&[]);
    run_of(&env, "s");
    let pending = || {
        let list = env.json(&["notify", "list", "--pending"]);
        list.as_array().unwrap().len()
    };
    wait_until("the messages", || pending() == 12);
    // Room for the beginnings of some deliveries.
    let log = std::fs::metadata(env.path("t.db-wal")).unwrap().len();
    let limit = |bytes: Option<u64>| {
        let limits = Rlimit {
            current: bytes,
            maximum: None,
        };
        prlimit(Pid::from_raw(server.pid().cast_signed()), Resource::Fsize, limits).unwrap();
    };
    limit(Some(log + 40_000));
    hook.wait_for(1);
    limit(None);
    let mut ids: Vec<String> = hook
        .wait_for(12)
        .iter()
        .map(|r| r.header("idempotency-key").to_owned())
        .collect();
    wait_until("all messages", || {
        ids = hook.got().iter().map(|r| r.header("idempotency-key").to_owned()).collect();
        ids.sort();
        ids.dedup();
        ids.len() == 12
    });
    wait_until("the acknowledgements", || pending() == 0);
}

#[test]
fn simultaneous_failures_are_sent_as_one_message() {
    let env = Env::new();
    let targets = Targets::start(&env);
    let hook = Webhook::start(|_| Some(200));
    let url = targets.url("/status/500");
    let probe = |n: i32| format!("[[schedule.step]]\nname = \"t{n}\"\nprobe = \"{url}\"\nretry = {{ maximum_attempts = 1 }}\n");
    let probes = (1..=40).map(probe).collect::<Vec<_>>().concat();
    let jobs = format!(
        "[[notify]]\nname = \"chat\"\nwebhook = \"{}\"\n[[schedule]]\nid = \"all\"\ninterval = \"1h\"\n{probes}",
        hook.url()
    );
    std::fs::write(env.path("jobs.toml"), jobs).unwrap();
    env.tempo(&["apply", "-f", "jobs.toml"]).ok();
    let _server = env.serve(&[]);
    run_of(&env, "all");
    let message = hook.wait_for(1)[0].json();
    assert_eq!(message["events"].as_array().map(Vec::len), Some(40));
    let text = message["message"].as_str().unwrap();
    assert!(
        text.starts_with("40 incidents opened:\n- all: t1 failed: ") && text.ends_with("… and 20 more"),
        "{text}"
    );
    assert_eq!(hook.got().len(), 1);
}

#[test]
fn run_once_delivers_before_it_exits_and_a_command_gets_the_message_on_its_input() {
    let env = Env::new();
    failing_schedule(&env, "a");
    let script = "cat > got.json; printf '%s %s' \"$TEMPO_EVENT\" \"$TEMPO_SCHEDULE_ID\" > got.env";
    env.tempo(&["notify", "add", "file", "--", "/bin/sh", "-c", script]).ok();
    env.tempo(&[
        "notify",
        "add",
        "broken",
        "--",
        "/bin/sh",
        "-c",
        "echo no space left >&2; exit 1",
    ])
    .ok();
    env.tempo(&["schedule", "trigger", "a"]).ok();
    let ran = env.tempo(&["run", "--once"]);
    assert_eq!(ran.code, Some(1), "{ran:?}");
    assert!(ran.stdout.contains("exit 1: no space left; retrying"), "{ran:?}");
    let got: Value = serde_json::from_str(&std::fs::read_to_string(env.path("got.json")).unwrap()).unwrap();
    assert_eq!(
        (got["event"].as_str(), got["incident"]["id"].as_i64()),
        (Some("opened"), Some(1))
    );
    assert_eq!(std::fs::read_to_string(env.path("got.env")).unwrap(), "opened a");
    let state = env.json(&["notify", "list"]);
    let pending: Vec<_> = state
        .as_array()
        .unwrap()
        .iter()
        .map(|r| (r["name"].as_str(), r["pending"].as_u64()))
        .collect();
    assert_eq!(pending, [(Some("broken"), Some(1)), (Some("file"), Some(0))]);
}

#[test]
fn receivers_are_routed_by_schedule_and_event() {
    let env = Env::new();
    let hook = Webhook::start(|_| Some(200));
    for id in ["db-main", "web"] {
        failing_schedule(&env, id);
    }
    let add = |name: &str, args: &[&str]| {
        let (url, wait) = (hook.url().replace("hook", name), ["--group-wait", "0s"]);
        env.tempo(&[&["notify", "add", name, "--webhook", &url], &wait[..], args].concat())
            .ok();
    };
    add("db", &["--schedule", "db-*"]);
    add("failed", &["--event", "run_failed"]);
    add("other", &["--schedule", "nothing"]);
    let _server = env.serve(&[]);
    run_of(&env, "db-main");
    run_of(&env, "web");
    let got = hook.wait_for(3);
    let mut told: Vec<_> = got
        .iter()
        .map(|r| {
            format!(
                "{} {}",
                r.path.split('/').nth(1).unwrap(),
                r.json()["message"].as_str().unwrap()
            )
        })
        .map(|text| text.split("Z:").next().unwrap().split("-20").next().unwrap().to_owned())
        .collect();
    told.sort();
    assert!(told[0].starts_with("db db-main: if test"), "{told:?}");
    assert_eq!(told[1..], ["failed db-main: db-main", "failed web: web"]);
}

#[test]
fn receivers_are_routed_by_severity_and_by_label_even_when_the_schedule_is_deleted() {
    let env = Env::new();
    let hook = Webhook::start(|_| Some(200));
    failing_schedule(&env, "minor");
    failing_schedule(&env, "major");
    env.tempo(&["schedule", "update", "minor", "--severity", "warning"]).ok();
    env.tempo(&["schedule", "update", "major", "--severity", "Critical", "--label", "prod"])
        .ok();
    let add = |name: &str, args: &[&str]| {
        let (url, wait) = (hook.url().replace("hook", name), ["--group-wait", "0s"]);
        env.tempo(&[&["notify", "add", name, "--webhook", &url], &wait[..], args].concat())
            .ok();
    };
    add("pager", &["--min-severity", "error"]);
    add("prod", &["--label", "prod", "--event", "resolved"]);
    let server = env.serve(&[]);
    run_of(&env, "minor");
    run_of(&env, "major");
    hook.wait_for(1);
    server.signal("TERM");
    assert_eq!(server.wait().0, Some(0));
    // Who was told of the beginning is told of the end.
    env.tempo(&["schedule", "update", "major", "--clear", "label"]).ok();
    env.tempo(&["schedule", "delete", "minor", "major"]).ok();
    let _server = env.serve(&[]);
    let got = hook.wait_for(3);
    let mut told: Vec<_> = got
        .iter()
        .map(|r| {
            let json = r.json();
            let text = |key: &str| json[key].as_str().unwrap().to_owned();
            let receiver = r.path.split('/').nth(1).unwrap();
            format!("{receiver} {} {} {}", text("schedule_id"), text("event"), text("severity"))
        })
        .collect();
    told.sort();
    assert_eq!(
        told,
        [
            "pager major opened critical",
            "pager major resolved critical",
            "prod major resolved critical"
        ]
    );
    let refused = env.tempo(&["notify", "add", "x", "--min-severity", "loud", "--", "true"]);
    assert!(
        refused.code == Some(2) && refused.stderr.contains("no severity is named `loud`"),
        "{refused:?}"
    );
}

#[test]
fn the_settings_at_the_beginning_of_an_incident_decide_who_is_told_of_its_end() {
    let env = Env::new();
    let hook = Webhook::start(|_| Some(200));
    failing_schedule(&env, "s");
    let add = |name: &str, args: &[&str]| {
        let (url, wait) = (hook.url().replace("hook", name), ["--group-wait", "0s"]);
        env.tempo(&[&["notify", "add", name, "--webhook", &url], &wait[..], args].concat())
            .ok();
    };
    add("pager", &["--min-severity", "error"]);
    add("prod", &["--label", "prod"]);
    let _server = env.serve(&[]);
    run_of(&env, "s");
    hook.wait_for(1);
    env.tempo(&["schedule", "update", "s", "--severity", "info", "--label", "prod"])
        .ok();
    std::fs::remove_file(env.path("broken")).unwrap();
    run_of(&env, "s");
    let got = hook.wait_for(2);
    env.wait_for_json(&["notify", "list"], |list| {
        list.as_array().unwrap().iter().all(|receiver| receiver["pending"] == 0)
    });
    let told: Vec<_> = got
        .iter()
        .map(|r| (r.path.split('/').nth(1).unwrap(), r.json()["event"].clone()))
        .collect();
    assert_eq!(told, [("pager", "opened".into()), ("pager", "resolved".into())]);
}

#[test]
fn a_run_that_outlives_its_schedule_is_told_of_by_the_labels_of_the_schedule() {
    let env = Env::new();
    let hook = Webhook::start(|_| Some(200));
    let shell = "until [ -e go ]; do sleep 0.05; done; echo done";
    env.tempo(&[
        "schedule",
        "create",
        "s",
        "--allow-never",
        "--label",
        "prod",
        "--shell",
        shell,
    ])
    .ok();
    let route = ["--label", "prod", "--event", "output"];
    env.tempo(&[&["notify", "add", "prod", "--webhook", &hook.url()], &route[..]].concat())
        .ok();
    let _server = env.serve(&[]);
    env.tempo(&["schedule", "trigger", "s"]).ok();
    env.wait_for_json(&["status"], |status| status["running"].as_array().unwrap().len() == 1);
    env.tempo(&["schedule", "delete", "s"]).ok();
    // A new schedule of that id has nothing to do with the run.
    let other = [
        "schedule",
        "create",
        "s",
        "--allow-never",
        "--label",
        "other",
        "--shell",
        "true",
    ];
    env.tempo(&other).ok();
    std::fs::write(env.path("go"), "").unwrap();
    let got = hook.wait_for(1)[0].json();
    assert_eq!(
        (&got["output"], &got["labels"]),
        (&"done\n".into(), &serde_json::json!(["prod"]))
    );
}

#[test]
fn secrets_of_receivers_are_read_when_a_message_is_sent_and_never_shown() {
    let env = Env::new();
    let hook = Webhook::start(|number| Some(if number == 2 { 200 } else { 400 }));
    std::fs::write(env.path("token"), "tok-en-77\n").unwrap();
    let token = format!("file:{}", env.path("token").display());
    env.tempo(&[
        "notify",
        "add",
        "chat",
        "--webhook",
        "env:HOOK_URL",
        "--bearer",
        &token,
        "--header",
        "X-Team: env:TEAM",
    ])
    .ok();
    let test = |url: &str| {
        let mut command = env.command(&["notify", "test", "chat"]);
        command.env("HOOK_URL", url).env("TEAM", "team-42").output().unwrap()
    };
    let refused = test(&hook.url());
    let said = String::from_utf8(refused.stderr).unwrap();
    assert_eq!(refused.status.code(), Some(1));
    assert!(
        said.contains("unexpected status 400") && !said.contains("secret-path"),
        "{said}"
    );
    let sent = test(&hook.url());
    assert_eq!(sent.status.code(), Some(0), "{sent:?}");
    let got = hook.got();
    assert_eq!(got[1].header("authorization"), "Bearer tok-en-77");
    assert_eq!(got[1].header("x-team"), "team-42");
    assert_eq!(got[1].json()["event"], "test");
    // Without the variable: an error that names it.
    let missing = env.tempo(&["notify", "test", "chat"]);
    assert_eq!(missing.code, Some(1));
    assert!(
        missing.stderr.contains("`TEAM` is not set") || missing.stderr.contains("`HOOK_URL` is not set"),
        "{missing:?}"
    );
    let database = std::fs::read(env.database()).unwrap();
    for secret in ["tok-en-77", "team-42", "secret-path"] {
        assert!(!database.windows(secret.len()).any(|w| w == secret.as_bytes()), "{secret}");
    }
}

/// A mail that a mail server got: sender, receivers, text.
type Mail = (String, Vec<String>, String);

/// User name and password.
type Login = (String, String);

type Received = (Mail, Option<Login>);

#[derive(Clone, Default)]
struct MailHandler {
    current: Mail,
    login: Option<Login>,
    got: Arc<Mutex<Vec<Received>>>,
    /// Addresses that were refused: `gone@` for good, `busy@` at the first time. `full@` always is, for now.
    refused: Arc<Mutex<Vec<String>>>,
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
enum Encrypts {
    Never,
    AfterStartTls,
    FromTheBeginning,
}

/// A mail server without encryption.
fn mail_server() -> (u16, MailHandler) {
    mail_server_with(Encrypts::Never, &crate::probes::tls(1).0)
}

fn mail_server_with(encrypts: Encrypts, config: &Arc<rustls::ServerConfig>) -> (u16, MailHandler) {
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
fn converse<S: std::io::Read + std::io::Write>(
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

#[test]
fn mails_are_encrypted_and_only_for_a_server_that_is_trusted() {
    let (config, pem) = crate::probes::tls(20);
    for (encrypts, encryption) in [(Encrypts::AfterStartTls, "starttls"), (Encrypts::FromTheBeginning, "tls")] {
        let env = Env::new();
        std::fs::write(env.path("ca.pem"), &pem).unwrap();
        let (port, handler) = mail_server_with(encrypts, &config);
        let server = format!("localhost:{port}");
        let add = ["notify", "add", "m", "--email", "ops@example.org", "--smtp", &server];
        let login = [
            "--smtp-user",
            "me",
            "--smtp-password",
            "pass-word",
            "--smtp-encryption",
            encryption,
        ];
        env.tempo(&[&add[..], &login[..]].concat()).ok();
        let refused = env.tempo(&["notify", "test", "m"]);
        assert!(
            refused.code == Some(1) && refused.stderr.contains("TLS: ") && handler.got.lock().unwrap().is_empty(),
            "{refused:?}"
        );
        let mut test = env.command(&["notify", "test", "m"]);
        let sent = test.env("SSL_CERT_FILE", env.path("ca.pem")).output().unwrap();
        assert!(
            sent.status.success(),
            "{encryption}: {}",
            String::from_utf8_lossy(&sent.stderr)
        );
        let got = handler.got.lock().unwrap().clone();
        assert_eq!(got.len(), 1, "{encryption}");
        assert_eq!(got[0].1, Some(("me".to_owned(), "pass-word".to_owned())), "{encryption}");
    }
    // A server without encryption gets nothing.
    let env = Env::new();
    let (port, handler) = mail_server();
    let server = format!("localhost:{port}");
    env.tempo(&["notify", "add", "m", "--email", "ops@example.org", "--smtp", &server])
        .ok();
    let refused = env.tempo(&["notify", "test", "m"]);
    assert!(refused.stderr.contains("it does not offer STARTTLS"), "{refused:?}");
    assert!(handler.got.lock().unwrap().is_empty());
}

#[test]
fn mails_go_to_a_mail_server() {
    let env = Env::new();
    let (port, handler) = mail_server();
    failing_schedule(&env, "sicherung");
    let jobs = format!(
        "[[notify]]\nname = \"ops\"\nemail = [\"ops@example.org\", \"Büro <office@example.org>\"]\nfrom = \"tempo@example.org\"\nsmtp = \"127.0.0.1:{port}\"\n\
        smtp_encryption = \"none\"\nsmtp_user = \"me\"\nsmtp_password = \"env:SMTP_PASSWORD\"\n"
    );
    std::fs::write(env.path("jobs.toml"), jobs).unwrap();
    env.tempo(&["apply", "-f", "jobs.toml"]).ok();
    env.tempo(&["schedule", "trigger", "sicherung"]).ok();
    let ran = env
        .command(&["run", "--once"])
        .env("SMTP_PASSWORD", "pass-word")
        .output()
        .unwrap();
    assert_eq!(ran.status.code(), Some(1));
    let got = handler.got.lock().unwrap().clone();
    let [((from, to, text), login)] = &got[..] else {
        panic!("{got:?}")
    };
    assert_eq!(
        (from.as_str(), to.join(" ").as_str()),
        ("tempo@example.org", "ops@example.org office@example.org")
    );
    assert_eq!(
        login.as_ref().map(|(user, password)| (user.as_str(), password.as_str())),
        Some(("me", "pass-word"))
    );
    for part in [
        "Subject: [tempo on ",
        "sicherung: ",
        "error: exit 3",
        "tempo incident describe 1",
        "Message-ID: <",
    ] {
        assert!(text.contains(part), "{part} in {text}");
    }
}

#[test]
fn an_address_that_is_refused_keeps_the_mail_from_no_other_and_gets_it_later() {
    let env = Env::new();
    let (port, handler) = mail_server();
    failing_schedule(&env, "s");
    let server = format!("127.0.0.1:{port}");
    let to = ["ops@example.org", "gone@example.org", "busy@example.org"].map(|to| format!("--email={to}"));
    let to: Vec<&str> = to.iter().map(String::as_str).collect();
    let how = [
        "--smtp",
        &server,
        "--smtp-encryption",
        "none",
        "--smtp-user",
        "me",
        "--smtp-password",
        "pw",
        "--group-wait",
        "0s",
    ];
    env.tempo(&[&["notify", "add", "ops"], &to[..], &how[..]].concat()).ok();
    let mut server = env.serve(&[]);
    run_of(&env, "s");
    server.wait_for_log("452");
    wait_until("both mails", || handler.got.lock().unwrap().len() == 2);
    let got = handler.got.lock().unwrap().clone();
    let sent: Vec<_> = got.iter().map(|((_, to, _), _)| to.join(" ")).collect();
    assert_eq!(sent, ["ops@example.org", "busy@example.org"]);
    let id = |text: &str| text.lines().find(|line| line.starts_with("Message-ID")).unwrap().to_owned();
    assert_eq!(id(&got[0].0.2), id(&got[1].0.2));
    env.wait_for_json(&["notify", "list"], |list| list[0]["pending"] == 0);
    assert_eq!(*handler.refused.lock().unwrap(), ["gone@example.org", "busy@example.org"]);
    // Who will never get it is not forgotten.
    server.wait_for_log("sent, but not to all addresses: ");
    let error = env.json(&["notify", "list"])[0]["last_error"].as_str().unwrap().to_owned();
    assert!(error.contains("gone@") && !error.contains("busy@"), "{error}");
}

#[test]
fn an_address_that_stays_full_holds_back_no_later_mail() {
    let env = Env::new();
    let (port, handler) = mail_server();
    env.tempo(&["schedule", "create", "s", "--allow-never", "--shell", "echo hello"])
        .ok();
    let server = format!("127.0.0.1:{port}");
    let to = [
        "--email",
        "ops@example.org",
        "--email",
        "full@example.org",
        "--event",
        "output",
    ];
    let how = [
        "--smtp",
        &server,
        "--smtp-encryption",
        "none",
        "--smtp-user",
        "me",
        "--smtp-password",
        "pw",
    ];
    env.tempo(&[&["notify", "add", "ops"], &to[..], &how, &["--group-wait", "0s"]].concat())
        .ok();
    let _server = env.serve(&[]);
    for runs in 1..=3 {
        run_of(&env, "s");
        wait_until("the mail", || handler.got.lock().unwrap().len() == runs);
    }
    let pending = env.json(&["notify", "list", "--pending"]);
    let attempts: Vec<_> = pending
        .as_array()
        .unwrap()
        .iter()
        .map(|m| m["attempts"].as_u64().unwrap())
        .collect();
    assert!(attempts.len() == 3 && attempts.iter().all(|n| *n < 6), "{attempts:?}");
}

#[test]
fn the_output_of_runs_that_print_something_or_fail_is_sent() {
    let env = Env::new();
    let (port, handler) = mail_server();
    for (id, line) in [
        ("prints", "echo hello; echo world >&2"),
        ("quiet", "true"),
        ("fails", "exit 3"),
    ] {
        env.tempo(&["schedule", "create", id, "--allow-never", "--shell", line]).ok();
    }
    let server = format!("127.0.0.1:{port}");
    let to_server = [
        "--smtp",
        &server,
        "--smtp-encryption",
        "none",
        "--smtp-user",
        "me",
        "--smtp-password",
        "pass-word",
        "--event",
        "output",
    ];
    env.tempo(&[&["notify", "add", "mail", "--email", "ops@example.org"], &to_server[..]].concat())
        .ok();
    for id in ["prints", "quiet", "fails"] {
        env.tempo(&["schedule", "trigger", id]).ok();
    }
    assert_eq!(env.tempo(&["run", "--no-web", "--once"]).code, Some(1));
    let got = handler.got.lock().unwrap().clone();
    let mut mails: Vec<&str> = got.iter().map(|((.., text), _)| text.as_str()).collect();
    mails.sort_by_key(|text| !text.contains("prints"));
    let [printed, failed] = mails[..] else { panic!("{got:?}") };
    assert!(
        printed.contains("Completed") && printed.contains("hello") && printed.contains("world"),
        "{printed}"
    );
    assert!(failed.contains("fails") && failed.contains("exit 3"), "{failed}");
}

#[test]
fn mails_go_through_sendmail_if_there_is_no_mail_server() {
    let env = Env::new();
    std::fs::create_dir(env.path("bin")).unwrap();
    let sendmail = env.path("bin").join("sendmail");
    std::fs::write(&sendmail, "#!/bin/sh\necho \"$@\" > args; cat > mail\n").unwrap();
    std::fs::set_permissions(&sendmail, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    env.tempo(&["notify", "add", "root", "--email", "root"]).ok();
    let path = format!("{}:/usr/bin:/bin", env.path("bin").display());
    let sent = env.command(&["notify", "test", "root"]).env("PATH", path).output().unwrap();
    assert_eq!(sent.status.code(), Some(0), "{sent:?}");
    assert_eq!(std::fs::read_to_string(env.path("args")).unwrap(), "-i -t\n");
    let mail = std::fs::read_to_string(env.path("mail")).unwrap();
    assert!(
        mail.contains("\nTo: root@") && mail.contains("this is a test of the receiver `root`"),
        "{mail}"
    );
    assert!(!mail.contains('\r'), "{mail:?}");
}

#[test]
fn receivers_of_files_are_compared_applied_exported_and_pruned() {
    let env = Env::new();
    let file = |text: &str| std::fs::write(env.path("jobs.toml"), text).unwrap();
    file("[[notify]]\nname = \"a\"\ncommand = [\"true\"]\n[[notify]]\nname = \"b\"\nemail = \"x@example.org\"\n");
    let changes = |args: &[&str]| -> Vec<String> {
        let list: Value = serde_json::from_str(&env.tempo(&[&["-o", "json"], args].concat()).stdout).unwrap();
        let text = |c: &Value| {
            format!(
                "{} {} {}",
                c["kind"].as_str().unwrap_or("schedule"),
                c["id"].as_str().unwrap(),
                c["change"].as_str().unwrap()
            )
        };
        list.as_array().unwrap().iter().map(text).collect()
    };
    assert_eq!(changes(&["diff", "-f", "jobs.toml"]), ["notify a create", "notify b create"]);
    assert_eq!(changes(&["apply", "-f", "jobs.toml"]), ["notify a create", "notify b create"]);
    assert_eq!(changes(&["apply", "-f", "jobs.toml"]), ["notify a none", "notify b none"]);
    let exported = env.tempo(&["export"]).ok();
    std::fs::write(env.path("exported.toml"), exported).unwrap();
    assert_eq!(changes(&["diff", "-f", "exported.toml"]), ["notify a none", "notify b none"]);
    env.tempo(&["notify", "add", "by-hand", "--", "true"]).ok();
    file("[[notify]]\nname = \"a\"\ncommand = \"true\"\nevents = \"opened\"\n");
    assert_eq!(
        changes(&["apply", "-f", "jobs.toml", "--prune"]),
        ["notify a update", "notify b delete"]
    );
    let names: Vec<_> = env
        .json(&["notify", "list"])
        .as_array()
        .unwrap()
        .iter()
        .map(|r| r["name"].to_string())
        .collect();
    assert_eq!(names, ["\"a\"", "\"by-hand\""]);
    for (text, message) in [
        (
            "[[notify]]\nname = \"x\"\n",
            "jobs.toml:1: the receiver `x` has none of `webhook`, `email` and `command`",
        ),
        (
            "[[notify]]\nname = \"x\"\nemail = \"a@b\"\nbearer = \"t\"\n",
            "`bearer` applies only to `webhook`",
        ),
        (
            "[[notify]]\nname = \"x\"\nwebhok = \"http://x/\"\n",
            "jobs.toml:3:1: unknown key `webhok`",
        ),
        (
            "[[notify]]\nname = \"x\"\nwebhook = \"ftp://x/\"\n",
            "is not an http or https URL",
        ),
        (
            "[[notify]]\nname = \"x\"\ncommand = \"true\"\nevents = [\"resolve\"]\n",
            "no event is named `resolve`",
        ),
        (
            "[[notify]]\nname = \"x\"\ncommand = \"true\"\n[[notify]]\nname = \"x\"\ncommand = \"true\"\n",
            "already defined on line 1",
        ),
    ] {
        file(text);
        let ran = env.tempo(&["apply", "-f", "jobs.toml"]);
        assert_eq!(ran.code, Some(2), "{text}: {ran:?}");
        assert!(ran.stderr.contains(message), "{text}: {ran:?}");
    }
    assert_eq!(env.tempo(&["notify", "test", "c"]).code, Some(3));
    assert_eq!(env.tempo(&["notify", "remove", "nobody"]).code, Some(3));
    assert_eq!(env.tempo(&["notify", "add", "a", "--", "true"]).code, Some(4));
}

#[test]
fn an_alerting_service_never_gets_the_end_of_an_incident_before_its_beginning() {
    let env = Env::new();
    let hook = Webhook::start(|number| Some(if number < 3 { 500 } else { 202 }));
    failing_schedule(&env, "a");
    let url = hook.url();
    env.tempo(&[
        "notify",
        "add",
        "pd",
        "--webhook",
        &url,
        "--template",
        "pagerduty",
        "--key",
        "K",
        "--group-wait",
        "0s",
    ])
    .ok();
    let _server = env.serve(&[]);
    run_of(&env, "a");
    hook.wait_for(1);
    std::fs::remove_file(env.path("broken")).unwrap();
    run_of(&env, "a");
    let actions: Vec<_> = hook
        .wait_for(4)
        .iter()
        .map(|r| r.json()["event_action"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(actions, ["trigger", "trigger", "trigger", "resolve"]);
}

#[test]
fn a_receiver_that_is_removed_during_a_delivery_takes_no_message_of_another_with_it() {
    let env = Env::new();
    let hook = Webhook::start(|_| Some(200));
    for id in ["a", "b"] {
        failing_schedule(&env, id);
    }
    let wait = format!(
        "cat > /dev/null; touch {0}/begun; while ! test -e {0}/go; do sleep 0.05; done",
        env.path("").display()
    );
    env.tempo(&[
        "notify",
        "add",
        "slow",
        "--schedule",
        "a",
        "--group-wait",
        "0s",
        "--",
        "/bin/sh",
        "-c",
        &wait,
    ])
    .ok();
    let url = hook.url();
    env.tempo(&[
        "notify",
        "add",
        "good",
        "--schedule",
        "b",
        "--group-wait",
        "3s",
        "--webhook",
        &url,
    ])
    .ok();
    let _server = env.serve(&[]);
    run_of(&env, "a");
    wait_until("the delivery", || env.path("begun").exists());
    assert!(
        env.tempo(&["notify", "remove", "slow"])
            .ok()
            .contains("1 undelivered message")
    );
    run_of(&env, "b");
    env.wait_for_json(&["notify", "list"], |list| list[0]["pending"] == 1);
    std::fs::write(env.path("go"), "").unwrap();
    assert_eq!(hook.wait_for(1)[0].json()["schedule_id"], "b");
}

#[test]
fn a_literal_url_and_token_appear_in_no_error_and_no_difference() {
    let env = Env::new();
    let file = |token: &str| {
        let text = format!(
            "[[notify]]\nname = \"x\"\nwebhook = \"http://user:pw@127.0.0.1:1/services/T0/TOKEN\"\nbearer = \"{token}\"\n"
        );
        std::fs::write(env.path("jobs.toml"), text).unwrap();
    };
    file("one-secret");
    env.tempo(&["apply", "-f", "jobs.toml"]).ok();
    let failed = env.tempo(&["notify", "test", "x"]);
    assert!(
        failed.stderr.contains("connection refused by http://127.0.0.1:1/…"),
        "{failed:?}"
    );
    file("two-secret");
    let changed = env.tempo(&["apply", "-f", "jobs.toml"]);
    assert!(changed.stdout.contains("bearer: *** ("), "{changed:?}");
    for text in [failed.stderr, changed.stdout] {
        assert!(
            !text.contains("TOKEN") && !text.contains("secret") && !text.contains("pw"),
            "{text}"
        );
    }
}
