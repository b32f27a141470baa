//! A month's file, line by line: no more than one line and one piece of it are in memory, however long it is, and what the
//! disk does not give stands for itself.
//!
//! Opening may fail for many reasons, of which most pass. Once a file is open a piece that is not given is damage: bytes
//! that no envelope has stand in its place, and what is around it is read.

use std::io;
use std::path::Path;

use bridgepoint_protocol::envelope::MAX_ENVELOPE;

use crate::disk::{Disk, Looked};

/// So much is asked for at once.
const PIECE: usize = 64 * 1024;
/// So much around a place that cannot be read is given up.
const BLOCK: usize = 4096;
/// What stands for a block that cannot be read: no envelope has it, and it ends no line.
const UNREAD: u8 = 0xff;
/// No entry is shorter.
const SHORTEST_ENTRY: u64 = 300;

/// A file that is read.
#[derive(Debug)]
pub(super) struct Lines {
    file: Box<dyn Looked>,
    /// How long it was when it was opened: what came later is not looked at.
    length: u64,
    /// Up to where it was read.
    at: u64,
    /// Up to where it is read by blocks, because a piece was not given.
    careful_to: u64,
    piece: Vec<u8>,
    /// How much of the piece was handed over.
    taken: usize,
    line: Vec<u8>,
    /// What the disk said where it first gave nothing.
    pub(super) failed: Option<io::Error>,
}

/// A line as it stands in the file.
#[derive(Debug)]
pub(super) struct RawLine<'a> {
    /// Where it begins.
    pub(super) offset: u64,
    /// Its bytes without the line feed; of one that is longer than any envelope a little more than an envelope has.
    pub(super) text: &'a [u8],
    /// Whether a line feed ends it.
    pub(super) ended: bool,
    made: Made,
}

/// What a line is made of, all of it.
#[derive(Debug, Clone, Copy, Default)]
struct Made {
    bytes: u64,
    dots: u64,
    zeros: u64,
    /// Bytes that no envelope has.
    strange: u64,
}

impl Made {
    fn take(&mut self, bytes: &[u8]) {
        self.bytes += bytes.len() as u64;
        for byte in bytes {
            self.dots += u64::from(*byte == b'.');
            self.zeros += u64::from(*byte == 0);
            self.strange += u64::from(!byte.is_ascii_graphic());
        }
    }
}

impl RawLine<'_> {
    /// Where the next one begins.
    pub(super) fn end(&self) -> u64 {
        self.offset + self.made.bytes + u64::from(self.ended)
    }

    /// Whether a block of it has not arrived.
    pub(super) fn has_zeros(&self) -> bool {
        self.made.zeros > 0
    }

    /// Not finished, and it may still be: it is being written, or the power went when it was.
    pub(super) fn is_unfinished(&self) -> bool {
        !self.ended && self.made.strange == self.made.zeros
    }

    /// How many entries it may have been, where it cannot be read: the line feed between two may be what is damaged.
    pub(super) fn numbers(&self) -> u64 {
        (self.made.dots.div_ceil(2) + self.made.strange / SHORTEST_ENTRY).max(1)
    }
}

impl Lines {
    /// Opens a file.
    ///
    /// # Errors
    /// What the system says. That the file is damaged is not said with it.
    pub(super) fn open(disk: &dyn Disk, path: &Path) -> io::Result<Self> {
        let (file, length) = disk.look(path)?;
        Ok(Self {
            file,
            length,
            at: 0,
            careful_to: 0,
            piece: Vec::new(),
            taken: 0,
            line: Vec::new(),
            failed: None,
        })
    }

