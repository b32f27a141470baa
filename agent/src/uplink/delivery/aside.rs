//! Entries that the broker does not take: those that it refuses, and those with which it breaks the connection.
//!
//! Which of several that were on their way broke a connection is not known. Those that were there twice in a row are
//! suspected and offered alone from then on, when nothing else is due; one that breaks it alone is set aside. A line that
//! is cut for other reasons clears itself: the broker's acknowledgement ends every suspicion.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::doubled;

/// First and longest time that an entry is set aside.
const FIRST: Duration = Duration::from_secs(30);
const LONGEST: Duration = Duration::from_secs(3600);

/// Connections that broke in a row while an entry was on its way, after which it is offered alone.
const SUSPECTED: u32 = 2;

/// The same, after which an entry that was alone is set aside.
const CONVICTED: u32 = 4;

/// Why an entry is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Why {
    /// The broker's reason, 128 and above.
    Broker(u8),
    /// The connection breaks each time it is sent.
    Breaks,
    /// It cannot be read back from the logbook.
    Unreadable,
}

#[derive(Debug, Clone, Copy)]
struct Held {
    why: Why,
    at: Instant,
    pause: Duration,
    /// Times that it was set aside.
    times: usize,
    /// It breaks connections: offered alone when its time has come.
    breaks: bool,
}

/// What is set aside, and what is suspected.
#[derive(Debug, Default)]
pub(super) struct Aside {
    held: BTreeMap<u64, Held>,
    /// Connections that broke while the entry was on its way, since it was last acknowledged.
    breaks: BTreeMap<u64, u32>,
    alone: Option<u64>,
    newest: Option<Why>,
}

impl Aside {
    /// Forgets entries that wait no more.
    pub(super) fn retain(&mut self, waits: impl Fn(u64) -> bool) {
        self.held.retain(|seq, _| waits(*seq));
        self.breaks.retain(|seq, _| waits(*seq));
        self.alone = self.alone.filter(|seq| waits(*seq));
    }

    /// Whether an entry is not to be offered among others now.
    pub(super) fn holds(&self, seq: u64, now: Instant) -> bool {
        self.suspected(seq)
            || self
                .held
                .get(&seq)
                .is_some_and(|held| held.breaks || !held.left(now).is_zero())
    }

    /// The entry that is offered alone.
    pub(super) fn alone(&self) -> Option<u64> {
        self.alone
    }

    /// Chooses an entry that is to be offered alone now, if there is one.
    pub(super) fn try_alone(&mut self, now: Instant) -> Option<u64> {
        let suspects = self.breaks.keys().copied().filter(|seq| self.suspected(*seq));
        let served = self
            .held
            .iter()
            .filter(|(_, held)| held.breaks)
            .map(|(seq, _)| *seq);
        self.alone = suspects
            .chain(served)
            .find(|seq| self.held.get(seq).is_none_or(|held| held.left(now).is_zero()));
        self.alone
    }

    /// Sets an entry aside.
    pub(super) fn put(&mut self, seq: u64, why: Why, now: Instant) {
        let times = self.held.get(&seq).map_or(0, |held| held.times);
        let pause = doubled(FIRST, times, LONGEST);
        let breaks = matches!(why, Why::Breaks);
        self.held.insert(
            seq,
            Held {
                why,
                at: now,
                pause,
                times: times + 1,
                breaks,
            },
        );
        self.breaks.remove(&seq);
        self.newest = Some(why);
        self.free(seq);
    }

    /// An entry was taken.
    pub(super) fn clear(&mut self, seq: u64) {
        self.held.remove(&seq);
        self.breaks.remove(&seq);
        self.free(seq);
    }

    /// Whatever was refused may be tried again at once; what breaks connections may not.
    pub(super) fn forgive(&mut self) {
        self.held.retain(|_, held| held.breaks);
        self.alone = None;
    }

    /// The connection broke while these were on their way. Gives the one that is set aside for it.
    pub(super) fn broke(
        &mut self,
        on_the_way: &BTreeSet<u64>,
        blamed: Option<u8>,
        now: Instant,
    ) -> Option<u64> {
        for seq in on_the_way {
            let breaks = self.breaks.entry(*seq).or_default();
            *breaks = breaks.saturating_add(if blamed.is_some() { SUSPECTED } else { 1 });
        }
        self.alone = None;
        let mut seqs = on_the_way.iter();
        let (Some(seq), None) = (seqs.next().copied(), seqs.next()) else {
            return None;
        };
        let convicted = blamed.is_some()
            || self.breaks.get(&seq).is_some_and(|breaks| *breaks >= CONVICTED)
            || self.held.get(&seq).is_some_and(|held| held.breaks);
        if !convicted {
            return None;
        }
        self.put(seq, blamed.map_or(Why::Breaks, Why::Broker), now);
        if let Some(held) = self.held.get_mut(&seq) {
            held.breaks = true;
        }
        Some(seq)
    }

    /// How many are set aside, and why the last one was.
    pub(super) fn told(&self) -> Option<(usize, Why)> {
        let newest = self.newest.filter(|_| !self.held.is_empty())?;
        let why = if self.held.values().any(|held| held.why == newest) {
            newest
        } else {
            self.held.values().next()?.why
        };
        Some((self.held.len(), why))
    }

    /// How long until one may be tried again; a moment for one that waits until it can go alone.
    pub(super) fn left(&self, now: Instant) -> Option<Duration> {
        const MOMENT: Duration = Duration::from_secs(1);
        let suspects = self.breaks.keys().any(|seq| self.suspected(*seq));
        let held = self.held.values().filter_map(|held| {
            let left = held.left(now);
            (held.breaks || !left.is_zero()).then(|| left.max(MOMENT))
        });
        held.chain(suspects.then_some(MOMENT)).min()
    }

    fn suspected(&self, seq: u64) -> bool {
        self.breaks.get(&seq).is_some_and(|breaks| *breaks >= SUSPECTED)
    }

    fn free(&mut self, seq: u64) {
        self.alone = self.alone.filter(|alone| *alone != seq);
    }
}

impl Held {
    fn left(self, now: Instant) -> Duration {
        self.pause.saturating_sub(now.saturating_duration_since(self.at))
    }
}
