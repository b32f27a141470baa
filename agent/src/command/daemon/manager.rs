//! What the service manager (systemd) is told: that the daemon is ready, what it does, that all is well, that it
//! stops. Without one nothing is told.

use std::time::Duration;

use bridgepoint_protocol::text::{self, Lang, Params};
use sd_notify::NotifyState;

use crate::say::params;

/// The service manager, or none.
#[derive(Debug, Clone, Copy)]
pub(super) struct Manager {
    lang: Lang,
    watchdog: Option<Duration>,
}

/// What the daemon does, in a line of `systemctl status`. Whoever may log in reads it: no names, no subjects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Doing {
    /// A check is made.
    Checking,
    /// It waits for this moment, UTC milliseconds.
    WaitingFor(i64),
    /// The last check before the last planned meeting was made or is over; the meeting is not.
    Done,
    /// No meeting is planned.
    Resting,
}

impl Manager {
    /// That which has started this program, if one has.
    pub(super) fn of_this_program(lang: Lang) -> Self {
        Self {
            lang,
            watchdog: sd_notify::watchdog_enabled(),
        }
    }

    /// How often it wants to hear that all is well: half of what it waits, as it asks itself.
    pub(super) fn feeding_period(self) -> Option<Duration> {
        self.watchdog.map(|longest| longest / 2)
    }

    /// Everything is up.
    pub(super) fn ready(self) {
        tell(&NotifyState::Ready);
    }

    /// What is done now; `now_ms` is UTC milliseconds.
    pub(super) fn doing(self, doing: Doing, now_ms: i64) {
        tell(&NotifyState::Status(&in_words(doing, self.lang, now_ms)));
    }

    /// Every part of the daemon lives.
    pub(super) fn all_well(self) {
        tell(&NotifyState::Watchdog);
    }

    /// It ends in order.
    pub(super) fn stopping(self) {
        tell(&NotifyState::Stopping);
    }
}

fn tell(state: &NotifyState<'_>) {
    if let Err(error) = sd_notify::notify(std::slice::from_ref(state)) {
        tracing::warn!(%error, %state, "the service manager cannot be told");
    }
}

fn in_words(doing: Doing, lang: Lang, now_ms: i64) -> String {
    match doing {
        Doing::Checking => text::state(lang, "running"),
        Doing::WaitingFor(at_ms) => {
            let time = text::moment(lang, at_ms, now_ms);
            text::ui(lang, "next-check", &params([("time", time.into())]))
        }
        Doing::Done => text::ui(lang, "no-more-checks", &Params::new()),
        Doing::Resting => text::ui(lang, "no-meeting", &Params::new()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_done_is_said_in_words() {
        // 25/11/2026 06:30 in Việt Nam.
        let at_ms = 1_795_563_000_000;
        assert_eq!(
            in_words(Doing::WaitingFor(at_ms), Lang::Vi, at_ms - 3_600_000),
            "Kiểm tra lần tới lúc 06:30"
        );
        assert_eq!(
            in_words(Doing::WaitingFor(at_ms), Lang::En, at_ms - 86_400_000),
            "Next check at 06:30 on 25/11/2026"
        );
        assert_eq!(in_words(Doing::Checking, Lang::Vi, 0), "Đang kiểm tra");
        assert_eq!(in_words(Doing::Resting, Lang::Vi, 0), "Không có lịch họp");
        assert_eq!(
            in_words(Doing::Done, Lang::Vi, 0),
            "Đã qua các lần kiểm tra trước phiên họp"
        );
    }
}
