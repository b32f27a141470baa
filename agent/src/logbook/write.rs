//! Writing: one line at the end of a month's file, made durable; what is done when the disk refuses; and what the logbook
//! says of itself before the next entry.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use bridgepoint_protocol::WIRE_VERSION;
use bridgepoint_protocol::claims::{ClockState, Event, Gap};
use bridgepoint_protocol::envelope::{EntryHash, Kind, Sealed, SigningKey, seal};
use serde::Serialize;
use serde_json::{Value, json};

use super::times::{Moment, Times};
use super::{Head, Logbook, LogbookError, Stamp, Waiting, Weight};
use crate::disk::{Opening, is_full};

/// Why numbers are declared missing: their lines cannot be read.
pub(super) const DAMAGED: &str = "damaged";
/// Why numbers are declared missing: there was no room for them.
const DISK_FULL: &str = "disk-full";

/// `kind` of the events of the logbook about itself.
pub(super) const OWN_EVENT: &str = "logbook";
/// `code` of the event that the reserve was given away.
pub(super) const FULL: &str = "host.logbook-full";
/// `code` of the event that the disk fails.
const DEGRADED: &str = "host.logbook-degraded";
/// `code` of the event that there is room again.
pub(super) const ROOM: &str = "host.logbook-room";

/// The numbers from `from` to `to` that are not among `there` (ascending), as first and last of each run.
pub(crate) fn absent(from: u64, to: u64, there: impl IntoIterator<Item = u64>) -> Vec<(u64, u64)> {
    let mut runs = Vec::new();
    let mut next = Some(from);
    for seq in there.into_iter().filter(|seq| (from..=to).contains(seq)) {
        let Some(first) = next else { break };
        if first < seq {
            runs.push((first, seq - 1));
        }
        next = seq.checked_add(1).max(next);
        if seq == u64::MAX {
            next = None;
        }
    }
    runs.extend(next.filter(|first| *first <= to).map(|first| (first, to)));
    runs
}

impl Logbook {
    /// Says what has to be said before the next entry. A gap must be; the rest stays owed where it cannot be written.
    ///
    /// # Errors
    /// [`LogbookError`] when a gap cannot be declared: no entry can follow then.
    pub(super) fn say_what_is_owed(
        &mut self,
        key: &SigningKey,
        at: (&Stamp, ClockState),
    ) -> Result<(), LogbookError> {
        let step = self.times.step(at.0);
        if self.owed.damaged > 0 {
            self.put_gap_here(key, at, self.owed.damaged, DAMAGED)?;
            self.owed.damaged = 0;
        }
        let left_out = self.owed.dropped;
        if left_out > 0 {
            self.put_gap_here(key, at, left_out, DISK_FULL)?;
            self.owed.dropped = 0;
        }
        if self.owed.full {
            self.say_full(key, at);
        }
        if self.owed.room {
            let free = ("free_bytes", json!(self.free()));
            let code = (OWN_EVENT, ROOM);
            let said = match left_out {
                0 => self.put_event(key, at, code, [free]),
                left_out => self.put_event(key, at, code, [free, ("n", json!(left_out))]),
            };
            self.owed.room = said.is_err();
        }
        if self.owed.trouble && !self.room.is_given_away() {
            let params = [("why", json!(self.trouble))];
            let code = (OWN_EVENT, DEGRADED);
            self.owed.trouble = self.put_event(key, at, code, params).is_err();
        }
        if let Some(step) = step {
            let params = [
                ("from_ms", json!(step.from_ms)),
                ("to_ms", json!(step.to_ms)),
                ("source", json!(at.0.clock)),
            ];
            if let Err(error) = self.put_event(key, at, ("clock", "host.clock-stepped"), params) {
                tracing::error!(%error, "that the clock was set could not be written into the logbook");
            }
        }
        Ok(())
    }

    /// Says that the reserve was given away; what was left out so far stands before it.
    pub(super) fn say_full(&mut self, key: &SigningKey, at: (&Stamp, ClockState)) {
        if self.owed.dropped > 0 {
            if self.put_gap_here(key, at, self.owed.dropped, DISK_FULL).is_err() {
                return;
            }
            self.owed.dropped = 0;
        }
        let params = [("free_bytes", json!(self.free()))];
        self.owed.full = self.put_event(key, at, (OWN_EVENT, FULL), params).is_err();
    }

