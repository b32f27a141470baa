//! The accepted rehearsal: the findings of one full run, kept when a person accepted them (R17, R20).
//!
//! Kept whole, so that every later check can be compared with its own figures of that day.

use std::io;
use std::path::PathBuf;

use bridgepoint_protocol::claims::{Finding, Report};
use serde::{Deserialize, Serialize};

use crate::said::{Said, Say};
use crate::state::{self, StateDir};

const FILE: &str = "baseline.json";

/// An accepted rehearsal.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Baseline {
    /// The run that was accepted.
    pub(crate) run: String,
    /// When that run ended, UTC milliseconds.
    pub(crate) measured_ms: i64,
    /// When it was accepted, UTC milliseconds.
    pub(crate) accepted_ms: i64,
    /// Who accepted it.
    pub(crate) by: String,
    /// Who allowed it (R20).
    pub(crate) allowed_by: String,
    /// The findings.
    pub(crate) findings: Vec<Finding>,
}

/// Why there is no baseline to be had.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BaselineError {
    /// The file cannot be read or written.
    #[error("the baseline {0} cannot be used ({1}); check the disk and the rights of the state directory")]
    Io(PathBuf, io::Error),
    /// The file is damaged.
    #[error("the baseline {0} cannot be read ({1}); accept a new one after the next rehearsal")]
    Broken(PathBuf, String),
}

impl Say for BaselineError {
    fn said(&self) -> Said {
        match self {
            Self::Io(file, error) => Said::new("error-baseline").on(file).because(error),
            Self::Broken(file, why) => Said::new("error-baseline-broken").on(file).because(why),
        }
    }
}

impl Baseline {
    /// From a report, accepted by a person.
    pub(crate) fn of(report: Report, by: String, allowed_by: String, now_ms: i64) -> Self {
        Self {
            run: report.run,
            measured_ms: report.finished_ms,
            accepted_ms: now_ms,
            by,
            allowed_by,
            findings: report.findings,
        }
    }

    /// What that day's run found for a check.
    pub(crate) fn finding(&self, id: &str) -> Option<&Finding> {
        self.findings.iter().find(|finding| finding.check == id)
    }

    /// Reads the accepted baseline, if there is one.
    ///
    /// # Errors
    /// [`BaselineError`].
    pub(crate) fn load(state: &StateDir) -> Result<Option<Self>, BaselineError> {
        let path = state.join(FILE);
        let text = match std::fs::read(&path) {
            Ok(text) => text,
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(e) => return Err(BaselineError::Io(path, e)),
        };
        serde_json::from_slice(&text)
            .map(Some)
            .map_err(|e| BaselineError::Broken(path, e.to_string()))
    }

    /// Keeps it in place of the one before.
    ///
    /// # Errors
    /// [`BaselineError`].
    pub(crate) fn save(&self, state: &StateDir) -> Result<(), BaselineError> {
        let path = state.join(FILE);
        let text = serde_json::to_vec_pretty(self)
            .map_err(|e| BaselineError::Broken(path.clone(), e.to_string()))?;
        state::replace(&path, &text).map_err(|e| BaselineError::Io(path, e))
    }
}
