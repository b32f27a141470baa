//! How the codec's bytes leave it: at once, slowly, cut short, or as something else altogether.
//!
//! The faults that concern the wire and not the words live here, without a socket: replies go in,
//! and [`Delivery::step`] says what the socket should do next at a given time.

use std::collections::{BTreeSet, VecDeque};
use std::time::Duration;

use super::faults::CodecFault;
use crate::sim::random::Random;

/// Time for each reply under `slow`.
const SLOW: Duration = Duration::from_millis(30);

/// Time for each byte under `drip`.
const DRIP: Duration = Duration::from_secs(1);

/// Random bytes for each reply under `garbage`.
const GARBAGE_BYTES: usize = 256;

/// Bytes that may wait for a client that does not read; beyond it no more commands are read.
const BACKLOG_CAP: usize = 1024 * 1024;

/// What a unit says under `flood`, over and over.
const FLOOD: &[u8] = b"*s Peripherals ConnectedDevice 1001 Name: \"flood flood flood flood\"\r\n";

/// What the socket does next.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Step<'a> {
    /// Write these bytes, or as many of them as it takes.
    Write(&'a [u8]),
    /// Nothing until this time.
    Wait(Duration),
    /// Nothing until something is received or a fault is switched.
    Idle,
    /// Close the connection.
    Close,
}

/// The bytes of one connection on their way out.
#[derive(Debug)]
pub(crate) struct Delivery {
    /// Replies with the time from which they may leave.
    queue: VecDeque<(Duration, VecDeque<u8>)>,
    waiting: usize,
    sent: u64,
    disconnect_after: u64,
    next_drip: Duration,
    busy_until: Duration,
    stalled: bool,
    flooding: bool,
    random: Random,
}

impl Delivery {
    /// For a new connection.
    pub(crate) fn new(disconnect_after: u64, random: Random) -> Self {
        Self {
            queue: VecDeque::new(),
            waiting: 0,
            sent: 0,
            disconnect_after,
            next_drip: Duration::ZERO,
            busy_until: Duration::ZERO,
            stalled: false,
            flooding: false,
            random,
        }
    }

    /// Takes a reply, to be sent as the faults of this moment have it.
    pub(crate) fn reply(&mut self, bytes: Vec<u8>, now: Duration, faults: &BTreeSet<CodecFault>) {
        if self.stalled {
            return;
        }
        let mut bytes = bytes;
        if faults.contains(&CodecFault::Garbage) {
            bytes = self.random.bytes(GARBAGE_BYTES);
        } else if faults.contains(&CodecFault::HalfLine)
            && let Some(half) = up_to_half_a_line(&bytes)
        {
            bytes.truncate(half);
            self.stalled = true;
        }
        let from = if faults.contains(&CodecFault::Slow) {
            // One after the other: the unit works on one reply at a time.
            self.busy_until = self.busy_until.max(now).saturating_add(SLOW);
            self.busy_until
        } else {
            now
        };
        self.waiting = self.waiting.saturating_add(bytes.len());
        self.queue.push_back((from, bytes.into()));
    }

    /// Takes the echo of a line: it is no reply, so it is not slow, and never half.
    pub(crate) fn echo(&mut self, bytes: Vec<u8>, now: Duration, faults: &BTreeSet<CodecFault>) {
        if self.stalled || faults.contains(&CodecFault::Garbage) {
            return;
        }
        self.waiting = self.waiting.saturating_add(bytes.len());
        self.queue.push_back((now, bytes.into()));
    }

    /// A command came: under `flood` that opens the gate.
    pub(crate) fn commanded(&mut self, faults: &BTreeSet<CodecFault>) {
        self.flooding = faults.contains(&CodecFault::Flood);
    }

    /// Whether so much waits that no more should be read.
    pub(crate) fn is_full(&self) -> bool {
        self.waiting >= BACKLOG_CAP
    }

