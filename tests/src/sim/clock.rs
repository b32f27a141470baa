//! The one place of this crate that asks the system what time it is.
//!
//! A room counts time from its own start. The hand of a manual clock lets a test move time itself,
//! so that a camera's drive across the room, or a codec that drips one byte a second, is tested
//! without waiting.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::watch;

/// Time since the room was started, and waiting for a moment of it. Clones show the same time.
#[derive(Debug, Clone)]
pub struct Clock(Source);

#[derive(Debug, Clone)]
enum Source {
    System { start: Instant },
    Manual { time: Arc<watch::Sender<Duration>> },
}

/// Moves a manual clock.
#[derive(Debug, Clone)]
pub struct Hand(Arc<watch::Sender<Duration>>);

impl Clock {
    /// A clock that follows the system's monotonic clock, from zero now.
    #[must_use]
    #[allow(clippy::disallowed_methods, reason = "this is the crate's clock.rs")]
    pub fn system() -> Self {
        Self(Source::System {
            start: Instant::now(),
        })
    }

    /// A clock that stands at zero until its hand moves it.
    #[must_use]
    pub fn manual() -> (Self, Hand) {
        let time = Arc::new(watch::Sender::new(Duration::ZERO));
        (
            Self(Source::Manual {
                time: Arc::clone(&time),
            }),
            Hand(time),
        )
    }

    /// Time since the start.
    #[must_use]
    pub fn elapsed(&self) -> Duration {
        match &self.0 {
            Source::System { start } => start.elapsed(),
            Source::Manual { time } => *time.borrow(),
        }
    }

    /// Waits until `moment` after the start. Cancel safe.
    pub async fn until(&self, moment: Duration) {
        match &self.0 {
            Source::System { start } => match start.checked_add(moment) {
                Some(at) => tokio::time::sleep_until(at.into()).await,
                None => std::future::pending().await,
            },
            Source::Manual { time } => {
                // The sender is held by this clock, so the channel cannot close while we wait.
                let mut reading = time.subscribe();
                let _reached = reading.wait_for(|now| *now >= moment).await;
            }
        }
    }
}

impl Hand {
    /// Moves the clock forward.
    pub fn advance(&self, by: Duration) {
        self.0.send_modify(|time| *time = time.saturating_add(by));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_manual_clock_moves_only_by_hand() {
        let (clock, hand) = Clock::manual();
        assert_eq!(clock.elapsed(), Duration::ZERO);
        let waiting = tokio::spawn({
            let clock = clock.clone();
            async move {
                clock.until(Duration::from_secs(3600)).await;
                clock.elapsed()
            }
        });
        hand.advance(Duration::from_secs(1800));
        hand.advance(Duration::from_secs(1800));
        assert_eq!(waiting.await.unwrap(), Duration::from_secs(3600));
    }

    #[tokio::test]
    async fn the_system_clock_never_wakes_early() {
        let clock = Clock::system();
        let moment = clock.elapsed() + Duration::from_millis(2);
        clock.until(moment).await;
        assert!(clock.elapsed() >= moment);
    }
}
