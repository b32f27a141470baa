//! A TOML file as somebody wrote it, and where exactly it is wrong: file, line, key, nearest known key.
//!
//! Both programs read their configuration through this, so that a slip of the pen is told in one way.

use std::fmt;

use serde::de::DeserializeOwned;

use crate::nearest::nearest;

/// What is wrong in a file, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WrittenError {
    /// The file's name.
    pub file: String,
    /// The line, from 1; `None` when the fault is in no one line.
    pub line: Option<usize>,
    /// The table that the line stands in, e.g. `codec`.
    pub table: Option<String>,
    /// What is wrong.
    pub what: String,
    /// The nearest known key.
    pub nearest: Option<String>,
}

impl WrittenError {
    /// A fault that belongs to the file as a whole.
    #[must_use]
    pub fn whole(file: &str, what: impl Into<String>) -> Self {
        Self {
            file: file.to_owned(),
            line: None,
            table: None,
            what: what.into(),
            nearest: None,
        }
    }

    /// A fault at byte `at` of `text`.
    #[must_use]
    pub fn at(file: &str, text: &str, at: usize, what: impl Into<String>) -> Self {
        let before = text.get(..at.min(text.len())).unwrap_or_default();
        let line = before.matches('\n').count() + 1;
        let rest = text.get(before.len()..).unwrap_or_default();
        let through = before.len() + rest.find('\n').unwrap_or(rest.len());
        let table = text
            .get(..through)
            .unwrap_or_default()
            .lines()
            .rev()
            .find_map(|l| {
                l.trim()
                    .strip_prefix('[')
                    .map(|l| l.trim_start_matches('[').to_owned())
            })
            .and_then(|l| l.split(']').next().map(|t| t.trim().to_owned()));
        Self {
            file: file.to_owned(),
            line: Some(line),
            table,
            what: what.into(),
            nearest: None,
        }
    }
}

impl fmt::Display for WrittenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.file)?;
        if let Some(line) = self.line {
            write!(f, ":{line}")?;
        }
        write!(f, ": ")?;
        if let Some(table) = &self.table {
            write!(f, "[{table}]: ")?;
        }
        write!(f, "{}", self.what)?;
        match &self.nearest {
            Some(word) => write!(f, "; did you mean \"{word}\"?"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for WrittenError {}

/// Reads `text` as a `T`, whose structs deny unknown fields.
///
/// # Errors
/// [`WrittenError`] with the line, and for an unknown key or word the nearest known one.
pub fn read<T: DeserializeOwned>(file: &str, text: &str) -> Result<T, WrittenError> {
    toml::from_str(text).map_err(|error| {
        let (what, nearest) = explain(error.message());
        let located = match error.span() {
            Some(span) => WrittenError::at(file, text, span.start, what),
            None => WrittenError::whole(file, what),
        };
        WrittenError { nearest, ..located }
    })
}

/// Serde's words for an unknown field or variant list the known ones between backticks; they become ours.
fn explain(message: &str) -> (String, Option<String>) {
    let words: Vec<&str> = message.split('`').skip(1).step_by(2).collect();
    for (opening, ours) in [
        ("unknown field", "unknown key"),
        ("unknown variant", "unknown word"),
    ] {
        if let (true, Some((given, known))) = (message.starts_with(opening), words.split_first()) {
            let near = nearest(given, known.iter().copied()).map(str::to_owned);
            let list = if near.is_none() && !known.is_empty() {
                format!(" (known: {})", known.join(", "))
            } else {
                String::new()
            };
            return (format!("{ours} \"{given}\"{list}"), near);
        }
    }
    (message.trim().replace('`', "\""), None)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde::Deserialize;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[allow(dead_code)]
    struct File {
        codec: Codec,
        #[serde(default)]
        camera: Vec<Codec>,
    }

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[allow(dead_code)]
    struct Codec {
        address: String,
        driver: Driver,
    }

    #[derive(Debug, Deserialize)]
    #[serde(rename_all = "kebab-case")]
    enum Driver {
        Cisco,
        Poly,
    }

    fn error(text: &str) -> String {
        read::<File>("room.toml", text).unwrap_err().to_string()
    }

    #[test]
    fn the_place_and_the_nearest_word_are_told() {
        assert_eq!(
            error("[codec]\ndriver = \"cisco\"\nadress = \"x\"\n"),
            "room.toml:3: [codec]: unknown key \"adress\"; did you mean \"address\"?"
        );
        assert_eq!(
            error("[codec]\naddress = \"x\"\ndriver = \"cysco\"\n"),
            "room.toml:3: [codec]: unknown word \"cysco\"; did you mean \"cisco\"?"
        );
        assert_eq!(
            error("[codec]\naddress = \"x\"\ndriver = \"cisco\"\n[[camera]]\naddress = 5\n"),
            "room.toml:5: [camera]: invalid type: integer \"5\", expected a string"
        );
        assert!(error("[codec\n").starts_with("room.toml:1: "));
        assert!(error("").contains("missing field \"codec\""));
        assert!(
            error("[codec]\naddress = \"x\"\nqqq = 1\ndriver=\"cisco\"").contains("(known: address, driver)")
        );
    }

    proptest! {
        #[test]
        fn any_text_without_panic(text in "\\PC{0,200}", at in 0_usize..300) {
            let _ = read::<File>("f", &text).map_err(|e| e.to_string());
            let _ = WrittenError::at("f", &text, at, "x").to_string();
        }
    }
}
