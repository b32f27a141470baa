//! The one place that asks the system what time it is. Everything else is given `now`.

use std::time::{SystemTime, UNIX_EPOCH};

/// Wall clock, UTC milliseconds. Before 1970 it is 0.
#[must_use]
#[allow(clippy::disallowed_methods, reason = "this is the program's clock")]
pub fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

/// A clock that never goes back, ns since the machine was started. It says nothing about the time of day.
#[must_use]
pub fn mono_ns() -> u64 {
    let since = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    let ns = i128::from(since.tv_sec) * 1_000_000_000 + i128::from(since.tv_nsec);
    u64::try_from(ns).unwrap_or_default()
}
