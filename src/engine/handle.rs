//! A handle to a running server for other threads, such as those of its web page: changes through its writer, and its counters.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};

use chrono::{DateTime, Utc};

use super::Event;
use super::metrics::Metrics;
use super::shared::Shared;
use crate::error::{Error, Kind};
use crate::store::Write;
use crate::zoneinfo::ZoneInfo;

/// Refers to a server without keeping it alive.
#[derive(Clone)]
pub(crate) struct Handle(Weak<Shared>);

impl Handle {
    pub(super) fn new(shared: &Arc<Shared>) -> Self {
        Self(Arc::downgrade(shared))
    }

    /// Makes a change in a group of the server's writer, and waits until it is on disk. Blocks.
    ///
    /// # Errors
    /// Those of the change; `ServerDown` when the server has ended.
    pub(crate) fn write<T: Send + 'static>(
        &self,
        change: impl Fn(&Write<'_>, DateTime<Utc>) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        let shared = self.shared()?;
        let now = shared.clock.now();
        shared.writer.write(move |write| change(write, now))
    }

    /// Reports an error if it shows damage to the database.
    pub(crate) fn report_damage(&self, e: &Error) {
        if let Some(shared) = self.0.upgrade().filter(|_| e.is_damage()) {
            shared.emit(Event::Error(Error::new(Kind::System, e).damage()));
        }
    }

    /// The counters of the server, unless it has ended.
    pub(crate) fn metrics(&self) -> Option<Arc<Metrics>> {
        self.0.upgrade().map(|shared| Arc::clone(&shared.metrics))
    }

    /// The number of transactions of the server's writer.
    pub(crate) fn commits(&self) -> u64 {
        self.0.upgrade().map_or(0, |shared| shared.writer.commits())
    }

    /// The zone data of the server.
    ///
    /// # Errors
    /// `ServerDown` when the server has ended.
    pub(crate) fn zones(&self) -> Result<Arc<ZoneInfo>, Error> {
        Ok(Arc::clone(self.shared()?.catalog.zones()))
    }

    /// Whether the server starts nothing more, or has ended.
    pub(crate) fn is_draining(&self) -> bool {
        self.0.upgrade().is_none_or(|shared| shared.draining.load(Ordering::SeqCst))
    }

    /// The current time on the server's clock.
    ///
    /// # Errors
    /// `ServerDown` when the server has ended.
    pub(crate) fn now(&self) -> Result<DateTime<Utc>, Error> {
        Ok(self.shared()?.clock.now())
    }

    fn shared(&self) -> Result<Arc<Shared>, Error> {
        self.0
            .upgrade()
            .ok_or_else(|| Error::new(Kind::ServerDown, "the server is stopping").hint("Try again when it is running."))
    }
}
