//! What the records of the box ask of a disk: few and small things, so that a simulated disk can stand in for it which
//! forgets what was not made durable, tears what was half written, fails and fills up.
//!
//! Nothing here tries a second time. After a failed sync the descriptor is dropped: a system that could not write a page
//! may call it clean afterwards, and the next sync of that descriptor would report a success that never was.

#[cfg(test)]
pub(crate) mod sim;

use std::fmt::Debug;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, FileExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use rustix::fs::FallocateFlags;

/// How a file is opened for writing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Opening {
    /// It must be there.
    There,
    /// It is made where it is not there, for this user alone.
    OrNew,
    /// It must not be there yet.
    New,
}

/// A disk, as far as the records need one.
pub(crate) trait Disk: Debug + Send + Sync {
    /// Opens a file to read in it, with its length. It need not be one that can be written.
    ///
    /// # Errors
    /// What the system says.
    fn look(&self, path: &Path) -> io::Result<(Box<dyn Looked>, u64)>;

    /// A whole file.
    ///
    /// # Errors
    /// What the system says.
    fn read(&self, path: &Path) -> io::Result<Vec<u8>>;

    /// `length` bytes from `offset` on.
    ///
    /// # Errors
    /// What the system says, also when there are fewer.
    fn read_at(&self, path: &Path, offset: u64, length: usize) -> io::Result<Vec<u8>>;

    /// Opens a file to write at its end.
    ///
    /// # Errors
    /// What the system says.
    fn open(&self, path: &Path, opening: Opening) -> io::Result<Box<dyn DiskFile>>;

    /// Gives a file another name, in place of what had it.
    ///
    /// # Errors
    /// What the system says.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// Removes a file.
    ///
    /// # Errors
    /// What the system says.
    fn remove(&self, path: &Path) -> io::Result<()>;

    /// What is in a directory.
    ///
    /// # Errors
    /// What the system says.
    fn list(&self, dir: &Path) -> io::Result<Vec<PathBuf>>;

    /// Creates a directory and its parents, for this user alone; it may be there.
    ///
    /// # Errors
    /// What the system says.
    fn create_dir(&self, dir: &Path) -> io::Result<()>;

    /// Makes the names in a directory durable.
    ///
    /// # Errors
    /// What the system says.
    fn sync_dir(&self, dir: &Path) -> io::Result<()>;

    /// How many bytes this user may still write.
    ///
    /// # Errors
    /// What the system says.
    fn free(&self, dir: &Path) -> io::Result<u64>;
}

/// A file that is open for reading.
pub(crate) trait Looked: Debug + Send {
    /// Up to `length` bytes from `offset` on: fewer at its end, none behind it.
    ///
    /// # Errors
    /// What the system says.
    fn read_at(&self, offset: u64, length: usize) -> io::Result<Vec<u8>>;
}

/// A file that is open for writing at its end.
pub(crate) trait DiskFile: Debug + Send {
    /// Its length, bytes.
    ///
    /// # Errors
    /// What the system says.
    fn length(&self) -> io::Result<u64>;

    /// Writes at its end. What of it is on the disk before [`DiskFile::sync`] is not known.
    ///
    /// # Errors
    /// What the system says; a part may have been written.
    fn append(&mut self, bytes: &[u8]) -> io::Result<()>;

    /// Makes its content and its length durable.
    ///
    /// # Errors
    /// What the system says. What was written through this descriptor may then be on the disk or not: it is dropped.
    fn sync(&mut self) -> io::Result<()>;

    /// Cuts it, or makes it longer without claiming room.
    ///
    /// # Errors
    /// What the system says.
    fn set_length(&mut self, length: u64) -> io::Result<()>;

    /// Claims room for `bytes` from its beginning on, without changing its length.
    ///
    /// # Errors
    /// What the system says; [`io::ErrorKind::Unsupported`] on a file system that cannot.
    fn claim(&mut self, bytes: u64) -> io::Result<()>;
}

/// The disk of this machine.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct RealDisk;

#[derive(Debug)]
struct RealFile(File);

impl Disk for RealDisk {
    fn look(&self, path: &Path) -> io::Result<(Box<dyn Looked>, u64)> {
        let file = File::open(path)?;
        let length = file.metadata()?.len();
        Ok((Box::new(RealFile(file)), length))
    }

    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        fs::read(path)
    }

    fn read_at(&self, path: &Path, offset: u64, length: usize) -> io::Result<Vec<u8>> {
        let mut file = File::open(path)?;
        file.seek(SeekFrom::Start(offset))?;
        let mut bytes = vec![0; length];
        file.read_exact(&mut bytes)?;
        Ok(bytes)
    }

    fn open(&self, path: &Path, opening: Opening) -> io::Result<Box<dyn DiskFile>> {
        let file = OpenOptions::new()
            .append(true)
            .create(opening == Opening::OrNew)
            .create_new(opening == Opening::New)
            .mode(0o600)
            .open(path)?;
        Ok(Box::new(RealFile(file)))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<PathBuf>> {
        fs::read_dir(dir)?
            .map(|entry| entry.map(|entry| entry.path()))
            .collect()
    }

    fn create_dir(&self, dir: &Path) -> io::Result<()> {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(dir)
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        File::open(dir)?.sync_all()
    }

    fn free(&self, dir: &Path) -> io::Result<u64> {
        let room = rustix::fs::statvfs(dir)?;
        Ok(room.f_bavail.saturating_mul(room.f_frsize))
    }
}

