//! What went wrong, for a person: a key of the locales and its parameters, put into words once, where it is printed
//! and in the language of whoever reads it. Errors keep an English text beside it, for the log.
//!
//! It also travels over the agent's socket: the daemon does not know its caller's language.

use std::fmt::Display;
use std::path::Path;

use bridgepoint_protocol::text::{self, Contacts, LONGEST_FOREIGN_TEXT, Lang, Params};
use serde::{Deserialize, Serialize};

/// The program, as people type it.
pub(crate) const PROGRAM: &str = "bridgepoint-agent";

/// A text that is not in words yet.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Said {
    /// A key of the locales' `[ui]`, or a code.
    pub(crate) key: String,
    pub(crate) params: Params,
    /// What stands after the sentence as it is: it belongs to no language.
    tail: Option<String>,
}

/// An error that a person can be told in either language.
pub(crate) trait Say {
    /// Its text.
    fn said(&self) -> Said;
}

impl Said {
    /// The text of `key`.
    pub(crate) fn new(key: &str) -> Self {
        Self {
            key: key.to_owned(),
            params: Params::new(),
            tail: None,
        }
    }

    /// With a parameter.
    pub(crate) fn with(mut self, name: &str, value: impl Display) -> Self {
        self.params.insert(name.to_owned(), value.to_string().into());
        self
    }

    /// On this file or directory.
    pub(crate) fn on(self, file: &Path) -> Self {
        self.with("file", file.display())
    }

    /// With what the system or a library says of it.
    pub(crate) fn because(self, detail: impl Display) -> Self {
        self.with("detail", detail)
    }

    /// With the command of this program that helps, without the program's name.
    pub(crate) fn run(self, command: &str) -> Self {
        self.with("command", format_args!("{PROGRAM} {command}"))
    }

    /// With a text after the sentence that stays as it is.
    pub(crate) fn followed_by(mut self, tail: impl Display) -> Self {
        self.tail = Some(tail.to_string());
        self
    }

    /// In words, on one line.
    ///
    /// A sentence caps what others wrote; what it had to cut, a long path for instance, stands whole behind it,
    /// because a path that ends in dots leads nowhere.
    pub(crate) fn in_words(&self, lang: Lang, contacts: &Contacts) -> String {
        let mut said = if text::has_code(&self.key) {
            let sentence = text::sentence(lang, &self.key, &self.params, contacts);
            format!("{}. {}", sentence.label, sentence.act)
        } else {
            text::ui_with(lang, &self.key, &self.params, contacts)
        };
        let cut = self
            .params
            .values()
            .filter_map(|value| value.as_str())
            .filter(|value| value.chars().count() > LONGEST_FOREIGN_TEXT);
        for whole in self.tail.iter().map(String::as_str).chain(cut) {
            said.push(' ');
            said.extend(
                whole
                    .chars()
                    .map(|c| if c.is_whitespace() { ' ' } else { shown(c) }),
            );
        }
        said.trim().to_owned()
    }
}

/// A character fit for a terminal.
fn shown(c: char) -> char {
    text::clean(c.encode_utf8(&mut [0; 4]))
        .chars()
        .next()
        .unwrap_or(' ')
}

impl Say for Said {
    fn said(&self) -> Said {
        self.clone()
    }
}

impl Say for serde_json::Error {
    fn said(&self) -> Said {
        Said::new("error-program").because(self)
    }
}
