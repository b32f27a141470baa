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
    /// Hash of the entry that it [`follows`].
    pub before: Option<EntryHash>,
    /// `prev` of the entry that follows it: of the next number, or of the gap entry that declares from there on. Where
    /// both are held, of the one that names another entry.
    pub after_prev: Option<EntryHash>,
    /// The nearest number below that is held. Without it nothing is known to be missing.
    pub below: Option<u64>,
}

/// What becomes of an entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Placement {
    /// New and consistent with its neighbours: store it, receipt it. The first one that an empty hub is sent is taken
    /// whatever its number is: the chain starts there.
    Accept,
    /// As [`Self::Accept`], and numbers below it are not there: the chain is pending, they are asked for.
    Ahead {
        /// What to ask for.
        missing: RangeInclusive<u64>,
    },
    /// Held already, byte for byte: receipt it again, change nothing.
    Duplicate,
    /// It contradicts what is held: alarm, no receipt.
    Fork,
}

/// The number of the entry that `prev` is the hash of; 0 for nothing. `declared`: what a gap entry declares missing. One
/// that stands directly after that follows the last entry that is there; one that looks further back is an entry like
/// others.
#[must_use]
pub fn follows(seq: u64, declared: Option<&RangeInclusive<u64>>) -> u64 {
    let before = seq.saturating_sub(1);
    match declared {
        Some(numbers) if *numbers.end() == before && *numbers.start() >= 1 => numbers.start() - 1,
        _ => before,
    }
}

