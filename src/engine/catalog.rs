//! Specs and workflows made ready to be used, each once.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use crate::error::Error;
use crate::run::step::Workflow;
use crate::spec::Spec;
use crate::spec::spec_text::SpecText;
use crate::store::Read;
use crate::zoneinfo::ZoneInfo;

/// Beyond so many entries everything is forgotten and made ready again as needed.
const MAX_ENTRIES: usize = 10_000;

/// Keeps what was made ready.
#[derive(Debug)]
pub(crate) struct Catalog {
    zones: ZoneInfo,
    specs: Mutex<HashMap<String, (String, Arc<Spec>)>>,
    workflows: Mutex<HashMap<i64, Arc<Workflow>>>,
}

impl Catalog {
    /// An empty one, on this machine's zones.
    pub(crate) fn new(zones: ZoneInfo) -> Self {
        Self {
            zones,
            specs: Mutex::default(),
            workflows: Mutex::default(),
        }
    }

    /// This machine's zones.
    pub(crate) fn zones(&self) -> &ZoneInfo {
        &self.zones
    }

    /// Reads zones anew when they are next asked for, and makes specs ready again.
    pub(crate) fn forget_zones(&self, names: &[String]) {
        self.zones.forget(names);
        self.specs.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// The spec of a schedule, from its JSON.
    pub(crate) fn spec(&self, schedule_id: &str, json: &str) -> Result<Arc<Spec>, Error> {
        let mut known = self.specs.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((of, spec)) = known.get(schedule_id)
            && of == json
        {
            return Ok(Arc::clone(spec));
        }
        let written: SpecText = serde_json::from_str(json).map_err(|e| {
            Error::new(
                crate::error::Kind::System,
                format_args!("the spec of `{schedule_id}` is broken on file"),
            )
            .because(e)
        })?;
        let spec = Arc::new(Spec::compile(&written, schedule_id, &self.zones)?);
        if known.len() >= MAX_ENTRIES {
            known.clear();
        }
        known.insert(schedule_id.to_owned(), (json.to_owned(), Arc::clone(&spec)));
        Ok(spec)
    }

    /// The workflow of a key: what is on file under it never changes.
    pub(crate) fn workflow(&self, read: &Read<'_>, key: i64) -> Result<Arc<Workflow>, Error> {
        let mut known = self.workflows.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(workflow) = known.get(&key) {
            return Ok(Arc::clone(workflow));
        }
        let workflow = Arc::new(Workflow::check(&read.action(key)?)?);
        if known.len() >= MAX_ENTRIES {
            known.clear();
        }
        known.insert(key, Arc::clone(&workflow));
        Ok(workflow)
    }
}
