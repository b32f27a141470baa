//! The one place of this program that asks the system for the time.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// The wall clock, UTC milliseconds since 1970. A clock before 1970 reads 0.
#[allow(clippy::disallowed_methods)] // this is the clock
pub(crate) fn wall_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

/// The monotonic clock, for lengths of time.
#[allow(clippy::disallowed_methods)] // this is the clock
pub(crate) fn instant() -> Instant {
    Instant::now()
}

/// Milliseconds since the machine was started, sleep included.
pub(crate) fn since_boot_ms() -> u64 {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
    let seconds = u64::try_from(now.tv_sec).unwrap_or_default();
    let milliseconds = u64::try_from(now.tv_nsec).unwrap_or_default() / 1_000_000;
    seconds.saturating_mul(1000).saturating_add(milliseconds)
}
