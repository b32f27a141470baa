//! Commands that were obeyed: each once, by its id, also over a restart.

use std::collections::BTreeMap;

use crate::state::{self, StateDir};

const FILE: &str = "commands.json";

/// Ids that are remembered. The ones that are void first are forgotten first.
const MOST: usize = 256;

/// Longest id.
const LONGEST_ID: usize = 64;

/// An id is remembered for this long after its command is void, milliseconds: the clock may be set back meanwhile.
const MARGIN_MS: i64 = 24 * 3_600_000;

/// Why a command is not obeyed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Ignored {
    /// It came too late.
    #[error("it came too late")]
    Late,
    /// It was obeyed already.
    #[error("it was obeyed already")]
    Known,
    /// Its id is too long.
    #[error("its id has more than {LONGEST_ID} bytes")]
    LongId,
}

/// The ids, and until when each command was valid, UTC milliseconds.
#[derive(Debug)]
pub(crate) struct Obeyed {
    state: StateDir,
    until: BTreeMap<String, i64>,
}

impl Obeyed {
    /// Those that are kept.
    pub(crate) fn open(state: &StateDir) -> Self {
        let path = state.join(FILE);
        let until = std::fs::read(&path)
            .ok()
            .map(|text| serde_json::from_slice(&text));
        let until = until.unwrap_or_else(|| Ok(BTreeMap::new())).unwrap_or_else(|why| {
            tracing::warn!(file = %path.display(), %why, "which commands were obeyed cannot be read; those of now are");
            BTreeMap::new()
        });
        Self {
            state: state.clone(),
            until,
        }
    }

    /// Takes a command: on the disk when this returns, unless the disk refuses.
    ///
    /// # Errors
    /// [`Ignored`] when it is not to be obeyed.
    pub(crate) fn take(&mut self, id: &str, exp_ms: i64, now_ms: i64) -> Result<(), Ignored> {
        if id.len() > LONGEST_ID {
            return Err(Ignored::LongId);
        }
        if exp_ms < now_ms {
            return Err(Ignored::Late);
        }
        if self.until.contains_key(id) {
            return Err(Ignored::Known);
        }
        self.until
            .retain(|_, exp_ms| exp_ms.saturating_add(MARGIN_MS) >= now_ms);
        while self.until.len() >= MOST {
            let soonest = self.until.iter().min_by_key(|(_, exp_ms)| **exp_ms);
            let Some(id) = soonest.map(|(id, _)| id.clone()) else {
                break;
            };
            self.until.remove(&id);
        }
        self.until.insert(id.to_owned(), exp_ms);
        let path = self.state.join(FILE);
        let kept = serde_json::to_vec(&self.until)
            .map_err(std::io::Error::other)
            .and_then(|text| state::replace(&path, &text));
        if let Err(error) = kept {
            tracing::error!(file = %path.display(), %error, "a command's id cannot be kept");
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_is_obeyed_once_also_after_a_restart() {
        let root = tempfile::tempdir().unwrap();
        let state = StateDir::new(root.path().to_owned());
        let mut obeyed = Obeyed::open(&state);
        assert_eq!(obeyed.take("a", 2000, 1000), Ok(()));
        assert_eq!(obeyed.take("a", 2000, 1000), Err(Ignored::Known));
        assert_eq!(obeyed.take("b", 999, 1000), Err(Ignored::Late));
        assert_eq!(obeyed.take(&"x".repeat(65), 2000, 1000), Err(Ignored::LongId));
        let mut obeyed = Obeyed::open(&state);
        assert_eq!(obeyed.take("a", 2000, 1000), Err(Ignored::Known));
        // A day after it was void nobody can send it again.
        assert_eq!(obeyed.take("c", MARGIN_MS * 3, MARGIN_MS * 2), Ok(()));
        assert_eq!(obeyed.until.len(), 1);
    }

    #[test]
    fn a_flood_of_commands_is_remembered_as_far_as_there_is_room() {
        let root = tempfile::tempdir().unwrap();
        let state = StateDir::new(root.path().to_owned());
        let mut obeyed = Obeyed::open(&state);
        for n in 0..300_i64 {
            assert_eq!(obeyed.take(&n.to_string(), 1_000_000 + n, 0), Ok(()));
        }
        assert_eq!(obeyed.until.len(), MOST);
        assert_eq!(obeyed.take("299", 2_000_000, 0), Err(Ignored::Known));
        std::fs::write(state.join(FILE), b"[").unwrap();
        assert_eq!(
            Obeyed::open(&state).take("1", 1, 0),
            Ok(()),
            "a damaged file does not stop the box"
        );
    }
}
