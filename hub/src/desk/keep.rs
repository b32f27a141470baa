//! What is kept of each letter: the first half of the desk's work, inside one commit.

use bridgepoint_protocol::claims::{Contact, Enrol, Presence, PresenceState};
use bridgepoint_protocol::name::RoomAddress;
use bridgepoint_protocol::text::clean;

use super::{Desk, Letter, Owed, Work};
use crate::bucket::Turn;
use crate::fleet::{Standing, standing};
use crate::ingest::{Enrolment, Entry, Outcome, Reason, Refused, ingest};
use crate::keyring::handover::named;
use crate::keyring::{Request, RoomKey};
use crate::store::{Decision, PresenceRow, Store, StoreError, decide_within};

/// A box's word about itself that changes nothing is written down at most this often, milliseconds.
const PRESENCE_EVERY_MS: i64 = 60_000;

/// Contacts that are kept of an enrolment.
pub(super) const MAX_CONTACTS: usize = 20;

impl<S: Store> Desk<S> {
    pub(super) fn keep(
        &mut self,
        letters: &[Letter],
        now_ms: i64,
    ) -> Result<(Work, Vec<Standing>), StoreError> {
        let mut work = Work::default();
        for letter in letters {
            self.keep_one(letter, &mut work)?;
        }
        let mut rows = Vec::new();
        for at in &work.touched {
            rows.extend(self.row(at, now_ms)?);
        }
        Ok((work, rows))
    }

    /// A room's row for the board; since when its verdict is what it is, is written down.
    pub(super) fn row(&mut self, at: &RoomAddress, now_ms: i64) -> Result<Option<Standing>, StoreError> {
        let Some(kept) = self.store.kept(at)? else {
            return Ok(None);
        };
        let row = standing(&kept);
        let verdict = row.result.as_ref().map(|r| r.verdict.word());
        if kept.verdict.as_deref() != verdict {
            self.store
                .put_standing(at, verdict, row.result.as_ref().map_or(now_ms, |r| r.since_ms))?;
        }
        Ok(Some(row))
    }

    fn keep_one(&mut self, letter: &Letter, work: &mut Work) -> Result<(), StoreError> {
        let Letter {
            topic,
            payload,
            received_ms,
            ..
        } = letter;
        let store = &self.store;
        let outcome = ingest(
            topic,
            payload,
            &self.orgs,
            &self.keyring,
            |at, chain, link, before| store.neighbours(at, chain, link, before),
        )?;
        match outcome {
            Outcome::Accepted(entry) => self.accept(&entry, *received_ms, work),
            Outcome::Duplicate { at, chain, seq, hash } => {
                let turn = self.turn(&at, *received_ms);
                let first_ms = self.store.received_ms(&at, chain, seq)?.unwrap_or(*received_ms);
                work.receipts.push(Owed {
                    at,
                    seq: Some(seq),
                    hash,
                    received_ms: first_ms,
                    turn,
                });
                Ok(())
            }
            Outcome::Fork(entry) => {
                self.store.add_fork(&entry, *received_ms)?;
                self.store.count(Some(&entry.at), Reason::Fork, *received_ms)?;
                work.forks.push((entry.at.clone(), entry.link.seq));
                work.touched.insert(entry.at);
                Ok(())
            }
            Outcome::Enrolment(enrolment) => self.enrol(*enrolment, *received_ms, work),
            Outcome::Presence(at, presence) => self.presence(at, &presence, letter, work),
            Outcome::Refused(refused) => self.refuse(&refused, *received_ms, work),
        }
    }

    fn accept(&mut self, entry: &Entry, received_ms: i64, work: &mut Work) -> Result<(), StoreError> {
        let turn = self.turn(&entry.at, received_ms);
        if turn == Turn::Full {
            let detail = format!("entry {}", entry.link.seq);
            return self.refuse(
                &Refused {
                    at: Some(entry.at.clone()),
                    why: Reason::Flood,
                    detail,
                },
                received_ms,
                work,
            );
        }
        let made_after_ms = entry
            .nonce
            .as_deref()
            .and_then(|nonce| self.challenger.issued_ms(&entry.at, nonce));
        self.store.add_entry(entry, received_ms, made_after_ms)?;
        self.learn_keys(entry, received_ms, work)?;
        let (seq, hash) = (Some(entry.link.seq), entry.link.hash);
        work.touched.insert(entry.at.clone());
        work.receipts.push(Owed {
            at: entry.at.clone(),
            seq,
            hash,
            received_ms,
            turn,
        });
        Ok(())
    }

