//! What the hub ought to believe, written as plainly as the rule reads: sets of what was taken, and questions over them.
//! It shares no code with the keyring, the store or the chain.

use std::collections::BTreeMap;

use bridgepoint_protocol::envelope::{EntryHash, Kid};

use crate::store::Decision;

/// A letter, and what its maker knows of it.
#[derive(Debug, Clone)]
pub(super) struct Said {
    /// The room whose topic carries it.
    pub(super) topic_at: String,
    pub(super) jws: String,
    pub(super) what: What,
}

#[derive(Debug, Clone)]
pub(super) enum What {
    /// An entry that `kid` has signed.
    Entry {
        at: String,
        kid: Kid,
        seq: u64,
        /// The number of the entry that `prev` is the hash of.
        follows: u64,
        prev: EntryHash,
        hash: EntryHash,
        /// The next key and the hash of its own statement.
        names: Option<(Kid, EntryHash)>,
        run: Option<String>,
    },
    /// A key asks.
    Enrol { at: String, kid: Kid, hash: EntryHash },
    /// Nobody has signed it.
    Junk,
}

/// What a room is to look like.
#[derive(Debug, PartialEq)]
pub(super) struct Shown {
    pub(super) run: Option<String>,
    pub(super) held: u64,
    pub(super) forks: u32,
    pub(super) own: Option<Kid>,
    pub(super) refused_rotations: u64,
}

type Receipts = Vec<(String, Option<u64>, EntryHash)>;

#[derive(Debug, Default)]
pub(super) struct Model {
    rooms: BTreeMap<String, Room>,
}

#[derive(Debug, Default)]
struct Room {
    keys: BTreeMap<Kid, Key>,
    chains: Vec<Chain>,
    own: Option<Kid>,
    expected: Option<Kid>,
    refused_rotations: u64,
}

#[derive(Debug, Default)]
struct Chain {
    taken: BTreeMap<u64, Taken>,
    forks: BTreeMap<EntryHash, ()>,
}

#[derive(Debug)]
struct Taken {
    kid: Kid,
    follows: u64,
    prev: EntryHash,
    hash: EntryHash,
    run: Option<String>,
}

#[derive(Debug, Clone)]
struct Key {
    /// Index of its chain, once it was trusted.
    chain: Option<usize>,
    /// The entry that has named it, and the key that signed that.
    named: Option<(u64, Kid)>,
    /// Named, and passed over for another.
    void: bool,
    /// An operator's word: from this number on it is trusted no more. `Some(None)`: not at all.
    revoked: Option<Option<u64>>,
    /// Hash of its newest enrolment.
    asked: EntryHash,
}

impl Room {
    /// The lowest number that a key has signed, of what was taken.
    fn first_of(&self, kid: &Kid) -> Option<u64> {
        let chain = self.keys.get(kid)?.chain?;
        let mut taken = self.chains[chain].taken.iter();
        taken.find_map(|(seq, taken)| (taken.kid == *kid).then_some(*seq))
    }

    /// Keys that this one has named.
    fn named_by(&self, kid: &Kid) -> Vec<Kid> {
        let named = self
            .keys
            .iter()
            .filter(|(_, k)| k.named.as_ref().is_some_and(|(_, by)| by == kid));
        named.map(|(kid, _)| kid.clone()).collect()
    }

    /// Named, not passed over, and yet to sign.
    fn is_next(&self, kid: &Kid) -> bool {
        self.own.as_ref() != Some(kid)
            && self.keys.get(kid).is_some_and(|k| {
                k.named
                    .as_ref()
                    .is_some_and(|(_, by)| self.own.as_ref() == Some(by))
                    && !k.void
                    && k.revoked.is_none()
                    && self.first_of(kid).is_none()
            })
    }

    /// Was the room's, or was passed over.
    fn is_former(&self, kid: &Kid) -> bool {
        let key = self.keys.get(kid);
        key.is_some_and(|k| k.chain.is_some() && k.revoked.is_none())
            && self.own.as_ref() != Some(kid)
            && !self.is_next(kid)
    }

    fn is_revoked(&self, kid: &Kid) -> bool {
        self.keys.get(kid).is_some_and(|k| k.revoked.is_some())
    }

    fn is_trusted(&self, kid: &Kid) -> bool {
        self.own.as_ref() == Some(kid) || self.is_next(kid) || self.is_former(kid)
    }

    /// May this key sign this number, by all that was taken so far?
    fn may_sign(&self, kid: &Kid, seq: u64) -> bool {
        let Some(key) = self.keys.get(kid) else {
            return false;
        };
        let in_range = key.named.as_ref().is_none_or(|(at, _)| *at < seq);
        let revoked = key
            .revoked
            .is_some_and(|from| from.is_none_or(|from| from <= seq));
        let handed_over = self
            .named_by(kid)
            .iter()
            .any(|next| self.first_of(next).is_some_and(|first| first <= seq));
        key.chain.is_some() && !key.void && in_range && !revoked && !handed_over
    }

