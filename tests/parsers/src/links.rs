//! The one loop that carries bytes between a device and a talk, over a stream in memory that gives any pieces.

use std::cell::Cell;
use std::collections::VecDeque;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use bridgepoint_hw::dialect::codec::cisco;
use bridgepoint_hw::link::{Edge, Link, converse};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::watch;

use crate::tape::{Step, begin, steps};

/// The most that is taken from the device.
const CAP: usize = 8 * 1024;

/// The most that one read may bring beyond it.
const READ: usize = 4096;

thread_local! {
    static TICKS: Cell<u32> = const { Cell::new(0) };
}

/// A clock of its own: a millisecond passes each time it is asked, so that nothing here takes longer than 20000 looks.
fn clock() -> Instant {
    TICKS.with(|ticks| {
        ticks.set(ticks.get() + 1);
        begin() + Duration::from_millis(u64::from(ticks.get()))
    })
}

/// Pieces of any size, then the end. The step `1` takes no more writes from there on, `2` breaks the stream.
pub(crate) fn link(data: &[u8]) {
    TICKS.with(|ticks| ticks.set(0));
    let took = Arc::new(Mutex::new(Took::default()));
    let device = Device {
        steps: steps(data).into(),
        at: 0,
        deaf: false,
        took: Arc::clone(&took),
    };
    let (_stop, cancel) = watch::channel(false);
    let edge = Edge {
        clock,
        deadline: begin() + Duration::from_secs(20),
        cap_bytes: CAP,
        cancel,
    };
    let talk = cisco::Talk::new(None, clock());
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .expect("a runtime");
    let reading = runtime.block_on(converse(Link::stream(Box::new(device)), talk, &edge));
    let took = took.lock().unwrap_or_else(PoisonError::into_inner);
    assert!(took.read <= CAP + READ, "{} bytes were taken", took.read);
    assert!(took.written <= 8 * 1024, "{} bytes were sent", took.written);
    assert!(
        took.read > 0 || reading.is_err(),
        "a reading of a device that said nothing"
    );
}

#[derive(Default)]
struct Took {
    read: usize,
    written: usize,
}

struct Device {
    steps: VecDeque<Step>,
    at: usize,
    deaf: bool,
    took: Arc<Mutex<Took>>,
}

impl AsyncRead for Device {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        loop {
            let at = self.at;
            match self.steps.front() {
                None => return Poll::Ready(Ok(())),
                Some(Step::Act(2)) => return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into())),
                Some(Step::Act(act)) => {
                    self.deaf |= *act == 1;
                    self.steps.pop_front();
                }
                Some(Step::Bytes(bytes)) if at < bytes.len() => {
                    let count = buffer.remaining().min(bytes.len() - at);
                    buffer.put_slice(&bytes[at..at + count]);
                    self.at += count;
                    self.took.lock().unwrap_or_else(PoisonError::into_inner).read += count;
                    return Poll::Ready(Ok(()));
                }
                Some(Step::Bytes(_)) => {
                    self.steps.pop_front();
                    self.at = 0;
                }
            }
        }
    }
}

impl AsyncWrite for Device {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        if self.deaf {
            return Poll::Pending;
        }
        self.took.lock().unwrap_or_else(PoisonError::into_inner).written += bytes.len();
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
