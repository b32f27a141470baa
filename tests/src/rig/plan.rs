//! Plans of meetings, signed with the hub's own key: what a box follows, without waiting for a day to come.

use std::path::Path;

use anyhow::{Context as _, Result};
use bridgepoint_protocol::envelope::{Kind, SigningKey, seal};
use serde_json::{Value, json};

/// Milliseconds of a minute.
pub const MIN: i64 = 60_000;

/// One meeting as the hub plans it, of two hours; `start_ms` is UTC milliseconds.
#[must_use]
pub fn meeting(id: &str, start_ms: i64) -> Value {
    json!({
        "id": id, "subject": "Giao ban tháng 11", "rooms": ["bai-chay"], "start_ms": start_ms,
        "length_min": 120, "kind": "planned", "role": "satellite"
    })
}

/// A plan for the room `bai-chay`, signed.
///
/// # Errors
/// When it is too large.
pub fn signed(key: &SigningKey, rev: u64, meetings: &[Value]) -> Result<String> {
    let claims = json!({
        "v": 1, "org": "quang-ninh", "room": "bai-chay", "iat": 0, "rev": rev, "issued_ms": rev,
        "reflector": "10.1.0.2:9511", "meetings": meetings, "nonce": format!("nonce-{rev}")
    });
    Ok(seal(key, Kind::Plan, &claims)?.jws)
}

/// A key for a hub that is not there.
///
/// # Errors
/// When the system gives no random numbers.
pub fn key() -> Result<SigningKey> {
    let random = ring::rand::SystemRandom::new();
    Ok(SigningKey::from_pkcs8(&SigningKey::generate(&random)?)?)
}

/// Lays into a box's state directory what it would have kept of a hub with this key: the key, and its plan.
///
/// # Errors
/// When the files cannot be written.
pub fn lay(state: &Path, key: &SigningKey, meetings: &[Value]) -> Result<()> {
    std::fs::create_dir_all(state)?;
    let pin = json!({ "key": key.verifying().jwk(), "enrolled": null });
    std::fs::write(state.join("hub.json"), pin.to_string())?;
    std::fs::write(state.join("plan.jws"), signed(key, 1, meetings)?).context("plan.jws")
}