    /// What to do now.
    pub(crate) fn step(&mut self, now: Duration, faults: &BTreeSet<CodecFault>) -> Step<'_> {
        if faults.contains(&CodecFault::Silent) {
            self.queue.clear();
            self.waiting = 0;
            return Step::Idle;
        }
        let may_send = if faults.contains(&CodecFault::Disconnect) {
            self.disconnect_after.saturating_sub(self.sent)
        } else {
            u64::MAX
        };
        if may_send == 0 {
            return Step::Close;
        }
        let may_send = usize::try_from(may_send).unwrap_or(usize::MAX);
        while self.queue.front().is_some_and(|(_, bytes)| bytes.is_empty()) {
            self.queue.pop_front();
        }
        if self.flooding && faults.contains(&CodecFault::Flood) {
            return Step::Write(start_of(FLOOD, may_send));
        }
        let Some((from, bytes)) = self.queue.front() else {
            return Step::Idle;
        };
        if *from > now {
            return Step::Wait(*from);
        }
        let (ready, _) = bytes.as_slices();
        if faults.contains(&CodecFault::Drip) {
            if self.next_drip > now {
                return Step::Wait(self.next_drip);
            }
            return Step::Write(start_of(ready, 1));
        }
        Step::Write(start_of(ready, may_send))
    }

    /// `count` of the bytes that [`Self::step`] gave were written.
    pub(crate) fn wrote(&mut self, count: usize, now: Duration) {
        self.sent = self.sent.saturating_add(count as u64);
        self.next_drip = now.saturating_add(DRIP);
        if self.flooding {
            return;
        }
        if let Some((_, bytes)) = self.queue.front_mut() {
            let gone = count.min(bytes.len());
            bytes.drain(..gone);
            self.waiting = self.waiting.saturating_sub(gone);
            if bytes.is_empty() {
                self.queue.pop_front();
            }
        }
    }
}

/// Up to the middle of the first line of an answer; nothing for the banner or a bare `OK`.
fn up_to_half_a_line(reply: &[u8]) -> Option<usize> {
    let start = if reply.starts_with(b"*s ") || reply.starts_with(b"*r ") {
        0
    } else {
        let mut places = reply.windows(5);
        places
            .position(|five| five == b"\r\n*s " || five == b"\r\n*r ")?
            .saturating_add(2)
    };
    // The banner has an `*r` line too, but it is no answer.
    if reply.starts_with(b"Welcome") {
        return None;
    }
    let length = reply.iter().skip(start).position(|byte| *byte == b'\r')?;
    Some(start.saturating_add(length / 2))
}

