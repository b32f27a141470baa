//! A fingerprint as people write it: in groups or without, in any case; or the whole thumbprint of a key.
//!
//! Twenty bytes of the thumbprint: enough to name a key, so that a key which was never seen can be expected.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bridgepoint_protocol::envelope::Kid;

/// Letters and digits in a fingerprint, without its hyphens.
const LENGTH: usize = 32;

/// A key's fingerprint, in groups as [`Kid::fingerprint`] writes it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Fingerprint(String);

impl Fingerprint {
    /// Reads a fingerprint or a thumbprint; `None` when it is neither.
    #[must_use]
    pub fn read(written: &str) -> Option<Self> {
        let written = written.trim();
        // A thumbprint has letters of both cases, and more of them than a fingerprint.
        if URL_SAFE_NO_PAD
            .decode(written)
            .is_ok_and(|bytes| bytes.len() == 32)
        {
            return Some(Self::of(&Kid::new(written)));
        }
        let is_gap = |c: char| c.is_whitespace() || matches!(c, '-' | '\u{2010}'..='\u{2015}');
        let heard: Vec<char> = written
            .chars()
            .filter(|c| !is_gap(*c))
            .map(|c| c.to_ascii_uppercase())
            .collect();
        let is_base32 = |c: &char| matches!(c, 'A'..='Z' | '2'..='7');
        if heard.len() != LENGTH || !heard.iter().all(is_base32) {
            return None;
        }
        let groups: Vec<String> = heard.chunks(4).map(|group| group.iter().collect()).collect();
        Some(Self(groups.join("-")))
    }

    /// Takes one as it is kept.
    pub(crate) fn kept(text: String) -> Self {
        Self(text)
    }

    /// A key's.
    #[must_use]
    pub fn of(kid: &Kid) -> Self {
        Self(kid.fingerprint())
    }

    /// True when it is this key's.
    #[must_use]
    pub fn is_of(&self, kid: &Kid) -> bool {
        *self == Self::of(kid)
    }

    /// In groups.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::sample::Box;

    #[test]
    fn it_is_read_as_people_write_it() {
        let kid = Box::new("abc/one").key.kid().clone();
        let it = Fingerprint::of(&kid);
        for written in [
            kid.fingerprint(),
            kid.fingerprint().to_lowercase(),
            kid.fingerprint().replace('-', ""),
            kid.fingerprint().replace('-', " \u{2013} "),
            format!(" {kid}\t"),
        ] {
            assert_eq!(Fingerprint::read(&written).as_ref(), Some(&it), "{written}");
        }
        let short: String = kid.fingerprint().chars().take(38).collect();
        for wrong in [
            "",
            "bai-chay",
            short.as_str(),
            &kid.fingerprint().replace('-', "0"),
            &"é".repeat(32),
        ] {
            assert_eq!(Fingerprint::read(wrong), None, "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_a_fingerprint_or_none(text in "\\PC{0,60}") {
            if let Some(read) = Fingerprint::read(&text) {
                prop_assert_eq!(Fingerprint::read(read.as_str()), Some(read));
            }
        }
    }
}
