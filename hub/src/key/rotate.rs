//! The hub's next key: made, vouched for by the former one, and put in its place, so that rooms that have pinned the
//! former key follow by themselves.
//!
//! Three writes, each whole or not there: the next key beside (`key.next.pk8`); the former key's public half and its
//! statement (`former-keys.json`); the next key over the former one's file, which takes the former private half away.
//! Whatever is interrupted leaves the former key in use, and a statement that was not followed by its key is dropped.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use bridgepoint_protocol::envelope::{Jwk, SigningKey, VerifyingKey};
use bridgepoint_protocol::rotation::{PublishedKey, hub_statement};
use ring::rand::SystemRandom;
use serde::{Deserialize, Serialize};

use super::{no_key, path, read, unusable};
use crate::file;
use crate::say::{Trouble, both};

/// Statements that are published: a room that was away for longer pins the key by hand. All of them fit a message.
const PUBLISHED: usize = 32;

/// A key that was the hub's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Former {
    /// Its public half.
    pub jwk: Jwk,
    /// Its word about the next one (`bp-hubkey+jws`).
    pub statement: String,
    /// When it was replaced, UTC milliseconds.
    pub replaced_ms: i64,
}

impl Former {
    /// The key.
    #[must_use]
    pub fn key(&self) -> Option<VerifyingKey> {
        VerifyingKey::from_jwk(&self.jwk).ok()
    }
}

/// The keys that were the hub's before this one, oldest first.
///
/// # Errors
/// [`Trouble`] when their file is there and cannot be used.
pub fn former(state: &Path, current: &SigningKey) -> Result<Vec<Former>, Trouble> {
    let path = former_path(state);
    let bytes = match fs::read(&path) {
        Ok(bytes) => bytes,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(vec![]),
        Err(e) => return Err(unusable(&path, &e)),
    };
    let all: Vec<Former> = serde_json::from_slice(&bytes).map_err(|e| {
        let shown = path.display();
        Trouble::internal(both(
            format!("Tệp {shown} hỏng ({e}). Khôi phục từ bản sao lưu; tệp này giữ các khóa cũ của máy chủ."),
            format!("{shown} is damaged ({e}). Restore it from a backup; it has the hub's former keys."),
        ))
    })?;
    // A statement of the key in use was interrupted before the next key came into its place.
    let current = current.kid();
    Ok(all
        .into_iter()
        .take_while(|former| former.key().is_none_or(|key| key.kid() != *current))
        .collect())
}

/// What the hub publishes of its key, and how it was reached from former ones.
#[must_use]
pub fn published(current: &SigningKey, former: &[Former]) -> PublishedKey {
    let newest = former.iter().skip(former.len().saturating_sub(PUBLISHED));
    PublishedKey {
        jwk: current.verifying().jwk(),
        rotations: newest.map(|former| former.statement.clone()).collect(),
    }
}

/// Replaces the key. Gives the former one's public half and the new key.
///
/// # Errors
/// [`Trouble`]: there is no key, or something cannot be written; the former key is then still in use.
pub fn rotate(state: &Path, now_ms: i64) -> Result<(VerifyingKey, SigningKey), Trouble> {
    let current = read(state)?.ok_or_else(|| no_key(state))?;
    let _alone = alone(state)?;
    let mut all = former(state, &current)?;
    let made = SigningKey::generate(&SystemRandom::new());
    let made = made.map_err(|e| {
        Trouble::internal(both(
            format!("Không tạo được khóa: {e}"),
            format!("No key could be made: {e}"),
        ))
    })?;
    let beside = state.join("key.next.pk8");
    file::replace(&beside, &made).map_err(|e| unusable(&beside, &e))?;
    let broken = |e: &dyn std::fmt::Display| {
        Trouble::internal(both(
            format!("Không ký được khóa mới: {e}"),
            format!("The next key could not be signed: {e}"),
        ))
    };
    let next = SigningKey::from_pkcs8(&made).map_err(|e| broken(&e))?;
    all.push(Former {
        jwk: current.verifying().jwk(),
        statement: hub_statement(&current, &next, now_ms / 1000).map_err(|e| broken(&e))?,
        replaced_ms: now_ms,
    });
    let list = former_path(state);
    let text = serde_json::to_vec_pretty(&all).map_err(|e| broken(&e))?;
    file::replace(&list, &text).map_err(|e| unusable(&list, &e))?;
    file::rename(&beside, &path(state)).map_err(|e| unusable(&beside, &e))?;
    Ok((current.verifying(), next))
}

fn former_path(state: &Path) -> PathBuf {
    state.join("former-keys.json")
}

