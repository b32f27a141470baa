//! Who may come in: every request names this box as its host; one that a foreign page has sent is refused; a
//! change needs the page's token and JSON besides. So that no web page from elsewhere can read or press anything
//! here through the technician's browser, not even one that has its name point to this machine.

use axum::http::header::{self, HeaderMap, HeaderName, HeaderValue};
use axum::http::{Method, StatusCode, Uri};
use ring::hmac;
use ring::rand::{SecureRandom as _, SystemRandom};

/// The header in which a change carries the page's token.
pub(super) const TOKEN_HEADER: &str = "x-bridgepoint-token";

/// The door of one server.
#[derive(Debug)]
pub(super) struct Door {
    names: Vec<String>,
    token: String,
    key: hmac::Key,
    tag: hmac::Tag,
}

/// Why somebody does not come in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum Refused {
    /// It asks for another host.
    #[error("this page is read by its own address only, e.g. http://127.0.0.1 with its port")]
    Host,
    /// A page from elsewhere has sent it.
    #[error("a page from elsewhere may not ask for anything here")]
    Origin,
    /// Only pages are read and JSON is sent.
    #[error("only GET, HEAD and POST are understood")]
    Method,
    /// A change that is not JSON.
    #[error("a change is sent as JSON: content-type: application/json")]
    NotJson,
    /// A change without the page's token.
    #[error("the page's token is missing or of an earlier start of the program; load the page again")]
    Token,
}

impl Refused {
    /// The answer's status.
    pub(super) fn status(self) -> StatusCode {
        match self {
            Self::Host => StatusCode::MISDIRECTED_REQUEST,
            Self::Origin | Self::Token => StatusCode::FORBIDDEN,
            Self::Method => StatusCode::METHOD_NOT_ALLOWED,
            Self::NotJson => StatusCode::UNSUPPORTED_MEDIA_TYPE,
        }
    }
}

impl Door {
    /// A door with a token of its own; `None` when the system gives no random numbers.
    pub(super) fn new(names: Vec<String>) -> Option<Self> {
        let token = random_hex::<24>()?;
        let mut secret = [0_u8; 32];
        SystemRandom::new().fill(&mut secret).ok()?;
        let key = hmac::Key::new(hmac::HMAC_SHA256, &secret);
        let tag = hmac::sign(&key, token.as_bytes());
        Some(Self {
            names,
            token,
            key,
            tag,
        })
    }

    /// The token that the page carries.
    pub(super) fn token(&self) -> &str {
        &self.token
    }

    /// Looks at a request before anything else does.
    pub(super) fn let_in(&self, method: &Method, uri: &Uri, headers: &HeaderMap) -> Result<(), Refused> {
        self.host(uri, headers)?;
        self.origin(headers)?;
        match *method {
            Method::GET | Method::HEAD => Ok(()),
            Method::POST => self.change(headers),
            _ => Err(Refused::Method),
        }
    }

    fn host(&self, uri: &Uri, headers: &HeaderMap) -> Result<(), Refused> {
        let mut named = headers.get_all(header::HOST).iter();
        let (Some(host), None) = (named.next(), named.next()) else {
            return Err(Refused::Host);
        };
        let asked = host.to_str().map_err(|_| Refused::Host)?;
        let absolute = uri.authority().map(axum::http::uri::Authority::as_str);
        if self.is_own(asked) && absolute.is_none_or(|name| self.is_own(name)) {
            Ok(())
        } else {
            Err(Refused::Host)
        }
    }

    fn origin(&self, headers: &HeaderMap) -> Result<(), Refused> {
        for origin in headers.get_all(header::ORIGIN) {
            let own = origin
                .to_str()
                .ok()
                .and_then(|o| o.strip_prefix("http://"))
                .is_some_and(|o| self.is_own(o));
            if !own {
                return Err(Refused::Origin);
            }
        }
        // Browsers say of every request who has made it; a link from elsewhere may open the page.
        let site = headers.get("sec-fetch-site").map(HeaderValue::as_bytes);
        let opens_a_page = headers
            .get("sec-fetch-mode")
            .is_some_and(|mode| mode == "navigate");
        match site {
            None | Some(b"same-origin" | b"none") => Ok(()),
            Some(_) if opens_a_page => Ok(()),
            Some(_) => Err(Refused::Origin),
        }
    }

    fn change(&self, headers: &HeaderMap) -> Result<(), Refused> {
        let kind = headers
            .get(header::CONTENT_TYPE)
            .and_then(|kind| kind.to_str().ok())
            .unwrap_or_default();
        let kind = kind.split(';').next().unwrap_or_default().trim();
        if !kind.eq_ignore_ascii_case("application/json") {
            return Err(Refused::NotJson);
        }
        let given = headers.get(TOKEN_HEADER).map_or(&[][..], HeaderValue::as_bytes);
        // Compared over its code, so that how long it takes says nothing.
        hmac::verify(&self.key, given, self.tag.as_ref()).map_err(|_| Refused::Token)
    }

    fn is_own(&self, name: &str) -> bool {
        self.names.iter().any(|own| own.eq_ignore_ascii_case(name))
    }
}

/// What a browser may do with an answer: nothing from elsewhere, nothing kept, nothing framed. With a `nonce`
/// the page's own style and script, and its own requests.
pub(super) fn headers(nonce: Option<&str>) -> Vec<(HeaderName, HeaderValue)> {
    const NOTHING: &str = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
    let policy = nonce.map(|nonce| {
        format!("{NOTHING}; style-src 'nonce-{nonce}'; script-src 'nonce-{nonce}'; connect-src 'self'")
    });
    let policy = policy
        .and_then(|policy| HeaderValue::from_str(&policy).ok())
        .unwrap_or(HeaderValue::from_static(NOTHING));
    vec![
        (header::CONTENT_SECURITY_POLICY, policy),
        (
            header::X_CONTENT_TYPE_OPTIONS,
            HeaderValue::from_static("nosniff"),
        ),
        (header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY")),
        (header::REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
        (
            HeaderName::from_static("cross-origin-resource-policy"),
            HeaderValue::from_static("same-origin"),
        ),
        (
            HeaderName::from_static("cross-origin-opener-policy"),
            HeaderValue::from_static("same-origin"),
        ),
    ]
}

/// `N` random bytes in hex; `None` when the system gives none.
pub(super) fn random_hex<const N: usize>() -> Option<String> {
    let mut bytes = [0_u8; N];
    SystemRandom::new().fill(&mut bytes).ok()?;
    Some(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}
