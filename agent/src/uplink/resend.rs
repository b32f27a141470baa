//! Entries that the hub asks for again: read from the logbook away from the program's loop, and sent in slices behind
//! what is new, the next slice when the broker has taken the one before.

use std::collections::VecDeque;
use std::ops::RangeInclusive;
use std::path::PathBuf;

use bridgepoint_protocol::envelope::Kind;
use tokio::task::JoinHandle;

use crate::logbook::{self, BookBroken, Own, Texts};

/// Ranges that wait; what is beyond is asked for again by the hub.
const MOST_RANGES: usize = 8;

/// Entries that are sent at once.
const SLICE: usize = 8;

/// Bytes of entries that are read at once.
const READ_BYTES: usize = 512 * 1024;

/// What was read of a range.
#[derive(Debug)]
pub(crate) struct Covered {
    /// The range.
    pub(crate) range: RangeInclusive<u64>,
    /// What of it is there.
    pub(crate) there: Vec<u64>,
}

/// A range that is being looked for, and the thread that does it.
type Reading = (RangeInclusive<u64>, JoinHandle<Result<Texts, BookBroken>>);

/// What the hub misses.
#[derive(Debug, Default)]
pub(crate) struct Resend {
    wanted: VecDeque<RangeInclusive<u64>>,
    reading: Option<Reading>,
    read: VecDeque<(u64, Kind, String)>,
    on_the_way: usize,
}

impl Resend {
    /// The hub asks for these. Gives false when too many ranges wait already.
    pub(crate) fn ask(&mut self, range: RangeInclusive<u64>) -> bool {
        let within =
            |wider: &RangeInclusive<u64>| wider.start() <= range.start() && range.end() <= wider.end();
        if range.is_empty() || self.wanted.iter().any(within) {
            return true;
        }
        let room = self.wanted.len() < MOST_RANGES;
        if room {
            self.wanted.push_back(range);
        }
        room
    }

    /// The connection is another one: the hub asks again for what it still misses.
    pub(crate) fn forget(&mut self) {
        *self = Self::default();
    }

    /// Starts to read what comes next, where there is need and none is read.
    pub(crate) fn read_on(&mut self, place: impl FnOnce() -> (PathBuf, Own)) {
        if self.reading.is_some() || !self.read.is_empty() {
            return;
        }
        if let Some(range) = self.wanted.pop_front() {
            let ((dir, own), wanted) = (place(), range.clone());
            let reading = move || logbook::texts(&dir, &own, wanted, READ_BYTES);
            let reading = tokio::task::spawn_blocking(reading);
            self.reading = Some((range, reading));
        }
    }

    /// Waits until the entries that are being read are there, and gives what was found where; for ever when none are read.
    pub(crate) async fn wait(&mut self) -> Option<Covered> {
        let Some((range, reading)) = &mut self.reading else {
            return std::future::pending().await;
        };
        let (read, range) = (reading.await, range.clone());
        self.reading = None;
        match read {
            Ok(Ok(Texts { found, rest })) => {
                let there = found.iter().map(|(seq, ..)| *seq).collect();
                self.read.extend(found);
                let end = match rest {
                    None => *range.end(),
                    Some(rest) => {
                        let end = rest.start().saturating_sub(1);
                        self.wanted.push_front(rest);
                        end
                    }
                };
                return Some(Covered {
                    range: *range.start()..=end,
                    there,
                });
            }
            Ok(Err(error)) => {
                tracing::error!(%error, "the entries that the province misses cannot be read");
            }
            Err(error) => tracing::error!(%error, "the entries that the province misses were not read"),
        }
        None
    }

    /// The next entry to send, while the slice has room.
    pub(crate) fn next(&self) -> Option<&(u64, Kind, String)> {
        self.read.front().filter(|_| self.on_the_way < SLICE)
    }

    /// The client has taken it.
    pub(crate) fn sent(&mut self) {
        self.read.pop_front();
        self.on_the_way += 1;
    }

    /// It cannot be sent; the hub goes without it.
    pub(crate) fn skip(&mut self) {
        self.read.pop_front();
    }

    /// The broker has answered one.
    pub(crate) fn answered(&mut self) {
        self.on_the_way = self.on_the_way.saturating_sub(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(seq: u64) -> (u64, Kind, String) {
        (seq, Kind::Report, format!("entry {seq}"))
    }

    #[test]
    fn a_slice_at_a_time_and_a_bounded_number_of_ranges() {
        let mut resend = Resend::default();
        for n in 0..8_u64 {
            assert!(resend.ask(n * 10..=n * 10 + 5));
        }
        assert!(
            resend.ask(0..=5) && resend.ask(13..=15),
            "what is asked for already is no new one"
        );
        assert!(!resend.ask(900..=901));
        resend.read.extend((1..=20).map(entry));
        let mut sent = vec![];
        while let Some((seq, ..)) = resend.next() {
            sent.push(*seq);
            resend.sent();
        }
        assert_eq!(sent, (1..=8).collect::<Vec<_>>());
        resend.answered();
        assert_eq!(resend.next().map(|(seq, ..)| *seq), Some(9));
        resend.sent();
        assert_eq!(resend.next(), None);
        resend.forget();
        assert!(resend.wanted.is_empty() && resend.read.is_empty());
    }
}
