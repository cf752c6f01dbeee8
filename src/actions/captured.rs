//! The output of a process while it is read: its pipes, and what is kept of it.

use std::io::PipeReader;

use super::head_tail::HeadTail;

/// A pipe from a process, and what is kept of the bytes that came through it.
pub(super) struct Capture {
    /// `None` once the last process has closed its end.
    pub(super) pipe: Option<PipeReader>,
    pub(super) kept: HeadTail,
}

impl Capture {
    pub(super) fn take_turn(&mut self) {
        self.pipe.take_if(|pipe| !self.kept.take_turn(pipe));
    }

    pub(super) fn take_rest(&mut self) {
        if let Some(mut pipe) = self.pipe.take() {
            self.kept.take_rest(&mut pipe);
        }
    }
}

/// The captured output of a process.
pub(super) struct Captured {
    /// Includes stderr, in the order of the writes, unless that is captured separately.
    pub(super) stdout: Capture,
    pub(super) stderr: Option<Capture>,
}

impl Captured {
    pub(super) fn all(&mut self) -> impl Iterator<Item = &mut Capture> {
        std::iter::once(&mut self.stdout).chain(&mut self.stderr)
    }

    /// Stdout and stderr so far.
    pub(super) fn so_far(&self) -> (Vec<u8>, Vec<u8>) {
        let stderr = self.stderr.as_ref();
        (
            self.stdout.kept.so_far(),
            stderr.map(|stderr| stderr.kept.so_far()).unwrap_or_default(),
        )
    }
}