fn start_of(bytes: &[u8], at_most: usize) -> &[u8] {
    bytes.get(..at_most).unwrap_or(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    const REPLY: &[u8] = b"*s Standby State: Off\r\n** end\r\n\r\nOK\r\n";

    fn delivery() -> Delivery {
        Delivery::new(10, Random::new(1, "codec"))
    }

    fn set(faults: &[CodecFault]) -> BTreeSet<CodecFault> {
        faults.iter().copied().collect()
    }

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    /// All that leaves at `now`.
    fn drain(delivery: &mut Delivery, now: Duration, faults: &BTreeSet<CodecFault>) -> Vec<u8> {
        let mut out = Vec::new();
        loop {
            let bytes = match delivery.step(now, faults) {
                Step::Write(bytes) => bytes.to_vec(),
                _ => return out,
            };
            delivery.wrote(bytes.len(), now);
            out.extend(bytes);
        }
    }

    #[test]
    fn a_healthy_unit_sends_at_once() {
        let (mut delivery, none) = (delivery(), set(&[]));
        delivery.reply(REPLY.to_vec(), ms(5), &none);
        assert_eq!(drain(&mut delivery, ms(5), &none), REPLY);
        assert_eq!(delivery.step(ms(5), &none), Step::Idle);
    }

    #[test]
    fn a_silent_unit_forgets_what_it_would_have_said() {
        let mut delivery = delivery();
        delivery.reply(REPLY.to_vec(), ms(0), &set(&[CodecFault::Silent]));
        assert_eq!(delivery.step(ms(0), &set(&[CodecFault::Silent])), Step::Idle);
        assert_eq!(delivery.step(ms(0), &set(&[])), Step::Idle);
    }

    #[test]
    fn a_dripping_unit_sends_one_byte_a_second() {
        let (mut delivery, drip) = (delivery(), set(&[CodecFault::Drip]));
        delivery.reply(REPLY.to_vec(), ms(0), &drip);
        assert_eq!(drain(&mut delivery, ms(0), &drip), b"*");
        assert_eq!(delivery.step(ms(999), &drip), Step::Wait(ms(1000)));
        assert_eq!(drain(&mut delivery, ms(1000), &drip), b"s");
    }

    #[test]
    fn a_slow_unit_takes_thirty_milliseconds_for_each_reply() {
        let (mut delivery, slow) = (delivery(), set(&[CodecFault::Slow]));
        delivery.reply(b"one".to_vec(), ms(0), &slow);
        delivery.echo(b"line".to_vec(), ms(0), &slow);
        delivery.reply(b"two".to_vec(), ms(0), &slow);
        assert_eq!(delivery.step(ms(0), &slow), Step::Wait(ms(30)));
        assert_eq!(drain(&mut delivery, ms(30), &slow), b"oneline");
        assert_eq!(delivery.step(ms(59), &slow), Step::Wait(ms(60)));
        assert_eq!(drain(&mut delivery, ms(60), &slow), b"two");
    }

    #[test]
    fn half_a_line_is_the_last_that_is_heard() {
        let (mut delivery, half) = (delivery(), set(&[CodecFault::HalfLine]));
        delivery.reply(
            b"Welcome to room\r\n*r Login successful\r\n\r\nOK\r\n".to_vec(),
            ms(0),
            &half,
        );
        delivery.reply(b"\r\nOK\r\n".to_vec(), ms(0), &half);
        delivery.reply(REPLY.to_vec(), ms(0), &half);
        delivery.reply(REPLY.to_vec(), ms(0), &half);
        let sent = drain(&mut delivery, ms(0), &half);
        assert!(
            sent.ends_with(b"\r\n\r\nOK\r\n*s Standby"),
            "{}",
            sent.escape_ascii()
        );
    }

    #[test]
    fn garbage_is_the_same_for_the_same_seed() {
        let garbage = set(&[CodecFault::Garbage]);
        let run = || {
            let mut delivery = delivery();
            delivery.reply(REPLY.to_vec(), ms(0), &garbage);
            drain(&mut delivery, ms(0), &garbage)
        };
        assert_eq!(run().len(), GARBAGE_BYTES);
        assert_eq!(run(), run());
    }

    #[test]
    fn a_flood_begins_with_the_first_command_and_ends_with_the_fault() {
        let (mut delivery, flood) = (delivery(), set(&[CodecFault::Flood]));
        delivery.reply(b"banner".to_vec(), ms(0), &flood);
        assert_eq!(drain(&mut delivery, ms(0), &flood), b"banner");
        delivery.commanded(&flood);
        for _ in 0..1000 {
            assert_eq!(delivery.step(ms(0), &flood), Step::Write(FLOOD));
            delivery.wrote(FLOOD.len(), ms(0));
        }
        assert_eq!(delivery.step(ms(0), &set(&[])), Step::Idle);
    }

    #[test]
    fn a_unit_that_disconnects_does_so_after_exactly_its_bytes() {
        let (mut delivery, cut) = (delivery(), set(&[CodecFault::Disconnect]));
        delivery.reply(REPLY.to_vec(), ms(0), &cut);
        assert_eq!(drain(&mut delivery, ms(0), &cut), &REPLY[..10]);
        assert_eq!(delivery.step(ms(0), &cut), Step::Close);
    }

    #[test]
    fn what_waits_is_counted() {
        let (mut delivery, none) = (delivery(), set(&[]));
        delivery.reply(vec![b'x'; BACKLOG_CAP], ms(0), &none);
        assert!(delivery.is_full());
        drain(&mut delivery, ms(0), &none);
        assert!(!delivery.is_full());
    }
}
