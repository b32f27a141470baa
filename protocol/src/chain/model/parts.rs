//! Who takes part in a schedule: chance, entries, the honest box, the hub that holds what it was sent.
//!
//! All as small as the rules of the chain allow: hashes are of made-up texts, keys are numbers.

use std::collections::{BTreeMap, BTreeSet};

use super::*;

/// Numbers that look random and are the same for the same seed (splitmix64).
pub(super) struct Dice(pub(super) u64);

impl Dice {
    pub(super) fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    pub(super) fn below(&mut self, n: usize) -> usize {
        usize::try_from(self.roll() % n.max(1) as u64).unwrap()
    }

    pub(super) fn one_in(&mut self, n: u64) -> bool {
        self.roll().is_multiple_of(n)
    }
}

/// An entry as far as the rules look at it. Keys are numbers: each hands over to the next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) link: Link,
    pub(super) key: u8,
    pub(super) declares: Option<RangeInclusive<u64>>,
    pub(super) hands_over: bool,
}

impl Entry {
    pub(super) fn follows(&self) -> u64 {
        follows(self.link.seq, self.declares.as_ref())
    }
}

/// The box, honest.
pub(super) struct Room {
    pub(super) entries: BTreeMap<u64, Entry>,
    /// What it cannot read back any more.
    pub(super) damaged: BTreeSet<u64>,
    pub(super) receipted: BTreeSet<u64>,
    pub(super) head: (u64, EntryHash),
    pub(super) key: u8,
}

impl Room {
    pub(super) fn append(&mut self, seq: u64, declares: Option<RangeInclusive<u64>>, hands_over: bool) {
        let link = Link {
            seq,
            prev: self.head.1,
            hash: EntryHash::of(&format!("box {seq}")),
        };
        self.head = (seq, link.hash);
        let entry = Entry {
            link,
            key: self.key,
            declares,
            hands_over,
        };
        self.entries.insert(seq, entry);
        self.key += u8::from(hands_over);
    }

    pub(super) fn plain(&mut self) {
        self.append(self.head.0 + 1, None, false);
    }

    pub(super) fn writes(&mut self, dice: &mut Dice) {
        let head = self.head.0;
        match dice.below(12) {
            0 => self.append(head + 1, None, true),
            1 => {
                let lost = 1 + dice.below(3) as u64;
                self.append(head + lost + 1, Some(head + 1..=head + lost), false);
            }
            2 if head > 2 => {
                let at = 1 + dice.below(head as usize - 1) as u64;
                // Who cannot show how a key was reached needs an operator; that is not tried here.
                if self.entries.get(&at).is_some_and(|entry| !entry.hands_over) {
                    self.damaged.insert(at);
                }
            }
            _ => self.plain(),
        }
    }

    pub(super) fn readable(&self, seq: u64) -> Option<&Entry> {
        self.entries.get(&seq).filter(|_| !self.damaged.contains(&seq))
    }

    pub(super) fn waiting(&self) -> Vec<u64> {
        let all = self.entries.keys();
        all.filter(|seq| !self.receipted.contains(seq) && !self.damaged.contains(seq))
            .copied()
            .collect()
    }

    /// What it sends when it is asked for these; what it cannot read back it declares missing, and again when the entry
    /// that declared it cannot be read back either.
    pub(super) fn asked(&mut self, range: RangeInclusive<u64>) -> Vec<Entry> {
        let mut found = vec![];
        for seq in range {
            let declares = |entry: &&Entry| entry.declares.as_ref().is_some_and(|d| d.contains(&seq));
            let here = self.readable(seq).or_else(|| {
                let mut readable = self.entries.keys().filter_map(|at| self.readable(*at));
                readable.rfind(declares)
            });
            match here {
                Some(entry) => found.push(entry.clone()),
                None if seq < self.head.0 => self.append(self.head.0 + 1, Some(seq..=seq), false),
                None => {}
            }
        }
        found
    }

    pub(super) fn has_declared(&self, seq: u64) -> bool {
        let all = self.entries.values().filter_map(|entry| entry.declares.as_ref());
        all.into_iter().any(|declared| declared.contains(&seq))
    }
}

/// The hub: what it holds, and the keys that it knows with the number from which on each may sign.
#[derive(Clone, Default)]
pub(super) struct Hub {
    pub(super) held: BTreeMap<u64, Entry>,
    pub(super) keys: BTreeMap<u8, u64>,
}

impl Hub {
    /// The common rule about keys that hand over; it is not what is tried here.
    pub(super) fn may_sign(&self, entry: &Entry) -> bool {
        let seq = entry.link.seq;
        self.keys.get(&entry.key).is_some_and(|from| *from <= seq)
            && !self
                .held
                .values()
                .any(|held| held.key > entry.key && held.link.seq < seq)
    }

    pub(super) fn around(&self, entry: &Entry) -> Neighbours {
        let seq = entry.link.seq;
        let hash = |seq: u64| self.held.get(&seq).map(|held| held.link.hash);
        let after = self.held.range(seq + 1..).map(|(_, held)| held);
        let mut after = after
            .filter(|held| held.follows() == seq)
            .map(|held| held.link.prev);
        let first = after.next();
        Neighbours {
            same: hash(seq),
            before: hash(entry.follows()),
            after_prev: after.find(|prev| *prev != entry.link.hash).or(first),
            below: self.held.range(..seq).next_back().map(|(seq, _)| *seq),
        }
    }

    pub(super) fn keep(&mut self, entry: Entry) {
        if entry.hands_over {
            self.keys.entry(entry.key + 1).or_insert(entry.link.seq + 1);
        }
        self.held.insert(entry.link.seq, entry);
    }

    pub(super) fn missing(&self) -> Vec<RangeInclusive<u64>> {
        let declared: Vec<_> = self
            .held
            .values()
            .filter_map(|held| held.declares.clone())
            .collect();
        missing(self.held.keys().copied(), &declared)
    }
}
