//! Secrets of receivers: read when a message is sent, and never shown.

use super::webhook::Webhook;
use crate::harness::Env;

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
