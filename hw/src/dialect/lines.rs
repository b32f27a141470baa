//! Cuts a byte stream into lines: LF, CR and CRLF all end one, however the bytes were split on the way.
//!
//! A line has a cap. What is longer is thrown away up to its end and counted as [`Line::TooLong`], so a
//! device that never ends a line costs no memory.

/// One line, without its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Line {
    /// The text; bytes that are no UTF-8 are replaced by U+FFFD.
    Text(String),
    /// It was longer than the cap.
    TooLong,
}

/// The splitter with the piece of a line that has not ended yet.
#[derive(Debug)]
pub(crate) struct Lines {
    partial: Vec<u8>,
    cap_bytes: usize,
    too_long: bool,
    after_cr: bool,
}

impl Lines {
    /// Lines of at most `cap_bytes`.
    pub(crate) fn new(cap_bytes: usize) -> Self {
        Self {
            partial: Vec::new(),
            cap_bytes,
            too_long: false,
            after_cr: false,
        }
    }

    /// Takes one byte; gives a line when this byte ended it.
    pub(crate) fn push(&mut self, byte: u8) -> Option<Line> {
        let after_cr = std::mem::replace(&mut self.after_cr, byte == b'\r');
        match byte {
            b'\n' if after_cr => None,
            b'\n' | b'\r' => Some(self.end()),
            _ if self.too_long => None,
            _ if self.partial.len() >= self.cap_bytes => {
                self.too_long = true;
                self.partial.clear();
                None
            }
            _ => {
                self.partial.push(byte);
                None
            }
        }
    }

    /// What has come of the line that has not ended yet: a prompt stands here.
    pub(crate) fn partial(&self) -> &[u8] {
        &self.partial
    }

    /// Forgets the piece of a line that has come, as for a prompt that has been answered.
    pub(crate) fn forget_partial(&mut self) {
        self.partial.clear();
        self.too_long = false;
    }

    fn end(&mut self) -> Line {
        if std::mem::take(&mut self.too_long) {
            return Line::TooLong;
        }
        let bytes = std::mem::take(&mut self.partial);
        Line::Text(String::from_utf8_lossy(&bytes).into_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn all(cap: usize, bytes: &[u8]) -> Vec<Line> {
        let mut lines = Lines::new(cap);
        bytes.iter().filter_map(|byte| lines.push(*byte)).collect()
    }

    #[test]
    fn every_end_ends_one_line() {
        let text = |text: &str| Line::Text(text.to_owned());
        assert_eq!(
            all(9, b"a\r\nb\nc\rd\n\r\n\re"),
            [text("a"), text("b"), text("c"), text("d"), text(""), text("")]
        );
        assert_eq!(
            all(3, b"abc\nabcd\nab\n"),
            [text("abc"), Line::TooLong, text("ab")]
        );
    }

    proptest! {
        #[test]
        fn bounded_and_no_line_holds_an_end(bytes in proptest::collection::vec(any::<u8>(), 0..2000), cap in 0_usize..40) {
            let mut lines = Lines::new(cap);
            for byte in bytes {
                let line = lines.push(byte);
                prop_assert!(lines.partial().len() <= cap);
                if let Some(Line::Text(text)) = line {
                    prop_assert!(!text.contains(['\r', '\n']));
                    // Each byte becomes at most one replacement character of three bytes.
                    prop_assert!(text.len() <= 3 * cap);
                }
            }
        }
    }
}
