//! Mail over SMTP and `sendmail`.

use super::mail_server::{Encrypts, mail_server, mail_server_with};
use super::webhook::{failing_schedule, run_of};
use crate::harness::{Env, wait_until};

#[test]
fn sends_mail_encrypted_and_only_to_a_trusted_server() {
    let (config, pem) = crate::network_probes::tls(20);
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
    assert!(refused.stderr.contains("does not offer STARTTLS"), "{refused:?}");
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
