//! A cache of compiled specs and checked workflows.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use crate::error::{Error, Kind};
use crate::run::step::Workflow;
use crate::spec::Spec;
use crate::spec::spec_text::SpecText;
use crate::store::{OpenRun, Read};
use crate::zoneinfo::ZoneInfo;

/// Maximum number of entries; a full cache is cleared, and filled again as needed.
const MAX_ENTRIES: usize = 10_000;

/// Caches compiled specs and checked workflows.
#[derive(Debug)]
pub(crate) struct Catalog {
    zones: Arc<ZoneInfo>,
    specs: Mutex<HashMap<String, (String, Arc<Spec>)>>,
    workflows: Mutex<HashMap<i64, Arc<Workflow>>>,
}

impl Catalog {
    /// Returns an empty cache that uses these zones.
    pub(crate) fn new(zones: ZoneInfo) -> Self {
        Self {
            zones: Arc::new(zones),
            specs: Mutex::default(),
            workflows: Mutex::default(),
        }
    }

    /// The zones that specs are compiled with.
    pub(crate) fn zones(&self) -> &Arc<ZoneInfo> {
        &self.zones
    }

    /// Drops the data of zones, and all compiled specs; both are read again when next needed.
    pub(crate) fn forget_zones(&self, names: &[String]) {
        self.zones.forget(names);
        self.specs.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// Returns the compiled spec of a schedule, from its JSON.
    pub(crate) fn spec(&self, schedule_id: &str, json: &str) -> Result<Arc<Spec>, Error> {
        let mut cache = self.specs.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((cached_json, spec)) = cache.get(schedule_id)
            && cached_json == json
        {
            return Ok(Arc::clone(spec));
        }
        let invalid = |e: Error| {
            Error::new(
                Kind::System,
                format_args!("the stored spec of the schedule `{schedule_id}` is not valid"),
            )
            .because(e)
            .damage()
        };
        let spec = stored_json(json)
            .and_then(|text: SpecText| Spec::compile(&text, schedule_id, &*self.zones))
            .map_err(invalid)?;
        let spec = Arc::new(spec);
        if cache.len() >= MAX_ENTRIES {
            cache.clear();
        }
        cache.insert(schedule_id.to_owned(), (json.to_owned(), Arc::clone(&spec)));
        Ok(spec)
    }

    /// Returns the workflow stored under a key; stored workflows never change.
    pub(crate) fn workflow(&self, read: &Read<'_>, key: i64) -> Result<Arc<Workflow>, Error> {
        let mut cache = self.workflows.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(workflow) = cache.get(&key) {
            return Ok(Arc::clone(workflow));
        }
        let workflow = Workflow::check(&read.action(key)?)
            .map_err(|e| Error::new(Kind::System, "the stored steps are not valid").because(e).damage())?;
        let workflow = Arc::new(workflow);
        if cache.len() >= MAX_ENTRIES {
            cache.clear();
        }
        cache.insert(key, Arc::clone(&workflow));
        Ok(workflow)
    }

    /// Returns the workflow of an open run, which has the step at the run's position.
    pub(crate) fn workflow_of(&self, read: &Read<'_>, run: &OpenRun) -> Result<Arc<Workflow>, Error> {
        let workflow = self.workflow(read, run.row.workflow)?;
        if run.progress.position < workflow.steps.len() {
            return Ok(workflow);
        }
        let (id, position) = (&run.row.run_id, run.progress.position);
        Err(Error::new(
            Kind::System,
            format_args!("the stored position {position} of run `{id}` is not valid"),
        )
        .damage())
    }
}

fn stored_json<T: serde::de::DeserializeOwned>(json: &str) -> Result<T, Error> {
    serde_json::from_str(json).map_err(|e| Error::new(Kind::System, "cannot parse it as JSON").because(e))
}
