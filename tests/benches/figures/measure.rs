//! The clock of this program, and the middle one of several takes.

use std::time::{Duration, Instant};

use anyhow::Result;

/// Times of one thing, of which the middle one counts.
const TAKES: usize = 21;

/// One of many quick calls.
pub(crate) fn many(mut act: impl FnMut()) -> Duration {
    const TIMES: u32 = 50;
    let taken = (0..TAKES).map(|_| {
        let began = now();
        for _ in 0..TIMES {
            act();
        }
        (now() - began) / TIMES
    });
    middle(taken.collect())
}

/// One of some slow calls.
pub(crate) fn some(mut act: impl FnMut() -> Result<()>) -> Result<Duration> {
    let taken: Result<Vec<Duration>> = (0..TAKES)
        .map(|_| {
            let began = now();
            act()?;
            Ok(now() - began)
        })
        .collect();
    Ok(middle(taken?))
}

/// The middle one.
pub(crate) fn middle(mut taken: Vec<Duration>) -> Duration {
    taken.sort();
    taken[taken.len() / 2]
}

/// `a` in units of `b`.
pub(crate) fn quotient(a: Duration, b: Duration) -> f64 {
    a.as_secs_f64() / b.as_secs_f64()
}

#[allow(clippy::disallowed_methods)] // to measure is what this program is for
pub(crate) fn now() -> Instant {
    Instant::now()
}
