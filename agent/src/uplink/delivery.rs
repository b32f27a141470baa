//! What to offer to the hub now, and when next: pure, with the time passed in.
//!
//! The live entry first (the newest of all, while it waits), for somebody is looking at it; then what was never offered, from the oldest on; then what
//! got no receipt, after 30 s and later and later, to five minutes. A window of them is on its way at a time, and where
//! nothing is receipted at all the next window comes later and later as well. An entry that the broker refuses, or with
//! which the connection breaks again and again, is set aside for a while and holds nothing up; nothing is given up.

mod aside;
mod enrolling;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use aside::Aside;
pub(crate) use aside::Why;
pub(crate) use enrolling::Enrolling;

/// How many entries may be on their way without a receipt.
const WINDOW: usize = 16;

/// First pause before an entry is offered again; for this long an offer counts as on its way.
const FIRST_PAUSE: Duration = Duration::from_secs(30);

/// Longest pause.
const LONGEST_PAUSE: Duration = Duration::from_secs(300);

/// Refusals in a row after which the broker is taken to refuse everything: then one entry at a time asks again.
const ALL_REFUSED: u32 = 8;

/// The book-keeping of what was offered.
#[derive(Debug, Default)]
pub(crate) struct Delivery {
    offered: BTreeMap<u64, Offer>,
    /// Handed to the broker and not acknowledged by it: at most what the client takes.
    unacknowledged: BTreeSet<u64>,
    aside: Aside,
    /// Offers of this window, and whole windows since the last receipt.
    in_window: usize,
    dry_windows: usize,
    /// The rest after a window without a receipt.
    quiet: Option<Offer>,
    /// Refusals since the last acknowledgement, and when the last one came.
    refused_in_a_row: u32,
    last_refusal: Option<Instant>,
    /// The broker has taken something on this connection.
    bears: bool,
    enrolling: Enrolling,
}

#[derive(Debug, Clone, Copy)]
struct Offer {
    at: Instant,
    pause: Duration,
}

impl Offer {
    fn due(self, now: Instant) -> bool {
        self.left(now).is_zero()
    }

    fn left(self, now: Instant) -> Duration {
        self.pause.saturating_sub(now.saturating_duration_since(self.at))
    }

    /// How long it still counts as on its way.
    fn travels(self, now: Instant) -> Duration {
        FIRST_PAUSE.saturating_sub(now.saturating_duration_since(self.at))
    }
}

impl Delivery {
    /// A fresh connection, or a hub that has come back: everything may be offered at once, but what breaks connections.
    pub(crate) fn connected(&mut self) {
        self.offered.clear();
        self.unacknowledged.clear();
        self.aside.forgive();
        self.refused_in_a_row = 0;
        self.answered();
        self.bears = false;
        self.enrolling.begin();
    }

    /// Which of the `outbox` (the live one, if there is one, then from the oldest on) are due. `waits` says whether an
    /// entry still waits.
    pub(crate) fn due(
        &mut self,
        live: Option<u64>,
        outbox: impl Iterator<Item = u64>,
        waits: impl Fn(u64) -> bool,
        now: Instant,
    ) -> Vec<u64> {
        self.only(waits);
        if self
            .aside
            .alone()
            .is_some_and(|seq| self.unacknowledged.contains(&seq))
        {
            return vec![];
        }
        let room = self.room(now);
        let quiet = !self.quiet_left(now).is_zero();
        let (mut due, mut again) = (Vec::new(), Vec::new());
        for seq in outbox {
            if due.len() >= room {
                break;
            }
            if self.aside.holds(seq, now) {
                continue;
            }
            match self.offered.get(&seq) {
                // Somebody looks at the live one, also where nothing else is answered.
                None if Some(seq) == live || !quiet => due.push(seq),
                Some(offer) if offer.due(now) && !quiet && again.len() < room => again.push(seq),
                _ => {}
            }
        }
        again.truncate(room.saturating_sub(due.len()));
        due.append(&mut again);
        if due.is_empty() && self.unacknowledged.is_empty() && room > 0 {
            due.extend(self.aside.try_alone(now));
        }
        due
    }

    /// Forgets entries that wait no more.
    pub(crate) fn only(&mut self, waits: impl Fn(u64) -> bool) {
        self.offered.retain(|seq, _| waits(*seq));
        self.unacknowledged.retain(|seq| waits(*seq));
        self.aside.retain(waits);
    }

    /// An entry was handed to the client.
    pub(crate) fn sent(&mut self, seq: u64, now: Instant) {
        let pause = self
            .offered
            .get(&seq)
            .map_or(FIRST_PAUSE, |before| (before.pause * 2).min(LONGEST_PAUSE));
        self.offered.insert(seq, Offer { at: now, pause });
        self.unacknowledged.insert(seq);
        self.in_window += 1;
        if self.in_window >= WINDOW {
            let pause = doubled(FIRST_PAUSE, self.dry_windows, LONGEST_PAUSE);
            self.quiet = Some(Offer { at: now, pause });
            self.dry_windows += 1;
            self.in_window = 0;
        }
    }

    /// The broker has taken something, whatever it was: the connection is one that bears messages.
    pub(crate) fn borne(&mut self) {
        self.bears = true;
    }