impl Looked for RealFile {
    fn read_at(&self, offset: u64, length: usize) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; length];
        let mut read = 0;
        while let Some(rest) = bytes.get_mut(read..).filter(|rest| !rest.is_empty()) {
            match self.0.read_at(rest, offset + read as u64) {
                Ok(0) => break,
                Ok(more) => read += more,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(e),
            }
        }
        bytes.truncate(read);
        Ok(bytes)
    }
}

impl DiskFile for RealFile {
    fn length(&self) -> io::Result<u64> {
        Ok(self.0.metadata()?.len())
    }

    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.0.write_all(bytes)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.0.sync_data()
    }

    fn set_length(&mut self, length: u64) -> io::Result<()> {
        self.0.set_len(length)
    }

    fn claim(&mut self, bytes: u64) -> io::Result<()> {
        Ok(rustix::fs::fallocate(
            &self.0,
            FallocateFlags::KEEP_SIZE,
            0,
            bytes,
        )?)
    }
}

/// Whether the system refused for want of room: the disk is full, or this user's share of it is.
pub(crate) fn is_full(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded
    )
}

/// Whether what a file holds is damaged or gone: not that the system had no means to read it just now.
pub(crate) fn is_damage(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof | io::ErrorKind::NotFound
    ) || [
        rustix::io::Errno::IO,
        rustix::io::Errno::BADMSG,
        rustix::io::Errno::UCLEAN,
    ]
    .iter()
    .any(|errno| error.raw_os_error() == Some(errno.raw_os_error()))
}

/// Creates a directory so that it is still there after a power cut.
///
/// # Errors
/// What the system says.
pub(crate) fn create_durable_dir(disk: &dyn Disk, dir: &Path) -> io::Result<()> {
    disk.create_dir(dir)?;
    match dir.parent() {
        // One that is not ours to read is not ours to make durable: it was there before.
        Some(parent) if !parent.as_os_str().is_empty() => match disk.sync_dir(parent) {
            Err(e) if e.kind() == io::ErrorKind::PermissionDenied => Ok(()),
            other => other,
        },
        _ => Ok(()),
    }
}

/// Replaces a file so that a power cut leaves the old or the new one, whole (0600).
///
/// # Errors
/// What the system says; the old one is then still there, whole, unless only its new name could not be made durable.
pub(crate) fn replace(disk: &dyn Disk, path: &Path, bytes: &[u8]) -> io::Result<()> {
    let parent = path.parent().unwrap_or(Path::new("."));
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".new");
    let fresh = parent.join(name);
    let _leftover = disk.remove(&fresh);
    let written = (|| {
        let mut file = disk.open(&fresh, Opening::New)?;
        file.append(bytes)?;
        file.sync()
    })();
    if let Err(error) = written {
        // On a full disk half a file would take room that others need.
        let _half = disk.remove(&fresh);
        return Err(error);
    }
    disk.rename(&fresh, path)?;
    disk.sync_dir(parent)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::MetadataExt as _;

    #[test]
    fn claimed_room_is_real_and_changes_no_length() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("x");
        let mut file = RealDisk.open(&path, Opening::New).unwrap();
        match file.claim(1 << 20) {
            Ok(()) => {}
            // A file system that cannot: the reserve is then written out.
            Err(e) if e.kind() == io::ErrorKind::Unsupported => return,
            Err(e) => panic!("{e}"),
        }
        assert_eq!(file.length().unwrap(), 0);
        assert!(fs::metadata(&path).unwrap().blocks() * 512 >= 1 << 20);
    }

    #[test]
    fn the_real_disk_reads_what_it_wrote_and_says_when_there_is_less() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("x");
        let mut file = RealDisk.open(&path, Opening::OrNew).unwrap();
        file.append(b"one two").unwrap();
        file.sync().unwrap();
        assert_eq!(RealDisk.read_at(&path, 4, 3).unwrap(), b"two");
        assert!(is_damage(&RealDisk.read_at(&path, 4, 4).unwrap_err()));
        let (looked, length) = RealDisk.look(&path).unwrap();
        assert_eq!((looked.read_at(4, 9).unwrap(), length), (b"two".to_vec(), 7));
        assert_eq!(looked.read_at(9, 9).unwrap(), b"");
        file.set_length(3).unwrap();
        assert_eq!(RealDisk.read(&path).unwrap(), b"one");
        assert!(RealDisk.open(&path, Opening::New).is_err());
        assert!(RealDisk.open(&root.path().join("none"), Opening::There).is_err());
        assert!(RealDisk.free(root.path()).unwrap() > 0);
    }
}
