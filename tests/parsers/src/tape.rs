//! How a talk with a device, or a row of datagrams, is written in an input: pieces as they come, and what happens
//! between them.
//!
//! `FE` followed by a byte is a step; everything else is what comes. `FE FE` is the byte `FE` itself. What a step means
//! is its target's matter; for talks with devices [`play`] says it.

use std::sync::OnceLock;
use std::time::{Duration, Instant};

use bridgepoint_hw::dialect::Conversation;
use bridgepoint_hw::reading::ProbeError;

/// Begins a step.
pub(crate) const MARK: u8 = 0xFE;

/// Steps in one tape: more are not read, so that an input costs no more than its length suggests.
const STEPS_MAX: usize = 4096;

/// One step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Step {
    /// These bytes come, at once.
    Bytes(Vec<u8>),
    /// What stands behind a mark.
    Act(u8),
}

/// Reads a tape.
pub(crate) fn steps(data: &[u8]) -> Vec<Step> {
    let mut steps = Vec::new();
    let mut bytes = Vec::new();
    let mut rest = data.iter();
    while let Some(byte) = rest.next() {
        if *byte != MARK {
            bytes.push(*byte);
            continue;
        }
        match rest.next() {
            None | Some(&MARK) => bytes.push(MARK),
            Some(act) => {
                if !bytes.is_empty() {
                    steps.push(Step::Bytes(std::mem::take(&mut bytes)));
                }
                steps.push(Step::Act(*act));
            }
        }
        if steps.len() >= STEPS_MAX {
            return steps;
        }
    }
    if !bytes.is_empty() {
        steps.push(Step::Bytes(bytes));
    }
    steps
}

/// Writes bytes so that [`steps`] reads them as they are.
pub(crate) fn escaped(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len());
    for byte in bytes {
        out.push(*byte);
        if *byte == MARK {
            out.push(MARK);
        }
    }
    out
}

/// Some instant to count from.
#[allow(
    clippy::disallowed_methods,
    reason = "only differences matter, and every one of them is made here"
)]
pub(crate) fn begin() -> Instant {
    static BEGIN: OnceLock<Instant> = OnceLock::new();
    *BEGIN.get_or_init(Instant::now)
}

/// The piece ends here, and nothing else happens.
pub(crate) const PIECE: u8 = 0;
/// Time passes until the talk wants to be woken.
pub(crate) const WAKE: u8 = 1;
/// Somebody says stop.
pub(crate) const STOP: u8 = 2;
/// The device closes.
pub(crate) const CLOSE: u8 = 3;
/// Time passes until the talk has sent something more.
pub(crate) const SENDS: u8 = 4;

/// Everything ends after this.
const DEADLINE: Duration = Duration::from_secs(60);

/// Wakings without time passing or anything being sent: a talk that wants more runs in a circle.
const IDLE_WAKINGS: u32 = 16;

/// What happens in a talk, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Event {
    /// The device was sent this.
    Sent(Vec<u8>),
    /// The device said this.
    Came(Vec<u8>),
}

/// Plays a tape to a talk, up to its end or the deadline. Gives what was learnt and what happened.
pub(crate) fn play<C: Conversation>(
    talk: impl FnOnce(Instant, Instant) -> C,
    tape: &[Step],
) -> (C::Reading, Vec<Event>) {
    let now = begin();
    let deadline = now + DEADLINE;
    let mut player = Player {
        talk: talk(now, deadline),
        now,
        deadline,
        events: Vec::new(),
        awaited: 0,
        allowed: 2000 + 4 * tape.len(),
    };
    player.drain();
    for step in tape {
        match step {
            Step::Bytes(bytes) => {
                player.events.push(Event::Came(bytes.clone()));
                player.talk.receive(player.now, bytes);
            }
            Step::Act(PIECE) => {}
            Step::Act(WAKE) => player.wake(),
            Step::Act(SENDS) => player.until_sent(),
            Step::Act(STOP) => player.talk.interrupted(player.now, ProbeError::Cancelled),
            Step::Act(CLOSE) => {
                player.talk.interrupted(player.now, ProbeError::Closed);
                return (player.talk.conclude(), player.events);
            }
            Step::Act(time) => player.pass(Duration::from_millis(u64::from(*time) * 20)),
        }
        player.drain();
        if player.now >= deadline {
            break;
        }
    }
    player.finish()
}

struct Player<C> {
    talk: C,
    now: Instant,
    deadline: Instant,
    events: Vec<Event>,
    /// Where in the events the next thing sent is looked for.
    awaited: usize,
    allowed: usize,
}

impl<C: Conversation> Player<C> {
    fn drain(&mut self) {
        while let Some(bytes) = self.talk.transmit(self.now) {
            assert!(!bytes.is_empty(), "it sends nothing, and says that it does");
            self.events.push(Event::Sent(bytes));
            assert!(self.events.len() < self.allowed, "it sends without end");
        }
    }

    /// Lets time pass until the talk wants to be woken, and wakes it.
    fn wake(&mut self) {
        let Some(at) = self.talk.timeout() else { return };
        self.now = at.max(self.now).min(self.deadline);
        if at <= self.now {
            self.talk.handle_timeout(self.now);
        }
    }

    fn until_sent(&mut self) {
        const WAKINGS: usize = 8;
        for _ in 0..WAKINGS {
            let later = self.events.get(self.awaited..).unwrap_or_default();
            if let Some(at) = later.iter().position(|event| matches!(event, Event::Sent(_))) {
                self.awaited += at + 1;
                return;
            }
            self.wake();
            self.drain();
        }
    }

    fn pass(&mut self, time: Duration) {
        let until = (self.now + time).min(self.deadline);
        let mut idle = 0;
        while let Some(at) = self.talk.timeout().filter(|at| *at <= until) {
            let sent = self.events.len();
            let moves = at > self.now;
            self.now = at.max(self.now);
            self.talk.handle_timeout(self.now);
            self.drain();
            idle = if moves || self.events.len() > sent {
                0
            } else {
                idle + 1
            };
            assert!(
                idle < IDLE_WAKINGS,
                "it wants to be woken again and again at one time"
            );
        }
        self.now = until.max(self.now);
    }

    fn finish(mut self) -> (C::Reading, Vec<Event>) {
        self.drain();
        if !self.talk.finished() {
            self.pass(self.deadline.saturating_duration_since(self.now));
        }
        if !self.talk.finished() {
            self.talk
                .interrupted(self.deadline, ProbeError::TimedOut { waited_ms: 0 });
        }
        (self.talk.conclude(), self.events)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tape_is_read_as_it_was_written() {
        let written = [b"a\xFEb".as_slice(), &[MARK, PIECE], b"", &[MARK, WAKE], b"c"];
        let bytes: Vec<u8> = [&escaped(written[0])[..], written[1], written[3], written[4]].concat();
        assert_eq!(
            steps(&bytes),
            [
                Step::Bytes(b"a\xFEb".to_vec()),
                Step::Act(PIECE),
                Step::Act(WAKE),
                Step::Bytes(b"c".to_vec())
            ]
        );
        assert_eq!(steps(&[MARK]), [Step::Bytes(vec![MARK])]);
        assert_eq!(steps(&vec![MARK; 20_000]).len(), 1, "only escaped marks");
        assert!(steps(&[MARK, PIECE].repeat(20_000)).len() <= STEPS_MAX);
    }
}
