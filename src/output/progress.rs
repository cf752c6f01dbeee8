//! Progress of long operations: a spinner or a bar on a terminal, nothing elsewhere.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

/// A progress indicator; cleared when dropped.
pub(crate) struct Waiting(ProgressBar);

impl Waiting {
    /// Shows a spinner for an operation of unknown length.
    pub(crate) fn for_text(text: &str) -> Self {
        let bar = ProgressBar::new_spinner();
        bar.set_message(text.to_owned());
        bar.enable_steady_tick(Duration::from_millis(120));
        Self(bar)
    }

    /// Shows a bar for an operation on `total` items.
    pub(crate) fn for_count(text: &str, total: u64) -> Self {
        let bar = ProgressBar::new(total);
        if let Ok(style) = ProgressStyle::with_template("{msg} {bar:30} {pos}/{len} {elapsed}") {
            bar.set_style(style);
        }
        bar.set_message(text.to_owned());
        bar.enable_steady_tick(Duration::from_millis(120));
        Self(bar)
    }

    /// Sets the number of items done.
    pub(crate) fn at(&self, done: u64) {
        self.0.set_position(done);
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}