    /// The broker has taken an entry, which proves nothing but that the connection bears it.
    pub(crate) fn acknowledged(&mut self, seq: u64) {
        self.unacknowledged.remove(&seq);
        self.refused_in_a_row = 0;
        self.aside.clear(seq);
    }

    /// The broker refuses an entry, or it cannot be offered at all: set aside, and tried again later and later.
    pub(crate) fn refused(&mut self, seq: u64, why: Why, now: Instant) {
        self.offered.remove(&seq);
        self.unacknowledged.remove(&seq);
        self.refused_in_a_row = self.refused_in_a_row.saturating_add(1);
        self.last_refusal = Some(now);
        self.aside.put(seq, why, now);
    }

    /// The connection broke. `blamed` is the broker's reason when it was an answer that says that one of the entries on
    /// their way is at fault. A connection that bore nothing at all says nothing about any entry. Gives the entry that is
    /// set aside, when it is clear which one it is.
    pub(crate) fn broke(&mut self, blamed: Option<u8>, now: Instant) -> Option<u64> {
        let mut on_the_way = std::mem::take(&mut self.unacknowledged);
        if !self.bears && blamed.is_none() {
            on_the_way.clear();
        }
        self.aside.broke(&on_the_way, blamed, now)
    }

    /// An entry was receipted.
    pub(crate) fn receipted(&mut self, seq: u64) {
        self.offered.remove(&seq);
        self.unacknowledged.remove(&seq);
        self.aside.clear(seq);
        self.refused_in_a_row = 0;
        self.answered();
    }

    /// How many entries are set aside, and why the last one was.
    pub(crate) fn set_aside(&self) -> Option<(usize, Why)> {
        self.aside.told()
    }

    /// The enrolment: when it is sent.
    pub(crate) fn enrolling(&mut self) -> &mut Enrolling {
        &mut self.enrolling
    }

    /// How long until something may be due.
    pub(crate) fn next_due(&self, now: Instant, enrolled: bool) -> Duration {
        let enrolment = self.enrolling.left(now);
        let entries = enrolled.then(|| self.entries_left(now)).flatten();
        let next = [enrolment, entries].into_iter().flatten().min();
        next.map_or(LONGEST_PAUSE, |next| {
            next.clamp(Duration::from_millis(200), LONGEST_PAUSE)
        })
    }

    fn entries_left(&self, now: Instant) -> Option<Duration> {
        let offers = self.offered.values().flat_map(|offer| {
            let left = [offer.left(now), offer.travels(now)];
            left.into_iter().filter(|left| !left.is_zero())
        });
        let held_back = [self.quiet_left(now), self.brake_left(now)];
        let held_back = held_back.into_iter().filter(|left| !left.is_zero());
        let first = offers.chain(held_back).chain(self.aside.left(now)).min();
        // What is due and was not taken by the client goes when the client has room; this only looks after it.
        let overdue = self.offered.values().any(|offer| offer.due(now));
        first.or(overdue.then_some(FIRST_PAUSE))
    }

    /// How many entries may be offered now.
    fn room(&self, now: Instant) -> usize {
        if !self.brake_left(now).is_zero() {
            return 0;
        }
        let travelling = self
            .offered
            .values()
            .filter(|offer| !offer.travels(now).is_zero())
            .count();
        let window = if self.refused_in_a_row >= ALL_REFUSED {
            1
        } else {
            WINDOW
        };
        window.saturating_sub(travelling)
    }

    fn answered(&mut self) {
        (self.in_window, self.dry_windows, self.quiet) = (0, 0, None);
    }

    /// Where a whole window got no receipt, the next one waits; nobody pays for what nobody hears.
    fn quiet_left(&self, now: Instant) -> Duration {
        self.quiet.map_or(Duration::ZERO, |quiet| quiet.left(now))
    }

    /// Where everything is refused, the next try waits.
    fn brake_left(&self, now: Instant) -> Duration {
        let beyond = self.refused_in_a_row.checked_sub(ALL_REFUSED);
        let (Some(beyond), Some(last)) = (beyond, self.last_refusal) else {
            return Duration::ZERO;
        };
        let pause = doubled(Duration::from_secs(1), beyond as usize, LONGEST_PAUSE);
        pause.saturating_sub(now.saturating_duration_since(last))
    }
}

/// `first` doubled `times`, at most `longest`.
fn doubled(first: Duration, times: usize, longest: Duration) -> Duration {
    let factor = u32::try_from(times)
        .ok()
        .and_then(|times| 1_u32.checked_shl(times));
    factor.map_or(longest, |factor| first.saturating_mul(factor).min(longest))
}

/// Pause before the next attempt to connect: 1 s doubled to 5 min, each spread over its own length, so that two hundred
/// boxes that lose one broker in one moment do not come back in one. `chance` differs from box to box and from attempt
/// to attempt.
pub(crate) fn reconnect_after(failures: u32, chance: u64) -> Duration {
    let base = doubled(
        Duration::from_secs(1),
        failures.saturating_sub(1) as usize,
        LONGEST_PAUSE / 2,
    );
    let spread = u32::try_from(chance % 1000).unwrap_or_default();
    base + base * spread / 1000
}
