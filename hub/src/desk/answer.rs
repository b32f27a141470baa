//! What is said to rooms: receipts in their turn, and questions for what is missing; all signed.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bridgepoint_protocol::WIRE_VERSION;
use bridgepoint_protocol::claims::{Command, CommandKind, Receipt};
use bridgepoint_protocol::envelope::{Kind, seal};
use bridgepoint_protocol::name::RoomAddress;
use bridgepoint_protocol::topic::{RoomTopic, Topic};
use ring::rand::{SecureRandom as _, SystemRandom};

use super::{ASK_AGAIN_MS, Asked, Desk, Owed, Publish};
use crate::bucket::Turn;
use crate::fleet::Standing;
use crate::store::Store;

/// Receipts that wait for their turn, over all rooms. What is beyond is not receipted now; the room sends it again.
const MAX_DELAYED: usize = 20_000;

/// Gaps that are looked at for one that can be filled.
const GAPS: usize = 16;

/// Numbers that one command asks for.
const RESEND_AT_ONCE: u64 = 500;

/// A command to send again is void after this, milliseconds.
const RESEND_EXPIRES_MS: i64 = 10 * 60_000;

impl<S: Store> Desk<S> {
    pub(super) fn receipt(&mut self, owed: &Owed, now_ms: i64, publish: &mut Vec<Publish>) {
        let Owed {
            at,
            seq,
            hash,
            received_ms,
            turn,
        } = owed;
        let claims = Receipt {
            v: WIRE_VERSION,
            org: at.org.clone(),
            room: at.room.clone(),
            iat: now_ms / 1000,
            seq: *seq,
            hash: *hash,
            received_ms: *received_ms,
            nonce: Some(self.challenger.issue(at, now_ms)),
        };
        let Some(message) = self.sealed(at, RoomTopic::Receipt, Kind::Receipt, &claims) else {
            return;
        };
        match turn {
            Turn::Now => publish.push(message),
            Turn::At(due_ms) if self.delayed.len() < MAX_DELAYED => {
                self.delayed_count += 1;
                self.delayed.insert((*due_ms, self.delayed_count), message);
            }
            Turn::At(_) | Turn::Full => {}
        }
    }

    /// Asks for the first gap of a room's chain that one of its keys may fill, unless it was asked for lately.
    /// A gap that cannot be looked up now is asked for later: what was taken in is answered all the same.
    pub(super) fn ask(&mut self, row: &Standing, now_ms: i64) -> Option<Publish> {
        let (at, chain) = (&RoomAddress::from(row), row.chain.chain);
        let missing = self.store.missing(at, chain, GAPS).unwrap_or_else(|e| {
            tracing::warn!(room = %at, error = %e, "the missing entries cannot be looked up");
            vec![]
        });
        // What no key of the room may sign any more would be refused.
        let (from, to) = missing.iter().find_map(|gap| {
            let from = self.keyring.first_wanted(at, chain, gap)?;
            Some((from, *gap.end()))
        })?;
        if let Some(asked) = self.asked.get(at)
            && (asked.chain, asked.from) == (chain, from)
            && now_ms.abs_diff(asked.at_ms) < ASK_AGAIN_MS.unsigned_abs()
        {
            return None;
        }
        self.asked.insert(
            at.clone(),
            Asked {
                chain,
                from,
                at_ms: now_ms,
            },
        );
        let claims = Command {
            v: WIRE_VERSION,
            org: at.org.clone(),
            room: at.room.clone(),
            iat: now_ms / 1000,
            id: command_id(),
            kind: CommandKind::Resend.into(),
            exp_ms: now_ms + RESEND_EXPIRES_MS,
            from: Some(from),
            to: Some(to.min(from.saturating_add(RESEND_AT_ONCE - 1))),
        };
        tracing::info!(room = %at, from, to = claims.to, "asked for missing entries");
        self.sealed(at, RoomTopic::Command, Kind::Command, &claims)
    }

    pub(super) fn sealed(
        &self,
        at: &RoomAddress,
        topic: RoomTopic,
        kind: Kind,
        claims: &impl serde::Serialize,
    ) -> Option<Publish> {
        match seal(&self.key, kind, claims) {
            Ok(sealed) => {
                let topic = Topic::Room(at.clone(), topic).to_string();
                Some(Publish {
                    org: at.org.clone(),
                    topic,
                    payload: sealed.jws,
                    retain: false,
                })
            }
            Err(e) => {
                tracing::error!(room = %at, error = %e, "a message could not be signed");
                None
            }
        }
    }
}

/// A name that no command had before.
fn command_id() -> String {
    let mut bytes = [0_u8; 12];
    // Without random numbers nothing could have been signed either; a fixed id is then refused by the room as seen.
    let _ = SystemRandom::new().fill(&mut bytes);
    URL_SAFE_NO_PAD.encode(bytes)
}
