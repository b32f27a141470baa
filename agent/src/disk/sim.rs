//! A disk for tests: it keeps what was not made durable apart, and forgets it at a power cut.
//!
//! * What was appended or cut is durable after `sync`, a name after `sync_dir`. At a power cut a first part of the rest has
//!   happened, and of each write any of its sectors of 512 bytes; the others hold what was there before, else zeros.
//! * After a failed sync the pages count as clean: they are still read back, and no later sync writes them.
//! * An operation may fail with EIO, or the power may go at it; and there is only so much room.
//!
//! [`Lie`] makes it a disk that is used wrongly: with each of them a test that holds otherwise must fail.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};

use super::{Disk, DiskFile, Looked, Opening};

const SECTOR: usize = 512;

/// What this disk does not do, although it says so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lie {
    /// It is honest.
    None,
    /// `sync` makes nothing durable.
    Sync,
    /// `sync_dir` makes nothing durable.
    SyncDir,
    /// `append` says that it has written before it has.
    Append,
}

/// Numbers that follow from a seed (splitmix64).
#[derive(Debug, Clone)]
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    /// The next one.
    pub(crate) fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// One below `limit`.
    pub(crate) fn below(&mut self, limit: u64) -> u64 {
        self.roll() % limit.max(1)
    }
}

#[derive(Debug, Clone)]
enum Change {
    Write { at: usize, bytes: Vec<u8> },
    Length(usize),
}

#[derive(Debug, Clone, Default)]
struct Inode {
    /// What is read back.
    seen: Vec<u8>,
    /// What is on the disk.
    durable: Vec<u8>,
    /// What makes the one of the other.
    pending: Vec<Change>,
    /// Written late by a lying disk.
    late: Vec<u8>,
    claimed: usize,
}

#[derive(Debug, Clone)]
enum Naming {
    Set(PathBuf, usize),
    Gone(PathBuf),
}

#[derive(Debug)]
struct Inner {
    dice: Dice,
    lie: Lie,
    files: Vec<Inode>,
    names: BTreeMap<PathBuf, usize>,
    durable_names: BTreeMap<PathBuf, usize>,
    pending_names: Vec<Naming>,
    capacity: usize,
    operations: u64,
    power_goes_at: Option<u64>,
    fails_at: Option<u64>,
    off: bool,
    /// Files with a sector that is never given, and where.
    bad: Vec<(usize, usize)>,
    read_only: bool,
}

/// The simulated disk. Clones are the same disk.
#[derive(Debug, Clone)]
pub(crate) struct SimDisk(Arc<Mutex<Inner>>);

#[derive(Debug)]
struct SimFile {
    disk: SimDisk,
    inode: usize,
}

fn apply(content: &mut Vec<u8>, change: &Change) {
    match change {
        Change::Write { at, bytes } => {
            if content.len() < at + bytes.len() {
                content.resize(at + bytes.len(), 0);
            }
            content[*at..at + bytes.len()].copy_from_slice(bytes);
        }
        Change::Length(length) => content.resize(*length, 0),
    }
}

/// A write of which only some sectors have arrived.
fn apply_torn(content: &mut Vec<u8>, at: usize, bytes: &[u8], dice: &mut Dice) {
    let end = at + bytes.len();
    let mut sector = at / SECTOR * SECTOR;
    while sector < end {
        if dice.below(2) == 0 {
            let (from, to) = (sector.max(at), (sector + SECTOR).min(end));
            let part = bytes[from - at..to - at].to_vec();
            apply(
                content,
                &Change::Write {
                    at: from,
                    bytes: part,
                },
            );
        }
        sector += SECTOR;
    }
}

impl SimDisk {
    /// An empty disk.
    pub(crate) fn new(seed: u64, lie: Lie) -> Self {
        Self(Arc::new(Mutex::new(Inner {
            dice: Dice(seed),
            lie,
            files: Vec::new(),
            names: BTreeMap::new(),
            durable_names: BTreeMap::new(),
            pending_names: Vec::new(),
            capacity: usize::MAX / 4,
            operations: 0,
            power_goes_at: None,
            fails_at: None,
            off: false,
            bad: Vec::new(),
            read_only: false,
        })))
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap()
    }

    /// The power goes `after` operations from now.
    pub(crate) fn power_goes(&self, after: u64) {
        let mut inner = self.inner();
        inner.power_goes_at = Some(inner.operations + after);
    }

    /// The operation that comes `after` others fails with EIO.
    pub(crate) fn fails(&self, after: u64) {
        let mut inner = self.inner();
        inner.fails_at = Some(inner.operations + after);
    }

