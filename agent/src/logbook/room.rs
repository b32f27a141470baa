//! Room that is kept for a full disk: a file of real blocks which is given to the logbook when nothing else is left, and
//! made again when there is room.
//!
//! What is given away is claimed at once for the month's file: other programs, and the small files of this one, do not get
//! at it.

use std::io;
use std::path::{Path, PathBuf};

use crate::disk::{Disk, Opening, is_full};

use super::Logbook;

/// The reserve.
#[derive(Debug)]
pub(super) struct Room {
    path: PathBuf,
    bytes: u64,
    there: bool,
    /// The file that it was given to, once it was; empty where it never could be made.
    given_to: Option<PathBuf>,
    /// The file system refuses to make it, and not for want of room: it is not asked at each entry.
    refused: bool,
}

impl Room {
    /// A reserve of so many bytes; nothing is made yet.
    pub(super) fn new(path: PathBuf, bytes: u64) -> Self {
        Self {
            path,
            bytes,
            there: false,
            given_to: None,
            refused: false,
        }
    }

    /// Whether the disk is full, as far as is known.
    pub(super) fn is_given_away(&self) -> bool {
        self.given_to.is_some()
    }

    /// The logbook says that it was given away in an earlier life of the program.
    pub(super) fn was_given_away(&mut self) {
        self.given_to.get_or_insert_with(PathBuf::new);
    }

    /// Which file has it, where the logbook alone told that it was given away.
    pub(super) fn has_it(&mut self, month: PathBuf) {
        if let Some(given_to) = self.given_to.as_mut().filter(|to| to.as_os_str().is_empty()) {
            *given_to = month;
        }
    }

    /// The logbook says that there was room again.
    pub(super) fn was_made_again(&mut self) {
        self.given_to = None;
    }

    fn is_whole(&self, disk: &dyn Disk) -> bool {
        disk.read_at(&self.path, self.bytes.saturating_sub(1), 1).is_ok()
    }

    fn make(&self, disk: &dyn Disk) -> io::Result<()> {
        let mut file = disk.open(&self.path, Opening::OrNew)?;
        if file.length()? == self.bytes {
            return Ok(());
        }
        match file.claim(self.bytes) {
            // Written out where the file system cannot claim.
            Err(e) if e.kind() == io::ErrorKind::Unsupported => {
                let zeros = vec![0; usize::try_from(self.bytes).unwrap_or(0)];
                file.set_length(0)?;
                file.append(&zeros)?;
            }
            claimed => {
                claimed?;
                file.set_length(self.bytes)?;
            }
        }
        file.sync()?;
        disk.sync_dir(self.path.parent().unwrap_or(Path::new(".")))
    }
}

impl Logbook {
    /// Makes the reserve where it is missing and there is room for it.
    pub(super) fn look_for_room(&mut self) {
        let full = self.room.is_given_away();
        if self.room.refused || (self.room.there && !full) {
            return;
        }
        // A reserve that takes the last of the disk would be given away with the next entry.
        let enough = self.room.bytes.saturating_mul(2);
        if full && self.free().is_none_or(|free| free < enough) {
            // Its name may have come back with a power cut, and then it is room.
            self.room.there = self.room.is_whole(&*self.disk);
            return;
        }
        match self.room.make(&*self.disk) {
            Ok(()) => {
                self.room.there = true;
                self.owed.room |= self.room.given_to.take().is_some() && !self.owed.full;
                self.owed.full = false;
            }
            Err(error) => {
                let _half = self.disk.remove(&self.room.path);
                if is_full(&error) {
                    self.owed.full |= !self.room.is_given_away();
                    self.room.was_given_away();
                } else {
                    tracing::warn!(file = %self.room.path.display(), %error, "no room can be kept for a full disk");
                    self.room.refused = true;
                }
            }
        }
    }

    /// Bytes that can still be written, where the system tells.
    pub(super) fn free(&self) -> Option<u64> {
        self.disk.free(&self.dir).ok()
    }

    /// Gives the reserve to a month's file. False when there is nothing left to give.
    pub(super) fn give_room_to(&mut self, month: &Path) -> bool {
        if self.room.there {
            if let Err(error) = self.disk.remove(&self.room.path) {
                tracing::error!(file = %self.room.path.display(), %error, "the room that is kept for a full disk cannot be used");
                return false;
            }
            self.room.there = false;
            self.owed.full = !self.owed.room;
            self.owed.room = false;
        } else {
            match &self.room.given_to {
                // The month has changed: the new file gets what the old one has not used.
                Some(before) if before != month && !before.as_os_str().is_empty() => {
                    let trim = || {
                        let mut file = self.disk.open(before, Opening::There)?;
                        let length = file.length()?;
                        file.set_length(length)
                    };
                    if trim().is_err() {
                        return false;
                    }
                }
                _ => return false,
            }
        }
        self.room.given_to = Some(month.to_owned());
        self.claim_room();
        true
    }

    /// Claims the given room for the file that has it, so that nobody else takes it.
    pub(super) fn claim_room(&self) {
        let Some(month) = self
            .room
            .given_to
            .as_deref()
            .filter(|month| !month.as_os_str().is_empty())
        else {
            return;
        };
        let claim = || {
            let mut file = self.disk.open(month, Opening::OrNew)?;
            let length = file.length()?;
            let month_bytes = length.saturating_add(self.room.bytes);
            // Less where there is less.
            let free = self.disk.free(&self.dir)?;
            file.claim(month_bytes.min(length.saturating_add(free)))
        };
        if let Err(error) = claim() {
            tracing::debug!(%error, "room cannot be claimed for the logbook; others may take it");
        }
    }
}
