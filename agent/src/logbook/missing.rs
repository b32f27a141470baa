//! What the open book knows of its own text: how far it is whole, and which of its entries were given up with the hub's
//! word on it.

use super::Logbook;
use crate::disk::Opening;

/// How far the logbook is whole: whatever stands behind this may be a line that is being written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Whole {
    /// The newest month that is written in, `YYYY-MM`; empty where nothing was ever written.
    pub(super) month: String,
    /// The length of its file, bytes.
    pub(super) length: u64,
}

impl Logbook {
    /// How far it is whole at this moment: nobody writes while the book is held.
    pub(crate) fn whole(&self) -> Whole {
        let path = self.path(&self.month);
        let doubtful = self.doubtful.as_ref().filter(|(file, _)| *file == path);
        let length = doubtful.map(|(_, certain)| *certain).or_else(|| {
            let file = self.disk.open(&path, Opening::There).ok()?;
            file.length().ok()
        });
        Whole {
            month: self.month.clone(),
            // Whoever reads it meets what is wrong with it.
            length: length.unwrap_or(u64::MAX),
        }
    }

    /// Whether the hub has receipted, since the book was opened, that this entry is missing, and never the entry itself.
    pub(crate) fn is_given_up(&self, seq: u64) -> bool {
        self.given_up.contains(&seq)
    }

    /// The hub has receipted a gap entry: what it declares waits no more. It is no receipt, and witnesses nothing.
    pub(super) fn give_up(&mut self, gap: u64) {
        let declared = self.declared.iter().filter(|(_, _, seq)| *seq == gap);
        for (first, last, _) in declared {
            let numbers: Vec<u64> = self.waiting.range(first..=last).map(|(seq, _)| *seq).collect();
            for seq in numbers {
                self.waiting.remove(&seq);
                self.given_up.insert(seq);
            }
        }
    }
}
