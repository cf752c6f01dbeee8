//! What all handlers share: the settings, the server's handle, and connections for reading.

use std::sync::{Arc, Mutex, PoisonError};

use chrono::{DateTime, Utc};
use tokio::sync::{Semaphore, watch};

use super::Settings;
use crate::engine::Handle;
use crate::error::{Error, Kind};
use crate::output::times::Times;
use crate::spec::instant;
use crate::store::{Missing, Read, Store};
use crate::zoneinfo::ZoneInfo;

/// Maximum number of connections for reading.
const READERS: usize = 3;
/// Maximum number of event streams.
pub(super) const MAX_STREAMS: usize = 64;

/// How long the count of coming starts is shown again: it takes longer than everything else on the page.
const KEEP_COMING: chrono::TimeDelta = chrono::TimeDelta::seconds(30);

/// When health was checked, and the answer.
type Health = (DateTime<Utc>, Result<(), String>);

/// The starts of the next 24 hours, and when they were counted.
type Coming = (DateTime<Utc>, Arc<Vec<u32>>);

/// What all handlers share.
pub(super) struct App {
    pub(super) settings: Settings,
    pub(super) server: Handle,
    readers: Mutex<Vec<Store>>,
    /// A connection of its own for noticing changes.
    watcher: Mutex<Option<Store>>,
    permits: Arc<Semaphore>,
    /// The starts of the next 24 hours, when they were counted.
    coming: Mutex<Option<Coming>>,
    /// When health was last checked, and the answer.
    pub(super) health: tokio::sync::Mutex<Option<Health>>,
    /// Taken while a check writes.
    pub(super) health_check: Arc<Semaphore>,
    /// Limits the open event streams.
    pub(super) streams: Arc<Semaphore>,
    /// The state of the database, for event streams: a number that changes whenever the database does.
    pub(super) changed: watch::Sender<i64>,
}

/// What a read has besides the database.
#[derive(Clone)]
pub(super) struct Context {
    pub(super) now: DateTime<Utc>,
    pub(super) zones: Arc<ZoneInfo>,
    pub(super) times: Times,
}

impl Context {
    /// Parses a time, mostly a past one, in the zone in which times are shown.
    ///
    /// # Errors
    /// `Usage` when it is not a time.
    pub(super) fn past(&self, text: Option<String>) -> Result<Option<DateTime<Utc>>, Error> {
        let zone = self.times.time_zone();
        text.map(|text| instant::parse_past(&text, &zone, self.now)).transpose()
    }
}

impl App {
    pub(super) fn new(settings: Settings, server: Handle) -> Self {
        Self {
            settings,
            server,
            readers: Mutex::default(),
            watcher: Mutex::default(),
            coming: Mutex::default(),
            health: tokio::sync::Mutex::default(),
            health_check: Arc::new(Semaphore::new(1)),
            permits: Arc::new(Semaphore::new(READERS)),
            streams: Arc::new(Semaphore::new(MAX_STREAMS)),
            changed: watch::channel(0).0,
        }
    }

    /// Runs `ask` in a read transaction, on a thread for blocking work.
    ///
    /// # Errors
    /// Those of `ask`; `ServerDown` when the server has ended.
    pub(super) async fn read<T: Send + 'static>(
        self: &Arc<Self>,
        ask: impl FnOnce(&Read<'_>, &Context) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        let context = self.context()?;
        let permit = Arc::clone(&self.permits).acquire_owned().await;
        let here = Arc::clone(self);
        // The slot is held until the work ends, even if the client has gone.
        blocking(move || {
            let answer = here.with_reader(|store| store.read(|read| ask(read, &context)));
            drop(permit);
            answer.inspect_err(|e| here.server.report_damage(e))
        })
        .await
    }

    /// Makes a change on a thread for blocking work.
    ///
    /// # Errors
    /// Those of the change.
    pub(super) async fn change<T: Send + 'static>(
        self: &Arc<Self>,
        change: impl FnOnce(&Handle, &Arc<ZoneInfo>) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        let (server, zones) = (self.server.clone(), self.server.zones()?);
        blocking(move || change(&server, &zones)).await
    }

    /// Returns a number that changes whenever the database does.
    pub(super) async fn data_version(self: &Arc<Self>) -> Result<i64, Error> {
        let here = Arc::clone(self);
        blocking(move || {
            // Only numbers from the same connection can be compared.
            let mut watcher = here.watcher.lock().unwrap_or_else(PoisonError::into_inner);
            let store = match watcher.take() {
                Some(store) => store,
                None => Store::open(&here.settings.database, Missing::Refuse)?,
            };
            watcher.insert(store).data_version()
        })
        .await
    }

    /// The starts of the next 24 hours, if they were counted a moment ago.
    pub(super) fn coming(&self) -> Option<Arc<Vec<u32>>> {
        let now = self.server.now().ok()?;
        let kept = self.coming.lock().unwrap_or_else(PoisonError::into_inner);
        kept.as_ref()
            .filter(|(at, _)| now - *at < KEEP_COMING)
            .map(|(_, counts)| Arc::clone(counts))
    }

    /// Keeps the starts of the next 24 hours for the next visit.
    pub(super) fn keep_coming(&self, now: DateTime<Utc>, counts: &Arc<Vec<u32>>) {
        let mut kept = self.coming.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.as_ref().is_none_or(|(_, old)| !Arc::ptr_eq(old, counts)) {
            *kept = Some((now, Arc::clone(counts)));
        }
    }

    pub(super) fn context(&self) -> Result<Context, Error> {
        let now = self.server.now()?;
        Ok(Context {
            now,
            zones: self.server.zones()?,
            times: Times::new(self.settings.zone.clone(), now),
        })
    }

    fn with_reader<T>(&self, ask: impl FnOnce(&Store) -> Result<T, Error>) -> Result<T, Error> {
        let idle = self.readers.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let store = match idle {
            Some(store) => store,
            None => Store::open(&self.settings.database, Missing::Refuse)?,
        };
        let answer = ask(&store);
        // A connection to a file that was replaced is not used again.
        if store.displaced().is_none() {
            self.readers.lock().unwrap_or_else(PoisonError::into_inner).push(store);
        }
        answer
    }
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T, Error> + Send + 'static) -> Result<T, Error> {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        Err(e) => Err(Error::new(Kind::System, "a request failed").because(e)),
    }
}