    /// The next line; none at the end of the file.
    pub(super) fn next(&mut self) -> Option<RawLine<'_>> {
        let mut made = Made::default();
        let mut ended = false;
        self.line.clear();
        let offset = self.at - (self.piece.len() - self.taken) as u64;
        while !ended {
            if self.taken == self.piece.len() && !self.fill() {
                break;
            }
            let rest = self.piece.get(self.taken..).unwrap_or_default();
            let end = rest.iter().position(|b| *b == b'\n');
            let body = rest.get(..end.unwrap_or(rest.len())).unwrap_or_default();
            made.take(body);
            // One byte more than an envelope may have tells that it is none.
            let fits = (MAX_ENVELOPE + 1).saturating_sub(self.line.len()).min(body.len());
            self.line.extend_from_slice(body.get(..fits).unwrap_or_default());
            ended = end.is_some();
            self.taken += body.len() + usize::from(ended);
        }
        (ended || made.bytes > 0).then_some(RawLine {
            offset,
            text: &self.line,
            ended,
            made,
        })
    }

    /// False at the end.
    fn fill(&mut self) -> bool {
        (self.taken, self.piece) = (0, Vec::new());
        let left = usize::try_from(self.length - self.at).unwrap_or(PIECE);
        if left == 0 {
            return false;
        }
        if self.at >= self.careful_to {
            match self.file.read_at(self.at, left.min(PIECE)) {
                Ok(piece) => self.piece = piece,
                Err(error) => {
                    self.careful_to = self.at + PIECE as u64;
                    self.failed.get_or_insert(error);
                }
            }
        }
        if self.at < self.careful_to {
            let block = left.min(BLOCK);
            let read = self.file.read_at(self.at, block);
            self.piece = read.unwrap_or_else(|_| vec![UNREAD; block]);
        }
        self.at += self.piece.len() as u64;
        // It was cut meanwhile: there is no more.
        !self.piece.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::Opening;
    use crate::disk::sim::{Lie, SimDisk};
    use proptest::prelude::*;

    const PATH: &str = "/d/x";

    fn disk_with(text: &[u8]) -> SimDisk {
        let disk = SimDisk::new(1, Lie::None);
        let mut file = disk.open(Path::new(PATH), Opening::New).unwrap();
        file.append(text).unwrap();
        disk
    }

    /// Offset, text, whether it ended, numbers.
    fn all(disk: &SimDisk) -> Vec<(u64, Vec<u8>, bool, u64)> {
        let mut lines = Lines::open(disk, Path::new(PATH)).unwrap();
        let mut all = Vec::new();
        while let Some(line) = lines.next() {
            assert!(line.text.len() <= MAX_ENVELOPE + 1);
            all.push((line.offset, line.text.to_vec(), line.ended, line.numbers()));
        }
        all
    }

    #[test]
    fn two_lines_that_have_grown_together_have_used_two_numbers() {
        let numbers = |text: &[u8]| all(&disk_with(text))[0].3;
        assert_eq!(numbers(b"aa.bb.cc?aa.bb.cc"), 2);
        assert_eq!(numbers(b"?"), 1);
        assert_eq!(numbers(&[UNREAD; 4096]), 13);
        assert_eq!(numbers(&[UNREAD; 409_600]), 1365, "also of what is not kept");
    }

    #[test]
    fn a_block_that_cannot_be_read_costs_its_own_lines() {
        let text = [b"x".repeat(99), b"\n".to_vec()].concat().repeat(3000);
        let disk = disk_with(&text);
        disk.bad_block(Path::new(PATH), 102_400);
        let read = all(&disk);
        let whole = read
            .iter()
            .filter(|(_, line, ..)| line.len() == 99 && line[0] == b'x');
        let whole = whole.filter(|(_, line, ..)| !line.contains(&UNREAD)).count();
        // Blocks of 4096 bytes, of which 102400 begins one: 41 lines are touched.
        assert_eq!(whole, 3000 - 41);
        assert_eq!(read.last().unwrap().0, 299_900);
        let mut lines = Lines::open(&disk, Path::new(PATH)).unwrap();
        while lines.next().is_some() {}
        assert_eq!(lines.failed.unwrap().raw_os_error(), Some(5));
    }

    proptest! {
        #[test]
        fn any_text_is_handed_over_as_its_lines(
            text in prop::collection::vec(prop_oneof![Just(b'\n'), Just(0), any::<u8>()], 0..300), times in 1_usize..600,
        ) {
            let text = text.repeat(times);
            let read = all(&disk_with(&text));
            let expected: Vec<&[u8]> = text.split_inclusive(|b| *b == b'\n').collect();
            prop_assert_eq!(read.len(), expected.len());
            let mut offset = 0;
            for ((at, line, ended, _), expected) in read.iter().zip(expected) {
                let body = expected.strip_suffix(b"\n").unwrap_or(expected);
                prop_assert_eq!(*at, offset);
                prop_assert_eq!(&line[..], &body[..body.len().min(MAX_ENVELOPE + 1)]);
                prop_assert_eq!(*ended, body.len() < expected.len());
                offset += expected.len() as u64;
            }
        }
    }
}
