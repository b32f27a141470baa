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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::ingest::{Outcome, ingest};
    use crate::keyring::{KeyState, Keyring};
    use crate::sample::{Box, NOW, finding};
    use crate::store::Store as _;
    use crate::store::sqlite::SqliteStore;
    use bridgepoint_protocol::envelope::Kind;

    #[test]
    fn a_report_is_not_read_back_in_its_transaction_and_is_the_same_after_it() {
        let dir = tempfile::tempdir().unwrap();
        let mut store = SqliteStore::open(&dir.path().join("hub.db")).unwrap();
        let mut it = Box::new("abc/one");
        store.put_key(&it.row(KeyState::Approved)).unwrap();
        let ring = Keyring::new(store.keys().unwrap());
        let mut added = |store: &mut SqliteStore| {
            let claims = it.report("ready", &json!([finding("codec.reachable", "pass", "ok", true)]));
            let jws = it.next(Kind::Report, &claims).jws;
            let orgs = [it.at.org.clone()];
            let outcome = ingest(
                &it.topic("report"),
                jws.as_bytes(),
                &orgs,
                &ring,
                |at, chain, link, before| store.neighbours(at, chain, link, before),
            );
            let Outcome::Accepted(entry) = outcome.unwrap() else {
                panic!("a report that follows is taken");
            };
            store.add_entry(&entry, NOW, None).unwrap();
            (entry.at, entry.link.seq)
        };

        store.begin().unwrap();
        let (at, _) = added(&mut store);
        let within = store.kept(&at).unwrap().unwrap();
        let shared = |store: &SqliteStore, report: &Arc<Report>| {
            store.fresh.0.values().any(|fresh| Arc::ptr_eq(fresh, report))
        };
        assert!(shared(&store, &within.full.as_ref().unwrap().report));
        store.commit().unwrap();
        assert!(store.fresh.0.is_empty(), "a commit forgets");
        assert_eq!(store.kept(&at).unwrap().unwrap(), within, "read from its text");

        store.begin().unwrap();
        let (_, seq) = added(&mut store);
        assert_eq!(store.kept(&at).unwrap().unwrap().full.unwrap().seq, seq);
        store.rollback();
        assert!(store.fresh.0.is_empty(), "a rollback forgets");
        assert_eq!(store.kept(&at).unwrap().unwrap(), within);
    }

    #[test]
    fn what_is_added_outside_of_a_transaction_is_not_held() {
        let dir = tempfile::tempdir().unwrap();
        let mut store = SqliteStore::open(&dir.path().join("hub.db")).unwrap();
        let mut it = Box::new("abc/one");
        store.put_key(&it.row(KeyState::Approved)).unwrap();
        let ring = Keyring::new(store.keys().unwrap());
        let jws = it.ready().jws;
        let orgs = [it.at.org.clone()];
        let outcome = ingest(
            &it.topic("report"),
            jws.as_bytes(),
            &orgs,
            &ring,
            |at, chain, link, before| store.neighbours(at, chain, link, before),
        );
        let Outcome::Accepted(entry) = outcome.unwrap() else {
            panic!("a report that follows is taken");
        };
        store.add_entry(&entry, NOW, None).unwrap();
        assert!(store.fresh.0.is_empty());
        assert!(store.kept(&it.at).unwrap().unwrap().full.is_some());
    }
}
