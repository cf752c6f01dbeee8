//! The output of a process as it is kept: masked first, then cut to its beginning and its end.

use std::collections::VecDeque;
use std::io::{ErrorKind, PipeReader, Read as _};

use super::secrets::Masker;

/// How much is read before the deadline and stops are looked at again, however fast the writer is.
const TURN: usize = 256 * 1024;

/// The beginning and the end of what was written.
pub(super) struct HeadTail {
    masker: Masker,
    kept: Kept,
}

struct Kept {
    /// How many bytes of the beginning and of the end are kept, each.
    most: usize,
    head: Vec<u8>,
    tail: VecDeque<u8>,
    cut: u64,
}

impl HeadTail {
    /// Keeps `most` bytes of the beginning and as many of the end.
    pub(super) fn new(most: usize, masker: Masker) -> Self {
        let kept = Kept {
            most,
            head: Vec::new(),
            tail: VecDeque::new(),
            cut: 0,
        };
        Self { masker, kept }
    }

    /// Whether something had to be left out.
    pub(super) fn is_cut(&self) -> bool {
        self.kept.cut > 0
    }

    /// Takes what can be read without waiting, as much as one turn allows; whether the pipe is still open.
    pub(super) fn take_turn(&mut self, pipe: &mut PipeReader) -> bool {
        self.take(pipe, TURN)
    }

    /// Takes what is in the pipe now, and nothing that is written after this call.
    pub(super) fn take_rest(&mut self, pipe: &mut PipeReader) {
        let there = rustix::io::ioctl_fionread(&*pipe).unwrap_or_default();
        self.take(pipe, usize::try_from(there).unwrap_or(TURN));
    }

    fn take(&mut self, pipe: &mut PipeReader, mut most: usize) -> bool {
        let mut buffer = [0_u8; 16 * 1024];
        while most > 0 {
            let room = most.min(buffer.len());
            match pipe.read(&mut buffer[..room]) {
                Ok(0) => return false,
                Ok(n) => {
                    self.keep(&buffer[..n]);
                    most -= n;
                }
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                Err(e) => return e.kind() == ErrorKind::WouldBlock,
            }
        }
        true
    }

    fn keep(&mut self, bytes: &[u8]) {
        let Self { masker, kept } = self;
        masker.mask(bytes, |clean| kept.add(clean));
    }

    /// All that is kept.
    pub(super) fn into_bytes(mut self) -> Vec<u8> {
        let Self { masker, kept } = &mut self;
        masker.finish(|clean| kept.add(clean));
        let mut all = std::mem::take(&mut kept.head);
        if kept.cut > 0 {
            all.extend(format!("\n… {} bytes left out …\n", kept.cut).as_bytes());
        }
        all.extend(&kept.tail);
        all
    }
}

impl Kept {
    fn add(&mut self, bytes: &[u8]) {
        let (first, rest) = bytes.split_at(bytes.len().min(self.most - self.head.len()));
        self.head.extend(first);
        // Only the last `most` bytes can stay.
        let passed = rest.len().saturating_sub(self.most);
        self.tail.extend(&rest[passed..]);
        let over = self.tail.len().saturating_sub(self.most);
        self.tail.drain(..over);
        self.cut += (passed + over) as u64;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::actions::secrets::Secrets;

    const SECRET: &str = "QWXZ~qwxz~KJHG~kjhg";

    #[test]
    fn no_part_of_a_secret_is_kept_at_any_offset_around_the_cuts() {
        const MOST: usize = 64;
        let secrets = Secrets::of_values([SECRET, "kjhgABC"]);
        for length in [0, 1, MOST, 3 * MOST] {
            for offset in 0..3 * MOST {
                for chunk in [1, 7, 4096] {
                    let text = format!("{}{SECRET}ABC{}", ".".repeat(offset), "-".repeat(length));
                    let mut output = HeadTail::new(MOST, secrets.masker());
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
    fn keeps_what_only_begins_like_a_secret() {
        let secrets = Secrets::of_values(["secret"]);
        for text in ["secre", "secrsecre", "sesecre t", "ssecrexx"] {
            let mut output = HeadTail::new(1000, secrets.masker());
            text.as_bytes().chunks(2).for_each(|part| output.keep(part));
            assert_eq!(output.into_bytes(), text.as_bytes());
        }
    }

    #[test]
    fn counts_the_bytes_that_are_left_out() {
        let mut output = HeadTail::new(4, Secrets::of_values([]).masker());
        output.keep(b"abcdefghijklmnop");
        output.keep(b"q");
        let kept = String::from_utf8(output.into_bytes()).unwrap();
        assert_eq!(kept, "abcd\n… 9 bytes left out …\nnopq");
    }
}