    fn last_of(&self, kid: &Kid) -> u64 {
        let chain = self.keys.get(kid).and_then(|k| k.chain);
        chain
            .and_then(|c| self.chains[c].taken.keys().last().copied())
            .unwrap_or(0)
    }

    fn revoke(&mut self, kid: &Kid, from: Option<u64>) {
        let Some(key) = self.keys.get_mut(kid) else { return };
        key.revoked = Some(match (from, key.revoked) {
            (Some(from), Some(Some(before))) => Some(from.min(before)),
            (from, _) => from,
        });
        if self.own.as_ref() == Some(kid) {
            self.own = None;
        }
        for next in self.named_by(kid) {
            let (at, _) = self.keys[&next].named.clone().unwrap();
            let key = &self.keys[&next];
            let unused = self.first_of(&next).is_none() && !key.void && key.revoked.is_none();
            // Also one that was revoked from a later number on.
            if unused || from.is_some_and(|from| at >= from) {
                self.revoke(&next, Some(at + 1));
            }
        }
    }
}

impl Model {
    /// A letter comes. Gives the receipts that are owed.
    pub(super) fn takes(&mut self, said: &Said) -> Receipts {
        match &said.what {
            What::Entry { at, .. } | What::Enrol { at, .. } if *at != said.topic_at => vec![],
            What::Enrol { at, kid, hash } => self.asks(at, kid, *hash),
            What::Entry {
                at,
                kid,
                seq,
                follows,
                prev,
                hash,
                names,
                run,
            } => {
                let room = self.rooms.entry(at.clone()).or_default();
                if !room.may_sign(kid, *seq) {
                    return vec![];
                }
                let chain = room.keys[kid].chain.unwrap();
                let taken = &room.chains[chain].taken;
                if let Some(same) = taken.get(seq) {
                    if same.hash == *hash {
                        return vec![(at.clone(), Some(*seq), *hash)];
                    }
                    room.chains[chain].forks.insert(*hash, ());
                    return vec![];
                }
                let before = taken.get(follows).is_none_or(|before| before.hash == *prev);
                let mut after = taken.iter().filter(|(n, it)| *n > seq && it.follows == *seq);
                let after = after.all(|(_, after)| after.prev == *hash);
                let root = *follows > 0 || *prev == EntryHash::ZERO;
                if !(before && after && root) {
                    room.chains[chain].forks.insert(*hash, ());
                    return vec![];
                }
                let takes_over = room.is_next(kid);
                let entry = Taken {
                    kid: kid.clone(),
                    follows: *follows,
                    prev: *prev,
                    hash: *hash,
                    run: run.clone(),
                };
                room.chains[chain].taken.insert(*seq, entry);
                if takes_over {
                    let (_, former) = room.keys[kid].named.clone().unwrap();
                    for other in room.named_by(&former) {
                        if other != *kid && room.first_of(&other).is_none() && !room.is_revoked(&other) {
                            room.keys.get_mut(&other).unwrap().void = true;
                        }
                    }
                    room.own = Some(kid.clone());
                }
                // A key that an operator revoked from a later number on has signed all the same: the one before it is over.
                let key = &room.keys[kid];
                if key.revoked.is_some() && key.named.as_ref().map(|(_, by)| by) == room.own.as_ref() {
                    room.own = None;
                }
                let mut receipts = vec![(at.clone(), Some(*seq), *hash)];
                if let Some((next, proof)) = names {
                    receipts.extend(self.names(at, kid, *seq, next, *proof));
                }
                receipts
            }
            What::Junk => vec![],
        }
    }

    fn asks(&mut self, at: &str, kid: &Kid, hash: EntryHash) -> Receipts {
        let elsewhere = |is: &dyn Fn(&Room) -> bool| self.rooms.iter().any(|(other, r)| other != at && is(r));
        let trusted_elsewhere = elsewhere(&|r| r.is_trusted(kid));
        let revoked_elsewhere = elsewhere(&|r| r.is_revoked(kid));
        let room = self.rooms.entry(at.to_owned()).or_default();
        let receipt = vec![(at.to_owned(), None, hash)];
        if room.own.as_ref() == Some(kid) || room.is_next(kid) {
            room.keys.get_mut(kid).unwrap().asked = hash;
            return receipt;
        }
        let refused = room.is_revoked(kid) || room.is_former(kid) || trusted_elsewhere || revoked_elsewhere;
        if refused {
            return vec![];
        }
        let waiting = room
            .keys
            .iter()
            .filter(|(k, v)| *k != kid && v.chain.is_none() && v.revoked.is_none());
        let expected = room.own.is_none() && room.expected.as_ref() == Some(kid);
        if !expected && !room.keys.contains_key(kid) && waiting.count() >= 4 {
            return vec![];
        }
        let key = room.keys.entry(kid.clone()).or_insert(Key {
            chain: None,
            named: None,
            void: false,
            revoked: None,
            asked: hash,
        });
        key.asked = hash;
        if expected {
            self.decides(at, kid, Decision::Approve)
        } else {
            vec![]
        }
    }

