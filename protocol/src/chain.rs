//! Where an entry stands in a room's chain, as the hub sees it: one pure decision.
//!
//! Order comes from `seq` and `prev`, never from a clock. An entry ahead of a gap is kept and receipted at
//! once; the chain is then pending until what is missing has come. Two different entries with one number,
//! or a `prev` that is not its neighbour's hash, are a fork: an alarm, not a replacement.

use std::ops::RangeInclusive;

use serde::{Deserialize, Serialize};

use crate::envelope::EntryHash;

/// What of an entry decides its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Link {
    /// Its number.
    pub seq: u64,
    /// Hash of the entry before, as it says.
    pub prev: EntryHash,
    /// Its own hash.
    pub hash: EntryHash,
}

/// What the hub already holds around that number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Neighbours {
    /// Hash of the entry with the same number.
    pub same: Option<EntryHash>,
    /// Hash of the entry one before.
    pub before: Option<EntryHash>,
    /// `prev` of the entry one after.
    pub after_prev: Option<EntryHash>,
}

/// What becomes of an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Placement {
    /// New and consistent with its neighbours: store it, receipt it.
    Accept,
    /// Held already, byte for byte: receipt it again, change nothing.
    Duplicate,
    /// It contradicts what is held: alarm, no receipt.
    Fork,
}

/// Decides.
#[must_use]
pub fn place(link: &Link, around: &Neighbours) -> Placement {
    match around.same {
        Some(held) if held == link.hash => return Placement::Duplicate,
        Some(_) => return Placement::Fork,
        None => {}
    }
    let first_is_rooted = link.seq != 1 || link.prev == EntryHash::ZERO;
    let follows = around.before.is_none_or(|before| before == link.prev);
    let leads = around.after_prev.is_none_or(|prev| prev == link.hash);
    if link.seq >= 1 && first_is_rooted && follows && leads {
        Placement::Accept
    } else {
        Placement::Fork
    }
}

/// How a room's chain stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ChainState {
    /// Every number from the first held to the last is there.
    Complete,
    /// Something is missing and was asked for.
    Pending,
    /// Two histories: an operator has to decide.
    Forked,
}

impl ChainState {
    /// The word on the wire.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Complete => "complete",
            Self::Pending => "pending",
            Self::Forked => "forked",
        }
    }
}

/// The numbers that are missing between the first and the last of `held` (ascending, without repetition).
#[must_use]
pub fn missing(held: impl IntoIterator<Item = u64>) -> Vec<RangeInclusive<u64>> {
    let mut gaps = Vec::new();
    let mut last: Option<u64> = None;
    for seq in held {
        if let Some(before) = last
            && seq > before + 1
        {
            gaps.push(before + 1..=seq - 1);
        }
        last = Some(seq);
    }
    gaps
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn hash(n: u64) -> EntryHash {
        EntryHash::of(&format!("entry {n}"))
    }

    fn link(seq: u64) -> Link {
        Link {
            seq,
            prev: if seq == 1 { EntryHash::ZERO } else { hash(seq - 1) },
            hash: hash(seq),
        }
    }

    #[test]
    fn every_placement() {
        let nothing = Neighbours::default();
        assert_eq!(place(&link(1), &nothing), Placement::Accept, "the first");
        assert_eq!(
            place(&link(9), &nothing),
            Placement::Accept,
            "a hub that starts in the middle"
        );
        let same = Neighbours {
            same: Some(hash(9)),
            ..nothing
        };
        assert_eq!(place(&link(9), &same), Placement::Duplicate);
        let other = Neighbours {
            same: Some(hash(8)),
            ..nothing
        };
        assert_eq!(
            place(&link(9), &other),
            Placement::Fork,
            "one number, two entries"
        );
        let before = Neighbours {
            before: Some(hash(8)),
            ..nothing
        };
        assert_eq!(place(&link(9), &before), Placement::Accept);
        let strange = Neighbours {
            before: Some(hash(3)),
            ..nothing
        };
        assert_eq!(place(&link(9), &strange), Placement::Fork, "does not follow");
        let after = Neighbours {
            after_prev: Some(hash(3)),
            ..nothing
        };
        assert_eq!(place(&link(9), &after), Placement::Fork, "does not lead");
        let unrooted = Link {
            prev: hash(4),
            ..link(1)
        };
        assert_eq!(
            place(&unrooted, &nothing),
            Placement::Fork,
            "the first has no predecessor"
        );
        assert_eq!(
            place(&Link { seq: 0, ..link(1) }, &nothing),
            Placement::Fork,
            "there is no entry 0"
        );
    }

    #[test]
    fn gaps_are_named() {
        assert_eq!(missing([3, 4, 7, 9]), vec![5..=6, 8..=8]);
        assert!(missing([]).is_empty());
        assert!(missing([5]).is_empty());
    }

    proptest! {
        /// In whatever order the entries of one history come, each is accepted once and the chain ends complete.
        #[test]
        fn any_order_of_one_history_is_accepted(order in Just((1_u64..=30).collect::<Vec<_>>()).prop_shuffle(), again in 1_u64..=30) {
            let mut held = std::collections::BTreeMap::<u64, Link>::new();
            let around = |held: &std::collections::BTreeMap<u64, Link>, seq: u64| Neighbours {
                same: held.get(&seq).map(|l| l.hash),
                before: held.get(&(seq - 1)).map(|l| l.hash),
                after_prev: held.get(&(seq + 1)).map(|l| l.prev),
            };
            for seq in order {
                prop_assert_eq!(place(&link(seq), &around(&held, seq)), Placement::Accept);
                held.insert(seq, link(seq));
            }
            prop_assert_eq!(place(&link(again), &around(&held, again)), Placement::Duplicate);
            prop_assert!(missing(held.keys().copied()).is_empty());
        }
    }
}
