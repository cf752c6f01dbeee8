//! The actions of a deterministic engine.

use super::*;
use crate::notify::{Delivery, Receipt};

/// Actions that are never performed: the test scripts the runs. A receiver acknowledges each message, unless it is down.
#[derive(Default)]
pub(super) struct NoActions {
    pub(super) delivered: Arc<std::sync::Mutex<Vec<Delivery>>>,
    pub(super) is_down: Arc<AtomicBool>,
}

impl Actions for NoActions {
    fn perform(&self, _: &Task<'_>, _: &Control) -> AttemptResult {
        AttemptResult::new(Ending::Ok, 0)
    }

    fn deliver(&self, delivery: &Delivery, _: &Control) -> Result<Receipt, String> {
        if self.is_down.load(std::sync::atomic::Ordering::SeqCst) {
            return Err("it is down".to_owned());
        }
        self.delivered.lock().unwrap().push(delivery.clone());
        Ok(Receipt::default())
    }
}