    /// Where the newest entry is the last of those that cannot be read: an event behind it. A gap entry that stands
    /// directly after what it declares would have to name the last one before, and what stands here names this one.
    pub(super) fn step_away_from(
        &mut self,
        key: &SigningKey,
        at: (&Stamp, ClockState),
        to: u64,
    ) -> Result<(), LogbookError> {
        if self.head.as_ref().is_none_or(|head| head.seq != to) {
            return Ok(());
        }
        let why = format!("entry {to} is not read back as it was written");
        self.put_event(key, at, (OWN_EVENT, DEGRADED), [("why", json!(why))])?;
        self.trouble = Some(why);
        Ok(())
    }

    /// An event about the logbook or the clock.
    fn put_event<const N: usize>(
        &mut self,
        key: &SigningKey,
        at: (&Stamp, ClockState),
        (kind, code): (&str, &str),
        params: [(&str, Value); N],
    ) -> Result<(), LogbookError> {
        let event = Event {
            v: WIRE_VERSION,
            org: self.address.org.clone(),
            room: self.address.room.clone(),
            link: self.link(at),
            kind: kind.to_owned(),
            code: code.to_owned(),
            params: params
                .into_iter()
                .map(|(name, value)| (name.to_owned(), value))
                .collect::<BTreeMap<_, _>>(),
            meeting: None,
            incident: None,
            started_ms: at.0.wall_ms,
            ended_ms: Some(at.0.wall_ms),
        };
        self.put(key, Kind::Event, at, Weight::Record, &event).map(|_| ())
    }

    /// Declares the `count` numbers after the newest entry; the gap entry has the one after them.
    fn put_gap_here(
        &mut self,
        key: &SigningKey,
        at: (&Stamp, ClockState),
        count: u64,
        reason: &str,
    ) -> Result<(), LogbookError> {
        let from = self.head.as_ref().map_or(1, |head| head.seq.saturating_add(1));
        let to = from.saturating_add(count - 1);
        self.put_gap(key, at, from, to, reason).map(|_| ())
    }

    /// Declares numbers missing. Gives the gap entry's own.
    pub(super) fn put_gap(
        &mut self,
        key: &SigningKey,
        at: (&Stamp, ClockState),
        from: u64,
        to: u64,
        reason: &str,
    ) -> Result<u64, LogbookError> {
        let mut link = self.link(at);
        link.seq = link.seq.max(to.saturating_add(1));
        let gap = Gap {
            v: WIRE_VERSION,
            org: self.address.org.clone(),
            room: self.address.room.clone(),
            link,
            from,
            to,
            reason: reason.to_owned(),
        };
        let (seq, _) = self.put_numbered(key, Kind::Gap, at, (gap.link.seq, Weight::Record), &gap)?;
        self.declared.push((from, to, seq));
        Ok(seq)
    }

    /// Signs the next entry and writes it.
    pub(super) fn put<C: Serialize>(
        &mut self,
        key: &SigningKey,
        kind: Kind,
        at: (&Stamp, ClockState),
        weight: Weight,
        claims: &C,
    ) -> Result<(u64, Sealed), LogbookError> {
        let seq = self.head.as_ref().map_or(1, |head| head.seq.saturating_add(1));
        self.put_numbered(key, kind, at, (seq, weight), claims)
    }

    fn put_numbered<C: Serialize>(
        &mut self,
        key: &SigningKey,
        kind: Kind,
        (stamp, clk): (&Stamp, ClockState),
        (seq, weight): (u64, Weight),
        claims: &C,
    ) -> Result<(u64, Sealed), LogbookError> {
        let sealed = seal(key, kind, claims)?;
        self.own.add(&key.verifying());
        let month = Times::month(&self.month, stamp.wall_ms);
        let offset = match weight {
            Weight::Record => self.write_line(&month, &sealed.jws)?,
            Weight::Telemetry => {
                let tried = self.try_line(&month, &sealed.jws);
                if tried.as_ref().is_err_and(LogbookError::is_full) {
                    // The next record finds the room.
                    self.give_room_to(&self.path(&month));
                }
                tried?
            }
        };
        self.head = Some(Head {
            seq,
            hash: sealed.hash,
            path: self.path(&month),
            offset,
            length: sealed.jws.len(),
        });
        self.times.take(Moment {
            boot: stamp.boot.clone(),
            wall_ms: stamp.wall_ms,
            mono_ms: stamp.mono_ms,
            clk,
        });
        self.waiting.insert(
            seq,
            Waiting {
                kind,
                hash: sealed.hash,
                month,
                offset,
                length: sealed.jws.len(),
            },
        );
        Ok((seq, sealed))
    }

