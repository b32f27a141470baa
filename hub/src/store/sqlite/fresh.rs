//! Reports that were added in the transaction that is open: who asks for one need not read it back and parse it again.
//!
//! Only a shortcut. What is here is what the entry's text says; without it the text is read.

use std::collections::HashMap;
use std::sync::Arc;

use bridgepoint_protocol::claims::Report;

/// Reports by their entry's row.
#[derive(Debug, Default)]
pub(super) struct Fresh(HashMap<i64, Arc<Report>>);

impl Fresh {
    /// An entry with this report was added.
    pub(super) fn add(&mut self, entry: i64, report: &Arc<Report>) {
        self.0.insert(entry, Arc::clone(report));
    }

    /// The report of an entry, when it was added in this transaction.
    pub(super) fn of(&self, entry: i64) -> Option<Arc<Report>> {
        self.0.get(&entry).cloned()
    }

    /// The transaction has ended: what was added is on disk, or never was.
    pub(super) fn clear(&mut self) {
        self.0.clear();
    }
}
