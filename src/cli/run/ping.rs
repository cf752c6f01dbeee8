//! Notifies another service regularly that the server is alive, so that somebody notices when the whole machine is down.

use std::sync::mpsc::Sender;
use std::time::Duration;

use chrono::TimeDelta;

use crate::actions::{Actions as _, Control, Live};
use crate::clock::{Stopwatch, pause};
use crate::engine::{Event, Handle};
use crate::error::{Error, Kind};
use crate::notify::receiver::shown_url;
use crate::notify::{Delivery, Webhook};
use crate::spec::text;

/// How often the server is checked.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// How long the ticker may be silent: it looks several times per second.
const MAX_SILENCE: TimeDelta = TimeDelta::seconds(30);

/// The options of the ping.
#[derive(Debug, clap::Args)]
pub(super) struct PingArgs {
    /// Request this URL regularly (GET), while schedules are being served, so that a service elsewhere notices when this machine is down;
    /// `env:NAME` and `file:PATH` are read for each request
    #[arg(long, value_name = "URL", conflicts_with = "once")]
    ping: Option<String>,
    /// How often to request the URL of `--ping`; at least 1s
    #[arg(long, value_name = "DURATION", default_value = "1m", requires = "ping")]
    ping_every: String,
}

impl PingArgs {
    /// Whether a word is the URL, or the reference to it.
    pub(super) fn is_url(&self, word: &str) -> bool {
        self.ping.as_deref() == Some(word)
    }

    /// Starts the thread that makes the requests, if there is a URL.
    ///
    /// # Errors
    /// `Usage` when an option is invalid; `System` when the thread cannot be started.
    pub(super) fn start(&self, server: Handle, tell: &Sender<Event>) -> Result<(), Error> {
        let Some((url, every)) = self.checked()? else { return Ok(()) };
        let tell = tell.clone();
        let started = std::thread::Builder::new()
            .name("ping".to_owned())
            .spawn(move || keep_pinging(&server, &url, every, &tell));
        started
            .map(|_| ())
            .map_err(|e| Error::new(Kind::System, "cannot start the thread that pings").because(e))
    }

    /// The URL and the interval.
    ///
    /// # Errors
    /// `Usage` when one is invalid.
    pub(super) fn checked(&self) -> Result<Option<(String, Duration)>, Error> {
        let every = text::at_least_a_second("--ping-every", &self.ping_every)?;
        let Some(url) = &self.ping else { return Ok(None) };
        if !["http://", "https://", "env:", "file:"]
            .iter()
            .any(|start| url.starts_with(start))
        {
            return Err(Error::new(
                Kind::Usage,
                format_args!("`--ping {}` is not an http or https URL", url.escape_debug()),
            ));
        }
        Ok(Some((url.clone(), every)))
    }
}

/// Requests the URL until the server drains, but not while its ticker hangs. The first failure in a row is logged.
fn keep_pinging(server: &Handle, url: &str, every: Duration, tell: &Sender<Event>) {
    let mut since = None::<Stopwatch>;
    let mut has_failed = false;
    while let (Some(metrics), Ok(now), false) = (server.metrics(), server.now(), server.is_draining()) {
        if since.is_none_or(|since| since.elapsed() >= every) && metrics.silence(now) < MAX_SILENCE {
            since = Some(Stopwatch::start());
            let answer = Live.deliver(&request(url), &Control::default());
            if let (Err(reason), false) = (&answer, has_failed) {
                let reason = reason.replace("`webhook`", "`--ping`");
                let error = Error::new(Kind::System, format_args!("cannot ping {}: {reason}", shown_url(url)));
                // At the very end, the logger may have stopped listening.
                let _ = tell.send(Event::Error(error));
            }
            has_failed = answer.is_err();
        }
        drop(metrics);
        pause(LOOK_EVERY.min(every));
    }
}

fn request(url: &str) -> Delivery {
    Delivery::Webhook(Webhook {
        url: url.to_owned(),
        path: String::new(),
        headers: Vec::new(),
        bearer: None,
        body: None,
        key: None,
    })
}
