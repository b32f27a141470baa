//! The state directory: key, logbook, baseline, pinned hub key. One program writes in it at a time.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use crate::disk::{self, Disk as _, RealDisk};
use crate::said::{PROGRAM, Said, Say};

/// A state directory.
#[derive(Debug, Clone)]
pub(crate) struct StateDir {
    dir: PathBuf,
    /// Where the service manager has put this service's credentials.
    credentials: Option<PathBuf>,
}

/// The right to write in a state directory; given back when dropped.
#[derive(Debug)]
pub(crate) struct StateLock(#[allow(dead_code)] File); // held for its lock

/// Why the right to write was not given.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LockError {
    /// Another program has it.
    #[error(
        "another bridgepoint-agent is using {0}; wait until it has ended, or use the running one (its page, or \"check\" without --state)"
    )]
    Taken(PathBuf),
    /// The directory cannot be used.
    #[error(
        "the state directory {0} cannot be used ({1}); create it writable for this user, or name another with --state"
    )]
    Io(PathBuf, io::Error),
}

impl Say for LockError {
    fn said(&self) -> Said {
        match self {
            Self::Taken(dir) => Said::new("error-state-taken").on(dir).with("program", PROGRAM),
            Self::Io(dir, error) => Said::new("error-state").on(dir).because(error),
        }
    }
}

impl StateDir {
    /// A state directory at `path`; nothing is created yet.
    pub(crate) fn new(path: PathBuf) -> Self {
        Self {
            dir: path,
            credentials: None,
        }
    }

    /// The same, of a service whose manager has put credentials there (`$CREDENTIALS_DIRECTORY`).
    pub(crate) fn with_credentials(self, credentials: Option<PathBuf>) -> Self {
        Self { credentials, ..self }
    }

    /// The credential of this name, where the service manager has handed one over.
    pub(crate) fn credential(&self, name: &str) -> Option<PathBuf> {
        let file = self.credentials.as_ref()?.join(name);
        file.exists().then_some(file)
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        &self.dir
    }

    /// A file or directory in it.
    pub(crate) fn join(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    /// Creates the directory (0700) where it is missing and takes the right to write in it.
    ///
    /// # Errors
    /// [`LockError`].
    pub(crate) fn lock(&self) -> Result<StateLock, LockError> {
        let wrong = |e| LockError::Io(self.dir.clone(), e);
        match create_dir(&self.dir) {
            // Where nothing can be made durable any more what is there can still be used.
            Err(e) if e.kind() == io::ErrorKind::ReadOnlyFilesystem && self.dir.is_dir() => {}
            made => made.map_err(wrong)?,
        }
        let path = self.join("lock");
        let opened = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .mode(0o600)
            .open(&path);
        let file = or_as_it_is(&path, opened).map_err(wrong)?;
        match rustix::fs::flock(&file, rustix::fs::FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(StateLock(file)),
            Err(rustix::io::Errno::WOULDBLOCK) => Err(LockError::Taken(self.dir.clone())),
            Err(e) => Err(wrong(e.into())),
        }
    }
}

/// A disk that the system has made read-only after a fault stops no check: the file is opened as it is, which is enough
/// for a lock.
fn or_as_it_is(path: &Path, opened: io::Result<File>) -> io::Result<File> {
    match opened {
        Err(e) if e.kind() == io::ErrorKind::ReadOnlyFilesystem => File::open(path),
        other => other,
    }
}

/// Creates a directory and its parents, for this user alone, so that it is there after a power cut.
pub(crate) fn create_dir(path: &Path) -> io::Result<()> {
    disk::create_durable_dir(&RealDisk, path)
}

/// Replaces a file so that a power cut leaves the old or the new one, whole (0600).
pub(crate) fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    disk::replace(&RealDisk, path, bytes)
}

/// Makes names in a directory durable.
pub(crate) fn sync_dir(path: &Path) -> io::Result<()> {
    RealDisk.sync_dir(path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;

    #[test]
    fn one_writer_at_a_time_and_nobody_else_reads() {
        let root = tempfile::tempdir().unwrap();
        let state = StateDir::new(root.path().join("a/b"));
        let lock = state.lock().unwrap();
        assert!(matches!(state.lock(), Err(LockError::Taken(_))));
        drop(lock);
        let _again = state.lock().unwrap();
        assert_eq!(
            fs::metadata(state.path()).unwrap().permissions().mode() & 0o777,
            0o700
        );
    }

    #[test]
    fn a_disk_that_was_made_read_only_still_gives_the_lock() {
        let root = tempfile::tempdir().unwrap();
        let state = StateDir::new(root.path().to_owned());
        drop(state.lock().unwrap());
        let refused = || Err(io::ErrorKind::ReadOnlyFilesystem.into());
        let path = state.join("lock");
        let file = or_as_it_is(&path, refused()).unwrap();
        rustix::fs::flock(&file, rustix::fs::FlockOperation::NonBlockingLockExclusive).unwrap();
        assert!(matches!(state.lock(), Err(LockError::Taken(_))));
        assert!(or_as_it_is(&state.join("none"), refused()).is_err());
        let other = or_as_it_is(&path, Err(io::ErrorKind::PermissionDenied.into()));
        assert_eq!(other.unwrap_err().kind(), io::ErrorKind::PermissionDenied);
    }

    #[test]
    fn a_replaced_file_is_new_and_private() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("x");
        replace(&path, b"one").unwrap();
        replace(&path, b"two").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"two");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::read_dir(root.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_state_directory_that_cannot_be_made_says_so() {
        let root = tempfile::tempdir().unwrap();
        fs::write(root.path().join("file"), b"").unwrap();
        let error = StateDir::new(root.path().join("file/state"))
            .lock()
            .unwrap_err()
            .to_string();
        assert!(error.contains("--state"), "{error}");
    }
}
