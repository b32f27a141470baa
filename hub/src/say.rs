//! What the hub's command line says to people, in Vietnamese and English, and the troubles that end a command.
//!
//! A sentence is made once, in both languages; which one is printed is decided where it is printed.

use std::fmt;

use bridgepoint_protocol::text::Lang;

/// One thing to say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sentence {
    /// In Vietnamese.
    pub vi: String,
    /// In English.
    pub en: String,
}

impl Sentence {
    /// In one language.
    #[must_use]
    pub fn in_lang(&self, lang: Lang) -> &str {
        match lang {
            Lang::Vi => &self.vi,
            Lang::En => &self.en,
        }
    }
}

/// Logs are read in English.
impl fmt::Display for Sentence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.en)
    }
}

/// Makes a sentence from its two texts.
#[must_use]
pub fn both(vi: impl Into<String>, en: impl Into<String>) -> Sentence {
    Sentence {
        vi: vi.into(),
        en: en.into(),
    }
}

/// How a command ends (contract, "Programs").
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// Done.
    Done = 0,
    /// The answer is no: not verified, not approved, no such room.
    No = 1,
    /// Wrong usage.
    Usage = 64,
    /// Something here failed: disk, database, port, broker.
    Internal = 70,
    /// Wrong configuration.
    Config = 78,
    /// Ctrl-C.
    Interrupted = 130,
}

/// Something that ends a command: what was tried, on what, and what to do next.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{said}")]
pub struct Trouble {
    /// How the program ends.
    pub exit: Exit,
    /// What is told.
    pub said: Sentence,
}

impl Trouble {
    /// The answer is no.
    #[must_use]
    pub fn no(said: Sentence) -> Self {
        Self { exit: Exit::No, said }
    }

    /// Wrong usage.
    #[must_use]
    pub fn usage(said: Sentence) -> Self {
        Self {
            exit: Exit::Usage,
            said,
        }
    }

    /// Wrong configuration.
    #[must_use]
    pub fn config(said: Sentence) -> Self {
        Self {
            exit: Exit::Config,
            said,
        }
    }

    /// The output cannot be written. Whoever reads it may have seen enough.
    #[must_use]
    pub fn output(e: &std::io::Error) -> Self {
        let exit = if e.kind() == std::io::ErrorKind::BrokenPipe {
            Exit::Done
        } else {
            Exit::Internal
        };
        Self {
            exit,
            said: both(
                format!("Không ghi được kết quả: {e}."),
                format!("The result cannot be written: {e}."),
            ),
        }
    }

    /// Something here failed.
    #[must_use]
    pub fn internal(said: Sentence) -> Self {
        Self {
            exit: Exit::Internal,
            said,
        }
    }
}
