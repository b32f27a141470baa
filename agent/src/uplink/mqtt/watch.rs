//! What tells a dead line from a slow one: pure, with the time passed in.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::{Patience, Tag};

/// When something was last heard, and what waits for the broker's acknowledgement.
#[derive(Debug)]
pub(super) struct Watch {
    patience: Patience,
    connected: bool,
    heard: Instant,
    sent: BTreeMap<u16, (Tag, Instant)>,
}

impl Watch {
    /// Nothing is connected yet.
    pub(super) fn new(patience: Patience, now: Instant) -> Self {
        Self {
            patience,
            connected: false,
            heard: now,
            sent: BTreeMap::new(),
        }
    }

    /// A whole packet came.
    pub(super) fn heard(&mut self, now: Instant) {
        self.connected = true;
        self.heard = now;
    }

    /// Whether the broker has ever answered.
    pub(super) fn connected(&self) -> bool {
        self.connected
    }

    /// A publish was written under this packet id.
    pub(super) fn published(&mut self, id: u16, tag: Tag, now: Instant) {
        self.sent.insert(id, (tag, now));
    }

    /// The broker has answered it.
    pub(super) fn acknowledged(&mut self, id: u16) -> Option<Tag> {
        self.sent.remove(&id).map(|(tag, _)| tag)
    }

    /// How long the line may go on as it is.
    pub(super) fn left(&self, now: Instant) -> Duration {
        let age = |since: Instant| now.saturating_duration_since(since);
        // The client has a limit of its own for connecting; this one only catches what it overlooks.
        let silence = if self.connected {
            self.patience.silence
        } else {
            self.patience.connect * 2
        };
        let silence = silence.saturating_sub(age(self.heard));
        let waiting = self.oldest().map(age);
        let stuck = waiting.map(|waiting| self.patience.acknowledgement.saturating_sub(waiting));
        stuck.map_or(silence, |stuck| stuck.min(silence))
    }

    /// Why it does not.
    pub(super) fn why(&self, now: Instant) -> String {
        let quiet = now.saturating_duration_since(self.heard);
        if !self.connected || quiet >= self.patience.silence {
            format!("nothing has come for {} s", quiet.as_secs())
        } else {
            let waiting = self.oldest().map(|since| now.saturating_duration_since(since));
            format!(
                "it answers but has not acknowledged a message for {} s",
                waiting.unwrap_or_default().as_secs()
            )
        }
    }

    fn oldest(&self) -> Option<Instant> {
        self.sent.values().map(|(_, at)| *at).min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_given_up_when_nothing_comes_or_nothing_is_acknowledged() {
        let seconds = Duration::from_secs;
        let patience = Patience::with_keep_alive(seconds(30));
        let start = crate::clock::instant();
        let mut watch = Watch::new(patience, start);
        assert_eq!(watch.left(start + seconds(20)), Duration::ZERO, "never connected");
        watch.heard(start);
        assert_eq!(watch.left(start + seconds(30)), seconds(15));
        assert_eq!(watch.left(start + seconds(45)), Duration::ZERO);
        assert_eq!(watch.why(start + seconds(45)), "nothing has come for 45 s");
        watch.published(1, Tag::Entry(7), start);
        watch.published(2, Tag::Entry(8), start + seconds(1));
        // Signs of life come, acknowledgements do not.
        watch.heard(start + seconds(50));
        assert_eq!(watch.left(start + seconds(50)), seconds(10));
        assert_eq!(watch.acknowledged(1), Some(Tag::Entry(7)));
        assert_eq!(watch.acknowledged(1), None);
        assert_eq!(watch.left(start + seconds(60)), seconds(1));
        watch.heard(start + seconds(60));
        assert_eq!(
            watch.why(start + seconds(61)),
            "it answers but has not acknowledged a message for 60 s"
        );
        watch.acknowledged(2);
        assert_eq!(watch.left(start + seconds(61)), seconds(44));
    }
}
