//! The session's number: greater with each attempt to connect, also after a restart and with a clock that was set back.
//! Others tell by it whose last word a broker's "lost" is.

use crate::state::{self, StateDir};

const FILE: &str = "session";

/// The numbers of this box.
#[derive(Debug)]
pub(crate) struct Sessions {
    state: StateDir,
    last: u64,
}

impl Sessions {
    /// Goes on after what is kept.
    pub(crate) fn open(state: &StateDir) -> Self {
        let path = state.join(FILE);
        let last = match std::fs::read_to_string(&path) {
            Ok(text) => text.trim().parse().unwrap_or_else(|_| {
                tracing::warn!(file = %path.display(), "the number of the last connection cannot be read; the clock gives the next one");
                0
            }),
            Err(_) => 0,
        };
        Self {
            state: state.clone(),
            last,
        }
    }

    /// The next number: on the disk when this returns, unless the disk refuses.
    pub(crate) fn next(&mut self, wall_ms: i64) -> u64 {
        let wall = u64::try_from(wall_ms).unwrap_or_default();
        self.last = self.last.saturating_add(1).max(wall);
        let path = self.state.join(FILE);
        if let Err(error) = state::replace(&path, format!("{}\n", self.last).as_bytes()) {
            tracing::error!(file = %path.display(), %error, "the connection's number cannot be kept");
        }
        self.last
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_grow_over_restarts_and_clocks_that_go_back() {
        let root = tempfile::tempdir().unwrap();
        let state = StateDir::new(root.path().to_owned());
        let mut sessions = Sessions::open(&state);
        let first = sessions.next(1_764_000_000_000);
        assert_eq!(first, 1_764_000_000_000);
        assert_eq!(sessions.next(1_764_000_000_000), first + 1);
        // Started again without a clock.
        let mut sessions = Sessions::open(&state);
        assert_eq!(sessions.next(0), first + 2);
        assert_eq!(sessions.next(-5), first + 3);
        assert_eq!(Sessions::open(&state).next(1_765_000_000_000), 1_765_000_000_000);
        std::fs::write(state.join(FILE), b"x").unwrap();
        assert_eq!(
            Sessions::open(&state).next(7),
            7,
            "a damaged file does not stop the box"
        );
    }

    #[test]
    fn a_number_is_kept_before_it_is_used() {
        let root = tempfile::tempdir().unwrap();
        let state = StateDir::new(root.path().to_owned());
        let number = Sessions::open(&state).next(1000);
        assert_eq!(
            std::fs::read_to_string(state.join(FILE)).unwrap().trim(),
            number.to_string()
        );
    }
}