    /// There is room for so many bytes in all.
    pub(crate) fn capacity(&self, bytes: usize) {
        self.inner().capacity = bytes;
    }

    /// Bytes that are taken.
    pub(crate) fn used(&self) -> usize {
        self.inner().used()
    }

    /// Changes bytes on the disk, as a bad block would.
    pub(crate) fn damage(&self, path: &Path, change: impl FnOnce(&mut Vec<u8>)) {
        let mut inner = self.inner();
        let inode = inner.names[path];
        let file = &mut inner.files[inode];
        change(&mut file.seen);
        file.durable = file.seen.clone();
        file.pending.clear();
    }

    /// The sector at this place is never given again.
    pub(crate) fn bad_block(&self, path: &Path, at: usize) {
        let mut inner = self.inner();
        let inode = inner.names[path];
        inner.bad.push((inode, at));
    }

    /// The system has taken the disk's fault for a reason to write nothing more.
    pub(crate) fn read_only(&self, is: bool) {
        self.inner().read_only = is;
    }

    /// Whether the power is off.
    pub(crate) fn is_off(&self) -> bool {
        self.inner().off
    }

    /// Off and on again: what survives of what was not made durable is decided now.
    pub(crate) fn power_cut(&self) {
        let mut inner = self.inner();
        let Inner {
            dice,
            files,
            names,
            durable_names,
            pending_names,
            ..
        } = &mut *inner;
        for file in files.iter_mut() {
            let happened = dice.below(file.pending.len() as u64 + 1) as usize;
            for change in file.pending.drain(..).take(happened) {
                match &change {
                    Change::Write { at, bytes } => apply_torn(&mut file.durable, *at, bytes, dice),
                    Change::Length(_) => apply(&mut file.durable, &change),
                }
            }
            file.seen = file.durable.clone();
            file.late.clear();
            file.claimed = 0;
        }
        let happened = dice.below(pending_names.len() as u64 + 1) as usize;
        for naming in pending_names.drain(..).take(happened) {
            match naming {
                Naming::Set(path, inode) => {
                    durable_names.insert(path, inode);
                }
                Naming::Gone(path) => {
                    durable_names.remove(&path);
                }
            }
        }
        *names = durable_names.clone();
        inner.off = false;
        inner.power_goes_at = None;
        inner.fails_at = None;
    }
}

impl Inner {
    /// Counts an operation; it may be the one at which something goes wrong.
    fn operation(&mut self) -> io::Result<()> {
        self.operations += 1;
        if self.off || self.power_goes_at.is_some_and(|at| self.operations > at) {
            self.off = true;
            return Err(io::Error::other("the power is off"));
        }
        if self.fails_at == Some(self.operations) {
            return Err(io::Error::from_raw_os_error(5));
        }
        Ok(())
    }

    fn used(&self) -> usize {
        self.names
            .values()
            .map(|inode| self.files[*inode].seen.len().max(self.files[*inode].claimed))
            .sum()
    }

    /// An operation that writes.
    fn writing(&mut self) -> io::Result<()> {
        self.operation()?;
        if self.read_only {
            return Err(io::ErrorKind::ReadOnlyFilesystem.into());
        }
        Ok(())
    }

    fn given(&mut self, inode: usize, from: usize, length: usize) -> io::Result<Vec<u8>> {
        self.operation()?;
        self.write_late(inode);
        let seen = &self.files[inode].seen;
        let range = from.min(seen.len())..(from + length).min(seen.len());
        let touches = |at: usize| at < range.end && range.start < at + SECTOR;
        if self.bad.iter().any(|(bad, at)| *bad == inode && touches(*at)) {
            return Err(io::Error::from_raw_os_error(5));
        }
        Ok(seen[range].to_vec())
    }

    fn inode(&self, path: &Path) -> io::Result<usize> {
        self.names
            .get(path)
            .copied()
            .ok_or_else(|| io::Error::from(io::ErrorKind::NotFound))
    }

    fn write(&mut self, inode: usize, bytes: &[u8]) {
        let file = &mut self.files[inode];
        let change = Change::Write {
            at: file.seen.len(),
            bytes: bytes.to_vec(),
        };
        apply(&mut file.seen, &change);
        file.pending.push(change);
    }

    fn write_late(&mut self, inode: usize) {
        let late = std::mem::take(&mut self.files[inode].late);
        if !late.is_empty() {
            self.write(inode, &late);
        }
    }
}

