//! What the reader of the fleet asks for, as it stands in the page's address, and addresses from it: filters,
//! search and paging work by links, without a script.

use bridgepoint_protocol::text::Lang;
use serde::Deserialize;

/// What is asked for. Unknown words of an address are passed over, as links from elsewhere may have them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub struct Asked {
    /// Of this organisation.
    pub org: Option<String>,
    /// Of this area.
    pub area: Option<String>,
    /// In this bucket, or in these views, separated by commas.
    pub view: Option<String>,
    /// With this cause, as [`super::fleet::cause`] writes it.
    pub cause: Option<String>,
    /// With this in their name, id or area; signs above and below the letters do not matter.
    pub q: Option<String>,
    /// Which page, from 1.
    pub page: Option<String>,
    /// The language; the configured one when it is not said.
    pub lang: Option<String>,
    /// Only this part of the page, for its script.
    pub part: Option<String>,
}

impl Asked {
    /// The language that is asked for.
    #[must_use]
    pub fn lang(&self, otherwise: Lang) -> Lang {
        self.lang
            .as_deref()
            .and_then(|word| word.parse().ok())
            .unwrap_or(otherwise)
    }

    /// The same without a language that there is not: what is asked is written into the page's links.
    #[must_use]
    pub fn understood(self) -> Self {
        let lang = self.lang.filter(|word| word.parse::<Lang>().is_ok());
        Self { lang, ..self }
    }

    /// The page that is asked for, from 1.
    #[must_use]
    pub fn page(&self) -> usize {
        self.page
            .as_deref()
            .and_then(|n| n.parse().ok())
            .unwrap_or(1)
            .max(1)
    }

    /// The address of this, with some of it changed.
    #[must_use]
    pub fn link(&self, change: impl FnOnce(&mut Self)) -> String {
        let mut other = Self {
            part: None,
            ..self.clone()
        };
        change(&mut other);
        let Self {
            org,
            area,
            view,
            cause,
            q,
            page,
            lang,
            part: _,
        } = other;
        let parts = [
            ("org", org),
            ("area", area),
            ("view", view),
            ("cause", cause),
            ("q", q),
            ("page", page),
            ("lang", lang),
        ];
        let mut link = String::from("/");
        for (at, (name, value)) in parts.into_iter().filter_map(|(n, v)| Some((n, v?))).enumerate() {
            link.push(if at == 0 { '?' } else { '&' });
            link.push_str(name);
            link.push('=');
            encode(&mut link, &value);
        }
        link
    }
}

/// Everything but letters, digits and `-._~` as `%XX` (RFC 3986, 2.3).
fn encode(link: &mut String, text: &str) {
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            link.push(char::from(byte));
        } else {
            link.push_str(&format!("%{byte:02X}"));
        }
    }
}

/// A text for comparison: small letters without the signs above and below them, so that `bai chay` finds
/// `Bãi Cháy`.
#[must_use]
pub fn plain(text: &str) -> String {
    text.trim()
        .chars()
        .flat_map(char::to_lowercase)
        .filter_map(base)
        .collect()
}

/// A letter of Vietnamese without its signs; a combining sign alone is none.
fn base(c: char) -> Option<char> {
    Some(match c {
        'à' | 'á' | 'ả' | 'ã' | 'ạ' | 'ă' | 'ằ' | 'ắ' | 'ẳ' | 'ẵ' | 'ặ' | 'â' | 'ầ' | 'ấ' | 'ẩ' | 'ẫ'
        | 'ậ' => 'a',
        'è' | 'é' | 'ẻ' | 'ẽ' | 'ẹ' | 'ê' | 'ề' | 'ế' | 'ể' | 'ễ' | 'ệ' => 'e',
        'ì' | 'í' | 'ỉ' | 'ĩ' | 'ị' => 'i',
        'ò' | 'ó' | 'ỏ' | 'õ' | 'ọ' | 'ô' | 'ồ' | 'ố' | 'ổ' | 'ỗ' | 'ộ' | 'ơ' | 'ờ' | 'ớ' | 'ở' | 'ỡ'
        | 'ợ' => 'o',
        'ù' | 'ú' | 'ủ' | 'ũ' | 'ụ' | 'ư' | 'ừ' | 'ứ' | 'ử' | 'ữ' | 'ự' => 'u',
        'ỳ' | 'ý' | 'ỷ' | 'ỹ' | 'ỵ' => 'y',
        'đ' => 'd',
        '\u{300}'..='\u{36F}' => return None,
        c => c,
    })
}
