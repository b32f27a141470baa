//! One room in full: what its page, `room show` and `/api/v1/rooms/<org>/<room>` draw.

use std::ops::RangeInclusive;
use std::sync::Arc;

use bridgepoint_protocol::claims::{Attest, Event, Finding, Report};
use bridgepoint_protocol::envelope::{Kind, peek};
use bridgepoint_protocol::name::RoomAddress;
use serde::Serialize;

use crate::fleet::{RoomState, merged, standing, state};
use crate::keyring::{KeyState, RoomKey};
use crate::rooms::agenda;
use crate::say::{Sentence, both};
use crate::store::{PastRun, Store, StoreError};

/// Runs of the past that are shown.
const HISTORY: usize = 60;

/// Events and attestations that are shown.
const EVENTS: usize = 60;

/// Gaps that are named.
const GAPS: usize = 20;

/// One room in full.
#[derive(Debug, Clone, Serialize)]
pub struct RoomDetail {
    /// How it stands.
    #[serde(flatten)]
    pub state: RoomState,
    /// The newest full run as it was signed.
    pub report: Option<Report>,
    /// Its findings, with those of the re-tests since in their place.
    pub findings: Vec<Finding>,
    /// The newest runs, newest first.
    pub history: Vec<PastRun>,
    /// The newest events, newest first.
    pub events: Vec<PastEvent>,
    /// The newest attestations, newest first.
    pub attests: Vec<PastAttest>,
    /// All keys that asked for this room.
    pub keys: Vec<KeyRow>,
    /// The numbers that are missing in its chain.
    pub missing: Vec<(u64, u64)>,
}

/// A key, as it is shown.
#[derive(Debug, Clone, Serialize)]
pub struct KeyRow {
    /// Its id.
    pub kid: String,
    /// What two people compare over a telephone.
    pub fingerprint: String,
    /// What was decided.
    pub state: KeyState,
    /// The first number of the room's chain that it may sign.
    pub from: u64,
    /// The last one, when there is one: it was revoked or handed over after it. 0 for a key that may sign nothing.
    pub to: Option<u64>,
    /// The key that handed over to it.
    pub former: Option<String>,
    /// First heard, UTC milliseconds.
    pub first_ms: i64,
    /// Heard last, UTC milliseconds.
    pub last_ms: i64,
    /// When it was decided, UTC milliseconds.
    pub decided_ms: Option<i64>,
}

/// An event and when it came.
#[derive(Debug, Clone, Serialize)]
pub struct PastEvent {
    /// When it came, UTC milliseconds.
    pub received_ms: i64,
    /// What the room says.
    #[serde(flatten)]
    pub event: Event,
}

/// An attestation and when it came.
#[derive(Debug, Clone, Serialize)]
pub struct PastAttest {
    /// When it came, UTC milliseconds.
    pub received_ms: i64,
    /// What was confirmed, and by whom.
    #[serde(flatten)]
    pub attest: Attest,
}

impl From<&RoomKey> for KeyRow {
    fn from(key: &RoomKey) -> Self {
        Self {
            kid: key.kid.to_string(),
            fingerprint: key.kid.fingerprint(),
            state: key.state,
            from: key.from,
            to: key.end.map(|end| if end > key.from { end - 1 } else { 0 }),
            former: key.former.as_ref().map(ToString::to_string),
            first_ms: key.first_ms,
            last_ms: key.last_ms,
            decided_ms: key.decided_ms,
        }
    }
}

impl KeyRow {
    /// The entries that it may sign, in words; `None` for any, and before it was ever trusted.
    #[must_use]
    pub fn range(&self) -> Option<Sentence> {
        let from = self.from;
        match self.to {
            Some(0) => Some(both("không ký mục nào", "signs no entry")),
            Some(to) if from > 1 => Some(both(
                format!("ký các mục {from}–{to}"),
                format!("signs entries {from} to {to}"),
            )),
            Some(to) => Some(both(
                format!("ký đến mục {to}"),
                format!("signs entries up to {to}"),
            )),
            None if from > 1 => Some(both(
                format!("ký từ mục {from}"),
                format!("signs from entry {from} on"),
            )),
            None => None,
        }
    }
}

/// Reads a room in full; `None` when it is not known.
///
/// # Errors
/// [`StoreError`].
pub fn detail<S: Store + ?Sized>(
    store: &S,
    at: &RoomAddress,
    now_ms: i64,
) -> Result<Option<RoomDetail>, StoreError> {
    let Some(kept) = store.kept(at)? else {
        return Ok(None);
    };
    let findings = kept
        .full
        .as_ref()
        .map(|full| merged(full, &kept.scoped).into_owned())
        .unwrap_or_default();
    let missing = match kept.chain {
        Some(chain) if chain.missing > 0 => store.missing(at, chain.chain, GAPS)?,
        _ => vec![],
    };
    let (mut events, mut attests) = (vec![], vec![]);
    for held in store.entries(at, &[Kind::Event, Kind::Attest], EVENTS)? {
        let received_ms = held.received_ms;
        // It was verified and read when it came, so it can be read again.
        match (held.kind, peek(held.jws.as_bytes())) {
            (Kind::Event, Ok(opened)) => {
                events.extend(opened.claims().ok().map(|event| PastEvent { received_ms, event }));
            }
            (Kind::Attest, Ok(opened)) => {
                attests.extend(
                    opened
                        .claims()
                        .ok()
                        .map(|attest| PastAttest { received_ms, attest }),
                );
            }
            _ => {}
        }
    }
    Ok(Some(RoomDetail {
        state: state(Arc::new(standing(&kept)), &agenda(store, now_ms)?, now_ms),
        report: kept.full.map(|run| Arc::unwrap_or_clone(run.report)),
        findings,
        history: store.history(at, HISTORY)?,
        events,
        attests,
        keys: kept.keys.iter().map(KeyRow::from).collect(),
        missing: missing.into_iter().map(RangeInclusive::into_inner).collect(),
    }))
}