/// One at a time: of two that rotate at once, one would vouch for a key that is nobody's.
fn alone(state: &Path) -> Result<File, Trouble> {
    let path = state.join("key.lock");
    file::lock(&path).map_err(|e| match e.kind() {
        io::ErrorKind::WouldBlock => Trouble::internal(both(
            "Một lệnh khác đang đổi khóa của máy chủ. Chờ lệnh đó xong.",
            "Another command is replacing the hub's key. Wait for it to end.",
        )),
        _ => unusable(&path, &e),
    })
}

#[cfg(test)]
mod tests {
    use bridgepoint_protocol::envelope::Kid;
    use bridgepoint_protocol::rotation::reached;

    use super::super::read_or_make;
    use super::*;

    const NOW: i64 = 1_795_000_000_000;

    /// The key in use, and whether it is reached from `pinned` by what would be published.
    fn leads(state: &Path, pinned: &VerifyingKey) -> (Kid, bool) {
        let current = read(state).unwrap().unwrap();
        let published = published(&current, &former(state, &current).unwrap());
        assert_eq!(published.jwk, current.verifying().jwk());
        let reached = reached(pinned, &published.rotations);
        (
            current.kid().clone(),
            reached.last() == Some(&current.verifying()),
        )
    }

    #[test]
    fn rooms_follow_from_key_to_key() {
        let dir = tempfile::tempdir().unwrap();
        let state = dir.path();
        let (first, _) = read_or_make(state).unwrap();
        let (former_key, second) = rotate(state, NOW).unwrap();
        assert_eq!(former_key, first.verifying());
        let (_, third) = rotate(state, NOW + 1).unwrap();
        assert_eq!(leads(state, &first.verifying()), (third.kid().clone(), true));
        assert_eq!(leads(state, &second.verifying()), (third.kid().clone(), true));
        let kept = former(state, &third).unwrap();
        let kids: Vec<Kid> = kept.iter().map(|f| f.key().unwrap().kid()).collect();
        assert_eq!(kids, [first.kid().clone(), second.kid().clone()]);
        // No private half but one is left.
        let files = fs::read_dir(state).unwrap().map(|f| f.unwrap().path());
        let private: Vec<_> = files
            .filter(|f| f.extension().is_some_and(|e| e == "pk8"))
            .collect();
        assert_eq!(private, [path(state)]);
        assert_eq!(
            rotate(&dir.path().join("none"), NOW).unwrap_err().exit,
            crate::say::Exit::No
        );
        for n in 0..40 {
            rotate(state, NOW + n).unwrap();
        }
        let current = read(state).unwrap().unwrap();
        let text = serde_json::to_string(&published(&current, &former(state, &current).unwrap())).unwrap();
        assert!(text.len() < 64 * 1024, "{}", text.len());
    }

    #[test]
    fn a_rotation_that_is_cut_off_leaves_the_former_key_in_use() {
        let whole = tempfile::tempdir().unwrap();
        let (old, _) = read_or_make(whole.path()).unwrap();
        let old_bytes = fs::read(path(whole.path())).unwrap();
        rotate(whole.path(), NOW).unwrap();
        let (list, next_bytes) = (
            fs::read(former_path(whole.path())).unwrap(),
            fs::read(path(whole.path())).unwrap(),
        );
        for writes in 1..=2 {
            let dir = tempfile::tempdir().unwrap();
            let state = dir.path();
            file::replace(&path(state), &old_bytes).unwrap();
            file::replace(&state.join("key.next.pk8"), &next_bytes).unwrap();
            if writes > 1 {
                file::replace(&former_path(state), &list).unwrap();
            }
            let current = read(state).unwrap().unwrap();
            assert_eq!(current.kid(), old.kid());
            assert!(
                former(state, &current).unwrap().is_empty(),
                "after {writes} writes"
            );
            let (_, next) = rotate(state, NOW + 9).unwrap();
            assert_eq!(leads(state, &old.verifying()), (next.kid().clone(), true));
            assert_eq!(former(state, &next).unwrap().len(), 1);
        }
    }

    #[test]
    fn a_damaged_list_of_former_keys_is_told_and_left() {
        let dir = tempfile::tempdir().unwrap();
        let (key, _) = read_or_make(dir.path()).unwrap();
        fs::write(former_path(dir.path()), "rubbish").unwrap();
        assert!(former(dir.path(), &key).unwrap_err().said.en.contains("backup"));
        assert!(rotate(dir.path(), NOW).is_err());
        assert_eq!(read(dir.path()).unwrap().unwrap().kid(), key.kid());
        assert_eq!(fs::read(former_path(dir.path())).unwrap(), b"rubbish");
    }
}
