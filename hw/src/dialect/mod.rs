//! Device languages, pure: bytes in, bytes out, time as an argument.
//!
//! A [`Conversation`] is the one shape for all of them and [`crate::link::converse`] the one loop that drives it.
//! A dialect never blocks, sleeps, opens or awaits anything.

pub mod camera;
pub mod codec;
mod lines;
pub mod ups;

use std::time::Instant;

use crate::reading::ProbeError;

/// A talk with one device, from the first byte to the last, without any input or output of its own.
///
/// The driver calls [`transmit`](Self::transmit) until it gives `None`, then waits for bytes or for
/// [`timeout`](Self::timeout), whichever is first, hands them in, and repeats until
/// [`finished`](Self::finished). It takes the reading with [`conclude`](Self::conclude), which works at
/// any moment: what was not learnt by then is a [`ProbeError`] in its place.
pub trait Conversation {
    /// What comes of it.
    type Reading;

    /// Bytes from the device: any piece of a stream, or exactly one datagram.
    fn receive(&mut self, now: Instant, bytes: &[u8]);

    /// The next bytes to send, in order; for a datagram link exactly one datagram.
    fn transmit(&mut self, now: Instant) -> Option<Vec<u8>>;

    /// When [`handle_timeout`](Self::handle_timeout) wants to be called, if nothing comes before.
    fn timeout(&self) -> Option<Instant>;

    /// The time of [`timeout`](Self::timeout) has come.
    fn handle_timeout(&mut self, now: Instant);

    /// True when there is nothing left to ask.
    fn finished(&self) -> bool;

    /// The talk has to end early because of `why`: closed, cap reached, deadline: no more bytes will come.
    ///
    /// [`ProbeError::Cancelled`] alone is a wish: a conversation that has something to put back or to say
    /// goodbye goes on with that, and is driven until the deadline while it has not
    /// [`finished`](Self::finished). Of one that has finished this changes nothing.
    fn interrupted(&mut self, now: Instant, why: ProbeError);

    /// What was learnt.
    fn conclude(self) -> Self::Reading;
}

#[cfg(test)]
mod sendable;
#[cfg(test)]
mod transcripts;
