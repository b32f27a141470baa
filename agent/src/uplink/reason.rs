//! Why a broker does not take a connection or a message: MQTT 5's reason codes of 128 and above, in a person's words.

use std::fmt;

use bridgepoint_protocol::text::{self, Lang};
use serde::{Deserialize, Serialize};

use super::delivery::Why;
use crate::say::params;

/// A broker's reason, 128 to 255 (MQTT 5, section 2.4).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Reason(pub(crate) u8);

/// Not authorized.
pub(crate) const NOT_AUTHORIZED: u8 = 135;

/// Packet too large.
pub(crate) const TOO_LARGE: u8 = 149;

impl Reason {
    /// Whether the reason lies in one message and not in the connection as such.
    pub(crate) fn is_of_a_message(self) -> bool {
        matches!(self.0, 144 | TOO_LARGE | 151 | 153)
    }

    /// The words, with the code, e.g. "this box has no permission there, code 135".
    pub(crate) fn said(self, lang: Lang) -> String {
        let code = || params([("code", self.0.into())]);
        let key = match self.0 {
            133 | 134 => "broker-reason-login",
            NOT_AUTHORIZED => "broker-reason-no-right",
            136 | 137 | 139 | 159 => "broker-reason-busy",
            138 => "broker-reason-barred",
            142 => "broker-reason-twin",
            TOO_LARGE => "broker-reason-too-large",
            150 | 151 => "broker-reason-too-much",
            _ => "broker-reason-other",
        };
        text::ui(lang, key, &code())
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.said(Lang::En))
    }
}

impl Why {
    /// The words.
    pub(crate) fn said(self, lang: Lang) -> String {
        match self {
            Self::Broker(code) => Reason(code).said(lang),
            Self::Breaks => text::ui(lang, "broker-reason-breaks", &params([])),
            Self::Unreadable => text::ui(lang, "broker-reason-unreadable", &params([])),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_is_said_in_words_with_its_number() {
        for lang in [Lang::Vi, Lang::En] {
            for code in 128..=255 {
                let said = Reason(code).said(lang);
                assert!(said.contains(&code.to_string()), "{said}");
                assert!(!said.contains('{') && !said.contains("broker-reason"), "{said}");
            }
            for why in [Why::Breaks, Why::Unreadable, Why::Broker(135)] {
                assert!(!why.said(lang).contains("broker-reason"), "{}", why.said(lang));
            }
        }
        assert_eq!(Reason(134).to_string(), "wrong user name or password, code 134");
    }
}
