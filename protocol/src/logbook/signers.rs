//! Which of a box's keys may sign the next line: those that are trusted beforehand, and those that they hand over to.
//!
//! Once a later key has signed, an earlier one signs nothing more: who has copied a key that was let go can add nothing.

use crate::claims::Event;
use crate::envelope::{Kid, VerifyingKey};
use crate::rotation;

/// The keys of a walk.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Signers {
    /// The one that signed last.
    current: Option<(Kid, VerifyingKey)>,
    /// Those that signed before it, one after the other.
    former: Vec<Kid>,
    /// Those that an entry has handed over to, with the key that has signed it.
    named: Vec<(Kid, VerifyingKey, Kid)>,
}

impl Signers {
    /// The key of this id, among those that are trusted beforehand and those that they led to.
    pub(super) fn key(&self, kid: &Kid, anchors: &[VerifyingKey]) -> Option<VerifyingKey> {
        // Nearly always it is the one that signed before.
        if let Some((current, key)) = &self.current
            && current == kid
        {
            return Some(*key);
        }
        self.named
            .iter()
            .find(|(named, ..)| named == kid)
            .map(|(_, key, _)| *key)
            .or_else(|| anchors.iter().find(|key| key.kid() == *kid).copied())
    }

    /// Whether this key has handed over, and the one that follows it has signed.
    pub(super) fn has_gone(&self, kid: &Kid) -> bool {
        self.former.contains(kid)
    }

    /// An entry of this key stands in its place.
    pub(super) fn signed(&mut self, kid: &Kid, key: VerifyingKey) {
        match &mut self.current {
            Some((current, _)) if current == kid => {}
            Some(current) => {
                let (left, _) = std::mem::replace(current, (kid.clone(), key));
                self.former.push(left);
            }
            None => self.current = Some((kid.clone(), key)),
        }
    }

    /// An event of this key stands in its place: it may hand over. A statement that does not hold leads nowhere. Of several
    /// keys that one has named the later word counts, until one of them signs.
    pub(super) fn heard(&mut self, event: &Event, signer: &Kid) {
        if let Some(Ok(next)) = rotation::successor(event, signer) {
            let kid = next.kid();
            if self.former.contains(&kid) || self.named.iter().any(|(named, ..)| *named == kid) {
                return;
            }
            let void = self.named.iter().filter(|(_, _, by)| by == signer);
            let void: Vec<Kid> = void.map(|(named, ..)| named.clone()).collect();
            self.former.extend(void);
            self.named.push((kid, next, signer.clone()));
        }
    }
}
