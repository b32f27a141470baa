//! The place of the agent's texts under the logbook that is measured here: its errors are printed in English as they are,
//! so of a sentence only its key is kept.

use std::fmt::Display;
use std::path::Path;

/// The program, as people type it.
pub(crate) const PROGRAM: &str = "bridgepoint-agent";

/// A sentence that nobody reads.
pub(crate) struct Said(String);

/// An error that has one.
pub(crate) trait Say {
    /// It.
    fn said(&self) -> Said;
}

impl Said {
    pub(crate) fn new(key: &str) -> Self {
        Self(key.to_owned())
    }

    pub(crate) fn with(self, name: &str, _: impl Display) -> Self {
        Self(format!("{} {name}", self.0))
    }

    pub(crate) fn on(self, _: &Path) -> Self {
        self
    }

    pub(crate) fn because(self, _: impl Display) -> Self {
        self
    }

    pub(crate) fn run(self, _: &str) -> Self {
        self
    }
}
