//! The box's signing key: made on the box on first use, kept for this user alone (R38).

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

use bridgepoint_protocol::envelope::SigningKey;

use crate::said::{Said, Say};
use crate::state::{self, StateDir};

const FILE: &str = "key.pk8";

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
        }
    }
}

/// Reads the key.
///
/// # Errors
/// [`KeyError`]; [`KeyError::Missing`] when none was made yet.
pub(crate) fn load(state: &StateDir) -> Result<SigningKey, KeyError> {
    let path = state.join(FILE);
    let document = match fs::read(&path) {
        Ok(document) => document,
        Err(e) if e.kind() == io::ErrorKind::NotFound => {
            return Err(KeyError::Missing(state.path().to_owned()));
        }
        Err(e) => return Err(KeyError::Io(path, e)),
    };
    let mode = fs::metadata(&path)
        .map_err(|e| KeyError::Io(path.clone(), e))?
        .permissions()
        .mode()
        & 0o777;
    if mode & 0o077 != 0 {
        return Err(KeyError::Open(path, mode));
    }
    SigningKey::from_pkcs8(&document).map_err(|_| KeyError::Broken(path))
}

/// Reads the key, or makes it where there is none. The state directory must be locked.
///
/// # Errors
/// [`KeyError`].
pub(crate) fn load_or_make(state: &StateDir) -> Result<SigningKey, KeyError> {
    match load(state) {
        Err(KeyError::Missing(_)) => {
            let path = state.join(FILE);
            let document = SigningKey::generate(&ring::rand::SystemRandom::new()).map_err(|_| {
                KeyError::Io(
                    path.clone(),
                    io::Error::other("the system's random source failed"),
                )
            })?;
            state::replace(&path, &document).map_err(|e| KeyError::Io(path, e))?;
            load(state)
        }
        other => other,
    }
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
}