    fn refuse(&mut self, refused: &Refused, now_ms: i64, work: &mut Work) -> Result<(), StoreError> {
        let Refused { at, why, detail } = refused;
        let known = at
            .as_ref()
            .filter(|at| self.board.room(at).is_some() || work.touched.contains(at));
        tracing::warn!(
            room = at.as_ref().map(tracing::field::display),
            why = why.word(),
            detail,
            "refused"
        );
        self.store.count(known, *why, now_ms)?;
        work.touched.extend(known.cloned());
        Ok(())
    }

    fn enrol(&mut self, enrolment: Enrolment, now_ms: i64, work: &mut Work) -> Result<(), StoreError> {
        let Enrolment {
            at,
            kid,
            key,
            hash,
            request,
            claims,
        } = enrolment;
        let before = self.keyring.key_at(&at, &kid).cloned();
        let fresh = before.is_none();
        let before = before.unwrap_or_else(|| named(at.clone(), key, hash, now_ms));
        let mut row = RoomKey {
            enrolment: hash,
            last_ms: now_ms,
            ..says(claims, before)
        };
        self.store.put_key(&row)?;
        if request == Request::Expected {
            decide_within(&mut self.store, &at, &kid, Decision::Approve, now_ms)?;
            let approved = self.store.keys_of(&at)?.into_iter().find(|k| k.kid == kid);
            row = approved.unwrap_or(row);
            self.keyring.forget_expected(&at);
            tracing::info!(room = %at, fingerprint = row.kid.fingerprint(), "approved: it was expected");
        }
        match request {
            Request::Approved | Request::Expected => {
                let turn = self.turn(&at, now_ms);
                work.receipts.push(Owed {
                    at: at.clone(),
                    seq: None,
                    hash,
                    received_ms: now_ms,
                    turn,
                });
            }
            _ if fresh => {
                let second = request == Request::Challenger;
                tracing::info!(room = %at, fingerprint = row.kid.fingerprint(), second, "a box asks to be approved");
            }
            _ => {}
        }
        self.keyring.put(row);
        self.access_stale = true;
        work.touched.insert(at);
        Ok(())
    }

    fn presence(
        &mut self,
        at: RoomAddress,
        said: &Presence,
        letter: &Letter,
        work: &mut Work,
    ) -> Result<(), StoreError> {
        let Some(kept) = self.store.presence(&at)? else {
            return Ok(());
        };
        let state = said.state.or(PresenceState::Online);
        let gone = matches!(state, PresenceState::Lost | PresenceState::Disconnected);
        let now_ms = letter.received_ms;
        // The will of a connection that was given up comes after the next one has said hello.
        if gone && kept.as_ref().is_some_and(|k| k.session > said.session) {
            return Ok(());
        }
        let heard = (!letter.retained && state != PresenceState::Lost).then_some(now_ms);
        let same = kept.as_ref().filter(|k| k.state == state);
        let row = PresenceRow {
            state,
            ts_ms: said.ts_ms,
            session: said.session,
            agent: clean(&said.agent),
            since_ms: same.map_or(now_ms, |k| k.since_ms),
            heard_ms: heard.max(kept.as_ref().and_then(|k| k.heard_ms)),
        };
        let written_lately = |k: &&PresenceRow| {
            k.session == row.session
                && k.agent == row.agent
                && row.heard_ms.unwrap_or(0) - k.heard_ms.unwrap_or(0) < PRESENCE_EVERY_MS
        };
        if same.filter(written_lately).is_none() {
            self.store.put_presence(&at, &row)?;
            work.touched.insert(at);
        }
        Ok(())
    }

    fn turn(&mut self, at: &RoomAddress, now_ms: i64) -> Turn {
        self.buckets
            .entry(at.clone())
            .or_default()
            .take(now_ms, self.burst)
    }
}

/// A key with what its own enrolment says about the room.
pub(super) fn says(claims: Enrol, key: RoomKey) -> RoomKey {
    RoomKey {
        name: clean(&claims.name),
        area: claims.area.as_deref().map(clean).filter(|area| !area.is_empty()),
        contacts: claims
            .contacts
            .into_iter()
            .take(MAX_CONTACTS)
            .map(cleaned)
            .collect(),
        ..key
    }
}

fn cleaned(contact: Contact) -> Contact {
    let text = |text: Option<String>| text.as_deref().map(clean).filter(|t| !t.is_empty());
    Contact {
        role: contact.role,
        name: text(contact.name),
        title: text(contact.title),
        phone: text(contact.phone),
        email: text(contact.email),
    }
}
