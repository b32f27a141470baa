//! The two locales: TOML files in `protocol/locales/`, embedded and read once.
//!
//! A file that cannot be read does not stop the program: its texts are then shown as their keys. A test keeps
//! such a file from being shipped.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use super::Lang;
use super::template::{Template, Value};

const VI: &str = include_str!("../../locales/vi.toml");
const EN: &str = include_str!("../../locales/en.toml");

/// All texts of one language.
#[derive(Debug, Default)]
pub(super) struct Locale {
    /// By table, key and field, joined by `/`; a table of plain texts has no field.
    texts: BTreeMap<String, Text>,
}

/// One text, from its fullest variant to its barest.
#[derive(Debug)]
pub(super) struct Text {
    source: String,
    variants: Vec<Template>,
}

impl Locale {
    /// The locale of `lang`.
    pub(super) fn of(lang: Lang) -> &'static Self {
        static LOCALES: [OnceLock<Locale>; 2] = [const { OnceLock::new() }; 2];
        let [vi, en] = &LOCALES;
        match lang {
            Lang::Vi => vi.get_or_init(|| Self::parse(VI).unwrap_or_default()),
            Lang::En => en.get_or_init(|| Self::parse(EN).unwrap_or_default()),
        }
    }

    /// Reads a locale file.
    fn parse(source: &str) -> Result<Self, LocaleError> {
        let tables: toml::Table = source.parse()?;
        let mut locale = Self::default();
        for (table, keys) in &tables {
            for (key, value) in keys.as_table().ok_or_else(|| LocaleError::Shape(table.clone()))? {
                let path = format!("{table}/{key}");
                match value.as_table() {
                    Some(fields) => {
                        for (field, value) in fields {
                            locale.add(format!("{path}/{field}"), value)?;
                        }
                    }
                    None => locale.add(path, value)?,
                }
            }
        }
        Ok(locale)
    }

    fn add(&mut self, path: String, value: &toml::Value) -> Result<(), LocaleError> {
        let variants: Option<Vec<&str>> = match value {
            toml::Value::String(text) => Some(vec![text]),
            toml::Value::Array(texts) => texts.iter().map(toml::Value::as_str).collect(),
            _ => None,
        };
        let variants = variants
            .filter(|variants| !variants.is_empty())
            .ok_or_else(|| LocaleError::Shape(path.clone()))?;
        let text = Text {
            source: variants.first().copied().unwrap_or_default().to_owned(),
            variants: variants.into_iter().map(Template::parse).collect(),
        };
        self.texts.insert(path, text);
        Ok(())
    }

    /// The text at `path`.
    pub(super) fn text(&self, path: &str) -> Option<&Text> {
        self.texts.get(path)
    }
}

impl Text {
    /// As it stands in the file (its fullest variant).
    pub(super) fn plain(&self) -> &str {
        &self.source
    }

    /// The fullest variant whose parameters are known.
    pub(super) fn fill(&self, value: &dyn Fn(&str) -> Option<Value>) -> String {
        self.variants
            .iter()
            .find_map(|variant| variant.fill(value))
            .or_else(|| self.variants.last().map(|barest| barest.fill_anyway(value)))
            .unwrap_or_default()
    }
}

/// Why a locale file cannot be used.
#[derive(Debug, thiserror::Error)]
enum LocaleError {
    #[error(transparent)]
    Toml(#[from] toml::de::Error),
    #[error("{0} is neither a text, a list of texts, nor a table of them")]
    Shape(String),
}

#[cfg(test)]
impl Locale {
    /// Reads the file anew and says what is wrong with it.
    pub(super) fn check(lang: Lang) -> Result<Self, String> {
        Self::parse(match lang {
            Lang::Vi => VI,
            Lang::En => EN,
        })
        .map_err(|error| error.to_string())
    }

    /// All texts with their paths.
    pub(super) fn all(&self) -> &BTreeMap<String, Text> {
        &self.texts
    }
}

#[cfg(test)]
impl Text {
    /// All variants.
    pub(super) fn variants(&self) -> &[Template] {
        &self.variants
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_of_another_shape_is_refused() {
        for bad in [
            "x = 1",
            "[t]\nk = 1",
            "[t]\nk = []",
            "[t]\nk = [1]",
            "[t.k]\nf = { x = 1 }",
            "[",
            "x = \"text\"",
        ] {
            assert!(Locale::parse(bad).is_err(), "{bad}");
        }
        let locale = Locale::parse("[t]\na = \"x\"\n[t.b]\nc = [\"y {n}\", \"z\"]").unwrap();
        assert_eq!(locale.text("t/a").unwrap().plain(), "x");
        assert_eq!(locale.text("t/b/c").unwrap().fill(&|_| None), "z");
    }
}
