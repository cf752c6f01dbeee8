//! The recorded output of a process: secrets are masked first, then only the beginning and the end are kept.

use std::collections::VecDeque;
use std::io::{ErrorKind, PipeReader, Read as _};

use super::masker::Masker;

/// Number of bytes read before the deadline and stop requests are checked again, however fast the writer is.
const TURN: usize = 256 * 1024;

/// The beginning and the end of an output.
pub(super) struct HeadTail {
    masker: Masker,
    kept: Kept,
}

struct Kept {
    /// Number of bytes kept of the beginning and of the end, each.
    limit: usize,
    head: Vec<u8>,
    tail: VecDeque<u8>,
    /// Number of bytes omitted in the middle.
    omitted: u64,
}

impl HeadTail {
    /// Keeps `limit` bytes of the beginning and as many of the end.
    pub(super) fn new(limit: usize, masker: Masker) -> Self {
        let kept = Kept {
            limit,
            head: Vec::new(),
            tail: VecDeque::new(),
            omitted: 0,
        };
        Self { masker, kept }
    }

    /// Whether anything was omitted.
    pub(super) fn is_cut(&self) -> bool {
        self.kept.omitted > 0
    }

    /// Reads what is available without waiting, up to the limit of one turn; returns whether the pipe is still open.
    pub(super) fn take_turn(&mut self, pipe: &mut PipeReader) -> bool {
        self.take(pipe, TURN)
    }

    /// Reads what is in the pipe now, and nothing that is written after this call.
    pub(super) fn take_rest(&mut self, pipe: &mut PipeReader) {
        let available = rustix::io::ioctl_fionread(&*pipe).unwrap_or_default();
        self.take(pipe, usize::try_from(available).unwrap_or(TURN));
    }

    fn take(&mut self, pipe: &mut PipeReader, mut limit: usize) -> bool {
        let mut buffer = [0_u8; 16 * 1024];
        while limit > 0 {
            let room = limit.min(buffer.len());
            match pipe.read(&mut buffer[..room]) {
                Ok(0) => return false,
                Ok(n) => {
                    self.keep(&buffer[..n]);
                    limit -= n;
                }
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                Err(e) => return e.kind() == ErrorKind::WouldBlock,
            }
        }
        true
    }

    /// Adds bytes.
    pub(super) fn keep(&mut self, bytes: &[u8]) {
        let Self { masker, kept } = self;
        masker.mask(bytes, |clean| kept.add(clean));
    }

    /// The output so far, without its last bytes if a secret may begin in them.
    pub(super) fn so_far(&self) -> Vec<u8> {
        let Kept { head, tail, omitted, .. } = &self.kept;
        let mut all = head.clone();
        if *omitted > 0 {
            all.extend(format!("\n… {omitted} bytes omitted …\n").as_bytes());
        }
        all.extend(tail);
        all
    }

    /// The whole output, with a note on the omitted bytes.
    pub(super) fn into_bytes(mut self) -> Vec<u8> {
        let Self { masker, kept } = &mut self;
        masker.finish(|clean| kept.add(clean));
        self.so_far()
    }
}

impl Kept {
    fn add(&mut self, bytes: &[u8]) {
        let (first, rest) = bytes.split_at(bytes.len().min(self.limit - self.head.len()));
        self.head.extend(first);
        // Only the last `limit` bytes can stay.
        let skipped = rest.len().saturating_sub(self.limit);
        self.tail.extend(&rest[skipped..]);
        let excess = self.tail.len().saturating_sub(self.limit);
        self.tail.drain(..excess);
        self.omitted += (skipped + excess) as u64;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::actions::secrets::Secrets;

    const SECRET: &str = "QWXZ~qwxz~KJHG~kjhg";

    #[test]
    fn keeps_no_part_of_a_secret_at_any_offset_around_the_cuts() {
        const LIMIT: usize = 64;
        let secrets = Secrets::of_values([SECRET, "kjhgABC"]);
        for length in [0, 1, LIMIT, 3 * LIMIT] {
            for offset in 0..3 * LIMIT {
                for chunk in [1, 7, 4096] {
                    let text = format!("{}{SECRET}ABC{}", ".".repeat(offset), "-".repeat(length));
                    let mut output = HeadTail::new(LIMIT, secrets.masker());
                    text.as_bytes().chunks(chunk).for_each(|part| output.keep(part));
                    let kept = String::from_utf8_lossy(&output.into_bytes()).into_owned();
                    let leaked = (0..SECRET.len() - 2).find(|at| kept.contains(&SECRET[*at..*at + 3]));
                    assert_eq!(leaked, None, "{length} after {offset} in chunks of {chunk}: {kept}");
                    assert!(!kept.contains("ABC"), "two secrets that overlap: {kept}");
                }
            }
        }
    }

    #[test]
    fn keeps_text_that_only_begins_like_a_secret() {
        let secrets = Secrets::of_values(["secret"]);
        for text in ["secre", "secrsecre", "sesecre t", "ssecrexx"] {
            let mut output = HeadTail::new(1000, secrets.masker());
            text.as_bytes().chunks(2).for_each(|part| output.keep(part));
            assert_eq!(output.into_bytes(), text.as_bytes());
        }
    }

    #[test]
    fn counts_the_omitted_bytes() {
        let mut output = HeadTail::new(4, Secrets::of_values([]).masker());
        output.keep(b"abcdefghijklmnop");
        output.keep(b"q");
        let kept = String::from_utf8(output.into_bytes()).unwrap();
        assert_eq!(kept, "abcd\n… 9 bytes omitted …\nnopq");
    }
}