impl Disk for SimDisk {
    fn look(&self, path: &Path) -> io::Result<(Box<dyn Looked>, u64)> {
        let mut inner = self.inner();
        inner.operation()?;
        let inode = inner.inode(path)?;
        inner.write_late(inode);
        let length = inner.files[inode].seen.len() as u64;
        let disk = self.clone();
        Ok((Box::new(SimFile { disk, inode }), length))
    }

    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        let mut inner = self.inner();
        let inode = inner.inode(path)?;
        inner.given(inode, 0, usize::MAX / 4)
    }

    fn read_at(&self, path: &Path, offset: u64, length: usize) -> io::Result<Vec<u8>> {
        let mut inner = self.inner();
        let inode = inner.inode(path)?;
        let given = inner.given(inode, offset as usize, length)?;
        if given.len() < length {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(given)
    }

    fn open(&self, path: &Path, opening: Opening) -> io::Result<Box<dyn DiskFile>> {
        let mut inner = self.inner();
        inner.writing()?;
        let inode = match (inner.inode(path), opening) {
            (Ok(_), Opening::New) => return Err(io::ErrorKind::AlreadyExists.into()),
            (Ok(inode), _) => inode,
            (Err(error), Opening::There) => return Err(error),
            (Err(_), _) => {
                let inode = inner.files.len();
                inner.files.push(Inode::default());
                inner.names.insert(path.to_owned(), inode);
                inner.pending_names.push(Naming::Set(path.to_owned(), inode));
                inode
            }
        };
        Ok(Box::new(SimFile {
            disk: self.clone(),
            inode,
        }))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut inner = self.inner();
        inner.writing()?;
        let inode = inner.inode(from)?;
        inner.names.remove(from);
        inner.names.insert(to.to_owned(), inode);
        // One step on the disk too: the old name is gone when the new one is there.
        inner.pending_names.push(Naming::Set(to.to_owned(), inode));
        inner.pending_names.push(Naming::Gone(from.to_owned()));
        Ok(())
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let mut inner = self.inner();
        inner.writing()?;
        inner.inode(path)?;
        inner.names.remove(path);
        inner.pending_names.push(Naming::Gone(path.to_owned()));
        Ok(())
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<PathBuf>> {
        let mut inner = self.inner();
        inner.operation()?;
        Ok(inner
            .names
            .keys()
            .filter(|path| path.parent() == Some(dir))
            .cloned()
            .collect())
    }

    fn create_dir(&self, _dir: &Path) -> io::Result<()> {
        self.inner().operation()
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        let mut inner = self.inner();
        inner.operation()?;
        if inner.lie == Lie::SyncDir {
            return Ok(());
        }
        let (here, elsewhere) = inner.pending_names.drain(..).partition(|naming| {
            let (Naming::Set(path, _) | Naming::Gone(path)) = naming;
            path.parent() == Some(dir)
        });
        inner.pending_names = elsewhere;
        let here: Vec<Naming> = here;
        for naming in here {
            match naming {
                Naming::Set(path, inode) => {
                    inner.durable_names.insert(path, inode);
                }
                Naming::Gone(path) => {
                    inner.durable_names.remove(&path);
                }
            }
        }
        Ok(())
    }

    fn free(&self, _dir: &Path) -> io::Result<u64> {
        let mut inner = self.inner();
        inner.operation()?;
        Ok(inner.capacity.saturating_sub(inner.used()) as u64)
    }
}

impl Looked for SimFile {
    fn read_at(&self, offset: u64, length: usize) -> io::Result<Vec<u8>> {
        self.disk.inner().given(self.inode, offset as usize, length)
    }
}

impl DiskFile for SimFile {
    fn length(&self) -> io::Result<u64> {
        let mut inner = self.disk.inner();
        inner.operation()?;
        let file = &inner.files[self.inode];
        Ok((file.seen.len() + file.late.len()) as u64)
    }

    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        let mut inner = self.disk.inner();
        if inner.lie == Lie::Append {
            inner.write_late(self.inode);
            inner.operation()?;
            inner.files[self.inode].late = bytes.to_vec();
            return Ok(());
        }
        let half = inner.dice.below(bytes.len() as u64 + 1) as usize;
        if let Err(error) = inner.operation() {
            // A part was written all the same.
            inner.write(self.inode, &bytes[..half]);
            return Err(error);
        }
        let file = &inner.files[self.inode];
        let (length, taken) = (file.seen.len(), file.seen.len().max(file.claimed));
        let more = (length + bytes.len()).saturating_sub(taken);
        let room = inner.capacity.saturating_sub(inner.used());
        if more > room {
            let fits = (taken - length + room).min(bytes.len());
            inner.write(self.inode, &bytes[..fits]);
            return Err(io::Error::from_raw_os_error(28));
        }
        inner.write(self.inode, bytes);
        Ok(())
    }

    fn sync(&mut self) -> io::Result<()> {
        let mut inner = self.disk.inner();
        let failed = inner.operation();
        if inner.off || inner.lie == Lie::Sync {
            return failed;
        }
        let pending = std::mem::take(&mut inner.files[self.inode].pending);
        let Inner { dice, files, .. } = &mut *inner;
        let file = &mut files[self.inode];
        for change in &pending {
            match change {
                Change::Write { at, bytes } if failed.is_err() => {
                    apply_torn(&mut file.durable, *at, bytes, dice);
                }
                _ => apply(&mut file.durable, change),
            }
        }
        failed
    }

    fn set_length(&mut self, length: u64) -> io::Result<()> {
        let mut inner = self.disk.inner();
        inner.operation()?;
        let file = &mut inner.files[self.inode];
        let change = Change::Length(length as usize);
        if (length as usize) <= file.seen.len() {
            file.claimed = 0;
        }
        apply(&mut file.seen, &change);
        file.pending.push(change);
        Ok(())
    }

    fn claim(&mut self, bytes: u64) -> io::Result<()> {
        let mut inner = self.disk.inner();
        inner.operation()?;
        let file = &inner.files[self.inode];
        let taken = file.seen.len().max(file.claimed);
        let more = (bytes as usize).saturating_sub(taken);
        if more > inner.capacity.saturating_sub(inner.used()) {
            return Err(io::Error::from_raw_os_error(28));
        }
        let file = &mut inner.files[self.inode];
        file.claimed = file.claimed.max(bytes as usize);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path() -> &'static Path {
        Path::new("/d/x")
    }

    #[test]
    fn what_was_made_durable_survives_and_the_rest_may_not() {
        let (mut lost, mut torn, mut kept) = (0, 0, 0);
        for seed in 0..200 {
            let disk = SimDisk::new(seed, Lie::None);
            let mut file = disk.open(path(), Opening::New).unwrap();
            file.append(&[1; 700]).unwrap();
            file.sync().unwrap();
            disk.sync_dir(Path::new("/d")).unwrap();
            file.append(&[2; 1500]).unwrap();
            disk.power_cut();
            let text = disk.read(path()).unwrap();
            assert_eq!(text[..700], [1; 700]);
            match text.len() {
                700 => lost += 1,
                2200 if text[700..].iter().all(|b| *b == 2) => kept += 1,
                _ => torn += 1,
            }
        }
        assert!(lost > 20 && torn > 20 && kept > 2, "{lost} {torn} {kept}");
    }

    #[test]
    fn a_name_that_was_not_made_durable_may_be_gone_with_all_that_was() {
        let gone = (0..100)
            .filter(|seed| {
                let disk = SimDisk::new(*seed, Lie::None);
                let mut file = disk.open(path(), Opening::New).unwrap();
                file.append(b"x").unwrap();
                file.sync().unwrap();
                disk.power_cut();
                disk.read(path()).is_err()
            })
            .count();
        assert!((20..80).contains(&gone), "{gone}");
    }

    #[test]
    fn after_a_failed_sync_the_next_one_reports_a_success_that_never_was() {
        let lost = (0..100)
            .filter(|seed| {
                let disk = SimDisk::new(*seed, Lie::None);
                let mut file = disk.open(path(), Opening::New).unwrap();
                disk.sync_dir(Path::new("/d")).unwrap();
                file.append(&[7; 600]).unwrap();
                disk.fails(1);
                assert!(file.sync().is_err());
                file.sync().unwrap();
                assert_eq!(disk.read(path()).unwrap(), [7; 600], "it is still read back");
                disk.power_cut();
                disk.read(path()).unwrap() != [7; 600]
            })
            .count();
        assert!(lost > 20, "{lost}");
    }

    #[test]
    fn a_full_disk_takes_a_part_and_says_so() {
        let disk = SimDisk::new(1, Lie::None);
        disk.capacity(1000);
        let mut file = disk.open(path(), Opening::New).unwrap();
        file.append(&[1; 900]).unwrap();
        let error = file.append(&[2; 200]).unwrap_err();
        assert!(super::super::is_full(&error), "{error}");
        assert_eq!(
            (file.length().unwrap(), disk.free(Path::new("/d")).unwrap()),
            (1000, 0)
        );
        file.set_length(900).unwrap();
        file.claim(1000).unwrap();
        assert_eq!(disk.free(Path::new("/d")).unwrap(), 0);
        file.append(&[2; 100]).unwrap();
    }
}
