//! Shape and colour of a status. The colours are in the style; here are the shapes and the names of the colours.

use serde::Serialize;

use crate::claims::{Status, Verdict};
use crate::text::{self, Lang, Params};

/// How something stands, as it is drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Sign {
    /// Right.
    Pass,
    /// Worth attention.
    Warn,
    /// Wrong.
    Fail,
    /// Not known; grey, never red.
    Unknown,
    /// Not asked; an outline.
    Skipped,
    /// Being asked now.
    Running,
    /// Never asked.
    None,
}

impl Sign {
    /// The shape, which says the same as the colour.
    #[must_use]
    pub fn shape(self) -> &'static str {
        match self {
            Self::Pass => "●",
            Self::Warn => "▲",
            Self::Fail => "■",
            Self::Unknown => "?",
            Self::Skipped => "–",
            Self::Running => "…",
            Self::None => "○",
        }
    }

    /// The class that gives it its colour in [`super::CSS`].
    #[must_use]
    pub fn class(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Warn => "warn",
            Self::Fail => "fail",
            Self::Unknown => "unknown",
            Self::Skipped => "skipped",
            Self::Running => "running",
            Self::None => "none",
        }
    }

    /// Its word, e.g. `Lưu ý`.
    #[must_use]
    pub fn word(self, lang: Lang) -> String {
        let known = |status| text::status(lang, status).to_owned();
        match self {
            Self::Pass => known(Status::Pass),
            Self::Warn => known(Status::Warn),
            Self::Fail => known(Status::Fail),
            Self::Unknown => known(Status::Unknown),
            Self::Skipped => known(Status::Skipped),
            Self::Running => text::state(lang, "running"),
            Self::None => text::ui(lang, "no-report", &Params::new()),
        }
    }
}

impl From<Status> for Sign {
    fn from(status: Status) -> Self {
        match status {
            Status::Pass => Self::Pass,
            Status::Warn => Self::Warn,
            Status::Fail => Self::Fail,
            Status::Unknown => Self::Unknown,
            Status::Skipped => Self::Skipped,
        }
    }
}

impl From<Verdict> for Sign {
    fn from(verdict: Verdict) -> Self {
        match verdict {
            Verdict::Ready => Self::Pass,
            Verdict::Degraded => Self::Warn,
            Verdict::NotReady => Self::Fail,
            Verdict::Unknown => Self::Unknown,
        }
    }
}
