//! Tests of the loop, over a pipe in memory with a paused clock: nothing here waits for real time.

use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};

use super::super::testing::paused_edge;
use super::*;

/// Sends one line, collects what comes until `enough` bytes, and notes how it ended.
#[derive(Debug, Default)]
struct Echoed {
    to_send: Vec<Vec<u8>>,
    received: usize,
    enough: usize,
    why: Option<ProbeError>,
    goes_on_when_cancelled: bool,
    ticks: u32,
    tick: Option<Instant>,
    over: bool,
}

impl Conversation for Echoed {
    type Reading = Self;

    fn receive(&mut self, _now: Instant, bytes: &[u8]) {
        self.received += bytes.len();
        self.over |= self.received >= self.enough;
    }

    fn transmit(&mut self, _now: Instant) -> Option<Vec<u8>> {
        self.to_send.pop()
    }

    fn timeout(&self) -> Option<Instant> {
        self.tick
    }

    fn handle_timeout(&mut self, now: Instant) {
        self.ticks += 1;
        self.tick = Some(now + Duration::from_secs(1));
    }

    fn finished(&self) -> bool {
        self.over && self.to_send.is_empty()
    }

    fn interrupted(&mut self, _now: Instant, why: ProbeError) {
        if why == ProbeError::Cancelled && self.goes_on_when_cancelled {
            self.to_send.push(b"back\n".to_vec());
        } else {
            self.over = true;
        }
        self.why.get_or_insert(why);
    }

    fn conclude(self) -> Self {
        self
    }
}

fn pipe(capacity: usize) -> (Link, DuplexStream) {
    let (ours, theirs) = tokio::io::duplex(capacity);
    (Link::stream(Box::new(ours)), theirs)
}

fn asking() -> Echoed {
    Echoed {
        to_send: vec![b"hello\n".to_vec()],
        enough: 6,
        ..Echoed::default()
    }
}

const TEN_SECONDS: Duration = Duration::from_secs(10);

#[tokio::test(start_paused = true)]
async fn question_and_answer() {
    let (link, mut device) = pipe(64);
    let (edge, _cancel) = paused_edge(TEN_SECONDS, 1000);
    let answer = async {
        let mut line = [0; 6];
        device.read_exact(&mut line).await.unwrap();
        device.write_all(&line).await.unwrap();
        let mut rest = Vec::new();
        device.read_to_end(&mut rest).await.unwrap();
        rest
    };
    let (done, rest) = tokio::join!(converse(link, asking(), &edge), answer);
    assert_eq!((done.received, done.why, rest), (6, None, Vec::new()));
}

#[tokio::test(start_paused = true)]
async fn silence_ends_at_the_deadline() {
    let (link, _device) = pipe(64);
    let (edge, _cancel) = paused_edge(TEN_SECONDS, 1000);
    let done = converse(link, asking(), &edge).await;
    assert_eq!(done.why, Some(ProbeError::TimedOut { waited_ms: 10_000 }));
    assert!(edge.remaining().is_zero());
}

#[tokio::test(start_paused = true)]
async fn a_device_that_does_not_read_ends_at_the_deadline() {
    let (link, _device) = pipe(4);
    let (edge, _cancel) = paused_edge(TEN_SECONDS, 1000);
    let done = converse(link, asking(), &edge).await;
    assert_eq!(done.why, Some(ProbeError::TimedOut { waited_ms: 10_000 }));
}

