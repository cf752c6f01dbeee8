//! Zone data that changes under a server: an upgrade of the machine's tzdata. Noticed, said, recorded, and next times computed again.

use std::collections::HashMap;
use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};

use super::events::Event;
use super::shared::Shared;
use crate::error::Error;
use crate::spec::zone::Zones as _;
use crate::store::Store;
use crate::zoneinfo::Stamp;

/// How often the files are looked at.
pub(super) const LOOK_EVERY: TimeDelta = TimeDelta::minutes(1);

/// What the files were like when they were last looked at.
#[derive(Debug, Default)]
pub(super) struct ZoneWatch(HashMap<String, Option<Stamp>>);

impl ZoneWatch {
    /// Looks at the zones that are in use; where one is not what it was, its schedules are decided again.
    pub(super) fn look(&mut self, shared: &Arc<Shared>, reader: &Store, now: DateTime<Utc>) -> Result<(), Error> {
        let mut touched = Vec::new();
        for name in reader.read(|r| r.zones_in_use())? {
            let stamp = shared.catalog.zones().stamp(&name);
            if self.0.get(&name) != Some(&stamp) {
                touched.push(name.clone());
                self.0.insert(name, stamp);
            }
        }
        if touched.is_empty() {
            return Ok(());
        }
        shared.catalog.forget_zones(&touched);
        for name in touched {
            // A zone that has gone is none to compute by; what was computed stays.
            let Ok(zone) = shared.catalog.zones().zone(&name) else {
                continue;
            };
            let fingerprint = zone.fingerprint();
            let seen = reader.read(|r| r.zone_seen(&name))?;
            if seen == Some(fingerprint) {
                continue;
            }
            let (mut schedules, mut after) = (0, seen.map(|_| 0));
            while let Some(key) = after {
                let of = name.clone();
                let (marked, more) = shared.writer.write(move |w| w.attend_zone(&of, key, now))?;
                schedules += marked;
                after = more;
            }
            // Only when all are marked: a crash before has them marked again.
            let of = name.clone();
            shared.writer.write(move |w| w.see_zone(&of, fingerprint, now))?;
            if seen.is_some() {
                shared.tell(Event::ZoneChanged { name, schedules });
            }
        }
        Ok(())
    }
}
