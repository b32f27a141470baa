//! The box's signing key: made on the box on first use, kept for this user alone (R38); and the next one while the box
//! changes over to it ([`crate::rotation`]).
//!
//! A service manager may hand the key over instead, as the credential `bridgepoint-key`: it is the key then, and only
//! whoever administers the machine can change it. The public halves of all keys of this box are in [`known`].

pub(crate) mod known;

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use bridgepoint_protocol::envelope::SigningKey;

use crate::said::{Said, Say};
use crate::state::{self, StateDir};

/// The key that signs, PKCS #8.
pub(crate) const FILE: &str = "key.pk8";

/// The key that will sign, PKCS #8.
pub(crate) const NEXT: &str = "key.next.pk8";

/// The credential's name.
const CREDENTIAL: &str = "bridgepoint-key";

/// Why there is no key.
#[derive(Debug, thiserror::Error)]
pub(crate) enum KeyError {
    /// None was made yet.
    #[error("{0} has no key yet; make it with \"bridgepoint-agent key init\" or by the first check")]
    Missing(PathBuf),
    /// The file cannot be read or written.
    #[error("the key {0} cannot be used ({1}); it must be readable for this user")]
    Io(PathBuf, io::Error),
    /// Others can read it.
    #[error("the key {0} can be read by others (mode {1:o}); run: chmod 600 {0}")]
    Open(PathBuf, u32),
    /// The file is no key.
    #[error(
        "{0} is no Ed25519 key in PKCS #8; do not delete it: restore it from a copy, or tell the province that the key is lost"
    )]
    Broken(PathBuf),
    /// The service has it as a credential, this program has not.
    #[error(
        "the key of {0} is a credential of the service, which this command is not; start the service and run this again, or put that key into {0}/{FILE}"
    )]
    Elsewhere(PathBuf),
    /// The list of the box's public keys is damaged.
    #[error(
        "the list of the box's own keys, {0}, cannot be read ({1}); restore it from a copy, or put an export's .keys.json in its place"
    )]
    Known(PathBuf, String),
}

impl Say for KeyError {
    fn said(&self) -> Said {
        match self {
            Self::Missing(dir) => Said::new("error-key-missing").on(dir).run("key init"),
            Self::Io(file, error) => Said::new("error-key").on(file).because(error),
            Self::Open(file, mode) => Said::new("error-key-open")
                .on(file)
                .with("mode", format_args!("{mode:o}"))
                .with("command", format_args!("chmod 600 {}", file.display())),
            Self::Broken(file) => Said::new("error-key-broken").on(file),
            Self::Elsewhere(dir) => Said::new("error-key-credential").on(dir),
            Self::Known(file, why) => Said::new("error-keys").on(file).because(why),
        }
    }
}

/// Reads the key.
///
/// # Errors
/// [`KeyError`]; [`KeyError::Missing`] when none was made yet.
pub(crate) fn load(state: &StateDir) -> Result<SigningKey, KeyError> {
    if let Some(credential) = state.credential(CREDENTIAL) {
        // The service manager lets the service in by its group's bits (an access list): only others are nobody.
        return read(&credential, 0o027)?.ok_or_else(|| KeyError::Missing(state.path().to_owned()));
    }
    let own = read(&state.join(FILE), 0o077)?;
    // Another key in the file than the one that the service signs with would be another box.
    let served = known::Known::load(state).ok().and_then(|known| known.credential);
    match (own, served) {
        (Some(key), None) => Ok(key),
        (Some(key), Some(kid)) if *key.kid() == kid => Ok(key),
        (_, Some(_)) => Err(KeyError::Elsewhere(state.path().to_owned())),
        (None, None) => Err(KeyError::Missing(state.path().to_owned())),
    }
}

/// Whether the key is the service manager's, not the box's own file.
pub(crate) fn is_credential(state: &StateDir) -> bool {
    state.credential(CREDENTIAL).is_some()
}

/// Reads the key, or makes it where there is none. The state directory must be locked.
///
/// # Errors
/// [`KeyError`].
pub(crate) fn load_or_make(state: &StateDir) -> Result<SigningKey, KeyError> {
    match load(state) {
        Err(KeyError::Missing(_)) => {
            make(&state.join(FILE))?;
            load(state)
        }
        other => other,
    }
}

/// Reads the next key; `None` when the box is not changing over to one.
///
/// # Errors
/// [`KeyError`].
pub(crate) fn next(state: &StateDir) -> Result<Option<SigningKey>, KeyError> {
    read(&state.join(NEXT), 0o077)
}

/// Reads the next key, or makes it. The state directory must be locked.
///
/// # Errors
/// [`KeyError`].
pub(crate) fn next_or_make(state: &StateDir) -> Result<SigningKey, KeyError> {
    let path = state.join(NEXT);
    if let Some(next) = next(state)? {
        return Ok(next);
    }
    make(&path)?;
    next(state)?.ok_or_else(|| KeyError::Io(path, io::Error::from(io::ErrorKind::NotFound)))
}