    fn names(&mut self, at: &str, by: &Kid, seq: u64, next: &Kid, proof: EntryHash) -> Receipts {
        let elsewhere = self.rooms.iter().any(|(other, r)| {
            other != at && (r.is_trusted(next) || r.is_revoked(next) || r.expected.as_ref() == Some(next))
        });
        let room = self.rooms.get_mut(at).unwrap();
        if room.own.as_ref() != Some(by) {
            // Late: the room has gone on. From a revoked key it is nobody's word.
            room.refused_rotations += u64::from(room.is_revoked(by));
            return vec![];
        }
        if elsewhere || room.is_revoked(next) || room.is_former(next) {
            room.refused_rotations += 1;
            return vec![];
        }
        if room.is_next(next) {
            let key = room.keys.get_mut(next).unwrap();
            let (before, _) = key.named.clone().unwrap();
            key.named = Some((before.min(seq), by.clone()));
            return vec![];
        }
        let chain = room.keys[by].chain;
        let mut void = false;
        for other in room.named_by(by) {
            if room.is_next(&other) {
                let (at, _) = room.keys[&other].named.clone().unwrap();
                if at < seq {
                    room.keys.get_mut(&other).unwrap().void = true;
                } else {
                    void = true;
                }
            }
        }
        let waited = room.keys.get(next).map(|k| k.asked);
        let key = Key {
            chain,
            named: Some((seq, by.clone())),
            void,
            revoked: None,
            asked: waited.unwrap_or(proof),
        };
        room.keys.insert(next.clone(), key);
        let answered = waited.filter(|_| !void);
        answered
            .map(|hash| (at.to_owned(), None, hash))
            .into_iter()
            .collect()
    }

    /// The operator decides. Gives the receipts that are owed.
    pub(super) fn decides(&mut self, at: &str, kid: &Kid, decision: Decision) -> Receipts {
        let room = self.rooms.get_mut(at).unwrap();
        match decision {
            Decision::Revoke(from) => {
                let known = room.keys[kid].chain.is_some();
                let from = known.then(|| from.unwrap_or_else(|| room.last_of(kid) + 1));
                room.revoke(kid, from);
                vec![]
            }
            Decision::Approve => {
                let again = room.own.as_ref() == Some(kid);
                if let Some(other) = room.own.clone().filter(|other| other != kid) {
                    let last = room.last_of(&other);
                    let kept = room.keys[kid].clone();
                    room.revoke(&other, Some(last + 1));
                    room.keys.insert(kid.clone(), kept);
                }
                for next in room.named_by(kid) {
                    let key = room.keys.get_mut(&next).unwrap();
                    // It keeps the numbers that it had; the key that named it is bound by them no more.
                    let (at, _) = key.named.clone().unwrap();
                    key.named = Some((at, Kid::new("nobody")));
                }
                let key = room.keys.get(kid).unwrap().clone();
                let anew = key.chain.is_none_or(|c| !room.chains[c].forks.is_empty());
                if anew {
                    room.chains.push(Chain::default());
                }
                let last = room.chains.len() - 1;
                let hash = key.asked;
                room.keys.insert(
                    kid.clone(),
                    Key {
                        chain: if anew { Some(last) } else { key.chain },
                        named: key
                            .named
                            .filter(|_| !anew)
                            .map(|(at, _)| (at, Kid::new("nobody"))),
                        void: false,
                        revoked: None,
                        asked: hash,
                    },
                );
                room.own = Some(kid.clone());
                room.expected = None;
                if again {
                    vec![]
                } else {
                    vec![(at.to_owned(), None, hash)]
                }
            }
        }
    }

    pub(super) fn expects(&mut self, at: &str, kid: &Kid) {
        self.rooms.entry(at.to_owned()).or_default().expected = Some(kid.clone());
    }

    pub(super) fn shows(&self, at: &str) -> Shown {
        let room = &self.rooms[at];
        let own = room.own.as_ref().and_then(|kid| room.keys[kid].chain);
        let newest = room.keys.values().filter_map(|k| k.chain).max();
        let chain = own.or(newest).map(|c| &room.chains[c]);
        // Signed, in its place, and still of a key that may have signed it; the highest number of these.
        let believed = |seq: &u64, taken: &Taken| room.may_sign(&taken.kid, *seq);
        let run = chain.and_then(|chain| {
            let mut newest = chain.taken.iter().rev();
            newest.find_map(|(seq, taken)| taken.run.clone().filter(|_| believed(seq, taken)))
        });
        Shown {
            run,
            held: chain.map_or(0, |c| c.taken.len() as u64),
            forks: chain.map_or(0, |c| c.forks.len() as u32),
            own: room.own.clone(),
            refused_rotations: room.refused_rotations,
        }
    }
}
