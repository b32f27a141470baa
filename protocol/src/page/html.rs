//! A writer of HTML whose type keeps foreign texts out of the markup: only literals of the program go in as
//! they are, every other text goes through one function that escapes, cleans and caps it.

use crate::text::harmless;

/// The longest text that is written in one piece, characters. Sentences are shorter, and device texts were cut
/// before ([`crate::text::clean`]); this is the last line.
pub const LONGEST_TEXT: usize = 1000;

/// A piece of HTML in the making.
#[derive(Debug, Clone, Default)]
pub struct Html {
    out: String,
}

impl Html {
    /// An empty piece.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Markup of this program, as it is.
    pub fn raw(&mut self, markup: &'static str) -> &mut Self {
        self.out.push_str(markup);
        self
    }

    /// Any text, as text: in an element or between the quotes of an attribute.
    pub fn text(&mut self, text: &str) -> &mut Self {
        let mut chars = text.chars().map(harmless);
        for c in chars.by_ref().take(LONGEST_TEXT) {
            match c {
                '&' => self.out.push_str("&amp;"),
                '<' => self.out.push_str("&lt;"),
                '>' => self.out.push_str("&gt;"),
                '"' => self.out.push_str("&quot;"),
                '\'' => self.out.push_str("&#39;"),
                c => self.out.push(c),
            }
        }
        if chars.next().is_some() {
            self.out.push('…');
        }
        self
    }

    /// ` name="value"`, the value as text.
    pub fn attr(&mut self, name: &'static str, value: &str) -> &mut Self {
        self.raw(" ").raw(name).raw("=\"").text(value).raw("\"")
    }

    /// Another piece, at this place.
    pub fn append(&mut self, piece: &Self) -> &mut Self {
        self.out.push_str(&piece.out);
        self
    }

    /// The finished text.
    #[must_use]
    pub fn finish(self) -> String {
        self.out
    }
}
