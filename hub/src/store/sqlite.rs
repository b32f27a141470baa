//! The SQLite store: one file, write-ahead log, every commit synced to disk.
//!
//! [`schema`] has the tables, [`read`] the questions, [`write`] the changes, [`meetings`] both for meetings and plans; here a file is opened and its errors
//! are put into words.

use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, ErrorCode, OpenFlags};

use super::{StoreError, StoreTrouble};

mod fresh;
mod meetings;
mod read;
mod schema;
mod store;
mod write;

/// How long another process may hold the database.
const BUSY: Duration = Duration::from_secs(5);

/// An open database.
#[derive(Debug)]
pub struct SqliteStore {
    connection: Connection,
    file: PathBuf,
    fresh: fresh::Fresh,
}

impl SqliteStore {
    /// Opens the database, makes it when it is not there, and brings its tables up to date.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn open(file: &Path) -> Result<Self, StoreError> {
        // Made by us when it is not there, so that it is its owner's alone; its log inherits that.
        let made = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(file);
        made.map_err(|e| StoreError {
            file: file.display().to_string(),
            kind: StoreTrouble::Unusable,
            detail: e.to_string(),
        })?;
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let mut store = Self::with_flags(file, flags)?;
        store.migrate()?;
        Ok(store)
    }

    /// Opens a database that is there, to read and decide in, without making one.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn open_existing(file: &Path) -> Result<Self, StoreError> {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let mut store = Self::with_flags(file, flags)?;
        store.migrate()?;
        Ok(store)
    }

    /// A database that is gone with its process.
    #[cfg(test)]
    pub(crate) fn in_memory() -> Self {
        let mut store = Self {
            connection: Connection::open_in_memory().unwrap(),
            file: "memory".into(),
            fresh: fresh::Fresh::default(),
        };
        store.migrate().unwrap();
        store
    }

    fn with_flags(file: &Path, flags: OpenFlags) -> Result<Self, StoreError> {
        let connection = Connection::open_with_flags(file, flags).map_err(|e| error(file, &e))?;
        let store = Self {
            connection,
            file: file.to_owned(),
            fresh: fresh::Fresh::default(),
        };
        store.prepare().map_err(|e| error(file, &e))?;
        Ok(store)
    }

    fn prepare(&self) -> rusqlite::Result<()> {
        self.connection.busy_timeout(BUSY)?;
        self.connection.pragma_update(None, "journal_mode", "WAL")?;
        self.connection.pragma_update(None, "synchronous", "FULL")?;
        self.connection.pragma_update(None, "foreign_keys", true)?;
        // The log is carried over into the file when it has 16 MiB (pages of 4 KiB): a province that reports at once
        // is not made to wait for that after every few commits. What is in the log is as safe as what is in the file.
        self.connection.pragma_update(None, "wal_autocheckpoint", 4096)?;
        // A log of 16 MiB is cut back, so that a day of many reports does not leave a large file for ever.
        self.connection
            .pragma_update(None, "journal_size_limit", 16 * 1024 * 1024)?;
        self.connection.set_prepared_statement_cache_capacity(64);
        Ok(())
    }

    fn migrate(&mut self) -> Result<(), StoreError> {
        let file = self.file.clone();
        schema::migrate(&mut self.connection)
            .map_err(|e| error(&file, &e))?
            .map_err(|found| StoreError {
                file: file.display().to_string(),
                kind: StoreTrouble::Newer,
                detail: format!("version {found}, this one reads up to {}", schema::VERSION),
            })
    }

    fn error(&self, e: &rusqlite::Error) -> StoreError {
        error(&self.file, e)
    }
}

fn error(file: &Path, e: &rusqlite::Error) -> StoreError {
    let kind = match e.sqlite_error_code() {
        Some(ErrorCode::DiskFull) => StoreTrouble::Full,
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => StoreTrouble::Locked,
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => StoreTrouble::Corrupt,
        Some(
            ErrorCode::CannotOpen
            | ErrorCode::ReadOnly
            | ErrorCode::PermissionDenied
            | ErrorCode::SystemIoFailure,
        ) => StoreTrouble::Unusable,
        _ => StoreTrouble::Other,
    };
    StoreError {
        file: file.display().to_string(),
        kind,
        detail: e.to_string(),
    }
}
