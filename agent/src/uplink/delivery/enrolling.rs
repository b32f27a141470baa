//! When the enrolment is sent: on each connection and whenever the hub comes online, until it is receipted there. A hub
//! that has lost its database learns of the box again.

use std::time::{Duration, Instant};

use super::{LONGEST_PAUSE, Offer};

/// Pause between enrolments of a box that waits for its approval: doubled from the first to the last.
const FIRST_ENROL_PAUSE: Duration = Duration::from_secs(2);
const LONGEST_ENROL_PAUSE: Duration = Duration::from_secs(30);

/// The enrolment's book-keeping.
#[derive(Debug, Default)]
pub(crate) struct Enrolling {
    sent: Option<Offer>,
    not_before: Option<Instant>,
    taken: bool,
}

impl Enrolling {
    /// A fresh connection, or a hub that has come back.
    pub(crate) fn begin(&mut self) {
        *self = Self::default();
    }

    /// Whether the enrolment is to be sent now.
    pub(crate) fn due(&self, now: Instant) -> bool {
        self.left(now).is_some_and(|left| left.is_zero())
    }

    /// It was sent. A box that was approved before asks for nothing new, and is in less of a hurry.
    pub(crate) fn sent(&mut self, now: Instant, approved: bool) {
        let longest = if approved {
            LONGEST_PAUSE
        } else {
            LONGEST_ENROL_PAUSE
        };
        let pause = self.sent.map_or(FIRST_ENROL_PAUSE, |before| {
            (before.pause * 2).clamp(FIRST_ENROL_PAUSE, longest)
        });
        self.sent = Some(Offer { at: now, pause });
        self.not_before = None;
    }

    /// The hub has receipted it on this connection.
    pub(crate) fn taken(&mut self) {
        self.taken = true;
    }

    /// Something changed at the hub: it is sent again, not before `pause` from now.
    pub(crate) fn again_after(&mut self, now: Instant, pause: Duration) {
        self.taken = false;
        let sooner = self.sent.is_none_or(|offer| offer.left(now) > pause);
        if sooner {
            self.sent = self.sent.map(|offer| Offer {
                at: now,
                pause: offer.pause.min(pause),
            });
            self.not_before = now.checked_add(pause);
        }
    }

    /// How long until it is due; `None` when it was taken.
    pub(crate) fn left(&self, now: Instant) -> Option<Duration> {
        if self.taken {
            return None;
        }
        let wait = self.sent.map_or(Duration::ZERO, |offer| offer.left(now));
        let not_before = self
            .not_before
            .map_or(Duration::ZERO, |at| at.saturating_duration_since(now));
        Some(wait.max(not_before))
    }
}