/// Puts the next key in the place of the one that signs, whose private half is gone with that: one rename, so that a
/// power cut leaves the old state or the new one.
///
/// # Errors
/// [`KeyError::Io`] when nothing was changed. A directory that cannot be synchronised afterwards is no error: after a power
/// cut the old state may be back then, and what the next key has signed meanwhile tells that.
pub(crate) fn replace_by_next(state: &StateDir) -> Result<(), KeyError> {
    let path = state.join(FILE);
    fs::rename(state.join(NEXT), &path).map_err(|e| KeyError::Io(path, e))?;
    if let Err(error) = state::sync_dir(state.path()) {
        tracing::warn!(%error, "that the key was replaced may not be on the disk yet");
    }
    Ok(())
}

/// A key file; `closed` are the bits of the mode that it must not have.
fn read(path: &Path, closed: u32) -> Result<Option<SigningKey>, KeyError> {
    let wrong = |e| KeyError::Io(path.to_owned(), e);
    let document = match fs::read(path) {
        Ok(document) => document,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(wrong(e)),
    };
    let mode = fs::metadata(path).map_err(wrong)?.permissions().mode() & 0o777;
    if mode & closed != 0 {
        return Err(KeyError::Open(path.to_owned(), mode));
    }
    SigningKey::from_pkcs8(&document)
        .map(Some)
        .map_err(|_| KeyError::Broken(path.to_owned()))
}

fn make(path: &Path) -> Result<(), KeyError> {
    let wrong = |e| KeyError::Io(path.to_owned(), e);
    let document = SigningKey::generate(&ring::rand::SystemRandom::new())
        .map_err(|_| wrong(io::Error::other("the system's random source failed")))?;
    state::replace(path, &document).map_err(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_made_once_and_kept_private() {
        let root = tempfile::tempdir().unwrap();
        let state = StateDir::new(root.path().to_owned());
        assert!(matches!(load(&state), Err(KeyError::Missing(_))));
        let kid = load_or_make(&state).unwrap().kid().clone();
        assert_eq!(load_or_make(&state).unwrap().kid(), &kid);
        let path = state.join(FILE);
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        assert!(load(&state).unwrap_err().to_string().contains("chmod 600"));
    }

    #[test]
    fn a_broken_key_is_not_replaced() {
        let root = tempfile::tempdir().unwrap();
        let state = StateDir::new(root.path().to_owned());
        state::replace(&state.join(FILE), b"garbage").unwrap();
        assert!(matches!(load_or_make(&state), Err(KeyError::Broken(_))));
        assert_eq!(fs::read(state.join(FILE)).unwrap(), b"garbage");
    }

    #[test]
    fn the_next_key_waits_beside_the_one_that_signs_and_takes_its_place_whole() {
        let root = tempfile::tempdir().unwrap();
        let state = StateDir::new(root.path().to_owned());
        let old = load_or_make(&state).unwrap().kid().clone();
        assert!(next(&state).unwrap().is_none());
        let new = next_or_make(&state).unwrap().kid().clone();
        assert_eq!(next_or_make(&state).unwrap().kid(), &new, "made once");
        assert_eq!(load(&state).unwrap().kid(), &old);
        let mode = fs::metadata(state.join(NEXT)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        replace_by_next(&state).unwrap();
        assert_eq!(load(&state).unwrap().kid(), &new);
        assert!(next(&state).unwrap().is_none());
        let files = fs::read_dir(root.path()).unwrap().count();
        assert_eq!(files, 1, "nothing of the old key is left");
    }

    #[test]
    fn a_credential_is_the_key_wherever_it_is_handed_over() {
        let root = tempfile::tempdir().unwrap();
        let (own, handed) = (root.path().join("state"), root.path().join("credentials"));
        for dir in [&own, &handed] {
            state::create_dir(dir).unwrap();
        }
        let by_hand = StateDir::new(own.clone());
        let service = by_hand.clone().with_credentials(Some(handed.clone()));
        // A service without this credential has the file.
        let file = load_or_make(&service).unwrap().kid().clone();
        let random = ring::rand::SystemRandom::new();
        let credential = handed.join(CREDENTIAL);
        fs::write(&credential, SigningKey::generate(&random).unwrap()).unwrap();
        let mode = |mode| fs::set_permissions(&credential, fs::Permissions::from_mode(mode)).unwrap();
        mode(0o440);
        let given = load(&service).unwrap();
        assert_ne!(given.kid(), &file);
        assert!(is_credential(&service) && !is_credential(&by_hand));
        mode(0o444);
        assert!(matches!(load(&service), Err(KeyError::Open(..))));
        mode(0o400);
        // A command beside the service would otherwise sign with another key, as another box.
        known::Known::load(&by_hand)
            .unwrap()
            .with(&given.verifying(), true)
            .save(&by_hand)
            .unwrap();
        assert!(matches!(load(&by_hand), Err(KeyError::Elsewhere(_))));
        assert!(matches!(load_or_make(&by_hand), Err(KeyError::Elsewhere(_))));
        fs::remove_file(by_hand.join(FILE)).unwrap();
        assert!(matches!(load_or_make(&by_hand), Err(KeyError::Elsewhere(_))));
        fs::copy(&credential, by_hand.join(FILE)).unwrap();
        mode(0o400);
        fs::set_permissions(by_hand.join(FILE), fs::Permissions::from_mode(0o600)).unwrap();
        assert_eq!(load(&by_hand).unwrap().kid(), given.kid(), "the same key in both");
    }
}