    /// Writes one line and makes it durable, into the reserve where the disk is full. Gives the offset where it begins.
    pub(super) fn write_line(&mut self, month: &str, jws: &str) -> Result<u64, LogbookError> {
        let mut tried = self.try_line(month, jws);
        if tried.as_ref().is_err_and(LogbookError::is_full) && self.give_room_to(&self.path(month)) {
            tried = self.try_line(month, jws);
        }
        tried
    }

    fn try_line(&mut self, month: &str, jws: &str) -> Result<u64, LogbookError> {
        let path = self.path(month);
        let fault = |error| LogbookError::Io {
            path: path.clone(),
            error,
        };
        self.mend().map_err(fault)?;
        let mut certain = None;
        match self.write_durably(&path, month, jws, &mut certain) {
            Ok(offset) => {
                if month > self.month.as_str() {
                    month.clone_into(&mut self.month);
                }
                Ok(offset)
            }
            Err(error) => {
                if !is_full(&error) {
                    self.trouble = Some(error.to_string());
                    self.owed.trouble = true;
                }
                if let Some(length) = certain {
                    // What reached the disk is not known, and the descriptor is closed: it is not asked again.
                    self.doubtful = Some((path.clone(), length));
                    if let Err(error) = self.mend() {
                        tracing::error!(file = %path.display(), %error, "the logbook is cut back before the next entry");
                    }
                }
                Err(fault(error))
            }
        }
    }

    /// `certain` becomes the length up to which the file holds, once more may stand behind it.
    fn write_durably(
        &mut self,
        path: &Path,
        month: &str,
        jws: &str,
        certain: &mut Option<u64>,
    ) -> io::Result<u64> {
        let ragged = self.ragged.as_deref() == Some(path);
        let mut line = Vec::with_capacity(jws.len() + 2);
        if ragged {
            line.push(b'\n');
        }
        line.extend_from_slice(jws.as_bytes());
        line.push(b'\n');
        let mut file = self.disk.open(path, Opening::OrNew)?;
        let offset = file.length()?;
        *certain = Some(offset);
        file.append(&line)?;
        file.sync()?;
        if self.named.as_deref() != Some(month) {
            self.disk.sync_dir(&self.dir)?;
            self.named = Some(month.to_owned());
        }
        if ragged {
            self.ragged = None;
        }
        Ok(offset + u64::from(ragged))
    }

    /// After a failed write: opens the file anew, cuts it back to where it is certain, and reads the newest entry back.
    fn mend(&mut self) -> io::Result<()> {
        let Some((path, certain)) = self.doubtful.clone() else {
            return Ok(());
        };
        let mut file = match self.disk.open(&path, Opening::There) {
            Ok(file) => file,
            Err(e) if e.kind() == io::ErrorKind::NotFound => {
                self.doubtful = None;
                return Ok(());
            }
            Err(e) => return Err(e),
        };
        if file.length()? > certain {
            file.set_length(certain)?;
            file.sync()?;
        }
        if let Some(head) = self.head.as_ref().filter(|head| head.path == path) {
            let text = self.disk.read_at(&path, head.offset, head.length)?;
            if EntryHash::of(&String::from_utf8_lossy(&text)) != head.hash {
                tracing::error!(file = %path.display(), seq = head.seq, "the newest entry of the logbook is not read back as it was written");
                self.trouble = Some(format!("entry {} is not read back as it was written", head.seq));
                self.owed.trouble = true;
            }
        }
        self.doubtful = None;
        self.claim_room();
        Ok(())
    }
}
