//! The one loop that drives any conversation over any link.
//!
//! Reading and writing go on at the same time, so a device that floods while it does not read cannot
//! hold the loop; every turn looks at the deadline first.

use std::time::Instant;

use tokio::sync::watch;

use super::{Edge, Link, Received};
use crate::dialect::Conversation;
use crate::reading::ProbeError;

/// Bytes that one read may bring. A datagram that is longer is none of a device's.
const READ_BYTES: usize = 4096;

/// Drives `conversation` over `link` until it has finished or the edge is reached, and takes its reading.
///
/// * At the deadline it is interrupted with [`ProbeError::TimedOut`], also while the device does not
///   take what is sent to it.
/// * More bytes than the edge's cap: interrupted with [`ProbeError::Garbled`].
/// * The device closes, or the socket fails: interrupted with [`ProbeError::Closed`].
/// * Stopped: interrupted with [`ProbeError::Cancelled`]; a conversation that has something to put back
///   may go on until the deadline.
pub async fn converse<C: Conversation>(mut link: Link, mut conversation: C, edge: &Edge) -> C::Reading {
    let started = (edge.clock)();
    let mut now = started;
    let datagram = link.is_datagram();
    let (mut receiving, mut sending) = link.split();
    let mut buffer = [0_u8; READ_BYTES];
    let mut received_bytes = 0_usize;
    let mut pending = Vec::new();
    let mut sent = 0;
    let mut stop = Some(edge.cancel.clone());

    loop {
        if pending.len() <= sent {
            sent = 0;
            match conversation.transmit(now) {
                Some(bytes) => pending = bytes,
                None => {
                    pending.clear();
                    if conversation.finished() {
                        break;
                    }
                }
            }
        }
        if now >= edge.deadline {
            let waited_ms = milliseconds(started, now);
            conversation.interrupted(now, ProbeError::TimedOut { waited_ms });
            return conversation.conclude();
        }
        let timeout = conversation.timeout();
        if timeout.is_some_and(|at| at <= now) {
            conversation.handle_timeout(now);
            // Whatever it decides, others get their turn, and the deadline is looked at again.
            tokio::task::yield_now().await;
            now = (edge.clock)().max(now);
            continue;
        }
        let wake = timeout.map_or(edge.deadline, |at| at.max(now).min(edge.deadline));
        let rest = pending.get(sent..).unwrap_or_default();

        let mut interrupted = None;
        tokio::select! {
            biased;
            () = stopped_or_never(stop.clone()) => {
                stop = None;
                interrupted = Some((ProbeError::Cancelled, false));
            }
            result = sending.send(rest), if !rest.is_empty() => match result {
                Ok(count) if count > 0 => sent += count,
                // A datagram that cannot leave is a host that cannot be reached.
                Err(_) if datagram && received_bytes == 0 => {
                    let waited_ms = milliseconds(started, now);
                    interrupted = Some((ProbeError::NoAnswer { waited_ms }, true));
                }
                _ => interrupted = Some((ProbeError::Closed, true)),
            },
            result = receiving.receive(&mut buffer) => match result {
                Ok(Received::Bytes(count)) => {
                    received_bytes = received_bytes.saturating_add(count);
                    if received_bytes > edge.cap_bytes {
                        interrupted = Some((ProbeError::Garbled, true));
                    } else {
                        now = (edge.clock)().max(now);
                        conversation.receive(now, buffer.get(..count).unwrap_or_default());
                    }
                }
                Ok(Received::Foreign) => {}
                Ok(Received::End) | Err(_) => interrupted = Some((ProbeError::Closed, true)),
            },
            // A clock that is a little behind the timer's must not make the wait begin again.
            () = tokio::time::sleep(wake.saturating_duration_since(now)) => now = now.max(wake),
        }
        now = (edge.clock)().max(now);
        if let Some((why, over)) = interrupted {
            conversation.interrupted(now, why);
            if over {
                return conversation.conclude();
            }
        }
    }

    let closing = sending.close();
    tokio::select! {
        () = closing => {}
        () = tokio::time::sleep(edge.remaining()) => {}
    }
    conversation.conclude()
}

/// Ends when somebody says stop; never, when nobody can any more.
pub(super) async fn stopped(mut cancel: watch::Receiver<bool>) {
    if cancel.wait_for(|stop| *stop).await.is_err() {
        std::future::pending::<()>().await;
    }
}

async fn stopped_or_never(cancel: Option<watch::Receiver<bool>>) {
    match cancel {
        Some(cancel) => stopped(cancel).await,
        None => std::future::pending().await,
    }
}

fn milliseconds(from: Instant, to: Instant) -> u64 {
    u64::try_from(to.saturating_duration_since(from).as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
