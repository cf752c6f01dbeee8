//! Delivers notifications: webhooks as HTTP requests, mails, and commands.

use std::collections::BTreeMap;
use std::time::Duration;

use super::secrets::Secrets;
use super::{Actions as _, Control, Live, Task, mail};
use crate::names::StepName;
use crate::notify::receiver::shown_url;
use crate::notify::{Delivery, Receipt, Webhook};
use crate::run::command::{Command, Limits};
use crate::run::outcome::Ending;
use crate::run::probe::{Expectation, Http, Probe};
use crate::run::step::{Step, Work};

/// How long a delivery may take.
pub(crate) const TIMEOUT: Duration = Duration::from_secs(15);
/// Maximum number of bytes kept of the output of a command.
const OUTPUT: usize = 2048;

/// Delivers a message.
///
/// # Errors
/// The reason why the receiver has not acknowledged it, without secrets.
pub(super) fn deliver(delivery: &Delivery, control: &Control) -> Result<Receipt, String> {
    match delivery {
        Delivery::Webhook(webhook) => request(webhook, control)?,
        Delivery::Mail(mail) => return mail::send(mail, TIMEOUT, control),
        Delivery::Command { argv, env, stdin } => run(argv.clone(), env.clone(), stdin.clone(), control)?,
    }
    Ok(Receipt::default())
}

fn request(webhook: &Webhook, control: &Control) -> Result<(), String> {
    let headers = webhook.headers.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    let others = [
        ("webhook", Some(&webhook.url)),
        ("bearer", webhook.bearer.as_ref()),
        ("key", webhook.key.as_ref()),
    ];
    let others = others.into_iter().filter_map(|(name, value)| Some((name, value?.as_str())));
    let secrets = Secrets::read_any(headers.chain(others)).map_err(|failure| failure.message)?;
    let key = webhook.key.as_deref().filter(|key| !key.is_empty());
    // The key stands within a header or within a string of the body.
    let in_body = |body: &str| match key {
        Some(key) => body.replace(&json_string(key), &json_string(secrets.resolve(key))),
        None => body.to_owned(),
    };
    let in_header = |value: &str| match key {
        Some(key) if value.contains(key) => value.replace(key, secrets.resolve(key)),
        _ => secrets.resolve(value).to_owned(),
    };
    let http = Http {
        url: format!("{}{}", secrets.resolve(&webhook.url), webhook.path),
        method: if webhook.body.is_some() { "POST" } else { "GET" }.to_owned(),
        headers: webhook
            .headers
            .iter()
            .map(|(name, value)| (name.clone(), in_header(value)))
            .collect(),
        body: webhook.body.as_deref().map(in_body),
        basic_auth: None,
        bearer: webhook.bearer.as_deref().map(|token| secrets.resolve(token).to_owned()),
        redirects: 0,
        ca_file: None,
        insecure: false,
        expectation: Expectation {
            status: vec![200..=299],
            body_contains: None,
            body_matches: None,
            json: Vec::new(),
            header_matches: BTreeMap::new(),
            max_elapsed: None,
            min_certificate_days: None,
        },
    };
    let (full, shown) = (http.url.clone(), shown_url(&http.url));
    perform(Work::Probe(Probe::Http(Box::new(http))), control).map_err(|error| secrets.masked_text(&error.replace(&full, &shown)))
}

fn json_string(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// Runs a command with `stdin` as its standard input.
pub(super) fn run(argv: Vec<String>, env: BTreeMap<String, String>, stdin: String, control: &Control) -> Result<(), String> {
    let command = Command {
        argv,
        cwd: None,
        env,
        stdin: Some(stdin),
        separate_stderr: false,
        user: None,
        limits: Limits::default(),
        ok_exit_codes: vec![0],
    };
    perform(Work::Command(command), control)
}

/// Makes one attempt, as for a step.
fn perform(work: Work, control: &Control) -> Result<(), String> {
    let step = Step::once(StepName::parse("notify").expect("it is a name"), work);
    let task = Task {
        step: &step,
        time_left: Some(TIMEOUT),
        limit: Some(TIMEOUT),
        environment: &[],
        marks: &[],
        spawned: &|_| {},
        output_limit: OUTPUT,
        output: &|_| {},
        notice: &|_| {},
    };
    let result = Live.perform(&task, control);
    match result.ending {
        Ending::Ok => Ok(()),
        Ending::Failed(failure) => {
            let output = String::from_utf8_lossy(&result.output);
            let last = output.lines().rev().find(|line| !line.trim().is_empty());
            Err(match last {
                Some(line) => format!("{}: {}", failure.message, line.trim()),
                None => failure.message,
            })
        }
        Ending::Canceled | Ending::Terminated | Ending::Lost => {
            Err("the server stopped while the message was being sent".to_owned())
        }
    }
}