/// Decides. `before`: the number that the entry [`follows`].
#[must_use]
pub fn place(link: &Link, before: u64, around: &Neighbours) -> Placement {
    match around.same {
        Some(held) if held == link.hash => return Placement::Duplicate,
        Some(_) => return Placement::Fork,
        None => {}
    }
    let rooted = before != 0 || link.prev == EntryHash::ZERO;
    let follows = around.before.is_none_or(|before| before == link.prev);
    let leads = around.after_prev.is_none_or(|prev| prev == link.hash);
    if link.seq == 0 || !rooted || !follows || !leads {
        return Placement::Fork;
    }
    match around.below {
        Some(below) if below < before => Placement::Ahead {
            missing: below + 1..=before,
        },
        _ => Placement::Accept,
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

/// The numbers that are missing between the first and the last of `held` (ascending, without repetition) and that no gap
/// entry has `declared` (in any order).
#[must_use]
pub fn missing(
    held: impl IntoIterator<Item = u64>,
    declared: &[RangeInclusive<u64>],
) -> Vec<RangeInclusive<u64>> {
    let mut gaps = Vec::new();
    let mut last: Option<u64> = None;
    for seq in held {
        if let Some(before) = last
            && seq > before + 1
        {
            undeclared(before + 1, seq - 1, declared, &mut gaps);
        }
        last = Some(seq);
    }
    gaps
}

fn undeclared(from: u64, to: u64, declared: &[RangeInclusive<u64>], gaps: &mut Vec<RangeInclusive<u64>>) {
    let mut from = from;
    while from <= to {
        if let Some(inside) = declared.iter().find(|numbers| numbers.contains(&from)) {
            from = inside.end().saturating_add(1);
            continue;
        }
        let next = declared.iter().map(|numbers| *numbers.start());
        let end = next.filter(|start| from < *start && *start <= to).min();
        let end = end.map_or(to, |start| start - 1);
        gaps.push(from..=end);
        from = end + 1;
    }
}

#[cfg(test)]
mod model;

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

    fn placed(link: &Link, around: Neighbours) -> Placement {
        place(link, follows(link.seq, None), &around)
    }

    #[test]
    fn every_placement() {
        let nothing = Neighbours::default();
        assert_eq!(placed(&link(1), nothing), Placement::Accept, "the first");
        assert_eq!(
            placed(&link(9), nothing),
            Placement::Accept,
            "a hub that starts in the middle"
        );
        let same = |n| Neighbours {
            same: Some(hash(n)),
            ..nothing
        };
        assert_eq!(placed(&link(9), same(9)), Placement::Duplicate);
        assert_eq!(
            placed(&link(9), same(8)),
            Placement::Fork,
            "one number, two entries"
        );
        let before = |n| Neighbours {
            before: Some(hash(n)),
            below: Some(8),
            ..nothing
        };
        assert_eq!(placed(&link(9), before(8)), Placement::Accept);
        assert_eq!(placed(&link(9), before(3)), Placement::Fork, "does not follow");
        let below = |n| Neighbours {
            below: Some(n),
            ..nothing
        };
        assert_eq!(placed(&link(9), below(5)), Placement::Ahead { missing: 6..=8 });
        let after = Neighbours {
            after_prev: Some(hash(3)),
            ..nothing
        };
        assert_eq!(placed(&link(9), after), Placement::Fork, "does not lead");
        let unrooted = Link {
            prev: hash(4),
            ..link(1)
        };
        assert_eq!(
            placed(&unrooted, nothing),
            Placement::Fork,
            "the first has no predecessor"
        );
        assert_eq!(
            placed(&Link { seq: 0, ..link(1) }, nothing),
            Placement::Fork,
            "there is no entry 0"
        );
    }

    #[test]
    fn a_gap_entry_follows_the_last_one_that_is_there() {
        assert_eq!(follows(9, Some(&(5..=8))), 4);
        assert_eq!(follows(9, Some(&(1..=8))), 0, "nothing is there");
        assert_eq!(follows(9, Some(&(3..=5))), 8, "one that looks further back");
        assert_eq!((follows(9, None), follows(1, None), follows(0, None)), (8, 0, 0));
        let gap = Link {
            prev: hash(4),
            ..link(9)
        };
        let around = |before, below| Neighbours {
            before,
            below: Some(below),
            ..Neighbours::default()
        };
        assert_eq!(place(&gap, 4, &around(Some(hash(4)), 4)), Placement::Accept);
        assert_eq!(place(&gap, 4, &around(Some(hash(5)), 4)), Placement::Fork);
        assert_eq!(
            place(&gap, 4, &around(None, 2)),
            Placement::Ahead { missing: 3..=4 },
            "what it declares is not asked for"
        );
        assert_eq!(
            place(&gap, 4, &around(Some(hash(4)), 8)),
            Placement::Accept,
            "the hub has what the box has lost"
        );
        assert_eq!(place(&gap, 0, &around(None, 9)), Placement::Fork, "not the first");
    }

    #[test]
    fn what_is_missing_is_named_unless_it_was_declared() {
        assert_eq!(missing([3, 4, 7, 9], &[]), vec![5..=6, 8..=8]);
        assert!(missing([], &[]).is_empty());
        assert!(missing([5], &[]).is_empty());
        assert!(missing([3, 4, 7, 9], &[8..=8, 5..=6]).is_empty());
        assert_eq!(missing([1, 20], &[12..=14, 4..=8]), vec![2..=3, 9..=11, 15..=19]);
        assert_eq!(missing([1, 9], &[0..=3, 8..=u64::MAX]), vec![4..=7]);
        #[allow(clippy::reversed_empty_ranges)] // declares nothing
        let nothing = [2..=1, 4..=3];
        assert_eq!(missing([1, 5], &nothing), vec![2..=3, 4..=4]);
    }

    proptest! {
        /// Whatever gap entries declare: each number between the first and the last is held, declared or missing, once.
        #[test]
        fn every_number_is_held_declared_or_missing(
            held in prop::collection::btree_set(1_u64..60, 0..20),
            declared in prop::collection::vec((0_u64..70, 0_u64..70), 0..8),
        ) {
            let declared: Vec<_> = declared.into_iter().map(|(from, to)| from..=to).collect();
            let gaps = missing(held.iter().copied(), &declared);
            let (first, last) = (held.first().copied().unwrap_or(1), held.last().copied().unwrap_or(0));
            for seq in first..=last {
                let there = held.contains(&seq) || declared.iter().any(|numbers| numbers.contains(&seq));
                let times = gaps.iter().filter(|gap| gap.contains(&seq)).count();
                prop_assert_eq!(times, usize::from(!there), "{} in {:?}", seq, gaps);
            }
            prop_assert!(gaps.iter().all(|gap| *gap.start() > first && *gap.end() < last && !gap.is_empty()));
        }

        /// In whatever order the entries of one history come, each is accepted once and the chain ends complete.
        #[test]
        fn any_order_of_one_history_is_accepted(order in Just((1_u64..=30).collect::<Vec<_>>()).prop_shuffle(), again in 1_u64..=30) {
            let mut held = std::collections::BTreeMap::<u64, Link>::new();
            let around = |held: &std::collections::BTreeMap<u64, Link>, seq: u64| Neighbours {
                same: held.get(&seq).map(|l| l.hash),
                before: held.get(&(seq - 1)).map(|l| l.hash),
                after_prev: held.get(&(seq + 1)).map(|l| l.prev),
                below: held.range(..seq).next_back().map(|(seq, _)| *seq),
            };
            for seq in order {
                let placement = placed(&link(seq), around(&held, seq));
                let taken = matches!(placement, Placement::Accept | Placement::Ahead { .. });
                prop_assert!(taken);
                held.insert(seq, link(seq));
            }
            prop_assert_eq!(placed(&link(again), around(&held, again)), Placement::Duplicate);
            prop_assert!(missing(held.keys().copied(), &[]).is_empty());
        }
    }
}