#[tokio::test(start_paused = true)]
async fn a_device_that_drips_ends_at_the_deadline() {
    let (link, mut device) = pipe(64);
    let (edge, _cancel) = paused_edge(TEN_SECONDS, 1000);
    let drip = async {
        while device.write_all(b"x").await.is_ok() {
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    };
    let talk = Echoed {
        enough: usize::MAX,
        ..asking()
    };
    let (done, ()) = tokio::join!(converse(link, talk, &edge), drip);
    assert_eq!(done.why, Some(ProbeError::TimedOut { waited_ms: 10_000 }));
    assert!(done.received >= 49, "{}", done.received);
}

#[tokio::test(start_paused = true)]
async fn a_flood_ends_at_the_cap() {
    let (link, mut device) = pipe(1 << 16);
    let (edge, _cancel) = paused_edge(TEN_SECONDS, 100_000);
    let flood = async { while device.write_all(&[b'x'; 4096]).await.is_ok() {} };
    let talk = Echoed {
        enough: usize::MAX,
        ..asking()
    };
    let (done, ()) = tokio::join!(converse(link, talk, &edge), flood);
    assert_eq!(done.why, Some(ProbeError::Garbled));
    assert!(done.received <= 100_000);
}

#[tokio::test(start_paused = true)]
async fn a_device_that_closes() {
    let (link, device) = pipe(64);
    let (edge, _cancel) = paused_edge(TEN_SECONDS, 1000);
    drop(device);
    assert_eq!(
        converse(link, asking(), &edge).await.why,
        Some(ProbeError::Closed)
    );
}

#[tokio::test(start_paused = true)]
async fn stopped_by_somebody() {
    let (link, _device) = pipe(64);
    let (edge, cancel) = paused_edge(TEN_SECONDS, 1000);
    let stop = async {
        tokio::time::sleep(Duration::from_secs(3)).await;
        cancel.send(true).unwrap();
    };
    let (done, ()) = tokio::join!(converse(link, asking(), &edge), stop);
    assert_eq!(done.why, Some(ProbeError::Cancelled));
    assert_eq!(edge.remaining(), Duration::from_secs(7));
}

#[tokio::test(start_paused = true)]
async fn what_must_be_put_back_goes_on_after_the_stop() {
    let (link, mut device) = pipe(64);
    let (edge, cancel) = paused_edge(TEN_SECONDS, 1000);
    cancel.send(true).unwrap();
    let device = async {
        let mut got = [0; 5];
        device.read_exact(&mut got).await.unwrap();
        let mut line = got.to_vec();
        // The stop was there before the first word: only the way back is heard, or both, in order.
        while !line.ends_with(b"back\n") {
            line.push(device.read_u8().await.unwrap());
        }
        device.write_all(b"there.").await.unwrap();
        device
    };
    let talk = Echoed {
        goes_on_when_cancelled: true,
        ..asking()
    };
    let (done, _device) = tokio::join!(converse(link, talk, &edge), device);
    assert_eq!((done.why, done.received), (Some(ProbeError::Cancelled), 6));
    assert!(!edge.remaining().is_zero());
}

#[tokio::test(start_paused = true)]
async fn nobody_is_left_to_stop_it() {
    let (link, _device) = pipe(64);
    let (edge, cancel) = paused_edge(TEN_SECONDS, 1000);
    drop(cancel);
    let done = converse(link, asking(), &edge).await;
    assert_eq!(done.why, Some(ProbeError::TimedOut { waited_ms: 10_000 }));
}

#[tokio::test(start_paused = true)]
async fn its_own_timeouts_are_kept() {
    let (link, _device) = pipe(64);
    let (edge, _cancel) = paused_edge(TEN_SECONDS, 1000);
    let first = (edge.clock)() + Duration::from_millis(500);
    let done = converse(
        link,
        Echoed {
            tick: Some(first),
            ..asking()
        },
        &edge,
    )
    .await;
    assert_eq!(done.ticks, 10);
}

/// Also while the device does not take what is sent.
#[tokio::test(start_paused = true)]
async fn its_own_timeouts_are_kept_while_it_cannot_write() {
    let (link, _device) = pipe(4);
    let (edge, _cancel) = paused_edge(TEN_SECONDS, 1000);
    let first = (edge.clock)() + Duration::from_millis(500);
    let done = converse(
        link,
        Echoed {
            tick: Some(first),
            ..asking()
        },
        &edge,
    )
    .await;
    assert_eq!(done.ticks, 10);
}

/// A deadline in the past is met at once.
#[tokio::test(start_paused = true)]
async fn no_time_at_all() {
    let (link, _device) = pipe(64);
    let (edge, _cancel) = paused_edge(Duration::ZERO, 1000);
    assert_eq!(
        converse(link, asking(), &edge).await.why,
        Some(ProbeError::TimedOut { waited_ms: 0 })
    );
}
