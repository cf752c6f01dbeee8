//! What a process writes, capped: its beginning and its end.

use std::collections::VecDeque;
use std::io::{PipeReader, Read as _};

/// The beginning and the end of what was written.
pub(super) struct Capped {
    /// How much of the beginning and of the end is kept, each.
    most: usize,
    head: Vec<u8>,
    tail: VecDeque<u8>,
    cut: u64,
}

impl Capped {
    pub(super) fn new(most: usize) -> Self {
        Self {
            most,
            head: Vec::new(),
            tail: VecDeque::new(),
            cut: 0,
        }
    }

    /// Whether something had to be left out.
    pub(super) fn is_cut(&self) -> bool {
        self.cut > 0
    }

    /// Takes what can be read without waiting; whether there may be more later.
    pub(super) fn take_from(&mut self, pipe: &mut PipeReader) -> bool {
        let mut buffer = [0_u8; 16 * 1024];
        loop {
            match pipe.read(&mut buffer) {
                Ok(0) => return false,
                Ok(n) => self.keep(&buffer[..n]),
                Err(e) if e.kind() == std::io::ErrorKind::Interrupted => {}
                Err(e) => return e.kind() == std::io::ErrorKind::WouldBlock,
            }
        }
    }

    fn keep(&mut self, bytes: &[u8]) {
        let (first, rest) = bytes.split_at(bytes.len().min(self.most - self.head.len()));
        self.head.extend(first);
        self.tail.extend(rest);
        let over = self.tail.len().saturating_sub(self.most);
        self.tail.drain(..over);
        self.cut += over as u64;
    }

    pub(super) fn into_bytes(self) -> Vec<u8> {
        let mut all = self.head;
        if self.cut > 0 {
            all.extend(format!("\n… {} bytes left out …\n", self.cut).as_bytes());
        }
        all.extend(self.tail);
        all
    }
}
