//! Watches for zone data that changes while the server runs, as when tzdata is upgraded: reports and records the change, and recalculates next times.

use std::collections::HashMap;
use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};

use super::events::Event;
use super::shared::Shared;
use crate::error::Error;
use crate::spec::zone::Zones as _;
use crate::store::Store;
use crate::zoneinfo::Stamp;

/// How often the zone files are checked.
pub(super) const LOOK_EVERY: TimeDelta = TimeDelta::minutes(1);

/// The state of the zone files at the last check.
#[derive(Debug, Default)]
pub(super) struct ZoneWatch(HashMap<String, Option<Stamp>>);

impl ZoneWatch {
    /// Checks the zones in use, and marks the schedules of each zone that has changed to be decided again.
    pub(super) fn look(&mut self, shared: &Arc<Shared>, reader: &Store, now: DateTime<Utc>) -> Result<(), Error> {
        let mut changed = Vec::new();
        for name in reader.read(|r| r.zones_in_use())? {
            let stamp = shared.catalog.zones().stamp(&name);
            if self.0.get(&name) != Some(&stamp) {
                changed.push(name.clone());
                self.0.insert(name, stamp);
            }
        }
        if changed.is_empty() {
            return Ok(());
        }
        shared.catalog.forget_zones(&changed);
        for name in changed {
            // Times in a zone that was removed cannot be calculated; those already calculated stay.
            let Ok(zone) = shared.catalog.zones().zone(&name) else {
                continue;
            };
            let fingerprint = zone.fingerprint();
            let seen = reader.read(|r| r.zone_fingerprint(&name))?;
            if seen == Some(fingerprint) {
                continue;
            }
            let (mut schedules, mut after) = (0, seen.map(|_| 0));
            while let Some(key) = after {
                let zone_name = name.clone();
                let (marked, more) = shared.writer.write(move |w| w.attend_zone(&zone_name, key, now))?;
                schedules += marked;
                after = more;
            }
            // Only once all are marked: after a crash before this, they are marked again.
            let zone_name = name.clone();
            shared.writer.write(move |w| w.record_zone(&zone_name, fingerprint, now))?;
            if seen.is_some() {
                shared.emit(Event::ZoneChanged { name, schedules });
            }
        }
        Ok(())
    }
}
